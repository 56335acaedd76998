"""Cohort -> nnU-Net raw folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.core.volume import Volume
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import row_grid
from tumorboard.datasets.export import export_nifti, new_folder, rows_by_patient
from tumorboard.datasets.identifiers import file_names
from tumorboard.datasets.nnunet.reader import CASE_TABLE
from tumorboard.datasets.nnunet.spec import FILE, DatasetSpec, parse_regions, require_consecutive
from tumorboard.datasets.tablefile import write_csv
from tumorboard.io.files import atomic_write_text
from tumorboard.io.nifti import write_nifti
from tumorboard.ops.resample import resample_to

__all__ = ["write"]

_OUTSIDE = {Modality.CT: -1000.0, Modality.PT: 0.0}
"""Value where a resampled image does not reach: air, no uptake."""


@dataclass(frozen=True)
class _Case:
    name: str
    patient_id: str
    order: int
    channels: Sequence[Mapping[str, Any]]
    mask: Mapping[str, Any] | None
    testing: bool


def write(
    cohort: Cohort,
    out: Path,
    *,
    channels: str = "CT,PT",
    regions: str = "",
    renumber: bool = False,
    lossy: bool = False,
) -> None:
    """Write the images of every exam and the experts' masks as an nnU-Net raw data set.

    nnU-Net wants one grid per case: it is the grid of the first channel; other channels are resampled onto it
    (linear, in physical space; outside their field -1000 HU or 0), which `dataset.json` records. Cases with a mask go
    to `imagesTr`, without one (or of the split ``testing``) to `imagesTs`. Clinical data has no place here.

    Parameters
    ----------
    channels : modalities in channel order; each case must have exactly one image of each.
    regions : region-based labels, from the largest to the smallest, e.g. ``tumour=1+2,GTVn=2``.
    renumber : number the structures 1, 2 ... when the cohort's own numbers have gaps.
    lossy : leave out exams that lack a channel, and masks on another grid than the first channel.

    Errors: LAY110 labels that are not 1, 2 ... or stand in a mask without a meaning; LAY111 what is missing (unless
    lossy); LAY112 `out` is not empty; LAY113 options.
    """
    words = [word.strip().upper() for word in channels.split(",") if word.strip()]
    wanted = [Modality(word) for word in words if word in set(Modality)]
    if len(wanted) != len(words) or not wanted or len(set(wanted)) != len(wanted):
        raise TumorboardError(codes.OPTION, "option channels", found=repr(channels), expected="e.g. CT,PT")
    cases = _cases(cohort, wanted, lossy=lossy)
    numbering, labels = _numbering(cases, cohort.name, renumber=renumber)
    spec = DatasetSpec(
        tuple(wanted),
        labels,
        parse_regions(regions, labels) if regions else {},
        _units(cases, wanted, cohort.name),
        count=sum(1 for case in cases if not case.testing),
    )
    with new_folder(out, cohort) as folder:
        (folder / "imagesTr").mkdir()
        (folder / "labelsTr").mkdir()
        resampled = [name for case in cases for name in _write_case(cohort, case, folder, numbering)]
        content = spec.to_json()
        content["tumorboard"]["resampled"] = resampled
        atomic_write_text(folder / FILE, json.dumps(content, indent=1) + "\n")
        if any((case.name, 0) != (case.patient_id, case.order) for case in cases):
            rows = [[case.name, case.patient_id, case.order] for case in cases]
            write_csv(folder / CASE_TABLE, ["case", "patient_id", "order"], rows)


def _cases(cohort: Cohort, wanted: Sequence[Modality], *, lossy: bool) -> list[_Case]:
    """One case per exam; LAY111 when a channel or the mask's grid is missing, unless lossy."""
    exams = [(patient, exam) for patient in rows_by_patient(cohort) for exam in patient.exams]
    keys = [f"{p.patient_id}-e{e['order']}" if len(p.exams) > 1 else p.patient_id for p, e in exams]
    names = file_names(keys)
    cases, unsaid = [], []
    for key, (patient, exam) in zip(keys, exams, strict=True):
        rows = patient.images_of(exam["exam_id"])
        found = [[r for r in rows if r["modality"] == m and r["role"] == Role.IMAGE and _plain(r)] for m in wanted]
        if any(len(images) != 1 for images in found):
            counts = ", ".join(f"{len(images)} {m}" for images, m in zip(found, wanted, strict=True))
            unsaid.append(f"{exam['exam_id']}: {counts}")
            continue
        first = found[0][0]
        masks = [row for row in rows if row["role"] == Role.MASK]
        fitting = [row for row in masks if row_grid(row).same_grid(row_grid(first))]
        if len(fitting) > 1 or (masks and not fitting):
            unsaid.append(f"{exam['exam_id']}: {len(fitting)} of {len(masks)} masks on the grid of the {wanted[0]}")
            fitting = fitting[:1]
        testing = patient.record.get("split") == "testing" or not fitting
        mask = fitting[0] if fitting else None
        cases.append(
            _Case(names[key], patient.patient_id, exam["order"] or 0, [one[0] for one in found], mask, testing)
        )
    if unsaid and not lossy:
        raise TumorboardError(
            codes.NOT_WRITABLE,
            cohort.name,
            found="; ".join(unsaid[:5]) + (f" and {len(unsaid) - 5} more" if len(unsaid) > 5 else ""),
            expected=f"one image of each of {', '.join(wanted)}, and at most one mask on the first one's grid",
            fix="leave such exams out with --set lossy=true, or choose other channels with --set channels=...",
        )
    return cases


def _plain(row: Mapping[str, Any]) -> bool:
    return not row["image_id"].endswith(".CTplan")


def _units(cases: Sequence[_Case], wanted: Sequence[Modality], where: str) -> tuple[str, ...]:
    units = []
    for channel, modality in enumerate(wanted):
        found = sorted({case.channels[channel]["unit"] for case in cases})
        if len(found) > 1:
            raise TumorboardError(codes.NOT_WRITABLE, where, found=f"{modality} in {found}", expected="one unit")
        units += found
    return tuple(units)


def _numbering(cases: Sequence[_Case], where: str, *, renumber: bool) -> tuple[dict[str, int], dict[int, str]]:
    """Structure -> value to write, and its inverse. LAY110 when the cohort's own numbers will not do."""
    values: dict[str, set[int]] = {}
    for case in cases:
        for value, name in (case.mask["labels"] or {}).items() if case.mask else ():
            values.setdefault(name, set()).add(value)
    if renumber:
        ordered = sorted(values, key=lambda name: (min(values[name]), name))
        numbering = {name: number for number, name in enumerate(ordered, 1)}
    else:
        doubled = {name: sorted(found) for name, found in values.items() if len(found) > 1}
        numbering = {name: min(found) for name, found in values.items()}
        if doubled or len(set(numbering.values())) != len(numbering):
            raise TumorboardError(
                codes.LABELS,
                where,
                found=f"{doubled or numbering}",
                expected="one value for each structure in all masks",
                fix="write them renumbered with --set renumber=true",
            )
    labels = {value: name for name, value in numbering.items()}
    require_consecutive(labels, where)
    return numbering, labels


def _write_case(cohort: Cohort, case: _Case, folder: Path, numbering: Mapping[str, int]) -> list[str]:
    """Write one case; returns the names of the files that were resampled."""
    short = "Ts" if case.testing else "Tr"
    target = row_grid(case.channels[0])
    resampled = []
    for channel, row in enumerate(case.channels):
        path = folder / f"images{short}" / f"{case.name}_{channel:04d}.nii.gz"
        if row_grid(row) == target:
            export_nifti(cohort, row, path)
            continue
        volume = cohort.image(row["image_id"])
        if not volume.geometry.same_grid(target):
            outside = _OUTSIDE.get(Modality(row["modality"]), 0.0)
            volume = resample_to(volume, target, method="linear", fill=outside)
            resampled.append(path.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(replace(volume, affine=target.affine), path)  # the very same affine: nnU-Net compares them
    if case.mask is not None:
        path = folder / f"labels{short}" / f"{case.name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask = _renumbered(cohort.image(case.mask["image_id"]), case.mask, numbering)
        write_nifti(replace(mask, affine=target.affine), path)
    return resampled


def _renumbered(volume: Volume, row: Mapping[str, Any], numbering: Mapping[str, int]) -> Volume:
    """The mask with its values as written; LAY110 for a value without a meaning."""
    labels = row["labels"] or {}
    present = [float(value) for value in np.unique(volume.array) if value]
    strange = [value for value in present if value not in labels]
    if strange:
        raise TumorboardError(
            codes.LABELS, row["image_id"], found=f"voxels of value {strange[:5]}", expected=f"0 or {sorted(labels)}"
        )
    array = np.zeros(volume.shape, np.uint8 if len(numbering) < 256 else np.uint16)
    for value, name in labels.items():
        array[volume.array == value] = numbering[name]
    return volume.with_array(array)
