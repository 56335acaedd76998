"""What holds for every layout that can be read and written: its synthetic twin comes back.

The list is the registry's. A layout that is not described in `TWINS` fails the first test: a new folder in
`datasets/` brings its twin along.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import twins

from tumorboard.cli.options import described_options
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import layouts, resolve
from tumorboard.core.tables import EXPERT
from tumorboard.io.store import save_cohort


def pairs_twin(folder: Path) -> Cohort:
    rng = np.random.default_rng(1)
    images = twins.scan(folder, "P-1.0", rng, labels={1: "GTV"})
    return twins.cohort_of(images + twins.scan(folder, "P-2.0", rng, labels={1: "GTV"}, PT=None))


def hecktor_twin(folder: Path) -> Cohort:
    rng = np.random.default_rng(1)
    images = twins.scan(folder, "CHUM-1.0", rng) + twins.scan(folder, "MDA-2.0", rng, mask=None)
    patients = [
        {"patient_id": "CHUM-1", "centre": "CHUM", "sex": "female", "hpv": "positive", "age_years": 50.0},
        {"patient_id": "MDA-2", "centre": "MDA", "treatment": "radiotherapy"},
    ]
    outcomes = [
        {"patient_id": "CHUM-1", "endpoint": "RFS", "run_id": EXPERT, "survival": {"event": True, "time_days": 9.0}},
        {"patient_id": "CHUM-1", "endpoint": "HPV", "run_id": EXPERT, "class_value": "positive"},
    ]
    return twins.cohort_of(images, patients=patients, outcomes=outcomes)


def nnunet_twin(folder: Path) -> Cohort:
    rng = np.random.default_rng(1)
    images = []
    for patient in ("a", "b c"):
        images += twins.scan(folder, f"{patient}.0", rng, PT=None)
        pet = rng.gamma(2.0, 1.0, twins.CT_GRID.shape).astype("float32")
        images.append(twins.put(folder, f"{patient}.0", "PT", pet, twins.CT_GRID))
    return twins.cohort_of(images)


TWINS: dict[str, Callable[[Path], Cohort]] = {"pairs": pairs_twin, "hecktor": hecktor_twin, "nnunet": nnunet_twin}
ELSEWHERE = {"dicom", "table"}
"""Layouts of another shape than image files by patient: their round trips stand beside their own tests."""
WITH_IMAGES = sorted(name for name in layouts() if name in TWINS)


def test_every_layout_has_its_twin():
    unknown = set(layouts()) - set(TWINS) - ELSEWHERE
    assert not unknown, f"describe the synthetic twin of {sorted(unknown)} here"


@pytest.mark.parametrize("name", sorted(layouts()))
def test_readers_and_writers_have_the_agreed_form(name):
    layout = layouts()[name]
    assert layout.title and layout.summary and (layout.read or layout.write)
    for reference, positional in ((layout.read, 1), (layout.write, 2)):
        if reference is None:
            continue
        parameters = list(inspect.signature(resolve(reference)).parameters.values())
        assert all(p.kind is p.KEYWORD_ONLY for p in parameters[positional:]), reference
        assert all(p.default is not p.empty for p in parameters[positional:]), f"{reference}: options have defaults"
        settable = {option["name"] for option in described_options(resolve(reference), reserved=())}
        assert {p.name for p in parameters[positional:]} - settable <= {"progress"}, reference


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_the_twin_comes_back(name, tmp_path):
    layout, cohort = layouts()[name], TWINS[name](tmp_path)
    resolve(layout.write)(cohort, tmp_path / "out")
    again = resolve(layout.read)(tmp_path / "out")
    twins.assert_same_images(cohort, again)
    assert {row["exam_id"] for row in cohort.rows("exams")} == {row["exam_id"] for row in again.rows("exams")}
    for patient_id, values in twins.clinical(cohort).items():
        assert values.items() <= twins.clinical(again)[patient_id].items()
    survival = [
        (row["patient_id"], row["endpoint"], row["survival"], row["class_value"]) for row in cohort.rows("outcomes")
    ]
    assert survival == [
        (row["patient_id"], row["endpoint"], row["survival"], row["class_value"]) for row in again.rows("outcomes")
    ]
    assert again.provenance[0]["layout"] == name
    saved = save_cohort(again, tmp_path / "cohort")
    twins.assert_same_images(cohort, saved)


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_a_writer_fills_only_a_new_folder(name, tmp_path):
    layout, cohort = layouts()[name], TWINS[name](tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("keep")
    with pytest.raises(TumorboardError, match="LAY112"):
        resolve(layout.write)(cohort, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_a_writer_that_fails_leaves_nothing(name, tmp_path):
    layout, cohort = layouts()[name], TWINS[name](tmp_path)
    Path(cohort.rows("images")[-1]["path"]).unlink()
    with pytest.raises(TumorboardError, match="FIL101"):
        resolve(layout.write)(cohort, tmp_path / "target" / "out")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("name", WITH_IMAGES)
def test_nothing_to_read_is_a_coded_error(name, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(TumorboardError, match="LAY101"):
            resolve(layouts()[name].read)(source)
