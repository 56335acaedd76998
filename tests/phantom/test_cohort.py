"""The cohort as a whole: deterministic, honest about itself, complete in its references."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.io.files import sha256_of
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort
from tumorboard.phantom.cohort import draw_patients


def checksums(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): sha256_of(path) for path in files}


def backwards(function, items):
    """An executor that works in another order and hands results back in the right one."""
    results = [function(item) for item in reversed(list(items))]
    return reversed(results)


def test_same_seed_gives_the_same_bytes_in_any_order_and_process(tmp_path: Path) -> None:
    make_cohort(tmp_path / "a", patients=1, seed=5, spacing_mm=9.0, exams=2, followed=1.0)
    make_cohort(tmp_path / "b", patients=1, seed=5, spacing_mm=9.0, exams=2, followed=1.0, map=backwards)
    program = (
        "import sys; from pathlib import Path; from tumorboard.phantom import make_cohort; "
        "make_cohort(Path(sys.argv[1]), patients=1, seed=5, spacing_mm=9.0, exams=2, followed=1.0)"
    )
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "PYTHONHASHSEED": "77",
        "PATH": "/usr/bin:/bin",
    }
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "c")], check=True, env=environment)
    first = checksums(tmp_path / "a")
    assert any(name.endswith("PT.nii.gz") for name in first)
    assert first == checksums(tmp_path / "b")
    assert first == checksums(tmp_path / "c")


def test_a_patient_does_not_depend_on_the_size_of_the_cohort() -> None:
    few, many = draw_patients(3, seed=9), draw_patients(40, seed=9)
    for a, b in zip(few, many, strict=False):
        assert (a.patient_id, a.person, a.course, a.record) == (b.patient_id, b.person, b.course, b.record)
    assert draw_patients(3, seed=10)[0].person != few[0].person


def test_only_the_first_patients_have_images_when_asked(tmp_path: Path) -> None:
    scanned: list[str] = []

    def noted(function, items):
        scanned.extend(item.patient_id for item in items)
        return iter(())

    cohort = make_cohort(tmp_path / "some", patients=5, seed=9, imaged=2, map=noted)
    assert scanned == cohort.patient_ids[:2]
    assert len(cohort) == 5 and {row["patient_id"] for row in cohort.rows("outcomes")} == set(cohort.patient_ids)
    with pytest.raises(TumorboardError, match="imaged"):
        make_cohort(tmp_path / "x", patients=1, region="chest-xray", imaged=1)


def test_it_says_that_it_is_synthetic(virtual: Cohort) -> None:
    assert virtual.provenance[0]["source"].startswith("SYNTHETIC")
    again = open_cohort(virtual.root)
    assert again.provenance[0]["seed"] == 3


def test_every_exam_has_ct_pet_and_a_mask_on_the_ct(virtual: Cohort) -> None:
    for exam in virtual.exams["exam_id"].to_pylist():
        ct, pet, mask = (virtual.image(f"{exam}.{kind}") for kind in ("CT", "PT", "mask"))
        mask.require_same_grid(ct)
        assert not pet.same_grid(ct)
        assert ct.geometry.overlap_ml(pet.geometry) > 0.5 * np.prod(ct.geometry.extent_mm) / 1000 * 0.7
        assert set(np.unique(mask.array)) <= {0, 1, 2}
    orders = virtual.exams["order"].to_pylist()
    assert max(orders) >= 1
    days = [row["day"] for row in virtual.rows("exams", order=1)]
    assert min(days) > 100


def test_findings_agree_with_the_masks(virtual: Cohort) -> None:
    for exam in virtual.exams["exam_id"].to_pylist():
        mask = virtual.image(f"{exam}.mask")
        rows = virtual.rows("findings", image_id=f"{exam}.mask", run_id=EXPERT)
        for value in (1, 2):
            drawn = (mask.array == value).sum() * mask.voxel_volume_ml
            listed = sum(row["measurements"]["volume_ml"] for row in rows if row["value"] == value)
            assert listed == pytest.approx(drawn, rel=1e-6)
        for row in rows:
            low, high = np.array(row["box"][:3]), np.array(row["box"][3:])
            assert (low <= row["points_mm"]).all() and (np.array(row["points_mm"]) <= high).all()


def test_lesions_are_followed_by_relations(virtual: Cohort) -> None:
    rows = virtual.rows("relations", predicate="same lesion")
    assert rows
    known = set(virtual.findings["finding_id"].to_pylist())
    for row in rows:
        assert {row["subject"], row["object"]} <= known
        assert row["subject"].rpartition(".")[2] == row["object"].rpartition(".")[2]
        assert row["subject"] != row["object"]


def test_lesions_grow_shrink_vanish_and_appear() -> None:
    patients = draw_patients(40, seed=1, exams=3, followed=1.0)
    later = [course for p in patients for lesion in p.disease.lesions for course in [lesion.courses]]
    assert any(c[0] > 0 and c[-1] == 0 for c in later), "vanished"
    assert any(c[0] == 0 and c[-1] > 0 for c in later), "new"
    assert any(c[0] > 0 and c[1] > 1.1 for c in later), "grown"
    assert any(c[0] > 0 and 0 < c[1] < 0.7 for c in later), "shrunk"


def test_a_thousand_patients_without_images_take_seconds(tmp_path: Path) -> None:
    start = time.process_time()
    cohort = make_cohort(tmp_path / "tables", patients=1000, seed=2, tables_only=True)
    assert time.process_time() - start < 20  # about 4 s on an idle core
    assert len(cohort) == 1000
    assert cohort.images.num_rows == 0
    start = time.process_time()
    open_cohort(tmp_path / "tables")
    assert time.process_time() - start < 1.0


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(TumorboardError, match=r"PHA103"):
        make_cohort(tmp_path, patients=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match=r"PHA101.*VZ"):
        make_cohort(tmp_path / "x", patients=1, centres=("VZ",))
    with pytest.raises(TumorboardError, match=r"PHA101.*torso"):
        make_cohort(tmp_path / "x", patients=1, region="torso")
    assert not (tmp_path / "x").exists()
