"""A small cohort of round bodies in air, with bright balls as lesions and a long bright rod as a vessel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.detection.config import DetectionConfig

GRID = Geometry.from_lps((44, 40, 20), spacing_mm=(4, 4, 5), origin_mm=(-86, -78, -50))
TINY = DetectionConfig(
    spacing_mm=(4.0, 4.0, 5.0),
    windows_hu=((-160.0, 240.0),),
    patch_voxels=(32, 32, 16),
    window_voxels=(32, 32, 16),
    anchors_mm=(16.0,),
    batch=4,
    cell_batch=256,
    workers=1,
    steps=2,
    checkpoint_every=1,
    precision="float32",
    shown=2,
)


def ball(centre_mm: NDArray[np.float64], radius_mm: float) -> NDArray[np.bool_]:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in GRID.shape], indexing="ij"), axis=-1)
    return np.linalg.norm(GRID.to_world(index) - centre_mm, axis=-1) <= radius_mm


def body(number: int, *, lesions: int) -> tuple[Volume, list[list[float]]]:
    """CT of a body and the boxes (RAS mm) of its lesions."""
    random = np.random.default_rng(number)
    index = np.stack(np.meshgrid(*[np.arange(n) for n in GRID.shape], indexing="ij"), axis=-1)
    place = GRID.to_world(index)
    hu = np.where((place[..., 0] / 80) ** 2 + (place[..., 1] / 70) ** 2 < 1, 20.0, -1000.0)
    hu[np.hypot(place[..., 0], place[..., 1] + 55) < 8] = 180.0
    boxes = []
    for number_of in range(lesions):
        centre = np.array([-35.0 + 70 * number_of, random.uniform(-20, 30), random.uniform(-25, 25)])
        radius = random.uniform(10, 14)
        hu[ball(centre, radius)] = 150.0
        boxes.append([*(centre - radius), *(centre + radius)])
    noisy = hu + random.normal(0, 10, hu.shape)
    return Volume(noisy.astype(np.float32), GRID.affine, Unit.HU), boxes


def make_cohort(folder: Path, *, patients: int = 6) -> Cohort:
    """Patients with one exam each; the last one's lesion is gone at a second exam, and one mark is noisy."""
    images, findings, exams = [], [], []
    plan = [(p, 0, 1 + p % 2) for p in range(patients)] + [(patients - 1, 1, 0)]
    for patient, order, lesions in plan:
        exam = f"P{patient}.{order}"
        volume, boxes = body(10 * patient + order, lesions=lesions)
        path = folder / f"{exam}.nii.gz"
        write_nifti(volume, path)
        exams.append({"exam_id": exam, "patient_id": f"P{patient}", "order": order, "kind": "CT"})
        row = describe_image(
            path, image_id=f"{exam}.CT", exam_id=exam, modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU
        )
        images.append(row)
        for number, box in enumerate(boxes):
            low, high = np.array(box[:3]), np.array(box[3:])
            middle = (low + high) / 2
            level = round(float(GRID.to_index(middle)[2]))
            ends = [[low[0], middle[1]], [high[0], middle[1]], [middle[0], low[1]], [middle[0], high[1]]]
            points = [v for x, y in ends for v in (x, y, float(GRID.to_world([0, 0, level])[2]))]
            noisy = patient == 1 and number == 1
            findings.append(
                {
                    "finding_id": f"{exam}.{number}",
                    "image_id": f"{exam}.CT",
                    "run_id": "expert",
                    "kind": RECIST_PAIR,
                    "label": "lesion",
                    "points_mm": points,
                    "box": box,
                    "attributes": json.dumps({"series": 1, "key_slice": level, "noisy": noisy}),
                }
            )
    return Cohort.build(
        "bodies",
        loader=load_image,
        root=folder,
        patients=[{"patient_id": f"P{p}"} for p in range(patients)],
        exams=exams,
        images=images,
        findings=findings,
    )
