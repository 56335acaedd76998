"""Features of patients: whose masks they are of, what is missing, and that later exams stay out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.clinical.variables import covariates_of
from tumorboard.tasks.features.blocks import IMAGE_FEATURE, block_of
from tumorboard.tasks.features.crops import CHANNELS, CropSettings, crop_centre, crops_of
from tumorboard.tasks.features.geometry import geometry_features, midline_mm, n_stage, t_stage
from tumorboard.tasks.features.measure import measure_mask
from tumorboard.tasks.features.modalities import baseline_images
from tumorboard.tasks.features.table import OUT_OF_FOLD, add_features, extract_features

LABELS = {1: "GTVp", 2: "GTVn"}


def grid(spacing_mm: float, edge_mm: float = 96.0) -> tuple[int, np.ndarray]:
    n = int(edge_mm / spacing_mm)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = -edge_mm / 2 + spacing_mm / 2
    return n, affine


def balls(spacing_mm: float, *places: tuple[tuple[float, float, float], float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Values on a grid: each ball (centre, radius, value) over 0."""
    n, affine = grid(spacing_mm)
    axis = affine[0, 3] + spacing_mm * np.arange(n)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    array = np.zeros((n, n, n), np.float32)
    for (cx, cy, cz), radius, value in places:
        array[(x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 <= radius**2] = value
    return array, affine


PRIMARY, NODE = (-10.0, 5.0, 12.0), (20.0, -5.0, -18.0)


def make(folder: Path, *, runs: tuple[dict[str, Any], ...] = (), later: bool = False) -> Cohort:
    """Three patients: A has CT, PET and masks, B has no PET, C has an empty mask and no CT."""
    rows: list[dict[str, Any]] = []
    exams = []

    def put(exam: str, kind: str, array: np.ndarray, affine: np.ndarray, unit: Unit, **more: Any) -> None:
        path = folder / f"{exam}.{more.get('run_id') or ''}{kind}.nii.gz"
        write_nifti(Volume(array, affine, unit), path)
        modality = {"mask": "SEG"}.get(kind, kind)
        role = "mask" if kind == "mask" else "image"
        rows.append(
            describe_image(
                path, image_id=path.name, exam_id=exam, modality=modality, role=role, unit=unit, **more
            )
        )

    for patient in "ABC":
        for order in range(2 if later and patient == "A" else 1):
            exam = f"{patient}.{order}"
            exams.append({"exam_id": exam, "patient_id": patient, "order": order, "day": 100.0 * order})
            grow = 1.0 + order
            body, affine = balls(3.0, ((0, 0, 0), 46, 1))
            lesions, _ = balls(3.0, (PRIMARY, 12 * grow, 1), (NODE, 8, 2))
            if patient != "C":
                put(exam, "CT", np.where(body > 0, 40, -1000).astype(np.float32), affine, Unit.HU)
            if patient != "B":
                hot, pet_affine = balls(4.0, (PRIMARY, 12, 9), (NODE, 8, 6))
                put(exam, "PT", hot + 1, pet_affine, Unit.SUVBW)
            drawn = lesions if patient != "C" else 0 * lesions
            for run in ("expert", *(r["run_id"] for r in runs)):
                put(exam, "mask", drawn.astype(np.uint8), affine, Unit.LABEL, run_id=run, labels=LABELS)
    return Cohort.build(
        "three", loader=load_image, patients=[{"patient_id": p, "age_years": 60.0} for p in "ABC"],
        exams=exams, images=rows, runs=[{"run_id": "expert", "kind": "expert"}, *runs],
    )  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make(tmp_path_factory.mktemp("three"))


def test_what_a_patient_lacks_is_missing_and_nothing_else(cohort: Cohort) -> None:
    table = extract_features(cohort, texture=False)
    value = {name: dict(zip(table.patient_ids, column, strict=True)) for name, column in zip(table.names, table.values.T, strict=True)}
    ball_ml = 4 / 3 * np.pi * 12**3 / 1000
    assert value["mask_primary_volume_ml"]["A"] == pytest.approx(ball_ml, rel=0.1)
    assert value["mask_primary_volume_ml"]["B"] == value["mask_primary_volume_ml"]["A"]
    assert value["pet_highest_suv"]["A"] == 10 and np.isnan(value["pet_highest_suv"]["B"])
    assert value["ct_median"]["A"] == pytest.approx(40) and value["ct_median"]["B"] == pytest.approx(40)
    assert np.isnan(table.values[2]).all()  # an empty mask measures nothing
    assert {table.needs[name] for name in table.names} == {("mask",), ("PET", "mask"), ("CT", "mask")}


def test_features_become_variables_that_say_whose_masks_they_are_of(cohort: Cohort) -> None:
    with_features = add_features(cohort, extract_features(cohort, texture=False))
    variable = with_features.dictionary["pet_maximum"]
    assert (variable.source, variable.note, block_of(variable)) == ("expert masks", IMAGE_FEATURE, "PET")
    assert "pet_maximum" in [v.name for v in covariates_of(with_features)]
    assert with_features.row("patients", patient_id="B")["pet_maximum"] is None
    again = add_features(with_features, extract_features(cohort, texture=False))
    assert again.patients.column_names == with_features.patients.column_names


def test_trap_masks_predicted_in_fold_are_refused_and_out_of_fold_ones_are_not(tmp_path: Path) -> None:
    """Reference, trap 8: features of masks that a network drew on its own training patients leak."""
    runs = (
        {"run_id": "seen", "kind": "model", "inputs": "{}"},
        {"run_id": "unseen", "kind": "model", "inputs": json.dumps({OUT_OF_FOLD: True})},
    )
    cohort = make(tmp_path, runs=runs)
    with pytest.raises(TumorboardError, match="FEA101"):
        extract_features(cohort, masks="seen")
    assert extract_features(cohort, masks="unseen", texture=False).source == "masks of unseen, out of fold"
    assert "own training patients" in extract_features(cohort, masks="seen", in_fold=True, texture=False).source


def test_trap_what_a_later_exam_shows_is_not_known_at_baseline(tmp_path: Path) -> None:
    with_later, alone = (extract_features(make(tmp_path / n, later=n == "b"), texture=False) for n in "ab")
    np.testing.assert_array_equal(with_later.values, alone.values)


def test_an_image_in_another_unit_is_no_modality(tmp_path: Path) -> None:
    cohort = make(tmp_path)
    rows = [r | {"unit": "Bq/ml"} if r["modality"] == "PT" else r for r in cohort.rows("images")]
    images = baseline_images(cohort.replace_tables(images=rows))
    assert [sorted(one.rows) for one in images] == [["CT", "mask"], ["CT", "mask"], ["mask"]]


def test_geometry_and_the_stage_it_implies(cohort: Cohort) -> None:
    images = baseline_images(cohort)[0]
    mask, ct = images.load("mask"), images.load("CT")
    rows = measure_mask(mask, None, labels=LABELS, image_id="m", run_id="r")
    midline = midline_mm(ct, np.array(PRIMARY))
    assert midline == pytest.approx(0.0, abs=2.0)
    found = geometry_features(mask, rows, midline=midline)
    assert found["primary_diameter_mm"] == pytest.approx(24, abs=3)
    assert (found["node_count"], found["node_opposite"], found["nodes_on_both_sides"]) == (1, 1, 0)
    assert found["node_below_primary_mm"] == pytest.approx(30, abs=2)
    assert t_stage(found["primary_diameter_mm"]) == "T2" and n_stage(found) == "N2"  # one node, the other side
    assert [t_stage(d) for d in (20, 20.1, 40, 41)] == ["T1", "T2", "T2", "T3"]
    node = {"node_count": 1.0, "node_diameter_mm": 30.0}
    assert [n_stage(node | change) for change in ({}, {"node_diameter_mm": 31}, {"node_diameter_mm": 61})] == [
        "N1", "N2", "N3",
    ]  # fmt: skip
    assert n_stage({"node_count": 0.0}) == "N0" and n_stage(node | {"node_count": 2.0}) == "N2"


def test_a_crop_is_round_the_tumour_with_every_modality_by_place(cohort: Cohort) -> None:
    settings = CropSettings(48.0, 4.0)
    crops = crops_of(cohort, ["A", "B", "C"], masks="expert", settings=settings)
    assert crops.values.shape == (3, len(CHANNELS), 12, 12, 12)
    assert crops.has.tolist() == [[True, True, False, True], [False, True, False, True], [True, False, False, True]]
    pet = crops.values[0, 0].astype(float)
    assert pet[5:7, 5:7, 5:7].mean() == pytest.approx(np.log1p(10), rel=0.02)  # the primary stands in the middle
    assert crops.values[1, 0].max() == 0 and crops.values[2, 3].max() == 0


def test_without_a_mask_the_crop_follows_uptake_but_not_the_brain() -> None:
    array, affine = balls(4.0, ((0, 0, 0), 40.0, 8.0))  # 268 ml
    array2, _ = balls(4.0, ((-38, -38, -38), 8.0, 9.0))
    pet = Volume(np.maximum(array, array2), affine, Unit.SUVBW)
    np.testing.assert_allclose(crop_centre({"PET": pet}, where="x"), [-38, -38, -38], atol=2)
    with pytest.raises(TumorboardError, match="FEA104"):
        crop_centre({"PET": pet.with_array(np.minimum(pet.array, 3.9))}, where="x")
    with pytest.raises(TumorboardError, match="FEA104"):
        crop_centre({}, where="x")
