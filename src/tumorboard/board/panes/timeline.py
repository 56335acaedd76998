"""Exams (and the outcome) on a line of days."""

from __future__ import annotations

from typing import Any

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role

__all__ = ["pane"]

NEAREST = 6.0
"""Per cent of the line that two marks keep apart."""


def pane(patient: PatientFacts) -> Pane | None:
    """Left out when there is one exam and nothing followed it."""
    days = [exam.row["day"] for exam in patient.exams]
    known = [day for day in days if day is not None]
    ends = [row for row in patient.outcomes if row["run_id"] == EXPERT and row["survival"] is not None]
    if not patient.exams or (len(patient.exams) == 1 and not ends):
        return None
    placed = len(known) == len(days)
    first = min(known, default=0.0)
    last = max([*known, *(row["survival"]["time_days"] for row in ends)], default=1.0)
    marks: list[dict[str, Any]] = []
    previous: float | None = None
    for exam in patient.exams:
        day = exam.row["day"] if placed else None
        if day is not None:
            share = 4 + 92 * (day - first) / max(last - first, 1)
        else:
            share = 4 + 92 * exam.number / max(len(days) - 1, 1)
        share = share if previous is None else max(share, previous + NEAREST)
        previous = share
        kinds = sorted({image["modality"] for image in exam.images if image["role"] == Role.IMAGE})
        told = "" if exam.row["kind"] and set(kinds) <= {str(exam.row["kind"])} else ", ".join(kinds)
        marks.append({"number": exam.number, "title": exam.title, "kinds": told, "share": share})
    over = max((mark["share"] for mark in marks), default=0) / 96
    if over > 1:
        for mark in marks:
            mark["share"] /= over
    outcomes = [
        {
            "endpoint": row["endpoint"],
            "event": row["survival"]["event"],
            "days": row["survival"]["time_days"],
            "share": min(4 + 92 * (row["survival"]["time_days"] - first) / max(last - first, 1), 98),
        }
        for row in (ends if placed else [])
    ]
    return Pane("timeline", "Time", {"marks": marks, "outcomes": outcomes, "placed": placed, "span_days": last - first})
