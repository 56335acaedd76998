"""Who the patient is: clinical variables and outcomes, and what is not known."""

from __future__ import annotations

from tumorboard.board import summary
from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane:
    record = patient.record
    facts = [
        ("Centre", record["centre"] or ""),
        ("Sex", record["sex"] or ""),
        ("Age", "" if record["age_years"] is None else f"{record['age_years']:g} years"),
    ]
    facts += [
        (name, summary.show_value(patient.cohort, name, record[name]))
        for name in summary.clinical_columns(patient.cohort)
    ]
    return Pane(
        "facts",
        "",
        {
            "known": [fact for fact in facts if fact[1]],
            "unknown": [name for name, value in facts if not value],
            "outcomes": [row for row in patient.outcomes if row["run_id"] == EXPERT],
        },
    )
