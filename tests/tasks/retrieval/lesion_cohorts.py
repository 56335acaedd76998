"""Toy CTs with marked lesions whose type is seen in the pixels, not in place or size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

KINDS = ("liver", "lung", "bone")
_AROUND_HU = {"liver": 60.0, "lung": -850.0, "bone": 40.0}
_INSIDE_HU = {"liver": 10.0, "lung": 40.0, "bone": 700.0}
_EDGE, _SLICES, _SPACING = 48, 12, (2.0, 2.0, 5.0)


def toy_cohort(root: Path | None = None, *, patients: int = 12, untyped: int = 0, pixels: bool = True) -> Cohort:
    """One exam and CT per patient, one lesion of each kind in a CT of its own; the last `untyped` patients' lesions
    have no type."""
    rng = np.random.default_rng(0)
    tables: dict[str, list[dict[str, Any]]] = {"patients": [], "exams": [], "images": [], "findings": []}
    for number in range(patients):
        patient = f"T{number:02d}"
        tables["patients"].append({"patient_id": patient, "split": "test" if number % 3 == 0 else "validation"})
        tables["exams"].append({"exam_id": f"{patient}.0", "patient_id": patient, "kind": "CT"})
        for kind in KINDS:
            image = f"{patient}.{kind}"
            place = rng.uniform(0.3, 0.7, 3)
            size = float(rng.uniform(8, 24))
            tables["images"].append(
                {
                    "image_id": image,
                    "exam_id": f"{patient}.0",
                    "modality": "CT",
                    "role": "image",
                    "unit": "HU",
                    "path": f"{image}.toy" if pixels else None,
                    "shape": [_EDGE, _EDGE, _SLICES],
                    "affine": affine().ravel().tolist(),
                    "options": json.dumps({"kind": kind, "size_mm": size, "seed": int(rng.integers(1 << 30))}),
                }
            )
            tables["findings"].append(finding(image, kind if number < patients - untyped else "lesion", size, place))
    return Cohort.build("toy lesions", root=root, loader=load_toy if pixels else None, **tables)


def affine() -> np.ndarray[Any, Any]:
    """Columns towards the left, rows towards the back, slices towards the head."""
    matrix = np.diag([-_SPACING[0], -_SPACING[1], _SPACING[2], 1.0])
    matrix[:3, 3] = (_SPACING[0] * (_EDGE - 1) / 2, _SPACING[1] * (_EDGE - 1) / 2, -_SPACING[2] * (_SLICES - 1) / 2)
    return matrix


def finding(image: str, label: str, size_mm: float, place: np.ndarray[Any, Any]) -> dict[str, Any]:
    """A RECIST pair round the middle of the CT."""
    a, b = size_mm / 2, size_mm / 3
    return {
        "finding_id": f"{image}.1",
        "image_id": image,
        "run_id": "expert",
        "kind": RECIST_PAIR,
        "label": label,
        "points_mm": [-a, 0, 0, a, 0, 0, 0, -b, 0, 0, b, 0],
        "box": [-a, -b, -2, a, b, 2],
        "measurements": {LONG_AXIS_MM: 2 * a, SHORT_AXIS_MM: 2 * b},
        "attributes": json.dumps({"relative_location": place.tolist()}),
    }


def load_toy(row: Mapping[str, Any], root: Path | None) -> Volume:
    """The CT that a row describes: a ball in its surroundings, with noise."""
    said = json.loads(row["options"])
    index = np.stack(np.meshgrid(*(np.arange(n) for n in row["shape"]), indexing="ij"), axis=-1)
    world = index @ affine()[:3, :3].T + affine()[:3, 3]
    inside = np.linalg.norm(world, axis=-1) <= said["size_mm"] / 2
    noise = np.random.default_rng(said["seed"]).normal(0, 15, row["shape"])
    array = np.where(inside, _INSIDE_HU[said["kind"]], _AROUND_HU[said["kind"]]) + noise
    return Volume(np.rint(array).astype(np.int16), affine(), Unit.HU)
