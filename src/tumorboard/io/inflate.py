"""Gzip in bounded memory: nothing is delivered as whole before checksum and length have been verified."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from isal import igzip, isal_zlib

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes

__all__ = ["CHUNK_BYTES", "MAX_BYTES", "MAX_RATIO", "Inflated", "is_gzip", "open_gzip", "read_gzip"]

MAX_BYTES = 4 * 2**30
"""What one file may inflate to unless the caller says otherwise."""
MAX_RATIO = 1032
"""Deflate cannot do better: one bit pair stands for at most 258 bytes (RFC 1951)."""
CHUNK_BYTES = 2**18
_DAMAGE = (igzip.BadGzipFile, isal_zlib.error, zlib.error, struct.error)


def is_gzip(path: Path) -> bool:
    """Whether the file begins with gzip's two magic bytes."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


class Inflated:
    """The bytes inside a gzip file, read once from front to back.

    Errors of its methods: FIL104 the stream stops early, FIL106 checksum, length or stream broken,
    FIL105 more than `max_bytes` came out.
    """

    def __init__(self, file: BinaryIO, where: Path, max_bytes: int) -> None:
        self._file = file
        self._where = where
        self._max_bytes = max_bytes
        self.position = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the verified end of the stream."""
        try:
            data = self._file.read(size)
        except EOFError as error:
            raise TumorboardError(
                codes.FILE_TRUNCATED,
                self._where,
                found="a gzip stream that stops before its end",
                expected="a whole one with checksum and length",
            ) from error
        except _DAMAGE as error:
            raise TumorboardError(
                codes.FILE_DAMAGED, self._where, found=f"{error}", expected="an intact gzip stream"
            ) from error
        self.position += len(data)
        if self.position > self._max_bytes:
            raise TumorboardError(
                codes.FILE_TOO_LARGE,
                self._where,
                found=f"more than {self._max_bytes:,} bytes once inflated",
                expected=f"at most max_bytes={self._max_bytes}",
            )
        return data

    def skip(self, size: int) -> int:
        """Read and forget up to `size` bytes; how many there were."""
        left = size
        while left > 0 and (data := self.read(min(left, CHUNK_BYTES))):
            left -= len(data)
        return size - left

    def at_end(self) -> bool:
        """Whether the stream ends here, checksum and length verified."""
        return self.read(1) == b""


@contextmanager
def open_gzip(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[Inflated]:
    """The inflated bytes of `path` as a stream of at most `max_bytes`."""
    with igzip.open(path, "rb") as file:
        yield Inflated(file, path, max_bytes)


def read_gzip(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """All inflated bytes of a small file, verified. Errors as in `Inflated`."""
    parts = []
    with open_gzip(path, max_bytes=max_bytes) as stream:
        while data := stream.read(CHUNK_BYTES):
            parts.append(data)
    return b"".join(parts)
