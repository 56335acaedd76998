"""Faults of CT series on request: what makes a volume lie about where its slices are, or stand there twice.

Each is planted after the cohort is made, in one CT (and its mask) of a tenth of the patients, at least one; the
provenance names the images. `phantom.faults` holds those that any cohort can have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.core.volume import Volume
from tumorboard.io.files import sha256_of
from tumorboard.io.images import image_path
from tumorboard.io.nifti import write_nifti
from tumorboard.phantom import codes

__all__ = ["CT_FAULTS", "CtFault", "plant_in_ct"]

Rows = list[dict[str, Any]]
_LEAST_LENGTH_MM = 150.0


@dataclass(frozen=True)
class CtFault:
    """Name, what it is, and `plant(cohort, ct row, rng)` -> the rows of `images` that change or are new."""

    name: str
    summary: str
    plant: Callable[[Cohort, dict[str, Any], np.random.Generator], Rows]


def plant_in_ct(cohort: Cohort, name: str, *, seed: int, order: int = 0) -> Cohort:
    """`cohort` with this fault. PHA101 for an unknown name, PHA102 where no CT is long enough (150 mm)."""
    if name not in CT_FAULTS:
        known = f"a fault among {', '.join(CT_FAULTS)}"
        raise TumorboardError(codes.UNKNOWN_NAME, "faults", found=repr(name), expected=known)
    fault, rng = CT_FAULTS[name], np.random.default_rng([seed, 403, order])
    spoilt = {image for entry in cohort.provenance for image in entry.get("images", ())}
    by_patient: dict[str, Rows] = {}
    for row in cohort.rows("images", modality=Modality.CT, role=Role.IMAGE):
        if row["path"] is not None and row["image_id"] not in spoilt and _length_mm(row) >= _LEAST_LENGTH_MM:
            by_patient.setdefault(str(row["exam_id"]).rpartition(".")[0], []).append(row)
    if not by_patient:
        raise TumorboardError(codes.FAULT_NEEDS, cohort.name, found=f"no place for {name!r}", expected=fault.summary)
    count = max(1, len(cohort) // 10)
    chosen = sorted(str(p) for p in rng.permutation(sorted(by_patient))[:count])
    changed: dict[str, dict[str, Any]] = {}
    touched = []
    for patient in chosen:
        row = by_patient[patient][int(rng.integers(len(by_patient[patient])))]
        touched.append(str(row["image_id"]))
        changed |= {str(new["image_id"]): new for new in fault.plant(cohort, row, rng)}
    rows = [changed.pop(str(row["image_id"]), row) for row in cohort.rows("images")] + list(changed.values())
    entry = {"fault": name, "summary": fault.summary, "patients": chosen, "images": touched}
    return cohort.replace_tables(images=rows).with_provenance(entry)


def _length_mm(row: dict[str, Any]) -> float:
    return float(row["shape"][2] * abs(row["affine"][10]))


def _with_masks(cohort: Cohort, ct: dict[str, Any]) -> Rows:
    return [ct, *cohort.rows("images", reference_image_id=ct["image_id"])]


def _rewritten(cohort: Cohort, row: dict[str, Any], volume: Volume) -> dict[str, Any]:
    path = image_path(row, cohort.root)
    write_nifti(volume, path)
    return {
        **row,
        "shape": list(volume.shape),
        "affine": volume.affine.ravel().tolist(),
        "sha256": sha256_of(path),
    }


def _reversed(cohort: Cohort, ct: dict[str, Any], rng: np.random.Generator) -> Rows:
    out = []
    for row in _with_masks(cohort, ct):
        volume = cohort.image(row["image_id"])
        out.append(_rewritten(cohort, row, volume.with_array(np.ascontiguousarray(volume.array[:, :, ::-1]))))
    return out


def _mis_spaced(cohort: Cohort, ct: dict[str, Any], rng: np.random.Generator) -> Rows:
    factor = float(rng.choice([0.5, 0.6, 1.6, 2.0]))
    out = []
    for row in _with_masks(cohort, ct):
        volume = cohort.image(row["image_id"])
        affine = volume.affine.copy()
        affine[:3, 2] *= factor
        out.append(_rewritten(cohort, row, Volume(volume.array, affine, volume.unit)))
    return out


def _twice(cohort: Cohort, ct: dict[str, Any], rng: np.random.Generator) -> Rows:
    """A second row and file with the same voxels and the same series number."""
    path = image_path(ct, cohort.root)
    copy = path.with_name(path.name.replace(".nii.gz", ".copy.nii.gz"))
    write_nifti(cohort.image(ct["image_id"]), copy)
    return [{**ct, "image_id": f"{ct['image_id']}.copy", "path": str(copy), "sha256": sha256_of(copy)}]


CT_FAULTS: dict[str, CtFault] = {
    fault.name: fault
    for fault in (
        CtFault(
            "slices-reversed", "a CT (and its mask) whose slices stand upside down under the old header", _reversed
        ),
        CtFault(
            "slice-interval",
            "a CT (and its mask) whose header states half to twice the true interval",
            _mis_spaced,
        ),
        CtFault("series-twice", "a CT series stored twice: same voxels, same number, two ids", _twice),
    )
}
