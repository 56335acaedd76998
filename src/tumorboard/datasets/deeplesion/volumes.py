"""Which slices there are, and which sub-volumes they and the table make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.deeplesion.names import SubVolumeName, slice_name
from tumorboard.datasets.deeplesion.nifti import nifti_part
from tumorboard.datasets.deeplesion.table import LesionTable
from tumorboard.io.slice_stack import consecutive_runs, slice_numbers

__all__ = ["IMAGE_FOLDERS", "Part", "Slices", "SubVolume", "find_slices", "plan_volumes"]

IMAGE_FOLDERS = ("Images_png", "Images_nifti")
"""Where slices, or sub-volumes as NIfTI, lie below the tables; the first is the published name."""


@dataclass(frozen=True)
class Part:
    """Slices first to last of one series, without a gap, as they lie on disk."""

    first: int
    last: int
    path: Path
    format: str
    read: Mapping[str, Any] = field(default_factory=dict)
    """What the loader must know beyond spacing: of a NIfTI its `convention`, of a flat folder its `prefix`."""


@dataclass(frozen=True)
class SubVolume:
    """One image of the cohort; `part` is None where no pixels are at hand."""

    name: SubVolumeName
    spacing_mm: tuple[float, float, float]
    size_px: tuple[int, int]
    part: Part | None = None

    @property
    def placed(self) -> bool:
        """Whether spacing and interval are known, so that places in mm are."""
        return all(math.isfinite(edge) and edge > 0 for edge in self.spacing_mm)


@dataclass(frozen=True)
class Slices:
    """What pixels there are: series -> parts without gaps, in order."""

    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def find_slices(folder: Path | None, *, convention: str = "auto") -> Slices:
    """Pixels below `folder`: folders of slices (`PPPPPP_SS_RR/NNN.png`, also below a further Images_png), single key
    slices (`PPPPPP_SS_RR_NNN.png`), NIfTI sub-volumes (`PPPPPP_SS_RR_FFF-LLL.nii.gz`). Only names are read, and of
    NIfTI files headers. Errors: LAY101 no such folder, DPL106 a NIfTI whose slice order is not clear."""
    if folder is None:
        return Slices()
    if not folder.is_dir():
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, folder, found="no such folder", expected="images")
    parts: dict[str, list[Part]] = {}
    flat: dict[str, list[int]] = {}
    notes: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            nested = _in_folder(path, convention)
            parts |= {name: [*parts.get(name, ()), *found] for name, found in nested.parts.items()}
            notes += nested.notes
        elif (name := slice_name(path.name)) is not None:
            flat.setdefault(name.series_name, []).append(name.number)
        elif path.name.endswith((".nii", ".nii.gz")):
            made, note = nifti_part(path, convention=convention)
            if made is not None:
                series, first, last, read = made
                parts.setdefault(series, []).append(Part(first, last, path, "nifti-slices", read))
            notes += [note] if note else []
    for series, numbers in flat.items():
        runs = consecutive_runs(sorted(numbers))
        more = [Part(a, b, folder, "slice-stack", {"prefix": f"{series}_"}) for a, b in runs]
        parts[series] = [*parts.get(series, ()), *more]
    return Slices({name: sorted(found, key=lambda part: part.first) for name, found in parts.items()}, notes)


def _in_folder(path: Path, convention: str) -> Slices:
    if slice_name(f"{path.name}_001.png") is not None:
        runs = consecutive_runs(slice_numbers(path))
        return Slices({path.name: [Part(first, last, path, "slice-stack") for first, last in runs]})
    return find_slices(path, convention=convention) if path.name in IMAGE_FOLDERS else Slices()


def plan_volumes(lesions: LesionTable, slices: Slices) -> tuple[list[SubVolume], NDArray[np.int64]]:
    """The sub-volumes of the table's series, and for each lesion the number of the one that its key slice lies in.

    A published range whose slices are all there is one sub-volume; where slices are missing, each run of those that
    are there is one. A lesion whose key slice is not there keeps its range, without pixels. Spacing is the row's own:
    one published series has two slice intervals. Rows that contradict each other about a sub-volume leave it unplaced.
    """
    volumes: dict[SubVolumeName, SubVolume] = {}
    number: dict[SubVolumeName, int] = {}
    owner = np.full(len(lesions), -1, np.int64)

    def add(volume: SubVolume) -> int:
        before = volumes.setdefault(volume.name, volume)
        if before.placed and volume.placed and before.spacing_mm != volume.spacing_mm:
            volumes[volume.name] = replace(before, spacing_mm=(math.nan, math.nan, math.nan))
        return number.setdefault(volume.name, len(number))

    names = lesions.series_name
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    for name, rows in rows_of.items():
        used: set[tuple[int, int]] = set()
        for row in rows:
            x, y, z = lesions.spacing_mm[row].tolist()
            columns, lines = lesions.image_size_px[row].tolist()
            first, last = lesions.slice_range[row].tolist()
            key = int(lesions.key_slice[row])
            part = next((p for p in slices.parts.get(name, ()) if p.first <= key <= p.last), None)
            if part is not None:
                part = _cut(part, first, last)
                used.add((part.first, part.last))
                first, last = part.first, part.last
            owner[row] = add(SubVolume(SubVolumeName(name, first, last), (x, y, z), (columns, lines), part))
        for part in slices.parts.get(name, ()):
            if not any(part.first <= b and a <= part.last for a, b in used):
                add(SubVolume(SubVolumeName(name, part.first, part.last), (x, y, z), (columns, lines), part))
    return list(volumes.values()), owner


def _cut(part: Part, first: int, last: int) -> Part:
    """The part within a range; a NIfTI file is one piece."""
    if part.format != "slice-stack":
        return part
    return Part(max(part.first, first), min(part.last, last), part.path, part.format, part.read)
