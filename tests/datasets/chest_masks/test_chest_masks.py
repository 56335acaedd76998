"""Masks in the three published forms -> boxes on the X-rays of a cohort, in source pixels."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.chest_masks import chexmask, cxas, pspnet
from tumorboard.datasets.radiographs import reader
from tumorboard.io.store import save_cohort

SHAPE = (40, 60)  # rows, columns
RIGHT, LEFT, HEART = (8, 5, 25, 30), (35, 6, 50, 31), (22, 15, 44, 31)


@pytest.fixture
def onto(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        Image.fromarray(np.full(SHAPE, 7, np.uint8)).save(tmp_path / "images" / f"{name}.png")
    save_cohort(reader.read(tmp_path / "images"), tmp_path / "cohort")
    return tmp_path / "cohort"


def filled(box: tuple[int, int, int, int], shape: tuple[int, int] = SHAPE) -> np.ndarray[Any, Any]:
    mask = np.zeros(shape, bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def runs(mask: np.ndarray[Any, Any]) -> str:
    """The published code: starts counted from 1 and lengths, row after row; written pixel by pixel."""
    words, flat = [], [*mask.ravel().tolist(), False]
    start = None
    for place, inside in enumerate(flat, start=1):
        if inside and start is None:
            start = place
        if not inside and start is not None:
            words += [start, place - start]
            start = None
    return " ".join(map(str, words))


def table(folder: Path, *rows: dict[str, Any], name: str = "masks.csv") -> Path:
    columns = ["Image Index", "Dice RCA (Max)", "Dice RCA (Mean)", "Landmarks", "Left Lung", "Right Lung", "Heart"]
    path = folder / name
    with gzip.open(path, "wt", newline="") if name.endswith(".gz") else path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, "Height", "Width"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def record(name: str, **changes: Any) -> dict[str, Any]:
    masks = {"Left Lung": runs(filled(LEFT)), "Right Lung": runs(filled(RIGHT)), "Heart": runs(filled(HEART))}
    return {"Image Index": name, "Dice RCA (Mean)": 0.9, **masks, "Height": 40, "Width": 60, **changes}


def boxes(cohort: Any, run: str) -> dict[str, tuple[float, ...]]:
    return {row["label"]: tuple(row["box"]) for row in cohort.rows("findings", run_id=run)}


@pytest.mark.parametrize("name", ["masks.csv", "masks.csv.gz"])
def test_chexmask(tmp_path: Path, onto: Path, name: str) -> None:
    path = table(
        tmp_path, record("a.png"), record("elsewhere.png"), record("b.png", **{"Dice RCA (Mean)": 0.5}), name=name
    )
    cohort = chexmask.read(path, onto=onto, least_quality=0.7)
    assert boxes(cohort, "chexmask") == {"left lung": LEFT, "right lung": RIGHT, "cardiac silhouette": HEART}
    assert cohort.rows("findings", run_id="chexmask")[0]["score"] == 0.9
    notes = " ".join(cohort.provenance[-1]["notes"])
    assert "1 rows below" in notes and "1 masks of images" in notes


def test_boxes_of_runs_by_hand() -> None:
    assert chexmask.box_of_runs("3 2 13 1", 4, 10, where="x") == (2, 0, 4, 2)
    assert chexmask.box_of_runs("9 4", 4, 10, where="x") == (0, 0, 10, 2)  # over the end of the first row
    assert chexmask.box_of_runs("", 4, 10, where="x") is None
    for wrong in ("3", "0 2", "3 0", "40 2", "a b", "1 99999999999999999999"):
        with pytest.raises(TumorboardError, match="CXM101"):
            chexmask.box_of_runs(wrong, 4, 10, where="x")


def test_chexmask_faults_are_coded(tmp_path: Path, onto: Path) -> None:
    with pytest.raises(TumorboardError, match="CXM102"):
        chexmask.read(table(tmp_path, record("a", Height=41)), onto=onto)
    with pytest.raises(TumorboardError, match="LAY113"):
        chexmask.read(table(tmp_path, record("a")))
    with pytest.raises(TumorboardError, match="LAY101"):
        chexmask.read(table(tmp_path, record("elsewhere")), onto=onto)
    exchanged = record("a", **{"Left Lung": runs(filled(RIGHT)), "Right Lung": runs(filled(LEFT))})
    cohort = chexmask.read(table(tmp_path, exchanged, record("b")), onto=onto)
    assert {row["image_id"] for row in cohort.rows("findings", run_id="chexmask")} == {"b.0.DX"}
    assert "CXM103" in cohort.provenance[-1]["notes"][0]
    (tmp_path / "other.csv").write_text("x,y\n1,2\n")
    with pytest.raises(TumorboardError, match="LAY103"):
        chexmask.read(tmp_path / "other.csv", onto=onto)


def test_cxas_in_its_three_forms(tmp_path: Path, onto: Path) -> None:
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    for name, box in (("right lung", RIGHT), ("left lung", LEFT), ("heart", HEART), ("liver", (0, 0, 5, 5))):
        Image.fromarray(filled(box)).save(out / "a" / f"{name}.png")  # one bit, as written by cxas
    expected = {"left lung": LEFT, "right lung": RIGHT, "cardiac silhouette": HEART}
    assert boxes(cxas.read(out, onto=onto), "cxas") == expected
    channels = np.zeros((159, *SHAPE), bool)
    for index, box in ((135, RIGHT), (136, LEFT), (121, HEART), (111, (0, 0, 5, 5))):
        channels[index] = filled(box)
    (tmp_path / "npy").mkdir()
    np.save(tmp_path / "npy" / "a.npy", channels)
    assert boxes(cxas.read(tmp_path / "npy", onto=onto), "cxas") == expected
    annotations = [
        {
            "category_id": i,
            "bbox": [b[0], b[1], b[2] - b[0], b[3] - b[1]],
            "segmentation": {"size": [40, 60], "counts": ""},
        }
        for i, b in ((135, RIGHT), (136, LEFT), (121, HEART), (111, (0, 0, 5, 5)))
    ]
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "a.json").write_text(json.dumps({"annotations": annotations}))
    assert boxes(cxas.read(tmp_path / "json", onto=onto), "cxas") == expected
    (tmp_path / "json" / "a.json").write_text(json.dumps({"annotations": [{"category_id": 1}]}))
    with pytest.raises(TumorboardError, match="CXM101"):
        cxas.read(tmp_path / "json", onto=onto)


def test_every_class_is_a_location() -> None:
    assert {location for _, location in cxas.CLASSES.values()} <= set(BOX_LOCATIONS)
    assert {location for location in pspnet.CHANNELS if location} <= set(BOX_LOCATIONS)
    assert len(pspnet.CHANNELS) == 14


def test_pspnet_boxes_lie_in_the_centre_square(tmp_path: Path, onto: Path) -> None:
    """A picture of 60 x 40: torchxrayvision cuts columns 10 to 50 and enlarges them to 80 x 80."""
    logits = np.full((1, 14, 80, 80), -3.0, np.float32)
    logits[0, 5, 10:40, 4:30] = logits[0, 4, 10:40, 44:76] = 2.0
    (tmp_path / "psp").mkdir()
    np.save(tmp_path / "psp" / "a.npy", logits)
    found = boxes(pspnet.read(tmp_path / "psp", onto=onto), "pspnet")
    assert found == {"right lung": (12, 5, 25, 20), "left lung": (32, 5, 48, 20)}
    whole = boxes(pspnet.read(tmp_path / "psp", onto=onto, cut="whole"), "pspnet")
    assert whole["right lung"] == (3, 5, 22.5, 20)


def test_pspnet_faults_are_coded(tmp_path: Path, onto: Path) -> None:
    folder = tmp_path / "psp"
    folder.mkdir()
    np.save(folder / "a.npy", np.full((14, 8, 8), 0.9, np.float32))
    with pytest.raises(TumorboardError, match="CXM101"):
        pspnet.read(folder, onto=onto)  # logits or probabilities?
    np.save(folder / "a.npy", np.zeros((13, 8, 8), bool))
    with pytest.raises(TumorboardError, match="CXM101"):
        pspnet.read(folder, onto=onto)
    np.save(folder / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(TumorboardError, match="FIL110"):
        pspnet.read(folder, onto=onto)
