"""A small cohort made by hand: cubes of known size and uptake in a body of water, on two grids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti

__all__ = ["PATIENTS", "build_cubes"]

PATIENTS = ("A-1", "a-1", "B 2/../<i>")
"""Two that differ by case alone, and one that is no file name and no harmless HTML."""


def grid(spacing_mm: float, size_mm: float = 120.0) -> tuple[tuple[int, int, int], np.ndarray]:
    """Shape and affine of a cube of `size_mm` round the origin, with the axes of most scanners (L, P, S)."""
    n = round(size_mm / spacing_mm)
    affine = np.diag([-spacing_mm, -spacing_mm, spacing_mm, 1.0])
    first = (size_mm - spacing_mm) / 2
    affine[:3, 3] = (first, first, -first)
    return (n, n, n), affine


def box_volume(spacing_mm: float, unit: Unit, boxes: list[tuple[Any, float]], background: float) -> Volume:
    """`background` with boxes of other values: ((low corner, high corner) in RAS mm, value)."""
    shape, affine = grid(spacing_mm)
    volume = Volume(np.full(shape, background, np.float32), affine, unit)
    world = volume.geometry.to_world(np.moveaxis(np.indices(shape), 0, -1))
    for (low, high), value in boxes:
        volume.array[((world > low) & (world < high)).all(axis=-1)] = value
    return volume


LESION = ((8.0, 8.0, 8.0), (28.0, 28.0, 28.0))  # 8 ml, on the patient's right, in front, above
NODE = ((-36.0, -12.0, -12.0), (-24.0, 0.0, 0.0))  # 1.728 ml


def build_cubes(folder: Path, *, ct: bool = True, pet: bool = True, masks: bool = True, name: str = "cubes") -> Cohort:
    """A cohort of three patients with these images below `folder`."""
    place = folder / "images"
    place.mkdir(exist_ok=True)
    made = {
        "CT": (box_volume(2.0, Unit.HU, [(LESION, 60.0)], 0.0), ct, "CT", "image"),
        "PT": (box_volume(4.0, Unit.SUVBW, [(LESION, 8.0), (NODE, 5.0)], 1.0), pet, "PT", "image"),
        "mask": (box_volume(2.0, Unit.LABEL, [(LESION, 1), (NODE, 2)], 0), masks, "SEG", "mask"),
        "mask.net": (box_volume(2.0, Unit.LABEL, [(LESION, 1)], 0), masks, "SEG", "mask"),
    }
    images = []
    for kind, (volume, wanted, modality, role) in made.items():
        path = place / f"{kind}.nii.gz"
        write_nifti(volume.astype(np.uint8) if role == "mask" else volume, path)
        for i, _ in enumerate(PATIENTS):
            run = {"mask": "expert", "mask.net": "net"}.get(kind)
            if wanted:
                images.append(
                    describe_image(
                        path,
                        image_id=f"{i}.0.{kind}",
                        exam_id=f"{i}.0",
                        modality=modality,
                        role=role,
                        unit=volume.unit,
                        run_id=run,
                        reference_image_id=f"{i}.0.CT" if run and ct else None,
                        labels={1: "GTVp", 2: "GTVn"} if run else None,
                    )
                )
    patients = [
        {"patient_id": p, "centre": c, "sex": "female", "age_years": 60.0 + i, "note": "<script>alert(1)</script>"}
        for i, (p, c) in enumerate(zip(PATIENTS, ("North", "North", "South"), strict=True))
    ]
    outcomes = [
        {
            "patient_id": p,
            "endpoint": "OS",
            "run_id": "expert",
            "survival": {"event": i > 0, "time_days": 365.25 * t},
        }
        for i, (p, t) in enumerate(zip(PATIENTS, (3.0, 1.0, 2.0), strict=True))
    ]
    return Cohort.build(
        name,
        patients=patients,
        exams=[{"exam_id": f"{i}.0", "patient_id": p, "order": 0, "kind": "PET/CT"} for i, p in enumerate(PATIENTS)],
        images=images,
        outcomes=outcomes,
        runs=[{"run_id": "expert", "kind": "expert"}, {"run_id": "net", "kind": "model", "task": "segmentation"}],
        provenance=[{"what": "cubes made by hand", "synthetic": True}],
        loader=load_image,
    )
