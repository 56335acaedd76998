"""Every rule on images: a small PET/CT cohort of blobs in boxes, clean and with one fault planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.checks import CheckFinding, run_checks
from tumorboard.checks.blind_ellipsoid import MARGINS_MM, blind_dice, leave_one_out
from tumorboard.checks.rules import mirrored
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import write_nifti

Pictures = dict[str, Volume]
SHAPE = (24, 24, 28)


class Memory:
    """Loader of volumes that are held in memory."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def __call__(self, row: Mapping[str, Any], root: Path | None) -> Volume:
        return self.pictures[row["image_id"]]


def patient(number: int) -> tuple[Volume, Volume, Volume]:
    """CT, PET and mask of one body: tapering upwards, bed behind, liver on the right, tumour anywhere."""
    rng = np.random.default_rng(number)
    affine = np.diag([7.0, 7.0, 7.0, 1.0])
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    ct = np.full(SHAPE, -1000.0)
    ct[(x / 0.8) ** 2 + (y / 0.6) ** 2 < 1 - 0.3 * z] = 20
    ct[(y < -0.8) & (np.abs(x) < 0.7)] = 200
    ct[(x - 0.4) ** 2 + y**2 + (z + 0.3) ** 2 < 0.15] = 280
    ct += rng.normal(0, 10, SHAPE)
    mask = np.zeros(SHAPE, np.uint8)
    at = np.array([*rng.integers(8, 15, 2), rng.integers(4, 22)])
    mask[tuple(slice(a - 1, a + 2) for a in at)] = 1
    pet = np.abs(rng.normal(1, 0.2, SHAPE))
    pet[mask > 0] += 8
    pet[(x - 0.4) ** 2 + y**2 + (z + 0.3) ** 2 < 0.15] += 3
    return Volume(ct, affine, Unit.HU), Volume(pet, affine, Unit.SUVBW), Volume(mask, affine, Unit.LABEL)


def cohort_of(change: Callable[[int, dict[str, Any]], None] | None = None, *, patients: int = 8) -> Cohort:
    """`change(number, parts)` edits the volumes (CT, PT, mask) and row facts of a patient before they are described."""
    pictures: Pictures = {}
    rows = []
    for number in range(patients):
        ct, pet, mask = patient(number)
        parts: dict[str, Any] = {"CT": ct, "PT": pet, "mask": mask, "rows": {"CT": {}, "PT": {}, "mask": {}}}
        if change is not None:
            change(number, parts)
        exam = f"p{number}.0"
        for kind in ("CT", "PT", "mask"):
            volume = parts[kind]
            pictures[f"{exam}.{kind}"] = volume
            row = {
                "image_id": f"{exam}.{kind}",
                "exam_id": exam,
                "modality": "SEG" if kind == "mask" else kind,
                "role": "mask" if kind == "mask" else "image",
                "unit": str(volume.unit),
                "format": "memory",
                "path": kind,
                "shape": list(volume.shape),
                "affine": volume.affine.ravel().tolist(),
                "sha256": f"{number}{kind}",
            }
            if kind == "mask":
                row |= {"run_id": "expert", "labels": {1: "GTVp"}, "reference_image_id": f"{exam}.CT"}
            rows.append(row | parts["rows"][kind])
    return Cohort.build(
        "boxes",
        loader=Memory(pictures),
        patients=[{"patient_id": f"p{n}"} for n in range(patients)],
        exams=[{"exam_id": f"p{n}.0", "patient_id": f"p{n}", "order": 0} for n in range(patients)],
        images=rows,
    )


def of_code(cohort: Cohort, code: str) -> list[CheckFinding]:
    return [finding for finding in run_checks(cohort) if finding.code == code]


def only(number: int, edit: Callable[[dict[str, Any]], None]) -> Callable[[int, dict[str, Any]], None]:
    """Plant a fault in one patient."""

    def change(n: int, parts: dict[str, Any]) -> None:
        if n == number:
            edit(parts)

    return change


def test_a_clean_cohort_raises_nothing() -> None:
    assert [(f.code, f.where, f.message) for f in run_checks(cohort_of())] == []


def test_pet_left_in_becquerel_among_suv() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["PT"] = parts["PT"].with_array(parts["PT"].array * 4000)

    (found,) = of_code(cohort_of(only(3, edit)), "IMG202")
    assert found.severity == "error" and found.where == "p3.0.PT" and "median maximum" in found.message


def test_pet_stated_in_two_units() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["PT"] = parts["PT"].with_array(parts["PT"].array * 4000, Unit.BQML)

    (found,) = of_code(cohort_of(only(3, edit)), "IMG202")
    assert found.where == "images, PET: p3.0.PT"


def test_pet_scaled_to_one() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["PT"] = parts["PT"].with_array(parts["PT"].array / 100)

    assert [f.where for f in of_code(cohort_of(only(0, edit)), "IMG202")] == ["p0.0.PT"]


@pytest.mark.parametrize(
    ("edit", "severity"),
    [
        (lambda a: np.clip(a, -1000, 1800) + 1024 + 1000 * (a > 150), "error"),
        (lambda a: (a + 1000) / 1300, "error"),
        (lambda a: np.where(a < -900, -3024.0, a), "info"),
        (lambda a: np.where(a > 150, 9000.0, a), "warning"),
    ],
)
def test_ct_that_is_not_in_hounsfield_units(edit: Callable[[Any], Any], severity: str) -> None:
    def change(parts: dict[str, Any]) -> None:
        parts["CT"] = parts["CT"].with_array(edit(parts["CT"].array))

    (found,) = of_code(cohort_of(only(2, change)), "IMG203")
    assert (found.severity, found.where) == (severity, "p2.0.CT")


def moved(volume: Volume, *, mm: float) -> Volume:
    affine = volume.affine.copy()
    affine[2, 3] += mm
    return Volume(volume.array, affine, volume.unit)


@pytest.mark.parametrize(("mm", "severity"), [(400.0, "error"), (120.0, "warning"), (3.0, "info")])
def test_pet_in_another_place(mm: float, severity: str) -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["PT"] = moved(parts["PT"], mm=mm)

    (found,) = of_code(cohort_of(only(5, edit)), "IMG204")
    assert found.severity == severity and "p5.0.CT" in found.where


def test_a_bladder_hotter_than_the_tumour() -> None:
    def edit(parts: dict[str, Any]) -> None:
        array = parts["PT"].array.copy()
        far = 1 if np.argwhere(parts["mask"].array)[0][2] > 12 else 26
        array[12, 12, far] = 40
        parts["PT"] = parts["PT"].with_array(array)

    (found,) = of_code(cohort_of(only(1, edit)), "IMG205")
    assert found.severity == "warning" and found.where == "p1: p1.0.PT" and "40.0 SUVbw outside" in found.message


def test_a_mask_on_no_grid() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["mask"] = parts["mask"].crop((0, 0, 0), (24, 24, 27))
        parts["rows"]["mask"] = {"reference_image_id": None, "problem": "COH106"}

    (found,) = of_code(cohort_of(only(4, edit)), "IMG206")
    assert found.severity == "error" and found.where == "p4: p4.0.mask"


@pytest.mark.parametrize("value", [3, 255, 0.9999])
def test_values_that_are_no_labels(value: float) -> None:
    def edit(parts: dict[str, Any]) -> None:
        array = parts["mask"].array.astype(np.float32)
        array[0, 0, :3] = value
        parts["mask"] = parts["mask"].with_array(array)

    (found,) = of_code(cohort_of(only(6, edit)), "IMG207")
    assert found.severity == "error" and f"{value:g}" in found.message


def test_a_mask_of_0_and_255_without_labels() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["mask"] = parts["mask"].with_array(parts["mask"].array * np.uint8(255))
        parts["rows"]["mask"] = {"labels": None}

    (found,) = of_code(cohort_of(only(6, edit)), "IMG207")
    assert found.severity == "warning"


def test_empty_structures_are_information() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["rows"]["mask"] = {"labels": {1: "GTVp", 2: "GTVn"}}

    def nothing(parts: dict[str, Any]) -> None:
        parts["mask"] = parts["mask"].with_array(np.zeros_like(parts["mask"].array))

    for change, text in ((edit, "no voxel of GTVn"), (nothing, "empty mask")):
        (found,) = of_code(cohort_of(only(0, change)), "IMG208")
        assert found.severity == "info" and text in found.message


def test_a_node_contour_in_a_patient_staged_n0_is_no_error() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["mask"] = parts["mask"].with_array(parts["mask"].array * np.uint8(2))
        parts["rows"]["mask"] = {"labels": {1: "GTVp", 2: "GTVn"}}

    cohort = cohort_of(only(0, edit))
    patients = [{**row, "N stage": "N0"} for row in cohort.rows("patients")]
    assert [f for f in run_checks(cohort.replace_tables(patients=patients)) if f.severity != "info"] == []


def test_sheared_default_and_left_over_affines() -> None:
    def sheared(parts: dict[str, Any]) -> None:
        affine = parts["CT"].affine.copy()
        affine[0, 2] = 0.4
        for kind in ("CT", "PT", "mask"):
            parts[kind] = Volume(parts[kind].array, affine, parts[kind].unit)

    def default(parts: dict[str, Any]) -> None:
        for kind in ("CT", "PT", "mask"):
            parts[kind] = Volume(parts[kind].array, np.eye(4), parts[kind].unit)

    def stale(parts: dict[str, Any]) -> None:
        parts["PT"] = Volume(parts["PT"].array[:, :, 10:], parts["PT"].affine, Unit.SUVBW)

    for change, text in ((sheared, "right angles"), (default, "origin 0"), (stale, "another size")):
        found = of_code(cohort_of(only(0, change)), "IMG209")
        assert found and all(f.severity == "warning" and text in f.message for f in found)
        assert all(f.where.startswith("p0") for f in found)


def test_a_patient_stored_in_another_order_is_information() -> None:
    def edit(parts: dict[str, Any]) -> None:
        for kind in ("CT", "PT", "mask"):
            parts[kind] = parts[kind].flip(0)

    found = run_checks(cohort_of(only(2, edit)))
    assert {(f.code, f.severity) for f in found} == {("IMG210", "info")}
    assert any("p2.0.CT" in f.where for f in found)


@pytest.mark.parametrize(("axis", "words"), [(0, "left and right"), (1, "front and back"), (2, "head and feet")])
def test_a_patient_whose_voxels_are_turned_but_not_the_affine(axis: int, words: str) -> None:
    def edit(parts: dict[str, Any]) -> None:
        for kind in ("CT", "PT", "mask"):
            parts[kind] = parts[kind].with_array(np.flip(parts[kind].array, axis))

    found = of_code(cohort_of(only(3, edit)), "IMG211")
    assert found and all(f.where.startswith("p3") for f in found) and words in found[0].message


def test_the_same_scan_under_two_patients() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["rows"]["CT"] = {"sha256": "0CT"}

    (found,) = of_code(cohort_of(only(1, edit)), "IMG212")
    assert found.severity == "error" and "p0, p1" in found.where


def test_crops_round_the_tumour_give_it_away() -> None:
    rng = np.random.default_rng(3)

    def crop(number: int, parts: dict[str, Any]) -> None:
        mask = np.zeros((60, 60, 60), np.uint8)
        x, y, z = np.meshgrid(*(np.arange(60) - 30,) * 3, indexing="ij")
        a, b, c = rng.uniform(5, 14, 3)
        mask[(x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1] = 1
        low, high = np.argwhere(mask).min(axis=0) - 6, np.argwhere(mask).max(axis=0) + 7
        for kind in ("CT", "PT", "mask"):
            array = mask if kind == "mask" else rng.normal(0, 1, mask.shape)
            parts[kind] = Volume(array, parts[kind].affine, parts[kind].unit).crop(low, high)
        parts["rows"]["CT"] = {"options": json.dumps({"evaluation_cut": [[2, 2], [2, 2], [2, 2]]})}

    (found,) = of_code(cohort_of(crop), "IMG213")
    assert found.severity == "warning" and "from the border" in found.message and "cut sub-volumes" in found.message
    assert of_code(cohort_of(patients=12), "IMG213") == []


def test_blind_dice_of_a_sphere_in_the_middle_is_one_at_its_margin() -> None:
    x, y, z = np.meshgrid(*(np.arange(60) - 29.5,) * 3, indexing="ij")
    sphere = x**2 + y**2 + z**2 <= 20**2
    curve = blind_dice(sphere, (1, 1, 1))
    assert MARGINS_MM[int(curve[: len(MARGINS_MM)].argmax())] == 10.0  # half of 60 mm less the radius
    assert curve.max() > 0.99
    dice, _ = leave_one_out(np.stack([curve, curve]))
    assert np.allclose(dice, curve.max())


def test_damaged_files_become_findings(tmp_path: Path) -> None:
    from tumorboard.io.images import load_image

    _, _, mask = patient(0)
    path = tmp_path / "x.nii.gz"
    write_nifti(mask, path)
    row = {
        "image_id": "a.0.mask", "exam_id": "a.0", "modality": "SEG", "role": "mask", "unit": "label", "format": "nifti",
        "path": str(path), "shape": list(mask.shape), "affine": mask.affine.ravel().tolist(), "run_id": "expert",
        "labels": {1: "GTVp"},
    }  # fmt: skip
    exams = [{"exam_id": "a.0", "patient_id": "a", "order": 0}]
    cohort = Cohort.build("c", loader=load_image, patients=[{"patient_id": "a"}], exams=exams, images=[row])
    assert run_checks(cohort) == []
    path.write_bytes(path.read_bytes()[:-20])
    (found,) = run_checks(cohort)
    assert found.code in ("FIL104", "FIL106")
    assert (found.severity, found.where) == ("error", "a.0.mask")


def test_voxels_that_are_not_numbers() -> None:
    def edit(parts: dict[str, Any]) -> None:
        array = parts["PT"].array.copy()
        array[0, 0, 0] = np.nan
        parts["PT"] = parts["PT"].with_array(array)

    (found,) = of_code(cohort_of(only(0, edit)), "IMG201")
    assert "1 voxels" in found.message


def test_without_voxels_only_headers_speak() -> None:
    assert run_checks(cohort_of(), voxels=False) == []


def test_a_mask_stored_backwards() -> None:
    def edit(parts: dict[str, Any]) -> None:
        array = np.zeros_like(parts["mask"].array)
        array[1:4, 1:4, 1:4] = 1  # a corner: air
        parts["mask"] = parts["mask"].with_array(array)
        pet = parts["PT"].array.copy()
        pet[1:4, 1:4, -4:-1] = 9
        parts["PT"] = parts["PT"].with_array(pet)

    (found,) = of_code(cohort_of(only(2, edit)), "IMG215")
    assert found.where == "p2: p2.0.PT" and "100% air" in found.message and "head and feet exchanged" in found.message


def test_a_unit_that_nobody_stated() -> None:
    def edit(parts: dict[str, Any]) -> None:
        parts["CT"] = parts["CT"].with_array(parts["CT"].array, Unit.UNKNOWN)

    (found,) = of_code(cohort_of(only(2, edit)), "IMG214")
    assert found.where == "images CT: p2.0.CT"


def test_a_field_of_view_off_centre_is_no_mirror_image() -> None:
    def edit(parts: dict[str, Any]) -> None:
        for kind in ("CT", "PT", "mask"):
            parts[kind] = parts[kind].crop((3, 0, 0), (24, 24, 28))

    assert of_code(cohort_of(only(3, edit)), "IMG211") == []


def test_asymmetry_is_compared_with_the_mean_of_the_others():
    random = np.random.default_rng(0)
    pictures = (random.normal(size=(8, 8, 8)) + random.normal(size=(12, 8, 8, 8))).astype(np.float32)
    pictures[3] = pictures[3][::-1]
    found = mirrored._asymmetry_correlations(pictures, 0)
    odd = pictures - pictures[:, ::-1]
    for i, one in enumerate(odd):
        others = np.delete(odd, i, axis=0).mean(axis=0)
        expected = (one * others).sum() / np.sqrt((one**2).sum() * (others**2).sum())
        assert found[i] == pytest.approx(expected, abs=1e-5)
    assert found[3] < 0 < np.delete(found, 3).min()
