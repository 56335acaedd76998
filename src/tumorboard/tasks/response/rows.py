"""Responses and measurements as rows of the cohort's tables.

Response: `outcomes`, one row per patient and exam after the first (endpoint "RECIST 1.1, exam 1", class CR, PR, SD, PD,
NE or non-CR/non-PD; the figures behind it as JSON in `raw`; where asked for, "iRECIST, exam 1" beside it), one with the
best response, and one with the time to the
first progression (or to the last exam that could be judged). Measurements from masks: `findings` of kind RECIST pair.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tumorboard import __version__
from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM, VOLUME_ML
from tumorboard.tasks.response.assess import RULES
from tumorboard.tasks.response.marks import Mark

__all__ = ["BEST", "PROGRESSION", "exam_endpoint", "measured_rows", "outcome_rows", "run_row"]

BEST, PROGRESSION = f"{RULES}, best response", f"{RULES}, progression"


def exam_endpoint(number: int) -> str:
    """Endpoint of the response at an exam; the baseline is number 0 and has none."""
    return f"{RULES}, exam {number}"


def outcome_rows(results: Iterable[Mapping[str, Any]], run_id: str) -> list[dict[str, Any]]:
    """Rows of `outcomes` of the results of `respond`. A patient who could not be judged has one row with the reason."""
    rows: list[dict[str, Any]] = []
    for one in results:
        key = {"patient_id": one["patient"], "run_id": run_id}
        if one["problem"] and not one["exams"]:
            rows.append({**key, "endpoint": BEST, "problem": one["problem"]})
            continue
        for exam in one["exams"][1:]:
            raw = json.dumps({name: exam[name] for name in exam if name not in ("response", "order")}, sort_keys=True)
            rows.append(
                {**key, "endpoint": exam_endpoint(exam["order"]), "class_value": exam["response"], "raw": raw}
            )  # fmt: skip
            if exam.get("irecist") is not None:
                rows.append({**key, "endpoint": f"iRECIST, exam {exam['order']}", "class_value": exam["irecist"]})
        if one["best"] is not None:
            rows.append({**key, "endpoint": BEST, "class_value": one["best"]})
        survival = _progression(one["exams"])
        if survival is not None:
            rows.append({**key, "endpoint": PROGRESSION, "survival": survival})
    return rows


def _progression(exams: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Event and time of the first progression; None where no day is known or nothing was judged after day 0."""
    judged = [exam for exam in exams[1:] if exam["day"] is not None and exam["response"] != "NE" and exam["day"] > 0]
    if not judged:
        return None
    first = next((exam for exam in judged if exam["response"] == "PD"), None)
    last = first or judged[-1]
    return {"event": first is not None, "time_days": float(last["day"])}


def measured_rows(marks: Iterable[Mark], run_id: str) -> list[dict[str, Any]]:
    """RECIST pairs of the marks that were measured in masks, beside the findings they belong to."""
    rows = []
    for mark in marks:
        if mark.axes is None:
            continue
        rows.append(
            {
                "finding_id": f"{mark.finding_id}.{run_id}",
                "image_id": mark.image_id,
                "run_id": run_id,
                "kind": RECIST_PAIR,
                "label": mark.label,
                "points_mm": mark.axes.points_mm(),
                "measurements": {
                    LONG_AXIS_MM: mark.axes.long_mm,
                    SHORT_AXIS_MM: mark.axes.short_mm,
                    **({} if mark.volume_ml is None else {VOLUME_ML: mark.volume_ml}),
                },
                "attributes": json.dumps(
                    {"measures": mark.finding_id, "slice_tilt_degrees": round(mark.axes.tilt_degrees, 2)}
                ),
            }
        )
    return rows


def run_row(
    run_id: str, *, kind: str, config: Mapping[str, Any], cohort: Cohort, metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of `runs`. `kind` is model or baseline."""
    return {
        "run_id": run_id,
        "task": "response",
        "kind": kind,
        "config": json.dumps(config, sort_keys=True),
        "code_version": __version__,
        "inputs": json.dumps({"cohort": cohort.name}, sort_keys=True),
        "metrics": json.dumps(metrics, sort_keys=True),
    }
