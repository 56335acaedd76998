"""Projection images (X-rays) and their masks from PNG and JPEG: one grey value per pixel, bounded before decoding.

A picture file says neither where the patient's sides are nor how long a pixel is. It is read as radiographs are hung:
the patient's right on the left, head up; a pixel whose length nobody stated stays 1 long, and the row's options say
that it is unknown. Which way the patient really lies is for `ops.radiograph` and the checks to find out.
"""

from __future__ import annotations

import mmap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "MAX_PIXELS",
    "PICTURE_SUFFIXES",
    "frontal_affine",
    "picture_unit",
    "read_radiograph",
    "read_radiograph_geometry",
]

MAX_PIXELS = 2**26
"""8192 x 8192: more than any projection detector delivers."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_FORMATS = ("PNG", "JPEG")
_SIXTEEN = ("I;16", "I;16B", "I;16L", "I")
_EXIF_ORIENTATION = 0x0112
_EXIF_WORDS = ("", "apply", "ignore")


def frontal_affine(spacing_mm: Sequence[float] | None = None) -> NDArray[np.float64]:
    """Affine of a frontal picture as it is hung: columns run to the patient's left, rows downwards; edges in mm
    (between columns, between rows, at the detector), or 1 where they are not known."""
    column, row = (1.0, 1.0) if spacing_mm is None else (float(spacing_mm[0]), float(spacing_mm[1]))
    affine = np.zeros((4, 4))
    affine[0, 0], affine[2, 1], affine[1, 2], affine[3, 3] = -column, -row, 1.0, 1.0
    return affine


def read_radiograph(
    path: Path, *, unit: Unit, spacing_mm: Sequence[float] | None = None, exif: str = "", max_pixels: int = MAX_PIXELS
) -> Volume:
    """A picture as a volume (columns, rows, 1): uint8 in `grey8`, uint16 in `grey16`, or label values as stored.

    Parameters
    ----------
    unit : grey8, grey16 or label; FIL102 when the file's depth is another.
    spacing_mm : between columns and between rows, where it is known.
    exif : what to do with a file that says it is to be turned for display: ``apply`` or ``ignore``.

    Errors: FIL101, FIL102 another format or depth, FIL104 cut short, FIL105 too large, IMG105 colours, IMG106 a turn.
    """
    with _opened(path, max_pixels) as picture:
        picture = _turned(picture, exif, path)
        pixels = _pixels(picture, path)
    if unit is not Unit.LABEL and picture_depth(pixels) is not unit:
        raise TumorboardError(
            codes.FILE_FORMAT, path, found=f"{8 * pixels.dtype.itemsize}-bit pixels", expected=str(unit)
        )
    return Volume(np.ascontiguousarray(pixels.T)[:, :, None], frontal_affine(spacing_mm), unit)


def read_radiograph_geometry(
    path: Path, *, spacing_mm: Sequence[float] | None = None, exif: str = "", max_pixels: int = MAX_PIXELS
) -> Geometry:
    """Grid of a picture from its header alone; errors as in `read_radiograph`."""
    with _opened(path, max_pixels) as picture:
        turn = _exif_turn(picture, exif, path)
        columns, rows = picture.size
    return Geometry((rows, columns, 1) if turn >= 5 else (columns, rows, 1), frontal_affine(spacing_mm))


def picture_unit(path: Path, *, max_pixels: int = MAX_PIXELS) -> Unit:
    """`grey8` or `grey16`, from the header; errors as in `read_radiograph`."""
    with _opened(path, max_pixels) as picture:
        return Unit.GREY16 if picture.mode in _SIXTEEN else Unit.GREY8


def picture_depth(pixels: NDArray[Any]) -> Unit:
    """The unit of grey values of this type."""
    return Unit.GREY16 if pixels.dtype == np.uint16 else Unit.GREY8


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image]:
    """The picture with its header read; nothing is decoded. Faults of the decoder become coded errors."""
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="a picture")
    with path.open("rb") as file, ExitStack() as opened:
        try:
            # A read of n bytes from a map returns what there is; from a file it reserves n first, however large.
            mapped = opened.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound below is our own
                picture = opened.enter_context(Image.open(cast("IO[bytes]", mapped), formats=_FORMATS))
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
            raise TumorboardError(codes.FILE_FORMAT, path, found=_words(error), expected="PNG or JPEG") from error
        columns, rows = picture.size
        if columns * rows > max_pixels:
            raise TumorboardError(
                codes.FILE_TOO_LARGE, path, found=f"{columns} x {rows} pixels", expected=f"at most {max_pixels:,}"
            )
        yield picture


def _exif_turn(picture: Image, exif: str, path: Path) -> int:
    """The turn for display (1 none, 5 to 8 exchange the axes) that is to be applied. IMG106 when nobody decided."""
    if exif not in _EXIF_WORDS:
        raise TumorboardError(codes.FILE_FORMAT, path, found=f"exif={exif!r}", expected="apply or ignore")
    if exif == "ignore":
        return 1
    from PIL.Image import Exif

    tags = Exif()
    try:
        tags.load(picture.info.get("exif") or b"")  # `picture.getexif()` would decode a PNG to look behind its pixels
        stated = int(tags.get(_EXIF_ORIENTATION, 1) or 1)
    except Exception as error:  # the parser of TIFF directories has faults of every type there is
        raise TumorboardError(codes.FILE_HEADER, path, found=_words(error), expected="EXIF, or exif=ignore") from error
    if stated == 1:
        return 1
    if exif != "apply":
        raise TumorboardError(codes.PICTURE_TURNED, path, found=f"EXIF orientation {stated}", expected="1")
    return stated


def _turned(picture: Image, exif: str, path: Path) -> Image:
    if _exif_turn(picture, exif, path) == 1:
        return picture
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception as error:  # it decodes the pixels, and writes the EXIF block anew
        raise TumorboardError(codes.FILE_TRUNCATED, path, found=_words(error), expected="whole pixels") from error


def _pixels(picture: Image, path: Path) -> NDArray[Any]:
    """Grey values (rows, columns), uint8 or uint16. Colours that are none (three equal channels) are grey."""
    try:
        if picture.mode in ("P", "PA"):
            picture = picture.convert("RGBA")
        array = np.asarray(picture)
    except (OSError, SyntaxError, ValueError) as error:
        raise TumorboardError(codes.FILE_TRUNCATED, path, found=_words(error), expected="whole pixels") from error
    if array.ndim == 3:
        colours, alpha = (array[..., :-1], array[..., -1]) if picture.mode[-1] in "Aa" else (array, None)
        if picture.mode not in ("RGB", "RGBA", "LA") or (colours != colours[..., :1]).any():
            raise TumorboardError(codes.PICTURE_COLOURED, path, found=f"{picture.mode} pixels", expected="grey values")
        if alpha is not None and (alpha != 255).any():
            raise TumorboardError(codes.PICTURE_COLOURED, path, found="transparent pixels", expected="opaque ones")
        array = colours[..., 0]
    if array.dtype in (np.bool_, np.uint8):
        return array.astype(np.uint8)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() < 2**16:
        return array.astype(np.uint16)
    raise TumorboardError(codes.FILE_FORMAT, path, found=f"pixels of type {array.dtype}", expected="8 or 16 bits")


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
