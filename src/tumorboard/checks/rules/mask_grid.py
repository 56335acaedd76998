"""Masks that lie on no image's grid."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.checks.image_statistics import grid
from tumorboard.core.errors import define

CODE = define(
    "IMG206",
    "A mask that lies on the grid of none of its exam's images",
    why="Its voxels are other places than the image's voxels of the same index; overlaid by index it is wrong.",
    fix="find the image it was drawn on, or resample it in physical space (nearest neighbour)",
)
EXAMPLE = "a mask of 512 x 512 x 120 beside a CT of 512 x 512 x 121"


def find(case: Case) -> Iterator[CheckFinding]:
    for _, rows in case.images_by_exam():
        images = [(row, g) for row in rows if row["role"] == "image" and (g := grid(row)) is not None]
        for row in rows:
            mask = grid(row)
            if row["role"] != "mask" or row["reference_image_id"] is not None or mask is None or not images:
                continue
            if any(mask.same_grid(g) for _, g in images):
                continue
            nearest, g = min(images, key=lambda one: abs(float(np.prod(one[1].shape)) - float(np.prod(mask.shape))))
            meets = mask.overlap_ml(g) > 0
            yield finding(
                CODE,
                "error",
                f"{row['patient_id']}: {row['image_id']}",
                found=f"{mask}" + ("" if meets else ", which does not even meet an image"),
                expected=f"the grid of an image, such as {nearest['image_id']}: {g}",
            )
