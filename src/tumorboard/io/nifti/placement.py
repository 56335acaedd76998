"""Which of a NIfTI header's three statements about place to believe, and what speaks against it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.io import codes
from tumorboard.io.nifti.header import NiftiHeader
from tumorboard.io.remarks import Remark

__all__ = ["AffineSource", "LengthUnit", "place"]

AffineSource = Literal["sform", "qform", "pixdim"]
LengthUnit = Literal["mm", "m", "um"]

_MILLIMETRES = {"mm": 1.0, "m": 1000.0, "um": 0.001}
_UNIT_CODES: dict[int, LengthUnit] = {1: "m", 2: "mm", 3: "um"}
_REFUSE_VOXELS = 0.5
_REMARK_VOXELS = 0.01
"""sform and qform may lie this part of the smallest voxel side apart: refused, remarked. Half a voxel is where
voxels change places."""
_SQUARES_ROUNDING = 2.0**-22
"""What float32 components leave open about the length of a unit quaternion; half turns are rounded to this."""


def place(
    header: NiftiHeader, *, affine: AffineSource | None = None, length_unit: LengthUnit | None = None
) -> tuple[Geometry | None, list[Remark]]:
    """The grid, or None when a remark of severity `error` forbids one.

    `affine` says explicitly which statement to take (default: the sform if its code is set, else the qform);
    `length_unit` in what the header's lengths are (default: what it says; unsaid is millimetres).
    """
    remarks: list[Remark] = []
    scale = _scale(header, length_unit, remarks)
    source = affine or _stated(header, remarks)
    geometry = None
    if source is not None:
        try:
            geometry = Geometry(header.shape, _scaled(_affine(header, source), scale))
        except TumorboardError as error:
            remarks.append(Remark.from_error(_relocated(error, header.where)))
    if geometry is not None:
        if affine is None and source == "sform" and header.qform_code > 0:
            remarks += _disagreement(header, geometry, scale)
        remarks += _shear(header, geometry) + _voxel_sizes(header, geometry, scale)
    refused = any(remark.severity == "error" for remark in remarks)
    return (None if refused else geometry), remarks


def _scale(header: NiftiHeader, length_unit: LengthUnit | None, remarks: list[Remark]) -> float:
    stated = _UNIT_CODES.get(header.length_unit)
    if length_unit is not None:
        return _MILLIMETRES[length_unit]
    if stated != "mm":
        unsaid = header.length_unit == 0
        remarks.append(
            Remark.of(
                codes.LENGTH_UNIT,
                header.where,
                severity="info" if unsaid else "error",
                found="no unit of length (read as mm)" if unsaid else f"lengths in {stated or header.length_unit}",
                expected="mm",
            )
        )
    return 1.0


def _stated(header: NiftiHeader, remarks: list[Remark]) -> AffineSource | None:
    if header.sform_code > 0:
        return "sform"
    if header.qform_code > 0:
        return "qform"
    remarks.append(
        Remark.of(
            codes.AFFINE_ABSENT,
            header.where,
            severity="error",
            found=f"sform code {header.sform_code}, qform code {header.qform_code}",
            expected="one of them above 0",
            fix=f'{codes.AFFINE_ABSENT.fix}, or read with affine="pixdim" (axes taken as right, anterior, superior)',
        )
    )
    return None


def _affine(header: NiftiHeader, source: AffineSource) -> NDArray[np.float64]:
    """4x4; GEO101/FIL107/NIF102 where the fields it is made of are not usable."""
    affine = np.eye(4)
    if source == "sform":
        affine[:3] = header.rows
        return affine
    sizes = np.array(header.pixdim[1:4])
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise TumorboardError(
            codes.PIXDIM_CONFLICT, header.where, found=f"voxel sizes {sizes.tolist()}", expected="positive sizes"
        )
    if source == "pixdim":
        affine[:3, :3] = np.diag(sizes)
        return affine
    if header.pixdim[0] == -1:
        sizes[2] *= -1
    affine[:3, :3] = _rotation(header) * sizes
    affine[:3, 3] = header.quaternion[3:]
    return affine


def _rotation(header: NiftiHeader) -> NDArray[np.float64]:
    """Rotation of the unit quaternion (a, b, c, d), a from the other three (nifti1.h, "method 2")."""
    b, c, d = header.quaternion[:3]
    squares = b * b + c * c + d * d
    if not math.isfinite(squares) or squares > 1 + 1e-4:
        raise TumorboardError(
            codes.FILE_HEADER,
            header.where,
            found=f"quaternion part {(b, c, d)}",
            expected="a finite vector no longer than 1",
        )
    a = math.sqrt(max(0.0, 1 - squares))
    if 1 - squares < _SQUARES_ROUNDING:
        a, (b, c, d) = 0.0, (x / math.sqrt(squares) for x in (b, c, d))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )


def _scaled(affine: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    if scale != 1:
        affine[:3] *= scale
    return affine


def _disagreement(header: NiftiHeader, geometry: Geometry, scale: float) -> list[Remark]:
    try:
        other = Geometry(header.shape, _scaled(_affine(header, "qform"), scale))
    except TumorboardError as error:
        found, severity = f"an sform, and a qform that is not usable ({error.found})", "warning"
    else:
        apart = float(np.linalg.norm(geometry.corners_mm() - other.corners_mm(), axis=1).max())
        side = float(geometry.spacing_mm.min())
        voxels = apart / side
        if apart <= _REMARK_VOXELS * side + _quaternion_rounding_mm(header, geometry):
            return []
        found = f"sform and qform up to {apart:.3g} mm ({voxels:.2g} voxels) apart"
        severity = "error" if voxels > _REFUSE_VOXELS else "warning"
    return [Remark.of(codes.AFFINE_CONFLICT, header.where, severity=severity, found=found, expected="one place")]


def _quaternion_rounding_mm(header: NiftiHeader, geometry: Geometry) -> float:
    """How far float32 rounding of the quaternion can move the far corner; much only near half turns, where
    the missing component a is the root of a difference of nearly equal numbers."""
    left = max(0.0, 1 - sum(x * x for x in header.quaternion[:3]))
    slack = min(math.sqrt(_SQUARES_ROUNDING), _SQUARES_ROUNDING / max(2 * math.sqrt(left), 1e-12))
    return 2 * slack * float(np.linalg.norm(geometry.extent_mm))


def _shear(header: NiftiHeader, geometry: Geometry) -> list[Remark]:
    if geometry.is_orthogonal:
        return []
    gram = geometry.direction.T @ geometry.direction
    worst = math.degrees(math.asin(min(1.0, float(np.abs(gram - np.eye(3)).max()))))
    return [
        Remark.of(
            codes.AFFINE_SHEARED,
            header.where,
            severity="warning",
            found=f"axes {90 - worst:.3f} degrees apart",
            expected="right angles",
        )
    ]


def _voxel_sizes(header: NiftiHeader, geometry: Geometry, scale: float) -> list[Remark]:
    sizes = np.array(header.pixdim[1:4]) * scale
    with np.errstate(invalid="ignore"):
        agree = np.abs(sizes - geometry.spacing_mm) <= 1e-3 * geometry.spacing_mm
    if agree.all():
        return []
    return [
        Remark.of(
            codes.PIXDIM_CONFLICT,
            header.where,
            severity="warning",
            found=f"sizes {np.round(sizes, 4).tolist()} mm in pixdim",
            expected=f"{np.round(geometry.spacing_mm, 4).tolist()} mm as in the affine",
        )
    ]


def _relocated(error: TumorboardError, where: str) -> TumorboardError:
    return TumorboardError(error.code, where, found=error.found, expected=error.expected, fix=error.fix)
