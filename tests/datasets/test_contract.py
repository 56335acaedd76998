"""What holds for every layout that can be read and written: its synthetic twin comes back.

The list is the registry's. A layout that is not described in `TWINS` fails the first test: a new folder in `datasets/`
brings its twin along.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import twins

from tumorboard.cli.options import described_options
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import layouts, resolve
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable
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


def dicom_twin(folder: Path) -> Cohort:
    rng = np.random.default_rng(1)
    images = twins.scan(folder, "P-1.0", rng) + twins.scan(folder, "P-2.0", rng, PT=None, mask=None)
    patients = [{"patient_id": "P-1", "sex": "female", "age_years": 61.0}, {"patient_id": "P-2"}]
    return twins.cohort_of(images, patients=patients)


def table_twin(folder: Path) -> Cohort:
    patients = [
        {"patient_id": "P-1", "centre": "A", "sex": "male", "age_years": 50.5, "stage": "II"},
        {"patient_id": "P-2", "centre": "B", "stage": "III"},
    ]
    outcomes = [
        {"patient_id": "P-1", "endpoint": "OS", "run_id": EXPERT, "survival": {"event": True, "time_days": 9.25}},
        {"patient_id": "P-2", "endpoint": "OS", "run_id": EXPERT, "survival": {"event": False, "time_days": 12.0}},
    ]
    stage = Variable("stage", Kind.ORDINAL, levels={"II": "II", "III": "III"})
    return Cohort.build("twin", patients=patients, outcomes=outcomes, dictionary=[stage])


def ici_twin(folder: Path) -> Cohort:
    rng = np.random.default_rng(1)
    images = twins.scan(folder, "P-1.0", rng, PT=None, labels={1: "GTV"}) + twins.scan(
        folder, "P 2.0", rng, PT=None, mask=None
    )
    patients = [{"patient_id": "P-1", "centre": "A", "sex": "male", "age_years": 50.5, "pdl1": 35.0},
                {"patient_id": "P 2", "centre": "B", "age_years": 70.0},
                {"patient_id": "P-3", "pdl1": 1.0}]  # fmt: skip
    outcomes = [
        {"patient_id": "P-1", "endpoint": "PFS", "run_id": EXPERT, "survival": {"event": True, "time_days": 90.5}},
        {"patient_id": "P-3", "endpoint": "PFS", "run_id": EXPERT, "survival": {"event": False, "time_days": 30.0}},
        {"patient_id": "P-1", "endpoint": "OS", "run_id": EXPERT, "survival": {"event": False, "time_days": 400.0}},
    ]
    pdl1 = Variable("pdl1", Kind.NUMERIC, unit="%", baseline=True)
    return twins.cohort_of(images, patients=patients, outcomes=outcomes, dictionary=[pdl1])


def graph_twin(folder: Path) -> Cohort:
    return twins.graph_cohort()


def coco_twin(folder: Path) -> Cohort:
    return twins.graph_cohort(statements=False)


def reports_twin(folder: Path) -> Cohort:
    return twins.graph_cohort(statements=False, boxes=False)


def deeplesion_twin(folder: Path) -> Cohort:
    return twins.lesion_cohort(folder)


@dataclass(frozen=True)
class Twin:
    """A cohort that the layout can say, the options it is written with, what is read, and how exact voxels are."""

    make: Callable[[Path], Cohort]
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    voxel_tolerance: float = 0.0
    pixels: bool = True
    """Whether the layout holds images; graphs only name them."""


TWINS = {
    "coco": Twin(coco_twin, pixels=False),
    "deeplesion": Twin(deeplesion_twin),
    "dicom": Twin(dicom_twin, {"masks": "seg", "pet": "GML"}, voxel_tolerance=1e-3),  # 16-bit pixels, slope per slice
    "dicom-sr": Twin(graph_twin, pixels=False),
    "hecktor": Twin(hecktor_twin),
    "ici-nsclc": Twin(ici_twin),
    "imagenome": Twin(graph_twin, pixels=False),
    "nnunet": Twin(nnunet_twin),
    "pairs": Twin(pairs_twin),
    "reports": Twin(reports_twin, source="reports.csv", pixels=False),
    "table": Twin(table_twin, source="twin.toml"),
}
ROUND = sorted(name for name, layout in layouts().items() if layout.read and layout.write)
FOLDERS = [name for name in ROUND if name != "table"]  # a table is a file, and may join others in a folder


def write_twin(name: str, cohort: Cohort, out: Path) -> None:
    resolve(layouts()[name].write)(cohort, out, **TWINS[name].options)


def test_every_layout_that_goes_both_ways_has_its_twin():
    assert sorted(TWINS) == ROUND, "describe the synthetic twin of a new layout above"


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
        assert {p.name for p in parameters[positional:]} - settable <= {"progress", "map"}, reference


@pytest.mark.parametrize("name", ROUND)
def test_the_twin_comes_back(name, tmp_path):
    twin = TWINS[name]
    cohort = twin.make(tmp_path)
    write_twin(name, cohort, tmp_path / "out")
    again = resolve(layouts()[name].read)(tmp_path / "out" / twin.source)
    compare(twin, name, cohort, again)
    assert {row["exam_id"] for row in cohort.rows("exams")} <= {row["exam_id"] for row in again.rows("exams")}
    assert again.patient_ids == cohort.patient_ids
    for patient_id, values in twins.clinical(cohort).items():
        assert values.items() <= twins.clinical(again)[patient_id].items()
    assert outcomes_of(again) == outcomes_of(cohort)
    assert again.provenance[0]["layout"] == name
    saved = save_cohort(again, tmp_path / "cohort")
    compare(twin, name, cohort, saved)


def compare(twin: Twin, name: str, cohort: Cohort, again: Cohort) -> None:
    """The same images with the same voxels; of layouts that only name them, the same graphs and texts."""
    if twin.pixels:
        twins.assert_same_images(cohort, again, tolerance=twin.voxel_tolerance)
    else:
        twins.assert_same_graphs(cohort, again, texts=name == "reports")


def outcomes_of(cohort: Cohort) -> list[tuple[Any, ...]]:
    return [
        tuple(row[c] for c in ("patient_id", "endpoint", "survival", "class_value")) for row in cohort.rows("outcomes")
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_writer_fills_only_a_new_folder(name, tmp_path):
    cohort = TWINS[name].make(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("keep")
    with pytest.raises(TumorboardError, match="LAY112"):
        write_twin(name, cohort, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.txt"]


@pytest.mark.parametrize("name", FOLDERS)
def test_virtual_patients_stay_known_as_such(name, tmp_path):
    cohort = TWINS[name].make(tmp_path)
    write_twin(name, cohort.with_provenance({"source": "SYNTHETIC: virtual patients"}), tmp_path / "virtual")
    write_twin(name, cohort, tmp_path / "other")
    read, source = resolve(layouts()[name].read), TWINS[name].source
    assert read(tmp_path / "virtual" / source).provenance[0]["synthetic"].startswith("SYNTHETIC")
    assert "synthetic" not in read(tmp_path / "other" / source).provenance[0]


@pytest.mark.parametrize("name", [name for name in FOLDERS if TWINS[name].pixels])
def test_a_writer_that_fails_leaves_nothing(name, tmp_path):
    cohort = TWINS[name].make(tmp_path)
    Path(cohort.rows("images")[-1]["path"]).unlink()
    with pytest.raises(TumorboardError, match="FIL101"):
        write_twin(name, cohort, tmp_path / "target" / "out")
    assert list((tmp_path / "target").iterdir()) == []


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_to_read_is_a_coded_error(name, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(TumorboardError):
            resolve(layouts()[name].read)(source)
