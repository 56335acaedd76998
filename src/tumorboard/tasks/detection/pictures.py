"""Pictures of a benchmark: curves of all runs, and lesions that the detector found and missed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.io.files import atomic_file
from tumorboard.metrics.detection import DetectionRules, froc_curve
from tumorboard.tasks.detection.cases import Case
from tumorboard.tasks.detection.figures import Tile, froc_figure, gallery
from tumorboard.tasks.detection.prepare import Look
from tumorboard.tasks.detection.sampling import channels_of_volume
from tumorboard.tasks.detection.scoring import Arranged, index_boxes
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_pictures"]

_HALF_MM = 90.0
_AT = 1.0
"""False boxes per volume at which the gallery is drawn."""


def draw_pictures(
    runs: Mapping[str, Arranged],
    cases: Sequence[Case],
    look_at: Callable[[Case], Look],
    folder: Path,
    *,
    shown: str,
    rules: DetectionRules,
    seed: int,
    tiles: int,
) -> tuple[Picture, ...]:
    """Write the curves of `runs` and the gallery of the run `shown` as PNG below `folder`."""
    matched = {name: arranged.match(rules) for name, arranged in runs.items()}
    curves = folder / "froc.png"
    _save(froc_figure(matched, rules=rules, seed=seed, unit="volume"), curves)
    means = ", ".join(f"{name} {_found_at(m, _AT):.0%}" for name, m in matched.items())
    alt = f"Lesions found against false boxes per volume. At one false box per volume: {means}."
    pictures = [Picture(curves, "Lesions found against false boxes", alt)]
    if tiles and len(runs[shown].lesions):
        path = folder / "found-and-missed.png"
        found, missed, threshold = _tiles(runs[shown], cases, look_at, rules=rules, seed=seed, count=tiles)
        _save(gallery(found, missed), path)
        alt = (
            f"Axial slices with marked lesions and boxes of {shown} with a score from {threshold:.2f} (one false box "
            f"per volume): {len(found)} that were found, {len(missed)} that were missed."
        )
        pictures.append(Picture(path, "Lesions found and missed", alt))
    return tuple(pictures)


def _found_at(matched: Any, rate: float) -> float:
    curve = froc_curve(matched)
    return float(curve.sensitivity[curve.fp_per_image <= rate][-1])


def _tiles(
    arranged: Arranged,
    cases: Sequence[Case],
    look_at: Callable[[Case], Look],
    *,
    rules: DetectionRules,
    seed: int,
    count: int,
) -> tuple[list[Tile], list[Tile], float]:
    """Lesions drawn by chance among those found, and among those missed, at one false box per volume."""
    matched = arranged.match(rules)
    curve = froc_curve(matched)
    threshold = float(curve.threshold[curve.fp_per_image <= _AT][-1])
    random = np.random.default_rng(seed)
    hit = matched.found_at >= threshold
    picked = [random.permutation(np.flatnonzero(mine))[: -(-count // 2)].tolist() for mine in (hit, ~hit)]
    by_image = {case.image_id: case for case in cases}
    boxes: dict[str, list[Mapping[str, Any]]] = {}
    for row in arranged.rows:
        if row["score"] >= threshold:
            boxes.setdefault(row["image_id"], []).append(row)
    made: list[list[Tile]] = []
    for indices in picked:
        made.append([])
        for index in indices:
            case = by_image[arranged.units[int(arranged.reference.image[index])]]
            made[-1].append(_tile(look_at(case), arranged.lesions[index].box_mm, boxes.get(case.image_id, [])))
    return made[0], made[1], threshold


def _tile(look: Look, box_mm: Sequence[float], rows: Sequence[Mapping[str, Any]]) -> Tile:
    box = index_boxes([box_mm], look.geometry)[0]
    middle = (box[:3] + box[3:]) / 2
    k = int(np.clip(np.rint(middle[2]), 0, look.hu.shape[2] - 1))
    spacing = look.geometry.spacing_mm
    half = _HALF_MM / spacing[:2]
    low = np.clip(np.rint(middle[:2] - half), 0, np.array(look.hu.shape[:2]) - 1).astype(int)
    high = np.clip(np.rint(middle[:2] + half), low + 1, look.hu.shape[:2]).astype(int)
    part = np.asarray(look.hu[low[0] : high[0], low[1] : high[1], k])
    predicted = index_boxes([row["box"] for row in rows], look.geometry)
    scores = np.array([row["score"] for row in rows], float)
    here = (predicted[:, 2] <= k + 0.5) & (predicted[:, 5] >= k - 0.5)
    longest = float((np.array(box_mm[3:]) - box_mm[:3]).max())
    window = (-1000.0, 200.0) if _in_lung(look, middle, k) else (-160.0, 240.0)
    return Tile(
        channels_of_volume(part, [window])[0],
        (float(spacing[0]), float(spacing[1])),
        _flat(box[None], low),
        _flat(predicted[here], low),
        scores[here],
        f"{longest:.0f} mm",
    )


def _in_lung(look: Look, middle: NDArray[np.float64], k: int) -> bool:
    """Whether much of the 50 mm round a place is air."""
    half = (25 / look.geometry.spacing_mm[:2]).astype(int)
    i, j = (int(v) for v in np.clip(middle[:2], 0, None))
    near = look.hu[max(i - half[0], 0) : i + half[0], max(j - half[1], 0) : j + half[1], k]
    return bool(near.size) and float(np.mean(np.asarray(near) < -500)) > 0.3


def _flat(boxes: NDArray[np.float64], low: NDArray[np.int64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = boxes[:, [0, 1, 3, 4]] - np.tile(low, 2)
    return found


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=130, facecolor=figure.get_facecolor())
