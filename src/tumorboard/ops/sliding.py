"""Sliding windows over a volume, weighted by a Gaussian round their centre; places and weights are MONAI's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["fit_window", "slide"]

Array = NDArray[np.float32]


def fit_window(voxels: int, *, smallest: int, largest: int, step: int, overlap: float) -> int:
    """Edge of the windows along an axis of so many voxels: as few windows as the `largest` edge needs, and then no
    larger than so many of them need, instead of one that lies almost on its neighbour at the end.

    A multiple of `step`, at least `smallest`; one window where `largest` holds the axis.
    """
    if voxels <= largest:
        return min(max(-(-voxels // step) * step, smallest), largest)
    count = _windows(voxels, largest, overlap)
    edge = max(-(-smallest // step) * step, step)
    while edge < largest and _windows(voxels, edge, overlap) > count:
        edge += step
    return min(edge, largest)


def _windows(voxels: int, edge: int, overlap: float) -> int:
    return 1 + -(-max(voxels - edge, 0) // max(int(edge * (1 - overlap)), 1))


def slide(
    predict: Callable[[Array], Array], image: Array, *, window: Sequence[int], overlap: float, outputs: int
) -> Array:
    """Predict `image` (channels, i, j, k) window by window.

    Parameters
    ----------
    predict : (1, channels, *window) -> (1, outputs, *window).
    window : voxels of a window; where the image is smaller, it is padded with 0.
    overlap : share of a window that its neighbour sees too, 0 to below 1.

    Returns the weighted means, (outputs, i, j, k). A window without any signal (all 0: air without uptake) has one
    answer, which is asked for once. Memory: the result, its weights and one window.
    """
    from monai.data.utils import compute_importance_map, dense_patch_slices

    shape = tuple(image.shape[1:])
    wanted = tuple(max(n, w) for n, w in zip(shape, window, strict=True))
    lows = [(big - n) // 2 for big, n in zip(wanted, shape, strict=True)]
    if wanted != shape:
        sides = [(low, big - n - low) for low, big, n in zip(lows, wanted, shape, strict=True)]
        image = np.pad(image, [(0, 0), *sides])
    weight = compute_importance_map(tuple(window), mode="gaussian", sigma_scale=0.125).numpy()
    weight = np.maximum(weight, max(float(weight[weight > 0].min()), 1e-3)).astype(np.float32)
    total = np.zeros((outputs, *wanted), np.float32)
    weights = np.zeros(wanted, np.float32)
    steps = tuple(max(int(w * (1 - overlap)), 1) if w < n else w for w, n in zip(window, wanted, strict=True))
    silent: Array | None = None
    for place in dense_patch_slices(wanted, tuple(window), steps):
        piece = np.ascontiguousarray(image[(slice(None), *place)])
        if piece.any():
            answer = predict(piece[None])[0]
        else:
            if silent is None:
                silent = predict(piece[None])[0].copy()
            answer = silent
        total[(slice(None), *place)] += answer * weight
        weights[place] += weight
    inside = tuple(slice(low, low + n) for low, n in zip(lows, shape, strict=True))
    mean: Array = total[(slice(None), *inside)] / weights[inside]
    return mean
