"""One DICOM file -> dataset, without trusting it.

pydicom parses; here the file is bounded (no element can ask for more bytes than there are), gzip and deflate are
inflated under a cap, and whatever the parser throws becomes a coded error.
"""

from __future__ import annotations

import io
import logging
import mmap
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydicom import config, dcmread
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes as io_codes
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.header import Header
from tumorboard.io.inflate import is_gzip, read_gzip

__all__ = ["MAX_FILE_BYTES", "is_dicom", "read_header"]

MAX_FILE_BYTES = 4 * 2**30
"""What one file may hold, or inflate to, unless the caller says otherwise."""
MAX_INFLATION = 200
"""Greatest inflation of a gzipped or deflated file above `_SMALL_BYTES`: the bound of entries of zip archives."""
_SMALL_BYTES = 64 * 2**20

# Our own checks are about what we use, coded, and stricter there; pydicom's notices about everything else (a
# ShortString of 18 letters, a decoder that gave up before the next one tried) would bury them.
config.settings.reading_validation_mode = config.IGNORE
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
logging.getLogger("pydicom").addHandler(logging.NullHandler())

_PREAMBLE = 128
_META_BYTES = 4096
_EARLY_GROUPS = (b"\x02\x00", b"\x08\x00")


def is_dicom(path: Path) -> bool:
    """Whether the file begins as DICOM does: the four letters behind the preamble, or (before 1993, and from some
    exports) at once with a file-meta or identification element."""
    with path.open("rb") as file:
        head = file.read(_PREAMBLE + 4)
    return head[_PREAMBLE:] == b"DICM" or _bare(head)


def _bare(head: bytes) -> bool:
    explicit = head[4:6] in (b"UL", b"UI", b"CS", b"SH", b"DA", b"TM", b"LO")
    implicit = head[6:8] == b"\x00\x00" and head[4:5] != b"\x00"
    return len(head) > 8 and head[:2] in _EARLY_GROUPS and head[3] == 0 and (explicit or implicit)


def read_header(
    path: Path,
    *,
    pixels: bool = False,
    tags: Sequence[str | int] | None = None,
    max_bytes: int = MAX_FILE_BYTES,
) -> Header:
    """The dataset in `path`, plain or gzipped.

    Parameters
    ----------
    pixels : read up to and with the pixel data; otherwise reading stops before it.
    tags : keywords or numbers of the only top-level attributes to keep (faster); None keeps all.

    Errors: FIL101 no such file, DCM101 not DICOM, DCM102 damaged, DCM110 larger than `max_bytes`, FIL104 to FIL106
    for a broken gzip. What is compressed may not become more than 64 MiB or 200 times its size (DCM110, FIL105).
    """
    path = Path(path)
    if not path.is_file():
        raise TumorboardError(io_codes.FILE_MISSING, path, found="no such file", expected="a DICOM file")
    if path.stat().st_size > max_bytes:
        raise TumorboardError(
            codes.TOO_LARGE, path, found=f"{path.stat().st_size:,} bytes", expected=f"at most {max_bytes:,}"
        )
    if is_gzip(path):
        data = read_gzip(path, max_bytes=_most_inflated(path, max_bytes))
        return _parse(io.BytesIO(data), data[: _PREAMBLE + 4], path, pixels=pixels, tags=tags, max_bytes=max_bytes)
    with path.open("rb") as file:
        head = file.read(_PREAMBLE + 4)
        if not head:
            raise TumorboardError(codes.NOT_DICOM, path, found="an empty file", expected="a DICOM file")
        # A read of n bytes from a map returns what there is; from a file it reserves n first, however large.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            return _parse(mapped, head, path, pixels=pixels, tags=tags, max_bytes=max_bytes)


def _parse(
    source: Any, head: bytes, path: Path, *, pixels: bool, tags: Sequence[str | int] | None, max_bytes: int
) -> Header:
    if head[_PREAMBLE:] != b"DICM" and not _bare(head):
        raise TumorboardError(
            codes.NOT_DICOM, path, found=f"bytes {head[:8]!r} without the DICM mark", expected="a DICOM file"
        )
    try:
        _require_modest_deflate(source, path, _most_inflated(path, max_bytes))
        source.seek(0)
        dataset = dcmread(
            source, stop_before_pixels=not pixels, force=head[_PREAMBLE:] != b"DICM", specific_tags=_numbers(tags)
        )
    except TumorboardError:
        raise
    except RecursionError as error:
        raise _damaged(path, "sequences nested without end") from error
    except Exception as error:  # the parser's own faults are of every type there is
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if not len(dataset):
        raise _damaged(path, "no elements")
    return Header(dataset, str(path))


def _damaged(path: Path, found: str) -> TumorboardError:
    return TumorboardError(codes.DAMAGED, path, found=found[:200], expected="a readable DICOM file")


def _most_inflated(path: Path, max_bytes: int) -> int:
    return min(max_bytes, max(_SMALL_BYTES, MAX_INFLATION * path.stat().st_size))


def _numbers(tags: Sequence[str | int] | None) -> list[int] | None:
    return None if tags is None else [int(Tag(tag)) for tag in tags]


def _require_modest_deflate(source: Any, path: Path, max_bytes: int) -> None:
    """A deflated dataset must stay under the cap: the parser itself would inflate whatever comes."""
    source.seek(0)
    meta = source.read(_META_BYTES)
    if DeflatedExplicitVRLittleEndian.encode() not in meta:
        return
    length = int.from_bytes(meta[_PREAMBLE + 12 : _PREAMBLE + 16], "little")  # of the file meta group (0002,0000)
    source.seek(_PREAMBLE + 16 + length)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    size, rest = 0, source.read()
    while rest and not inflater.eof:
        size += len(inflater.decompress(rest, 2**20))
        rest = inflater.unconsumed_tail
        if size > max_bytes:
            raise TumorboardError(
                codes.TOO_LARGE, path, found=f"more than {max_bytes:,} bytes once inflated", expected="fewer"
            )
