"""Zip archives from elsewhere: read or unpacked only when every entry is a plain, modest file below the target."""

from __future__ import annotations

import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes
from tumorboard.io.confine import confined
from tumorboard.io.inflate import CHUNK_BYTES, MAX_BYTES

__all__ = ["MAX_ENTRIES", "MAX_ENTRY_RATIO", "list_zip", "read_zip_entries", "read_zip_member", "unpack_zip"]

MAX_ENTRIES = 100_000
MAX_ENTRY_RATIO = 200
"""Greatest inflation of an entry above `_SMALL_BYTES`: images of masks reach about 1:100, bombs 1:1000 and more."""
_SMALL_BYTES = 16 * 2**20
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_DAMAGE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
    *(EOFError, NotImplementedError, ValueError, RuntimeError, OverflowError),
)


def list_zip(path: Path, *, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> list[str]:
    """The names of the files in the archive, all entries checked.

    Errors: FIL101 missing, FIL102 no zip archive, FIL103 a name that leads out of the target, FIL105 more than
    `max_bytes` in all or too many entries, FIL111 links, devices, encryption, doubled names, an unusual method or
    extreme compression.
    """
    with _opened(path) as archive:
        return [entry.filename for entry in _checked(archive, path, max_bytes, max_entries)]


def read_zip_entries(path: Path, names: Iterable[str], *, max_entry_bytes: int) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of these entries of an archive that `list_zip` has checked, one at a time, checksums verified.
    Errors: FIL101 no such entry, FIL105 an entry above `max_entry_bytes`, FIL106, FIL111."""
    with _opened(path) as archive:
        for name in names:
            try:
                entry = archive.getinfo(name)
            except KeyError:
                raise TumorboardError(
                    codes.FILE_MISSING, path, found=f"no entry {name!r}", expected="one of its entries"
                ) from None
            if entry.file_size > max_entry_bytes:
                raise TumorboardError(
                    codes.FILE_TOO_LARGE, path, found=f"{name!r} of {entry.file_size:,} bytes",
                    expected=f"at most {max_entry_bytes:,}",
                )  # fmt: skip
            _refuse_odd(entry, path)
            yield name, b"".join(_pieces(archive, entry, path))


def read_zip_member(path: Path, name: str, *, max_bytes: int = MAX_BYTES) -> bytes:
    """One file of the archive, its checksum verified. Errors as in `list_zip`; FIL101 no such entry, FIL106 damaged."""
    with _opened(path) as archive:
        entries = {entry.filename: entry for entry in _checked(archive, path, max_bytes)}
        if name not in entries:
            raise TumorboardError(codes.FILE_MISSING, path, found=f"no entry {name!r}", expected="one of its entries")
        return b"".join(_pieces(archive, entries[name], path))


def unpack_zip(path: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> list[Path]:
    """Unpack into the new folder `folder`, which appears complete or not at all; the files written.

    Errors as in `list_zip`, FIL106 damaged, STO105 when `folder` exists.
    """
    if folder.exists():
        raise TumorboardError(codes.STORE_OCCUPIED, folder, found="a folder or file", expected="nothing there yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        with _opened(path) as archive:
            names = []
            for entry in _checked(archive, path, max_bytes):
                target = confined(temporary, entry.filename, where=path)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.writelines(_pieces(archive, entry, path))
                names.append(entry.filename)
        temporary.chmod(0o755)
        temporary.rename(folder)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise TumorboardError(
            codes.ARCHIVE_REFUSED, path, found=f"entries in each other's way ({error})", expected="distinct files"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [folder / name for name in names]


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    if not path.is_file():
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="a zip archive")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGE as error:
        raise TumorboardError(codes.FILE_DAMAGED, path, found=f"{error}", expected="a readable zip archive") from error


def _checked(
    archive: zipfile.ZipFile, path: Path, max_bytes: int, max_entries: int = MAX_ENTRIES
) -> list[zipfile.ZipInfo]:
    """The entries that are files; any bad entry refuses the whole archive."""
    entries = archive.infolist()
    total = sum(entry.file_size for entry in entries)
    if len(entries) > max_entries or total > max_bytes:
        raise TumorboardError(
            codes.FILE_TOO_LARGE,
            path,
            found=f"{len(entries):,} entries of {total:,} bytes",
            expected=f"at most {max_entries:,} of max_bytes={max_bytes}",
        )
    seen: set[str] = set()
    for entry in entries:
        confined(Path("/archive"), entry.filename, where=path)
        _refuse_odd(entry, path)
        plain = str(PurePosixPath(entry.filename)).casefold()
        if plain in seen:
            raise _refused(path, f"{entry.filename!r} twice", "each name once")
        seen.add(plain)
    return [entry for entry in entries if not entry.is_dir()]


def _refuse_odd(entry: zipfile.ZipInfo, path: Path) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(path, f"{entry.filename!r}, a link or device", "plain files")
    if entry.flag_bits & _ENCRYPTED or entry.compress_type not in _METHODS:
        raise _refused(path, f"{entry.filename!r}, encrypted or of method {entry.compress_type}", "stored or deflated")
    if entry.file_size > max(_SMALL_BYTES, MAX_ENTRY_RATIO * max(entry.compress_size, 1)):
        raise _refused(
            path,
            f"{entry.filename!r}, {entry.compress_size:,} bytes that become {entry.file_size:,}",
            f"at most 1:{MAX_ENTRY_RATIO}",
        )


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> Iterator[bytes]:
    """The entry's bytes; never more than it declares (the declared sizes were what the caps were checked on)."""
    left = entry.file_size
    try:
        with archive.open(entry) as file:
            while data := file.read(CHUNK_BYTES):
                left -= len(data)
                if left < 0:
                    raise _refused(path, f"{entry.filename!r} with more bytes than it says", f"{entry.file_size:,}")
                yield data
    except OSError as error:  # a place before or behind the file
        raise TumorboardError(
            codes.FILE_DAMAGED, path, found=f"{entry.filename!r}: {error}", expected="a readable entry"
        ) from error
    if left:
        raise TumorboardError(
            codes.FILE_TRUNCATED,
            path,
            found=f"{entry.filename!r} {left:,} bytes short",
            expected=f"{entry.file_size:,}",
        )


def _refused(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.ARCHIVE_REFUSED, path, found=found, expected=expected)
