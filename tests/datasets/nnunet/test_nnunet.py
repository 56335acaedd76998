"""nnU-Net raw folders, both ways: one grid, consecutive labels, regions, ids that come back."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.nnunet.reader import read
from tumorboard.datasets.nnunet.spec import DatasetSpec
from tumorboard.datasets.nnunet.writer import write

RNG = np.random.default_rng(2)


def one_grid(folder, *patients, labels=None, mask=True):
    images = []
    for patient in patients:
        exam = f"{patient}.0"
        images += twins.scan(folder, exam, RNG, labels=labels or {1: "GTVp", 2: "GTVn"}, PT=None, mask=mask)
        pet = RNG.gamma(2.0, 1.0, twins.CT_GRID.shape).astype("float32")
        images.insert(-1 if mask else len(images), twins.put(folder, exam, "PT", pet, twins.CT_GRID))
    return images


def test_one_grid_comes_back(tmp_path):
    images = one_grid(tmp_path, "A-1", "a/ b") + one_grid(tmp_path, "T", mask=None)
    cohort = twins.cohort_of(images)
    write(cohort, tmp_path / "out")
    again = read(tmp_path / "out")
    twins.assert_same_images(cohort, again)
    assert {row["patient_id"]: row["split"] for row in again.rows("patients")} == {
        "A-1": None,
        "a/ b": None,
        "T": "testing",
    }
    spec = json.loads((tmp_path / "out/dataset.json").read_text())
    assert spec["channel_names"] == {"0": "CT", "1": "PT"}
    assert spec["labels"] == {"background": 0, "GTVp": 1, "GTVn": 2}
    assert (spec["numTraining"], spec["file_ending"]) == (2, ".nii.gz")
    assert {p.name for p in (tmp_path / "out/labelsTr").iterdir()} == {"A-1.nii.gz", "a-b-1.nii.gz"}


def test_pet_is_resampled_onto_the_ct_grid(tmp_path):
    cohort = twins.cohort_of(twins.scan(tmp_path, "A.0", RNG))
    write(cohort, tmp_path / "out")
    ct, pet = (nibabel.load(tmp_path / f"out/imagesTr/A_000{n}.nii.gz") for n in (0, 1))
    assert ct.shape == pet.shape
    np.testing.assert_array_equal(ct.affine, pet.affine)
    # An independent look-up: SciPy's interpolator in world coordinates, at a voxel well inside the PET.
    from scipy.interpolate import RegularGridInterpolator

    original = cohort.image("A.0.PT")
    value = RegularGridInterpolator([np.arange(n) for n in original.shape], original.array)
    index = np.array([6.0, 8.0, 5.0])
    place = original.geometry.to_index(cohort.geometry("A.0.CT").to_world(index))
    assert pet.get_fdata()[6, 8, 5] == pytest.approx(value(place)[0], rel=1e-5)
    assert json.loads((tmp_path / "out/dataset.json").read_text())["tumorboard"]["resampled"] == ["A_0001.nii.gz"]
    again = read(tmp_path / "out")
    assert again.row("images", modality="PT")["unit"] == "SUVbw"
    np.testing.assert_array_equal(again.image("A.0.mask").array, cohort.image("A.0.mask").array)


def test_labels_must_be_consecutive(tmp_path):
    cohort = twins.cohort_of(one_grid(tmp_path, "A", labels={1: "GTVp", 4: "GTVn", 2: "x"}))
    with pytest.raises(TumorboardError, match="LAY110"):
        write(cohort, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    write(cohort, tmp_path / "out", renumber=True)
    assert read(tmp_path / "out").row("images", role="mask")["labels"] == {1: "GTVp", 2: "x", 3: "GTVn"}
    stray = twins.cohort_of(one_grid(tmp_path, "B", labels={1: "GTVp"}))
    with pytest.raises(TumorboardError, match=r"LAY110.*value \[2.0\]"):
        write(stray, tmp_path / "stray")


def test_regions_go_both_ways(tmp_path):
    cohort = twins.cohort_of(one_grid(tmp_path, "A"))
    write(cohort, tmp_path / "out", regions="tumour=1+2,GTVn=2")
    spec = json.loads((tmp_path / "out/dataset.json").read_text())
    assert spec["labels"] == {"background": 0, "tumour": [1, 2], "GTVn": [2]}
    assert spec["regions_class_order"] == [1, 2]
    again = read(tmp_path / "out")
    twins.assert_same_images(cohort, again)
    assert again.provenance[0]["options"]["regions"] == {"tumour": [1, 2], "GTVn": [2]}
    for wrong in ("GTVn=2,tumour=1+2", "all=1+2"):
        with pytest.raises(TumorboardError, match="LAY110"):
            write(cohort, tmp_path / "no", regions=wrong)
    with pytest.raises(TumorboardError, match="LAY113"):
        write(cohort, tmp_path / "no", regions="x=3")


def test_several_exams_and_missing_channels(tmp_path):
    images = one_grid(tmp_path, "A")
    images += [
        {**row, "exam_id": "A.1", "image_id": row["image_id"].replace("A.0", "A.1"), "reference_image_id": ref}
        for row in images
        for ref in [row["reference_image_id"] and "A.1.CT"]
    ]
    cohort = twins.cohort_of(images)
    write(cohort, tmp_path / "two")
    twins.assert_same_images(cohort, read(tmp_path / "two"))
    lacking = twins.cohort_of(images + twins.scan(tmp_path, "B.0", RNG, PT=None))
    with pytest.raises(TumorboardError, match=r"LAY111.*B\.0: 1 CT, 0 PT"):
        write(lacking, tmp_path / "less")
    write(lacking, tmp_path / "less", lossy=True)
    assert read(tmp_path / "less").patient_ids == ["A"]
    write(lacking, tmp_path / "ct", channels="CT")
    assert read(tmp_path / "ct").patient_ids == ["A", "B"]


def test_foreign_folders(tmp_path):
    cohort = twins.cohort_of(one_grid(tmp_path, "A"))
    write(cohort, tmp_path / "out")
    path = tmp_path / "out/dataset.json"
    v1 = {
        "modality": {"0": "CT", "1": "noNorm"},
        "labels": {"0": "background", "1": "GTVp", "2": "GTVn"},
        "numTraining": 3,
    }
    path.write_text(json.dumps(v1))
    with pytest.raises(TumorboardError, match=r"LAY102.*noNorm.*channels=CT,PT"):
        read(tmp_path / "out")
    again = read(tmp_path / "out", channels="CT,PT", pet_unit="Bq/ml")
    assert again.row("images", modality="PT")["unit"] == "Bq/ml"
    assert again.row("images", role="mask")["labels"] == {1: "GTVp", 2: "GTVn"}
    assert any("says 3 training cases, there are 1" in note for note in again.provenance[0]["notes"])
    path.write_text(
        '{"channel_names": {"0": "CT", "1": "PT"}, "labels": {"background": 0, "all": [1, 2], "core": 2,},}'
    )
    assert DatasetSpec.read(path.parent).labels == {1: "all (1)", 2: "core"}
    wrong = {"[]": "LAY103", "{}": "LAY103", '{"channel_names": {"1": "CT"}, "labels": {"a": 1}}': "LAY103"}
    for text, code in {**wrong, "{" * 50_000: "FIL112", '{"a": 1, "a": 2}': "FIL112"}.items():
        path.write_text(text)
        with pytest.raises(TumorboardError, match=code):
            read(tmp_path / "out")
    (tmp_path / "out/imagesTr/A_0001.nii.gz").rename(tmp_path / "out/imagesTr/A_1.nii.gz")
    path.write_text(json.dumps({**v1, "modality": {"0": "CT", "1": "PT"}}))
    with pytest.raises(TumorboardError, match="LAY102"):
        read(tmp_path / "out")
