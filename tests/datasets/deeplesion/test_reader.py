"""Rows of the cohort: frame, exams, ages, spacing, slices on disk."""

from __future__ import annotations

import json

import dl_rows
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.deeplesion.reader import read
from tumorboard.io.slice_stack import write_slice


def slices(folder, numbers, *, size=64):
    """Slices whose HU is their own number plus a gradient over the columns."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        hu = np.full((size, size), number, np.int16)
        hu[:, 0] = -1024
        write_slice(hu, folder / f"{number:03d}.png")


def test_places_lie_in_the_frame_of_the_series(tmp_path):
    cohort = read(dl_rows.table(tmp_path / "t.csv", dl_rows.row()))
    finding = cohort.rows("findings")[0]
    # 1-based 21, 31 is pixel 20, 30; x to the right, y to the front, z to the head
    assert np.reshape(finding["points_mm"], (4, 3))[0].tolist() == [-20 * 0.8, -30 * 0.8, -50.0]
    np.testing.assert_allclose(finding["box"], [-45 * 0.8, -40 * 0.8, -52.5, -15 * 0.8, -20 * 0.8, -47.5])
    assert finding["measurements"] == {"long_axis_mm": 16.0, "short_axis_mm": 8.0}
    image = cohort.rows("images")[0]
    index = cohort.geometry(image["image_id"]).to_index(np.reshape(finding["points_mm"], (4, 3)))
    np.testing.assert_allclose(index[0], [20, 30, 10 - 8], atol=1e-9)
    assert (finding["image_id"], image["exam_id"], image["path"]) == ("000005_01_01_008-012", "000005_01", None)
    told = json.loads(finding["attributes"])
    assert (told["key_slice"], told["split"], told["noisy"], told["series"]) == (10, "validation", False, 1)


def test_two_series_of_a_study_are_two_images_of_one_exam(tmp_path):
    rows = [dl_rows.row(), dl_rows.row("000005_01_02_010.png"), dl_rows.row("000005_03_01_010.png")]
    cohort = read(dl_rows.table(tmp_path / "t.csv", *rows))
    assert [(e["exam_id"], e["order"]) for e in cohort.rows("exams")] == [("000005_01", 0), ("000005_03", 1)]
    assert len(cohort.rows("images", exam_id="000005_01")) == 2


def test_a_type_of_minus_one_is_no_class(tmp_path):
    cohort = read(dl_rows.table(tmp_path / "t.csv", dl_rows.row(Coarse_lesion_type="-1", Train_Val_Test="1")))
    finding = cohort.rows("findings")[0]
    assert finding["label"] == "lesion"
    assert "type_source" not in json.loads(finding["attributes"])


@pytest.mark.parametrize(
    ("ages", "patient"), [(["", "0", "157", "70"], 70.0), (["157", ""], 157.0), (["", ""], None), (["0"], 0.0)]
)
def test_missing_and_impossible_ages(ages, patient, tmp_path):
    rows = [dl_rows.row(f"000005_{study:02d}_01_010.png", Patient_age=age) for study, age in enumerate(ages, 1)]
    cohort = read(dl_rows.table(tmp_path / "t.csv", *rows))
    assert cohort.rows("patients")[0]["age_years"] == patient
    kept = [json.loads(row["options"])["deeplesion"]["age_years"] for row in cohort.rows("images")]
    assert kept == [float(age) if age else None for age in ages]


def test_study_numbers_are_not_time(tmp_path):
    # patient 94: ages 66, 67, 67, 68, 67, 67, 68 at studies 2 to 8
    ages = [66, 67, 67, 68, 67, 67, 68]
    rows = [dl_rows.row(f"000094_{n:02d}_01_010.png", Patient_age=str(age)) for n, age in enumerate(ages, 2)]
    path = dl_rows.table(tmp_path / "t.csv", *rows)
    by_study = {e["exam_id"]: e["order"] for e in read(path).rows("exams")}
    assert sorted(by_study, key=by_study.get) == [f"000094_{n:02d}" for n in range(2, 9)]
    by_age = {e["exam_id"]: e["order"] for e in read(path, order="age").rows("exams")}
    assert sorted(by_age, key=by_age.get) == [f"000094_{n:02d}" for n in (2, 3, 4, 6, 7, 5, 8)]
    reversed_rows = dl_rows.table(tmp_path / "r.csv", *rows[::-1])
    assert {e["exam_id"]: e["order"] for e in read(reversed_rows).rows("exams")} == by_study


@pytest.mark.parametrize("spacing", ["0.8, 0.8, nan", "0.8, 0.8, -5", "0.8, 0.8, 0", "nan, nan, 5", ""])
def test_a_spacing_that_cannot_be_is_named_and_not_used(spacing, tmp_path):
    cohort = read(dl_rows.table(tmp_path / "t.csv", dl_rows.row(Spacing_mm_px_=spacing)))
    image, finding = cohort.rows("images")[0], cohort.rows("findings")[0]
    assert (image["problem"], image["affine"]) == ("DPL105", None)
    assert (finding["points_mm"], finding["box"]) == (None, None)
    assert json.loads(finding["attributes"])["ends_px"] == [20, 30, 40, 30, 30, 25, 30, 35]
    assert (finding["measurements"] is not None) == spacing.startswith("0.8")
    assert any("DPL105" in note for note in cohort.provenance[0]["notes"])


def test_a_series_with_two_intervals_keeps_both(tmp_path):
    rows = [dl_rows.row(), dl_rows.row("000005_01_01_030.png", Spacing_mm_px_="0.8, 0.8, 1")]
    cohort = read(dl_rows.table(tmp_path / "t.csv", *rows))
    assert [cohort.geometry(i["image_id"]).spacing_mm[2] for i in cohort.rows("images")] == [5.0, 1.0]
    assert any("more than one slice interval" in note for note in cohort.provenance[0]["notes"])
    twice = [dl_rows.row(), dl_rows.row(Spacing_mm_px_="0.8, 0.8, 1")]
    assert read(dl_rows.table(tmp_path / "u.csv", *twice)).rows("images")[0]["problem"] == "DPL105"


def test_gaps_make_several_sub_volumes_of_a_series(tmp_path):
    rows = [dl_rows.row(), dl_rows.row("000005_01_01_020.png"), dl_rows.row("000005_02_01_010.png")]
    dl_rows.table(tmp_path / "DL_info.csv", *rows)
    slices(tmp_path / "Images_png" / "000005_01_01", [*range(8, 13), *range(18, 23), 30, 31])
    cohort = read(tmp_path)
    images = {row["image_id"]: row for row in cohort.rows("images")}
    assert set(images) == {
        "000005_01_01_008-012", "000005_01_01_018-022", "000005_01_01_030-031", "000005_02_01_008-012",
    }  # fmt: skip
    assert images["000005_02_01_008-012"]["path"] is None
    for finding in cohort.rows("findings")[:2]:
        volume = cohort.image(finding["image_id"])
        assert (volume.array.dtype, volume.shape, volume.unit) == (np.int16, (64, 64, 5), "HU")
        index = volume.geometry.to_index(np.reshape(finding["points_mm"], (4, 3))).round().astype(int)
        key = json.loads(finding["attributes"])["key_slice"]
        assert {int(volume.array[tuple(place)]) for place in index} == {key}
    assert any("1 of 4 sub-volumes have no slices" in note for note in cohort.provenance[0]["notes"])


def test_slices_that_are_missing_cut_a_range(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    slices(tmp_path / "Images_png" / "000005_01_01", [8, 10, 11, 12])
    cohort = read(tmp_path)
    assert cohort.rows("findings")[0]["image_id"] == "000005_01_01_010-012"
    assert cohort.geometry("000005_01_01_010-012").origin_mm[2] == -50.0


def test_key_slices_alone_are_read(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    slices(tmp_path / "Key_slices", [10])
    (tmp_path / "Key_slices" / "010.png").rename(tmp_path / "Key_slices" / "000005_01_01_010.png")
    cohort = read(tmp_path, images=tmp_path / "Key_slices")
    assert cohort.image("000005_01_01_010-010").array[5, 5, 0] == 10


def test_slices_without_a_row_are_left_out_and_told(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    slices(tmp_path / "Images_png" / "000099_01_01", [1, 2])
    cohort = read(tmp_path)
    assert cohort.images.num_rows == 1
    assert any("1 series have slices but no row" in note for note in cohort.provenance[0]["notes"])


def test_padding_stays_unless_a_floor_is_stated(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    slices(tmp_path / "Images_png" / "000005_01_01", range(8, 13))
    write_slice(np.full((64, 64), -3024), tmp_path / "Images_png" / "000005_01_01" / "010.png")
    assert read(tmp_path).image("000005_01_01_008-012").array.min() == -3024
    assert read(tmp_path, floor_hu=-1024.0).image("000005_01_01_008-012").array.min() == -1024


def test_a_patient_in_two_splits_has_none(tmp_path):
    rows = [dl_rows.row(), dl_rows.row("000005_02_01_010.png", Train_Val_Test="3")]
    assert read(dl_rows.table(tmp_path / "t.csv", *rows)).rows("patients")[0]["split"] is None


def test_a_folder_of_images_that_is_not_there_is_an_error(tmp_path):
    path = dl_rows.table(tmp_path / "t.csv", dl_rows.row())
    with pytest.raises(TumorboardError, match="LAY101"):
        read(path, images=tmp_path / "absent")
