"""TIFF as Grand Challenge allows it: a stack of pages of one grey value per pixel, without a place in the patient.

libtiff fills missing pages and strips with zeros and says so on standard error only; the directory is therefore
walked and compared with the file's length (TIFF 6.0, sections 2 and 3; BigTIFF) before SimpleITK decodes.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes

__all__ = ["TiffHeader", "encode_tiff", "read_tiff_header", "read_tiff_voxels"]

_WIDTH, _LENGTH, _BITS, _STRIP_OFFSETS, _SAMPLES, _STRIP_COUNTS = 256, 257, 258, 273, 277, 279
_TILE_OFFSETS, _TILE_COUNTS = 324, 325
_WIDTHS = {1: 1, 3: 2, 4: 4, 16: 8}
_FORMATS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MAX_PAGES = 2**16


class TiffHeader(NamedTuple):
    """What the directories say: shape (i, j, k) and bits per voxel."""

    shape: tuple[int, int, int]
    bits: int

    @property
    def declared_bytes(self) -> int:
        return math.prod(self.shape) * max(8, self.bits) // 8


class _Page(NamedTuple):
    size: tuple[int, int]
    bits: int


def read_tiff_header(path: Path) -> TiffHeader:
    """Walk the directories. Errors: FIL102 no TIFF or several channels, FIL104 parts behind the end of the file,
    FIL107 pages that differ or contradict themselves."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(magic[:2])
        version = struct.unpack(order + "H", magic[2:4])[0] if order and len(magic) >= 8 else 0
        if version not in (42, 43) or (version == 43 and len(magic) < 16):
            raise TumorboardError(codes.FILE_FORMAT, path, found=f"first bytes {magic[:4].hex()}", expected="a TIFF")
        walker = _Walker(path, file, size, str(order), big=version == 43)
        pages = walker.pages(walker.first(magic))
    if not pages or len(set(pages)) != 1:
        raise TumorboardError(
            codes.FILE_HEADER,
            path,
            found=f"{len(pages)} pages of {len(set(pages))} kinds",
            expected="pages of one kind",
        )
    return TiffHeader((*pages[0].size, len(pages)), pages[0].bits)


class _Walker:
    """The chain of directories of one open file."""

    def __init__(self, path: Path, file: Any, size: int, order: str, *, big: bool) -> None:
        self.path, self.file, self.size, self.order = path, file, size, order
        self.count_format, self.pointer, self.entry_bytes = ("Q", "Q", 20) if big else ("H", "I", 12)

    def first(self, magic: bytes) -> int:
        at = 8 if self.pointer == "Q" else 4
        return int(struct.unpack_from(self.order + self.pointer, magic, at)[0])

    def pages(self, at: int) -> list[_Page]:
        found, seen = [], set()
        while at:
            if at in seen or len(found) >= _MAX_PAGES:
                raise self._impossible("directories in a circle", "a chain with an end")
            seen.add(at)
            tags, at = self._directory(at)
            found.append(self._page(tags))
        return found

    def _directory(self, at: int) -> tuple[dict[int, list[int]], int]:
        (count,) = self._unpack(at, self.count_format)
        start = at + struct.calcsize(self.count_format)
        if count * self.entry_bytes > self.size:
            raise self._beyond(f"{count} entries")
        tags = {}
        for n in range(count):
            place = start + n * self.entry_bytes
            tag, kind = self._unpack(place, "HH")
            (values,) = self._unpack(place + 4, self.pointer)
            if tag in (_WIDTH, _LENGTH, _BITS, _SAMPLES, _STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS):
                tags[tag] = self._values(place + 4 + struct.calcsize(self.pointer), kind, values)
        (following,) = self._unpack(start + count * self.entry_bytes, self.pointer)
        return tags, int(following)

    def _values(self, place: int, kind: int, count: int) -> list[int]:
        if kind not in _WIDTHS:
            raise self._impossible(f"a field of type {kind}", "a whole number")
        length = count * _WIDTHS[kind]
        if length > self.size:
            raise self._beyond(f"{count} values")
        if length > struct.calcsize(self.pointer):
            (place,) = self._unpack(place, self.pointer)
        return list(self._unpack(place, f"{count}{_FORMATS[kind]}"))

    def _page(self, tags: dict[int, list[int]]) -> _Page:
        offsets = tags.get(_STRIP_OFFSETS) or tags.get(_TILE_OFFSETS) or []
        counts = tags.get(_STRIP_COUNTS) or tags.get(_TILE_COUNTS) or []
        width, length, bits = (tags.get(tag, [0])[0] for tag in (_WIDTH, _LENGTH, _BITS))
        if tags.get(_SAMPLES, [1]) != [1]:
            raise TumorboardError(
                codes.FILE_FORMAT, self.path, found=f"{tags[_SAMPLES]} channels", expected="one channel"
            )
        if min(width, length, bits) < 1 or not offsets or len(offsets) != len(counts):
            raise self._impossible(f"a page of {width} x {length} x {bits} bits", "positive sizes and its strips")
        if max(offset + count for offset, count in zip(offsets, counts, strict=True)) > self.size:
            raise self._beyond("strips")
        return _Page((width, length), bits)

    def _unpack(self, at: int, what: str) -> tuple[int, ...]:
        length = struct.calcsize(self.order + what)
        if at + length > self.size:
            raise self._beyond("a directory")
        self.file.seek(at)
        values: tuple[int, ...] = struct.unpack(self.order + what, self.file.read(length))
        return values

    def _beyond(self, found: str) -> TumorboardError:
        return TumorboardError(
            codes.FILE_TRUNCATED, self.path, found=f"{found} behind the end", expected=f"all within {self.size:,} bytes"
        )

    def _impossible(self, found: str, expected: str) -> TumorboardError:
        return TumorboardError(codes.FILE_HEADER, self.path, found=found, expected=expected)


def read_tiff_voxels(path: Path, header: TiffHeader) -> NDArray[Any]:
    """Voxels (i, j, k). FIL106 when a strip cannot be decoded or SimpleITK sees another shape."""
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("TIFFImageIO")
    reader.SetFileName(str(path))
    try:
        array: NDArray[Any] = SimpleITK.GetArrayFromImage(reader.Execute())
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise TumorboardError(codes.FILE_DAMAGED, path, found=reason, expected="a readable TIFF") from error
    if array.size != math.prod(header.shape):
        raise TumorboardError(codes.FILE_DAMAGED, path, found=f"{array.shape}", expected=f"{header.shape[::-1]}")
    return array.reshape(header.shape[::-1]).T


def encode_tiff(array: NDArray[Any], path: Path) -> None:
    """Write pages k of (i, j) to `path`, deflate-compressed."""
    import SimpleITK

    stored = array.astype(np.uint8) if array.dtype == bool else array
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(stored.T))
    writer = SimpleITK.ImageFileWriter()
    writer.SetImageIO("TIFFImageIO")
    writer.SetFileName(str(path))
    writer.UseCompressionOn()
    writer.SetCompressor("Deflate")
    writer.Execute(image)
