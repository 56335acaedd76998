"""RT structure sets -> masks on the grid of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.contours import fill_contours
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header, walk_items
from tumorboard.io.dicom.labels import label_map

__all__ = ["Structure", "StructureSet", "read_structure_labels", "read_structures", "structure_mask"]

_AREAS = {"CLOSED_PLANAR", "CLOSEDPLANAR_XOR"}
_PLANE_TOLERANCE_MM = 0.2
"""How far a contour's points may leave its plane, or the plane its slice: rounding of planning systems."""

Placement = Literal["slice", "slab"]
Outside = Literal["error", "drop"]


@dataclass(frozen=True)
class Structure:
    """One region of interest: its name and closed contours, each (n, 3) in RAS mm."""

    number: int
    name: str
    interpreted_type: str
    contours: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class StructureSet:
    """A structure set: structures, and what it refers to."""

    label: str
    structures: tuple[Structure, ...]
    frame_of_reference_uid: str
    series_uids: tuple[str, ...]
    where: str

    def named(self, name: str) -> Structure:
        """The structure of that name. RTS101 when there is none, or more than one."""
        found = [structure for structure in self.structures if structure.name == name]
        if len(found) != 1:
            raise TumorboardError(
                codes.RT_STRUCTURE,
                self.where,
                found=f"{len(found)} structures named {name!r}",
                expected=f"one; there are {[structure.name for structure in self.structures][:12]}",
            )
        return found[0]


def read_structures(path: Path) -> StructureSet:
    """All structures of an RTSTRUCT file. DCM102 damaged, DCM104 another modality, RTS102 impossible contours."""
    header = read_header(path)
    if header.text("Modality") != "RTSTRUCT":
        raise header.impossible("Modality", header.text("Modality"), "RTSTRUCT")
    contours: dict[int, list[NDArray[np.float64]]] = {}
    for roi in header.items("ROIContourSequence"):
        number = roi.whole("ReferencedROINumber")
        drawn = contours.setdefault(number, [])
        for contour in roi.items("ContourSequence"):
            if contour.required("ContourGeometricType") in _AREAS:
                drawn.append(_points(contour))
    types = {
        item.whole("ReferencedROINumber"): item.text("RTROIInterpretedType")
        for item in header.items("RTROIObservationsSequence")
    }
    structures = []
    for roi in header.items("StructureSetROISequence"):
        number = roi.whole("ROINumber")
        name = roi.text("ROIName") or f"ROI {number}"
        structures.append(Structure(number, name, types.get(number, ""), tuple(contours.get(number, ()))))
    frames = [item.text("FrameOfReferenceUID") for item in header.items("ReferencedFrameOfReferenceSequence")]
    series = walk_items(
        header, "ReferencedFrameOfReferenceSequence", "RTReferencedStudySequence", "RTReferencedSeriesSequence"
    )
    return StructureSet(
        header.text("StructureSetLabel"),
        tuple(structures),
        next(iter(frames), "") or header.text("FrameOfReferenceUID"),
        tuple(item.text("SeriesInstanceUID") for item in series),
        str(path),
    )


def _points(contour: Header) -> NDArray[np.float64]:
    """Contour points in RAS mm."""
    flat = contour.points("ContourData")
    stated = contour.whole("NumberOfContourPoints", default=len(flat) // 3)
    if len(flat) % 3 or stated != len(flat) // 3:
        raise TumorboardError(
            codes.RT_CONTOUR,
            contour.where,
            found=f"{len(flat)} coordinates for {stated} points",
            expected="three coordinates per point",
        )
    return flat.reshape(-1, 3) * (-1.0, -1.0, 1.0)


def structure_mask(
    structure: Structure,
    geometry: Geometry,
    *,
    where: str = "structure set",
    place: Placement = "slice",
    outside: Outside = "error",
) -> NDArray[np.bool_]:
    """Mask of a structure on a grid whose first two axes span the slices.

    Parameters
    ----------
    place : ``slice`` puts every contour into the slice it was drawn on (RTS104 when it lies between slices, RTS106
        when every other slice is left out); ``slab`` lets a contour stand for half the way to its neighbours, for a
        grid with other slices.
    outside : ``error`` (RTS105) or ``drop`` for contours that leave the grid.

    Errors also: RTS101 no closed contour, RTS103 a contour that is not parallel to the slices.
    """
    if not structure.contours:
        raise TumorboardError(
            codes.RT_STRUCTURE, where, found=f"{structure.name!r} without a closed contour", expected="an area"
        )
    flat = [_in_plane(points, geometry, structure, where) for points in structure.contours]
    depths = np.array([depth for _, depth in flat])
    targets = _own_slices(depths, geometry, structure, where) if place == "slice" else _slabs(depths, geometry)
    mask = np.zeros(geometry.shape, bool)
    by_slice: dict[int, list[NDArray[np.float64]]] = {}
    for (points, depth), slices in zip(flat, targets, strict=True):
        if outside == "error":
            _require_inside(points, depth, geometry, structure, where)
        for k in slices:
            if 0 <= k < geometry.shape[2]:
                by_slice.setdefault(k, []).append(points)
    for k, contours in by_slice.items():
        mask[:, :, k] = fill_contours(contours, geometry.shape[:2])
    return mask


def _in_plane(
    points: NDArray[np.float64], geometry: Geometry, structure: Structure, where: str
) -> tuple[NDArray[np.float64], float]:
    """Pixel coordinates (n, 2) and the fractional slice index of a contour."""
    index = geometry.to_index(points)
    depth = float(np.median(index[:, 2]))
    slack = _PLANE_TOLERANCE_MM / geometry.spacing_mm[2]
    if np.abs(index[:, 2] - depth).max() > slack:
        tilt_mm = float(np.ptp(index[:, 2])) * geometry.spacing_mm[2]
        raise TumorboardError(
            codes.RT_OBLIQUE,
            where,
            found=f"a contour of {structure.name!r} that spans {tilt_mm:.2f} mm across the slices",
            expected="contours parallel to the slices",
        )
    return index[:, :2], depth


def _own_slices(depths: NDArray[np.float64], geometry: Geometry, structure: Structure, where: str) -> list[range]:
    step_mm = float(geometry.spacing_mm[2])
    nearest = np.rint(depths).astype(int)
    off_mm = np.abs(depths - nearest) * step_mm
    inside = (nearest >= 0) & (nearest < geometry.shape[2])
    if (off_mm[inside] > _PLANE_TOLERANCE_MM).any():
        raise TumorboardError(
            codes.RT_BETWEEN,
            where,
            found=f"contours of {structure.name!r} up to {off_mm[inside].max():.2f} mm off the slices",
            expected=f"contours in the slices, {step_mm:.2f} mm apart",
        )
    planes = np.unique(nearest)
    gaps = np.diff(planes)
    if len(planes) > 2 and gaps.min() > 1:
        raise TumorboardError(
            codes.RT_SPARSE,
            where,
            found=f"{structure.name!r} on {len(planes)} slices, never on two neighbouring ones",
            expected="a contour in every slice of the structure",
        )
    return [range(k, k + 1) for k in nearest.tolist()]


def _slabs(depths: NDArray[np.float64], geometry: Geometry) -> list[range]:
    """Slices whose centres a contour stands for: half the way to the neighbouring contour plane, and as far beyond
    the ends (half a slice for a structure of one plane)."""
    planes = np.unique(np.round(depths, 3))
    step = float(np.diff(planes).min()) if len(planes) > 1 else 1.0
    low, high = planes - step / 2, planes + step / 2
    if len(planes) > 1:
        usual = float(np.median(np.diff(planes)))
        middle = (planes[:-1] + planes[1:]) / 2
        close = np.diff(planes) < 2.5 * usual  # further apart: two pieces with nothing between them
        low[1:], high[:-1] = (
            np.where(close, middle, planes[1:] - usual / 2),
            np.where(close, middle, planes[:-1] + usual / 2),
        )
        low[0], high[-1] = planes[0] - usual / 2, planes[-1] + usual / 2
    at = np.searchsorted(planes, np.round(depths, 3))
    return [range(int(np.ceil(low[p] - 1e-6)), int(np.ceil(high[p] - 1e-6))) for p in at]


def _require_inside(
    points: NDArray[np.float64], depth: float, geometry: Geometry, structure: Structure, where: str
) -> None:
    limit = np.array(geometry.shape) - 0.5
    beyond = depth < -0.5 or depth > limit[2] or (points < -1.0).any() or (points > limit[:2] + 0.5).any()
    if beyond:
        raise TumorboardError(
            codes.RT_OUTSIDE,
            where,
            found=f"a contour of {structure.name!r} at slice {depth:.1f}, columns {points[:, 0].min():.1f} to "
            f"{points[:, 0].max():.1f}, rows {points[:, 1].min():.1f} to {points[:, 1].max():.1f}",
            expected=f"inside {geometry.shape}",
        )


def read_structure_labels(
    path: Path,
    *,
    unit: Unit,
    shape: Sequence[int],
    affine: Sequence[float],
    structures: Mapping[str, str],
    place: Placement = "slice",
    outside: Outside = "error",
    overlap: Literal["error", "last"] = "error",
) -> Volume:
    """Structures of an RTSTRUCT file as one label map: the loader behind the images table.

    Parameters
    ----------
    shape, affine : the grid (affine: 16 numbers, row by row, voxel index to RAS mm).
    structures : voxel value (as text) -> name of the structure.
    overlap : what a voxel in two structures gets: SEG104, or the ``last`` of them.
    place, outside : as in `structure_mask`.

    Errors: those of `read_structures`, `structure_mask` and `labels.label_map`.
    """
    geometry = Geometry(tuple(shape), np.asarray(affine, float).reshape(4, 4))  # type: ignore[arg-type]
    drawn = read_structures(Path(path))
    masks: dict[int, Any] = {
        int(value): structure_mask(drawn.named(name), geometry, where=str(path), place=place, outside=outside)
        for value, name in structures.items()
    }
    return label_map(masks, geometry, unit=unit, overlap=overlap, where=str(path))
