"""What the rules need to know about voxels, from one pass over each image."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.blind_ellipsoid import blind_dice
from tumorboard.core.cohort import Cohort, ImageLoader
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.volume import Volume
from tumorboard.io.images import image_path
from tumorboard.io.nifti import inspect_nifti
from tumorboard.io.remarks import Remark
from tumorboard.ops.radiograph import Look, hanging_of, look_at

__all__ = ["COARSE", "ImageStatistics", "Uptake", "cohort_statistics", "exam_statistics"]

COARSE = 8
"""Blocks per axis of the coarse picture."""
_SAMPLE = 64
"""Voxels per axis that percentiles are taken from; extremes are exact."""
_MANY_VALUES = 20


@dataclass(frozen=True)
class Uptake:
    """PET inside and outside the expert's mask of the same exam. `touching`: the outside maximum is a neighbour of
    the mask (spill-over, or a contour drawn a voxel too tight). `mirrored_mean`: the inside mean were the mask's voxels
    stored backwards along the axis of that code; `air`: part of the mask below -400 HU on the CT of its grid."""

    inside_max: float
    inside_mean: float
    outside_max: float
    outside_at_mm: tuple[float, float, float]
    touching: bool
    mirrored_mean: Mapping[str, float] = field(default_factory=dict)
    air: float = 0.0


@dataclass(frozen=True)
class ImageStatistics:
    """Numbers of one image. `remarks`: what its file says of itself, errors of reading included (then nothing else
    is filled in). `look`: how the chest lies in an X-ray hung as its affine says (None from the side). Intensities:
    exact `low`, `high`; `percentiles` 1, 25, 50, 75, 99, 99.9; `coarse` block means, RAS order. Masks: voxel `values`
    with counts, bounding box in voxels, `blind` Dice per image-blind ellipsoid."""

    image_id: str
    remarks: tuple[Remark, ...] = ()
    readable: bool = True
    low: float = np.nan
    high: float = np.nan
    not_finite: int = 0
    percentiles: tuple[float, ...] = ()
    coarse: NDArray[np.float32] | None = None
    values: Mapping[float, int] = field(default_factory=dict)
    more_values: bool = False
    box: tuple[tuple[int, int, int], tuple[int, int, int]] | None = None
    blind: NDArray[np.float64] | None = None
    blind_after_cut: NDArray[np.float64] | None = None
    uptake: Uptake | None = None
    look: Look | None = None


Job = tuple[Sequence[Mapping[str, Any]], ImageLoader, Path | None]


def cohort_statistics(cohort: Cohort, *, map: Callable[..., Iterable[Any]] = map) -> dict[str, ImageStatistics]:
    """Statistics of every acquired or expert image that has a file, by image_id; one job per exam, so that `map` may be
    a pool's."""
    assert cohort.loader is not None
    exams: dict[str, list[Mapping[str, Any]]] = {}
    for row in cohort.rows("images"):
        if row["run_id"] in (None, EXPERT) and row["path"] is not None:
            exams.setdefault(row["exam_id"], []).append(row)
    jobs = [(rows, cohort.loader, cohort.root) for rows in exams.values()]
    return {one.image_id: one for found in map(exam_statistics, jobs) for one in found}


def exam_statistics(job: Job) -> list[ImageStatistics]:
    """Statistics of the images of one exam."""
    rows, loader, root = job
    cut = next((c for row in rows if (c := json.loads(row["options"] or "{}").get("evaluation_cut"))), None)
    made: list[ImageStatistics] = []
    ct: Volume | None = None
    masks: list[tuple[Volume, Any]] = []
    pets: list[Volume | None] = []
    for row in rows:
        remarks = _remarks(row, root)
        volume: Volume | None = None
        try:
            volume = loader(row, root)
        except TumorboardError as error:
            told = Remark.from_error(error)
            remarks = [r for r in remarks if r.code is not told.code or r.severity != "error"]
            made.append(ImageStatistics(row["image_id"], (*remarks, told), readable=False))
            pets.append(None)
            continue
        if row["role"] == "mask":
            made.append(_mask(row, volume, remarks, cut))
            masks.append((volume, made[-1].box))
        else:
            made.append(_intensity(row, volume, remarks))
            ct = volume if row["modality"] == "CT" and row["role"] == "image" and ct is None else ct
        pets.append(volume if row["modality"] == "PT" and row["role"] == "image" else None)
    drawn = next(((mask, box) for mask, box in masks if box is not None), None)
    return [
        one if pet is None or drawn is None else _with_uptake(one, pet, *drawn, ct=ct)
        for one, pet in zip(made, pets, strict=True)
    ]


def _remarks(row: Mapping[str, Any], root: Path | None) -> list[Remark]:
    if row["format"] != "nifti" or json.loads(row["options"] or "{}").get("read"):
        return []  # options of the reader have already decided what the file leaves open
    try:
        return [r for r in inspect_nifti(image_path(row, root)) if r.severity != "info"]
    except TumorboardError as error:
        return [Remark.from_error(error)]


def _intensity(row: Mapping[str, Any], volume: Volume, remarks: list[Remark]) -> ImageStatistics:
    array = volume.array
    step = tuple(slice(None, None, max(1, n // _SAMPLE)) for n in array.shape)
    sample = array[step].astype(np.float64).ravel()
    finite = sample[np.isfinite(sample)]
    whole = np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    if whole:
        good = np.isfinite(array)
        low = float(np.min(array, where=good, initial=np.inf))
        high = float(np.max(array, where=good, initial=-np.inf))
    else:
        low, high = float(array.min()), float(array.max())
    return ImageStatistics(
        row["image_id"],
        tuple(remarks),
        low=low,
        high=high,
        not_finite=int((~np.isfinite(array)).sum()) if whole else 0,
        percentiles=tuple(np.percentile(finite, [1, 25, 50, 75, 99, 99.9]).tolist()) if len(finite) else (),
        coarse=_coarse(volume),
        look=_look(row, volume),
    )


def _look(row: Mapping[str, Any], volume: Volume) -> Look | None:
    hanging = hanging_of(volume.affine) if row["modality"] == "DX" and volume.shape[2] == 1 else None
    return None if hanging is None else look_at(hanging.apply(volume.array[:, :, 0].T))


def _coarse(volume: Volume) -> NDArray[np.float32] | None:
    """Block means in RAS order over the box of the body in-plane (so that an off-centre field of view is no
    asymmetry) and the whole length; None for grids too small for it."""
    turned = volume.reorient("RAS").array
    if min(turned.shape) < COARSE:
        return None
    step = tuple(slice(None, None, max(1, n // _SAMPLE)) for n in turned.shape)
    small = np.nan_to_num(turned[step].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    if volume.unit == "HU":
        small = np.clip(small, -1000, 300)
        body = small > -400
    else:
        body = small > 0.1 * np.percentile(small, 99)
    for axis in (0, 1):
        low, high = _body_span(body, axis)
        if high - low >= COARSE:
            small, body = (np.take(a, np.arange(low, high), axis=axis) for a in (small, body))
    for axis in range(3):
        edges = np.linspace(0, small.shape[axis], COARSE + 1).astype(int)
        sums = np.add.reduceat(small, edges[:-1], axis=axis)
        shape = [1, 1, 1]
        shape[axis] = COARSE
        small = sums / np.diff(edges).reshape(shape)
    return small.astype(np.float32)


def _body_span(body: NDArray[np.bool_], axis: int) -> tuple[int, int]:
    """First and last index between which all but a fiftieth of the body lies at either end."""
    mass = np.cumsum(np.count_nonzero(body, axis=tuple({0, 1, 2} - {axis})))
    if mass[-1] == 0:
        return 0, 0
    return int(np.searchsorted(mass, 0.02 * mass[-1])), int(np.searchsorted(mass, 0.98 * mass[-1])) + 1


def _mask(row: Mapping[str, Any], volume: Volume, remarks: list[Remark], cut: Any) -> ImageStatistics:
    array = volume.array
    values, counts = _tally(array)
    tally = dict(zip(values[:_MANY_VALUES].tolist(), counts[:_MANY_VALUES].tolist(), strict=True))
    drawn = array > 0
    box = None
    blind = after = None
    if drawn.any():
        sides = [np.flatnonzero(drawn.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        low, high = tuple(int(s[0]) for s in sides), tuple(int(s[-1]) for s in sides)
        box = (low, high)
        flat = min(drawn.shape) == 1  # a projection: its field of view is the chest, whatever is drawn
        blind = None if flat else blind_dice(drawn, volume.spacing_mm)
        if cut is not None and len(cut) == 3:
            inner = drawn[tuple(slice(int(a), n - int(b)) for (a, b), n in zip(cut, drawn.shape, strict=True))]
            after = blind_dice(inner, volume.spacing_mm) if inner.any() and not flat else None
    return ImageStatistics(
        row["image_id"],
        tuple(remarks),
        low=float(values[0]),
        high=float(values[-1]),
        values=tally,
        more_values=len(values) > _MANY_VALUES,
        box=box,
        blind=blind,
        blind_after_cut=after,
    )


def _tally(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Distinct values and their counts."""
    if array.dtype == np.uint8:
        counts = np.bincount(array.ravel(order="K"), minlength=256)
        return np.flatnonzero(counts), counts[counts > 0]
    return np.unique(array, return_counts=True)


Box = tuple[tuple[int, int, int], tuple[int, int, int]]


def _with_uptake(one: ImageStatistics, pet: Volume, mask: Volume, box: Box, *, ct: Volume | None) -> ImageStatistics:
    uptake = _uptake(pet, mask, box)
    if uptake is None:
        return one
    mirrored = {}
    for axis in range(3):
        ends = [[box[0][a], box[1][a]] for a in range(3)]
        ends[axis] = [mask.shape[axis] - 1 - box[1][axis], mask.shape[axis] - 1 - box[0][axis]]
        turned = mask.with_array(np.flip(mask.array, axis))
        other = _uptake(pet, turned, (tuple(e[0] for e in ends), tuple(e[1] for e in ends)))
        if other is not None:
            mirrored[mask.geometry.axis_codes[axis]] = other.inside_mean
    air = float((ct.array[mask.array > 0] < -400).mean()) if ct is not None and ct.same_grid(mask) else 0.0
    return replace(one, uptake=replace(uptake, mirrored_mean=mirrored, air=air))


def _uptake(pet: Volume, mask: Volume, box: Box) -> Uptake | None:
    """PET maxima inside and outside; inside are the PET voxels whose centre lies in a mask voxel."""
    from scipy import ndimage

    drawn = mask.geometry.crop(box[0], [n + 1 for n in box[1]])
    corners = np.rint(pet.geometry.to_index(drawn.corners_mm())).astype(int)
    low = np.clip(corners.min(axis=0) - 1, 0, np.asarray(pet.shape))
    high = np.clip(corners.max(axis=0) + 2, 0, np.asarray(pet.shape))
    if (high <= low).any():
        return None
    index = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    at = np.rint(mask.geometry.to_index(pet.geometry.to_world(index))).astype(int)
    valid = ((at >= 0) & (at < np.asarray(mask.shape))).all(axis=-1)
    part = np.zeros(index.shape[:3], bool)
    part[valid] = mask.array[tuple(at[valid].T)] > 0
    if not part.any():
        return None
    inside = np.zeros(pet.shape, bool)
    region = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    inside[region] = part
    array = np.nan_to_num(pet.array, nan=-np.inf, posinf=-np.inf)
    outside = np.where(inside, -np.inf, array)
    peak = np.unravel_index(int(np.argmax(outside)), pet.shape)
    place = pet.geometry.to_world(np.array(peak, float))
    around = np.zeros_like(inside)
    around[region] = ndimage.binary_dilation(part, np.ones((3, 3, 3), bool))
    return Uptake(
        inside_max=float(array[inside].max()),
        inside_mean=float(array[inside].mean()),
        outside_max=float(outside[peak]),
        outside_at_mm=(round(float(place[0]), 1), round(float(place[1]), 1), round(float(place[2]), 1)),
        touching=bool(around[peak]),
    )


def grid(row: Mapping[str, Any]) -> Geometry | None:
    """Grid of an image row; None where the table has none."""
    if row["shape"] is None or row["affine"] is None:
        return None
    return Geometry(tuple(row["shape"]), np.asarray(row["affine"], float).reshape(4, 4))
