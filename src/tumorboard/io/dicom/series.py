"""A CT or PET image series -> Volume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io import codes as io_codes
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.pixels import stored_frames
from tumorboard.io.dicom.scan import dicom_files
from tumorboard.io.dicom.slices import Plane, planes_of, sort_planes, stack_geometry
from tumorboard.io.dicom.values import Rescale, padding_range, rescale_of, unit_factors

__all__ = ["MAX_SERIES_BYTES", "Series", "arrange_series", "load_headers", "read_series"]

MAX_SERIES_BYTES = 8 * 2**30
_LARGEST_VALUE = 1e30
THREADS = 2
"""Parsing shares one interpreter (1,000 warm headers: 0.8 s with 1, 2 or 4 threads); a second overlaps the waiting for
slow disks."""


@dataclass(frozen=True)
class Series:
    """One series, arranged: datasets, planes in spatial order, the grid, and what the values mean."""

    headers: tuple[Header, ...]
    planes: tuple[Plane, ...]
    geometry: Geometry
    rescales: tuple[Rescale, ...]
    """Per plane: value = stored * slope + intercept, in the unit asked for."""
    facts: Mapping[str, Any]
    """How the values were had (SUV case, weight, decay time, padding); no dates, no names."""

    @property
    def first(self) -> Header:
        return self.headers[0]

    def header_of(self, plane: Plane) -> Header:
        return self.headers[plane.source]


def read_series(
    source: Path | Sequence[Path],
    *,
    unit: Unit,
    series_uid: str | None = None,
    files: Sequence[str] | None = None,
    select: Mapping[str, str] | None = None,
    allow_shear: bool = False,
    allow_incomplete: bool = False,
    slice_step_mm: float | None = None,
    padding_as: float | None = None,
    suv: Mapping[str, Any] | None = None,
    max_bytes: int = MAX_SERIES_BYTES,
) -> Volume:
    """The voxels of one series: array (columns, rows, slices), slices in the order of their position.

    Parameters
    ----------
    source : folder (searched with its sub-folders), one file, or the files.
    unit : HU for CT; SUVbw, Bq/ml or counts for PT; `unknown` delivers rescaled values of any modality.
    series_uid : which series, where the folder holds several.
    files : names below `source`, to spare reading the other files of a shared folder.
    select : keep the slices whose header says so, e.g. ``{"AcquisitionNumber": "2"}``.
    allow_shear : deliver the sheared affine of a tilted gantry (DCM125 otherwise).
    allow_incomplete : accept fewer slices than a PET header announces (DCM121 otherwise).
    slice_step_mm : thickness of a single slice whose header lacks it.
    padding_as : value for the pixels that the header declares as padding; None keeps what is stored.
    suv : `assume_*` options of `suv.SuvAssumptions`.

    Errors: DCM101 to DCM131, SUV101 to SUV111, FIL101.
    """
    headers = load_headers(_paths(source, files), series_uid=series_uid, pixels=True)
    series = arrange_series(
        headers,
        unit=unit,
        select=select,
        allow_shear=allow_shear,
        allow_incomplete=allow_incomplete,
        slice_step_mm=slice_step_mm,
        suv=suv,
    )
    frames = _decoded(series, max_bytes)
    array = _filled(series, frames, padding_as)
    return Volume(array, series.geometry.affine, unit)


def _paths(source: Path | Sequence[Path], files: Sequence[str] | None) -> list[Path]:
    if not isinstance(source, str | Path):
        return [Path(path) for path in source]
    root = Path(source)
    if files is None:
        return dicom_files(root)
    chosen = [(root / name).resolve() for name in files]
    for path in chosen:
        if not path.is_relative_to(root.resolve()):
            raise TumorboardError(io_codes.FILE_OUTSIDE, path, found="a file elsewhere", expected=f"one below {root}")
    return chosen


def load_headers(
    paths: Iterable[Path], *, series_uid: str | None = None, pixels: bool = False, tags: Sequence[str] | None = None
) -> list[Header]:
    """Datasets of one series, each instance once. DCM105 when there is none, DCM106 when there are several and
    `series_uid` does not say which."""
    files = list(paths)

    def load(path: Path) -> Header | None:
        header = read_header(path, pixels=pixels, tags=tags)
        return header if series_uid in (None, header.text("SeriesInstanceUID")) else None

    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        headers = [header for header in pool.map(load, files) if header is not None]
    if not headers:
        place = files[0].parent if files else "series"
        wanted = f"series {series_uid}" if series_uid else "a DICOM series"
        raise TumorboardError(codes.NO_SERIES, place, found=f"none in {len(files)} files", expected=wanted)
    found = {header.required("SeriesInstanceUID") for header in headers}
    if len(found) > 1:
        raise TumorboardError(
            codes.MIXED_SERIES, headers[0].where, found=f"{len(found)} series: {sorted(found)[:3]}", expected="one"
        )
    return _each_once(headers)


def _each_once(headers: Sequence[Header]) -> list[Header]:
    """Copies of one instance (the same file twice in a folder) count once; DCM122 when they differ."""
    kept: dict[str, Header] = {}
    for header in headers:
        uid = header.required("SOPInstanceUID")
        twin = kept.setdefault(uid, header)
        if twin is not header and twin.dataset != header.dataset:
            raise TumorboardError(
                codes.SLICES_DUPLICATE,
                header.where,
                found=f"another content than {twin.where} under the same SOPInstanceUID",
                expected="one instance per UID",
            )
    return list(kept.values())


def arrange_series(
    headers: Sequence[Header],
    *,
    unit: Unit,
    select: Mapping[str, str] | None = None,
    allow_shear: bool = False,
    allow_incomplete: bool = False,
    slice_step_mm: float | None = None,
    suv: Mapping[str, Any] | None = None,
) -> Series:
    """Order, grid and units of a series from its headers alone; parameters and errors as in `read_series`."""
    for keyword, wanted in (select or {}).items():
        headers = [header for header in headers if header.text(keyword) == wanted]
        if not headers:
            raise TumorboardError(
                codes.NO_SERIES, "select", found=f"no slice with {keyword} {wanted!r}", expected="at least one"
            )
    where = str(Path(headers[0].where).parent)
    planes = [plane for source, header in enumerate(headers) for plane in planes_of(header, source)]
    ordered = sort_planes(planes, where)
    if not allow_incomplete:
        _require_complete(headers, len(ordered), where)
    geometry = stack_geometry(ordered, where, allow_shear=allow_shear, slice_step_mm=slice_step_mm)
    by_plane = [headers[plane.source] for plane in ordered]
    factors, facts = unit_factors(by_plane, unit, suv)
    rescales = [
        rescale_of(header, plane.frame).times(factor)
        for header, plane, factor in zip(by_plane, ordered, factors, strict=True)
    ]
    return Series(tuple(headers), tuple(ordered), geometry, tuple(rescales), facts)


def _require_complete(headers: Sequence[Header], found: int, where: str) -> None:
    """PET states its number of slices: the only way to notice that those at the ends are missing."""
    announced = headers[0].whole("NumberOfSlices", default=0)
    times = headers[0].whole("NumberOfTimeSlices", default=1)
    if headers[0].text("Modality") == "PT" and announced > found and times <= 1:
        raise TumorboardError(
            codes.SLICES_GAP,
            where,
            found=f"{found} slices, {announced} announced (NumberOfSlices)",
            expected="all of them",
            fix="fetch the missing slices, or accept the part with allow_incomplete=True",
        )


def _decoded(series: Series, max_bytes: int) -> list[NDArray[Any]]:
    """Stored frames in the order of the planes; DCM110 when the volume would be larger than `max_bytes`."""
    shape = series.geometry.shape
    size = int(np.prod(shape, dtype=np.int64)) * 4
    if size > max_bytes:
        raise TumorboardError(
            codes.TOO_LARGE, series.first.where, found=f"{shape} voxels", expected=f"at most {max_bytes:,} bytes"
        )
    by_source: dict[int, list[NDArray[Any]]] = {}
    for index, header in enumerate(series.headers):
        by_source[index] = list(stored_frames(header))
    for plane in series.planes:
        if plane.frame >= len(by_source[plane.source]):
            raise TumorboardError(
                codes.PIXELS_SIZE, plane.where, found="no pixels for this frame", expected="one per functional group"
            )
    return [by_source[plane.source][plane.frame] for plane in series.planes]


def _filled(series: Series, frames: Sequence[NDArray[Any]], padding_as: float | None) -> NDArray[Any]:
    """Values in the unit asked for, (columns, rows, slices): whole numbers where slope and intercept are whole."""
    dtype = _value_type(series, frames, padding_as)
    columns, rows, count = series.geometry.shape
    out = np.empty((count, rows, columns), dtype)
    for index, (frame, rescale, plane) in enumerate(zip(frames, series.rescales, series.planes, strict=True)):
        if dtype.kind == "i":
            np.multiply(frame, int(rescale.slope), out=out[index], dtype=dtype, casting="unsafe")
            out[index] += dtype.type(int(rescale.intercept))
        else:
            out[index] = frame * float(rescale.slope) + float(rescale.intercept)
        if padding_as is not None:
            padded = padding_range(series.header_of(plane))
            if padded:
                out[index][(frame >= padded[0]) & (frame <= padded[1])] = padding_as
    return out.transpose(2, 1, 0)


def _value_type(series: Series, frames: Sequence[NDArray[Any]], padding_as: float | None) -> np.dtype[Any]:
    """int16 where all is whole and fits (every CT in practice), else int32, else float32. DCM104 for values that not
    even float32 can hold."""
    ends = [padding_as or 0.0]
    for frame, rescale in zip(frames, series.rescales, strict=True):
        slope, intercept = float(rescale.slope), float(rescale.intercept)
        ends += [slope, intercept, float(frame.min()) * slope + intercept, float(frame.max()) * slope + intercept]
    low, high = min(ends), max(ends)
    if max(-low, high) > _LARGEST_VALUE:
        raise series.first.impossible("RescaleSlope", f"values from {low:g} to {high:g}", "values that can be measured")
    whole = all(rescale.is_whole for rescale in series.rescales) and (padding_as or 0.0) == int(padding_as or 0.0)
    for dtype in (np.int16, np.int32):
        limits = np.iinfo(dtype)
        if whole and limits.min <= low and high <= limits.max:
            return np.dtype(dtype)
    return np.dtype(np.float32)
