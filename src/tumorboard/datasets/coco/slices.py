"""Boxes in three dimensions as COCO boxes of single slices, and back.

A slice is looked at as usual: columns to the patient's left, rows to the back; `slice` counts layers from the head,
from 0. bbox is in pixels with the centre of the first pixel at 0, so that DeepLesion's published boxes, less 1, are the
same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.assembly import picture_grid
from tumorboard.datasets.deeplesion.names import SliceName, slice_name, sub_volume_name

__all__ = ["SPACE", "SliceOf", "slice_content", "slice_finding", "slices_of"]

SPACE = "pixels of axial slices, the centre of the first pixel at 0, columns to the patient's left"
_ENDS = "recist_px"


@dataclass(frozen=True)
class SliceOf:
    """One layer of a scan of the cohort."""

    image_id: str
    layer: int
    grid: Geometry


def slice_content(cohort: Cohort, *, run: str = "") -> dict[str, list[dict[str, Any]]]:
    """images, annotations and categories of the boxes of `run` (default ``expert``): a RECIST pair on its key slice,
    another box on every slice whose middle it holds. Slices without a box are not listed."""
    rows = {row["image_id"]: row for row in cohort.rows("images")}
    exams = {row["exam_id"]: row for row in cohort.rows("exams")}
    grids: dict[str, Geometry] = {}
    numbers: dict[tuple[str, int], int] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[tuple[str, str], int] = {}
    for finding in cohort.rows("findings", run_id=run or EXPERT):
        image = rows[finding["image_id"]] if finding["image_id"] else None
        if image is None or image["affine"] is None or not finding["box"] or len(finding["box"]) != 6:
            continue
        image_id = image["image_id"]
        grid = grids.setdefault(image_id, picture_grid(image))
        low, high = _pixels(finding["box"], grid)
        category = categories.setdefault((finding["label"] or "", finding["kind"]), len(categories) + 1)
        for layer in _layers(low, high, grid, whole=finding["kind"] != RECIST_PAIR):
            if (image_id, layer) not in numbers:
                numbers[image_id, layer] = len(images) + 1
                images.append(_image(len(images) + 1, image, exams[image["exam_id"]], layer, grid))
            annotations.append(_annotation(len(annotations) + 1, numbers[image_id, layer], category, finding, grid))
    listed = [{"id": n, "name": name, "supercategory": kind} for (name, kind), n in categories.items()]
    return {"images": images, "annotations": annotations, "categories": listed}


def slices_of(images: Sequence[Mapping[str, Any]], cohort: Cohort) -> dict[int | str, SliceOf]:
    """COCO's image id -> layer of a scan of the cohort, for the images that say their scan and slice, or that are named
    as slices of DeepLesion."""
    rows = {row["image_id"]: row for row in cohort.rows("images") if row["affine"] is not None}
    volumes: dict[str, list[tuple[int, int, str]]] = {}
    for image_id in rows:
        if (name := sub_volume_name(image_id)) is not None:
            volumes.setdefault(name.series_name, []).append((name.first, name.last, image_id))
    grids: dict[str, Geometry] = {}
    found: dict[int | str, SliceOf] = {}
    for image in images:
        own = image.get("tumorboard")
        place: tuple[str, int] | None = None
        if isinstance(own, Mapping) and own.get("image_id") in rows and type(own.get("slice")) is int:
            place = own["image_id"], own["slice"]
        elif (slice_ := _named(image)) is not None:
            listed = volumes.get(slice_.series_name, ())
            number = slice_.number
            place = next(((i, number - first) for first, last, i in listed if first <= number <= last), None)
        if place is not None:
            grid = grids.setdefault(place[0], picture_grid(rows[place[0]]))
            if 0 <= place[1] < grid.shape[2]:
                found[image["id"]] = SliceOf(*place, grid)
    return found


def slice_finding(row: Mapping[str, Any], place: SliceOf, kind: str) -> dict[str, Any]:
    """A finding with its box in pixels of a slice -> with its box in RAS mm, as thick as the slice interval; a RECIST
    pair of ours with its ends and axes again."""
    x1, y1, x2, y2 = row["box"]
    corners = place.grid.to_world([[x1, y1, place.layer - 0.5], [x2, y2, place.layer + 0.5]])
    made = dict(row) | {"box": [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]}
    told = json.loads(row["attributes"] or "{}")
    ends = told.pop(_ENDS, None)
    if kind == RECIST_PAIR and isinstance(ends, list) and len(ends) == 8:
        pixels = np.column_stack([np.reshape(ends, (4, 2)), np.full(4, place.layer)])
        places = place.grid.to_world(pixels)
        long, short = np.linalg.norm(places[0::2] - places[1::2], axis=1).tolist()
        measured = {LONG_AXIS_MM: long, SHORT_AXIS_MM: short}
        made |= {"kind": RECIST_PAIR, "points_mm": places.ravel().tolist(), "measurements": measured}
    made["attributes"] = json.dumps(told) if told else None
    return made


def _named(image: Mapping[str, Any]) -> SliceName | None:
    """The slice that a file name speaks of: its last one or two parts."""
    parts = str(image.get("file_name") or "").replace("\\", "/").split("/")
    return slice_name(parts[-1]) or slice_name("/".join(parts[-2:]))


def _pixels(box: Sequence[float], grid: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (column, row, layer) of a box in mm."""
    ends = grid.to_index(np.reshape(box, (2, 3)))
    return ends.min(axis=0), ends.max(axis=0)


def _layers(low: np.ndarray, high: np.ndarray, grid: Geometry, *, whole: bool) -> list[int]:
    middle = (low[2] + high[2]) / 2
    if not whole:
        layers = [int(np.rint(middle))]
    else:
        layers = list(range(int(np.ceil(low[2] - 1e-6)), int(np.floor(high[2] + 1e-6)) + 1)) or [int(np.rint(middle))]
    return [layer for layer in layers if 0 <= layer < grid.shape[2]]


def _image(number: int, row: Mapping[str, Any], exam: Mapping[str, Any], layer: int, grid: Geometry) -> dict[str, Any]:
    name = sub_volume_name(row["image_id"])
    file = f"{name.series_name}/{name.first + layer:03d}.png" if name else f"{row['image_id']}/{layer:04d}"
    own = {"image_id": row["image_id"], "exam_id": exam["exam_id"], "patient_id": exam["patient_id"], "slice": layer}
    own |= {"order": exam["order"], "day": exam["day"], "modality": row["modality"]}
    return {"id": number, "file_name": file, "width": grid.shape[0], "height": grid.shape[1], "tumorboard": own}


def _annotation(number: int, image: int, category: int, finding: Mapping[str, Any], grid: Geometry) -> dict[str, Any]:
    (x1, y1, _), (x2, y2, _) = (corner.tolist() for corner in _pixels(finding["box"], grid))
    told = json.loads(finding["attributes"] or "{}")
    told |= {"finding_id": finding["finding_id"], "run_id": finding["run_id"]}
    if finding["kind"] == RECIST_PAIR and finding["points_mm"]:
        told[_ENDS] = grid.to_index(np.reshape(finding["points_mm"], (4, 3)))[:, :2].ravel().tolist()
    record = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
        "attributes": told,
    }
    return record | ({"score": finding["score"]} if finding["score"] is not None else {})
