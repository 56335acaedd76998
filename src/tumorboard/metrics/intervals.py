"""How sure a figure is: resampling of patients, and comparison of two methods on the same patients.

Everything resamples *patients* (never voxels or lesions). Percentile bootstrap: Efron and Tibshirani 1993;
sign-flip permutation test: Good 2005. Undefined values are refused unless the caller says `undefined="omit"`;
`n` in the result is the number of patients that counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = [
    "Interval",
    "PairedDifference",
    "bootstrap",
    "bootstrap_mean",
    "bootstrap_ratio",
    "paired_difference",
    "percentile_interval",
]

_WEIGHTS_AT_ONCE = 4_000_000
_EXACT_UP_TO = 14
_TOO_OFTEN_UNDEFINED = 0.05


class Interval(NamedTuple):
    """A figure with its percentile interval. All None without patients; low and high None with one patient."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over n patients, its interval, how sure its sign is.

    `share_positive` is the share of resamples with a mean above 0 (ties count half); `p_value` is two-sided,
    from flipping the signs of the patients' differences.
    """

    mean: float | None
    low: float | None
    high: float | None
    share_positive: float | None
    p_value: float | None
    n: int


def bootstrap_mean(
    values: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95, undefined: str = "refuse"
) -> Interval:
    """Mean of one value per patient (n,), with its interval. MET105 for None/NaN values unless omitted."""
    x = _defined(_floats(values), undefined, "values")
    return bootstrap_ratio(x, np.ones(len(x)), seed=seed, resamples=resamples, level=level)


def bootstrap_ratio(
    numerators: ArrayLike, denominators: ArrayLike, *, seed: int, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Sum of numerators over sum of denominators (n patients each), e.g. an aggregated Dice or a pooled F1.

    With arrays (n, k): the mean over k of such ratios (a mean of two structures, a balanced accuracy).
    Undefined (0/0) for the patients given: value None. MET106 when shapes differ.
    """
    top, bottom = np.asarray(numerators, float), np.asarray(denominators, float)
    if top.shape != bottom.shape or top.ndim not in (1, 2):
        found = f"shapes {top.shape}, {bottom.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "ratio", found=found, expected="one shape (n,) or (n, k)")
    n = len(top)
    if not n:
        return Interval(None, None, None)
    top, bottom = top.reshape(n, -1), bottom.reshape(n, -1)
    value = _ratio(top.sum(axis=0), bottom.sum(axis=0))
    if np.isnan(value):
        return Interval(None, None, None)
    rng = np.random.default_rng(seed)
    draws = []
    for size in _batches(resamples, n):
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(float)
        draws.append(_ratio(weights @ top, weights @ bottom))
    return _interval(float(value), np.concatenate(draws), n, level)


def bootstrap(
    statistic: Callable[..., float | None],
    arrays: Sequence[NDArray[Any]],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
    strata: ArrayLike | None = None,
) -> Interval:
    """Any figure of patient-aligned arrays (n, ...), e.g. ``lambda e, t, s: concordance(e, t, s).value``.

    `strata` (n,): patients are drawn within their stratum (their class), so that every resample has as many of each.

    `statistic` may return None for a resample that leaves it undefined; beyond 5 % of such resamples no
    interval is given. MET106 when lengths differ.
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise TumorboardError(
            codes.PAIRS_DIFFER, "bootstrap", found=f"lengths {sorted(lengths)}", expected="one row per patient"
        )
    n = lengths.pop()
    value = statistic(*arrays) if n else None
    if value is None or np.isnan(value):
        return Interval(None, None, None)
    rng = np.random.default_rng(seed)
    draws = np.empty(resamples)
    of = np.zeros(n) if strata is None else np.asarray(strata)
    members = [np.flatnonzero(of == value) for value in np.unique(of)]
    for place in range(resamples):
        index = np.concatenate([mine[rng.integers(0, len(mine), len(mine))] for mine in members])
        drawn = statistic(*(array[index] for array in arrays))
        draws[place] = np.nan if drawn is None else drawn
    return _interval(float(value), draws, n, level)


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    seed: int,
    resamples: int = 2000,
    permutations: int = 10_000,
    level: float = 0.95,
    undefined: str = "refuse",
) -> PairedDifference:
    """Compare two methods on the same patients: a - b, each (n,), aligned by patient.

    `undefined` ``omit`` leaves out patients for whom either is None or NaN. The permutation p-value is exact
    (all 2^n sign patterns) up to 14 patients, else (1 + hits) / (1 + permutations). MET106, MET105.
    """
    x, y = _floats(a), _floats(b)
    if x.shape != y.shape:
        found = f"{x.shape} and {y.shape}"
        raise TumorboardError(codes.PAIRS_DIFFER, "paired comparison", found=found, expected="the same patients")
    difference = _defined(x - y, undefined, "differences")
    n = len(difference)
    if not n:
        return PairedDifference(None, None, None, None, None, 0)
    rng = np.random.default_rng(seed)
    draws = np.concatenate(
        [rng.multinomial(n, np.full(n, 1 / n), size=size) @ difference / n for size in _batches(resamples, n)]
    )
    interval = _interval(float(difference.mean()), draws, n, level)
    # Resampled means of equal differences vary in the last digits; they are ties all the same.
    noise = 1e-12 * max(1.0, float(np.abs(difference).max()))
    share = float((draws > noise).mean() + (np.abs(draws) <= noise).mean() / 2)
    p_value = _sign_flip(difference, rng, permutations)
    return PairedDifference(interval.value, interval.low, interval.high, share, p_value, n)


def _sign_flip(difference: NDArray[np.float64], rng: np.random.Generator, permutations: int) -> float:
    n = len(difference)
    observed = abs(float(difference.sum()))
    noise = 1e-12 * max(1.0, float(np.abs(difference).sum()))
    if n <= _EXACT_UP_TO:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((1 - 2 * bits) @ difference) >= observed - noise).mean())
    hits = 0
    for size in _batches(permutations, n):
        signs = 1.0 - 2.0 * rng.integers(0, 2, (size, n))
        hits += int((np.abs(signs @ difference) >= observed - noise).sum())
    return (1 + hits) / (1 + permutations)


def _floats(values: ArrayLike) -> NDArray[np.float64]:
    if isinstance(values, np.ndarray):
        return values.astype(float)
    return np.array([np.nan if value is None else value for value in values], dtype=float)  # type: ignore[union-attr]


def _defined(values: NDArray[np.float64], undefined: str, where: str) -> NDArray[np.float64]:
    if undefined not in ("refuse", "omit"):
        raise TumorboardError(codes.OPTION_UNKNOWN, "undefined", found=repr(undefined), expected="refuse or omit")
    bad = ~np.isfinite(values)
    if bad.any() and undefined == "refuse":
        found = f"{int(bad.sum())} of {len(values)} undefined"
        raise TumorboardError(codes.VALUE_UNDEFINED, where, found=found, expected="a finite value per patient")
    return values[~bad]


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> Any:
    """Mean over the last axis of top / bottom; NaN where a bottom is 0."""
    safe = np.where(bottom == 0, np.nan, bottom)
    return (top / safe).mean(axis=-1)


def _batches(total: int, n: int) -> list[int]:
    size = max(1, min(total, _WEIGHTS_AT_ONCE // max(n, 1)))
    return [size] * (total // size) + ([total % size] if total % size else [])


def _interval(value: float, draws: NDArray[np.float64], n: int, level: float) -> Interval:
    return percentile_interval(value, draws, level=level) if n > 1 else Interval(value, None, None)


def percentile_interval(value: float | None, draws: NDArray[np.float64], *, level: float = 0.95) -> Interval:
    """A figure with the interval of its resamples `draws` (n,), NaN where a resample leaves it undefined: no interval
    where more than 5 % are; nothing where the figure itself is None or NaN."""
    if value is None or np.isnan(value):
        return Interval(None, None, None)
    defined = draws[~np.isnan(draws)]
    if not len(defined) or len(draws) - len(defined) > _TOO_OFTEN_UNDEFINED * len(draws):
        return Interval(float(value), None, None)
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))
