"""Fit models on one training part: members, their weights, calibration and answers; all by inner folds alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.answers import Answers, fit_answers
from tumorboard.tasks.classification.calibration import Calibration, fit_calibration, fit_weights, log_weights
from tumorboard.tasks.classification.models.registry import COMBINED, WHERE_IT_FITS, Classifier, fit_model, lacks, names
from tumorboard.tasks.classification.patients import Patients, Training

__all__ = ["FittedModel", "fit_models"]

Floats = NDArray[np.float64]
NULL = "majority"


@dataclass(frozen=True)
class FittedModel:
    """One line of the tables after training: members with weights (one member for a single model), calibration, and the
    rule of answers."""

    name: str
    members: tuple[tuple[str, float, Classifier], ...]
    calibration: Calibration
    answers: Answers

    def probabilities(self, patients: Patients) -> Floats:
        """Calibrated (n, k)."""
        total = sum(weight * log_weights(member.probabilities(patients)) for _, weight, member in self.members)
        return self.calibration.probabilities(np.asarray(total))


def fit_models(training: Training, chosen: Sequence[str]) -> tuple[dict[str, FittedModel], dict[str, str]]:
    """Every chosen model that these patients suffice for, and why the others cannot be fitted."""
    wanted = list(chosen) or [*(name for name in WHERE_IT_FITS if not lacks(name, training)), *names()]
    combining = any(name in COMBINED for name in wanted)
    on_request = [name for name in wanted if name not in names()]
    singles = [name for name in names() if name not in COMBINED and (combining or name in wanted)] + on_request
    left_out = {name: why for name in singles if (why := lacks(name, training))}
    singles = [name for name in singles if name not in left_out]
    held_out = {name: _held_out(name, training) for name in singles}
    fitted = {name: fit_model(name, training) for name in singles}
    parts = [name for name in singles if name != NULL]
    found = {}
    for name in wanted:
        if name in left_out:
            continue
        if name not in COMBINED:
            weights = {name: 1.0}
        elif not parts:
            left_out[name] = "any other model"
            continue
        elif name == "ensemble":
            found_weights = fit_weights([held_out[p] for p in parts], training.y, shares=training.shares)
            weights = dict(zip(parts, found_weights.tolist(), strict=True))
        else:
            weights = {min(parts, key=lambda part: _loss(training, held_out[part])): 1.0}
        total = np.asarray(sum(weight * held_out[part] for part, weight in weights.items()))
        found[name] = _finished(name, training, weights, total, fitted)
    return found, left_out


def _held_out(name: str, training: Training) -> Floats:
    """Log weights (n, k) of the training patients, each by a model that had not seen the patient."""
    total = np.zeros((len(training.y), len(training.classes)))
    for kept, patients, who in training.inner_folds:
        total[who] = log_weights(fit_model(name, kept).probabilities(patients))
    return total


def _calibrated(training: Training, weights: Floats, *, null: bool = False) -> Calibration:
    method = "none" if null else training.config.calibration
    return fit_calibration(weights, training.y, shares=training.shares, method=method)


def _loss(training: Training, weights: Floats) -> float:
    p = _calibrated(training, weights).probabilities(weights)
    return float(-np.log(np.clip(p[np.arange(len(p)), training.y], 1e-12, 1)).mean())


def _finished(
    name: str, training: Training, weights: dict[str, float], total: Floats, fitted: dict[str, Classifier]
) -> FittedModel:
    calibration = _calibrated(training, total, null=name == NULL)
    balanced = calibration.balanced(calibration.probabilities(total))
    answers = fit_answers(balanced, training.y, miss=training.config.miss)
    return FittedModel(name, tuple((part, w, fitted[part]) for part, w in weights.items()), calibration, answers)
