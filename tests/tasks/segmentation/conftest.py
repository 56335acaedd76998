"""A small cohort of spheres: CT and PET on different grids, one lesion per patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.segmentation.config import SegmentationConfig

CT_GRID = Geometry.from_lps((40, 38, 20), spacing_mm=(2, 2, 4), origin_mm=(-40, -38, -40))
PET_GRID = Geometry.from_lps((21, 20, 19), spacing_mm=(4.1, 4.1, 4.3), origin_mm=(-41.3, -38.7, -40.9))
CUT = [[3, 2], [1, 4], [2, 1]]


def inside(grid: Geometry, centre_mm: np.ndarray, radius_mm: float) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    return np.linalg.norm(grid.to_world(index) - centre_mm, axis=-1) <= radius_mm


def patient_volumes(number: int) -> dict[str, Volume]:
    random = np.random.default_rng(number)
    centre_mm, radius_mm = random.uniform(-8, 8, 3), random.uniform(11, 14)
    ct = np.where(inside(CT_GRID, centre_mm, radius_mm), 60.0, -40.0) + random.normal(0, 10, CT_GRID.shape)
    suv = np.where(inside(PET_GRID, centre_mm, radius_mm), 8.0, 1.0) + random.normal(0, 0.2, PET_GRID.shape)
    mask = inside(CT_GRID, centre_mm, radius_mm).astype(np.uint8)
    return {
        "CT": Volume(ct.astype(np.float32), CT_GRID.affine, Unit.HU),
        "PT": Volume(suv.astype(np.float32), PET_GRID.affine, Unit.SUVBW),
        "mask": Volume(mask, CT_GRID.affine, Unit.LABEL),
    }


def build(folder: Path, patients: dict[str, dict[str, Volume]], *, cut: bool = True) -> Cohort:
    """Write the volumes of each patient and describe them as a cohort of two centres."""
    rows = []
    for patient, volumes in patients.items():
        exam = f"{patient}.0"
        for kind, volume in volumes.items():
            path = folder / f"{exam}.{kind}.nii.gz"
            write_nifti(volume, path)
            mask = kind == "mask"
            rows.append(
                describe_image(
                    path,
                    image_id=f"{exam}.{kind}",
                    exam_id=exam,
                    modality=Modality.SEG if mask else Modality(kind),
                    role=Role.MASK if mask else Role.IMAGE,
                    unit=volume.unit,
                    run_id="expert" if mask else None,
                    reference_image_id=f"{exam}.CT" if mask else None,
                    labels={1: "GTV"} if mask else None,
                    options={"evaluation_cut": CUT} if cut and kind == "CT" else None,
                )
            )
    return Cohort.build(
        "spheres",
        loader=load_image,
        patients=[{"patient_id": p, "centre": "AB"[i % 2]} for i, p in enumerate(patients)],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0, "kind": "PET/CT"} for p in patients],
        images=rows,
    )


@pytest.fixture(scope="session")
def volumes() -> dict[str, dict[str, Volume]]:
    return {f"P{number}": patient_volumes(number) for number in range(6)}


@pytest.fixture(scope="session")
def spheres(tmp_path_factory: pytest.TempPathFactory, volumes: dict[str, dict[str, Volume]]) -> Cohort:
    return build(tmp_path_factory.mktemp("spheres"), volumes)


@pytest.fixture
def make_cohort() -> Callable[..., Cohort]:
    return build


@pytest.fixture(scope="session")
def tiny() -> SegmentationConfig:
    """Settings of a training that lasts about a second."""
    return SegmentationConfig(
        folds=3,
        workers=1,
        spacing_mm=4.0,
        channels=(4, 8),
        residual_units=1,
        patch_voxels=16,
        window_voxels=32,
        batch=2,
        steps=12,
        warmup_steps=2,
        learning_rate=0.01,
        random_cut_mm=8,
        mirror=False,
        precision="float32",
        checkpoint_every=5,
    )
