"""Scene graphs -> the TAB separated tables of `scene_tabular`, graph by graph."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tumorboard.datasets.imagenome.files import find_release
from tumorboard.datasets.imagenome.statements import CUES
from tumorboard.datasets.imagenome.words import split_attribute
from tumorboard.io.jsonfile import parse_json

__all__ = [
    "ATTRIBUTE_COLUMNS",
    "BOX_COLUMNS",
    "COMPARISON_COLUMNS",
    "attribute_rows",
    "box_rows",
    "comparison_rows",
    "write_tabular",
]

ATTRIBUTE_COLUMNS = (
    "study_id",
    "image_id",
    "sent_loc",
    "row_id",
    "section",
    "bbox",
    "relation",
    "context",
    "label_name",
    "categoryID",
    "sentence",
    "annot_id",
    "object_id",
)
COMPARISON_COLUMNS = (
    "relationship_id",
    "subject_id",
    "object_id",
    "bbox",
    "comparison",
    "attribute",
    "sentence",
    "bbox_coord_224_subject",
    "bbox_coord_224_object",
    "bbox_coord_original_subject",
    "bbox_coord_original_object",
)
_CORNERS = ("x1", "y1", "x2", "y2")
BOX_COLUMNS = (
    "object_id",
    "image_id",
    "bbox_name",
    *_CORNERS,
    "width",
    "height",
    *(f"original_{name}" for name in (*_CORNERS, "width", "height")),
    "name",
    "synsets",
)

Row = Mapping[str, Any]


def coordinates(box: Row | None, space: str) -> str:
    """``[x1, y1, x2, y2]`` of an object in the ``224`` or ``original`` space; empty without a box."""
    prefix = "" if space == "224" else "original_"
    if not box or f"{prefix}x1" not in box:
        return ""
    return str([box[prefix + name] for name in _CORNERS])


def attribute_rows(graph: Row) -> Iterator[dict[str, Any]]:
    """One row per location, sentence and attribute or cue; `relation` is 1 for yes and 0 for no, `sent_loc` the
    sentence's number, `row_id` the phrase id."""
    for entry in graph["attributes"]:
        lists = [entry.get(name) or [] for name in ("phrases", "phrase_IDs", "sections", "attributes")]
        cues = [entry.get(f"{category}_cues") or [] for category in CUES]
        for at in range(len(lists[3])):
            phrase, phrase_id, section, attributes = (values[at] if at < len(values) else None for values in lists)
            said = [*(attributes or ()), *(cue for values in cues if at < len(values) for cue in values[at] or ())]
            for text in said:
                category, polarity, label = split_attribute(text)
                yield {
                    "study_id": graph.get("study_id"),
                    "image_id": graph["image_id"],
                    "sent_loc": str(phrase_id or "").rpartition("|")[2],
                    "row_id": phrase_id,
                    "section": section,
                    "bbox": entry["bbox_name"],
                    "relation": int(polarity == "yes"),
                    "context": polarity,
                    "label_name": label,
                    "categoryID": category,
                    "sentence": phrase,
                    "object_id": entry.get("object_id"),
                }


def box_rows(graph: Row) -> Iterator[dict[str, Any]]:
    """One row per box, both spaces in columns of their own."""
    for entry in graph["objects"]:
        yield {**entry, "image_id": graph["image_id"], "synsets": ";;".join(map(str, entry.get("synsets") or ()))}


def comparison_rows(graph: Row, boxes: Mapping[str, Row]) -> Iterator[dict[str, Any]]:
    """One row per relationship and attribute; several cues are joined with ``;;``. `boxes` are objects by object_id, of
    this image and of those before."""
    for entry in graph["relationships"]:
        subject, other = boxes.get(entry.get("subject_id", "")), boxes.get(entry.get("object_id", ""))
        words = ";;".join(name.rpartition("|")[2] for name in entry.get("relationship_names") or ())
        for attribute in entry.get("attributes") or [""]:
            yield {
                "relationship_id": entry.get("relationship_id"),
                "subject_id": entry.get("subject_id"),
                "object_id": entry.get("object_id"),
                "bbox": entry.get("bbox_name"),
                "comparison": words,
                "attribute": attribute,
                "sentence": entry.get("phrase"),
                "bbox_coord_224_subject": coordinates(subject, "224"),
                "bbox_coord_224_object": coordinates(other, "224"),
                "bbox_coord_original_subject": coordinates(subject, "original"),
                "bbox_coord_original_object": coordinates(other, "original"),
            }


def write_tabular(source: Path, folder: Path) -> None:
    """Write the three tables of the graphs in `source` (a folder or archive), one patient in memory at a time."""
    release = find_release(source)
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        "attribute_relations": ATTRIBUTE_COLUMNS,
        "comparison_relations": COMPARISON_COLUMNS,
        "bbox_objects": BOX_COLUMNS,
    }
    files = {n: (folder / f"{n}_tabular.txt").open("w", encoding="utf-8", newline="") for n in names}
    try:
        tables = {n: csv.writer(files[n], delimiter="\t", lineterminator="\n") for n in names}
        for name, columns in names.items():
            tables[name].writerow(columns)
        for places in release.by_patient(release.places):
            graphs = [parse_json(data, place)[0] for place, data in release.read(places)]
            boxes = {entry["object_id"]: entry for graph in graphs for entry in graph["objects"]}
            for graph in graphs:
                _put(tables["attribute_relations"], ATTRIBUTE_COLUMNS, attribute_rows(graph))
                _put(tables["comparison_relations"], COMPARISON_COLUMNS, comparison_rows(graph, boxes))
                _put(tables["bbox_objects"], BOX_COLUMNS, box_rows(graph))
    finally:
        for file in files.values():
            file.close()


def _put(table: Any, columns: Iterable[str], rows: Iterable[Row]) -> None:
    listed = list(columns)
    table.writerows([["" if row.get(column) is None else row[column] for column in listed] for row in rows])
