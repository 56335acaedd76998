"""MetaImage (.mha, .mhd): a text header believed as far as it agrees with itself and with the file.

Keys and meanings are those of ITK's MetaIO documentation. World coordinates there are LPS, and the rows of
`TransformMatrix` are the voxel axes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.io import codes
from tumorboard.io.confine import confined
from tumorboard.io.inflate import MAX_RATIO

__all__ = ["MetaHeader", "encode_header", "encode_voxels", "read_meta_header", "read_meta_voxels"]

_HEADER_BYTES = 2**16
_PIECE_BYTES = 2**20
_DTYPES = {
    "MET_UCHAR": "u1",
    "MET_CHAR": "i1",
    "MET_USHORT": "u2",
    "MET_SHORT": "i2",
    "MET_UINT": "u4",
    "MET_INT": "i4",
    "MET_ULONG_LONG": "u8",
    "MET_LONG_LONG": "i8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_TYPE_NAMES = {code: name for name, code in _DTYPES.items()}


@dataclass(frozen=True)
class MetaHeader:
    """The decoded header; `geometry` is None when it does not say where the voxels are."""

    path: Path
    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    compressed: bool
    data_path: Path
    start: int
    """Byte of `data_path` where the voxels (or their compressed stream) begin."""
    available: int
    """Bytes from there to the end of the file, or what CompressedDataSize says."""
    geometry: Geometry | None

    @property
    def shape(self) -> tuple[int, int, int]:
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
        return self.frame_bytes * self.frames


def read_meta_header(path: Path) -> MetaHeader:
    """Decode and verify a MetaImage header; the length of the data is compared, no voxel is read.

    Errors: FIL101 data file missing, FIL102 not a MetaImage or a kind that is not read (ASCII, channels, lists of
    files), FIL103 a data file outside the folder, FIL104 fewer bytes than declared, FIL107 impossible values,
    GEO101/GEO103 impossible grid.
    """
    with path.open("rb") as file:
        raw = file.read(_HEADER_BYTES)
    fields, end = _fields(raw, path)
    _refuse_kinds(fields, path)
    dims = tuple(_numbers(fields, "DimSize", path, int, count=_axes(fields, path)))
    if min(dims) < 1:
        raise _impossible(path, f"DimSize {dims}", "positive counts")
    geometry = _geometry(fields, dims, path)
    while len(dims) > 3 and dims[-1] == 1:
        dims = dims[:-1]
    element = fields.get("ElementType", "")
    if element not in _DTYPES:
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"ElementType {element!r}", expected=", ".join(_DTYPES))
    big = _flag(fields, "BinaryDataByteOrderMSB", path) or _flag(fields, "ElementByteOrderMSB", path)
    dtype = np.dtype((">" if big else "<") + _DTYPES[element])
    compressed = _flag(fields, "CompressedData", path)
    bytes_declared = math.prod(dims) * dtype.itemsize
    data_path, start, available = _data(fields, path, end, None if compressed else bytes_declared)
    header = MetaHeader(path, dtype, dims, compressed, data_path, start, available, geometry)
    if bytes_declared > available * (MAX_RATIO if compressed else 1):
        raise too_short(header, f"{available:,} bytes of data")
    return header


def too_short(header: MetaHeader, found: str) -> TumorboardError:
    """FIL104 for this header."""
    return TumorboardError(
        codes.FILE_TRUNCATED,
        header.data_path,
        found=found,
        expected=f"{header.declared_bytes:,} bytes for DimSize {header.dims} of {header.dtype.name}",
    )


def read_meta_voxels(header: MetaHeader, *, frame: int = 0, trailing: bool = False) -> NDArray[Any]:
    """One frame as an array in native byte order; an uncompressed file is memory-mapped (copy on write).

    Errors: FIL104 truncated, FIL106 broken stream or checksum, FIL109 trailing bytes.
    """
    if header.compressed:
        return _inflate(header, frame, trailing=trailing)
    if header.available > header.declared_bytes and not trailing:
        raise _trailing(header)
    start = header.start + frame * header.frame_bytes
    mapped = np.memmap(header.data_path, header.dtype, mode="c", offset=start, shape=header.shape, order="F")
    stored = np.asarray(mapped)
    return stored if header.dtype.isnative else stored.astype(header.dtype.newbyteorder("="))


def _inflate(header: MetaHeader, frame: int, *, trailing: bool) -> NDArray[Any]:
    """The zlib stream, whose checksum is verified at its end, piece by piece into the array."""
    from isal import isal_zlib

    array = np.empty(header.shape, header.dtype.newbyteorder("="), order="F")
    flat = array.reshape(-1, order="F").view(np.uint8)
    first, last = frame * header.frame_bytes, (frame + 1) * header.frame_bytes
    stream, done = isal_zlib.decompressobj(15), 0
    with header.data_path.open("rb") as file:
        file.seek(header.start)
        left = header.available
        try:
            while not stream.eof:
                data = stream.unconsumed_tail or file.read(min(left, _PIECE_BYTES))
                left -= 0 if stream.unconsumed_tail else len(data)
                piece = np.frombuffer(stream.decompress(data, _PIECE_BYTES), np.uint8)
                if not data and not len(piece):
                    raise too_short(header, f"a compressed stream that stops after {done:,} bytes")
                low, high = max(done, first), min(done + len(piece), last)
                if high > low:
                    flat[low - first : high - first] = piece[low - done : high - done]
                done += len(piece)
                if done > header.declared_bytes and not trailing:
                    raise _trailing(header)
        except isal_zlib.error as error:
            raise TumorboardError(
                codes.FILE_DAMAGED, header.data_path, found=f"{error}", expected="an intact compressed stream"
            ) from error
    if done < header.declared_bytes:
        raise too_short(header, f"{done:,} bytes once inflated")
    return array if header.dtype.isnative else array.byteswap(inplace=True)


def encode_voxels(array: NDArray[Any], path: Path) -> tuple[str, bytes]:
    """ElementType and zlib stream of the voxels (booleans as bytes, half floats as floats).

    FIL102 for a dtype the format has not.
    """
    from isal import isal_zlib

    code = {"b1": "u1", "f2": "f4"}.get(array.dtype.str[1:], array.dtype.str[1:])
    if code not in _TYPE_NAMES:
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"dtype {array.dtype}", expected="integers or floats")
    press = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 15)
    parts = [press.compress(array[:, :, k].astype("<" + code).tobytes("F")) for k in range(array.shape[2])]
    return _TYPE_NAMES[code], b"".join([*parts, press.flush()])


def encode_header(geometry: Geometry, element: str, data_bytes: int, data_name: str) -> bytes:
    """The text header of a compressed MetaImage; numbers of the grid to their last bit."""
    affine, spacing = geometry.affine_lps, geometry.spacing_mm

    def text(values: Any) -> str:
        return " ".join(repr(float(value)) for value in values)

    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {data_bytes}",
        f"TransformMatrix = {text((affine[:3, :3] / spacing).T.ravel())}",
        f"Offset = {text(affine[:3, 3])}",
        "CenterOfRotation = 0 0 0",
        f"ElementSpacing = {text(spacing)}",
        f"DimSize = {' '.join(str(n) for n in geometry.shape)}",
        f"ElementType = {element}",
        f"ElementDataFile = {data_name}",
    ]
    return ("\n".join(lines) + "\n").encode()


# ---- header -------------------------------------------------------------------------------------------
def _fields(raw: bytes, path: Path) -> tuple[dict[str, str], int]:
    """Key/value pairs up to ElementDataFile, which ends the header, and the byte after it."""
    fields: dict[str, str] = {}
    at = 0
    while (stop := raw.find(b"\n", at)) >= 0 or (stop := len(raw)) > at:
        key, equals, value = raw[at:stop].partition(b"=")
        at = stop + 1
        try:
            name, text = key.decode("ascii").strip(), value.decode("ascii").strip()
        except UnicodeDecodeError:
            break
        if not equals:
            if name:
                break
            continue
        if fields.setdefault(name, text) != text:
            raise _impossible(path, f"{name} twice: {fields[name]!r} and {text!r}", "one value")
        if name == "ElementDataFile":
            return fields, min(at, len(raw))
    raise TumorboardError(
        codes.FILE_FORMAT, path, found="no line ElementDataFile", expected="the text header of a MetaImage"
    )


def _refuse_kinds(fields: dict[str, str], path: Path) -> None:
    for key, wanted, default in (
        ("ObjectType", "Image", "Image"),
        ("BinaryData", "True", ""),
        ("ElementNumberOfChannels", "1", "1"),
    ):
        if fields.get(key, default).lower() != wanted.lower():
            raise TumorboardError(
                codes.FILE_FORMAT, path, found=f"{key} = {fields.get(key, 'unsaid')}", expected=wanted
            )


def _axes(fields: dict[str, str], path: Path) -> int:
    axes = _numbers(fields, "NDims", path, int, count=1)[0]
    if not 2 <= axes <= 4:
        raise _impossible(path, f"NDims {axes}", "2 to 4")
    return int(axes)


def _numbers(fields: dict[str, str], key: str, path: Path, kind: type, *, count: int) -> list[Any]:
    words = fields.get(key, "").split()
    try:
        values = [kind(word) for word in words]
    except ValueError:
        values = []
    if len(values) != count:
        raise _impossible(path, f"{key} = {fields.get(key, 'unsaid')!r}", f"{count} numbers")
    return values


def _flag(fields: dict[str, str], key: str, path: Path) -> bool:
    value = fields.get(key, "False").lower()
    if value not in ("true", "false"):
        raise _impossible(path, f"{key} = {fields[key]!r}", "True or False")
    return value == "true"


def _geometry(fields: dict[str, str], dims: tuple[int, ...], path: Path) -> Geometry | None:
    """The grid of the first three axes, or None where origin, axes or spacing are not said."""
    axes = len(dims)
    origin_key = next((key for key in ("Offset", "Position", "Origin") if key in fields), None)
    matrix_key = next((key for key in ("TransformMatrix", "Orientation", "Rotation") if key in fields), None)
    if origin_key is None or matrix_key is None or "ElementSpacing" not in fields:
        return None
    spacing = [*_numbers(fields, "ElementSpacing", path, float, count=axes), 1.0][:3]
    origin = [*_numbers(fields, origin_key, path, float, count=axes), 0.0][:3]
    matrix = np.eye(max(axes, 3))
    matrix[:axes, :axes] = np.reshape(_numbers(fields, matrix_key, path, float, count=axes * axes), (axes, axes))
    if not all(math.isfinite(s) and s > 0 for s in spacing):
        raise _impossible(path, f"ElementSpacing {spacing}", "positive sizes")
    try:
        return Geometry.from_lps((*dims, 1)[:3], spacing_mm=spacing, origin_mm=origin, direction=matrix[:3, :3].T)
    except TumorboardError as error:
        raise TumorboardError(error.code, path, found=error.found, expected=error.expected) from error


def _data(fields: dict[str, str], path: Path, end: int, plain_bytes: int | None) -> tuple[Path, int, int]:
    """Data file, first byte, and how many bytes there are from it on. `plain_bytes`: declared, uncompressed."""
    name = fields["ElementDataFile"]
    skip = _numbers(fields, "HeaderSize", path, int, count=1)[0] if "HeaderSize" in fields else 0
    if name.upper() == "LOCAL":
        data_path, start = path, end
    else:
        if (
            name.upper().startswith("LIST")
            or "%" in name
            or (len(name.split()) > 1 and not (path.parent / name).exists())
        ):
            raise TumorboardError(codes.FILE_FORMAT, path, found=f"data in {name!r}", expected="one data file")
        data_path, start = confined(path.parent, name, where=path), 0
    if not data_path.is_file():
        raise TumorboardError(codes.FILE_MISSING, data_path, found="no such file", expected=f"the voxels of {path}")
    size = data_path.stat().st_size
    if skip == -1 and plain_bytes is not None:
        start = max(size - plain_bytes, start)
    elif skip < 0 or start + skip > size:
        raise _impossible(path, f"HeaderSize {skip}", f"-1 (uncompressed) or up to {size}")
    else:
        start += skip
    available = size - start
    if plain_bytes is None and "CompressedDataSize" in fields:
        stated = _numbers(fields, "CompressedDataSize", path, int, count=1)[0]
        if not 0 < stated <= available:
            raise TumorboardError(
                codes.FILE_TRUNCATED, data_path, found=f"{available:,} bytes of data", expected=f"{stated:,} compressed"
            )
        available = stated
    return data_path, start, available


def _impossible(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.FILE_HEADER, path, found=found, expected=expected)


def _trailing(header: MetaHeader) -> TumorboardError:
    return TumorboardError(
        codes.FILE_TRAILING,
        header.data_path,
        found="more bytes behind the voxels",
        expected=f"{header.declared_bytes:,} bytes for DimSize {header.dims} of {header.dtype.name}",
        fix=f"{codes.FILE_TRAILING.fix}, or read with trailing=True",
    )
