"""NIfTI file -> Volume: checked before memory is taken, verified to the last byte before it is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes
from tumorboard.io.inflate import CHUNK_BYTES, MAX_BYTES, MAX_RATIO, Inflated, is_gzip, open_gzip
from tumorboard.io.nifti.header import HEADER_BYTES, NiftiHeader, parse_header
from tumorboard.io.nifti.placement import AffineSource, LengthUnit, place
from tumorboard.io.remarks import Remark, raise_errors
from tumorboard.io.voxels import count_not_finite, finite_values, not_finite_remark

__all__ = ["inspect_nifti", "read_nifti", "read_nifti_geometry"]


def read_nifti(
    path: Path,
    *,
    unit: Unit,
    affine: AffineSource | None = None,
    length_unit: LengthUnit | None = None,
    frame: int | None = None,
    nan_as: float | None = None,
    trailing: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Volume:
    """The scan in `path`, scaled, in its stated unit; an uncompressed one is memory-mapped (copy on write).

    Values: stored integers and floats in native byte order, or float32/float64 after scaling. NaN stays NaN
    except in label maps, which refuse it, and where `nan_as` says what it (and infinity) stands for.
    Options that decide what the file leaves open, to be kept in the image's `options["read"]`: `affine` which
    statement of place to believe, `length_unit` of the header's lengths, `frame` of a 4-D file (from 0),
    `trailing` whether bytes behind the voxels are tolerated, `max_bytes` the most that the file may inflate to
    and the array may take.

    Errors: FIL101 missing, FIL102 not a readable NIfTI, FIL104 truncated, FIL105 too large, FIL106 broken
    checksum or stream, FIL107 impossible header, FIL108 misnamed, FIL109 trailing bytes, GEO101 impossible
    affine, GEO103 no volume, IMG104 no place, NIF101 two places, NIF104 not millimetres, IMG101 several frames,
    IMG102 a label map with NaN.
    """
    compressed = _compressed(path)
    header = _read_header(path, compressed=compressed)
    geometry = _placed(header, affine, length_unit)
    chosen = _frame(header, frame)
    _require_modest(header, path, max_bytes)
    if header.declared_bytes > _most_bytes(path, compressed=compressed):
        raise _too_short(header, path)
    if compressed:
        array = _read_compressed(path, header, chosen, trailing=trailing, max_bytes=max_bytes)
    else:
        if not trailing and path.stat().st_size > header.declared_bytes:
            raise _trailing(header, f"{path.stat().st_size - header.declared_bytes:,} bytes")
        array = _map_plain(path, header, chosen)
    return Volume(finite_values(array, unit, nan_as, path), geometry.affine, unit)


def read_nifti_geometry(
    path: Path, *, affine: AffineSource | None = None, length_unit: LengthUnit | None = None, frame: int | None = None
) -> Geometry:
    """The grid of `path` from its header alone; options and errors as far as the header shows them as in
    `read_nifti`, and FIL104 where the file's size already shows that voxels are missing."""
    compressed = _compressed(path)
    header = _read_header(path, compressed=compressed)
    _frame(header, frame)
    if header.declared_bytes > _most_bytes(path, compressed=compressed):
        raise _too_short(header, path)
    return _placed(header, affine, length_unit)


def inspect_nifti(path: Path, *, voxels: bool = False, max_bytes: int = MAX_BYTES) -> list[Remark]:
    """Everything that is remarkable about a file, refusals (severity `error`) included; nothing is raised.

    Without `voxels` from the header and the file's size alone; with it the whole stream is verified and
    voxels that are not finite are counted, in bounded memory.
    """
    try:
        compressed = _compressed(path)
        header = _read_header(path, compressed=compressed)
    except TumorboardError as error:
        return [Remark.from_error(error)]
    remarks = place(header)[1] + _header_remarks(header)
    try:
        _require_modest(header, path, max_bytes)
        if header.declared_bytes > _most_bytes(path, compressed=compressed):
            raise _too_short(header, path)
        if not compressed and path.stat().st_size > header.declared_bytes:
            raise _trailing(header, f"{path.stat().st_size - header.declared_bytes:,} bytes")
        if voxels:
            remarks += _voxel_remarks(path, header, compressed=compressed, max_bytes=max_bytes)
    except TumorboardError as error:
        remarks.append(Remark.from_error(error))
    return remarks


# ---- the file and its header ----------------------------------------------------------------------------
def _compressed(path: Path) -> bool:
    """Whether the file is gzip, which its name must say. FIL101, FIL102, FIL108."""
    if not path.is_file():
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="a NIfTI file")
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"name {path.name}", expected=".nii or .nii.gz")
    named, compressed = name.endswith(".gz"), is_gzip(path)
    if named != compressed:
        kinds = {True: "gzip", False: "not gzip"}
        raise TumorboardError(codes.FILE_NAME, path, found=f"bytes that are {kinds[compressed]}", expected=kinds[named])
    return compressed


@contextmanager
def _opened(path: Path, *, compressed: bool, max_bytes: int = MAX_BYTES) -> Iterator[Inflated]:
    if compressed:
        with open_gzip(path, max_bytes=max_bytes) as stream:
            yield stream
    else:
        with path.open("rb") as file:
            yield Inflated(file, path, max_bytes)


def _read_header(path: Path, *, compressed: bool) -> NiftiHeader:
    with _opened(path, compressed=compressed) as stream:
        return parse_header(stream.read(HEADER_BYTES), path)


def _placed(header: NiftiHeader, affine: AffineSource | None, length_unit: LengthUnit | None) -> Geometry:
    geometry, remarks = place(header, affine=affine, length_unit=length_unit)
    raise_errors(remarks)
    assert geometry is not None  # place() gives one unless a remark is an error
    return geometry


def _frame(header: NiftiHeader, frame: int | None) -> int:
    if frame is None and header.frames > 1:
        raise TumorboardError(
            codes.FRAMES, header.where, found=f"shape {header.dims}", expected="three axes, or a stated frame"
        )
    if frame is not None and (not 0 <= frame < header.frames or len(header.dims) > 4):
        raise TumorboardError(
            codes.FRAMES, header.where, found=f"frame {frame} of shape {header.dims}", expected="a frame that is there"
        )
    return frame or 0


def _most_bytes(path: Path, *, compressed: bool) -> int:
    """No more than this can be in the file, whatever its header says."""
    return path.stat().st_size * (MAX_RATIO if compressed else 1)


def _require_modest(header: NiftiHeader, path: Path, max_bytes: int) -> None:
    array_bytes = header.frame_bytes // header.dtype.itemsize * header.value_dtype.itemsize
    needed = max(header.declared_bytes, array_bytes)
    if needed > max_bytes:
        raise TumorboardError(
            codes.FILE_TOO_LARGE,
            path,
            found=f"shape {header.dims} of {header.dtype.name}, {needed:,} bytes",
            expected=f"at most max_bytes={max_bytes}",
        )


def _too_short(header: NiftiHeader, path: Path) -> TumorboardError:
    return TumorboardError(
        codes.FILE_TRUNCATED,
        path,
        found=f"a file of {path.stat().st_size:,} bytes",
        expected=f"{header.declared_bytes:,} for shape {header.dims} of {header.dtype.name}",
    )


def _trailing(header: NiftiHeader, found: str) -> TumorboardError:
    return TumorboardError(
        codes.FILE_TRAILING,
        header.where,
        found=f"{found} behind the voxels",
        expected=f"{header.declared_bytes:,} bytes in all",
        fix=f"{codes.FILE_TRAILING.fix}, or read with trailing=True",
    )


def _header_remarks(header: NiftiHeader) -> list[Remark]:
    remarks = []
    if header.frames > 1:
        remarks.append(
            Remark.of(codes.FRAMES, header.where, severity="error", found=f"shape {header.dims}", expected="three axes")
        )
    if header.slope == 0 and header.inter != 0:
        remarks.append(
            Remark.of(
                codes.SCALE_CONFLICT,
                header.where,
                severity="warning",
                found=f"slope 0 and intercept {header.inter:g} (read unscaled)",
                expected="a slope, or no intercept",
            )
        )
    if header.bitpix != 8 * header.dtype.itemsize:
        remarks.append(
            Remark.of(
                codes.FILE_HEADER,
                header.where,
                severity="warning",
                found=f"{header.bitpix} bits per voxel of {header.dtype.name} (read as {header.dtype.name})",
                expected=str(8 * header.dtype.itemsize),
            )
        )
    return remarks


# ---- voxels -------------------------------------------------------------------------------------------
def _read_compressed(path: Path, header: NiftiHeader, frame: int, *, trailing: bool, max_bytes: int) -> NDArray[Any]:
    with open_gzip(path, max_bytes=max_bytes) as stream:
        stream.skip(header.offset + frame * header.frame_bytes)
        array = np.empty(header.shape, header.value_dtype, order="F")
        flat, done = array.reshape(-1, order="F"), 0
        for values in _stored(stream, header, header.frame_bytes):
            _scale_into(flat[done : done + values.size], values, header)
            done += values.size
        _verify_end(stream, header, trailing=trailing)
    return array


def _stored(stream: Inflated, header: NiftiHeader, length: int) -> Iterator[NDArray[Any]]:
    """`length` bytes as stored numbers, a piece at a time. FIL104 when they stop before."""
    left = length
    while left:
        data = stream.read(min(left, CHUNK_BYTES))
        if len(data) < min(left, CHUNK_BYTES):
            raise TumorboardError(
                codes.FILE_TRUNCATED,
                header.where,
                found=f"{stream.position:,} bytes",
                expected=f"{header.declared_bytes:,} for shape {header.dims} of {header.dtype.name}",
            )
        left -= len(data)
        yield np.frombuffer(data, header.dtype)


def _scale_into(out: NDArray[Any], stored: NDArray[Any], header: NiftiHeader) -> None:
    if header.scaling is None:
        out[:] = stored
        return
    slope, inter = header.scaling
    values = stored * np.float64(slope)
    values += inter
    out[:] = values


def _verify_end(stream: Inflated, header: NiftiHeader, *, trailing: bool) -> None:
    """Skip what frames are left, then demand the end: only there are checksum and length verified."""
    left = header.declared_bytes - stream.position
    if stream.skip(left) < left:
        raise TumorboardError(
            codes.FILE_TRUNCATED,
            header.where,
            found=f"{stream.position:,} bytes",
            expected=f"{header.declared_bytes:,} for shape {header.dims} of {header.dtype.name}",
        )
    if stream.at_end():
        return
    if not trailing:
        raise _trailing(header, "more bytes")
    while stream.skip(CHUNK_BYTES) == CHUNK_BYTES:
        pass


def _map_plain(path: Path, header: NiftiHeader, frame: int) -> NDArray[Any]:
    start = header.offset + frame * header.frame_bytes
    stored = np.asarray(np.memmap(path, header.dtype, mode="c", offset=start, shape=header.shape, order="F"))
    if header.scaling is None:
        return stored if header.dtype.isnative else stored.astype(header.value_dtype)
    array = np.empty(header.shape, header.value_dtype, order="F")
    for k in range(header.shape[2]):
        _scale_into(array[:, :, k], stored[:, :, k], header)
    return array


def _voxel_remarks(path: Path, header: NiftiHeader, *, compressed: bool, max_bytes: int) -> list[Remark]:
    bad = 0
    with _opened(path, compressed=compressed, max_bytes=max_bytes) as stream:
        stream.skip(header.offset)
        for values in _stored(stream, header, header.frame_bytes * header.frames):
            bad += count_not_finite(values)
        _verify_end(stream, header, trailing=False)
    return not_finite_remark(path, bad)
