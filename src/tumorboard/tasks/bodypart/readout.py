"""What the network's features say beside its score: the region of a slice, and whether a CT looks like training's.

The features are what the network pools of a slice before its last layers; nothing of the network is changed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.bodypart import REGIONS

__all__ = ["Familiarity", "RegionReadout", "averaged", "fit_familiarity", "fit_regions"]

Floats = NDArray[np.float64]
_PENALTY = 20.0
"""Of squared weights, for features of unit spread and one unit of loss per slice."""
_RIDGE = 0.05
"""Added to the variance of every feature of unit spread."""
_USUAL, _SPARE = 95, 1.75
"""A CT may lie further off than this percentage of the volumes of training by this factor."""


def averaged(z_mm: Floats, features: Floats, *, sigma_mm: float) -> Floats:
    """Features (n, d) after a mean over neighbours with Gaussian weights of `sigma_mm`."""
    if sigma_mm <= 0:
        return np.asarray(features, float)
    weight = np.exp(-0.5 * ((z_mm[None, :] - z_mm[:, None]) / sigma_mm) ** 2)
    found: Floats = (weight / weight.sum(axis=1, keepdims=True)) @ np.asarray(features, float)
    return found


@dataclass(frozen=True, eq=False)
class RegionReadout:
    """Multinomial logistic regression on features: `middle`, `spread` (d,), `weights` (d, regions), `bias` (regions,),
    regions as in REGIONS; one that training never showed has probability 0 (its bias is -inf)."""

    middle: Floats
    spread: Floats
    weights: Floats
    bias: Floats

    def probabilities(self, features: Floats) -> Floats:
        """Features (n, d) -> (n, regions)."""
        from scipy.special import softmax

        found: Floats = softmax((features - self.middle) / self.spread @ self.weights + self.bias, axis=1)
        return found

    def arrays(self) -> dict[str, Floats]:
        return {"middle": self.middle, "spread": self.spread, "weights": self.weights, "bias": self.bias}


def fit_regions(features: Sequence[Floats], regions: Sequence[NDArray[np.int64]]) -> RegionReadout | None:
    """From the features (n, d) of the training volumes and the region of each slice (-1: not known). Every volume
    counts by the root of its slices. None where training knows fewer than two regions."""
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    known = [one >= 0 for one in regions]
    y = np.concatenate([one[k] for one, k in zip(regions, known, strict=True)])
    if len(np.unique(y)) < 2:
        return None
    x = np.concatenate([one[k] for one, k in zip(features, known, strict=True)])
    weight = np.concatenate([np.full(k.sum(), max(k.sum(), 1) ** -0.5) for k in known])
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    model = LogisticRegression(C=1 / _PENALTY, max_iter=300)
    with warnings.catch_warnings():  # 300 steps are enough: the penalty makes later ones small
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((x - middle) / spread, y, sample_weight=weight * len(weight) / weight.sum())
    weights, bias = np.zeros((x.shape[1], len(REGIONS))), np.full(len(REGIONS), -np.inf)
    if len(model.classes_) == 2:  # one row: the second class against the first
        weights[:, model.classes_[1]], bias[model.classes_] = model.coef_[0], [0.0, model.intercept_[0]]
    else:
        weights[:, model.classes_], bias[model.classes_] = model.coef_.T, model.intercept_
    return RegionReadout(middle, spread, weights, bias)


@dataclass(frozen=True, eq=False)
class Familiarity:
    """How far features lie from those of training: Mahalanobis distance per root of features, of slices; of a volume
    their median. `limit`: of volumes that are taken for such as training had."""

    middle: Floats
    spread: Floats
    precision: Floats
    limit: float

    def distance(self, features: Floats) -> float:
        """Of a volume with features (n, d)."""
        away = (features - self.middle) / self.spread
        squared = np.einsum("ni,ij,nj->n", away, self.precision, away) / away.shape[1]
        return float(np.median(np.sqrt(np.maximum(squared, 0))))

    def knows(self, features: Floats) -> bool:
        return self.distance(features) <= self.limit

    def arrays(self) -> dict[str, Floats]:
        whole: dict[str, Floats] = {"middle": self.middle, "spread": self.spread, "precision": self.precision}
        return {**whole, "limit": np.array([self.limit])}

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Familiarity:
        return cls(arrays["middle"], arrays["spread"], arrays["precision"], float(arrays["limit"][0]))


def fit_familiarity(features: Sequence[Floats]) -> Familiarity | None:
    """From the features (n, d) of the training volumes. The limit comes from how far the volumes of one half lie
    from the other half. None for fewer than four volumes."""
    if len(features) < 4:
        return None
    half = len(features) // 2
    one, two = features[:half], features[half:]
    apart = [_gaussian(mine).distance(volume) for mine, others in ((one, two), (two, one)) for volume in others]
    middle, spread, precision = (getattr(_gaussian(features), name) for name in ("middle", "spread", "precision"))
    return Familiarity(middle, spread, precision, _SPARE * float(np.percentile(apart, _USUAL)))


def _gaussian(features: Sequence[Floats]) -> Familiarity:
    x = np.concatenate(list(features)).astype(float)
    middle, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    covariance = np.atleast_2d(np.cov(((x - middle) / spread).T)) + _RIDGE * np.eye(x.shape[1])
    return Familiarity(middle, spread, np.asarray(np.linalg.inv(covariance), float), np.inf)
