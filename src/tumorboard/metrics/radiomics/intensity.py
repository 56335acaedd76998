"""Statistics of the values in a mask, and of their histogram (IBSI 3.3 and 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["bin_by_number", "bin_by_size", "histogram_features", "intensity_features"]

Floats = NDArray[np.float64]


def bin_by_size(values: ArrayLike, *, width: float, lowest: float) -> NDArray[np.int64]:
    """Grey levels 1, 2 ... of bins of equal `width` from `lowest` on (IBSI "fixed bin size"): a level means the same
    intensity in every patient, which suits calibrated units (HU, SUV)."""
    return np.maximum(np.floor((np.asarray(values, float) - lowest) / width).astype(np.int64) + 1, 1)


def bin_by_number(values: ArrayLike, *, bins: int) -> NDArray[np.int64]:
    """Grey levels 1 to `bins` between the least and the greatest of `values` (IBSI "fixed bin number"): for units that
    are not calibrated. All equal values are level 1."""
    x = np.asarray(values, float)
    low, high = float(x.min()), float(x.max())
    if high <= low:
        return np.ones(x.shape, np.int64)
    return np.minimum(np.floor(bins * (x - low) / (high - low)).astype(np.int64) + 1, bins)


def intensity_features(values: ArrayLike) -> dict[str, float]:
    """Statistics of the voxel values (n,) in a mask, in the image's unit. Population moments; percentiles by linear
    interpolation. Skewness and kurtosis of a constant are 0; ratios to a mean or sum of 0, and a spread
    between percentiles with no value between them, are NaN."""
    x = np.asarray(values, float).ravel()
    p10, p25, p50, p75, p90 = np.percentile(x, [10, 25, 50, 75, 90])
    return {
        **_moments(x),
        "median": float(p50),
        "minimum": float(x.min()),
        "p10": float(p10),
        "p90": float(p90),
        "maximum": float(x.max()),
        "interquartile_range": float(p75 - p25),
        "range": float(x.max() - x.min()),
        "mean_absolute_deviation": float(np.abs(x - x.mean()).mean()),
        "robust_mean_absolute_deviation": _spread_within(x, p10, p90),
        "median_absolute_deviation": float(np.abs(x - p50).mean()),
        "coefficient_of_variation": _ratio(float(x.std()), float(x.mean())),
        "quartile_dispersion": _ratio(float(p75 - p25), float(p75 + p25)),
        "energy": float((x**2).sum()),
        "root_mean_square": float(np.sqrt((x**2).mean())),
    }


def histogram_features(levels: ArrayLike) -> dict[str, float]:
    """Features of the distribution of grey levels (n,), 1 and up, as one of the two binnings makes them."""
    x = np.asarray(levels, np.int64).ravel()
    counts = np.bincount(x)[1:]
    share = counts[counts > 0] / len(x)
    modes = np.flatnonzero(counts == counts.max()) + 1
    return {
        **_moments(x.astype(float)),
        "mode": float(modes[np.argmin(np.abs(modes - x.mean()))]),  # of several, the one nearest the mean
        "entropy": float(-(share * np.log2(share)).sum()),
        "uniformity": float((share**2).sum()),
    }


def _moments(x: Floats) -> dict[str, float]:
    centred = x - x.mean()
    variance = float((centred**2).mean())
    skewness = float((centred**3).mean() / variance**1.5) if variance > 0 else 0.0
    kurtosis = float((centred**4).mean() / variance**2 - 3) if variance > 0 else 0.0
    return {"mean": float(x.mean()), "variance": variance, "skewness": skewness, "kurtosis": kurtosis}


def _spread_within(x: Floats, low: float, high: float) -> float:
    kept = x[(x >= low) & (x <= high)]
    return float(np.abs(kept - kept.mean()).mean()) if len(kept) else float("nan")


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom != 0 else float("nan")
