"""The 348 (or 540) bytes in front of the voxels, believed only as far as they agree with themselves."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.codes import GEOMETRY_SHAPE
from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes

__all__ = ["HEADER_BYTES", "NiftiHeader", "parse_header"]

HEADER_BYTES = 540
"""Enough for either version."""
_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_REFUSED = {
    1: "single bits",
    32: "complex numbers",
    128: "RGB colours",
    1536: "128-bit floats",
    1792: "complex numbers",
    2048: "complex numbers",
    2304: "RGBA colours",
}


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the fields of one version stand: struct format and byte offset."""

    size: int
    dim: tuple[str, int]
    pixdim: tuple[str, int]
    datatype: tuple[str, int]
    bitpix: tuple[str, int]
    offset: tuple[str, int]
    scale: tuple[str, int]
    codes: tuple[str, int]
    quaternion: tuple[str, int]
    rows: tuple[str, int]
    units: tuple[str, int]
    magic: tuple[int, bytes, bytes]


_LAYOUTS = {
    1: _Layout(
        size=348,
        dim=("8h", 40),
        pixdim=("8f", 76),
        datatype=("h", 70),
        bitpix=("h", 72),
        offset=("f", 108),
        scale=("2f", 112),
        codes=("2h", 252),
        quaternion=("6f", 256),
        rows=("12f", 280),
        units=("B", 123),
        magic=(344, b"n+1\0", b"ni1\0"),
    ),
    2: _Layout(
        size=540,
        dim=("8q", 16),
        pixdim=("8d", 80),
        datatype=("h", 12),
        bitpix=("h", 14),
        offset=("q", 168),
        scale=("2d", 176),
        codes=("2i", 344),
        quaternion=("6d", 352),
        rows=("12d", 400),
        units=("i", 500),
        magic=(4, b"n+2\0\r\n\x1a\n", b"ni2\0\r\n\x1a\n"),
    ),
}


@dataclass(frozen=True)
class NiftiHeader:
    """What the header says, decoded; sizes and types verified, places (affines) not yet."""

    where: str
    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    offset: int
    slope: float
    inter: float
    bitpix: int
    pixdim: tuple[float, ...]
    qform_code: int
    sform_code: int
    quaternion: tuple[float, ...]
    """b, c, d and the offsets x, y, z."""
    rows: NDArray[np.float64]
    """The sform, 3x4."""
    length_unit: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The three spatial counts."""
        i, j, k = (*self.dims, 1, 1)[:3]
        return i, j, k

    @property
    def frames(self) -> int:
        return math.prod(self.dims[3:])

    @property
    def frame_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def declared_bytes(self) -> int:
        """Length the (inflated) file must have."""
        return self.offset + self.frame_bytes * self.frames

    @property
    def scaling(self) -> tuple[float, float] | None:
        """(slope, intercept), or None where stored values are the values (slope 0 or unset, or 1 and 0)."""
        if self.slope == 0 or math.isnan(self.slope) or (self.slope, self.inter) == (1, 0):
            return None
        return self.slope, self.inter

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """Type of the values read: the stored one in native order; scaled ones are float32, or float64
        where float32 cannot tell neighbouring stored numbers apart."""
        if self.scaling is None:
            return self.dtype.newbyteorder("=")
        wide = self.dtype.itemsize > 4 or (self.dtype.kind in "iu" and self.dtype.itemsize > 2)
        return np.dtype(np.float64 if wide else np.float32)


def parse_header(raw: bytes, where: Path) -> NiftiHeader:
    """Decode and verify the first bytes of a (decompressed) NIfTI file.

    Errors: FIL102 not a single-file NIfTI or voxels of an unusable type, FIL104 shorter than a header,
    FIL107 sizes, offset or scaling that cannot be, GEO103 without voxels.
    """
    order, layout = _identify(raw, where)

    def get(field: tuple[str, int]) -> tuple[Any, ...]:
        return struct.unpack_from(order + field[0], raw, field[1])

    offset, (slope, inter) = get(layout.offset)[0], get(layout.scale)
    header = NiftiHeader(
        where=str(where),
        dtype=_dtype(get(layout.datatype)[0], order, where),
        dims=_dims(get(layout.dim), where),
        offset=_offset(offset, layout.size + 4, where),
        slope=slope,
        inter=inter,
        bitpix=get(layout.bitpix)[0],
        pixdim=get(layout.pixdim),
        qform_code=get(layout.codes)[0],
        sform_code=get(layout.codes)[1],
        quaternion=get(layout.quaternion),
        rows=np.array(get(layout.rows), float).reshape(3, 4),
        length_unit=get(layout.units)[0] & 7,
    )
    unset = slope == 0 or math.isnan(slope)
    if math.isinf(slope) or not (unset or math.isfinite(inter)):
        raise _impossible(where, f"slope {slope} and intercept {inter}", "finite scaling")
    if not {header.qform_code, header.sform_code} <= set(range(6)):
        raise _impossible(where, f"qform code {header.qform_code}, sform code {header.sform_code}", "codes 0 to 5")
    return header


def _identify(raw: bytes, where: Path) -> tuple[str, _Layout]:
    """Byte order and version; the magic must stand where the size in the first four bytes says."""
    for order in "<>":
        for layout in _LAYOUTS.values():
            if raw[:4] != struct.pack(order + "i", layout.size):
                continue
            if len(raw) < layout.size:
                raise TumorboardError(
                    codes.FILE_TRUNCATED, where, found=f"{len(raw)} bytes", expected=f"a header of {layout.size}"
                )
            at, single, pair = layout.magic
            magic = raw[at : at + len(single)]
            if magic == single:
                return order, layout
            kind = "a header/image pair" if magic == pair else f"magic {magic!r} (ANALYZE 7.5?)"
            raise TumorboardError(codes.FILE_FORMAT, where, found=kind, expected="single-file NIfTI")
    if len(raw) < 348:
        raise TumorboardError(codes.FILE_TRUNCATED, where, found=f"{len(raw)} bytes", expected="a header of 348")
    raise TumorboardError(
        codes.FILE_FORMAT, where, found=f"first bytes {raw[:4].hex()}", expected="a NIfTI header (size 348 or 540)"
    )


def _dtype(code: int, order: str, where: Path) -> np.dtype[Any]:
    if code not in _DTYPES:
        found = f"datatype {code}" + (f", {_REFUSED[code]}" if code in _REFUSED else "")
        raise TumorboardError(codes.FILE_FORMAT, where, found=found, expected="integers or floats")
    return np.dtype(order + _DTYPES[code])


def _dims(dim: tuple[int, ...], where: Path) -> tuple[int, ...]:
    axes = dim[0]
    if not 1 <= axes <= 7:
        raise _impossible(where, f"{axes} axes", "1 to 7")
    dims = dim[1 : axes + 1]
    if min(dims) < 1:
        raise TumorboardError(GEOMETRY_SHAPE, where, found=f"shape {dims}", expected="positive counts")
    while len(dims) > 3 and dims[-1] == 1:
        dims = dims[:-1]
    return dims


def _offset(value: float, least: int, where: Path) -> int:
    if not math.isfinite(value) or value != int(value) or value < least:
        raise _impossible(where, f"voxels at byte {value}", f"a whole number from {least} on")
    return int(value)


def _impossible(where: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.FILE_HEADER, where, found=found, expected=expected)
