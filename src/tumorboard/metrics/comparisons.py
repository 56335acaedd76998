"""Comparing models over folds, and comparing many: what a plain t-test and plain p-values get wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["ResampledTest", "against_reference", "corrected_resampled_t", "holm"]


@dataclass(frozen=True)
class ResampledTest:
    """Mean difference over k folds, its interval, t, two-sided p. All None when the folds do not differ or k < 2."""

    mean: float
    low: float | None
    high: float | None
    t: float | None
    p_value: float | None
    folds: int


def corrected_resampled_t(differences: ArrayLike, *, test_share: float, level: float = 0.95) -> ResampledTest:
    """Test of a mean difference over (repeated) cross-validation folds, after Nadeau and Bengio 2003.

    `differences` (k,): metric of model a minus that of model b, one per fold. `test_share`: patients tested per fold
    over patients trained on (5 folds: 0.25). The folds share training patients, so the variance of their mean is
    s^2 (1/k + test_share), not s^2 / k. MET105 for undefined differences, MET107 for an impossible share.
    """
    from scipy.stats import t as student

    d = np.asarray(differences, float)
    bad = int((~np.isfinite(d)).sum())
    if bad or not len(d):
        raise TumorboardError(
            codes.VALUE_UNDEFINED,
            "differences",
            found=f"{bad} of {len(d)}",
            expected="numbers",
        )
    if not test_share > 0:
        raise TumorboardError(codes.OPTION_UNKNOWN, "test_share", found=f"{test_share:g}", expected="above 0")
    k, mean = len(d), float(d.mean())
    spread = float(d.std(ddof=1)) if k > 1 else 0.0
    if spread == 0.0:
        return ResampledTest(mean, None, None, None, None, k)
    error = spread * np.sqrt(1 / k + test_share)
    width = float(student.ppf(0.5 + level / 2, k - 1)) * error
    statistic = float(mean / error)
    return ResampledTest(
        mean, float(mean - width), float(mean + width), statistic, float(2 * student.sf(abs(statistic), k - 1)), k
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for making all these comparisons (Holm 1979): each is compared with 0.05 as usual, and the
    chance of any false finding stays below that. In the order given. MET105 for values outside [0, 1]."""
    p = np.asarray(p_values, float)
    if not ((p >= 0) & (p <= 1)).all():
        raise TumorboardError(codes.VALUE_UNDEFINED, "p_values", found=f"{p.tolist()}", expected="numbers from 0 to 1")
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(value) for value in adjusted]


def against_reference(
    by_fold: Mapping[str, Sequence[float]], *, reference: str, test_share: float
) -> dict[str, float | None]:
    """Model -> p of its mean difference from `reference` over the folds (`corrected_resampled_t`), adjusted for all of
    these comparisons (`holm`). None where a fold is undefined or the folds do not differ.

    `by_fold`: model -> metric of each fold (k,), NaN where undefined. MET107 for an impossible `test_share`.
    """
    base = np.asarray(by_fold[reference], float)
    found: dict[str, float | None] = {}
    for name, values in by_fold.items():
        if name == reference:
            continue
        differences = np.asarray(values, float) - base
        known = bool(np.isfinite(differences).all())
        found[name] = corrected_resampled_t(differences, test_share=test_share).p_value if known else None
    told = {name: p for name, p in found.items() if p is not None}
    return {**found, **dict(zip(told, holm(list(told.values())), strict=True))}
