"""The scene graphs of a cohort, exam by exam, as every graph layout writes them."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tumorboard.core.chest import CHANGES
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, Tense
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role
from tumorboard.datasets import codes

__all__ = [
    "BOX_KINDS",
    "ExamGraph",
    "choose_run",
    "collector_paused",
    "exam_graphs",
    "image_size",
    "said_at",
    "sentence_of",
]

BOX_KINDS = ("anatomical location", "box")
_POLARITIES = tuple(Polarity)
_EXAMS_AT_ONCE = 100
_FINDING_COLUMNS = ["finding_id", "image_id", "run_id", "kind", "label", "box", "score", "attributes"]


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without the cycle collector: many small rows are made here and no cycles, and walking them again and again took a
    third of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@dataclass
class ExamGraph:
    """One exam: rows as in the cohort's tables, with `attributes` and `options` as dictionaries.

    `statements` speak of this exam; `changes` compare it with an earlier one; `boxes` are by image.
    """

    patient: dict[str, Any]
    exam: dict[str, Any]
    images: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)
    statements: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    boxes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def bodies(self) -> dict[str, str]:
        """Texts by id."""
        return {row["text_id"]: row["body"] or "" for row in self.texts}

    @property
    def current(self) -> list[dict[str, Any]]:
        """The statements about this exam: no history, no conditions."""
        return [row for row in self.statements if row["attributes"].get("tense", "current") == Tense.CURRENT]


def choose_run(cohort: Cohort, table: str, run_id: str) -> str | None:
    """The run whose rows are written: `run_id`, or the only one there is, or ``expert``; None without rows.
    LAY113 for a run without rows, and for several when none is named."""
    known = sorted(run for run in pc.unique(cohort.tables[table]["run_id"]).to_pylist() if run)
    if table == "findings" and not run_id:
        boxes = cohort.findings.filter(pc.is_in(cohort.findings["kind"], value_set=pa.array(BOX_KINDS)))
        known = sorted(run for run in pc.unique(boxes["run_id"]).to_pylist() if run)
    if run_id and run_id not in known:
        raise TumorboardError(codes.OPTION, f"run of {table}", found=repr(run_id), expected=", ".join(known) or "rows")
    if not run_id and len(known) > 1:
        if EXPERT in known:
            return EXPERT
        raise TumorboardError(
            codes.OPTION,
            f"run of {table}",
            found=f"{len(known)} runs",
            expected=f"one of {', '.join(known)}",
            fix="choose one with --set run=NAME (boxes: --set boxes=NAME)",
        )
    return run_id or (known[0] if known else None)


def exam_graphs(cohort: Cohort, *, run: str = "", boxes: str = "") -> Iterator[ExamGraph]:
    """Every exam of the cohort in table order, patient by patient, some hundred in memory at a time.

    `run` and `boxes` are the runs of the statements and of the boxes (default: the only one; beside ``expert`` the
    other one). Errors: LAY113.
    """
    run_id, box_run = choose_run(cohort, "relations", run), choose_run(cohort, "findings", boxes)
    patients = {row["patient_id"]: row for row in cohort.rows("patients")}
    rank = {patient_id: n for n, patient_id in enumerate(patients)}
    exams = sorted(
        cohort.rows("exams"), key=lambda e: (rank[e["patient_id"]], e["order"] is None, e["order"] or 0, e["exam_id"])
    )
    ids = pa.array([exam["exam_id"] for exam in exams], pa.string())
    acquired = cohort.images.filter(pc.equal(cohort.images["role"], str(Role.IMAGE)))
    images = _Grouped(acquired, acquired["exam_id"], ids)
    texts = _Grouped(cohort.texts, cohort.texts["exam_id"], ids)
    relations = _of_run(cohort.relations, run_id)
    relations_of = _Grouped(relations, relations["subject"], ids)
    findings = _of_run(cohort.findings, box_run).select(_FINDING_COLUMNS)
    findings = findings.filter(pc.is_in(findings["kind"], value_set=pa.array(BOX_KINDS)))
    owner = pc.index_in(findings["image_id"], value_set=acquired["image_id"].combine_chunks())
    findings_of = _Grouped(findings, pc.take(acquired["exam_id"], owner), ids)
    for low in range(0, len(exams), _EXAMS_AT_ONCE):
        high = min(low + _EXAMS_AT_ONCE, len(exams))
        with collector_paused():
            parts = [group.rows(low, high) for group in (images, texts, relations_of, findings_of)]
            graphs = [
                _exam(patients[e["patient_id"]], e, *(p[n] for p in parts)) for n, e in enumerate(exams[low:high])
            ]
        yield from graphs


def _of_run(table: pa.Table, run_id: str | None) -> pa.Table:
    return table.slice(0, 0) if run_id is None else table.filter(pc.equal(table["run_id"], run_id))


class _Grouped:
    """Rows of a table by a key column, taken a range of keys at a time."""

    def __init__(self, table: pa.Table, keys: pa.ChunkedArray, values: pa.Array) -> None:
        places = pc.fill_null(pc.index_in(keys, value_set=values), -1).to_numpy()
        self._table, self._order = table, np.argsort(places, kind="stable")
        self._bounds = np.searchsorted(places[self._order], np.arange(len(values) + 1))

    def rows(self, low: int, high: int) -> list[list[dict[str, Any]]]:
        """The rows of keys low ... high - 1, a list each."""
        first, last = self._bounds[low], self._bounds[high]
        part = self._table.take(pa.array(self._order[first:last]))
        columns = {name: part[name].to_pylist() for name in part.column_names}
        listed = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
        edges = self._bounds[low : high + 1] - first
        return [listed[a:b] for a, b in pairwise(edges)]


def _exam(patient: Any, exam: Any, images: Any, texts: Any, relations: Any, findings: Any) -> ExamGraph:
    graph = ExamGraph(patient, exam, images, texts)
    for row in images:
        row["options"] = _loaded(row["options"])
        graph.boxes[row["image_id"]] = []
    for row in relations:
        row["attributes"] = _loaded(row["attributes"])
        if row["predicate"] in _POLARITIES:
            row["attributes"].setdefault("locations", [])
            graph.statements.append(row)
        elif row["predicate"] in CHANGES or "images" in row["attributes"]:
            graph.changes.append(row)
    for row in findings:
        row["attributes"] = _loaded(row["attributes"])
        graph.boxes[row["image_id"]].append(row)
    return graph


def _loaded(text: str | None) -> dict[str, Any]:
    value = json.loads(text) if text else {}
    return value if isinstance(value, dict) else {}


def sentence_of(row: Mapping[str, Any], bodies: Mapping[str, str]) -> str:
    """The sentence of a statement or a change as written; empty without evidence."""
    start, end = row["attributes"].get("sentence") or (row["start"] or 0, row["end"] or 0)
    return bodies.get(row["text_id"] or "", "")[start:end]


def image_size(row: Mapping[str, Any]) -> tuple[int, int] | None:
    """(width, height) in pixels of an image row with options as a dictionary: its shape, or what its options say
    (``size``, or ``scaling``: ratio, left and top padding of a 224 x 224 square)."""
    shape: Sequence[int] | None = row["shape"] or row["options"].get("size")
    if shape and len(shape) >= 2:
        return int(shape[0]), int(shape[1])
    if row["options"].get("scaling"):
        ratio, left, top = row["options"]["scaling"]
        return max(1, round(224 * ratio - 2 * left)), max(1, round(224 * ratio - 2 * top))
    return None


def said_at(graph: ExamGraph, location: str) -> list[dict[str, Any]]:
    """What the exam's report says of one location, as plain records: category, label, polarity, and where known change,
    severity and cues."""
    records = []
    for row in graph.current:
        a = row["attributes"]
        if location in a["locations"]:
            category, _, label = row["object"].partition("|")
            record = {"category": category, "label": label, "polarity": row["predicate"]}
            record |= {key: a[key] for key in ("comparison", "severity", "cues") if a.get(key)}
            records.append(record)
    return records
