"""COCO files -> boxes of a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import import_entry
from tumorboard.datasets.coco import codes
from tumorboard.datasets.coco.slices import slice_finding, slices_of
from tumorboard.datasets.coco.writer import FILE
from tumorboard.datasets.identifiers import file_names
from tumorboard.datasets.imagenome.objects import KIND
from tumorboard.io.images import load_image
from tumorboard.io.jsonfile import read_json
from tumorboard.io.store import open_cohort

__all__ = ["read"]

_MAX_BYTES = 2**30


def read(
    source: Path,
    *,
    name: str | None = None,
    onto: Path | None = None,
    run_id: str = "",
    unknown: Literal["error", "skip"] = "error",
) -> Cohort:
    """Read the boxes of a COCO file.

    Parameters
    ----------
    source : the JSON file (or the folder with `instances.json`): images, annotations, categories.
    onto : a cohort that has the images; they are found by image id, or by file name. Without it each image is an
        exam of a patient of its own, unless the file is ours and says whose it is.
    run_id : whose boxes they are; default: what the file says, else ``expert`` (annotations with a score: ``coco``).
    unknown : ``error`` (COC102) or ``skip`` boxes of images that `onto` does not have.

    Images that are slices of scans in `onto` (our own files, or named as in DeepLesion: `000001_01_01_109.png`) give
    boxes in three dimensions, as thick as the slice interval. A category's supercategory is the kind of its boxes,
    `box` where it is none of ours. Errors: LAY101, COC101, COC102, FIL105, FIL112.
    """
    source = Path(source).resolve()
    path = source / FILE if source.is_dir() else source
    if not path.is_file():
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, path, found="no such file", expected="a COCO file")
    content, _ = read_json(path, max_bytes=_MAX_BYTES)
    images, annotations, categories = (_listed(content, key, path) for key in ("images", "annotations", "categories"))
    kinds = {_id(c, "id", path): (str(c.get("name", "")), str(c.get("supercategory") or "")) for c in categories}
    base = open_cohort(onto) if onto is not None else _own_cohort(images, name or path.stem, path)
    cut = slices_of(images, base) if onto is not None else {}
    owner = _owners(images, base, path) | {number: place.image_id for number, place in cut.items()}
    rows, skipped = [], 0
    for number, record in enumerate(annotations):
        image = _id(record, "image_id", path)
        if image not in owner:
            raise _form(path, f"annotation {number} of image {image}", "an image of the file")
        if owner[image] is None:
            if unknown == "error":
                raise TumorboardError(codes.COCO_IMAGE, path, found=f"image {image}", expected="an image of the cohort")
            skipped += 1
            continue
        row = _finding(record, number, owner[image], kinds, run_id, path)
        rows.append(slice_finding(row, cut[image], kinds[record["category_id"]][1]) if image in cut else row)
    known = set(base.runs["run_id"].to_pylist())
    runs = [{"run_id": r, "kind": "import"} for r in dict.fromkeys(x["run_id"] for x in rows) if r not in known]
    notes = [f"{skipped} boxes of images that are not in the cohort"] if skipped else []
    entry = import_entry("coco", source, notes=notes, onto=onto, run_id=run_id, unknown=unknown, space="source pixels")
    return base.with_rows(runs=runs).with_rows(findings=rows).with_provenance(entry)


def _form(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.COCO_FORM, path, found=found, expected=expected)


def _listed(content: Any, key: str, path: Path) -> list[Mapping[str, Any]]:
    listed = content.get(key) if isinstance(content, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(record, Mapping) for record in listed):
        raise _form(path, f"no list {key!r} of records", "images, annotations and categories")
    return listed


def _id(record: Mapping[str, Any], key: str, path: Path) -> int | str:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise _form(path, f"{key} {value!r}"[:60], "a number or text")
    return value


def _own_cohort(images: list[Mapping[str, Any]], name: str, path: Path) -> Cohort:
    """A cohort with the file's images: whose they are as our own files say, else a patient for each."""
    stems = file_names(dict.fromkeys(str(i.get("file_name") or i.get("id")) for i in images))
    patients: dict[str, dict[str, Any]] = {}
    exams: dict[str, dict[str, Any]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for image in images:
        own = image.get("tumorboard") if isinstance(image.get("tumorboard"), Mapping) else {}
        stem = stems[str(image.get("file_name") or image.get("id"))].partition(".")[0]
        patient_id = str(own.get("patient_id") or stem)  # type: ignore[union-attr]
        exam_id, image_id = str(own.get("exam_id") or f"{stem}.0"), str(own.get("image_id") or stem)  # type: ignore[union-attr]
        if "slice" in own:  # type: ignore[operator]
            raise TumorboardError(
                codes.COCO_IMAGE,
                path,
                found=f"slices of the scan {image_id}",
                expected="the cohort of the scans",
                fix="give it with --set onto=COHORT",
            )
        if image_id in rows:
            raise _form(path, f"image {image_id} twice", "each image once")
        order, day = own.get("order"), own.get("day")  # type: ignore[union-attr]
        patients[patient_id] = {"patient_id": patient_id}
        exams.setdefault(
            exam_id,
            {
                "exam_id": exam_id,
                "patient_id": patient_id,
                "order": order if isinstance(order, int) else 0,
                "day": float(day) if isinstance(day, (int, float)) else None,
            },
        )
        size = [image.get("width"), image.get("height")]
        known = all(type(n) is int and 0 < n < 2**31 for n in size)
        rows[image_id] = {
            "image_id": image_id,
            "exam_id": exam_id,
            "modality": str(own.get("modality") or Modality.DX),  # type: ignore[union-attr]
            "role": str(Role.IMAGE),
            "unit": str(Unit.UNKNOWN),
            "options": json.dumps({"size": size}) if known else None,
        }
    return Cohort.build(
        name,
        loader=load_image,
        patients=list(patients.values()),
        exams=list(exams.values()),
        images=list(rows.values()),
    )


def _owners(images: list[Mapping[str, Any]], base: Cohort, path: Path) -> dict[int | str, str | None]:
    """COCO's image id -> image of the cohort, by our id, by file name, by its stem."""
    listed = base.images.select(["image_id", "path"]).to_pylist()
    known = {row["image_id"]: row["image_id"] for row in listed}
    known |= {Path(row["path"]).name: row["image_id"] for row in listed if row["path"]}
    found: dict[int | str, str | None] = {}
    for image in images:
        own = image.get("tumorboard") if isinstance(image.get("tumorboard"), Mapping) else {}
        file = str(image.get("file_name") or "")
        names = (own.get("image_id"), Path(file).name, Path(file).name.partition(".")[0], str(image.get("id")))  # type: ignore[union-attr]
        found[_id(image, "id", path)] = next((known[n] for n in names if n in known), None)
    return found


def _finding(
    record: Mapping[str, Any],
    number: int,
    image_id: str | None,
    kinds: Mapping[Any, tuple[str, str]],
    run_id: str,
    path: Path,
) -> dict[str, Any]:
    box = record.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(type(v) in (int, float) and abs(v) < 1e9 for v in box):
        raise _form(path, f"bbox {box!r} in annotation {number}"[:80], "x, y, width, height")
    category = _id(record, "category_id", path)
    if category not in kinds:
        raise _form(path, f"category {category} in annotation {number}", "a category of the file")
    label, kind = kinds[category]
    own = record.get("attributes") if isinstance(record.get("attributes"), Mapping) else {}
    score = record.get("score")
    run = run_id or str(own.get("run_id") or (EXPERT if score is None else "coco"))  # type: ignore[union-attr]
    more = {k: v for k, v in own.items() if k not in ("finding_id", "run_id", "statements")}  # type: ignore[union-attr]
    finding = own.get("finding_id") if not run_id else None  # type: ignore[union-attr]
    return {
        "finding_id": str(finding or f"{run}.{image_id}.coco-{record.get('id', number)}"),
        "image_id": image_id,
        "run_id": run,
        "kind": kind if kind == KIND else "box",
        "label": label,
        "box": [float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3])],
        "score": float(score) if isinstance(score, (int, float)) else None,
        "attributes": json.dumps(more) if more else None,
    }
