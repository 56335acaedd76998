"""Every exam as pictures, its lesions in figures, its images: drawn beforehand, so that something is there at once."""

from __future__ import annotations

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.board.runs import HIDDEN

__all__ = ["pane"]


def pane(patient: PatientFacts) -> Pane | None:
    if not patient.exams:
        return None
    hidden = {run_id for run_id, run in patient.board.runs.items() if run["kind"] == HIDDEN}
    images = {exam.number: [i for i in exam.images if i["run_id"] not in hidden] for exam in patient.exams}
    shown = [exam for exam in patient.exams if exam.page.kinds or exam.page.lesions or exam.page.problems]
    bare = [exam for exam in patient.exams if exam not in shown and images[exam.number]]
    if not shown and not bare:
        return None
    values = {"exams": shown, "bare": bare, "images": images, "folder": patient.folder, "of": len(patient.exams)}
    return Pane("exams", "Exams" if shown else "Images", values)
