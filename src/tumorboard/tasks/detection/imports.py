"""Predicted boxes of another program: COCO results, a CSV, or a cohort -> findings of kind box, in RAS mm.

Pixels are indices of the stored slice (column, row), 0-based unless stated. A box on a slice is as thick as the slice.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.io.jsonfile import read_json
from tumorboard.io.store import open_cohort
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.cases import BOX, Case, boxed_rows

__all__ = ["read_predictions"]

_MAX_BYTES = 2**30
_PIXELS = ("x1", "y1", "x2", "y2")
_MM = ("x1_mm", "y1_mm", "z1_mm", "x2_mm", "y2_mm", "z2_mm")


def read_predictions(
    source: Path,
    cases: Sequence[Case],
    *,
    run_id: str,
    pixel_base: Literal[0, 1] = 0,
    unknown: Literal["error", "skip"] = "error",
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of findings from a file or folder, and the names of images that `cases` do not have.

    Parameters
    ----------
    source : COCO results (``.json``: a list of image_id, bbox, score; or an object with images and annotations; a
        folder with ``predictions.json`` and ``instances.json``), a ``.csv`` with the columns image, score and either
        x1, y1, x2, y2 (pixels; z1, z2 slices of the stored volume where boxes are 3-D) or x1_mm ... z2_mm, or the
        folder of a cohort with one run of boxes.
    pixel_base : 1 where the first pixel is number 1, as in DL_info.csv.
    unknown : ``error`` (DET104) or ``skip`` boxes of images that are not there.

    Images are named by image id, or as ``series_slice`` with or without ``.png`` where a lesion's key slice has that
    name. Errors: DET103, DET104, DET105, FIL101, FIL105, FIL112.
    """
    source = Path(source)
    if (source / "cohort.json").is_file():
        return _from_cohort(source, {case.image_id for case in cases}, run_id, unknown)
    places = _places(cases)
    rows: list[dict[str, Any]] = []
    strange: list[str] = []
    pixels: dict[str, tuple[Case, list[int], list[list[float]]]] = {}
    for number, (name, box, score, label, where) in enumerate(_records(source, pixel_base)):
        place = _find(places, name)
        if place is None:
            if unknown == "error":
                raise TumorboardError(codes.IMAGE_UNKNOWN, where, found=repr(name), expected="an image of the cohort")
            strange.append(name)
            continue
        case, z_mm = place
        row = {
            "finding_id": f"{run_id}.{number}",
            "image_id": case.image_id,
            "run_id": run_id,
            "kind": BOX,
            "label": label or "lesion",
            "box": list(box["mm"]) if "mm" in box else None,
            "score": score,
        }
        if "pixels" in box:
            _, numbers, corners = pixels.setdefault(case.image_id, (case, [], []))
            numbers.append(len(rows))
            corners.append(_with_slice(box["pixels"], case, z_mm, where))
        rows.append(row)
    for case, numbers, corners in pixels.values():
        for number, in_mm in zip(numbers, _in_mm(corners, case), strict=True):
            rows[number]["box"] = in_mm
    return rows, sorted(set(strange))


def _from_cohort(source: Path, images: set[str], run_id: str, unknown: str) -> tuple[list[dict[str, Any]], list[str]]:
    other = open_cohort(source)
    runs = [r for r in other.runs["run_id"].to_pylist() if r != EXPERT and boxed_rows(other, r)]
    if len(runs) != 1:
        raise TumorboardError(
            codes.PREDICTION_FORM, source, found=f"runs with scored boxes: {runs or 'none'}", expected="one"
        )
    rows = [{**row, "run_id": run_id} for row in boxed_rows(other, runs[0])]
    strange = sorted({row["image_id"] for row in rows} - images)
    if strange and unknown == "error":
        raise TumorboardError(codes.IMAGE_UNKNOWN, source, found=repr(strange[0]), expected="an image of the cohort")
    return [row for row in rows if row["image_id"] in images], strange


Record = tuple[str, Mapping[str, Sequence[float]], float, str, str]
"""Name of the image; box under ``mm`` (6) or ``pixels`` (4 or 6, 0-based, low then high corner); score; label; where it
stands."""


def _records(source: Path, base: int) -> Iterator[Record]:
    if source.is_dir():
        yield from _coco(source / "predictions.json", base, images=source / "instances.json")
    elif source.suffix.lower() == ".json":
        yield from _coco(source, base)
    elif source.suffix.lower() == ".csv":
        yield from _csv(source, base)
    else:
        raise TumorboardError(codes.PREDICTION_FORM, source, found="another kind of file", expected=".json or .csv")


def _coco(path: Path, base: int, *, images: Path | None = None) -> Iterator[Record]:
    content, _ = read_json(path, max_bytes=_MAX_BYTES)
    listed = content
    index: Any = []
    if isinstance(content, Mapping):
        listed, index = content.get("annotations"), content.get("images", [])
    elif images is not None and images.is_file():
        index = read_json(images, max_bytes=_MAX_BYTES)[0].get("images", [])
    if not isinstance(listed, list):
        raise TumorboardError(codes.PREDICTION_FORM, path, found="no list of boxes", expected="COCO results")
    names = {image["id"]: str(image.get("file_name") or image["id"]) for image in index}
    for number, record in enumerate(listed):
        where = f"{path}, box {number}"
        try:
            image, (x, y, width, height), score = record["image_id"], record["bbox"], float(record["score"])
            corners = [float(v) - base for v in (x, y, x + width, y + height)]
        except (KeyError, TypeError, ValueError) as error:
            found = f"{type(error).__name__} {error} in {record!r}"[:120]
            raise TumorboardError(
                codes.PREDICTION_FORM, where, found=found, expected="image_id, bbox [x, y, width, height], score"
            ) from error
        if not isinstance(image, str) and image not in names:
            raise TumorboardError(
                codes.PREDICTION_FORM,
                where,
                found=f"image number {image!r}",
                expected="a name, or a list of images that gives the number's file name",
            )
        yield names.get(image, str(image)), {"pixels": corners}, _finite(score, where), "", where


def _csv(path: Path, base: int) -> Iterator[Record]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = reader.fieldnames or []
        mm = all(name in columns for name in _MM)
        three = all(name in columns for name in ("z1", "z2"))
        if not {"image", "score"} <= set(columns) or not (mm or all(name in columns for name in _PIXELS)):
            raise TumorboardError(
                codes.PREDICTION_FORM,
                path,
                found=f"columns {columns}",
                expected="image, score and x1, y1, x2, y2 (with z1, z2 in 3-D), or x1_mm to z2_mm",
            )
        names = _MM if mm else ("x1", "y1", "z1", "x2", "y2", "z2") if three else _PIXELS
        for number, record in enumerate(reader, start=2):
            where = f"{path}, line {number}"
            try:
                values = [float(record[name]) for name in names]
                score = float(record["score"])
            except (TypeError, ValueError) as error:
                found = str({name: record.get(name) for name in (*names, "score")})
                raise TumorboardError(codes.PREDICTION_FORM, where, found=found, expected="numbers") from error
            box = {"mm": values} if mm else {"pixels": [value - base for value in values]}
            yield str(record["image"]), box, _finite(score, where), str(record.get("label") or ""), where


def _finite(score: float, where: str) -> float:
    if not math.isfinite(score):
        raise TumorboardError(codes.PREDICTION_FORM, where, found=f"score {score}", expected="a finite number")
    return score


Place = tuple[Case, float | None]


def _places(cases: Sequence[Case]) -> dict[str, Place]:
    """Names of images, and of key slices (with the height of the slice)."""
    found: dict[str, Place] = {case.image_id: (case, None) for case in cases}
    for case in cases:
        for lesion in case.lesions:
            if lesion.slice_name:
                found[lesion.slice_name] = (case, lesion.key_z_mm)
    return found


def _find(places: Mapping[str, Place], name: str) -> Place | None:
    plain = Path(name).name
    return places.get(name) or places.get(plain) or places.get(plain.removesuffix(".png"))


def _with_slice(pixels: Sequence[float], case: Case, z_mm: float | None, where: str) -> list[float]:
    """A box in pixels with the slices it spans. DET105 without a grid, DET103 without a slice."""
    if case.geometry is None:
        raise TumorboardError(codes.NO_GRID, f"{where}, image {case.image_id}", found="no grid", expected="one")
    if len(pixels) == 6:
        return list(pixels)
    if z_mm is None:
        raise TumorboardError(
            codes.PREDICTION_FORM, where, found="a 2-D box of a volume", expected="a slice's name, or z1 and z2"
        )
    level = _level(case.geometry, z_mm)
    return [pixels[0], pixels[1], level - 0.5, pixels[2], pixels[3], level + 0.5]


def _in_mm(corners: Sequence[Sequence[float]], case: Case) -> list[list[float]]:
    """Boxes in voxels of the stored image as boxes in RAS mm."""
    assert case.geometry is not None
    places = case.geometry.to_world(np.reshape(corners, (-1, 2, 3)))
    boxes: list[list[float]] = np.concatenate([places.min(axis=1), places.max(axis=1)], axis=1).tolist()
    return boxes


def _level(geometry: Geometry, z_mm: float) -> int:
    """Number of the slice at a height; slices are stored along the third axis."""
    middle = geometry.to_world((np.array(geometry.shape) - 1) / 2)
    return round(float(geometry.to_index([middle[0], middle[1], z_mm])[2]))
