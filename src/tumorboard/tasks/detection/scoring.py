"""Marked lesions and predicted boxes as the arrays that `metrics.detection` compares, in voxels of each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.metrics.detection import Boxes, DetectionRules, Froc, Matched, froc, froc_curve, match_boxes
from tumorboard.metrics.intervals import Interval, bootstrap_ratio
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.cases import Case, Lesion
from tumorboard.tasks.result import score_row

__all__ = ["Arranged", "arrange", "index_boxes", "score_rows", "score_sizes"]

Floats = NDArray[np.float64]
_SIZES_MM = (10.0, 20.0, 40.0)
"""Longest edge of the box between classes of size."""
_NEAR = 0.25
"""Slices by which a box may miss the plane of a slice and still lie on it."""


@dataclass(frozen=True)
class Arranged:
    """Both sides of a comparison. A unit is a volume, or a slice of one (its name in `units`): what false boxes are
    counted per. `lesions` and `rows` say what the reference and predicted boxes are; `patients` name those that
    numbers stand for."""

    reference: Boxes
    prediction: Boxes
    owner: NDArray[np.int64]
    units: tuple[str, ...]
    patients: tuple[str, ...]
    lesions: tuple[Lesion, ...]
    rows: tuple[Mapping[str, Any], ...]

    def match(self, rules: DetectionRules) -> Matched:
        return match_boxes(self.reference, self.prediction, patients=self.owner, rules=rules)


def arrange(cases: Sequence[Case], rows: Sequence[Mapping[str, Any]], *, rules: DetectionRules) -> Arranged:
    """Lesions of `cases` and predicted `rows` of findings, in voxels.

    In 3-D every case is a unit, with lesions or without. In 2-D the units are the key slices, and a box counts on
    those that it reaches. DET105 for an image without a grid where one is needed (2-D, or inclusive pixels).
    """
    by_image: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_image.setdefault(row["image_id"], []).append(row)
    patients = {name: number for number, name in enumerate(sorted({case.patient_id for case in cases}))}
    flat = rules.dimensions == 2
    units: list[str] = []
    owner: list[int] = []
    truths: list[Floats] = []
    guesses: list[Floats] = []
    lesions: list[Lesion] = []
    kept: list[Mapping[str, Any]] = []
    t_unit: list[int] = []
    p_unit: list[int] = []
    for case in sorted(cases, key=lambda one: one.image_id):
        if case.geometry is None and (flat or rules.inclusive):
            raise TumorboardError(codes.NO_GRID, case.image_id, found="no grid", expected="shape and affine")
        grid = _upright(case.geometry)
        mine = [x for x in case.lesions if rules.noisy == "keep" or not x.noisy]
        if not mine and rules.unmarked == "leave out":
            continue
        listed = by_image.get(case.image_id, [])
        truth = index_boxes([x.box_mm for x in mine], grid)
        guess = index_boxes([row["box"] for row in listed], grid)
        levels = np.array(_key_slices(mine, grid) if flat else [0] * len(mine), int)
        for level in np.unique(levels).tolist() if flat else [0]:
            own = np.flatnonzero(levels == level)
            near = (
                (guess[:, 2] - _NEAR <= level) & (level <= guess[:, 5] + _NEAR) if flat else np.ones(len(guess), bool)
            )
            here = np.flatnonzero(near)
            truths.append(truth[own])
            guesses.append(guess[here])
            lesions += [mine[index] for index in own.tolist()]
            kept += [listed[index] for index in here.tolist()]
            t_unit += [len(units)] * len(own)
            p_unit += [len(units)] * len(here)
            units.append(f"{case.image_id} slice {level}" if flat else case.image_id)
            owner.append(patients[case.patient_id])
    axes = [0, 1, 3, 4] if flat else list(range(6))
    d = rules.dimensions
    empty = np.empty((0, 6))
    reference = Boxes.of(t_unit, np.concatenate([empty, *truths])[:, axes], dimensions=d)
    scores = [row["score"] for row in kept]
    prediction = Boxes.of(p_unit, np.concatenate([empty, *guesses])[:, axes], scores, dimensions=d)
    return Arranged(
        reference, prediction, np.array(owner, np.int64), tuple(units), tuple(patients), tuple(lesions), tuple(kept)
    )


def index_boxes(boxes_mm: Sequence[Sequence[float]], geometry: Geometry | None) -> Floats:
    """Boxes (n, 6) in RAS mm as boxes in voxels of a grid (in mm without one), rounded to a millionth so that pixels
    that went through millimetres are whole again."""
    boxes = np.asarray(boxes_mm, float).reshape(-1, 6)
    if geometry is None or not len(boxes):
        return boxes
    picks = np.array(np.meshgrid([0, 3], [1, 4], [2, 5], indexing="ij")).reshape(3, -1).T
    corners = geometry.to_index(boxes[:, picks])
    return np.round(np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1), 6)


def _upright(geometry: Geometry | None) -> Geometry | None:
    """The grid with its axes in the order x, y, z, so that the third counts slices."""
    return None if geometry is None else geometry.permute(geometry.reorientation("RAS")[0])


def _key_slices(lesions: Sequence[Lesion], geometry: Geometry | None) -> list[int]:
    assert geometry is not None
    points = [[(x.box_mm[0] + x.box_mm[3]) / 2, (x.box_mm[1] + x.box_mm[4]) / 2, x.key_z_mm] for x in lesions]
    return [round(k) for k in geometry.to_index(np.reshape(points, (-1, 3)))[:, 2].tolist()]


def score_rows(
    arranged: Arranged, rules: DetectionRules, *, run: str, seed: int, subset: str = "all"
) -> list[dict[str, Any]]:
    """Sensitivity at each rate and their mean, with intervals over patients; `n` is the number of patients."""
    result = froc(arranged.match(rules), rules=rules, seed=seed)
    unit = "slice" if rules.dimensions == 2 else "volume"
    rows = [
        _row(run, "froc_sensitivity", f"{rate:g} FP/{unit}", subset, value, result)
        for rate, value in zip(result.rates, result.sensitivity, strict=True)
    ]
    return [_row(run, "froc_mean_sensitivity", rules.criterion, subset, result.mean, result), *rows]


def score_sizes(arranged: Arranged, rules: DetectionRules, *, run: str, rate: float, seed: int) -> list[dict[str, Any]]:
    """Sensitivity by size of the lesion (longest edge of its box), at the score that gives `rate` false boxes per unit
    over all; intervals over patients at that score, `n` lesions."""
    matched = arranged.match(rules)
    curve = froc_curve(matched)
    least = curve.threshold[np.flatnonzero(curve.fp_per_image <= rate)[-1]]
    found = matched.found_at >= least
    edge_mm = np.array([max(np.subtract(x.box_mm[3:], x.box_mm[:3])) for x in arranged.lesions])
    patient = arranged.owner[arranged.reference.image]
    unit = "slice" if rules.dimensions == 2 else "volume"
    rows = []
    for low_mm, high_mm in pairwise((0.0, *_SIZES_MM, np.inf)):
        mine = (edge_mm >= low_mm) & (edge_mm < high_mm)
        if mine.any():
            of = np.unique(patient[mine]).tolist()
            hits = [int(found[mine & (patient == one)].sum()) for one in of]
            interval = bootstrap_ratio(hits, [int((mine & (patient == one)).sum()) for one in of], seed=seed)
            words = f"lesions from {low_mm:g} mm" if high_mm == np.inf else f"lesions of {low_mm:g} to {high_mm:g} mm"
            rows.append(
                score_row(
                    run,
                    task="detection",
                    metric="froc_sensitivity",
                    label=f"{rate:g} FP/{unit}",
                    subset=words,
                    interval=interval,
                    n=int(mine.sum()),
                )
            )
    return rows


def _row(run: str, metric: str, label: str, subset: str, value: Interval, result: Froc) -> dict[str, Any]:
    return score_row(
        run, task="detection", metric=metric, label=label, subset=subset, interval=value, n=result.patients
    )
