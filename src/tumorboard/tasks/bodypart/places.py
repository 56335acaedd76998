"""Where in the body a lesion lies, and the same level in another exam: for retrieval and tracking."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tumorboard.core.bodypart import POINT, RELATIVE_LOCATION
from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.tasks.bodypart.rows import ScoredImage, scored_images

__all__ = ["centre_mm", "place_rows", "relative_locations", "same_level", "stated_locations"]

Place = tuple[float, float, float]


def stated_locations(cohort: Cohort) -> dict[str, Place]:
    """Finding -> [x, y, z] that the data themselves state (attribute ``relative_location``, as in DeepLesion)."""
    found = {}
    for row in cohort.rows("findings"):
        if RELATIVE_LOCATION in (row["attributes"] or ""):
            stated = json.loads(row["attributes"]).get(RELATIVE_LOCATION)
            if row["kind"] != POINT and stated is not None and np.isfinite(np.asarray(stated, float)).all():
                found[row["finding_id"]] = (float(stated[0]), float(stated[1]), float(stated[2]))
    return found


def relative_locations(cohort: Cohort, *, run_id: str) -> dict[str, Place]:
    """Finding -> (x, y, z) by the body-part scores of the run `run_id`, each 0 to 1.

    x from the patient's right to the left and y from front to back, in the box of the body in that slice; z the score,
    growing towards the feet, clipped to 0..1. Marked lesions (RECIST pairs) and boxes on a scored CT, or on a mask of
    one. The scale is that of the run: never mix it with that of another run or with DeepLesion's own. BDP105 when the
    run has no scores.
    """
    scored = scored_images(cohort, run_id)
    ct_of = {row["image_id"]: row["reference_image_id"] or row["image_id"] for row in cohort.rows("images")}
    found = {}
    for row in cohort.rows("findings"):
        image = scored.get(ct_of.get(row["image_id"], ""))
        at = centre_mm(row) if row["kind"] not in (POINT, "body part") else None
        if image is not None and at is not None:
            found[row["finding_id"]] = _place(image, at)
    return found


def centre_mm(finding: Mapping[str, Any]) -> Place | None:
    """Middle of a finding in RAS mm: mean of the ends of its axes, else of its box; None without either in 3-D."""
    points = finding["points_mm"] or ()
    if finding["kind"] == RECIST_PAIR and len(points) == 12:
        x, y, z = np.asarray(points, float).reshape(4, 3).mean(axis=0).tolist()
        return x, y, z
    box = finding["box"] or ()
    if len(box) == 6:
        x, y, z = np.asarray(box, float).reshape(2, 3).mean(axis=0).tolist()
        return x, y, z
    return None


def _place(image: ScoredImage, at_mm: Place) -> Place:
    z_mm = image.curve.z_mm
    right, left, front, back = image.box_mm[int(np.argmin(np.abs(z_mm - at_mm[2])))].tolist()
    x, y = (at_mm[0] - right) / (left - right), (at_mm[1] - front) / (back - front)
    inside = np.clip([x, y, float(image.curve.score_at(at_mm[2]))], 0, 1)
    return float(inside[0]), float(inside[1]), float(inside[2])


def same_level(of: ScoredImage, other: ScoredImage, z_mm: float) -> float | None:
    """z (RAS mm) in the CT `other` at the level of `z_mm` in the CT `of`; None where `other` does not show it.

    A start for a registration, not its end.
    """
    return other.curve.z_at(float(of.curve.score_at(z_mm)))


def place_rows(cohort: Cohort, places: Mapping[str, Place], *, run_id: str) -> list[dict[str, Any]]:
    """One POINT per marked lesion (RECIST pair) with its relative location: a prediction beside the expert's row."""
    rows = []
    for row in cohort.rows("findings", kind=RECIST_PAIR):
        at = centre_mm(row)
        if row["finding_id"] not in places or at is None:
            continue
        details = {"lesion": row["finding_id"], RELATIVE_LOCATION: [round(v, 5) for v in places[row["finding_id"]]]}
        rows.append(
            {
                "finding_id": f"{row['finding_id']}.{run_id}.place",
                "image_id": row["image_id"],
                "run_id": run_id,
                "kind": POINT,
                "label": f"place of {row['label'] or 'lesion'}",
                "points_mm": list(at),
                "attributes": json.dumps(details, sort_keys=True),
            }
        )
    return rows
