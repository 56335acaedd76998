"""Texture of grey levels in a mask (IBSI 3.6 to 3.8): co-occurrence, run lengths, size zones; in three dimensions.

Levels are integers, 1 and up inside the mask and 0 outside; how they were made (`bin_by_size`, `bin_by_number`) is
part of the feature's name for whoever reports it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cooccurrence_features", "run_features", "texture_features", "zone_features"]

Floats = NDArray[np.float64]
Levels = NDArray[np.integer]


def texture_features(levels: Levels) -> dict[str, float]:
    """All three families with the prefixes ``glcm_``, ``glrlm_`` and ``glszm_``. `levels` (i, j, k), 0 outside."""
    found: dict[str, float] = {}
    for prefix, features in (
        ("glcm", cooccurrence_features(levels)),
        ("glrlm", run_features(levels)),
        ("glszm", zone_features(levels)),
    ):
        found |= {f"{prefix}_{name}": value for name, value in features.items()}
    return found


def cooccurrence_features(levels: Levels, *, average: bool = False) -> dict[str, float]:
    """Neighbours at Chebyshev distance 1 in 13 directions, symmetric, all directions merged into one matrix; with
    `average`, features of each direction's matrix are averaged. A mask without two neighbouring voxels has NaN."""
    from tumorboard.metrics.radiomics.kernels import cooccurrences

    grey = _contiguous(levels)
    matrices = cooccurrences(grey, int(grey.max())).astype(float)
    matrices = matrices + matrices.transpose(0, 2, 1)
    if not average:
        matrices = matrices.sum(axis=0, keepdims=True)
    used = [matrix / matrix.sum() for matrix in matrices if matrix.sum() > 0]
    listed = [_of_pairs(matrix) for matrix in used] or [dict.fromkeys(_of_pairs(np.ones((1, 1))), float("nan"))]
    return {name: float(np.mean([one[name] for one in listed])) for name in listed[0]}


def run_features(levels: Levels, *, average: bool = False) -> dict[str, float]:
    """Runs of equal level in 13 directions, merged into one matrix (or features averaged over directions)."""
    from tumorboard.metrics.radiomics.kernels import runs

    grey = _contiguous(levels)
    matrices = runs(grey, int(grey.max())).astype(float)
    voxels = int((grey > 0).sum())
    if not average:
        return _of_groups(matrices.sum(axis=0), voxels * len(matrices), "run")
    listed = [_of_groups(matrix, voxels, "run") for matrix in matrices]
    return {name: float(np.mean([one[name] for one in listed])) for name in listed[0]}


def zone_features(levels: Levels) -> dict[str, float]:
    """Zones of equal level, 26 neighbours."""
    import cc3d

    grey = _contiguous(levels)
    zones = cc3d.connected_components(grey, connectivity=26)
    sizes = np.bincount(zones.ravel())[1:]
    level = np.zeros(len(sizes) + 1, np.int64)
    level[zones.ravel()] = grey.ravel()
    pairs, counts = np.unique(np.column_stack([level[1:], sizes]), axis=0, return_counts=True)
    return _of_listed(
        pairs[:, 0].astype(float), pairs[:, 1].astype(float), counts.astype(float), int(sizes.sum()), "zone"
    )


def _contiguous(levels: Levels) -> NDArray[np.int32]:
    grey = np.ascontiguousarray(levels, np.int32)
    places = np.argwhere(grey > 0)
    if not len(places):
        raise ValueError("no voxel with a grey level")
    low, high = places.min(axis=0), places.max(axis=0) + 1
    return np.ascontiguousarray(grey[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])


def _entropy(p: Floats) -> float:
    positive = p[p > 0]
    return float(-(positive * np.log2(positive)).sum())


def _of_pairs(p: Floats) -> dict[str, float]:
    """Features of a symmetric co-occurrence matrix that sums to 1."""
    n = len(p)
    i, j = np.meshgrid(np.arange(1, n + 1), np.arange(1, n + 1), indexing="ij")
    row = p.sum(axis=1)
    mean = float((row * np.arange(1, n + 1)).sum())
    variance = float((row * (np.arange(1, n + 1) - mean) ** 2).sum())
    distance = np.abs(i - j)
    apart = np.bincount(distance.ravel(), weights=p.ravel(), minlength=n)
    total = np.bincount((i + j).ravel(), weights=p.ravel())
    sums, steps = np.arange(len(total)), np.arange(n)
    apart_mean, sum_mean = float(apart @ steps), float(total @ sums)
    outer = row[:, None] * row[None, :]
    joint, alone = _entropy(p), _entropy(row)
    mixed = float(-(p[outer > 0] * np.log2(outer[outer > 0])).sum())
    independent = _entropy(outer.ravel())
    return {
        "joint_maximum": float(p.max()),
        "joint_average": mean,
        "joint_variance": variance,
        "joint_entropy": joint,
        "difference_average": apart_mean,
        "difference_variance": float(apart @ (steps - apart_mean) ** 2),
        "difference_entropy": _entropy(apart),
        "sum_average": sum_mean,
        "sum_variance": float(total @ (sums - sum_mean) ** 2),
        "sum_entropy": _entropy(total),
        "angular_second_moment": float((p**2).sum()),
        "contrast": float((p * distance**2).sum()),
        "dissimilarity": float((p * distance).sum()),
        "inverse_difference": float((p / (1 + distance)).sum()),
        "inverse_difference_moment": float((p / (1 + distance**2)).sum()),
        "inverse_variance": float((p[distance > 0] / distance[distance > 0] ** 2).sum()),
        "correlation": float(((p * i * j).sum() - mean**2) / variance) if variance > 0 else 1.0,
        "autocorrelation": float((p * i * j).sum()),
        "cluster_tendency": float((p * (i + j - 2 * mean) ** 2).sum()),
        "cluster_shade": float((p * (i + j - 2 * mean) ** 3).sum()),
        "cluster_prominence": float((p * (i + j - 2 * mean) ** 4).sum()),
        "information_correlation_1": (joint - mixed) / alone if alone > 0 else 0.0,
        "information_correlation_2": float(np.sqrt(max(0.0, 1 - np.exp(-2 * (independent - joint))))),
    }


def _of_groups(matrix: Floats, voxels: int, word: str) -> dict[str, float]:
    """Features of counts by level (row 1, 2 ...) and length (column 1, 2 ...)."""
    level, length = np.nonzero(matrix)
    counts = matrix[level, length]
    return _of_listed(level + 1.0, length + 1.0, counts, voxels, word)


def _of_listed(level: Floats, length: Floats, counts: Floats, voxels: int, word: str) -> dict[str, float]:
    total = counts.sum()
    p = counts / total
    by_level, by_length = (np.bincount(key.astype(int), weights=counts) for key in (level, length))
    mean_level, mean_length = float(p @ level), float(p @ length)
    return {
        f"short_{word}": float(p @ length**-2.0),
        f"long_{word}": float(p @ length**2.0),
        "low_level": float(p @ level**-2.0),
        "high_level": float(p @ level**2.0),
        f"short_{word}_low_level": float(p @ (length * level) ** -2.0),
        f"short_{word}_high_level": float(p @ (level / length) ** 2.0),
        f"long_{word}_low_level": float(p @ (length / level) ** 2.0),
        f"long_{word}_high_level": float(p @ (length * level) ** 2.0),
        "level_nonuniformity": float((by_level**2).sum() / total),
        "level_nonuniformity_normalised": float((by_level**2).sum() / total**2),
        f"{word}_nonuniformity": float((by_length**2).sum() / total),
        f"{word}_nonuniformity_normalised": float((by_length**2).sum() / total**2),
        f"{word}_percentage": float(total / voxels),
        "level_variance": float(p @ (level - mean_level) ** 2),
        f"{word}_variance": float(p @ (length - mean_length) ** 2),
        f"{word}_entropy": _entropy(p),
    }
