"""Affines that look left over from another file."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.checks.image_statistics import grid
from tumorboard.core.errors import define
from tumorboard.core.geometry import Geometry

CODE = define(
    "IMG209",
    "An affine that is sheared, a default, or left over from the uncropped image",
    why="A crop that keeps the origin of the whole scan lies centimetres from where it was in the patient.",
    fix="go back to the original; crop with a tool that moves the origin with the crop",
)
EXAMPLE = "two images of one exam with the same origin and spacing but 82 slices less in one; spacing 1, origin 0"


def find(case: Case) -> Iterator[CheckFinding]:
    for _, rows in case.images_by_exam():
        placed = [row for row in rows if case.option(row, "frame") != "series"]  # no patient frame was published
        grids = [(row, g) for row in placed if (g := grid(row)) is not None]
        for row, g in grids:
            where = f"{row['patient_id']}: {row['image_id']}"
            if not g.is_orthogonal:
                yield finding(
                    CODE, "warning", where, found="axes that are not at right angles", expected="right angles"
                )
            elif _default(g):
                found = "spacing 1 mm, origin 0 and no rotation, as programs write when they know nothing"
                yield finding(CODE, "warning", where, found=found, expected="the scanner's affine")
        yield from _left_over(grids)


def _default(g: Geometry) -> bool:
    return bool(np.array_equal(np.abs(g.affine[:3, :3]), np.eye(3)) and not g.affine[:3, 3].any())


def _left_over(grids: list[tuple[dict, Geometry]]) -> Iterator[CheckFinding]:
    for i, (row, g) in enumerate(grids):
        for other, h in grids[i + 1 :]:
            if g.shape == h.shape or not np.allclose(g.affine, h.affine, atol=1e-4):
                continue
            small, large = (row, other) if np.prod(g.shape) < np.prod(h.shape) else (other, row)
            yield finding(
                CODE,
                "warning",
                f"{small['patient_id']}: {small['image_id']}",
                found=f"the origin and spacing of {large['image_id']} with another size "
                f"({tuple(small['shape'])} and {tuple(large['shape'])})",
                expected="an origin that moved with the crop",
            )
