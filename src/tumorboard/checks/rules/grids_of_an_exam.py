"""CT and PET of one exam on different grids, or in different places."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.checks.image_statistics import grid
from tumorboard.core.errors import define
from tumorboard.core.geometry import Geometry

CODE = define(
    "IMG204",
    "CT and PET of one exam on different grids or in different places",
    why="Different grids are usual: resample in physical space. Images that do not meet show another place.",
    fix="resample by the affine, never by index; where they do not overlap, go back to the original or register",
)
EXAMPLE = "CT at 0.98 mm and PET at 4.07 mm (information); a PET that ends above the CT (error)"
MOST_OUTSIDE = 0.5


def find(case: Case) -> Iterator[CheckFinding]:
    for exam, rows in case.images_by_exam():
        cts = [row for row in rows if row["modality"] == "CT" and row["role"] == "image"]
        pets = [row for row in rows if row["modality"] == "PT" and row["role"] == "image"]
        if not cts or not pets:
            continue
        ct, pet = grid(cts[0]), grid(pets[0])
        if ct is None or pet is None or ct.same_grid(pet):
            continue
        smaller = min(float(np.prod(g.extent_mm)) / 1000 for g in (ct, pet))
        shared = min(1.0, ct.overlap_ml(pet) / smaller)
        where = f"{exam}: {cts[0]['image_id']}, {pets[0]['image_id']}"
        found = f"CT {_text(ct)} and PET {_text(pet)}"
        if shared < 0.01:
            yield finding(CODE, "error", where, found=f"{found} without overlap", expected="one place in the patient")
        elif shared < 1 - MOST_OUTSIDE:
            found += f", sharing {shared:.0%} of the smaller field of view"
            yield finding(CODE, "warning", where, found=found, expected="one field of view")
        else:
            shift = float(np.abs(np.array(ct.bounds_mm()) - np.array(pet.bounds_mm())).max())
            found += f" (different grids; borders up to {shift:.1f} mm apart)"
            yield finding(CODE, "info", where, found=found, expected="resampling in physical space before use")


def _text(geometry: Geometry) -> str:
    size = " x ".join(str(n) for n in geometry.shape)
    return f"{size} of {' x '.join(f'{s:.3g}' for s in geometry.spacing_mm)} mm"
