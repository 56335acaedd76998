"""Where every number of the page comes from: the runs, their settings, inputs and program."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    images = {image["run_id"] for exam in patient.exams for image in exam.images}
    rows = [*patient.outcomes, *patient.findings, *patient.relations]
    named = images | {row["run_id"] for row in rows} | {score["run"] for score in patient.scores}
    runs = [run for run_id, run in patient.board.runs.items() if run_id in named and run_id not in patient.board.hidden]
    return Pane("origin", "Where the figures come from", {"runs": runs}) if runs else None
