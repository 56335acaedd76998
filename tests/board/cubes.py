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

__all__ = ["PATIENTS", "build_cubes", "build_followed"]

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


def build_followed(folder: Path) -> Cohort:
    """One patient, twice in a PET/CT. The second time the scanner's zero lies 6 mm to the left of the first one's, and
    the lesion has grown from 20 to 28 mm; marks of both are joined. Masks of the expert, of `net` and of the baseline
    `box`, and the anomaly map of `dual` with a z-score of 6 in the lesion."""
    place = folder / "images"
    place.mkdir(parents=True, exist_ok=True)
    images, findings = [], []
    for exam, (x, size) in enumerate(((8.0, 20.0), (14.0, 28.0))):
        box = ((x, 8.0, 8.0), (x + size, 8.0 + size, 8.0 + size))
        larger = ((x - 8.0, 0.0, 0.0), (x + size, 8.0 + size, 8.0 + size))
        scans = {
            "CT": (box_volume(2.0, Unit.HU, [(box, 60.0)], 0.0), "CT", "image", None),
            "PT": (box_volume(4.0, Unit.SUVBW, [(box, 8.0)], 1.0), "PT", "image", None),
            "mask": (box_volume(2.0, Unit.LABEL, [(box, 1)], 0), "SEG", "mask", "expert"),
            "mask.net": (box_volume(2.0, Unit.LABEL, [(larger, 1)], 0), "SEG", "mask", "net"),
            "mask.box": (box_volume(2.0, Unit.LABEL, [(NODE, 1)], 0), "SEG", "mask", "box"),
            "map": (box_volume(4.0, Unit.ZSCORE, [(box, 6.0)], 0.0), "PT", "map", "dual"),
        }
        for kind, (volume, modality, role, run) in scans.items():
            path = place / f"{exam}.{kind}.nii.gz"
            write_nifti(volume.astype(np.uint8) if role == "mask" else volume, path)
            known: dict[str, Any] = {"run_id": run}
            if role == "mask":
                known |= {"reference_image_id": f"{exam}.CT", "labels": {1: "liver"}}
            images.append(
                describe_image(
                    path, image_id=f"{exam}.{kind}", exam_id=f"E{exam}", modality=modality, role=role,
                    unit=volume.unit, **known,
                )
            )  # fmt: skip
        middle = [x + size / 2, 8.0 + size / 2, 8.0 + size / 2]
        ends = [[s * size / 2 for s in sign] for sign in ((-1, 0, 0), (1, 0, 0), (0, -0.5, 0), (0, 0.5, 0))]
        findings.append(
            {
                "finding_id": f"f{exam}", "image_id": f"{exam}.CT", "run_id": "expert", "kind": "RECIST pair",
                "label": "liver", "points_mm": [m + e for end in ends for m, e in zip(middle, end, strict=True)],
                "measurements": {"long_axis_mm": size, "short_axis_mm": size / 2},
            }
        )  # fmt: skip
    return Cohort.build(
        "followed",
        patients=[{"patient_id": "F-1", "centre": "North"}],
        exams=[
            {"exam_id": f"E{n}", "patient_id": "F-1", "order": n, "day": 60.0 * n, "kind": "PET/CT"} for n in range(2)
        ],
        images=images,
        findings=findings,
        relations=[
            {"relation_id": "r", "subject": "f0", "predicate": "same lesion", "object": "f1", "run_id": "expert"}
        ],
        runs=[
            {"run_id": "expert", "kind": "expert"},
            {"run_id": "net", "kind": "model", "task": "segmentation"},
            {"run_id": "box", "kind": "baseline", "task": "segmentation"},
            {"run_id": "dual", "kind": "model", "task": "anomaly"},
        ],
        provenance=[{"what": "cubes made by hand", "synthetic": True}],
        loader=load_image,
    )
