"""Masks that seem to lie elsewhere than the tumour."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG215",
    "A mask that lies in air, or fits the PET better when it is mirrored",
    why="A mask whose voxels were stored backwards (or shifted) has the right grid and the wrong place; only the image "
    "under it shows that.",
    fix="overlay mask and image; correct the order of the mask's voxels, not its affine",
)
EXAMPLE = "a tumour mask with 80 % air on CT; SUV 1.1 inside as stored and 7.9 with head and feet exchanged"
MOST_AIR = 0.5
SOME_AIR = 0.1
USUAL_AIR = 0.02
"""Of the cohort's masks; tumours of the lung or larynx hold air, and then some air says nothing."""
TIMES = 1.5
"""How much hotter the mirrored place must be, together with the air."""
_AXES = {"R": "left and right", "L": "left and right", "A": "front and back", "P": "front and back"}


def find(case: Case) -> Iterator[CheckFinding]:
    seen = [
        (row, s.uptake)
        for row in case.images
        if (s := case.statistics.get(row["image_id"])) is not None and s.uptake is not None
    ]
    usual = float(np.median([uptake.air for _, uptake in seen])) if seen else 1.0
    for row, uptake in seen:
        turned = uptake.mirrored_mean
        best = max(turned, key=lambda axis: turned[axis], default="")
        hotter = best != "" and turned[best] > TIMES * uptake.inside_mean
        odd = len(seen) > 2 and usual <= USUAL_AIR and uptake.air >= SOME_AIR and hotter
        if uptake.air < MOST_AIR and not odd:
            continue
        found = f"{uptake.air:.0%} air on CT inside the mask (usually {usual:.0%})"
        if hotter:
            sides = _AXES.get(best, "head and feet")
            found += (
                f"; a mean of {uptake.inside_mean:.2f} {row['unit']} inside, {turned[best]:.2f} with {sides} exchanged"
            )
        where = f"{row['patient_id']}: {row['image_id']}"
        yield finding(CODE, "warning", where, found=found, expected="tissue with the tumour in it")
