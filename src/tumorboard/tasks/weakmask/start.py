"""First masks from marks alone: the plain ellipse, and a random walker held by the marks and by their grey values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tumorboard.ops.random_walk import random_walk
from tumorboard.tasks.weakmask.frame import SHAPE, Frame, quarter_radius

__all__ = ["plain_ellipse", "walk"]

Floats = NDArray[np.float64]
_INSIDE, _OUTSIDE = 0.45, 1.9
"""Relative radii: nearer is lesion, farther is not, whatever the image says."""
_SHARP, _BLUNT = 0.08, 0.25
"""Width of the prior's edge in relative radii: in the slice of the mark, and what is added up and down of it."""
_LEAST_PULL, _PULL = 0.08, 0.3
"""Strength of the prior far from the slice of the mark, and what is added in it."""
_LEAST_EVIDENCE, _EVIDENCE = 0.8, 1.7
"""Largest log ratio that grey values may claim in the slice of the mark, and what is added up and down of it."""


def plain_ellipse(frame: Frame, local: Floats) -> NDArray[np.bool_]:
    """Inside the ellipse of the two axes round their common middle, as deep as the mean of both half axes; `local`
    (..., 3) in mm from the crossing."""
    shift = frame.local(frame.middle[None])[0]
    x = local - shift
    r2 = (x[..., 0] / (frame.long_mm / 2)) ** 2 + (x[..., 1] / max(frame.short_mm / 2, 1e-3)) ** 2
    found: NDArray[np.bool_] = r2 + (x[..., 2] / frame.depth_mm) ** 2 <= 1.0
    return found


def walk(patch_hu: NDArray[np.float32], frame: Frame) -> NDArray[np.float32]:
    """Probability of lesion in the patch. Shape and grey values give every sample a prior; the walker follows edges. In
    the slice of the mark the shape is known and holds him fast; farther up and down it is a guess and holds less."""
    local = frame.local(frame.samples()).reshape(*SHAPE, 3)
    r = quarter_radius(frame, local)
    flat = quarter_radius(frame, local * (1.0, 1.0, 0.0))
    away = np.minimum(np.abs(local[..., 2]) / frame.depth_mm, 1.0)
    core, ring = r < 0.7, (r > 1.25) & (r < 2.2)
    hu = np.clip(patch_hu.astype(np.float64), -1000.0, 1500.0)
    most = _LEAST_EVIDENCE + _EVIDENCE * away
    evidence = np.clip(_likelihood(hu, core, ring), -most, most)
    prior = 1.0 / (1.0 + np.exp(-(evidence + (1.0 - r) / (_SHARP + _BLUNT * away))))
    inside, outside = r < _INSIDE, (flat > 1.3 + 0.3 * away) | (r > _OUTSIDE)
    prior = np.where(inside, 1.0, np.where(outside, 0.0, prior))
    steps = np.abs(np.diff(hu, axis=0))[core[1:]]
    apart = abs(float(np.median(hu[core]) - np.median(hu[ring])))
    contrast = max(12.0, 3.0 * float(np.median(steps)), 0.25 * apart)
    pull = _LEAST_PULL + _PULL * (1.0 - away)
    return random_walk(hu, prior, spacing=frame.spacing_mm, contrast=contrast, pull=pull, fixed=inside | outside)


def _likelihood(hu: Floats, core: NDArray[np.bool_], ring: NDArray[np.bool_]) -> Floats:
    """Log of how much more common each grey value is in the middle of the mark than round it (smoothed histograms)."""
    from scipy.ndimage import gaussian_filter1d

    low, high = np.percentile(hu[core | ring], [0.5, 99.5])
    edges = np.linspace(low, max(high, low + 32.0), 65)
    counts = []
    for region in (core, ring):
        count = np.histogram(hu[region], edges)[0].astype(float)
        smooth = gaussian_filter1d(count, 2.0)
        counts.append((smooth + 0.02 * smooth.sum() / 64) / (smooth.sum() * 1.02 + 1e-9))
    ratio = np.log(counts[0] / counts[1])
    place = np.clip(np.searchsorted(edges, hu, side="right") - 1, 0, 63)
    found: Floats = ratio[place]
    return found
