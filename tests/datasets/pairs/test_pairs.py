"""`pairs`: roles from names, masks to their grids, cuts, coded errors for what is unclear."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.pairs.names import Patterns, role_of
from tumorboard.datasets.pairs.reader import read
from tumorboard.datasets.pairs.writer import write
from tumorboard.io.store import open_cohort, save_cohort

RNG = np.random.default_rng(4)
NO_PATTERNS = Patterns({})


@pytest.fixture()
def cohort(tmp_path: Path):
    images = twins.scan(tmp_path, "P-1.0", RNG, labels={1: "GTV"})
    images += twins.scan(tmp_path, "P-2.0", RNG, labels={1: "GTV"}, PT=None)
    images += twins.scan(tmp_path, "P-2.1", RNG, labels={1: "GTV"}, mask=None)
    return twins.cohort_of(images)


@pytest.mark.parametrize(
    ("name", "folder", "kind", "patient", "prefer"),
    [
        ("CT_image", "STS_001", "CT", "", None),
        ("PET_mask", "STS_001", "mask", "", "PT"),
        ("STS_001_CT", None, "CT", "STS_001", None),
        ("CHUM-001__PT", None, "PT", "CHUM-001", None),
        ("PT-001_CT", "PT-001", "CT", "", None),  # the id's own words do not count
        ("PT-001_CT", None, "CT", "PT-001", None),
        ("x_ct_seg", None, "mask", "x", "CT"),
        ("gtvp", "a", "mask", "", None),
        ("rtdose", "a", "dose", "", None),
    ],
)
def test_a_name_says_its_role(name, folder, kind, patient, prefer):
    named = role_of(Path(f"{name}.nii.gz"), ".nii.gz", NO_PATTERNS, folder=folder)
    assert (named.kind, named.patient, named.prefer) == (kind, patient, prefer)


@pytest.mark.parametrize(
    ("name", "folder"), [("scan", "a"), ("CT_PET", "a"), ("ct_pet_mask", "a"), ("P1_1", None), ("CT_image", None)]
)
def test_a_name_that_is_unclear_is_refused(name, folder):
    with pytest.raises(TumorboardError) as error:
        role_of(Path(f"{name}.nii.gz"), ".nii.gz", NO_PATTERNS, folder=folder)
    assert error.value.code.id == "LAY102"


def test_patterns_stand_above_the_words_of_the_name():
    patterns = Patterns({"CT": "*_reg*", "PT": "", "mask": ""})
    assert role_of(Path("pet_space_reg.nii.gz"), ".nii.gz", patterns, folder="a").kind == "CT"
    both = Patterns({"CT": "a*", "PT": "*b*"})
    with pytest.raises(TumorboardError, match="LAY102"):
        role_of(Path("ab.nii.gz"), ".nii.gz", both, folder="x")


def test_folders_come_back_with_exams_and_images(cohort, tmp_path):
    write(cohort, tmp_path / "out")
    again = read(tmp_path / "out")
    twins.assert_same_images(cohort, again)
    assert again.patient_ids == ["P-1", "P-2"]
    assert [exam["order"] for exam in again.patient("P-2").exams] == [0, 1]


def test_flat_files_come_back(cohort, tmp_path):
    one = cohort.subset(["P-1"])
    write(one, tmp_path / "flat", style="flat")
    assert {path.name for path in (tmp_path / "flat").iterdir()} == {
        "P-1_CT_image.nii.gz",
        "P-1_PET_image.nii.gz",
        "P-1_CT_mask.nii.gz",
    }
    twins.assert_same_images(one, read(tmp_path / "flat"))
    with pytest.raises(TumorboardError, match="LAY111"):
        write(cohort, tmp_path / "two", style="flat")
    assert not (tmp_path / "two").exists()


def test_ids_that_cannot_be_file_names_come_back(tmp_path):
    ids = ["a/../b", "A_CT", "ct", "grüße 1", "P.1"]
    images = [row for i in ids for row in twins.scan(tmp_path, f"{i}.0", RNG, labels={1: "GTV"})]
    cohort = twins.cohort_of(images)
    for style in ("folders", "flat"):
        write(cohort, tmp_path / style, style=style)
        again = read(tmp_path / style)
        assert sorted(again.patient_ids) == sorted(ids)
        twins.assert_same_images(cohort, again)
        assert {p.parent for p in (tmp_path / style).rglob("*.nii.gz")} <= {
            tmp_path / style,
            *(tmp_path / style).iterdir(),
        }


def test_mask_of_no_image_keeps_no_reference(cohort, tmp_path):
    write(cohort.subset(["P-1"]), tmp_path / "out")
    (tmp_path / "out" / "P-1" / "CT_image.nii.gz").unlink()
    row = read(tmp_path / "out").row("images", role="mask")
    assert row["reference_image_id"] is None
    assert row["problem"] == "LAY107"


def test_unit_of_pet_is_a_statement_on_record(cohort, tmp_path):
    write(cohort.subset(["P-1"]), tmp_path / "out")
    for given, unit in (({}, "SUVbw"), ({"pet_unit": "bq/ml"}, "Bq/ml"), ({"pet_unit": "unknown"}, "unknown")):
        again = read(tmp_path / "out", **given)
        assert again.row("images", modality="PT")["unit"] == unit
        assert again.provenance[0]["options"]["pet_unit"] == unit
    with pytest.raises(TumorboardError, match="LAY113"):
        read(tmp_path / "out", pet_unit="SUV")


def test_cuts_are_kept_and_validated(cohort, tmp_path):
    source = tmp_path / "out"
    write(cohort.subset(["P-1"]), source)
    cuts = source / "cuts.csv"
    head = "patient,i_low,i_high,j_low,j_high,k_low,k_high\n"
    cuts.write_text(head + "P-1,4,2,5,5,3,4\n")
    ct = read(source).row("images", modality="CT")
    assert json.loads(ct["options"])["evaluation_cut"] == [[4, 2], [5, 5], [3, 4]]
    assert ct["problem"] is None
    cuts.write_text(head + "P-1,4,2,5,5,3,4\nP-9,1,1,1,1,1,1\n")  # a table of more patients than are here
    assert read(source).provenance[0]["notes"] == ["cuts.csv: a cut for P-9, of whom no CT is here"]
    cuts.write_text(head + "P-1,5,2,5,5,3,4\n")  # removes the slice i=4 of label 1: 4 x 3 voxels of 3 x 4 x 3 + 8
    again = read(source)
    assert again.row("images", modality="CT")["problem"] == "LAY108"
    assert "12 of 44 voxels" in again.provenance[0]["notes"][0]
    write(again, tmp_path / "twice")
    twins.assert_same_images(again, read(tmp_path / "twice"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("patient,i_low\nP-1,3\n", "LAY103"),
        ("patient,i_low,i_high,j_low,j_high,k_low,k_high\nP-1,-1,0,0,0,0,0\n", "LAY104"),
        ("patient,i_low,i_high,j_low,j_high,k_low,k_high\nP-1,1.5,0,0,0,0,0\n", "LAY104"),
        ("patient,i_low,i_high,j_low,j_high,k_low,k_high\nP-1,6,6,0,0,0,0\n", "LAY108"),
        ("patient,i_low,i_high,j_low,j_high,k_low,k_high\n../../etc,0,0,0,0,0,0\n", "LAY106"),
        ("patient,i_low,i_high,j_low,j_high,k_low,k_high\nP-1,0,0,0,0,0,0\nP-1,0,0,0,0,0,0\n", "LAY104"),
    ],
)
def test_bad_cuts_are_coded(cohort, tmp_path, text, code):
    write(cohort.subset(["P-1"]), tmp_path / "out")
    (tmp_path / "out" / "cuts.csv").write_text(text)
    with pytest.raises(TumorboardError) as error:
        read(tmp_path / "out")
    assert error.value.code.id == code


def test_unclear_folders_are_refused(cohort, tmp_path):
    source = tmp_path / "out"
    write(cohort.subset(["P-1"]), source)
    shutil.copy(source / "P-1" / "CT_image.nii.gz", source / "P-1" / "ct.nii.gz")
    with pytest.raises(TumorboardError, match=r"LAY102.*all CT"):
        read(source)
    assert len(read(source, ignore="ct.nii.gz").images) == 3
    shutil.move(source / "P-1" / "ct.nii.gz", source / "x_ct.nii.gz")
    with pytest.raises(TumorboardError, match=r"LAY102.*also folders"):
        read(source)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(TumorboardError, match="LAY101"):
            read(nothing)


def test_real_patients(real_data, tmp_path):
    cohort = save_cohort(read(real_data / "sts_petct"), tmp_path / "cohort")
    assert len(cohort) == 24
    assert len(cohort.images) == 96
    assert cohort.images["problem"].null_count == 96
    assert cohort.provenance == open_cohort(tmp_path / "cohort").provenance
    for row in cohort.rows("images", role="mask"):
        assert row["reference_image_id"] == row["image_id"].replace("mask-2", "PT").replace("mask", "CT")
    cut = json.loads(cohort.row("images", image_id="STS_001.0.CT")["options"])["evaluation_cut"]
    assert cut == [[8, 29], [21, 17], [3, 11]]
    alone = read(real_data / "sts_pet_only")
    assert (len(alone), len(alone.images)) == (10, 30)
    assert {row["problem"] for row in alone.rows("images", role="mask", reference_image_id=None)} == {"LAY107"}
