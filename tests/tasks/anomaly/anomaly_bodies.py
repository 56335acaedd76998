"""Small bodies with a warm organ that CT shows, a hot lesion that it does not, and cohorts of them on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import ndimage

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.anomaly.exam import Case, Exam, body_of

CT_GRID = Geometry.from_lps((72, 60, 36), spacing_mm=(2, 2, 3), origin_mm=(-71, -59, -52))
PET_GRID = Geometry.from_lps((35, 29, 27), spacing_mm=(4.2, 4.3, 4.1), origin_mm=(-72.3, -59.6, -53.2))
LIGHT = {
    "folds": 3,
    "steps": 12,
    "batch": 4,
    "patch_voxels": 32,
    "widths": (4, 6, 8, 8),
    "calibration_patients": 1,
    "threshold_patients": 2,
    "checkpoint_every": 5,
    "warmup_steps": 2,
}
CUT = [[3, 2], [1, 4], [2, 1]]


def places(grid: Geometry) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    return grid.to_world(index)


def ball(grid: Geometry, centre_mm: tuple[float, float, float], radius_mm: float) -> np.ndarray:
    return np.linalg.norm(places(grid) - np.array(centre_mm), axis=-1) <= radius_mm


def volumes(number: int, *, lesion: bool = True) -> dict[str, Volume]:
    """A cylinder of muscle with an organ (dense, warm) on its right, and a lesion above SUV 5 that CT does not show."""
    random = np.random.default_rng(number)
    at = (float(random.uniform(-20, 0)), float(random.uniform(-15, 15)), float(random.uniform(-25, 25)))
    made = {}
    for name, grid in (("CT", CT_GRID), ("PT", PET_GRID)):
        where = places(grid)
        body = np.hypot(where[..., 0], where[..., 1] * 1.2) < 52
        organ = ball(grid, (28, 0, 0), 14)
        if name == "CT":
            array = np.where(body, np.where(organ, 90.0, 40.0), -1000.0) + random.normal(0, 8, grid.shape)
        else:
            hot = ball(grid, at, 9) if lesion else np.zeros(grid.shape, bool)
            array = np.where(body, np.where(organ, 4.0, 0.8), 0.02) + np.where(hot, 6.0, 0.0)
            array = ndimage.gaussian_filter(array, 0.7) + random.normal(0, 0.05, grid.shape)
            array = np.maximum(array, 0)
        made[name] = Volume(array.astype(np.float32), grid.affine, Unit.HU if name == "CT" else Unit.SUVBW)
    mask = ball(CT_GRID, at, 9) if lesion else np.zeros(CT_GRID.shape, bool)
    made["mask"] = Volume(mask.astype(np.uint8), CT_GRID.affine, Unit.LABEL)
    return made


def cohort_of(
    folder: Path, patients: dict[str, dict[str, Volume]] | None = None, *, cut: bool = False, name: str = "bodies"
) -> Cohort:
    """Write the volumes of each patient (default six) and describe them."""
    patients = patients or {f"P{n}": volumes(n, lesion=n != 5) for n in range(6)}
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for patient, parts in patients.items():
        for kind, volume in parts.items():
            path = folder / f"{patient}.0.{kind}.nii.gz"
            write_nifti(volume, path)
            mask = kind == "mask"
            rows.append(
                describe_image(
                    path,
                    image_id=f"{patient}.0.{kind}",
                    exam_id=f"{patient}.0",
                    modality=Modality.SEG if mask else Modality(kind),
                    role=Role.MASK if mask else Role.IMAGE,
                    unit=volume.unit,
                    run_id="expert" if mask else None,
                    reference_image_id=f"{patient}.0.CT" if mask else None,
                    labels={1: "GTV"} if mask else None,
                    options={"evaluation_cut": CUT} if cut and kind == "CT" else None,
                )
            )
    return Cohort.build(
        name,
        loader=load_image,
        patients=[{"patient_id": p, "centre": "A"} for p in patients],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0, "kind": "PET/CT"} for p in patients],
        images=rows,
    )


def exam_of(
    suv: np.ndarray,
    hu: np.ndarray | None = None,
    lesion: np.ndarray | None = None,
    *,
    spacing_mm: tuple[float, float, float] = (4.0, 4.0, 4.0),
    liver: np.ndarray | None = None,
) -> Exam:
    """An exam of arrays alone; without a CT a block of soft tissue that leaves a rim of air."""
    if hu is None:
        hu = np.full(suv.shape, -1000.0, np.float32)
        hu[2:-2, 2:-2] = 40.0
    grid = Geometry(suv.shape, np.diag([*spacing_mm, 1.0]))
    case = Case("P.0", "P", None, "ct", "pet", "mask", None, None)
    i, j, k = (slice(0, n) for n in suv.shape)
    body = body_of(hu, spacing_mm)
    return Exam(case, suv.astype(np.float32), hu.astype(np.float32), body, lesion, liver, grid, (i, j, k))
