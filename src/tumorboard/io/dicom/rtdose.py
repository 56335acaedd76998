"""RT dose grids -> Volume in Gray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.pixels import stored_frames
from tumorboard.io.dicom.slices import plane_of

__all__ = ["dose_facts", "dose_geometry", "read_dose", "require_gray"]

_TOLERANCE_MM = 0.1


def read_dose(path: Path, *, unit: Unit = Unit.GY) -> Volume:
    """The dose of an RTDOSE file, stored values times DoseGridScaling.

    Errors: RTD101 another unit than GY, or frames that are not placed; DCM121 to DCM126 for uneven frames; UNT101 when
    asked for another unit than Gy.
    """
    header = read_header(Path(path), pixels=True)
    require_gray(header)
    geometry = dose_geometry(header)
    scaling = header.number("DoseGridScaling")
    if scaling <= 0:
        raise header.impossible("DoseGridScaling", str(scaling), "a number above 0")
    columns, rows, count = geometry.shape
    frames = list(stored_frames(header))
    out = np.empty((count, rows, columns), np.float32)
    for index, frame in zip(_order(_offsets(header)), range(count), strict=True):
        out[frame] = frames[index] * scaling
    return Volume(out.transpose(2, 1, 0), geometry.affine, Unit.GY).require(unit, where=str(path))


def dose_geometry(header: Header) -> Geometry:
    """The grid of a dose: the plane of the first frame, and GridFrameOffsetVector along its normal."""
    plane = plane_of(header, header, header, header=header)
    offsets = np.sort(_offsets(header))
    step = _step(offsets, header)
    affine = np.eye(4)
    affine[:3, 0] = plane.row_direction * plane.spacing_mm[0]
    affine[:3, 1] = plane.column_direction * plane.spacing_mm[1]
    affine[:3, 2] = plane.normal * step
    affine[:3, 3] = plane.position_mm + plane.normal * offsets[0]
    return Geometry((*plane.shape, len(offsets)), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def dose_facts(header: Header) -> dict[str, str]:
    """What kind of dose it is: type (PHYSICAL, EFFECTIVE), summation (PLAN, BEAM ...)."""
    return {"dose_type": header.text("DoseType"), "summation": header.text("DoseSummationType")}


def require_gray(header: Header) -> None:
    if header.text("Modality") != "RTDOSE":
        raise header.impossible("Modality", header.text("Modality"), "RTDOSE")
    unit, kind = header.text("DoseUnits").upper(), header.text("DoseType").upper()
    if unit != "GY" or kind == "ERROR":
        raise TumorboardError(
            codes.DOSE_FORM,
            header.where,
            found=f"DoseUnits {unit or 'absent'}, DoseType {kind}",
            expected="a dose in GY",
        )


def _offsets(header: Header) -> NDArray[np.float64]:
    """Distance of every frame from the first one's position, along the normal, in mm.

    Two conventions (PS3.3 C.8.8.3.2): a vector that begins with 0 holds distances; one that does not holds the
    patient coordinates along z, which begin with that of ImagePositionPatient and need axial frames.
    """
    frames = header.whole("NumberOfFrames", default=1)
    if frames == 1 and not header.has("GridFrameOffsetVector"):
        return np.zeros(1)
    offsets = np.array(header.numbers("GridFrameOffsetVector", count=frames))
    if offsets[0] == 0:
        return offsets
    plane = plane_of(header, header, header, header=header)
    axial = abs(abs(plane.normal[2]) - 1) < 1e-4
    if not axial or abs(offsets[0] - plane.position_mm[2]) > _TOLERANCE_MM:
        raise TumorboardError(
            codes.DOSE_FORM,
            header.where,
            found=f"GridFrameOffsetVector from {offsets[0]:g}, first frame at z {plane.position_mm[2]:g}",
            expected="distances from 0, or z coordinates from that of the first (axial) frame",
        )
    along: NDArray[np.float64] = (offsets - offsets[0]) * np.sign(plane.normal[2])
    return along


def _order(offsets: NDArray[np.float64]) -> list[int]:
    order: list[int] = np.argsort(offsets).tolist()
    return order


def _step(offsets: NDArray[np.float64], header: Header) -> float:
    if len(offsets) == 1:
        return header.number("SliceThickness")
    steps = np.diff(offsets)
    if steps.min() < 1e-3 or np.ptp(steps) > _TOLERANCE_MM:
        raise TumorboardError(
            codes.SLICES_UNEVEN,
            header.where,
            found=f"frames {steps.min():.3f} to {steps.max():.3f} mm apart",
            expected="one distance",
        )
    return float((offsets[-1] - offsets[0]) / (len(offsets) - 1))
