"""Log weights of classes -> probabilities that mean what they say; fitted on patients who did not train the model.

Platt 1999 (slope and offset), Guo et al. 2017, ICML (temperature), Zadrozny and Elkan 2002, KDD (isotonic); class
shares of an unlabelled group: Saerens et al. 2002, Neural Comput 14:21.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.models.linear import softmax

__all__ = ["Calibration", "estimated_shares", "fit_calibration", "fit_weights", "log_weights"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SMALLEST = 1e-4
"""Probabilities of a model are kept this far from 0 and 1: a leaf of five patients is no proof."""


def log_weights(probabilities: Floats) -> Floats:
    """Logarithm of probabilities (n, k) kept away from 0."""
    return np.log(np.clip(probabilities, SMALLEST, 1.0))


@dataclass(frozen=True)
class Calibration:
    """log weights -> slope x log weights + offsets + log class shares -> shares of 1, and then, for isotonic, through
    the steps of each class. `shares` (k,): how common the classes were in training."""

    slope: float
    offsets: Floats
    shares: Floats
    steps: tuple[tuple[Floats, Floats], ...] = ()

    def probabilities(self, weights: Floats) -> Floats:
        """(n, k) from log weights (n, k)."""
        p = softmax(self.slope * weights + self.offsets + np.log(self.shares))
        if not self.steps:
            return p
        columns = [np.interp(p[:, k], *steps) for k, steps in enumerate(self.steps)]
        if len(columns) == 2:
            return np.column_stack([1 - columns[1], columns[1]])
        total = np.column_stack(columns)
        shares: Floats = total / total.sum(axis=1, keepdims=True)
        return shares

    def balanced(self, probabilities: Floats) -> Floats:
        """What calibrated probabilities would be were the classes equally common: the basis of every decision here,
        since balanced accuracy counts every class alike."""
        ratio = probabilities / self.shares
        return ratio / ratio.sum(axis=1, keepdims=True)

    def to_json(self) -> dict[str, Any]:
        steps = [[part.tolist() for part in pair] for pair in self.steps]
        return {
            "slope": self.slope, "offsets": self.offsets.tolist(), "shares": self.shares.tolist(), "steps": steps,
        }  # fmt: skip

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Calibration:
        steps = tuple((np.array(x, float), np.array(y, float)) for x, y in record["steps"])
        return cls(float(record["slope"]), np.array(record["offsets"]), np.array(record["shares"]), steps)


def fit_calibration(weights: Floats, y: Indices, *, shares: Floats, method: str) -> Calibration:
    """Fit on log weights (n, k) of patients whom the model had not seen, with their classes y (n,).

    ``platt``: slope and one offset per class; ``temperature``: slope alone; ``isotonic``: monotone steps of each class
    after temperature; ``none``: class shares alone. The logarithm of the slope and the offsets have a standard normal
    prior (our choice): with twenty patients of a class, nothing extreme is learned.
    """
    from scipy.optimize import minimize

    k = weights.shape[1]
    free = k - 1 if method == "platt" else 0

    def unpack(values: Floats) -> tuple[float, Floats]:
        return float(np.exp(values[0])), np.r_[0.0, values[1:]] if free else np.zeros(k)

    def loss(values: Floats) -> float:
        slope, offsets = unpack(values)
        p = softmax(slope * weights + offsets + np.log(shares))
        fit = -np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1)).sum()
        return float(fit + (values**2).sum() / 2)

    best = np.zeros(1 + free)
    if method != "none" and len(y):
        best = minimize(loss, best, method="L-BFGS-B", bounds=[(-3, 3)] * (1 + free)).x
    slope, offsets = unpack(best)
    plain = Calibration(slope, offsets, shares)
    if method != "isotonic" or not len(y):
        return plain
    p = plain.probabilities(weights)
    return Calibration(slope, offsets, shares, tuple(_steps(p[:, c], y == c) for c in range(k)))


def _steps(p: Floats, happened: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression(out_of_bounds="clip").fit(p, happened.astype(float))
    edge = 1 / (len(p) + 2)
    return fitted.X_thresholds_.astype(float), np.clip(fitted.y_thresholds_.astype(float), edge, 1 - edge)


def fit_weights(members: Sequence[Floats], y: Indices, *, shares: Floats, drawn_to_equal: float = 10.0) -> Floats:
    """Weights (m,), not negative and adding up to 1, of members' log weights (n, k) that give the lowest log loss on
    patients whom no member had seen. Their logarithms are drawn towards equal with a ridge of `drawn_to_equal`: few
    patients leave the mean of all."""
    from scipy.optimize import minimize

    stacked = np.stack(members)

    def loss(values: Floats) -> float:
        weights = np.exp(values[1:] - values[1:].max())
        total = np.tensordot(weights / weights.sum(), stacked, axes=1)
        p = softmax(np.exp(values[0]) * total + np.log(shares))
        fit = -np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1)).sum()
        return float(fit + values[0] ** 2 / 2 + drawn_to_equal * (values[1:] ** 2).sum() / 2)

    best = minimize(loss, np.zeros(1 + len(members)), method="L-BFGS-B").x[1:]
    weights: Floats = np.exp(best - best.max())
    return weights / weights.sum()


def estimated_shares(probabilities: Floats, shares: Floats, *, steps: int = 200) -> Floats:
    """Class shares (k,) of the very patients whose probabilities (n, k) these are, by expectation-maximisation from the
    training `shares`: right if only the shares differ between the groups. It looks at unlabelled test patients, so
    whatever uses it is transductive."""
    now = shares.copy()
    for _ in range(steps):
        p = probabilities * (now / shares)
        new = (p / p.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(new - now).max() < 1e-8:
            break
        now = new
    return np.clip(now, SMALLEST, 1)
