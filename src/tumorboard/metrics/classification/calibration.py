"""Whether probabilities mean what they say.

Brier 1950, Mon Weather Rev 78:1. Expected calibration error: Naeini et al. 2015, AAAI. Slope, and intercept at slope
1 ("calibration in the large"): Cox 1958, Biometrika 45:562; Van Calster et al. 2019, BMC Med 17:230.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.classification.ranking import aligned

__all__ = [
    "ReliabilityBin",
    "brier_score",
    "calibration_in_the_large",
    "calibration_slope",
    "expected_calibration_error",
    "log_loss",
    "reliability",
]

Floats = NDArray[np.float64]
CLIP = 1e-12
"""Probabilities nearer to 0 or 1 are moved to this distance before a logarithm is taken."""
BINS = 10


class ReliabilityBin(NamedTuple):
    """Patients whose probability lies in (low, high]; the first bin holds `low` too."""

    low: float
    high: float
    n: int
    mean_probability: float
    share_positive: float


def _checked(truth: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.int64], Floats]:
    y, p = np.asarray(truth), np.asarray(probabilities, float)
    if p.ndim != 2 or y.shape != p.shape[:1]:
        found = f"shapes {y.shape}, {p.shape}"
        raise TumorboardError(
            codes.PAIRS_DIFFER, "probabilities", found=found, expected="(n,) classes, (n, k) probabilities"
        )
    if np.isnan(p).any() or (p < 0).any() or not np.allclose(p.sum(axis=1), 1, atol=1e-6):
        raise TumorboardError(
            codes.VALUE_UNDEFINED, "probabilities", found="NaN, negative or not adding up to 1", expected="shares of 1"
        )
    return y.astype(np.int64), p


def brier_score(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean squared distance of the probabilities (n, k) from the class numbers (n,), summed over classes and, for two
    classes, halved: the usual (p - y)^2. None without patients."""
    y, p = _checked(truth, probabilities)
    if not len(y):
        return None
    distance = ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1).mean()
    return float(distance / 2 if p.shape[1] == 2 else distance)


def log_loss(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """Mean negative logarithm (natural) of the probability of the true class, clipped at 1e-12. None without
    patients."""
    y, p = _checked(truth, probabilities)
    return float(-np.log(np.clip(p[np.arange(len(y)), y], CLIP, 1.0)).mean()) if len(y) else None


def reliability(
    positive: ArrayLike, probability: ArrayLike, *, bins: int = BINS, equal: str = "width"
) -> list[ReliabilityBin]:
    """Bins of the probability that hold patients. `equal` ``width``: `bins` equal parts of 0 to 1; ``mass``: parts at
    the quantiles of these probabilities (ties may merge some). MET107 for another word."""
    truth, p = aligned(positive, probability, "reliability")
    if equal not in ("width", "mass"):
        raise TumorboardError(codes.OPTION_UNKNOWN, "equal", found=repr(equal), expected="width or mass")
    if not len(p):
        return []
    edges = np.linspace(0, 1, bins + 1) if equal == "width" else np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, p, side="left") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for k in np.unique(place):
        mine = place == k
        low, high = float(edges[k]), float(edges[min(k + 1, len(edges) - 1)])
        found.append(ReliabilityBin(low, high, int(mine.sum()), float(p[mine].mean()), float(truth[mine].mean())))
    return found


def expected_calibration_error(truth: ArrayLike, probabilities: ArrayLike, *, bins: int = BINS) -> float | None:
    """Mean distance of probability and share over bins of equal width, weighted by patients.

    Two classes: of the second class's probability. More: of the highest probability, against how often its class is
    right. Depends on the number of bins and, at small n, is above 0 for a perfect model. None without patients.
    """
    y, p = _checked(truth, probabilities)
    if not len(y):
        return None
    if p.shape[1] == 2:
        happened, said = y == 1, p[:, 1]
    else:
        happened, said = p.argmax(axis=1) == y, p.max(axis=1)
    found = reliability(happened, said, bins=bins)
    return float(sum(b.n * abs(b.mean_probability - b.share_positive) for b in found) / len(y))


def calibration_slope(positive: ArrayLike, probability: ArrayLike) -> float | None:
    """Slope of the truth on the log odds of the probability (logistic regression with intercept). 1: right spread;
    below 1: too extreme. None when one class is absent, all probabilities are equal, or they part the classes."""
    truth, p = aligned(positive, probability, "calibration slope")
    odds = _log_odds(p)
    if truth.all() or not truth.any() or np.ptp(odds) < 1e-9 or _parted(truth, odds):
        return None
    fitted = _newton(truth, np.column_stack([np.ones_like(odds), odds]), np.zeros_like(odds))
    return None if fitted is None else float(fitted[1])


def calibration_in_the_large(positive: ArrayLike, probability: ArrayLike) -> float | None:
    """Intercept of the truth beside the log odds at slope 1: above 0, events were likelier than said. None when one
    class is absent."""
    truth, p = aligned(positive, probability, "calibration in the large")
    if truth.all() or not truth.any():
        return None
    fitted = _newton(truth, np.ones((len(p), 1)), _log_odds(p))
    return None if fitted is None else float(fitted[0])


def _log_odds(p: Floats) -> Floats:
    clipped = np.clip(p, CLIP, 1 - CLIP)
    odds: Floats = np.log(clipped) - np.log1p(-clipped)
    return odds


def _parted(truth: NDArray[np.bool_], odds: Floats) -> bool:
    """Whether a threshold parts the classes, ties at it aside: the slope is then infinite."""
    yes, no = odds[truth], odds[~truth]
    return bool(yes.min() >= no.max() or no.min() >= yes.max())


def _newton(truth: NDArray[np.bool_], x: Floats, offset: Floats) -> Floats | None:
    """Logistic regression with an offset, by Newton's method with halved steps; None when it does not settle."""
    beta = np.zeros(x.shape[1])
    value = _negative_log_likelihood(truth, offset)
    for _ in range(100):
        mean = 1 / (1 + np.exp(-np.clip(x @ beta + offset, -500, 500)))
        gradient = x.T @ (truth - mean)
        information = (x * (mean * (1 - mean))[:, None]).T @ x
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            return None
        size = 1.0
        while (after := _negative_log_likelihood(truth, x @ (beta + size * step) + offset)) > value + 1e-12:
            size /= 2
            if size < 1e-8:
                return None
        beta, value = beta + size * step, after
        if np.abs(size * step).max() < 1e-10:
            return beta
    return None


def _negative_log_likelihood(truth: NDArray[np.bool_], eta: Floats) -> float:
    return float(np.logaddexp(0, np.where(truth, -eta, eta)).sum())
