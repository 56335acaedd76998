"""A folder of X-rays, masks and a table -> cohort; what cannot be read keeps its row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tumorboard.checks import run_checks
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.radiographs.reader import read

HEADING = ["Image Index", "Patient ID", "Follow-up #", "View Position", "Patient Gender", "Patient Age"]


def picture(folder: Path, name: str, *, mask: np.ndarray[Any, Any] | None = None, grey: int = 7) -> None:
    folder.joinpath("images").mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((40, 60), grey, np.uint8)).save(folder / "images" / name)
    if mask is not None:
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / "masks" / f"{Path(name).stem}.png")


def table(folder: Path, heading: list[str], *rows: list[Any]) -> None:
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])


def lungs() -> np.ndarray[Any, Any]:
    mask = np.zeros((40, 60), np.uint8)
    mask[5:30, 8:25] = mask[6:31, 35:50] = 255
    return mask


def test_patients_exams_and_lung_boxes(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "c.png"):
        picture(tmp_path, name, mask=lungs() if name == "a.png" else None)
    table(
        tmp_path,
        HEADING,
        ["b.jpg", "9", "0", "AP", "F", "057Y"],
        ["a.png", "9", "1", "PA", "F", "058Y"],
        ["c.png", "10", "0", "PA", "M", ""],
    )
    cohort = read(tmp_path)
    assert cohort.patient_ids == ["9", "10"]
    assert [row["exam_id"] for row in cohort.rows("exams")] == ["9.0", "9.1", "10.0"]
    assert cohort.row("patients", patient_id="9")["age_years"] == 57
    later = cohort.row("images", image_id="9.1.DX")
    assert later["path"].endswith("a.png")
    assert json.loads(later["options"])["projection"] == {"pixel_spacing_mm": None, "view": "PA"}
    boxes = {row["label"]: row["box"] for row in cohort.rows("findings", image_id="9.1.DX")}
    assert boxes == {"right lung": [8, 5, 25, 30], "left lung": [35, 6, 50, 31]}
    mask = cohort.row("images", image_id="9.1.DX.mask")
    assert (mask["labels"], mask["reference_image_id"], mask["run_id"]) == ({255: "lungs"}, "9.1.DX", "expert")
    assert cohort.image("9.1.DX.mask").same_grid(cohort.image("9.1.DX"))


def test_spacing_of_the_original_is_that_of_the_smaller_picture(tmp_path: Path) -> None:
    """NIH ChestX-ray14 gives spacing and size of the original of a picture that was made smaller."""
    picture(tmp_path, "a.png")
    heading = [*HEADING, "OriginalImage[Width", "Height]", "OriginalImagePixelSpacing[x", "y]"]
    table(tmp_path, heading, ["a.png", "1", "0", "PA", "M", "50", "600", "800", "0.15", "0.2"])
    assert read(tmp_path).image("1.0.DX").spacing_mm[:2].tolist() == pytest.approx([1.5, 4.0])


def test_without_a_table_every_picture_is_a_patient(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    picture(tmp_path, "b.png")
    assert read(tmp_path).patient_ids == ["a", "b"]


def test_what_cannot_be_read_keeps_its_row(tmp_path: Path) -> None:
    picture(tmp_path, "a.png")
    (tmp_path / "images" / "b.png").write_bytes(b"no picture")
    cohort = read(tmp_path)
    assert cohort.row("images", exam_id="b.0")["problem"] == "FIL102"
    assert "b.png" in cohort.provenance[0]["notes"][0]


def test_masks_of_another_size_or_with_unnamed_values(tmp_path: Path) -> None:
    picture(tmp_path, "a.png", mask=np.zeros((20, 30), np.uint8))
    cohort = read(tmp_path)
    mask = cohort.row("images", image_id="a.0.DX.mask")
    assert (mask["problem"], mask["reference_image_id"]) == ("LAY107", None)
    two = np.where(lungs() > 0, 1, 0).astype(np.uint8)
    two[:, 30:] *= 2
    picture(tmp_path, "a.png", mask=two)
    with pytest.raises(TumorboardError, match="LAY110"):
        read(tmp_path)
    named = read(tmp_path, mask_labels="1=right lung,2=left lung")
    assert {row["label"]: row["box"][0] for row in named.rows("findings")} == {"right lung": 8, "left lung": 35}


def test_faults_of_folder_and_table_are_coded(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="LAY101"):
        read(tmp_path)
    picture(tmp_path, "a.png")
    table(tmp_path, ["colour"], ["red"])
    with pytest.raises(TumorboardError, match="LAY103"):
        read(tmp_path)
    table(tmp_path, ["image"], ["a.png"], ["x/a.jpg"])
    with pytest.raises(TumorboardError, match="LAY103"):
        read(tmp_path)
    table(tmp_path, ["image", "age"], ["a.png", "old"])
    with pytest.raises(TumorboardError, match="LAY104"):
        read(tmp_path)


def test_real_lung_boxes_are_those_of_the_published_table(real_data: Path) -> None:
    """Boxes of the table were derived elsewhere, from inclusive pixels."""
    folder = real_data / "cxr/covid_ccby"
    cohort = read(folder)
    assert len(cohort) == 14
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        published = {row["image"]: row for row in csv.DictReader(file)}
    for image in cohort.rows("images", role="image"):
        row = published[Path(image["path"]).name]
        for side in ("right", "left"):
            mine = cohort.row("findings", image_id=image["image_id"], label=f"{side} lung")["box"]
            theirs = np.add(json.loads(row[f"{side}_lung_box"]), [0, 0, 1, 1])
            assert np.abs(mine - theirs).max() <= 1, image["path"]


def test_the_checks_find_what_is_wrong_with_real_pictures(real_data: Path) -> None:
    found = run_checks(read(real_data / "cxr/nih"))
    turned = {f.where.split(":")[0] for f in found if f.code == "XRY201"}
    assert turned == {"61", "2599", "6763", "8168", "8980"}
    assert {f.where.split(":")[0] for f in found if f.code == "XRY203" and f.severity == "warning"} - turned == {
        "324",
        "376",
    }
    assert not [f for f in found if f.code == "XRY202"]
