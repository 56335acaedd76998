"""Predictions as rows of the cohort's tables (docs/adr/0126), and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.bodypart import BODY_PART, POINT, REGIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks import result
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.answer import Answer
from tumorboard.tasks.bodypart.curve import DepthCurve

__all__ = ["ScoredImage", "answer_rows", "run_row", "scored_images"]


@dataclass(frozen=True, eq=False)
class ScoredImage:
    """The scores of one CT as a run wrote them; `box_mm` (n, 4) as in `BodySlices`; `regions` one per slice or None."""

    curve: DepthCurve
    box_mm: NDArray[np.float64]
    regions: tuple[str, ...] | None
    flags: tuple[str, ...]


def answer_rows(image_id: str, found: Answer, box_mm: NDArray[np.float64], *, run_id: str) -> list[dict[str, Any]]:
    """One row of kind BODY_PART for the volume, and one POINT for each landmark in it.

    The volume's row: `points_mm` the middle of the body in each scored slice, head first; `attributes` the scores,
    the body's boxes, the regions' runs of slices and the flags; `measurements` the order and the spacing ratio.
    """
    curve, check = found.curve, found.check
    middle = np.column_stack([box_mm[:, :2].mean(axis=1), box_mm[:, 2:].mean(axis=1), curve.z_mm])
    shown = [] if found.regions is None else [name for name in REGIONS if name in found.regions]
    measured = {"score_top": float(curve.score[0]), "score_feet": float(curve.score[-1])}
    measured |= {} if check.order is None else {"order": check.order}
    measured |= {} if check.spacing_ratio is None else {"spacing_ratio": check.spacing_ratio}
    details = {
        "score": curve.score.round(5).tolist(),
        "body_mm": box_mm.round(1).tolist(),
        "regions": None if found.regions is None else [found.regions.count(name) for name in REGIONS],
        "region_of": None if found.regions is None else [REGIONS.index(name) for name in found.regions],
        "flags": list(check.flags),
    }
    volume = {
        "finding_id": f"{image_id}.{run_id}.{BODY_PART}",
        "image_id": image_id,
        "run_id": run_id,
        "kind": BODY_PART,
        "label": ", ".join(shown) or None,
        "points_mm": middle.round(3).ravel().tolist(),
        "measurements": measured,
        "attributes": json.dumps(details, sort_keys=True),
    }
    rows = [volume]
    for name, z_mm in found.landmarks.items():
        x, y = (float(np.interp(z_mm, curve.z_mm[::-1], middle[::-1, axis])) for axis in (0, 1))
        rows.append(
            {
                "finding_id": f"{image_id}.{run_id}.{name}",
                "image_id": image_id,
                "run_id": run_id,
                "kind": POINT,
                "label": name,
                "points_mm": [round(x, 3), round(y, 3), round(z_mm, 3)],
            }
        )
    return rows


def scored_images(cohort: Cohort, run_id: str) -> dict[str, ScoredImage]:
    """Image -> scores of a run. BDP105 when the run has none."""
    found = {}
    for row in cohort.rows("findings", kind=BODY_PART, run_id=run_id):
        details = json.loads(row["attributes"])
        z_mm = np.asarray(row["points_mm"], float).reshape(-1, 3)[:, 2]
        curve = DepthCurve(z_mm, np.asarray(details["score"], float))
        numbers = details["region_of"]
        regions = None if numbers is None else tuple(REGIONS[number] for number in numbers)
        found[row["image_id"]] = ScoredImage(
            curve, np.asarray(details["body_mm"], float), regions, tuple(details["flags"])
        )
    if not found:
        raise TumorboardError(
            codes.NO_SCORES, cohort.name, found=f"no body-part scores of {run_id!r}", expected="a run that has them"
        )
    return found


run_row = partial(result.run_row, task="bodypart")
"""A row of `runs`, see `tasks.result.run_row`."""
