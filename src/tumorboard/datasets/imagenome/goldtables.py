"""The gold tables <-> graphs in the silver form.

The experts' set is published as tables, the silver one as JSON. One row of a table is one attribute of one location in
one sentence; grouped by location and sentence they are the silver form. What a table says beyond that (annotator,
further columns) goes along under the key ``gold`` and comes back with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.comparisons import image_of
from tumorboard.datasets.imagenome.files import plain_image
from tumorboard.datasets.imagenome.objects import published_name
from tumorboard.datasets.imagenome.statements import CUES
from tumorboard.datasets.imagenome.tables import read_rows, write_rows
from tumorboard.datasets.imagenome.tabular import (
    ATTRIBUTE_COLUMNS,
    COMPARISON_COLUMNS,
    attribute_rows,
    comparison_rows,
    coordinates,
)
from tumorboard.datasets.imagenome.words import PREDICATE_OF

__all__ = ["GOLD_FILES", "graphs_from_gold", "tables_from_graphs"]

FIRST = "gold_attributes_relations_500pts_500studies1st.txt"
SECOND = "gold_comparison_relations_500pts_500studies2nd.txt"
ATTRIBUTES = "gold_object_attribute_with_coordinates.txt"
COMPARISONS = "gold_object_comparison_with_coordinates.txt"
BOXES = "gold_bbox_coordinate_annotations_1000images.csv"
SCALING = "gold_bbox_scaling_factors_original_to_224x224.csv"
GOLD_FILES = (FIRST, SECOND, ATTRIBUTES, COMPARISONS, BOXES, SCALING)

_FROM_ROW = frozenset(
    {*ATTRIBUTE_COLUMNS, "patient_id", "coord_original", "coord224", "coord_224", "comparison"}
    - {"annot_id", "sent_loc"}
)
"""Columns that a graph gives back by itself."""
_CORNERS = ("x1", "y1", "x2", "y2")
_SIZES = (*_CORNERS, "width", "height")

Graph = dict[str, Any]


def graphs_from_gold(folder: Path) -> list[Graph]:
    """The experts' graphs in the silver form, one per image, from whichever of the six tables are there.

    Image ids lose their ``.dcm``. Of a pair, the previous study has StudyOrder 1 and the current one 2. Errors: CIG118,
    LAY103."""
    found = _Graphs()
    for name in (FIRST, SECOND, ATTRIBUTES):
        if (folder / name).is_file():
            for row in read_rows(folder / name, "image_id", "bbox", "label_name", "categoryID"):
                found.attribute(name, row)
    if (folder / BOXES).is_file():
        for row in read_rows(folder / BOXES, "image_id", "bbox_name", "x1", "original_x1"):
            found.box(row)
    if (folder / SCALING).is_file():
        for row in read_rows(folder / SCALING, "image_id"):
            found.graph(row["image_id"])["gold"]["scaling"] = {k: v for k, v in row.items() if k != "image_id"}
    if (folder / COMPARISONS).is_file():
        for row in read_rows(folder / COMPARISONS, "subject_id", "object_id", "bbox", "comparison"):
            found.comparison(row)
    if not found.graphs:
        raise TumorboardError(codes.GOLD_TABLE, folder, found="no gold table", expected=", ".join(GOLD_FILES))
    return found.finished()


class _Graphs:
    """Graphs under way, by image."""

    def __init__(self) -> None:
        self.graphs: dict[str, Graph] = {}
        self._slots: dict[tuple[str, str, str], int] = {}
        self._entries: dict[tuple[str, str], dict[str, Any]] = {}
        self._relations: dict[tuple[str, str], dict[str, Any]] = {}

    def graph(self, image: str) -> Graph:
        image_id = plain_image(image)
        if image_id not in self.graphs:
            self.graphs[image_id] = {
                "image_id": image_id,
                "viewpoint": "",
                "patient_id": None,
                "study_id": None,
                "gender": "",
                "age_decile": "",
                "reason_for_exam": "",
                "StudyOrder": None,
                "StudyDateTime": "",
                "objects": [],
                "attributes": [],
                "relationships": [],
                "gold": {"rows": []},
            }
        return self.graphs[image_id]

    def attribute(self, table: str, row: Mapping[str, str]) -> None:
        """One row of the three attribute tables. The same statement in two of them is one statement."""
        graph = self.graph(row["image_id"])
        for key in ("patient_id", "study_id"):
            if row.get(key):
                graph[key] = graph[key] or _number(row[key])
        location, row_id = row["bbox"].strip(), row.get("row_id", "")
        polarity = row.get("context") or ("yes" if row.get("relation") in ("1", "1.0") else "no")
        text = f"{row['categoryID']}|{polarity}|{row['label_name']}"
        entry, at = self._slot(graph, location, row_id, row)
        listed = entry[f"{row['categoryID']}_cues"][at] if row["categoryID"] in CUES else entry["attributes"][at]
        if text not in listed:
            listed.append(text)
            if row["categoryID"] not in CUES:
                entry["attributes_ids"][at].append("")
        more = {k: v for k, v in row.items() if v and k not in _FROM_ROW}
        if row.get("relation") not in (None, "", str(int(polarity == "yes"))):
            more["relation"] = row["relation"]
        graph["gold"]["rows"].append([table, location, row_id, text, more])

    def _slot(self, graph: Graph, location: str, row_id: str, row: Mapping[str, str]) -> tuple[dict[str, Any], int]:
        image_id = graph["image_id"]
        entry = self._entries.get((image_id, location))
        if entry is None:
            entry = self._entries[image_id, location] = {
                location: True,
                "bbox_name": location,
                "synsets": [],
                "name": published_name(location),
                "attributes": [],
                "attributes_ids": [],
                "phrases": [],
                "phrase_IDs": [],
                "sections": [],
                "comparison_cues": [],
                "temporal_cues": [],
                "severity_cues": [],
                "texture_cues": [],
                "object_id": f"{image_id}_{location}",
            }
            graph["attributes"].append(entry)
        at = self._slots.get((image_id, location, row_id))
        if at is None:
            at = self._slots[image_id, location, row_id] = len(entry["phrases"])
            entry["phrases"].append(row.get("sentence", ""))
            entry["phrase_IDs"].append(row_id)
            entry["sections"].append(row.get("section", ""))
            for name in ("attributes", "attributes_ids", *(f"{category}_cues" for category in CUES)):
                entry[name].append([])
        return entry, at

    def box(self, row: Mapping[str, str]) -> None:
        graph = self.graph(row["image_id"])
        location = row["bbox_name"].strip()
        known = {
            "object_id": f"{graph['image_id']}_{location}",
            "bbox_name": location,
            "name": published_name(location),
        }
        numbers = {p + n: _number(row[p + n]) for p in ("", "original_") for n in _SIZES if row.get(p + n)}
        graph["objects"].append({**known, **numbers, "synsets": []})
        more = {k: v for k, v in row.items() if v and k in ("annot_id", "annotator")}
        graph["gold"].setdefault("boxes", []).append(more)

    def comparison(self, row: Mapping[str, str]) -> None:
        """One row of the comparison table; rows of one relationship_id are one relationship."""
        current = plain_image(row.get("current_image_id") or image_of(row["subject_id"]))
        previous = plain_image(row.get("previous_image_id") or image_of(row["object_id"]))
        location, key = row["bbox"].strip(), row.get("relationship_id") or f"{row['subject_id']}|{row['object_id']}"
        graph = self.graph(current)
        self.graph(previous)
        for image in (current, previous):
            if row.get("patient_id"):
                self.graphs[image]["patient_id"] = self.graphs[image]["patient_id"] or _number(row["patient_id"])
        graph["StudyOrder"] = 2
        entry = self._relations.get((current, key))
        if entry is None:
            entry = self._relations[current, key] = {
                "relationship_id": key,
                "predicate": "",
                "synsets": [],
                "relationship_names": [],
                "relationship_contexts": [],
                "phrase": row.get("sentence", ""),
                "attributes": [],
                "bbox_name": location,
                "subject_id": f"{current}_{location}",
                "object_id": f"{previous}_{location}",
            }
            graph["relationships"].append(entry)
        for word in row["comparison"].split(";;"):
            name = f"comparison|yes|{word.strip()}"
            if name not in entry["relationship_names"]:
                entry["relationship_names"].append(name)
                entry["relationship_contexts"].append(1.0)
        text = row.get("attribute") or row.get("label_name") or ""
        if text and text not in entry["attributes"]:
            entry["attributes"].append(text)

    def finished(self) -> list[Graph]:
        for graph in self.graphs.values():
            graph["StudyOrder"] = graph["StudyOrder"] or 1
            for entry in graph["relationships"]:
                words = [name.rpartition("|")[2] for name in entry["relationship_names"]]
                entry["predicate"] = str([PREDICATE_OF.get(word, word) for word in words])
            # A table that names no study or patient: the image stands for both.
            graph["study_id"] = graph["study_id"] or graph["image_id"]
            graph["patient_id"] = graph["patient_id"] or graph["study_id"]
        return list(self.graphs.values())


def _number(text: str) -> Any:
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text.strip()
    if isinstance(value, float) and value == value and abs(value) < 1e15:
        return int(value) if value == int(value) else value
    return value if isinstance(value, int) and not isinstance(value, bool) else text.strip()


# ---- back -------------------------------------------------------------------------------------------
def tables_from_graphs(graphs: Sequence[Graph], folder: Path) -> None:
    """Write the six gold tables of these graphs: images end in ``.dcm``, coordinates stand in both spaces. Rows of
    images that are the current one of a comparison are the second studies."""
    boxes = {entry["object_id"]: entry for graph in graphs for entry in graph["objects"]}
    listed = [(graph, dict(row)) for graph in graphs for row in _attribute_rows(graph, boxes)]
    columns: tuple[str, ...] = ("patient_id", *ATTRIBUTE_COLUMNS, "coord224", "coord_original")
    columns += tuple(sorted({k for _, row in listed for k in row} - {*columns, "tables"}))
    for name in (FIRST, SECOND, ATTRIBUTES):
        rows = [row for _, row in listed if name in row["tables"]]
        wanted = [c for c in columns if name == ATTRIBUTES or not c.startswith("coord")]
        write_rows(folder / name, wanted, rows)
    gold_columns = ("patient_id", *COMPARISON_COLUMNS, "label_name", "current_image_id", "previous_image_id")
    write_rows(folder / COMPARISONS, gold_columns, _comparison_rows(graphs, boxes))
    box_columns = (
        "image_id",
        *_SIZES,
        "bbox_name",
        "annot_id",
        *(f"original_{n}" for n in _SIZES),
        "annotator",
        "coord224",
        "coord_original",
    )
    write_rows(folder / BOXES, box_columns, _box_rows(graphs))
    scaled = [(g["image_id"], g["gold"]["scaling"]) for g in graphs if g.get("gold", {}).get("scaling")]
    names = tuple(dict.fromkeys(key for _, row in scaled for key in row)) or ("top", "bottom", "left", "right", "ratio")
    write_rows(folder / SCALING, ("image_id", *names), [{"image_id": f"{i}.dcm", **row} for i, row in scaled])


def _attribute_rows(graph: Graph, boxes: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Rows of the attribute tables; `tables` names those that a row stands in."""
    said: dict[tuple[str, str, str], list[tuple[str, dict[str, Any]]]] = {}
    for table, location, row_id, text, more in graph.get("gold", {}).get("rows", ()):
        said.setdefault((location, row_id, text), []).append((table, more))
    default = SECOND if graph["relationships"] else FIRST
    for row in attribute_rows(graph):
        box = boxes.get(row["object_id"] or "")
        key = (row["bbox"], row["row_id"] or "", f"{row['categoryID']}|{row['context']}|{row['label_name']}")
        whole = row | {"image_id": f"{graph['image_id']}.dcm", "patient_id": graph["patient_id"]}
        whole |= {"coord224": coordinates(box, "224"), "coord_original": coordinates(box, "original")}
        known = said.get(key) or [(name, {}) for name in ((default, ATTRIBUTES) if box else (default,))]
        for table, more in known:
            yield whole | {"tables": (table,)} | ({"sent_loc": None} if said.get(key) else {}) | more


def _comparison_rows(graphs: Sequence[Graph], boxes: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for graph in graphs:
        for row in comparison_rows(graph, boxes):
            ids = {"current_image_id": image_of(row["subject_id"]), "previous_image_id": image_of(row["object_id"])}
            label = str(row["attribute"]).rpartition("|")[2]
            yield row | ids | {"patient_id": graph["patient_id"], "label_name": label}


def _box_rows(graphs: Sequence[Graph]) -> Iterable[dict[str, Any]]:
    for graph in graphs:
        notes = graph.get("gold", {}).get("boxes", [])
        for number, entry in enumerate(graph["objects"]):
            more = notes[number] if number < len(notes) else {}
            coords = {"coord224": coordinates(entry, "224"), "coord_original": coordinates(entry, "original")}
            yield {**entry, "image_id": f"{graph['image_id']}.dcm", **coords, **more}
