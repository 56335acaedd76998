"""Boxes of a cohort -> one COCO file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.coco.slices import SPACE, slice_content
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import exam_graphs, image_size, said_at

__all__ = ["FILE", "write"]

FILE = "instances.json"


def write(
    cohort: Cohort,
    out: Path,
    *,
    run: str = "",
    boxes: str = "",
    statements: bool = True,
    slices: bool = False,
    lossy: bool = False,
) -> None:
    """Write `instances.json` with every image, the boxes of a run and one category per label.

    Parameters
    ----------
    run, boxes : runs of the statements and of the boxes (default: the only one, else ``expert``).
    statements : put what the report says of a box's location into its `attributes` (``statements``: label, polarity
    ...).
    slices : scans instead of pictures: each slice with a lesion is an image, RECIST pairs and boxes in three dimensions
        are cut by it (`datasets.coco.slices`).
    lossy : leave out boxes that are not four numbers (boxes in three dimensions).

    bbox is x, y, width, height in source pixels, as the file's `info` says; a box without area stays as it is (its
    area is 0). An image of unknown size has no width and height. Errors: LAY111, LAY112, LAY113.
    """
    if slices:
        _write(cohort, out, slice_content(cohort, run=boxes), space=SPACE)
        return
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories: dict[tuple[str, str], int] = {}
    for exam in exam_graphs(cohort, run=run, boxes=boxes):
        for image in exam.images:
            number = len(images) + 1
            images.append(_image(number, image, exam))
            for row in exam.boxes[image["image_id"]]:
                if not row["box"] or len(row["box"]) != 4:
                    if lossy or not row["box"]:
                        continue
                    raise TumorboardError(
                        codes.NOT_WRITABLE,
                        row["finding_id"],
                        found=f"a box of {len(row['box'])} numbers",
                        expected="4",
                        fix="leave such boxes out with --set lossy=true",
                    )
                key = (row["label"] or "", row["kind"])
                category = categories.setdefault(key, len(categories) + 1)
                annotation = _annotation(len(annotations) + 1, number, category, row)
                said = said_at(exam, row["label"]) if statements else []
                if said:
                    annotation["attributes"]["statements"] = said
                annotations.append(annotation)
    listed = [{"id": n, "name": name, "supercategory": kind} for (name, kind), n in categories.items()]
    content = {"images": images, "annotations": annotations, "categories": listed}
    _write(cohort, out, content, space="source pixels, origin top left")


def _write(cohort: Cohort, out: Path, content: dict[str, list[dict[str, Any]]], *, space: str) -> None:
    if not content["images"]:
        raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no image", expected="images with boxes")
    head = {"info": {"description": cohort.name, "space": space, "version": "1"}, "licenses": []}
    with new_folder(Path(out), cohort) as folder:
        (folder / FILE).write_text(json.dumps(head | content, indent=1) + "\n", encoding="utf-8")


def _image(number: int, row: dict[str, Any], exam: Any) -> dict[str, Any]:
    size = image_size(row)
    record: dict[str, Any] = {"id": number, "file_name": Path(row["path"]).name if row["path"] else row["image_id"]}
    if size:
        record |= {"width": size[0], "height": size[1]}
    record["tumorboard"] = {
        "image_id": row["image_id"],
        "exam_id": exam.exam["exam_id"],
        "patient_id": exam.patient["patient_id"],
        "order": exam.exam["order"],
        "day": exam.exam["day"],
        "modality": row["modality"],
    }
    return record


def _annotation(number: int, image: int, category: int, row: dict[str, Any]) -> dict[str, Any]:
    x1, y1, x2, y2 = row["box"]
    record = {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": max(x2 - x1, 0) * max(y2 - y1, 0),
        "iscrowd": 0,
        "attributes": {"finding_id": row["finding_id"], "run_id": row["run_id"]},
    }
    return record | ({"score": row["score"]} if row["score"] is not None else {})
