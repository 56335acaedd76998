"""RTSTRUCT, SEG and RTDOSE files -> rows of `images`, on the grid of the image they refer to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import Code, TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets.assembly import row_grid
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.labels import group_without_overlap
from tumorboard.io.dicom.rtdose import dose_facts, dose_geometry, require_gray
from tumorboard.io.dicom.rtstruct import read_structures, structure_mask
from tumorboard.io.dicom.seg import own_geometry, read_segmentation, segment_mask
from tumorboard.io.files import sha256_of

__all__ = ["MaskOptions", "dose_rows", "segmentation_rows", "structure_rows"]

Rows = tuple[list[dict[str, Any]], list[str]]
IMPORTED = "imported-seg"
"""Run of the segments that a program made elsewhere."""


@dataclass(frozen=True)
class MaskOptions:
    """Which structures of an import are kept, under which names, and how they are placed."""

    structures: str
    rename: Mapping[str, str]
    place: Literal["slice", "slab"]
    outside: Literal["error", "drop"]
    threshold: float | None

    def wants(self, name: str) -> bool:
        return not self.structures or re.fullmatch(self.structures, name) is not None

    def name(self, name: str) -> str:
        return self.rename.get(name, name)


@dataclass(frozen=True)
class _Drawn:
    """One structure that was read: how the loader finds it again, its name, and its voxels."""

    key: str | int
    name: str
    mask: NDArray[np.bool_]


def structure_rows(path: Path, images: Sequence[Mapping[str, Any]], options: MaskOptions) -> Rows:
    """Rows of an RTSTRUCT: as few label maps as hold its structures without overlap. A structure that cannot be placed
    becomes a row of its own with the code in `problem`; one without contours is noted."""
    try:
        stored = read_structures(path)
    except TumorboardError as error:
        return [_broken(path, "rtstruct", error.code)], [str(error)]
    image = _referred(images, stored.series_uids, stored.frame_of_reference_uid)
    if image is None:
        error = _no_image(path, "structure set")
        return [_broken(path, "rtstruct", error.code)], [str(error)]
    geometry = row_grid(image)
    rows, notes, drawn = [], [], []
    for structure in (s for s in stored.structures if options.wants(s.name)):
        if not structure.contours:
            notes.append(f"{path.name}: structure {structure.name!r} has no closed contour")
            continue
        try:
            stored.named(structure.name)
            mask = structure_mask(structure, geometry, where=str(path), place=options.place, outside=options.outside)
        except TumorboardError as error:
            notes.append(str(error))
            rows.append(_broken(path, "rtstruct", error.code, {1: options.name(structure.name)}))
            continue
        drawn.append(_Drawn(structure.name, options.name(structure.name), mask))
    extra: dict[str, Any] = {}
    if options.place != "slice":
        extra["place"] = options.place
    if options.outside != "error":
        extra["outside"] = options.outside
    for group in group_without_overlap([one.mask for one in drawn]):
        members = [drawn[index] for index in group]
        rows.append(_mask_row(path, "rtstruct", "structures", members, geometry, image["image_id"], EXPERT, extra))
    return rows, notes


def segmentation_rows(path: Path, images: Sequence[Mapping[str, Any]], options: MaskOptions) -> Rows:
    """Rows of a DICOM SEG: people's segments as the run `expert`, a program's as `imported-seg`. A segmentation that is
    not on the grid of its image keeps its own grid (SEG103 in `problem`)."""
    try:
        stored = read_segmentation(path)
        image = _referred(images, stored.series_uids, stored.frame_of_reference_uid)
        own = own_geometry(stored) if image is None else row_grid(image)
    except TumorboardError as error:
        return [_broken(path, "dicom-seg", error.code)], [str(error)]
    problem: Code | None = codes.RT_REFERENCE if image is None else None
    notes = [str(_no_image(path, "segmentation"))] if image is None else []
    by_run: dict[str, list[_Drawn]] = {}
    wanted = [segment for segment in stored.segments if options.wants(segment.label)]
    for segment in wanted:
        try:
            mask = segment_mask(stored, segment, own, threshold=options.threshold)
        except TumorboardError as error:
            if error.code is not codes.SEG_GRID or image is None:
                return [_broken(path, "dicom-seg", error.code)], [*notes, str(error)]
            return _off_grid(path, options, images, error)
        run = IMPORTED if segment.algorithm_type == "AUTOMATIC" else EXPERT
        by_run.setdefault(run, []).append(_Drawn(segment.number, options.name(segment.label), mask))
    extra = {"threshold": options.threshold} if options.threshold is not None else {}
    rows = []
    for run, drawn in by_run.items():
        for group in group_without_overlap([one.mask for one in drawn]):
            members = [drawn[index] for index in group]
            reference = image["image_id"] if image else None
            row = _mask_row(path, "dicom-seg", "segments", members, own, reference, run, extra)
            row["problem"] = problem.id if problem else None
            rows.append(row)
    return rows, notes


def _off_grid(path: Path, options: MaskOptions, images: Sequence[Mapping[str, Any]], error: TumorboardError) -> Rows:
    rows, notes = segmentation_rows(path, [], options)
    for row in rows:
        row["problem"] = error.code.id
    return rows, [str(error), *notes[1:]]


def dose_rows(path: Path) -> Rows:
    """The row of an RTDOSE file."""
    row = _bare(path, "rtdose", Modality.RTDOSE, Role.DOSE, Unit.GY)
    try:
        header = read_header(path)
        require_gray(header)
        geometry = dose_geometry(header)
        row["shape"], row["affine"] = list(geometry.shape), geometry.affine.ravel().tolist()
        row["options"] = json.dumps({"dicom": dose_facts(header)}, sort_keys=True)
        return [row], []
    except TumorboardError as error:
        row["problem"] = error.code.id
        return [row], [str(error)]


def _referred(
    images: Sequence[Mapping[str, Any]], series_uids: Sequence[str], frame_of_reference_uid: str
) -> Mapping[str, Any] | None:
    """The image that a file refers to: by its series; where it names no series, by frame of reference if one image
    alone has it."""
    import hashlib

    usable = [row for row in images if row.get("shape") and row["role"] == Role.IMAGE]
    facts = {row["image_id"]: json.loads(row["options"]) for row in usable}
    named = [row for row in usable if facts[row["image_id"]]["read"]["series_uid"] in series_uids]
    if named or series_uids:
        return named[0] if named else None
    frame = hashlib.sha256(frame_of_reference_uid.encode()).hexdigest()[:16] if frame_of_reference_uid else None
    same = [row for row in usable if frame and facts[row["image_id"]]["dicom"].get("frame_of_reference") == frame]
    return same[0] if len(same) == 1 else None


def _mask_row(
    path: Path,
    format_: str,
    option: str,
    members: Sequence[_Drawn],
    geometry: Geometry,
    reference: str | None,
    run_id: str,
    extra: Mapping[str, Any],
) -> dict[str, Any]:
    shape, affine = list(geometry.shape), geometry.affine.ravel().tolist()
    read = {
        "shape": shape,
        "affine": affine,
        option: {str(value): member.key for value, member in enumerate(members, 1)},
        **extra,
    }
    row = _bare(path, format_, Modality.SEG, Role.MASK, Unit.LABEL)
    row |= {
        "shape": shape,
        "affine": affine,
        "run_id": run_id,
        "reference_image_id": reference,
        "labels": {value: member.name for value, member in enumerate(members, 1)},
        "options": json.dumps({"read": read}, sort_keys=True),
    }
    return row


def _broken(path: Path, format_: str, code: Code, labels: Mapping[int, str] | None = None) -> dict[str, Any]:
    row = _bare(path, format_, Modality.SEG, Role.MASK, Unit.LABEL)
    return {**row, "run_id": EXPERT, "labels": dict(labels) if labels else None, "problem": code.id}


def _bare(path: Path, format_: str, modality: Modality, role: Role, unit: Unit) -> dict[str, Any]:
    return {
        "modality": str(modality),
        "role": str(role),
        "unit": str(unit),
        "format": format_,
        "path": str(path),
        "sha256": sha256_of(path),
        "run_id": None,
        "reference_image_id": None,
    }


def _no_image(path: Path, what: str) -> TumorboardError:
    return TumorboardError(
        codes.RT_REFERENCE, path, found=f"a {what} of a series that is not here", expected="its image series"
    )
