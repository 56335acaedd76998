"""What models say of the patient's classes (HPV, stage), how sure they are, what moved them, and where they abstain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT

__all__ = ["is_class", "pane"]


def pane(patient: PatientFacts) -> Pane | None:
    """Left out when no run gives probabilities of classes, or a reason for giving none."""
    stated = {row["endpoint"]: row["class_value"] for row in patient.outcomes if row["run_id"] == EXPERT}
    rows = [_row(row, stated) for row in patient.outcomes if row["run_id"] != EXPERT and is_class(row)]
    rows.sort(key=lambda row: (row["endpoint"], row["run"]))
    return Pane("classes", "Classes foretold", {"rows": rows}) if rows else None


def is_class(row: Mapping[str, Any]) -> bool:
    """Whether a foretold row stands in this pane."""
    return bool(row["probabilities"]) or bool(row["problem"] and row["class_value"] is None and not row["curve_days"])


def _row(row: Mapping[str, Any], stated: Mapping[str, str | None]) -> dict[str, Any]:
    said = json.loads(row["raw"] or "{}")
    moved = said.get("moved") or {}
    largest = max((abs(effect) for effect in moved.values()), default=1.0) or 1.0
    truth = stated.get(row["endpoint"])
    return {
        "endpoint": row["endpoint"],
        "run": row["run_id"],
        "told": row["class_value"],
        "probabilities": sorted((row["probabilities"] or {}).items(), key=lambda pair: -pair[1]),
        "confidence": said.get("confidence"),
        "set": said.get("set") or [],
        "moved": [
            {"name": name, "effect": effect, "width": 60 * abs(effect) / largest} for name, effect in moved.items()
        ],
        "problem": row["problem"],
        "truth": truth,
        "right": None if truth is None or row["class_value"] is None else truth == row["class_value"],
    }
