"""A scan on another grid, in physical space.

Conventions, which are SimpleITK's: a place is inside the scan up to the outer faces of its border voxels; between
a border centre and its face the border value is continued; nearest takes the voxel whose centre is nearest.
Places are rounded to 2^-20 voxel, so that rounding inside an affine decides nothing: a grid onto its own voxels is
exact, and half-way cases of nearest go to the higher index. Different from SimpleITK in one point: all outer faces
belong to the scan (SimpleITK leaves the upper ones out), so that a flipped scan gives the same values.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops import codes
from tumorboard.ops.threads import in_slabs

__all__ = ["fitting", "outside_value", "resample_to"]

Method = Literal["linear", "nearest"]

_QUANTA = 2.0**20
"""Places per voxel that are told apart."""
_ALIGNED = 1e-5
"""Voxels by which an axis-aligned grid may bend over its whole length before the general path is taken."""
_AIR_HU = -1000.0
_DIRECT = {"f4", "i2", "u1"}
"""Types that the linear loops are compiled for; others become float32 first."""
_INDEX = np.uint32
"""Index tables: unsigned 32-bit ones load a quarter faster than signed 64-bit ones in the inner loop."""


def outside_value(unit: Unit) -> float:
    """What stands where a scan does not reach: air in HU, zero uptake, dose or label elsewhere."""
    return _AIR_HU if unit == Unit.HU else 0.0


def fitting(fill: float, dtype: np.dtype[Any]) -> float:
    """`fill` if a voxel of `dtype` can hold it exactly enough; OPS107 otherwise."""
    whole = dtype.kind in "iu"
    limits = np.iinfo(dtype) if whole else None
    if limits is not None and not (limits.min <= fill <= limits.max and fill == int(fill)):
        raise TumorboardError(codes.FILL_UNFIT, "fill", found=f"{fill:g} for {dtype}", expected="a value of that type")
    return fill


def resample_to(
    volume: Volume,
    target: Geometry,
    *,
    method: Method | None = None,
    fill: float | None = None,
    anti_alias: bool = False,
    allow_empty: bool = False,
    threads: int | None = None,
) -> Volume:
    """`volume` sampled at the voxel centres of `target`.

    Parameters
    ----------
    method : "linear" (result float32) or "nearest" (result as stored); default nearest for label maps and
        linear for everything else.
    fill : value where `target` leaves the volume; default air for HU, 0 for everything else.
    anti_alias : before going to larger voxels smooth along each axis with a Gaussian of (ratio - 1) / 2 voxels, ratio
        of the spacings (the rule of scikit-image); linear only.
    allow_empty : give a volume of `fill` where the grids do not meet, instead of OPS101.

    Errors: OPS101 no voxel centre of `target` lies in the volume, OPS102 linear interpolation of a label map, OPS107
    a fill value that the stored type cannot hold.
    Axis-aligned grids (flipped or permuted too) take a separable path, oblique ones a general one.
    """
    chosen = method or ("nearest" if volume.unit == Unit.LABEL else "linear")
    if chosen == "linear" and volume.unit == Unit.LABEL:
        raise TumorboardError(codes.BLENDED_LABELS, "resample", found="a label map, linear", expected="nearest")
    outside = outside_value(volume.unit) if fill is None else fill
    if chosen == "nearest":
        fitting(outside, volume.array.dtype)
    step = np.linalg.inv(volume.affine) @ target.affine
    source = volume.array
    if anti_alias and chosen == "linear":
        source = _smoothed(source, step)
    plan = _axis_plan(step, source.shape, target.shape)
    if plan is None:
        array, met = _by_points(source, step, target.shape, chosen, outside, threads)
    else:
        array, met = _by_axes(source, plan, target.shape, chosen, outside, threads)
    if not met and not allow_empty:
        raise TumorboardError(
            codes.NO_OVERLAP,
            "resample",
            found=f"{volume.geometry} and {target} apart",
            expected="grids that share some space",
        )
    return Volume(array, target.affine, volume.unit)


class _Axis(NamedTuple):
    """One output axis: the source axis it runs along and, per output index, the position there."""

    source_axis: int
    position: NDArray[np.float64]


def _axis_plan(step: NDArray[np.float64], source: tuple[int, ...], target: tuple[int, int, int]) -> list[_Axis] | None:
    """Per output axis the source axis and positions along it; None where the grids are oblique to each other."""
    turn = step[:3, :3]
    along = [int(np.argmax(np.abs(turn[:, axis]))) for axis in range(3)]
    if sorted(along) != [0, 1, 2]:
        return None
    rest = np.abs(turn)
    rest[along, range(3)] = 0
    if (rest @ (np.array(target) - 1)).max() > _ALIGNED:
        return None
    middle = (np.array(target) - 1) / 2
    # What little the other axes contribute is taken at their middle, where its error is least.
    drift = step[:3, 3] + (turn - np.where(rest == 0, turn, 0)) @ middle
    exact = [turn[j, axis] * np.arange(target[axis]) + drift[j] for axis, j in enumerate(along)]
    return [_Axis(j, np.rint(position * _QUANTA) / _QUANTA) for j, position in zip(along, exact, strict=True)]


def _by_axes(
    source: NDArray[Any],
    plan: list[_Axis],
    target: tuple[int, int, int],
    method: Method,
    fill: float,
    threads: int | None,
) -> tuple[NDArray[Any], bool]:
    from tumorboard.ops import kernels

    # The last axis of the loops should be the one whose neighbours lie together in memory.
    order = (2, 1, 0) if source.flags.f_contiguous else (0, 1, 2)
    axes = [plan[axis] for axis in order]
    begin, end = zip(*[_inside(a.position, source.shape[a.source_axis]) for a in axes], strict=True)
    dtype = np.dtype(np.float32) if method == "linear" else source.dtype
    out = np.empty([target[axis] for axis in order], dtype)
    met = all(b < e for b, e in zip(begin, end, strict=True))
    if not met:
        out[...] = fill
        return out.transpose(np.argsort(order)), False
    slices, tables = zip(
        *[
            _table(a.position[b:e], source.shape[a.source_axis], len(a.position), b, method)
            for a, b, e in zip(axes, begin, end, strict=True)
        ],
        strict=True,
    )
    view = source.transpose([a.source_axis for a in axes])[slices]
    box = (np.array(begin), np.array(end))
    if method == "linear":
        low, high, weight = zip(*tables, strict=True)
        stored = _direct(view)

        def work(start: int, stop: int) -> None:
            kernels.linear_grid(stored, low, high, weight, *box, np.float32(fill), out, start, stop)

    else:
        index = tuple(table[0] for table in tables)
        bits = np.dtype(f"u{dtype.itemsize}")
        words, result = np.ascontiguousarray(view).view(bits), out.view(bits)
        blank = np.array(fill).astype(dtype).view(bits)[()]

        def work(start: int, stop: int) -> None:
            kernels.nearest_grid(words, index, *box, blank, result, start, stop)

    in_slabs(work, out.shape[0], threads=threads)
    return out.transpose(np.argsort(order)), True


def _by_points(
    source: NDArray[Any],
    step: NDArray[np.float64],
    target: tuple[int, int, int],
    method: Method,
    fill: float,
    threads: int | None,
) -> tuple[NDArray[Any], bool]:
    from tumorboard.ops import kernels

    order = (2, 1, 0) if source.flags.f_contiguous else (0, 1, 2)
    turned = step[:3].copy()
    turned = turned[list(order)][:, [*order, 3]]
    view = source.transpose(order)
    if method == "linear":
        out = np.empty([target[axis] for axis in order], np.float32)
        stored = _direct(view)

        def work(start: int, stop: int) -> int:
            return int(kernels.linear_points(stored, turned, _QUANTA, np.float32(fill), out, start, stop))

    else:
        out = np.empty([target[axis] for axis in order], source.dtype)
        bits = np.dtype(f"u{source.dtype.itemsize}")
        words, result = np.ascontiguousarray(view).view(bits), out.view(bits)
        blank = np.array(fill).astype(source.dtype).view(bits)[()]

        def work(start: int, stop: int) -> int:
            return int(kernels.nearest_points(words, turned, _QUANTA, blank, result, start, stop))

    inside = sum(in_slabs(work, out.shape[0], threads=threads))
    return out.transpose(np.argsort(order)), inside > 0


def _inside(position: NDArray[np.float64], count: int) -> tuple[int, int]:
    """First and one past last output index whose position is within the outer faces (positions are monotonic)."""
    where = np.flatnonzero((position >= -0.5) & (position <= count - 0.5))
    return (int(where[0]), int(where[-1]) + 1) if where.size else (0, 0)


def _table(
    position: NDArray[np.float64], count: int, length: int, begin: int, method: Method
) -> tuple[slice, tuple[NDArray[Any], ...]]:
    """The stretch of the source axis that is needed, and per output index the indices into it (and weights)."""
    if method == "nearest":
        index = np.clip(np.floor(position + 0.5), 0, count - 1).astype(np.int64)
        first, last = int(index.min()), int(index.max())
        return slice(first, last + 1), (_placed((index - first).astype(_INDEX), begin, length),)
    clipped = np.clip(position, 0, count - 1)
    low = np.floor(clipped).astype(np.int64)
    weight = (clipped - low).astype(np.float32)
    high = low + (weight > 0)
    first, last = int(low.min()), int(min(high.max(), count - 1))
    high = np.minimum(high, last)
    return (
        slice(first, last + 1),
        (
            _placed((low - first).astype(_INDEX), begin, length),
            _placed((high - first).astype(_INDEX), begin, length),
            _placed(weight, begin, length),
        ),
    )


def _placed(values: NDArray[Any], begin: int, length: int) -> NDArray[Any]:
    whole = np.zeros(length, values.dtype)
    whole[begin : begin + len(values)] = values
    return whole


def _direct(view: NDArray[Any]) -> NDArray[Any]:
    """Contiguous and of a type that the linear loops are compiled for."""
    code = view.dtype.str[1:]
    return np.ascontiguousarray(view, dtype=view.dtype if code in _DIRECT and view.dtype.isnative else np.float32)


def _smoothed(source: NDArray[Any], step: NDArray[np.float64]) -> NDArray[Any]:
    """Gaussian along each source axis that the target samples more coarsely."""
    from scipy.ndimage import gaussian_filter1d

    smooth = source.astype(np.float32)
    for axis, ratio in enumerate(np.linalg.norm(step[:3, :3], axis=1)):
        if ratio > 1:
            smooth = gaussian_filter1d(smooth, (ratio - 1) / 2, axis=axis, mode="nearest")
    return smooth
