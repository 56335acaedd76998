"""Drawn bodies whose slices tell their depth in closed form: cheap to learn, with landmarks at known places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.bodypart import POINT
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import save_cohort

PLACES = {"skull base": 20.0, "top of lung": 120.0, "carina": 200.0, "upper liver edge": 260.0, "iliac crest": 400.0,
          "femoral head": 480.0}  # fmt: skip
"""mm below the top of a drawn body."""
TOTAL_MM = 560.0
SPACING_MM = 8.0
LIGHT: dict[str, Any] = {
    "edge": 32, "margin": 4, "pixel_mm": 12.0, "volumes": 4, "slices": 6, "steps": 60, "workers": 1,
    "warmup_steps": 5, "precision": "float32",
}  # fmt: skip


def body(
    *, top_mm: float = 0.0, length_mm: float = TOTAL_MM, step_mm: float = 10.0, seed: int = 0, z_top_mm: float = 100.0
) -> Volume:
    """An RAS volume of a body between `top_mm` and `top_mm + length_mm` below its top: an ellipse that widens, a bone
    that brightens towards the feet, air from the top of the lung to the upper liver edge."""
    random = np.random.default_rng(seed)
    count = int(length_mm / step_mm)
    depth = top_mm + (np.arange(count) + 0.5) * step_mm
    grid = (np.arange(44) - 21.5) * SPACING_MM
    x, y = np.meshgrid(grid, grid, indexing="ij")
    hu = np.full((44, 44, count), -1000.0)
    for k, d in enumerate(depth[::-1]):  # RAS: the last slice is the highest
        half = 80 + 60 * d / TOTAL_MM
        slice_ = hu[:, :, k]
        slice_[(x / half) ** 2 + (y / (0.7 * half)) ** 2 <= 1] = 40
        if PLACES["top of lung"] < d < PLACES["upper liver edge"]:
            slice_[((np.abs(x) - 45) / 28) ** 2 + (y / 40) ** 2 <= 1] = -850
        slice_[(x / 22) ** 2 + ((y + 35) / 22) ** 2 <= 1] = 100 + d
        slice_[(np.abs(y + 130) < 5) & (np.abs(x) < 150)] = 60  # a couch, apart from the body
    hu += random.normal(0, 12, hu.shape)
    affine = np.diag([SPACING_MM, SPACING_MM, step_mm, 1.0])
    affine[:3, 3] = [grid[0], grid[0], z_top_mm - (top_mm + length_mm) + step_mm / 2]
    return Volume(hu.astype(np.int16), affine, Unit.HU)


def z_of(depth_mm: float, *, z_top_mm: float = 100.0) -> float:
    """RAS z of a depth below the top of a drawn body."""
    return z_top_mm - depth_mm


def cohort_of(folder: Path, *, patients: int = 6, spoilt: bool = False) -> Cohort:
    """Patients with one CT each, stored in turn as RAS, LPS and LPI; landmarks of the run ``truth``; one marked lesion
    in the middle of each body at 300 mm. `spoilt`: the last one's pixels are in reverse order."""
    turns = ("RAS", "LPS", "LPI")
    tables: dict[str, list[dict[str, Any]]] = {"patients": [], "exams": [], "images": [], "findings": []}
    for number in range(patients):
        name = f"P{number}"
        volume = body(seed=number, top_mm=10.0 * number, length_mm=TOTAL_MM - 20 * number)
        if spoilt and number == patients - 1:
            volume = Volume(volume.array[:, :, ::-1].copy(), volume.affine, Unit.HU)
        path = folder / "images" / f"{name}.nii.gz"
        write_nifti(volume.reorient(turns[number % 3]), path)
        tables["patients"].append({"patient_id": name, "centre": "A"})
        tables["exams"].append({"exam_id": f"{name}.0", "patient_id": name, "order": 0, "kind": "CT"})
        tables["images"].append(
            describe_image(
                path, image_id=f"{name}.CT", exam_id=f"{name}.0", modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU
            )
        )
        for label, depth in PLACES.items():
            tables["findings"].append(
                {"finding_id": f"{name}.{label}", "image_id": f"{name}.CT", "run_id": "truth", "kind": POINT,
                 "label": label, "points_mm": [0.0, 0.0, z_of(depth)]}
            )  # fmt: skip
        z = z_of(300.0)
        tables["findings"].append(
            {"finding_id": f"{name}.lesion", "image_id": f"{name}.CT", "run_id": "expert", "kind": "RECIST pair",
             "label": "liver", "points_mm": [-20, 0, z, 20, 0, z, 0, -10, z, 0, 10, z]}
        )  # fmt: skip
    runs = [{"run_id": run, "task": "drawn", "kind": "truth"} for run in ("truth", "expert")]
    return save_cohort(Cohort.build("drawn bodies", root=folder, loader=load_image, runs=runs, **tables), folder)
