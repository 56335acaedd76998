"""ITK's file formats: MetaImage (.mha, .mhd) read and written, TIFF as Grand Challenge uses it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes
from tumorboard.io.files import atomic_file, atomic_write_bytes
from tumorboard.io.inflate import MAX_BYTES
from tumorboard.io.metaimage import MetaHeader, encode_header, encode_voxels, read_meta_header, read_meta_voxels
from tumorboard.io.remarks import Remark
from tumorboard.io.tiff import encode_tiff, read_tiff_header, read_tiff_voxels
from tumorboard.io.voxels import count_not_finite, finite_values, not_finite_remark

__all__ = ["inspect_itk", "read_itk", "read_itk_geometry", "write_itk"]

_META, _TIFF = (".mha", ".mhd"), (".tif", ".tiff")


def read_itk(
    path: Path,
    *,
    unit: Unit,
    spacing_mm: Sequence[float] | None = None,
    frame: int | None = None,
    nan_as: float | None = None,
    trailing: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Volume:
    """The scan in `path`, in its stated unit; an uncompressed MetaImage is memory-mapped (copy on write).

    `spacing_mm` gives a file without a place (every TIFF; a MetaImage without offset, axes or spacing) voxel sizes
    along its axes i, j, k, which are then taken as left, posterior, superior from the origin. The other options
    are those of `read_nifti`. Errors: FIL101, FIL102, FIL103 (data outside the folder), FIL104, FIL105, FIL106,
    FIL107, FIL109, GEO101, IMG101, IMG102, IMG104 (no place).
    """
    if _kind(path) == "tiff":
        tiff = read_tiff_header(path)
        geometry = _placed(None, tiff.shape, spacing_mm, path)
        _require_modest(path, tiff.declared_bytes, max_bytes)
        return Volume(finite_values(read_tiff_voxels(path, tiff), unit, nan_as, path), geometry.affine, unit)
    header = read_meta_header(path)
    geometry = _placed(header.geometry, header.shape, spacing_mm, path)
    chosen = _frame(header, frame)
    _require_modest(path, header.declared_bytes, max_bytes)
    array = read_meta_voxels(header, frame=chosen, trailing=trailing)
    return Volume(finite_values(array, unit, nan_as, path), geometry.affine, unit)


def read_itk_geometry(path: Path, *, spacing_mm: Sequence[float] | None = None, frame: int | None = None) -> Geometry:
    """The grid of `path` from its header alone; options and errors as in `read_itk`."""
    if _kind(path) == "tiff":
        return _placed(None, read_tiff_header(path).shape, spacing_mm, path)
    header = read_meta_header(path)
    _frame(header, frame)
    return _placed(header.geometry, header.shape, spacing_mm, path)


def inspect_itk(path: Path, *, voxels: bool = False, max_bytes: int = MAX_BYTES) -> list[Remark]:
    """Everything that is remarkable about a file, refusals (severity `error`) included; nothing is raised.

    With `voxels` they are read and verified too."""
    try:
        geometry = read_itk_geometry(path)
        remarks = [] if geometry.is_orthogonal else [_sheared(path)]
        if voxels:
            array = read_itk(path, unit=Unit.UNKNOWN, max_bytes=max_bytes).array
            remarks += not_finite_remark(path, sum(count_not_finite(array[:, :, k]) for k in range(array.shape[2])))
    except TumorboardError as error:
        return [Remark.from_error(error)]
    return remarks


def write_itk(volume: Volume, path: Path, *, drop_place: bool = False) -> None:
    """Write `.mha` or `.mhd` (compressed, the grid to its last bit) or `.tif`/`.tiff`, atomically.

    TIFF has no place for origin and axes: it is written only with `drop_place=True`. A `.mhd` gets its data file
    first, under a name with a part of the content's hash, so that an interrupted write never pairs a header
    with other voxels. Errors: FIL102 suffix or dtype, IMG104 a TIFF without `drop_place`.
    """
    if _kind(path, must_exist=False) == "tiff":
        if not drop_place:
            raise TumorboardError(
                codes.AFFINE_ABSENT,
                path,
                found="a format without origin and axes",
                expected=".mha or .nii.gz",
                fix="write another format, or say drop_place=True",
            )
        with atomic_file(path) as temporary:
            encode_tiff(volume.array, temporary)
        return
    element, data = encode_voxels(volume.array, path)
    if path.suffix.lower() == ".mha":
        atomic_write_bytes(path, encode_header(volume.geometry, element, len(data), "LOCAL") + data)
        return
    name = f"{path.stem}-{hashlib.sha256(data).hexdigest()[:12]}.zraw"
    atomic_write_bytes(path.with_name(name), data)
    atomic_write_bytes(path, encode_header(volume.geometry, element, len(data), name))


def _kind(path: Path, *, must_exist: bool = True) -> str:
    suffix = path.suffix.lower()
    if suffix not in _META + _TIFF:
        raise TumorboardError(
            codes.FILE_FORMAT, path, found=f"suffix {path.suffix!r}", expected=", ".join(_META + _TIFF)
        )
    if must_exist and not path.is_file():
        raise TumorboardError(codes.FILE_MISSING, path, found="no such file", expected="an image")
    return "meta" if suffix in _META else "tiff"


def _placed(
    geometry: Geometry | None, shape: tuple[int, int, int], spacing_mm: Sequence[float] | None, path: Path
) -> Geometry:
    if geometry is not None:
        return geometry
    if spacing_mm is None:
        raise TumorboardError(
            codes.AFFINE_ABSENT,
            path,
            found="no origin, axes or spacing",
            expected="all three",
            fix=f"{codes.AFFINE_ABSENT.fix}, or read with spacing_mm=(x, y, z)",
        )
    return Geometry.from_lps(shape, spacing_mm=spacing_mm, origin_mm=(0, 0, 0))


def _frame(header: MetaHeader, frame: int | None) -> int:
    if (frame is None and header.frames > 1) or (frame is not None and not 0 <= frame < header.frames):
        raise TumorboardError(
            codes.FRAMES,
            header.path,
            found=f"DimSize {header.dims}" + ("" if frame is None else f" and frame {frame}"),
            expected="three axes, or a stated frame that is there",
        )
    return frame or 0


def _require_modest(path: Path, needed: int, max_bytes: int) -> None:
    if needed > max_bytes:
        raise TumorboardError(
            codes.FILE_TOO_LARGE, path, found=f"{needed:,} bytes of voxels", expected=f"at most max_bytes={max_bytes}"
        )


def _sheared(path: Path) -> Remark:
    return Remark.of(
        codes.AFFINE_SHEARED, path, severity="warning", found="axes that are not orthogonal", expected="right angles"
    )
