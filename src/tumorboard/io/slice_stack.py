"""CT slices in a folder, one 16-bit PNG each (HU + 32768) -> Volume.

DeepLesion's form: `NNN.png`, numbered from the head towards the feet; columns run to the patient's left, rows to the
back. There is no position in space, so the frame is the series' own: pixel (0, 0) of a slice number 0 is the origin.
"""

from __future__ import annotations

import io
import os
import re
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes
from tumorboard.io.files import atomic_file

__all__ = [
    "HU_OFFSET",
    "consecutive_runs",
    "read_slice",
    "read_slice_stack",
    "read_sub_volume",
    "slice_numbers",
    "stack_affine",
    "write_slice",
]

HU_OFFSET = 32768
"""HU = pixel - 32768, in a signed type: 16 unsigned bits would wrap."""
MAX_STACK_BYTES = 2**32
_NAME = re.compile(r"(\d{3,5})\.png", re.IGNORECASE)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">8sQIIBBBBB")
_MAX_EDGE_PX = 4096


def stack_affine(spacing_mm: Sequence[float], *, first: int) -> NDArray[np.float64]:
    """Affine from voxel (column, row, slice) to RAS mm of a stack that begins with slice number `first`:
    x = -column sx, y = -row sy, z = -(slice number) sz, so that all stacks of one series share one frame."""
    sx, sy, sz = (float(edge) for edge in spacing_mm)
    affine = np.diag([-sx, -sy, -sz, 1.0])
    affine[2, 3] = -first * sz
    return affine


def slice_numbers(folder: Path) -> list[int]:
    """Numbers of the slices in a folder, in order; hidden and other files are left out."""
    with os.scandir(folder) as entries:
        return sorted(int(match[1]) for entry in entries if (match := _NAME.fullmatch(entry.name)))


def consecutive_runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """(first, last) of each run without a gap; `numbers` in order, each once."""
    breaks = [at for at, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1]
    edges = [0, *breaks, len(numbers)] if numbers else []
    return [(numbers[a], numbers[b - 1]) for a, b in pairwise(edges)]


def read_slice_stack(
    path: Path,
    *,
    unit: Unit,
    first: int,
    last: int,
    spacing_mm: Sequence[float],
    prefix: str = "",
    floor_hu: float | None = None,
    threads: int | None = None,
    max_bytes: int = MAX_STACK_BYTES,
) -> Volume:
    """Slices `first` to `last` (both included) of the folder `path` as int16 HU, shape (columns, rows, slices).

    Parameters
    ----------
    unit : HU; anything else is FIL102.
    spacing_mm : between columns, between rows, between slices.
    prefix : what stands before the number in the file names (folders of single key slices have the series there).
    floor_hu : what is lower (padding outside the field of view is stored far below air) becomes this.
    threads : decoders side by side (default: the processors this process may use); one picture each is held besides
        the volume.

    Errors: FIL101 a missing slice, FIL102 not a 16-bit grey PNG or of another size than the first, FIL104 a broken one
    (all name the file), FIL105 a volume above `max_bytes`.
    """
    if unit is not Unit.HU:
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"unit {unit}", expected=str(Unit.HU))
    files = [path / f"{prefix}{number:03d}.png" for number in range(first, last + 1)]
    columns, rows = _size(files[0])
    if columns * rows * 2 * len(files) > max_bytes:
        raise TumorboardError(
            codes.FILE_TOO_LARGE, path, found=f"{columns} x {rows} x {len(files)} voxels", expected=f"{max_bytes} bytes"
        )
    voxels = np.empty((len(files), rows, columns), np.int16)

    def decode(index: int) -> None:
        voxels[index] = read_slice(files[index], shape=(rows, columns))

    workers = min(threads or len(os.sched_getaffinity(0)), len(files))
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(decode, range(len(files))):
            pass
    if floor_hu is not None:
        np.maximum(voxels, np.int16(floor_hu), out=voxels)
    return Volume(voxels.transpose(2, 1, 0), stack_affine(spacing_mm, first=first), Unit.HU)


def read_slice(path: Path, *, shape: tuple[int, int] | None = None) -> NDArray[np.int16]:
    """HU (rows, columns) of one slice, int16. `shape`: what it must be. Errors as in `read_slice_stack`."""
    from PIL import Image, UnidentifiedImageError

    columns, rows = _size(path)
    if shape is not None and (rows, columns) != shape:
        raise TumorboardError(
            codes.FILE_FORMAT, path, found=f"{columns} x {rows} pixels", expected=f"{shape[1]} x {shape[0]} as before"
        )
    try:
        # From memory: a read of n bytes from a file reserves n first, and a damaged length may say gigabytes.
        with Image.open(io.BytesIO(path.read_bytes()), formats=("PNG",)) as picture:
            pixels = np.asarray(picture, dtype=np.uint16)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        found = f"{type(error).__name__}: {error}"[:200]
        raise TumorboardError(codes.FILE_TRUNCATED, path, found=found, expected="a whole PNG") from error
    return np.bitwise_xor(pixels, HU_OFFSET).view(np.int16)  # p - 32768, modulo 2^16, read as signed


def write_slice(hu: NDArray[Any], path: Path) -> None:
    """Write HU (rows, columns), whole numbers from -32768 to 32767, as a 16-bit PNG; same values, same bytes.
    FIL102 for values that this form cannot hold."""
    from PIL import Image

    values = np.asarray(hu)
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    if not (np.isfinite(low) and np.isfinite(high)) or low < -HU_OFFSET or high >= HU_OFFSET:
        raise TumorboardError(
            codes.FILE_FORMAT, path, found=f"values {low:g} to {high:g}", expected="-32768 to 32767 HU"
        )
    pixels = (values.round().astype(np.int32) + HU_OFFSET).astype(np.uint16)
    with atomic_file(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", compress_level=1)


def _size(path: Path) -> tuple[int, int]:
    """(columns, rows) from the file's first 29 bytes. FIL101, FIL102 as in `read_slice_stack`."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD.size)
    except FileNotFoundError:
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="a slice of the scan") from None
    if len(head) < _HEAD.size or not head.startswith(_SIGNATURE):
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"{len(head)} bytes of another kind", expected="a PNG")
    _, _, columns, rows, bits, colours, _, _, _ = _HEAD.unpack(head)
    if (bits, colours) != (16, 0):
        raise TumorboardError(
            codes.FILE_FORMAT, path, found=f"{bits} bits of colour type {colours}", expected="16 bits, one channel"
        )
    if not 0 < max(columns, rows) <= _MAX_EDGE_PX:
        raise TumorboardError(
            codes.FILE_TOO_LARGE, path, found=f"{columns} x {rows} pixels", expected=f"edges of at most {_MAX_EDGE_PX}"
        )
    return columns, rows


def read_sub_volume(path: Path, *, unit: Unit, affine: Sequence[float], max_bytes: int = MAX_STACK_BYTES) -> Volume:
    """A NIfTI sub-volume made from such slices, at the place that `affine` (16 numbers, row by row) states instead of
    its own header, which has no origin; int16 whatever type the conversion chose.

    Errors: FIL102 values that are not whole numbers of 16 bits; those of `io.nifti.read_nifti`.
    """
    from tumorboard.io.nifti import read_nifti

    volume = read_nifti(path, unit=unit, max_bytes=max_bytes)
    array = volume.array
    if array.dtype != np.int16:
        whole = array.astype(np.int16)
        if not np.array_equal(whole, array):
            raise TumorboardError(
                codes.FILE_FORMAT, path, found=f"{array.dtype} values that do not fit", expected="whole HU of 16 bits"
            )
        array = whole
    return Volume(array, np.asarray(affine, float).reshape(4, 4), unit)
