"""ULS23, universal lesion segmentation: one score per lesion out of overlap, axes and consistency.

Score = 0.8 Dice + 0.05 (1 - SAPE of the long axis) + 0.05 (1 - SAPE of the short axis) + 0.1 consistency, where
SAPE = |a - b| / (|a| + |b|), without the factor of two of other definitions, and consistency is the Dice of two
predictions of one lesion from shifted views of it. The challenge measures axes between centres of border pixels, about
one pixel short; axes given here may come from any definition, which belongs beside the score.
Source: de Grauw et al. 2025 (ULS23), and the organisers' evaluation code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.boxes import patient_means
from tumorboard.metrics.intervals import bootstrap_mean
from tumorboard.metrics.official.rules import OfficialScore, score_row

__all__ = ["WEIGHTS", "sape", "uls23_scores", "uls23_values"]

Floats = NDArray[np.float64]
WEIGHTS = {"dice": 0.8, "long axis": 0.05, "short axis": 0.05, "consistency": 0.1}


def sape(reference: ArrayLike, predicted: ArrayLike) -> Floats:
    """|a - b| / (|a| + |b|) of each pair, 0 to 1; 0 where both are 0."""
    a, b = np.asarray(reference, float), np.asarray(predicted, float)
    whole = np.abs(a) + np.abs(b)
    found: Floats = np.divide(np.abs(a - b), whole, out=np.zeros(np.broadcast(a, b).shape), where=whole > 0)
    return found


def uls23_values(
    dice: ArrayLike,
    *,
    long_mm: tuple[ArrayLike, ArrayLike],
    short_mm: tuple[ArrayLike, ArrayLike],
    consistency: ArrayLike,
) -> Floats:
    """Score of each lesion (n,); `long_mm` and `short_mm` are (reference, predicted), each (n,), 0 where nothing is
    predicted. MET105 for values that are not numbers, MET106 for different lengths."""
    parts = [np.asarray(dice, float), 1 - sape(*long_mm), 1 - sape(*short_mm), np.asarray(consistency, float)]
    if len({part.shape for part in parts}) != 1:
        found = f"shapes {[part.shape for part in parts]}"
        raise TumorboardError(codes.PAIRS_DIFFER, "uls23", found=found, expected="one value per lesion")
    score: Floats = sum(weight * part for weight, part in zip(WEIGHTS.values(), parts, strict=True))  # type: ignore[assignment]
    if not np.isfinite(score).all():
        raise TumorboardError(codes.VALUE_UNDEFINED, "uls23", found="undefined values", expected="numbers")
    return score


def uls23_scores(patients: Sequence[str], values: ArrayLike, *, seed: int, axes: str) -> OfficialScore:
    """Mean score over lesions as the challenge takes it, and over patients with its interval. `axes` says how axes were
    measured."""
    of_lesions = np.asarray(values, float)
    means = list(patient_means(patients, of_lesions).values())
    rows: list[dict[str, Any]] = [score_row("uls23", "mean of patients", bootstrap_mean(means, seed=seed), len(means))]
    whole = {"value": float(of_lesions.mean()) if len(of_lesions) else None, "low": None, "high": None}
    rows.append({"metric": "uls23", "label": "mean of lesions", **whole, "n": len(of_lesions)})
    return OfficialScore({"name": "uls23", "weights": WEIGHTS, "axes": axes}, rows)
