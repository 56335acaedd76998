"""Lesions that were marked or detected one by one: diameters, boxes and scores, without or with pixels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tumorboard.board.context import PatientFacts
from tumorboard.board.crops import field_mm
from tumorboard.board.panes import Pane
from tumorboard.core.lesion import LONG_AXIS_MM, MASK_LABEL, RECIST_PAIR, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]

SHOWN = 12
"""Rows per exam and run: the expert's in full, of detections the most certain ones."""


def pane(patient: PatientFacts) -> Pane | None:
    exams = []
    for exam in patient.exams:
        findings = [row for image in exam.images for row in patient.board.findings_of.get(image["image_id"], [])]
        pixels = {image["image_id"] for image in exam.images if image["path"]}
        rows = [
            {**_row(row, has_pixels=row["image_id"] in pixels), "number": number}
            for number, row in enumerate(findings)
            if _is_marked(row)
        ]
        by_run: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            by_run.setdefault(row["run"], []).append(row)
        runs = []
        for run in sorted(by_run, key=lambda name: (name != EXPERT, name)):
            ordered = sorted(by_run[run], key=lambda row: -(row["score"] if row["score"] is not None else 1.0))
            kept = ordered if run == EXPERT else ordered[:SHOWN]
            runs.append({"run": run, "rows": kept, "left_out": len(ordered) - len(kept)})
        if runs:
            exams.append({"title": exam.title, "number": exam.number, "runs": runs, "view": bool(exam.page.layers)})
    rows = [row for exam in exams for run in exam["runs"] for row in run["rows"]]
    there = {name for name in ("volume_ml", "score", "slice") if any(row[name] is not None for row in rows)}
    return Pane("marked", "Marked lesions", {"exams": exams, "page": patient.page, "there": there}) if exams else None


def _is_marked(finding: Mapping[str, Any]) -> bool:
    """Parts of a mask stand among the lesions of the exam; here only those of which axes were measured."""
    if finding["kind"] == MASK_LABEL:
        return LONG_AXIS_MM in dict(finding["measurements"] or {})
    return finding["kind"] == RECIST_PAIR or len(finding["box"] or ()) == 6


def _row(finding: Mapping[str, Any], *, has_pixels: bool) -> dict[str, Any]:
    figures = finding["measurements"] or {}
    facts = json.loads(finding["attributes"] or "{}")
    box = finding["box"] if len(finding["box"] or ()) == 6 else None
    points = finding["points_mm"]
    middle: list[float] | None
    if points and len(points) % 3 == 0:
        middle = [sum(points[axis::3]) / (len(points) // 3) for axis in range(3)]
    else:
        middle = None if box is None else [(box[axis] + box[axis + 3]) / 2 for axis in range(3)]
    movable = has_pixels and finding["kind"] == RECIST_PAIR and len(points or ()) == 12
    pair = list(points or ()) if movable else None
    field = field_mm(figures.get(LONG_AXIS_MM) or 0.0)
    return {
        "id": finding["finding_id"],
        "points": None if pair is None else " ".join(f"{place:.2f}" for place in pair),
        "field_mm": field,
        "run": finding["run_id"],
        "label": finding["label"] or "lesion",
        "kind": finding["kind"],
        "long_mm": figures.get(LONG_AXIS_MM),
        "short_mm": figures.get(SHORT_AXIS_MM),
        "volume_ml": figures.get(VOLUME_ML),
        "score": finding["score"],
        "middle": middle,
        "slice": facts.get("key_slice"),
        "noisy": bool(facts.get("noisy")),
    }
