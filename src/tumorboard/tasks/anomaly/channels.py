"""What the network is given of a slice and its neighbours, and what it is to answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.anomaly.normal import REACH

__all__ = ["CT_CHANNELS", "DEPTH", "PET_CHANNELS", "ct_channels", "from_target", "neighbours", "pet_channels", "target"]

DEPTH = 2 * REACH + 1
"""Slices that are looked at."""
CT_CHANNELS, PET_CHANNELS = 2 * DEPTH, 2 * DEPTH
_WIDE_HU = (-1000.0, 1000.0)
_PET_SCALE = 0.5

Floats = NDArray[np.float32]


def neighbours(k: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Numbers (n, DEPTH) of the slices seen with each of `k` (n,); beyond the ends the last slice again."""
    around = np.asarray(k, np.int64)[:, None] + np.arange(-REACH, REACH + 1)
    found: NDArray[np.int64] = np.clip(around, 0, count - 1)
    return found


def target(suv: NDArray[Any]) -> Floats:
    """The domain of reconstruction and z-scores: the square root of SUV, in which noise is about equal everywhere."""
    root: Floats = np.sqrt(np.maximum(suv, 0.0)).astype(np.float32)
    return root


def from_target(value: NDArray[Any]) -> Floats:
    """Back to SUV."""
    suv: Floats = (np.maximum(value, 0.0) ** 2).astype(np.float32)
    return suv


def pet_channels(root: NDArray[Any], hidden: NDArray[Any]) -> Floats:
    """(n, DEPTH, i, j) of `target` and of what is hidden -> (n, PET_CHANNELS, i, j). No statistic of the image enters,
    and hidden voxels are 0, so what stands there cannot reach the answer."""
    seen = np.where(hidden, np.float32(0), root) * np.float32(_PET_SCALE)
    return np.concatenate([seen, hidden], axis=1).astype(np.float32)


def ct_channels(hu: NDArray[Any], window_hu: tuple[float, float]) -> Floats:
    """(n, DEPTH, i, j) HU -> (n, CT_CHANNELS, i, j): a soft-tissue window and the whole range, each -1 to 1."""
    windows = []
    for low, high in (window_hu, _WIDE_HU):
        windows.append(np.clip((hu - low) / (high - low), 0, 1) * 2 - 1)
    return np.concatenate(windows, axis=1).astype(np.float32)
