"""Names that come from elsewhere (archives, headers, tables) lead only below the folder they belong to."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes

__all__ = ["confined", "refuse_pickle"]

_PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill"}
_NPY_HEADER_BYTES = 2**16


def confined(folder: Path, name: str, *, where: Path | None = None) -> Path:
    """The path `name` means below `folder`; it need not exist.

    Errors: FIL103 for an empty, absolute or drive-bound name, one with `..` or a backslash, and one that a
    symbolic link leads out of `folder`.
    """
    pure, windows = PurePosixPath(name), PureWindowsPath(name)
    odd = not name.strip() or "\0" in name or "\\" in name
    if odd or pure.is_absolute() or windows.drive or windows.root or ".." in pure.parts:
        raise _outside(where or folder, name)
    root = folder.resolve()
    path = root / pure
    if not path.resolve().is_relative_to(root):
        raise _outside(where or folder, name)
    return path


def refuse_pickle(path: Path) -> None:
    """FIL110 for a file that is, or contains, a pickle: by suffix, by content, and `.npy`/`.npz` with objects."""
    suffix = path.suffix.lower()
    with path.open("rb") as file:
        head = file.read(_NPY_HEADER_BYTES)
    if suffix in _PICKLE_SUFFIXES:
        raise _pickle(path, f"a {suffix} file")
    # Protocol 2 and later begin with 0x80 and the protocol's number, and end in a full stop.
    if len(head) > 1 and head[0] == 0x80 and head[1] <= 5:
        raise _pickle(path, f"pickle protocol {head[1]}")
    if head.startswith(b"\x93NUMPY") and _npy_holds_objects(head, path):
        raise _pickle(path, "an array of Python objects")
    if head.startswith(b"PK\x03\x04"):
        _refuse_pickled_members(path)


def _npy_holds_objects(head: bytes, where: Path) -> bool:
    """Whether the dtype in an .npy header has a Python object in it. FIL107 for a header that cannot be read."""
    stream = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        return bool(read(stream)[2].hasobject)
    except (ValueError, KeyError, SyntaxError) as error:
        raise TumorboardError(codes.FILE_HEADER, where, found=f"{error}", expected="an .npy header") from error


def _refuse_pickled_members(path: Path) -> None:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                name = PurePosixPath(member.filename)
                if name.suffix.lower() in _PICKLE_SUFFIXES:
                    raise _pickle(path, f"a member {member.filename}")
                if name.suffix == ".npy":
                    with archive.open(member) as file:
                        if _npy_holds_objects(file.read(_NPY_HEADER_BYTES), path):
                            raise _pickle(path, f"an array of Python objects in {member.filename}")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise TumorboardError(codes.FILE_DAMAGED, path, found=f"{error}", expected="a readable archive") from error


def _outside(where: Path, name: str) -> TumorboardError:
    return TumorboardError(
        codes.FILE_OUTSIDE, where, found=f"the name {name!r}", expected="a plain relative path below the folder"
    )


def _pickle(path: Path, found: str) -> TumorboardError:
    return TumorboardError(codes.FILE_PICKLE, path, found=found, expected="a format that holds only data")
