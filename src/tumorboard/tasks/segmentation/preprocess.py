"""From the CT's grid to what the network sees, and exactly back.

The working grid has the CT's axes (nearest to R, A, S), covers its box from face to face, and has voxels as close to
the wanted edge as that allows. Nothing is cropped or padded here, so the way back is a resampling alone, in physical
space, after what going there and back would blur is sharpened. What the network gets is 0 where there is nothing: air
and no uptake. A CT or a PET that is not there is a channel of zeros (the network must have learnt to do without).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.components import connected_parts
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.segmentation.cases import Box, CaseVolumes
from tumorboard.tasks.segmentation.postprocess import A_LESION
from tumorboard.tasks.segmentation.prior import PriorName, prior_channel

__all__ = ["Prepared", "Preprocessing", "choose_spacing", "lesion_volumes_ml"]

VERSION = 1
"""Of this preprocessing: written into every model, and compared before it predicts."""


@dataclass(frozen=True)
class Prepared:
    """A case on the working grid.

    `inputs` float32 (2 or 3, i, j, k): CT, PET and prior as the network sees them; `target` float32 (structures, i, j,
    k), the share of each voxel that a structure fills, or None; `working` and `native` grids.
    """

    inputs: NDArray[np.float32]
    target: NDArray[np.float32] | None
    working: Geometry
    native: Geometry


@dataclass(frozen=True)
class Preprocessing:
    """Settings that belong to a model as much as its weights.

    `spacing_mm` wanted voxel edge; `ct_window_hu` maps to 0..1 and is clipped; SUV is kept as SUV, on the scale
    log(1 + SUV), never scaled by anything measured in the field of view; `prior`: what the third channel is.
    """

    spacing_mm: float
    ct_window_hu: tuple[float, float]
    structures: tuple[str, ...]
    prior: PriorName = "none"

    def to_json(self) -> dict[str, Any]:
        record = {"version": VERSION, **asdict(self)}
        if self.prior == "none":  # files of before there were priors say the same, and are still found
            del record["prior"]
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Preprocessing:
        window = record["ct_window_hu"]
        known = record["spacing_mm"], (window[0], window[1]), tuple(record["structures"])
        return cls(*known, record.get("prior", "none"))

    def working_grid(self, native: Geometry) -> Geometry:
        """The grid over the same box as `native`, near to RAS, with voxels of about `spacing_mm`."""
        order, flips = native.reorientation("RAS")
        turned = native.permute(order)
        for axis in flips:
            turned = turned.flip(axis)
        count = np.maximum(np.rint(turned.extent_mm / self.spacing_mm), 1)
        return turned.with_spacing(turned.extent_mm / count)

    def forward(self, volumes: CaseVolumes) -> Prepared:
        """CT, PET and mask of one grid (the whole exam, or the part of it that may be seen)."""
        native = volumes.grid
        working = self.working_grid(native)
        low, high = self.ct_window_hu
        inputs = np.zeros((2 + (self.prior != "none"), *working.shape), np.float32)
        if volumes.ct is not None:
            np.clip((_onto(volumes.ct, working).array - low) / (high - low), 0.0, 1.0, out=inputs[0])
        if volumes.pet is not None:
            np.log1p(np.maximum(_onto(volumes.pet, working).array, 0.0), out=inputs[1])
        if self.prior != "none":
            inputs[2] = prior_channel(self.prior, inputs, working, prior_map=volumes.prior)
        target = None if volumes.mask is None else self._target(volumes.mask, working)
        return Prepared(inputs, target, working, native)

    def _target(self, mask: Volume, working: Geometry) -> NDArray[np.float32]:
        shares = []
        for value in range(1, len(self.structures) + 1):
            inside = Volume((mask.array == value).astype(np.float32), mask.affine, Unit.PROBABILITY)
            shares.append(_onto(inside, working).array)
        return np.stack(shares).astype(np.float32)

    def sharpened(self, probabilities: NDArray[np.float32], prepared: Prepared) -> NDArray[np.float32]:
        """Probabilities (structures, i, j, k) less the blur of going to the working grid and back.

        A voxel of the working grid is a blurred sample, and interpolation blurs once more, which shrinks round things:
        a lesion of 1 ml at 3 mm loses a fifth of its volume. Values may leave 0 to 1 a little.
        """
        amounts = _blur_there_and_back(prepared)
        return np.stack([_sharpened(map_, amounts) for map_ in probabilities])

    def inverse(self, probabilities: NDArray[np.float32], prepared: Prepared, *, sharp: bool = False) -> Volume:
        """Probabilities of the structures (structures, i, j, k) on the working grid -> label map (uint8) on the
        native grid: the most probable structure where all together are more probable than none of them. `sharp`: they
        are `sharpened` already.
        """
        if not sharp:
            probabilities = self.sharpened(probabilities, prepared)
        labels = np.zeros(prepared.native.shape, np.uint8)
        box = self.reach(probabilities, prepared)
        if box is not None:
            part = labels[tuple(slice(a, b) for a, b in zip(*box, strict=True))]
            self._most_probable(probabilities, prepared, prepared.native.crop(*box), part)
        return Volume(labels, prepared.native.affine, Unit.LABEL)

    def _most_probable(
        self, probabilities: NDArray[np.float32], prepared: Prepared, grid: Geometry, labels: NDArray[np.uint8]
    ) -> None:
        """Writes the labels of `grid` into `labels`."""
        best, together = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
        for index, map_ in enumerate(probabilities):
            volume = Volume(np.ascontiguousarray(map_, np.float32), prepared.working.affine, Unit.PROBABILITY)
            here = resample_to(volume, grid, method="linear", fill=0.0).array
            together += here
            wins = here > best
            labels[wins], best[wins] = index + 1, here[wins]
        labels[together <= A_LESION] = 0

    def reach(self, probabilities: NDArray[np.float32], prepared: Prepared) -> Box | None:
        """The box of native voxels outside of which there can be no lesion; None where nowhere. `probabilities`
        sharpened."""
        high = probabilities.sum(axis=0) > 0.999 * A_LESION  # interpolation gives no more than the highest beside it
        if not high.any():
            return None
        ends = [np.flatnonzero(high.any(axis=tuple(a for a in range(3) if a != axis)))[[0, -1]] for axis in range(3)]
        corners = np.stack(np.meshgrid(*[(e[0] - 2.0, e[1] + 2.0) for e in ends], indexing="ij"), axis=-1)
        places = prepared.native.to_index(prepared.working.to_world(corners.reshape(-1, 3)))
        size = prepared.native.shape
        first = np.clip(np.floor(places.min(axis=0)).astype(int), 0, np.array(size) - 1).tolist()
        last = np.clip(np.ceil(places.max(axis=0)).astype(int) + 1, np.array(first) + 1, size).tolist()
        return (first[0], first[1], first[2]), (last[0], last[1], last[2])


def lesion_volumes_ml(mask: Volume) -> list[float]:
    """Volume of every connected lesion (26 neighbours) of a label map."""
    parts, _ = connected_parts(mask.array)
    return (np.bincount(parts.ravel())[1:] * mask.voxel_volume_ml).tolist()


def choose_spacing(lesions_ml: Sequence[float], spacings_mm: Sequence[Sequence[float]]) -> float:
    """Working voxel edge for training patients: a seventh of the diameter of a small lesion (their lower quartile),
    between 1 and 4 mm, not finer than the images themselves, in steps of 0.5 mm.

    At a seventh, a perfect prediction comes back with a Dice of about 0.95 (docs/adr/0071).
    """
    small_ml = float(np.quantile(lesions_ml, 0.25)) if len(lesions_ml) else 30.0
    diameter_mm = (6000 * small_ml / np.pi) ** (1 / 3)
    finest_mm = float(np.median([np.prod(spacing) ** (1 / 3) for spacing in spacings_mm]))
    wanted_mm = max(diameter_mm / 7, finest_mm)
    return float(np.clip(np.floor(2 * wanted_mm + 1e-6) / 2, 1.0, 4.0))


def _blur_there_and_back(prepared: Prepared) -> list[float]:
    """Variance of the kernel from the native grid to the working one (`resample_to` with its Gaussian) and back by
    linear interpolation (a sixth of a voxel squared on average), per working axis, in voxels squared."""
    order, _ = prepared.native.reorientation("RAS")
    native_mm = prepared.native.spacing_mm[order]
    ratio = prepared.working.spacing_mm / native_mm
    gaussian = (np.maximum(ratio - 1, 0) / 2 / ratio) ** 2
    return (gaussian + np.where(np.abs(ratio - 1) < 1e-3, 0.0, 1 / 6)).tolist()  # type: ignore[no-any-return]


def _sharpened(map_: NDArray[np.float32], variances: Sequence[float]) -> NDArray[np.float32]:
    """`map_` less `variance` / 2 of its second difference along each axis: the inverse of a small blur of that
    variance, to second order. Borders are continued; a straight edge stays where it is."""
    sharp = np.array(map_, np.float32, order="C")
    for axis, variance in enumerate(variances):
        if not variance or sharp.shape[axis] < 2:
            continue
        along = np.moveaxis(sharp, axis, 0)
        step = np.diff(along, axis=0)
        step *= np.float32(variance / 2)
        along[:-1] -= step
        along[1:] += step
    return sharp


def _onto(volume: Volume, grid: Geometry) -> Volume:
    return resample_to(volume, grid, method="linear", anti_alias=True)
