"""What acting on a probability is worth. Net benefit: Vickers and Elkin 2006, Med Decis Making 26:565."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.metrics.classification.ranking import aligned

__all__ = ["DecisionPoint", "decision_curve"]


class DecisionPoint(NamedTuple):
    """Net true positives per patient at a probability threshold: by the model, and by treating everybody. Treating
    nobody has 0."""

    threshold: float
    model: float
    everybody: float


def decision_curve(positive: ArrayLike, probability: ArrayLike, *, thresholds: ArrayLike) -> list[DecisionPoint]:
    """True positives minus false ones at the odds of each threshold (0 < t < 1), per patient; empty without patients.
    A patient at the threshold counts as positive."""
    truth, p = aligned(positive, probability, "decision curve")
    if not len(p):
        return []
    points = []
    for t in np.asarray(thresholds, float):
        odds, flagged = t / (1 - t), p >= t
        model = (truth & flagged).mean() - odds * (~truth & flagged).mean()
        points.append(DecisionPoint(float(t), float(model), float(truth.mean() - odds * (~truth).mean())))
    return points
