"""The field of view gives the mask away."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.blind_ellipsoid import leave_one_out, parameter_text
from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.checks.image_statistics import grid
from tumorboard.core.errors import define

CODE = define(
    "IMG213",
    "The field of view predicts place and size of the mask",
    why="Images that were cropped round the tumour teach a network the border of the image; scores on them, also of "
    "anomaly and slice-level methods, say little about whole scans.",
    fix="use the uncropped scans; else train on random cuts, score on cut sub-volumes, and print the image-blind "
    "ellipsoid beside every score",
)
EXAMPLE = "every volume is the tumour's bounding box plus 5 cm: an ellipsoid drawn without the image has a Dice of 0.70"
MIN_PATIENTS = 5
GIVEN_AWAY = 0.3
"""Mean leave-one-out Dice; a tumour anywhere in a whole-body or head-and-neck scan is hit with less than 0.1."""


def find(case: Case) -> Iterator[CheckFinding]:
    drawn: dict[str, tuple[dict, NDArray[np.float64], NDArray[np.float64] | None]] = {}
    for row in case.images:
        s = case.statistics.get(row["image_id"])
        if row["role"] == "mask" and s is not None and s.blind is not None:
            drawn.setdefault(row["patient_id"], (row, s.blind, s.blind_after_cut))
    if len(drawn) < MIN_PATIENTS:
        return
    dice, parameter = leave_one_out(np.stack([blind for _, blind, _ in drawn.values()]))
    if dice.mean() < GIVEN_AWAY:
        return
    found = (
        f"a mean Dice of {dice.mean():.2f} ({len(drawn)} patients, leave-one-out) of an ellipsoid "
        f"{parameter_text(parameter)}, drawn without looking at the images; {_margins(case, drawn)}"
    )
    cut = [after for _, _, after in drawn.values() if after is not None]
    if len(cut) >= MIN_PATIENTS:
        found += f"; still {leave_one_out(np.stack(cut))[0].mean():.2f} on the cut sub-volumes"
    yield finding(
        CODE, "warning", f"images, masks of {len(drawn)} patients", found=found, expected=f"less than {GIVEN_AWAY}"
    )


def _margins(case: Case, drawn: dict) -> str:
    """Distance from the masks' bounding boxes to the border of the field of view."""
    gaps = []
    for row, _, _ in drawn.values():
        g, s = grid(row), case.statistics[row["image_id"]]
        if g is None or s.box is None:
            continue
        low, high = np.array(s.box[0]), np.array(s.box[1])
        gaps += [*(low * g.spacing_mm), *((np.array(g.shape) - 1 - high) * g.spacing_mm)]
    quarter, median, three = np.percentile(gaps, [25, 50, 75])
    return f"masks end {median:.0f} mm (middle half {quarter:.0f} to {three:.0f}) from the border"
