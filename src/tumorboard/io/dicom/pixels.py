"""Stored pixel values of a dataset: native by our own hand, compressed by pydicom's plugins, both checked first."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import (
    JPEG2000,
    UID,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.apart import decode_apart
from tumorboard.io.dicom.header import Header

__all__ = ["MAX_FRAME_PIXELS", "PixelForm", "pixel_bytes", "pixel_form", "stored_frames", "transfer_syntax"]

MAX_FRAME_PIXELS = 2**26
"""8192 x 8192: more than any CT, PET or projection detector delivers."""

_FLOATS = {"FloatPixelData": np.float32, "DoubleFloatPixelData": np.float64}
# On some damaged streams gdcm aborts the whole process, where these report an error. It stays the decoder of what they
# cannot do (lossless and 12-bit JPEG), in a process of its own.
_SAFE_PLUGINS = {
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pillow",
    JPEG2000: "pillow",
    RLELossless: "pydicom",
}
_START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {0xF7}  # JPEG and JPEG-LS


@dataclass(frozen=True)
class PixelForm:
    """How the pixels of a dataset are stored."""

    rows: int
    columns: int
    frames: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    syntax: UID

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a stored value, in this machine's byte order."""
        return np.dtype(f"{'i' if self.signed else 'u'}{self.bits_allocated // 8}")

    @property
    def frame_bytes(self) -> int:
        return self.rows * self.columns * self.bits_allocated // 8


def pixel_form(header: Header) -> PixelForm:
    """What the header says about its pixels. DCM103, DCM104 for missing or impossible attributes, DCM108 for
    colour and other forms that are no measurement, DCM110 for absurd sizes."""
    samples = header.whole("SamplesPerPixel", default=1)
    allocated = header.whole("BitsAllocated")
    stored = header.whole("BitsStored", default=allocated)
    high = header.whole("HighBit", default=max(stored - 1, 0))
    if samples != 1 or allocated not in (8, 16, 32) or not 1 <= stored <= allocated or high != stored - 1:
        raise TumorboardError(
            codes.PIXELS_FORM,
            header.where,
            found=f"{samples} sample(s), {stored} of {allocated} bits, high bit {high}",
            expected="one sample of 8, 16 or 32 bits, stored in the low bits",
        )
    rows, columns = header.whole("Rows"), header.whole("Columns")
    frames = header.whole("NumberOfFrames", default=1)
    if not rows or not columns or not frames:
        raise header.impossible("Rows, Columns, NumberOfFrames", f"{rows}, {columns}, {frames}", "at least 1")
    if rows * columns > MAX_FRAME_PIXELS:
        raise TumorboardError(
            codes.TOO_LARGE, header.where, found=f"{rows} x {columns} pixels", expected=f"at most {MAX_FRAME_PIXELS:,}"
        )
    signed = header.whole("PixelRepresentation")
    if signed > 1:
        raise header.impossible("PixelRepresentation", str(signed), "0 or 1")
    return PixelForm(rows, columns, frames, allocated, stored, bool(signed), transfer_syntax(header))


def transfer_syntax(header: Header) -> UID:
    """The encoding of the pixels. DCM103 when it cannot be told, DCM109 when it is none that DICOM knows."""
    meta = getattr(header.dataset, "file_meta", None)
    uid = UID(str(meta.get("TransferSyntaxUID") or "")) if meta is not None else UID("")
    if uid and not uid.is_transfer_syntax:
        raise TumorboardError(
            codes.TRANSFER_SYNTAX, header.where, found=f"transfer syntax {str(uid)[:70]!r}", expected="a known one"
        )
    if uid:
        return uid
    # A bare dataset carries no transfer syntax; pydicom found out how to parse it.
    implicit, little = header.dataset.original_encoding
    if implicit is None:
        raise TumorboardError(codes.TAG_MISSING, header.where, found="no TransferSyntaxUID", expected="one")
    return UID("1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2")


def stored_frames(header: Header) -> Iterator[NDArray[Any]]:
    """Frames of stored values, each (rows, columns), in order. DCM107 when the data are shorter or longer than the
    header says, DCM109 without a decoder, and the errors of `pixel_form`."""
    form = pixel_form(header)
    if "PixelData" not in header.dataset:
        other = [name for name in _FLOATS if name in header.dataset]
        raise TumorboardError(
            codes.PIXELS_FORM if other else codes.TAG_MISSING,
            header.where,
            found=f"{other[0]}" if other else "no PixelData",
            expected="integer pixel data",
        )
    yield from _compressed(header, form) if form.syntax.is_compressed else _native(header, form)


def _native(header: Header, form: PixelForm) -> Iterator[NDArray[Any]]:
    data = pixel_bytes(header)
    expected = form.frame_bytes * form.frames
    if len(data) not in (expected, expected + expected % 2):
        raise TumorboardError(
            codes.PIXELS_SIZE,
            header.where,
            found=f"{len(data):,} bytes of pixel data",
            expected=f"{expected:,} ({form.frames} x {form.rows} x {form.columns} x {form.bits_allocated} bits)",
        )
    order = ">" if form.syntax == ExplicitVRBigEndian and form.bits_allocated > 8 else "<"
    for index in range(form.frames):
        frame = np.frombuffer(data, form.dtype.newbyteorder(order), form.rows * form.columns, index * form.frame_bytes)
        yield _clean(frame.reshape(form.rows, form.columns).astype(form.dtype, copy=False), form)


def pixel_bytes(header: Header) -> bytes:
    """The bytes of the pixel data as stored; none when the element is empty or damaged."""
    data = header.dataset.get_item("PixelData").value
    return data if isinstance(data, bytes) else b""


def _clean(frame: NDArray[Any], form: PixelForm) -> NDArray[Any]:
    """Only the stored bits, with their sign: the bits above may hold an overlay."""
    spare = form.bits_allocated - form.bits_stored
    return (frame << spare) >> spare if spare else frame


def _compressed(header: Header, form: PixelForm) -> Iterator[NDArray[Any]]:
    from pydicom.encaps import generate_frames
    from pydicom.pixels import get_decoder

    try:
        decoder = get_decoder(form.syntax)
    except NotImplementedError:
        raise _no_decoder(header, form, "no decoder exists for it") from None
    if not decoder.is_available:
        raise _no_decoder(header, form, "install one of: " + "; ".join(decoder.missing_dependencies))
    plugin = _SAFE_PLUGINS.get(form.syntax)
    try:
        data = pixel_bytes(header)
        encoded = list(generate_frames(data, number_of_frames=form.frames)) if data else []
    except Exception as error:  # the parser's own faults are of every type there is
        raise _broken(header, f"{type(error).__name__}: {error}") from error
    if len(encoded) != form.frames:
        raise _broken(header, f"{len(encoded)} compressed frames, {form.frames} in the header")
    for index, frame in enumerate(encoded):
        _require_codestream_size(frame, form, header)
        try:
            if plugin in decoder.available_plugins:
                decoded, _ = decoder.as_array(header.dataset, index=index, raw=True, decoding_plugin=plugin)
            else:
                flat = np.frombuffer(decode_apart(frame, _attributes(form)), form.dtype.newbyteorder("<"))
                decoded = flat.reshape(form.rows, form.columns)
        except Exception as error:  # decoders are plugins in C++ with faults of every type
            raise _broken(header, f"frame {index + 1}: {type(error).__name__}: {error}") from error
        if decoded.shape != (form.rows, form.columns):
            raise _broken(header, f"frame {index + 1} of shape {decoded.shape}")
        yield decoded.astype(form.dtype, copy=False)


def _attributes(form: PixelForm) -> dict[str, Any]:
    """The DICOM attributes that a decoder needs to know of one frame."""
    return {
        "TransferSyntaxUID": str(form.syntax),
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": form.rows,
        "Columns": form.columns,
        "BitsAllocated": form.bits_allocated,
        "BitsStored": form.bits_stored,
        "HighBit": form.bits_stored - 1,
        "PixelRepresentation": int(form.signed),
    }


def _no_decoder(header: Header, form: PixelForm, why: str) -> TumorboardError:
    return TumorboardError(
        codes.TRANSFER_SYNTAX, header.where, found=f"{form.syntax.name} ({form.syntax}); {why}", expected="a decoder"
    )


def _broken(header: Header, found: str) -> TumorboardError:
    return TumorboardError(
        codes.PIXELS_SIZE, header.where, found=found[:200], expected="whole compressed frames of the stated size"
    )


def _require_codestream_size(frame: bytes, form: PixelForm, header: Header) -> None:
    """The compressed frame's own size must be the header's: a decoder reserves what the codestream claims."""
    size = _codestream_size(frame)
    if size is not None and size != (form.rows, form.columns):
        raise _broken(header, f"a compressed frame of {size[0]} x {size[1]} pixels for {form.rows} x {form.columns}")


def _codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) from a JPEG, JPEG-LS or JPEG 2000 codestream; None for RLE and what cannot be found."""
    start = frame.find(b"\xff\x4f\xff\x51")
    if 0 <= start < 4096 and len(frame) >= start + 24:  # SIZ: length, capabilities, then 32-bit sizes and offsets
        width, height, x0, y0 = struct.unpack(">4I", frame[start + 8 : start + 24])
        return height - y0, width - x0
    if frame[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 < len(frame):
        if frame[at] != 0xFF:
            return None
        marker = frame[at + 1]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">2H", frame[at + 5 : at + 9])
            return height, width
        at += 2 + struct.unpack(">H", frame[at + 2 : at + 4])[0]
    return None
