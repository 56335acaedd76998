"""Decoding in a process of its own, for the decoder that a damaged stream can crash.

gdcm alone decodes lossless and 12-bit JPEG here, and aborts or segfaults on some damaged streams. A helper process does
that work; when it dies, the file is refused and the next one gets a new helper.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, BinaryIO

__all__ = ["DecodingFailed", "decode_apart", "serve"]

_LOCK = threading.Lock()
_HELPERS: dict[int, subprocess.Popen[bytes]] = {}


class DecodingFailed(Exception):
    """The helper reported an error, or died."""


def decode_apart(frame: bytes, form: Mapping[str, Any]) -> bytes:
    """One decoded frame, little-endian, from its codestream; `form` holds the DICOM attributes of the pixels and
    `TransferSyntaxUID`. DecodingFailed when it cannot be decoded."""
    with _LOCK:
        helper = _helper()
        try:
            _send(helper.stdin, json.dumps(dict(form)).encode())  # type: ignore[arg-type]
            _send(helper.stdin, frame)  # type: ignore[arg-type]
            status, answer = _receive(helper.stdout), _receive(helper.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError) as error:
            helper.kill()
            helper.communicate()
            del _HELPERS[os.getpid()]
            raise DecodingFailed("the stream crashed the decoder") from error
    if status != b"decoded":
        raise DecodingFailed(answer.decode(errors="replace"))
    return answer


def _helper() -> subprocess.Popen[bytes]:
    """The helper of this process: a forked child must not share its parent's."""
    if os.getpid() not in _HELPERS:
        program = f"import sys; sys.path[:] = {sys.path!r}; from {__name__} import serve; serve()"
        _HELPERS.clear()
        _HELPERS[os.getpid()] = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        atexit.register(_dismiss, os.getpid())
    return _HELPERS[os.getpid()]


def _dismiss(pid: int) -> None:
    helper = _HELPERS.pop(pid, None) if pid == os.getpid() else None
    if helper is not None:
        helper.kill()
        helper.communicate()


def serve() -> None:
    """The helper: decodes what comes on standard input until it ends."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while True:
        try:
            form, frame = json.loads(_receive(source)), _receive(source)
        except EOFError:
            return
        try:
            status, answer = b"decoded", _decode(frame, form)
        except Exception as error:  # whatever the decoder says, the asker must hear it
            status, answer = b"failed", f"{type(error).__name__}: {error}".encode()
        _send(target, status)
        _send(target, answer)


def _decode(frame: bytes, form: dict[str, Any]) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    syntax = UID(form.pop("TransferSyntaxUID"))
    dataset.file_meta.TransferSyntaxUID = syntax
    for keyword, value in form.items():
        setattr(dataset, keyword, value)
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].is_undefined_length = True
    array, _ = get_decoder(syntax).as_array(dataset, index=0, raw=True)
    return bytes(array.astype(array.dtype.newbyteorder("<")).tobytes())


def _send(pipe: BinaryIO, data: bytes) -> None:
    pipe.write(struct.pack("<Q", len(data)))
    pipe.write(data)
    pipe.flush()


def _receive(pipe: BinaryIO) -> bytes:
    head = pipe.read(8)
    if len(head) < 8:
        raise EOFError
    (size,) = struct.unpack("<Q", head)
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
