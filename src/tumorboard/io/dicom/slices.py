"""Planes of an image series and the grid that they form.

DICOM places each plane by itself: position of its first pixel's centre, direction of rows and columns, pixel
spacing (PS3.3 C.7.6.2). The order of files, names and instance numbers says nothing about the patient.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.header import Header

__all__ = ["Plane", "plane_of", "planes_of", "sort_planes", "stack_geometry"]

_ORIENTATION_TOLERANCE = 1e-3
"""Of direction cosines, which are often written with six decimals, and accumulate over rotations."""
_POSITION_TOLERANCE_MM = 0.1
_RELATIVE_TOLERANCE = 0.02


@dataclass(frozen=True)
class Plane:
    """One frame: where it lies (LPS mm) and where its pixels are."""

    position_mm: NDArray[np.float64]
    row_direction: NDArray[np.float64]  # along a row: the column index grows
    column_direction: NDArray[np.float64]  # along a column: the row index grows
    spacing_mm: tuple[float, float]  # between columns (along a row), between rows (along a column)
    shape: tuple[int, int]  # columns, rows
    thickness_mm: float | None
    where: str
    sop_uid: str
    source: int = 0
    """Which dataset of the series holds it."""
    frame: int = 0
    """Which frame of that dataset."""

    @functools.cached_property
    def normal(self) -> NDArray[np.float64]:
        return np.cross(self.row_direction, self.column_direction)

    @property
    def depth_mm(self) -> float:
        """Distance from the origin along the plane's normal."""
        return float(self.position_mm @ self.normal)


def planes_of(header: Header, source: int = 0) -> list[Plane]:
    """All planes of a dataset: one, or one per frame of an enhanced multi-frame object. DCM103 when a position,
    orientation or spacing is missing, DCM104 and DCM126 when it cannot be."""
    frames = header.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        if header.whole("NumberOfFrames", default=1) > 1:
            raise TumorboardError(
                codes.TAG_MISSING,
                header.where,
                found="a multi-frame object without PerFrameFunctionalGroupsSequence",
                expected="a position for every frame",
            )
        return [plane_of(header, header, header, header=header, source=source)]
    shared = header.item("SharedFunctionalGroupsSequence")
    planes = []
    for index, frame in enumerate(frames):
        position = functional_group("PlanePositionSequence", frame, shared)
        orientation = functional_group("PlaneOrientationSequence", frame, shared)
        measures = functional_group("PixelMeasuresSequence", frame, shared)
        planes.append(plane_of(position, orientation, measures, header=header, source=source, frame=index))
    return planes


def functional_group(keyword: str, frame: Header, shared: Header | None) -> Header:
    """A functional group of a frame, from the frame or from what all frames share. DCM103 when neither has it."""
    found = frame.item(keyword) or (shared.item(keyword) if shared else None)
    if found is None:
        raise TumorboardError(codes.TAG_MISSING, frame.where, found=f"no {keyword}", expected="one, own or shared")
    return found


def plane_of(
    position: Header, orientation: Header, measures: Header, *, header: Header, source: int = 0, frame: int = 0
) -> Plane:
    """A plane from the headers (or functional groups) that hold its attributes."""
    cosines = np.array(orientation.numbers("ImageOrientationPatient", count=6))
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    skew = abs(float(row @ column))
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), skew) > _ORIENTATION_TOLERANCE:
        raise TumorboardError(
            codes.ORIENTATION,
            orientation.where,
            found=f"ImageOrientationPatient {cosines.tolist()}",
            expected="two unit vectors at right angles",
        )
    between_rows, between_columns = measures.numbers("PixelSpacing", count=2)
    if min(between_rows, between_columns) <= 0:
        raise measures.impossible("PixelSpacing", f"{between_rows}, {between_columns}", "two positive numbers of mm")
    thickness = measures.number("SliceThickness", default=0.0)
    return Plane(
        np.array(position.numbers("ImagePositionPatient", count=3)),
        row / lengths[0],
        column / lengths[1],
        (between_columns, between_rows),
        (header.whole("Columns"), header.whole("Rows")),
        thickness if thickness > 0 else None,
        header.where if frame == 0 else f"{header.where}, frame {frame + 1}",
        header.text("SOPInstanceUID"),
        source,
        frame,
    )


def sort_planes(planes: Sequence[Plane], where: str) -> list[Plane]:
    """Planes in the order of their position along the normal. DCM124 when they differ in orientation, size or
    spacing, DCM122 when two share a position."""
    first = planes[0]
    for plane in planes:
        turned = max(
            np.abs(plane.row_direction - first.row_direction).max(),
            np.abs(plane.column_direction - first.column_direction).max(),
        )
        stretched = np.abs(np.subtract(plane.spacing_mm, first.spacing_mm)).max()
        if turned > _ORIENTATION_TOLERANCE or plane.shape != first.shape or stretched > 1e-3 * min(first.spacing_mm):
            raise TumorboardError(
                codes.SLICES_MIXED,
                plane.where,
                found=f"{_describe(plane)} beside {_describe(first)} ({first.where})",
                expected="one orientation, size and spacing",
            )
    # One normal for all, so that rounding of the cosines cannot change the order.
    normal = first.normal
    ordered = sorted(planes, key=lambda plane: float(plane.position_mm @ normal))
    for one, other in itertools.pairwise(ordered):
        if float((other.position_mm - one.position_mm) @ normal) < 1e-3:
            raise TumorboardError(
                codes.SLICES_DUPLICATE,
                where,
                found=f"{one.where} and {other.where} at {_mm(one, first)} mm",
                expected="one slice per position",
            )
    return ordered


def _describe(plane: Plane) -> str:
    cosines = np.round(np.concatenate([plane.row_direction, plane.column_direction]), 4).tolist()
    return f"{plane.shape[0]} x {plane.shape[1]} pixels of {plane.spacing_mm} mm, orientation {cosines}"


def _mm(plane: Plane, first: Plane) -> float:
    return round(float(plane.position_mm @ first.normal), 3)


def stack_geometry(
    planes: Sequence[Plane], where: str, *, allow_shear: bool = False, slice_step_mm: float | None = None
) -> Geometry:
    """The grid of sorted planes: axes along a row, along a column, and from plane to plane.

    Parameters
    ----------
    allow_shear : accept planes shifted against each other (tilted gantry); the affine is then sheared, exactly.
    slice_step_mm : distance to the next plane, for a single plane without SliceThickness.

    Errors: DCM121 missing planes, DCM123 uneven distances, DCM125 shear, DCM103 a single plane of no thickness.
    """
    first, last = planes[0], planes[-1]
    if len(planes) == 1:
        step = first.normal * _single_step(first, slice_step_mm)
    else:
        _require_even(planes, where)
        step = (last.position_mm - first.position_mm) / (len(planes) - 1)
        _require_straight(step, planes, where)
        if not allow_shear:
            step = _upright(step, planes, where)
    affine = np.eye(4)
    affine[:3, 0] = first.row_direction * first.spacing_mm[0]
    affine[:3, 1] = first.column_direction * first.spacing_mm[1]
    affine[:3, 2] = step
    affine[:3, 3] = first.position_mm
    return Geometry((*first.shape, len(planes)), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def _single_step(plane: Plane, slice_step_mm: float | None) -> float:
    step = slice_step_mm or plane.thickness_mm
    if not step or step <= 0:
        raise TumorboardError(
            codes.TAG_MISSING,
            plane.where,
            found="a single slice without SliceThickness",
            expected="its thickness",
            fix="state it: slice_step_mm=...",
        )
    return step


def _require_even(planes: Sequence[Plane], where: str) -> None:
    depths = np.array([plane.position_mm @ planes[0].normal for plane in planes])
    steps = np.diff(depths)
    usual = float(np.median(steps))
    line = depths[0] + np.arange(len(depths)) * (depths[-1] - depths[0]) / (len(depths) - 1)
    if np.abs(depths - line).max() <= max(_POSITION_TOLERANCE_MM, _RELATIVE_TOLERANCE * usual):
        return
    for step in (usual, float(steps.min())):
        missing = np.rint(steps / step).astype(int) - 1
        left = np.abs(steps - (missing + 1) * step).max()
        if missing.min() >= 0 and missing.max() > 0 and left <= max(_POSITION_TOLERANCE_MM, _RELATIVE_TOLERANCE * step):
            at = [f"{missing[i]} behind {depths[i]:.2f} mm" for i in np.flatnonzero(missing)[:4]]
            raise TumorboardError(
                codes.SLICES_GAP,
                where,
                found=f"{missing.sum()} slices missing: {', '.join(at)}",
                expected=f"a slice every {step:.3f} mm",
            )
    raise TumorboardError(
        codes.SLICES_UNEVEN,
        where,
        found=f"distances from {steps.min():.3f} to {steps.max():.3f} mm",
        expected=f"the usual {usual:.3f} mm throughout",
    )


def _upright(step: NDArray[np.float64], planes: Sequence[Plane], where: str) -> NDArray[np.float64]:
    """The step along the normal alone. DCM125 when it also runs sideways by more than the rounding of decimals:
    a fifth of a pixel (at least 0.1 mm) over the whole stack."""
    normal = planes[0].normal
    upright: NDArray[np.float64] = (step @ normal) * normal
    shift_mm = float(np.linalg.norm(step - upright))
    if shift_mm * (len(planes) - 1) > max(_POSITION_TOLERANCE_MM, 0.2 * min(planes[0].spacing_mm)):
        degrees = float(np.degrees(np.arctan2(shift_mm, step @ normal)))
        raise TumorboardError(
            codes.SHEARED,
            where,
            found=f"slices shifted by {shift_mm:.3f} mm each ({degrees:.1f} degrees of tilt)",
            expected="slices stacked along their normal",
        )
    return upright


def _require_straight(step: NDArray[np.float64], planes: Sequence[Plane], where: str) -> None:
    """In-plane positions on one line: a couch that moved sideways between two stacks is no volume."""
    offsets = np.array([plane.position_mm - planes[0].position_mm for plane in planes])
    away = np.linalg.norm(offsets - np.arange(len(planes))[:, None] * step, axis=1)
    limit = max(_POSITION_TOLERANCE_MM, _RELATIVE_TOLERANCE * float(np.linalg.norm(step)))
    if away.max() > limit * 2:
        worst = planes[int(away.argmax())]
        raise TumorboardError(
            codes.SLICES_UNEVEN, worst.where, found=f"{away.max():.3f} mm off the line of the others", expected="a line"
        )
