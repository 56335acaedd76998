"""What is written: the published rows again, context, pairs, what the layout cannot say."""

from __future__ import annotations

import json

import dl_rows
import numpy as np
import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.datasets.deeplesion.reader import read
from tumorboard.datasets.deeplesion.writer import write


def test_the_printed_rows_are_written_letter_by_letter(tmp_path):
    path = dl_rows.table(tmp_path / "DL_info.csv", *dl_rows.PRINTED)
    write(read(path, index="row"), tmp_path / "out")
    assert (tmp_path / "out" / "DL_info.csv").read_text() == path.read_text()
    assert (tmp_path / "out" / "DL_info_row_index.csv").read_text().splitlines()[1] == "0,000001_01_01_109.png"


@pytest.mark.parametrize(
    "cells",
    [
        {"Coarse_lesion_type": "-1"},
        {"Possibly_noisy": "1"},
        {"Patient_age": ""},
        {"Patient_age": "157"},
        {"Patient_gender": ""},
        {"Normalized_lesion_location": ""},
        {"Spacing_mm_px_": "0.8, 0.8, nan", "Lesion_diameters_Pixel_": "20, 10"},
        {"Spacing_mm_px_": "0.8, 0.8, -5"},
        {"DICOM_windows": "-1500, 500"},
        {"Measurement_coordinates": "21, 31, 65.6, 31, 31, 26, 31, 36", "Bounding_boxes": "16, 21, 70.6, 41"},
    ],
)
def test_odd_rows_come_back_as_they_were(cells, tmp_path):
    path = dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row(**cells))
    write(read(path), tmp_path / "out")
    assert (tmp_path / "out" / "DL_info.csv").read_text() == path.read_text()


def test_findings_pairs_and_pixels_of_a_twin_come_back(tmp_path):
    cohort = twins.lesion_cohort(tmp_path)
    write(cohort, tmp_path / "out")
    again = read(tmp_path / "out")
    mine, theirs = cohort.rows("findings"), again.rows("findings")
    assert [row["finding_id"] for row in mine] == [row["finding_id"] for row in theirs]
    for a, b in zip(mine, theirs, strict=True):
        assert (a["image_id"], a["label"], b["kind"]) == (b["image_id"], b["label"], RECIST_PAIR)
        np.testing.assert_allclose(a["points_mm"], b["points_mm"], atol=1e-3)
        np.testing.assert_allclose(a["box"], b["box"], atol=1e-3)
        assert b["measurements"] == pytest.approx(a["measurements"], abs=1e-4)
    (a,), (b,) = cohort.rows("relations"), again.rows("relations")
    assert (a["subject"], a["object"], a["predicate"]) == (b["subject"], b["object"], b["predicate"])
    (folder,) = {p.parent.name for p in (tmp_path / "out" / "Images_png").glob("000012*/*.png")}
    assert folder == "000012_03_01"


def test_context_cuts_scans_as_published(tmp_path):
    cohort = twins.lesion_cohort(tmp_path, number=1)
    write(cohort, tmp_path / "out", context_mm=10.0)
    again = read(tmp_path / "out")
    assert {row["image_id"] for row in again.rows("images")} == {
        "000007_01_01_003-007", "000007_02_01_003-007", "000012_03_01_003-007",
    }  # fmt: skip
    part = again.image("000007_01_01_003-007").array
    np.testing.assert_array_equal(part, cohort.image("000007_01_01_001-009").array[:, :, 2:7])
    np.testing.assert_allclose(
        again.rows("findings")[0]["points_mm"], cohort.rows("findings")[0]["points_mm"], atol=1e-3
    )


def test_ids_that_are_no_numbers_and_scans_that_lie_otherwise(tmp_path):
    """A scan stored from the feet to the head, in a frame of its own: slices are numbered from the head."""
    cohort = twins.lesion_cohort(tmp_path, number=1)
    tables = {name: cohort.rows(name) for name in ("patients", "exams", "images", "findings")}
    for row in tables["patients"]:
        row["patient_id"] = f"VA-{row['patient_id']}"
    for row in tables["exams"]:
        row["patient_id"] = f"VA-{row['patient_id']}"
    image = tables["images"][0]
    volume = cohort.image(image["image_id"]).flip(2).permute((1, 0, 2))
    image |= twins.put(tmp_path, "flipped", "CT", volume.array, volume.geometry) | {
        "image_id": image["image_id"], "exam_id": image["exam_id"],
    }  # fmt: skip
    other = type(cohort).build("other", loader=cohort.loader, **tables)
    write(other, tmp_path / "out")
    again = read(tmp_path / "out")
    assert again.patient_ids == ["VA-000007", "VA-000012"]
    assert (tmp_path / "out" / "patient_ids.csv").is_file()
    table = (tmp_path / "out" / "DL_info.csv").read_text().splitlines()
    assert table[1].startswith("000001_01_01_005.png,1,1,1,5,")
    first = again.rows("findings")[0]
    a = again.image(first["image_id"])
    np.testing.assert_array_equal(a.array, cohort.image("000007_01_01_001-009").array)


def test_what_the_table_cannot_say_is_refused_unless_lossy(tmp_path):
    cohort = twins.lesion_cohort(tmp_path)
    more = twins.put(
        tmp_path, "000012_03", "mask", np.zeros((40, 48, 9), "uint8"), cohort.geometry("000012_03_01_001-009")
    )
    with_mask = cohort.with_rows(images=[more])
    with pytest.raises(TumorboardError, match=r"LAY111 .*1 images"):
        write(with_mask, tmp_path / "out")
    write(with_mask, tmp_path / "out", lossy=True)
    assert read(tmp_path / "out").images.num_rows == 3
    no_split = cohort.replace_tables(patients=[{"patient_id": "000007"}, {"patient_id": "000012"}])
    with pytest.raises(TumorboardError, match=r"LAY111 .*2 patients without a split"):
        write(no_split, tmp_path / "out2")
    nothing = cohort.replace_tables(findings=[], relations=[])
    with pytest.raises(TumorboardError, match="LAY111"):
        write(nothing, tmp_path / "out2", lossy=True)


def test_values_beyond_16_bits_are_refused(tmp_path):
    cohort = twins.lesion_cohort(tmp_path)
    image = cohort.rows("images")[-1]
    volume = cohort.image(image["image_id"]).astype("float32")
    volume.array[0, 0, 0] = 40000
    ids = {"image_id": image["image_id"], "exam_id": image["exam_id"]}
    put = twins.put(tmp_path, "odd", "CT", volume.array, volume.geometry) | ids
    odd = cohort.replace_tables(images=[*cohort.rows("images")[:-1], put])
    for images in ("png", "nifti"):
        with pytest.raises(TumorboardError, match=r"FIL102|LAY111"):
            write(odd, tmp_path / "out", images=images)
    write(odd, tmp_path / "out", images="none")
    assert not (tmp_path / "out" / "Images_png").exists()


def test_boxes_of_the_manual_set_come_back(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    (tmp_path / "boxes.json").write_text(json.dumps({"000005_01_01_008-012": [[20, 30, 9, 24, 35, 10]]}))
    cohort = read(tmp_path)
    write(cohort, tmp_path / "out")
    assert read(tmp_path / "out").rows("findings", run_id="manual-3d") == cohort.rows("findings", run_id="manual-3d")
