"""A folder of DICOM is the cohort it came from, and masks go back onto their series."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.dicom.export import DERIVED_TABLE, write_segmentations, write_structure_sets
from tumorboard.datasets.dicom.reader import read
from tumorboard.datasets.dicom.writer import write
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.scan import dicom_files, scan_folder
from tumorboard.io.images import load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort, save_cohort

CT_AFFINE = np.array([[-1.2, 0, 0, 20], [0, -1.2, 0, 31], [0, 0, 2.5, -40], [0, 0, 0, 1]])
PT_AFFINE = np.array([[-4, 0, 0, 22], [0, -4, 0, 30], [0, 0, 2.5, -41], [0, 0, 0, 1]])


@pytest.fixture
def virtual(tmp_path: Path) -> Cohort:
    """Two patients, one with two exams, images as NIfTI with random voxels, masks of two structures and a dose."""
    random = np.random.default_rng(0)
    folder = tmp_path / "nifti"
    folder.mkdir()
    exams = [("A-1", 0, 0.0), ("A-1", 1, 93.0), ("B_2", 0, None)]
    images: list[dict[str, Any]] = []
    for patient, order, _ in exams:
        exam = f"{patient}.{order}"
        mask = np.zeros((20, 18, 6), np.uint8)
        mask[4:12, 3:11, 1:5], mask[14:17, 12:15, 3] = 1, 2
        volumes = {
            "CT": Volume(random.integers(-1000, 1500, (20, 18, 6)).astype(np.int16), CT_AFFINE, Unit.HU),
            "PT": Volume(random.gamma(1, 2, (7, 6, 6)).astype(np.float32), PT_AFFINE, Unit.SUVBW),
            "mask": Volume(mask, CT_AFFINE, Unit.LABEL),
            "dose": Volume(random.uniform(0, 70, (7, 6, 6)).astype(np.float32), PT_AFFINE, Unit.GY),
        }
        for kind, volume in volumes.items():
            path = folder / f"{exam}.{kind}.nii.gz"
            write_nifti(volume, path)
            images.append(image_row(path, exam, kind, volume))
    return Cohort.build(
        "virtual",
        loader=load_image,
        patients=[
            {"patient_id": "A-1", "sex": "female", "age_years": 61.0, "weight_kg": 58.5},
            {"patient_id": "B_2", "sex": "male", "age_years": None, "weight_kg": 91.0},
        ],
        exams=[
            {"exam_id": f"{p}.{order}", "patient_id": p, "order": order, "day": day, "kind": "PET/CT"}
            for p, order, day in exams
        ],
        images=images,
    )


def image_row(path: Path, exam: str, kind: str, volume: Volume) -> dict[str, Any]:
    modality, role = {"mask": ("SEG", "mask"), "dose": ("RTDOSE", "dose")}.get(kind, (kind, "image"))
    return {
        "image_id": f"{exam}.{kind}",
        "exam_id": exam,
        "modality": modality,
        "role": role,
        "unit": str(volume.unit),
        "format": "nifti",
        "path": str(path),
        "shape": list(volume.shape),
        "affine": volume.affine.ravel().tolist(),
        "run_id": "expert" if kind == "mask" else None,
        "reference_image_id": f"{exam}.CT" if kind == "mask" else None,
        "labels": {1: "GTVp", 2: "GTVn"} if kind == "mask" else None,
    }


def assert_same(cohort: Cohort, other: Cohort) -> None:
    """Same patients, exams, images and masks; PET within the step of its 16 bits."""
    assert other.rows("exams") == cohort.rows("exams")
    wanted = {row["image_id"]: row for row in cohort.rows("images")}
    found = {row["image_id"]: row for row in other.rows("images")}
    assert found.keys() == wanted.keys()
    for image_id, row in wanted.items():
        mine, theirs = cohort.image(image_id), other.image(image_id)
        for column in ("modality", "role", "unit", "run_id", "reference_image_id", "labels"):
            assert found[image_id][column] == row[column], column
        assert found[image_id]["problem"] is None
        assert mine.same_grid(theirs)
        step = {"PT": float(mine.array.max()) / 32766, "RTDOSE": 1e-5}.get(row["modality"], 0)
        np.testing.assert_allclose(theirs.array, mine.array, rtol=1e-6, atol=0.51 * step)


@pytest.mark.parametrize("options", [{}, {"masks": "seg", "pet": "GML"}])
def test_a_virtual_cohort_comes_back_from_its_twin(virtual: Cohort, tmp_path: Path, options: Any) -> None:
    write(virtual, tmp_path / "twin", **options)
    back = read(tmp_path / "twin")
    assert_same(virtual, back)
    assert [(r["patient_id"], r["sex"], r["age_years"]) for r in back.rows("patients")] == [
        ("A-1", "female", 61.0),
        ("B_2", "male", None),
    ]
    saved = save_cohort(back, tmp_path / "cohort")
    assert_same(virtual, open_cohort(saved.root))


def test_file_names_and_folders_do_not_matter(virtual: Cohort, tmp_path: Path) -> None:
    write(virtual, tmp_path / "twin")
    heap = tmp_path / "heap"
    heap.mkdir()
    files = sorted((tmp_path / "twin").rglob("*.dcm"))
    for index in np.random.default_rng(1).permutation(len(files)):
        shutil.move(files[int(index)], heap / f"{index * 31 % 997:03d}{index:04d}")
    assert_same(virtual, read(heap))


def test_no_dates_no_names_in_the_cohort(virtual: Cohort, tmp_path: Path) -> None:
    write(virtual, tmp_path / "twin")
    for path in (tmp_path / "twin").rglob("*.dcm"):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = "Muster^Erika"
        dataset.PatientBirthDate = "19590403"
        dataset.StudyDescription = "Frau Muster"
        dataset.save_as(path)
    back = read(tmp_path / "twin")
    held = str([back.rows(table) for table in back.tables]) + str(back.provenance)
    for secret in ("Muster", "1959", "20000101", "20000403"):
        assert secret not in held


def test_faults_keep_their_row_and_code(virtual: Cohort, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    write(virtual, twin)
    (twin / "A-1" / "exam-0" / "CT" / "0002.dcm").unlink()
    for path in (twin / "A-1" / "exam-1" / "PT").iterdir():
        dataset = pydicom.dcmread(path)
        del dataset.PatientWeight
        dataset.save_as(path)
    shutil.rmtree(twin / "B_2" / "exam-0" / "CT")
    back = read(twin)
    problems = {row["image_id"]: row["problem"] for row in back.rows("images") if row["problem"]}
    assert problems == {
        "A-1.0.CT": "DCM121",
        "A-1.0.mask": "RTS107",
        "A-1.1.PT": "SUV102",
        "B_2.0.mask": "RTS107",
    }
    assert back.row("images", image_id="A-1.1.PT")["unit"] == "Bq/ml"
    assert any("SUV102" in note for note in back.provenance[-1]["notes"])
    with pytest.raises(TumorboardError, match="DCM121"):
        back.image("A-1.0.CT")
    stated = read(twin, assume_weight_kg=58.5)
    assert stated.row("images", image_id="A-1.1.PT")["problem"] is None
    np.testing.assert_allclose(stated.image("A-1.1.PT").array, virtual.image("A-1.1.PT").array, atol=1e-3)
    assert stated.provenance[-1]["options"]["assume_weight_kg"] == 58.5


def test_several_series_of_one_study(virtual: Cohort, tmp_path: Path) -> None:
    twin = tmp_path / "twin"
    write(virtual.subset(["B_2"]), twin)
    for path in sorted((twin / "B_2" / "exam-0" / "CT").iterdir())[:4]:
        dataset = pydicom.dcmread(path)
        dataset.SeriesInstanceUID = "1.2.3"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{path.stem.lstrip('0') or 0}.7"
        dataset.save_as(path.with_suffix(".second"))
    every = read(twin)
    shapes = {row["image_id"]: row["shape"] for row in every.rows("images", modality="CT")}
    assert shapes == {"B_2.0.CT": [20, 18, 6], "B_2.0.CT-2": [20, 18, 4]}
    assert "2 CT series" in every.provenance[-1]["notes"][0]
    largest = read(twin, several="largest")
    assert [row["image_id"] for row in largest.rows("images", modality="CT")] == ["B_2.0.CT"]
    np.testing.assert_array_equal(largest.image("B_2.0.CT").array, virtual.image("B_2.0.CT").array)


def test_options_are_checked(virtual: Cohort, tmp_path: Path) -> None:
    write(virtual, tmp_path / "twin")
    with pytest.raises(TumorboardError, match="LAY113"):
        read(tmp_path / "twin", rename="GTVp")
    named = read(tmp_path / "twin", rename="GTVp=tumour", structures="GTVp")
    assert named.row("images", image_id="B_2.0.mask")["labels"] == {1: "tumour"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(TumorboardError, match="LAY101"):
        read(tmp_path / "empty")
    with pytest.raises(TumorboardError, match="LAY112"):
        write(virtual, tmp_path / "twin")


def test_a_pet_without_weight_is_not_written_in_bqml(virtual: Cohort, tmp_path: Path) -> None:
    light = virtual.replace_tables(patients=[{"patient_id": "A-1"}, {"patient_id": "B_2"}])
    with pytest.raises(TumorboardError, match="SUV102"):
        write(light, tmp_path / "twin")
    assert not (tmp_path / "twin").exists()
    write(light, tmp_path / "twin", weight_kg=70.0)
    assert_same(light, read(tmp_path / "twin"))


def test_a_pet_in_activity_becomes_suv_through_its_facts(virtual: Cohort, tmp_path: Path) -> None:
    """200 MBq, 30 minutes, 50 kg: SUV 1 is 200e6 * 2 ** (-1800 / 6586.2) / 50000 = 3309.7 Bq/ml."""
    facts = {"weight_kg": 50.0, "injected_dose_mbq": 200.0, "uptake_min": 30.0}
    rows = virtual.subset(["B_2"]).rows("images")
    path = tmp_path / "activity.nii.gz"
    pet = next(row for row in rows if row["modality"] == "PT")
    write_nifti(Volume(np.full(tuple(pet["shape"]), 6619.4, np.float32), PT_AFFINE, Unit.BQML), path)
    pet |= {"unit": "Bq/ml", "path": str(path), "options": json.dumps({"facts": facts})}
    active = virtual.subset(["B_2"]).replace_tables(images=rows)
    write(active, tmp_path / "twin")
    back = read(tmp_path / "twin")
    assert back.row("images", image_id="B_2.0.PT")["unit"] == "SUVbw"
    np.testing.assert_allclose(back.image("B_2.0.PT").array, 2.0, rtol=1e-4)
    pet["options"] = None
    with pytest.raises(TumorboardError, match="LAY111"):
        write(active.replace_tables(images=rows), tmp_path / "other")


def test_mask_values_without_a_name(virtual: Cohort, tmp_path: Path) -> None:
    rows = [{**row, "labels": {1: "GTVp"} if row["role"] == "mask" else None} for row in virtual.rows("images")]
    nameless = virtual.replace_tables(images=rows)
    with pytest.raises(TumorboardError, match="SEG105"):
        write(nameless, tmp_path / "twin")
    write(nameless, tmp_path / "twin", unnamed="name")
    assert read(tmp_path / "twin").row("images", image_id="B_2.0.mask")["labels"] == {1: "GTVp", 2: "value 2"}


# ---- export -----------------------------------------------------------------------------------------------
@pytest.fixture(params=[write_segmentations, write_structure_sets])
def export(request: pytest.FixtureRequest) -> Iterator[Any]:
    yield request.param


def test_masks_go_onto_the_series_they_came_from(virtual: Cohort, tmp_path: Path, export: Any) -> None:
    """Export beside the original series, read all of it again: the exported mask is the second mask of its exam."""
    write(virtual, tmp_path / "twin")
    imported = read(tmp_path / "twin")
    export(imported, tmp_path / "out")
    assert not (tmp_path / "out" / DERIVED_TABLE).exists()
    series = {e.series_uid for e in scan_folder(tmp_path / "twin").series if e.modality == "CT"}
    for path in dicom_files(tmp_path / "out"):
        header = read_header(path)
        frames = header.items("ReferencedSeriesSequence") or [
            series
            for frame in header.items("ReferencedFrameOfReferenceSequence")
            for study in frame.items("RTReferencedStudySequence")
            for series in study.items("RTReferencedSeriesSequence")
        ]
        assert {frame.text("SeriesInstanceUID") for frame in frames} <= series
    shutil.copytree(tmp_path / "out", tmp_path / "twin" / "added")
    both = read(tmp_path / "twin")
    for exam in ("A-1.0", "A-1.1", "B_2.0"):
        np.testing.assert_array_equal(both.image(f"{exam}.mask-2").array, virtual.image(f"{exam}.mask").array)


def test_images_without_dicom_get_a_derived_series_and_it_is_said(virtual: Cohort, tmp_path: Path, export: Any) -> None:
    export(virtual, tmp_path / "out")
    listed = (tmp_path / "out" / DERIVED_TABLE).read_text()
    assert "A-1.0.CT" in listed
    back = read(tmp_path / "out")
    for exam in ("A-1.0", "A-1.1", "B_2.0"):
        np.testing.assert_array_equal(back.image(f"{exam}.CT").array, virtual.image(f"{exam}.CT").array)
        np.testing.assert_array_equal(back.image(f"{exam}.mask").array, virtual.image(f"{exam}.mask").array)
    with pytest.raises(TumorboardError, match="DCM141"):
        export(virtual, tmp_path / "other", derived=False)
    assert not (tmp_path / "other").exists()


def test_only_the_named_run_is_exported(virtual: Cohort, tmp_path: Path, export: Any) -> None:
    row = {**virtual.row("images", image_id="A-1.0.mask"), "image_id": "A-1.0.mask.unet", "run_id": "unet"}
    cohort = virtual.with_rows(runs=[{"run_id": "unet", "kind": "model"}]).with_rows(images=[row])
    export(cohort, tmp_path / "out", run_id="unet")
    masks = [path.name for path in (tmp_path / "out").rglob("*.mask.*")]
    assert len(masks) == 1
    assert masks[0].startswith("A-1.0.mask.unet.")
    back = read(tmp_path / "out")
    found = back.rows("images", role="mask")[0]
    assert found["run_id"] == ("imported-seg" if export is write_segmentations else "expert")
    with pytest.raises(TumorboardError, match="RTS101"):
        export(cohort, tmp_path / "none", run_id="nobody")


# ---- an outside judge -----------------------------------------------------------------------------------------
@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
@pytest.mark.parametrize("options", [{}, {"masks": "seg", "pet": "GML"}])
def test_dciodvfy_finds_no_error_in_what_we_write(virtual: Cohort, tmp_path: Path, options: Any) -> None:
    write(virtual.subset(["A-1"]), tmp_path / "twin", **options)
    write_segmentations(virtual.subset(["B_2"]), tmp_path / "seg")
    checked = [p for p in dicom_files(tmp_path / "twin") if p.stem in ("0000", "0003") or not p.stem.isdigit()]
    checked += [p for p in dicom_files(tmp_path / "seg") if p.stem in ("0000",) or not p.stem.isdigit()]
    assert {read_header(p).text("Modality") for p in checked} >= {"CT", "PT", "RTDOSE", "SEG"}
    for path in checked:
        told = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False).stderr
        errors = [line for line in told.splitlines() if line.startswith("Error")]
        assert not errors, f"{path}: {errors}"


# ---- real data --------------------------------------------------------------------------------------------------
def test_real_dicom_equals_the_nifti_of_the_same_patients(real_data: Path) -> None:
    import nibabel

    cohort = read(real_data / "sts_dicom")
    assert cohort.patient_ids == ["STS_019", "STS_025"]
    assert [exam["kind"] for exam in cohort.rows("exams")] == ["PET/CT"] * 2
    assert not any(row["problem"] for row in cohort.rows("images"))
    for patient in cohort.patient_ids:
        for name, image_id in {
            "CT_image": "CT",
            "PET_image": "PT",
            "CT_mask": "mask",
            "PET_mask": "mask-2",
        }.items():
            volume = cohort.image(f"{patient}.0.{image_id}")
            other = np.asarray(nibabel.load(real_data / "sts_petct" / patient / f"{name}.nii.gz").dataobj)
            if name.endswith("mask"):
                dice = 2 * ((volume.array > 0) & (other > 0)).sum() / ((volume.array > 0).sum() + (other > 0).sum())
                assert dice >= 0.995
            else:
                np.testing.assert_allclose(volume.array, other, rtol=0 if name == "CT_image" else 1e-6)


def test_real_slices_of_two_dates_are_two_exams(real_data: Path) -> None:
    cohort = read(real_data / "ct" / "longitudinal_slices")
    days = {exam["exam_id"]: exam["day"] for exam in cohort.rows("exams")}
    # The dates stand in the file names: 1900-12-31 and 1901-01-12 are 12 days apart.
    assert (days["A002304.0"], days["A002304.1"], days["A048383.1"]) == (0, 12, 100)
    assert cohort.image("A002304.0.CT").array.min() == -1024
