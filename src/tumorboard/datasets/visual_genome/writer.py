"""Scene graphs -> the four files of Visual Genome."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.graphs import ExamGraph, exam_graphs, image_size, said_at
from tumorboard.datasets.termcodes import TermCodes, read_term_codes

__all__ = ["write"]

_WORDS = {"yes": "{}", "no": "no {}", "uncertain": "possible {}"}


def write(cohort: Cohort, out: Path, *, run: str = "", boxes: str = "", terms: Path | None = None) -> None:
    """Write `image_data.json`, `objects.json`, `attributes.json` and `relationships.json`.

    `run` and `boxes` are the runs of the statements and of the boxes (default: the only one, else ``expert``);
    `terms` a CSV ``label,cui,radlex,snomed`` whose CUIs become synsets. Identifiers are numbers; ours stand beside
    them (``name``, ``finding_id``). Polarity is in the words: `label`, `no label`, `possible label`. Locations
    without a box have no object and their statements no place here. A relationship leads to an object of an earlier
    image. Errors: LAY111, LAY112.
    """
    writer = _Files(read_term_codes(terms) if terms else TermCodes())
    for exam in exam_graphs(cohort, run=run, boxes=boxes):
        writer.add(exam)
    if not writer.numbers:
        raise TumorboardError(codes.NOT_WRITABLE, cohort.name, found="no boxes", expected="images with boxes")
    with new_folder(Path(out), cohort) as folder:
        for name, content in writer.files.items():
            (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


class _Files:
    """The four lists while exams are added."""

    def __init__(self, terms: TermCodes) -> None:
        self.files: dict[str, list[dict[str, Any]]] = {
            name: [] for name in ("image_data", "objects", "attributes", "relationships")
        }
        self.numbers: dict[tuple[str, str], dict[str, Any]] = {}
        self._by_exam: dict[str, list[str]] = {}
        self._terms = terms
        self._relationships = 0

    def add(self, exam: ExamGraph) -> None:
        self._by_exam[exam.exam["exam_id"]] = [row["image_id"] for row in exam.images]
        for image in exam.images:
            number = len(self.files["image_data"]) + 1
            wide, high = image_size(image) or (None, None)
            self.files["image_data"].append(
                {
                    "image_id": number,
                    "name": image["image_id"],
                    "width": wide,
                    "height": high,
                    "url": "",
                    "coco_id": None,
                    "flickr_id": None,
                }
            )
            objects = [
                self._object(row) for row in exam.boxes[image["image_id"]] if row["box"] and len(row["box"]) == 4
            ]
            self.files["objects"].append({"image_id": number, "objects": objects})
            said = [o | {"attributes": _words(exam, o["names"][0])} for o in objects]
            self.files["attributes"].append({"image_id": number, "attributes": [o for o in said if o["attributes"]]})
            related = self._related(exam, image["image_id"])
            self.files["relationships"].append({"image_id": number, "relationships": related})

    def _object(self, row: dict[str, Any]) -> dict[str, Any]:
        x1, y1, x2, y2 = row["box"]
        cui = self._terms.cui(row["label"] or "")
        record = {
            "object_id": len(self.numbers) + 1,
            "x": x1,
            "y": y1,
            "w": x2 - x1,
            "h": y2 - y1,
            "names": [row["label"] or ""],
            "synsets": [cui] if cui else row["attributes"].get("synsets", []),
            "finding_id": row["finding_id"],
        }
        self.numbers[row["image_id"], row["finding_id"]] = record
        self.numbers.setdefault((row["image_id"], row["label"] or ""), record)
        return record

    def _related(self, exam: ExamGraph, image_id: str) -> list[dict[str, Any]]:
        found = []
        for row in exam.changes:
            a = row["attributes"]
            current, *previous = a.get("images") or (image_id, *self._by_exam.get(row["object"], ()))
            if current != image_id:
                continue
            subject = self.numbers.get((image_id, a.get("location", "")))
            for other in previous:
                target = self.numbers.get((other, a.get("location", "")))
                if subject and target:
                    self._relationships += 1
                    found.append(
                        {
                            "relationship_id": self._relationships,
                            "predicate": row["predicate"],
                            "synsets": [],
                            "attribute": a.get("attribute", ""),
                            "subject": subject,
                            "object": target,
                        }
                    )
        return found


def _words(exam: ExamGraph, location: str) -> list[str]:
    said = [_WORDS[record["polarity"]].format(record["label"]) for record in said_at(exam, location) if record["label"]]
    return list(dict.fromkeys(said))
