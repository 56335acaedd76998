"""Types of lesions from vectors: a classifier, calibrated on patients that it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.lesion import LESION_TYPES
from tumorboard.tasks.classification.calibration import Calibration, fit_calibration, log_weights

__all__ = [
    "NEIGHBOURS",
    "Forest",
    "Logistic",
    "TypeModel",
    "calibrated",
    "calibration_of",
    "neighbouring_share",
    "pooled",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

NEIGHBOURS = frozenset(
    {
        *(("abdomen", other) for other in ("kidney", "liver", "mediastinum", "pelvis", "soft tissue")),
        *(("kidney", other) for other in ("liver", "soft tissue")),
        *(("mediastinum", other) for other in ("lung", "soft tissue")),
        *(("bone", other) for other in ("mediastinum", "pelvis", "soft tissue")),
        *(("liver", other) for other in ("lung",)),
        *(("pelvis", other) for other in ("soft tissue",)),
        *(("lung", other) for other in ("soft tissue", "bone")),
    }
)
"""Pairs of types whose organs touch (ours)."""


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression (scikit-learn, classes weighted alike) on scaled vectors."""

    weights: Floats
    offsets: Floats
    mean: Floats
    spread: Floats
    classes: tuple[int, ...]

    @classmethod
    def fit(cls, vectors: Floats, types: Indices, *, strength: float = 1.0) -> Logistic:
        """From vectors (n, d) and type numbers (n,), none of them unknown."""
        from sklearn.linear_model import LogisticRegression

        mean, spread = vectors.mean(axis=0), vectors.std(axis=0)
        spread = np.where(spread > 1e-9, spread, np.inf)
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=2000)
        model.fit((vectors - mean) / spread, types)
        weights, offsets = model.coef_, model.intercept_
        if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
            weights, offsets = np.vstack([-weights / 2, weights / 2]), np.r_[-offsets / 2, offsets / 2]
        # Row by row in memory, as it is read back: products then add in the same order, to the last bit.
        return cls(np.ascontiguousarray(weights), offsets, mean, spread, tuple(int(c) for c in model.classes_))

    def log_weights(self, vectors: Floats) -> Floats:
        """(n, types): logarithms of the classes' weights; a class that was not in training has a tiny one."""
        z = ((vectors - self.mean) / self.spread) @ self.weights.T + self.offsets
        return spread_out(z - np.logaddexp.reduce(z, axis=1, keepdims=True), self.classes)

    def to_json(self) -> dict[str, Any]:
        spread = [s if np.isfinite(s) else None for s in self.spread.tolist()]
        lists = {name: getattr(self, name).tolist() for name in ("weights", "offsets", "mean")}
        return {**lists, "spread": spread, "classes": list(self.classes)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Logistic:
        spread = np.array([np.inf if s is None else s for s in record["spread"]], float)
        arrays = (np.array(record[name], float) for name in ("weights", "offsets", "mean"))
        return cls(*arrays, spread, tuple(record["classes"]))


@dataclass(frozen=True)
class Forest:
    """Random forest (scikit-learn, classes weighted alike), for baselines."""

    model: Any

    @classmethod
    def fit(cls, vectors: Floats, types: Indices, *, seed: int, trees: int = 300) -> Forest:
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(trees, min_samples_leaf=2, class_weight="balanced_subsample", random_state=seed)
        return cls(forest.fit(vectors, types))

    def log_weights(self, vectors: Floats) -> Floats:
        return spread_out(log_weights(self.model.predict_proba(vectors)), tuple(self.model.classes_))


TypeModel = Logistic | Forest


def spread_out(weights: Floats, classes: tuple[int, ...]) -> Floats:
    """Log weights (n, k) of some classes -> of all types; those that were not in training get a tiny weight."""
    full = np.full((len(weights), len(LESION_TYPES)), -20.0)
    full[:, list(classes)] = weights
    return full


def calibration_of(weights: Floats, types: Indices, *, trained_on: Indices) -> Calibration:
    """Calibration (slope and offsets) from log weights (n, types) of lesions of patients kept back; class shares are
    those of the training lesions. Without lesions kept back, the shares alone."""
    counts = np.bincount(trained_on, minlength=len(LESION_TYPES)).astype(float)
    shares = (counts + 0.5) / (counts + 0.5).sum()
    return fit_calibration(weights, types, shares=shares, method="platt" if len(types) else "none")


def calibrated(calibration: Calibration, weights: Floats) -> Floats:
    """Probabilities (n, types)."""
    return calibration.probabilities(weights) if len(weights) else np.zeros((0, len(LESION_TYPES)))


def pooled(members: Sequence[Floats]) -> Floats:
    """Geometric mean of calibrated probabilities (n, types) of several classifiers, as shares of 1: what one of them
    holds for nearly impossible hardly comes back (ours: all weigh alike)."""
    total = np.mean([log_weights(one) for one in members], axis=0)
    shares: Floats = np.exp(total - np.logaddexp.reduce(total, axis=1, keepdims=True))
    return shares


def neighbouring_share(truth: Indices, told: Indices) -> float | None:
    """Share of the errors that are between types of touching organs; None without errors."""
    wrong = truth != told
    if not wrong.any():
        return None
    pairs = [(LESION_TYPES[int(a)], LESION_TYPES[int(b)]) for a, b in zip(truth[wrong], told[wrong], strict=True)]
    return float(np.mean([pair in NEIGHBOURS or pair[::-1] in NEIGHBOURS for pair in pairs]))
