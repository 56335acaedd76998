"""Scene graphs -> tidy pair tables for change detection: one CSV per split, a patient in one split only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import ExamGraph, exam_graphs
from tumorboard.datasets.imagenome.files import SPLITS
from tumorboard.datasets.imagenome.words import published_change
from tumorboard.datasets.spreadsheet import CsvTable

__all__ = ["PAIR_COLUMNS", "split_of", "write"]

_CORNERS = ("x1", "y1", "x2", "y2")
PAIR_COLUMNS = (
    "patient_id",
    "current_study_id",
    "previous_study_id",
    "current_image_id",
    "previous_image_id",
    "location",
    "category",
    "label",
    "comparison",
    "contradictory",
    "source",
    "sentence",
    *(f"current_{c}_source_px" for c in _CORNERS),
    *(f"previous_{c}_source_px" for c in _CORNERS),
)
_SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}


def split_of(patient_id: str) -> str:
    """The fixed split of a patient without one: by a hash of the id, 70 : 10 : 20, whatever else is in the cohort."""
    place = int(hashlib.sha256(patient_id.encode()).hexdigest()[:12], 16) / 16**12
    for split, share in _SHARES.items():
        place -= share
        if place < 0:
            return split
    return "test"


def write(
    cohort: Cohort,
    out: Path,
    *,
    run: str = "",
    boxes: str = "",
    contradictory: Literal["drop", "keep"] = "drop",
    words: Literal["published", "all"] = "published",
    one_image: bool = False,
) -> None:
    """Write `train.csv`, `valid.csv`, `test.csv` with a row per pair of images, location and label, and `counts.json`.

    Parameters
    ----------
    run, boxes : runs of the changes and of the boxes (default: the only one, else ``expert``).
    contradictory : drop or keep pairs whose location and label have more than one of improved, worsened, no change; a
        kept row lists them joined with ``;;``. Both are counted.
    words : ``published`` maps new, resolved and removed as the layout `imagenome` does; ``all`` keeps our six.
    one_image : one row per current image and label: that with the first previous image.

    The split is the patient's own (column ``split``: train, valid, test), else fixed by a hash of the patient's id.
    Boxes are in source pixels; empty where there is none. Errors: LAY111 no change at all, LAY112, LAY113.
    """
    counts = {
        "pairs": 0,
        "contradictory": 0,
        "no published word": 0,
        "no previous image": 0,
        "second previous image": 0,
    }
    per_split: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    known: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with new_folder(Path(out), cohort) as folder:
        tables = {split: CsvTable(folder / f"{split}.csv", PAIR_COLUMNS) for split in SPLITS}
        try:
            patient = None
            for exam in exam_graphs(cohort, run=run, boxes=boxes):
                if exam.patient["patient_id"] != patient:
                    patient, known = exam.patient["patient_id"], {}
                known[exam.exam["exam_id"]] = {row["image_id"]: exam.boxes[row["image_id"]] for row in exam.images}
                own = exam.patient.get("split")
                split = own if own in SPLITS else split_of(exam.patient["patient_id"])
                for row in _pairs(exam, known, counts, words=words, keep=contradictory == "keep", one_image=one_image):
                    tables[split].add(row)
                    word = row["comparison"]
                    per_split[split][word] = per_split[split].get(word, 0) + 1
                    counts["pairs"] += 1
        finally:
            for table in tables.values():
                table.close()
        if not counts["pairs"]:
            raise TumorboardError(
                codes.NOT_WRITABLE,
                cohort.name,
                found="no pair",
                expected="changes between exams with images",
                fix="compare the exams first (`tumorboard read`), or name the run with --set run=NAME",
            )
        content = {"contradictory": contradictory, "words": words, "counts": counts, "splits": per_split}
        (folder / "counts.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _pairs(
    exam: ExamGraph,
    known: Mapping[str, Mapping[str, list[dict[str, Any]]]],
    counts: dict[str, int],
    *,
    words: str,
    keep: bool,
    one_image: bool,
) -> Iterator[dict[str, Any]]:
    """The rows of one current exam; `known` are the boxes of this patient's exams so far, by exam and image."""
    found: dict[tuple[str, str, str, str, str], dict[str, Any]] = {}
    for row in exam.changes:
        a = row["attributes"]
        word = row["predicate"] if words == "all" else published_change(row["predicate"])
        if word is None:
            counts["no published word"] += 1
            continue
        pairs = _images(exam, row, known)
        if not pairs:
            counts["no previous image"] += 1
        for current, previous in pairs:
            key = (current, previous, a.get("location", ""), a.get("category", ""), a.get("attribute", ""))
            entry = found.setdefault(key, {"words": [], "row": row})
            if word not in entry["words"]:
                entry["words"].append(word)
    seen: set[tuple[str, str, str, str]] = set()
    bodies = exam.bodies
    for (current, previous, location, category, label), entry in found.items():
        clash = len(entry["words"]) > 1
        counts["contradictory"] += clash
        if clash and not keep:
            continue
        if one_image and (current, location, category, label) in seen:
            counts["second previous image"] += 1
            continue
        seen.add((current, location, category, label))
        row, exam_of = entry["row"], {image: e for e, images in known.items() for image in images}
        start, end = row["attributes"].get("sentence") or (row["start"] or 0, row["end"] or 0)
        yield {
            "patient_id": exam.patient["patient_id"],
            "current_study_id": exam.exam["exam_id"],
            "previous_study_id": exam_of.get(previous, row["object"]),
            "current_image_id": current,
            "previous_image_id": previous,
            "location": location,
            "category": category,
            "label": label,
            "comparison": ";;".join(entry["words"]),
            "contradictory": int(clash),
            "source": row["attributes"].get("source", ""),
            "sentence": bodies.get(row["text_id"] or "", "")[start:end],
            **_corners("current", known[exam.exam["exam_id"]].get(current, ()), location),
            **_corners("previous", known.get(exam_of.get(previous, ""), {}).get(previous, ()), location),
        }


def _images(exam: ExamGraph, row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """(current, previous) images of one change: as the row says, else every image of the one exam with every one of the
    other."""
    if row["attributes"].get("images"):
        current, previous = row["attributes"]["images"]
        return [(current, previous)]
    return [(current["image_id"], previous) for current in exam.images for previous in known.get(row["object"], ())]


def _corners(prefix: str, boxes: Any, location: str) -> dict[str, Any]:
    box = next((row["box"] for row in boxes if row["label"] == location and row["box"]), None)
    return {f"{prefix}_{c}_source_px": v for c, v in zip(_CORNERS, box, strict=False)} if box else {}
