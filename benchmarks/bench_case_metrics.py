"""Case metrics of label maps against MONAI (voxel borders) and surface-distance (surface elements).

One process, one machine, equal values asserted. Two synthetic cases: HN, 200^3 with 4 blobs, and WB, 400x400x600
with 40 blobs, two labels each. Ours is all of `score_case` (Dice, volumes, NSD, HD95, HD100, ASSD, lesion F1,
FPV, FNV); the peers' time is that of the figures they have: MONAI one-hot of both maps, Dice, HD95, NSD, ASSD;
surface-distance HD95, NSD, ASSD. Compilation by numba is done before and not counted.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.case import score_case
from tumorboard.metrics.surface import SURFACE_ELEMENTS, VOXEL_BORDERS

CASES = {
    "HN": {"shape": (200, 200, 200), "blobs": 4, "radius": (12, 25), "repeat": 3, "goal": {"monai": 30, "surface": 3}},
    "WB": {"shape": (400, 400, 600), "blobs": 40, "radius": (5, 18), "repeat": 1, "goal": {"monai": 30, "surface": 10}},
}
SPACING_MM = (1.0, 1.0, 1.0)
TOLERANCE_MM = 2.0
LABELS = {1: "primary", 2: "node"}
Masks = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def make_case(shape: tuple[int, int, int], *, blobs: int, radius: tuple[float, float], seed: int = 0) -> Masks:
    """Ellipsoids of two labels, and a prediction with moved and scaled ones."""
    rng = np.random.default_rng(seed)
    masks = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    for blob in range(blobs):
        centre, axes = rng.uniform(0.15, 0.85, 3) * shape, rng.uniform(*radius, 3)
        moved, scaled = centre + rng.normal(0, 2, 3), axes * rng.uniform(0.8, 1.2, 3)
        for mask, middle, half in ((masks[0], centre, axes), (masks[1], moved, scaled)):
            low = np.maximum((middle - half - 1).astype(int), 0)
            high = np.minimum((middle + half + 2).astype(int), shape)
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            grid = np.ogrid[box]
            inside = sum(((x - m) / h) ** 2 for x, m, h in zip(grid, middle, half, strict=True)) <= 1
            mask[box][inside] = 1 + blob % 2
    return masks


def ours(masks: Masks, definition: str) -> dict[str, float]:
    rows = score_case(*masks, spacing_mm=SPACING_MM, labels=LABELS, definition=definition, tolerance_mm=TOLERANCE_MM)
    return {f"{row['metric']} {row['label']}": row["value"] for row in rows}


def by_monai(masks: Masks) -> dict[str, float]:
    import torch
    from monai import metrics
    from monai.networks.utils import one_hot

    classes = len(LABELS) + 1
    reference, prediction = (one_hot(torch.from_numpy(mask)[None, None].long(), classes) for mask in masks)
    pair = {"y_pred": prediction, "y": reference}
    figures = {
        "dice": metrics.compute_dice(**pair, include_background=False),
        "hd95_mm": metrics.compute_hausdorff_distance(**pair, percentile=95, spacing=SPACING_MM),
        "nsd_2mm": metrics.compute_surface_dice(
            **pair, class_thresholds=[TOLERANCE_MM] * len(LABELS), spacing=SPACING_MM
        ),
        "assd_mm": metrics.compute_average_surface_distance(**pair, symmetric=True, spacing=SPACING_MM),
    }
    return {
        name_of(metric, VOXEL_BORDERS, label): float(values[0, place])
        for metric, values in figures.items()
        for place, label in enumerate(LABELS.values())
    }


def by_surface_distance(masks: Masks) -> dict[str, float]:
    import surface_distance as peer

    figures = {}
    for value, label in LABELS.items():
        found = peer.compute_surface_distances(masks[0] == value, masks[1] == value, SPACING_MM)
        areas = [found["surfel_areas_gt"].sum(), found["surfel_areas_pred"].sum()]
        figures |= {
            name_of("hd95_mm", SURFACE_ELEMENTS, label): peer.compute_robust_hausdorff(found, 95),
            name_of("nsd_2mm", SURFACE_ELEMENTS, label): peer.compute_surface_dice_at_tolerance(found, TOLERANCE_MM),
            name_of("assd_mm", SURFACE_ELEMENTS, label): np.average(
                peer.compute_average_surface_distance(found), weights=areas
            ),
        }
    return figures


def name_of(metric: str, definition: str, label: str) -> str:
    return f"{metric} {label}" if metric == "dice" else f"{metric} ({definition}) {label}"


def seconds(work: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """Median time of `repeat` runs, and the last result."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return statistics.median(times), result


def compare(case: str, masks: Masks, peer: str, repeat: int, goal: int) -> dict[str, Any]:
    definition, work = {
        "MONAI": (VOXEL_BORDERS, by_monai),
        "surface-distance": (SURFACE_ELEMENTS, by_surface_distance),
    }[peer]
    ours(masks, definition)
    before, figures = seconds(lambda: ours(masks, definition), 5)
    peer_s, expected = seconds(lambda: work(masks), repeat)
    after, _ = seconds(lambda: ours(masks, definition), 5)
    for name, value in expected.items():
        assert math.isclose(figures[name], value, rel_tol=1e-5), (name, figures[name], value)
    ours_s = (before + after) / 2  # measured on both sides of the peer: a shared machine drifts
    return {
        "name": f"case metrics, {case}, {definition}",
        "ours_s": ours_s,
        "peer": peer,
        "peer_s": peer_s,
        "ratio": ours_s / peer_s,
        "goal": 1 / goal,
        "note": f"{len(expected)} figures equal within 1e-5; peer n={repeat}; ours also lesions and volumes",
    }


def main(cases: tuple[str, ...] = tuple(CASES)) -> list[dict[str, Any]]:
    """Run the comparison; rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        by_monai(make_case((40, 40, 40), blobs=2, radius=(5, 8)))  # imports are not the peers' work
        for case in cases:
            facts = CASES[case]
            masks = make_case(facts["shape"], blobs=facts["blobs"], radius=facts["radius"])
            rows.append(compare(case, masks, "surface-distance", facts["repeat"], facts["goal"]["surface"]))
            rows.append(compare(case, masks, "MONAI", facts["repeat"], facts["goal"]["monai"]))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", help="HN, WB; both when none is named")
    print(json.dumps(main(tuple(parser.parse_args().cases or CASES)), indent=1))
