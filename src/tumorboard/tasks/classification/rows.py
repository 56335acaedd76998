"""Predictions in the shape of the truth: rows of `outcomes`, and the run they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tumorboard import __version__
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import Problem
from tumorboard.tasks.classification.protocol import FoldPrediction

__all__ = ["outcome_rows", "refused_row", "run_row"]

_MOST = 5
"""Variables named in the explanation of a patient."""


def outcome_rows(
    run_id: str,
    problem: Problem,
    predictions: Sequence[FoldPrediction],
    *,
    abstain: bool = False,
    coverage: float = 1.0,
) -> list[dict[str, Any]]:
    """One row per patient: class, probability of each class, of the positive one as `score`, and in `raw` (JSON) how
    sure the answer is, the conformal set, and what moved the log odds of the class told.

    With `abstain`, a patient beyond `coverage` has no class, and a `problem` that says so (CLS103).
    """
    return [
        _row(run_id, problem, prediction, place, abstain=abstain, coverage=coverage)
        for prediction in predictions
        for place in range(len(prediction.test))
    ]


def _row(
    run_id: str, problem: Problem, prediction: FoldPrediction, place: int, *, abstain: bool, coverage: float
) -> dict[str, Any]:
    p = prediction.probabilities[place]
    answered = bool(prediction.answered[place])
    confidence = float(prediction.confidence[place])
    patient = problem.patient_ids[prediction.test[place]]
    said: dict[str, Any] = {
        "confidence": round(confidence, 4),
        "answered": answered,
        "set": [c for c, held in zip(problem.classes, prediction.sets[place], strict=True) if held],
    }
    if prediction.explained:
        effects = sorted(prediction.explained[place].items(), key=lambda pair: -abs(pair[1]))
        said["moved"] = dict(effects[:_MOST])
    silent = abstain and not answered
    error = TumorboardError(
        codes.UNSURE,
        f"patient {patient}, {problem.endpoint}",
        found=f"surer than {confidence:.0%} of the training patients told the same",
        expected=f"{1 - coverage:.0%} or more",
    )
    return {
        "patient_id": patient,
        "endpoint": problem.endpoint,
        "run_id": run_id,
        "class_value": None if silent else problem.classes[int(prediction.told[place])],
        "score": float(p[1]) if problem.positive else None,
        "probabilities": {c: float(v) for c, v in zip(problem.classes, p, strict=True)},
        "raw": json.dumps(said),
        "problem": str(error) if silent else None,
    }


def refused_row(run_id: str, patient_id: str, endpoint: str, error: TumorboardError) -> dict[str, Any]:
    """A patient who cannot be predicted: no class, no probability, and why."""
    return {"patient_id": patient_id, "endpoint": endpoint, "run_id": run_id, "problem": str(error)}


def run_row(
    run_id: str,
    *,
    kind: str,
    config: ClassificationConfig,
    inputs: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A row of `runs`."""
    return {
        "run_id": run_id,
        "task": "classification",
        "kind": kind,
        "config": config.model_dump_json(),
        "code_version": __version__,
        "inputs": json.dumps(inputs, sort_keys=True),
        "metrics": json.dumps(metrics or {}, sort_keys=True),
    }
