"""What a lesion is without a network: its place and size, its mean HU, its raw pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.retrieval.lesions import Lesions

__all__ = ["PixelSpace", "Scaler", "location_and_size", "random_vectors"]

Floats = NDArray[np.float64]
_LEAST_MM = 1.0


def location_and_size(lesions: Lesions) -> Floats:
    """(n, 5): relative x, y, z and the logarithms of both axes; NaN where not known."""
    sizes = np.log(np.maximum(lesions.axes_mm, _LEAST_MM))
    return np.column_stack([lesions.locations, sizes])


def random_vectors(count: int, *, dimensions: int, seed: int) -> NDArray[np.float32]:
    """Directions drawn at random: what a search finds by chance."""
    drawn = np.random.default_rng(seed).normal(size=(count, dimensions)).astype(np.float32)
    return drawn


@dataclass(frozen=True)
class Scaler:
    """Columns to mean 0 and standard deviation 1 of the training lesions; what is not known becomes the mean."""

    mean: Floats
    spread: Floats

    @classmethod
    def fit(cls, values: Floats) -> Scaler:
        """From training lesions (n, c); a column nobody has, or that never differs, becomes 0."""
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, values, 0).sum(axis=0) / count
        variance = np.where(known, (values - mean) ** 2, 0).sum(axis=0) / count
        spread = np.sqrt(variance)
        return cls(mean, np.where(spread > 1e-9, spread, np.inf))

    def apply(self, values: Floats) -> Floats:
        scaled = (values - self.mean) / self.spread
        return np.where(np.isfinite(scaled), scaled, 0.0)

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "spread": [s if np.isfinite(s) else None for s in self.spread.tolist()]}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Scaler:
        spread = np.array([np.inf if s is None else s for s in record["spread"]], float)
        return cls(np.array(record["mean"], float), spread)


@dataclass(frozen=True)
class PixelSpace:
    """Principal components of near crops (scikit-learn's PCA), fitted on training lesions."""

    model: Any

    @classmethod
    def fit(cls, near: NDArray[Any], *, dimensions: int = 64, seed: int = 0) -> PixelSpace:
        """From crops (n, slices, rows, columns)."""
        from sklearn.decomposition import PCA

        flat = _flat(near)
        return cls(PCA(min(dimensions, *flat.shape), random_state=seed).fit(flat))

    def apply(self, near: NDArray[Any]) -> Floats:
        return np.asarray(self.model.transform(_flat(near)), float)


def _flat(near: NDArray[Any]) -> NDArray[np.float32]:
    """Every second pixel of the middle slice, -500 to 500 HU as -1 to 1."""
    middle = near[:, near.shape[1] // 2, ::2, ::2].astype(np.float32)
    return np.clip(middle / 500, -1, 1).reshape(len(near), -1)
