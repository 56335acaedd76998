"""X-rays with boxes, and reports with what was read in them: the words, the places, the changes since the exam
before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tumorboard.board.context import ExamFacts, PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.scenegraph.rows import is_change, is_statement

__all__ = ["ARROWS", "pane", "pieces"]

Row = Mapping[str, Any]

ARROWS = {"improved": "↘", "worsened": "↗", "no change": "→", "new": "＋", "resolved": "✓"}
"""Signs of change; the word stands beside each."""


def pane(patient: PatientFacts) -> Pane | None:
    exams = [exam for exam in patient.exams if exam.page.xrays or patient.texts(exam.exam_id)]
    if not exams:
        return None
    said = [row for row in patient.relations if is_statement(row) or is_change(row)]
    runs = sorted({row["run_id"] for row in said}, key=lambda run: (run != EXPERT, run))
    relations = {exam.exam_id: [row for row in said if row["subject"] == exam.exam_id] for exam in exams}
    shown = [_exam(patient, exam, relations[exam.exam_id], runs) for exam in exams]
    return Pane(
        "xray", "Report and X-ray" if any(e["pictures"] for e in shown) else "Reports", {"exams": shown, "runs": runs}
    )


def _exam(patient: PatientFacts, exam: ExamFacts, relations: Sequence[Row], runs: Sequence[str]) -> dict[str, Any]:
    boxes = {xray.image_id: patient.board.findings_of.get(xray.image_id, []) for xray in exam.page.xrays}
    bodies = patient.texts(exam.exam_id)
    readings = []
    for run in runs:
        mine = [row for row in relations if row["run_id"] == run]
        statements = [_statement(row) for row in mine if is_statement(row)]
        changes = [_change(row) for row in mine if is_change(row)]
        readings.append(
            {
                "run": run,
                "sections": [
                    {"name": text["section"] or "report", "pieces": pieces(text["body"] or "", _spans(mine, text))}
                    for text in bodies
                ],
                "statements": statements,
                "changes": changes,
                "graph": _graph(statements),
            }
        )
    if not readings:
        plain = [{"name": t["section"] or "report", "pieces": [(t["body"] or "", [])]} for t in bodies]
        readings = [{"run": "", "sections": plain, "statements": [], "changes": [], "graph": None}] if bodies else []
    return {
        "title": exam.title,
        "number": exam.number,
        "folder": f"{patient.folder}/{exam.number}",
        "pictures": [
            {"xray": xray, "boxes": [_box(row) for row in boxes[xray.image_id] if len(row["box"] or ()) == 4]}
            for xray in exam.page.xrays
        ],
        "readings": readings,
    }


def _box(row: Row) -> dict[str, Any]:
    x, y, right, bottom = row["box"]
    facts = json.loads(row["attributes"] or "{}")
    return {
        "id": row["finding_id"],
        "label": row["label"],
        "run": row["run_id"],
        "x": x,
        "y": y,
        "width": max(right - x, 0),
        "height": max(bottom - y, 0),
        "score": row["score"],
        "note": facts.get("note", ""),
    }


def _statement(row: Row) -> dict[str, Any]:
    facts = json.loads(row["attributes"] or "{}")
    category, _, attribute = row["object"].partition("|")
    return {
        "id": row["relation_id"],
        "polarity": row["predicate"],
        "category": category,
        "attribute": attribute,
        "locations": facts.get("locations") or [],
        "comparison": facts.get("comparison"),
        "arrow": ARROWS.get(facts.get("comparison") or "", ""),
        "severity": facts.get("severity"),
        "tense": facts.get("tense") or "current",
        "confidence": row["confidence"],
    }


def _change(row: Row) -> dict[str, Any]:
    facts = json.loads(row["attributes"] or "{}")
    return {
        "id": row["relation_id"],
        "word": row["predicate"],
        "arrow": ARROWS.get(row["predicate"], ""),
        "location": facts.get("location", ""),
        "attribute": facts.get("attribute", ""),
    }


def _spans(rows: Sequence[Row], text: Row) -> list[tuple[int, int, str, str]]:
    """start, end, relation and polarity of every statement with a place in this text."""
    mine = [row for row in rows if row["text_id"] == text["text_id"] and is_statement(row)]
    placed = [row for row in mine if row["start"] is not None and row["end"] is not None]
    return [(row["start"], row["end"], row["relation_id"], row["predicate"]) for row in placed]


def pieces(body: str, spans: Sequence[tuple[int, int, str, str]]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The text cut where a span begins or ends: each piece with the (relation, polarity) pairs that cover it."""
    inside = [(max(a, 0), min(b, len(body)), name, polarity) for a, b, name, polarity in spans if a < b]
    cuts = sorted({0, len(body), *(a for a, *_ in inside), *(b for _, b, *_ in inside)})
    cuts = [cut for cut in cuts if 0 <= cut <= len(body)]
    return [
        (body[low:high], [(name, polarity) for a, b, name, polarity in inside if a <= low and high <= b])
        for low, high in pairwise(cuts)
    ]


def _graph(statements: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Locations at the left, findings at the right, a line for each statement; None without any."""
    now = [s for s in statements if s["tense"] == "current" and s["attribute"]]
    if not now:
        return None
    places = list(dict.fromkeys(place for s in now for place in s["locations"]))
    names = list(dict.fromkeys(s["attribute"] for s in now))
    rows = max(len(places), len(names))
    where = {place: (i + 0.5) * rows / max(len(places), 1) for i, place in enumerate(places)}
    what = {name: (i + 0.5) * rows / len(names) for i, name in enumerate(names)}
    lines = [
        {"id": s["id"], "polarity": s["polarity"], "from": where[place], "to": what[s["attribute"]], "place": place}
        for s in now
        for place in s["locations"]
    ]
    return {"rows": rows, "where": where, "what": what, "lines": lines}
