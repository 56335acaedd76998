"""The viewer: volumes to scroll through, contours of every run, two exams side by side. What NiiVue shows is told here
in plain values; `static/viewer.js` is the only file that speaks to NiiVue."""

from __future__ import annotations

from typing import Any

from tumorboard.board.context import ExamFacts, PatientFacts
from tumorboard.board.panes import Pane

__all__ = ["PRESETS_HU", "pane"]

PRESETS_HU = {
    "soft tissue": (-160, 240),
    "lung": (-1350, 150),
    "bone": (-450, 1050),
    "brain": (0, 80),
    "liver": (-40, 160),
    "mediastinum": (-125, 225),
}
"""CT windows by name: lowest and highest HU (level and width as radiology departments use them)."""


def pane(patient: PatientFacts) -> Pane | None:
    exams = [exam for exam in patient.exams if exam.page.layers]
    if not exams:
        return None
    data = {
        "exams": [_exam(patient, exam) for exam in exams],
        "presets": PRESETS_HU,
        "runs": {
            style.run_id: {
                "title": style.title,
                "look": style.look,
                "shown": style.shown,
                "baseline": style.is_baseline,
            }
            for style in patient.board.styles
        },
    }
    runs = [s for s in patient.board.styles if any(layer.run_id == s.run_id for e in exams for layer in e.page.layers)]
    shared = {layer.unit for exam in exams for layer in exam.page.layers}
    layers = [layer for exam in exams for layer in exam.page.layers]
    values = {
        "exams": exams,
        "runs": runs,
        "units": shared,
        "kinds": {layer.kind for layer in layers},
        "overlays": list(dict.fromkeys(layer.overlay for layer in layers if layer.kind not in ("ct", "mask"))),
    }
    return Pane("viewer", "Viewer", values, data)


def _exam(patient: PatientFacts, exam: ExamFacts) -> dict[str, Any]:
    return {
        "number": exam.number,
        "title": exam.title,
        "folder": f"{patient.folder}/{exam.number}",
        "key": f"{patient.page}/{exam.number}",
        "centre": exam.page.centre_mm,
        "layers": [layer.to_json() for layer in exam.page.layers],
    }
