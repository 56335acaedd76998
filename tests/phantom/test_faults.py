"""Every fault in the registry is really in the cohort that asked for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tumorboard.checks.run import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort
from tumorboard.phantom.faults import FAULTS, plant


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("sound") / "cohort", patients=10, seed=4, spacing_mm=9.0, exams=1)


@pytest.fixture
def copy(sound: Cohort, tmp_path: Path) -> Cohort:
    shutil.copytree(sound.root, tmp_path / "cohort")
    return open_cohort(tmp_path / "cohort")


def touched_images(cohort: Cohort, before: Cohort, modality: str) -> list[str]:
    old = {row["image_id"]: row["sha256"] for row in before.rows("images", modality=modality)}
    return [
        row["image_id"] for row in cohort.rows("images", modality=modality) if old.get(row["image_id"]) != row["sha256"]
    ]


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault_changes_the_cohort_and_says_to_whom(copy: Cohort, name: str) -> None:
    faulty = plant(copy, [name], seed=1)
    entry = faulty.provenance[-1]
    assert entry["fault"] == name and entry["patients"]
    assert set(entry["patients"]) <= set(faulty.patient_ids)
    different = [table for table in copy.tables if not faulty.tables[table].equals(copy.tables[table])]
    assert different


def test_unknown_fault_is_refused(copy: Cohort) -> None:
    with pytest.raises(TumorboardError, match=r"PHA101.*pet-unit"):
        plant(copy, ["pet-unit"], seed=1)


def test_fault_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match=r"PHA102"):
        make_cohort(tmp_path / "one", patients=3, centres=("VA",), tables_only=True, faults=("months-among-days",))


def test_pet_units_differ_by_thousands_and_say_suv(copy: Cohort) -> None:
    before = {row["image_id"]: copy.image(row["image_id"]).array.max() for row in copy.rows("images", modality="PT")}
    faulty = plant(copy, ["pet-units"], seed=1)
    (image_id,) = touched_images(faulty, copy, "PT")
    assert faulty.image(image_id).array.max() == pytest.approx(3100 * before[image_id], rel=1e-5)
    assert faulty.row("images", image_id=image_id)["unit"] == "SUVbw"


def test_stray_and_fractional_labels_are_in_the_file(copy: Cohort) -> None:
    faulty = plant(copy, ["stray-label"], seed=1)
    (image_id,) = touched_images(faulty, copy, "SEG")
    assert 3 in faulty.image(image_id).array and 3 not in faulty.row("images", image_id=image_id)["labels"]
    twice = plant(faulty, ["fractional-label"], seed=2)
    values = np.concatenate([np.unique(twice.image(i).array) for i in touched_images(twice, faulty, "SEG")])
    assert np.any((values > 0.9) & (values < 1))


def test_geometry_faults_are_in_the_header(copy: Cohort) -> None:
    faulty = plant(copy, ["no-overlap"], seed=1)
    (image_id,) = touched_images(faulty, copy, "PT")
    ct = faulty.geometry(image_id.replace("PT", "CT"))
    assert ct.overlap_ml(faulty.geometry(image_id)) == 0
    sheared = plant(copy, ["sheared-affine"], seed=1)
    (image_id,) = touched_images(sheared, copy, "CT")
    assert not sheared.image(image_id).geometry.is_orthogonal


def test_outcome_faults(copy: Cohort) -> None:
    late = plant(copy, ["months-among-days"], seed=1)
    days = np.array([r["survival"]["time_days"] for r in late.rows("outcomes", run_id="expert") if r["survival"]])
    assert (days < 250).sum() > 0
    zero = plant(copy, ["time-not-positive"], seed=1)
    (row,) = [r for r in zero.rows("outcomes", endpoint="RFS", run_id="expert") if r["problem"]]
    assert row["survival"] is None and '"RFS": 0' in row["raw"]


# What each fault must be found as. The rules are general: none knows this phantom.
FOUND_AS = {
    "pet-units": "IMG202",
    "pet-implausible": "IMG202",
    "ct-implausible": "IMG203",
    "stray-label": "IMG207",
    "fractional-label": "IMG207",
    "mask-off-grid": "IMG206",
    "empty-mask": "IMG208",
    "shifted-affine": "IMG206",
    "sheared-affine": "IMG103",
    "flipped-orientation": "IMG211",
    "no-overlap": "IMG204",
    "duplicate-patient": "IMG212",
    "similar-ids": "PAT201",
    "impossible-age": "TAB208",
    "unknown-code": "TAB205",
    "label-leak": "OUT207",
    "time-not-positive": "OUT201",
    "rfs-after-os": "OUT203",
    "months-among-days": "OUT204",
    "unit-unknown": "IMG202",
}
MANY = {"label-leak", "months-among-days"}
"""Faults that only many patients show."""


def findings(cohort: Cohort) -> set[tuple[str, str, str]]:
    return {(str(getattr(f.code, "id", f.code)), str(f.where), f.severity) for f in run_checks(cohort)}


@pytest.fixture(scope="module")
def sound_findings(sound: Cohort) -> set[tuple[str, str, str]]:
    return findings(sound)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("many") / "cohort"
    return make_cohort(folder, patients=120, seed=4, tables_only=True)


def test_a_sound_cohort_has_no_errors(sound_findings: set[tuple[str, str, str]], many: Cohort) -> None:
    assert not [found for found in sound_findings | findings(many) if found[2] == "error"]


def test_every_fault_is_listed() -> None:
    assert set(FOUND_AS) == set(FAULTS)


@pytest.mark.parametrize("name", sorted(FOUND_AS))
def test_the_checks_find_it(copy: Cohort, many: Cohort, sound_findings: set, name: str) -> None:
    before = findings(many) if name in MANY else sound_findings
    after = findings(plant(many if name in MANY else copy, [name], seed=1))
    assert FOUND_AS[name] in {code for code, _, _ in after - before}
