"""Volumes as a browser can scroll through them: small enough to send, in a script file so that they open from disk.

A page opened from a folder (`file://`) may run scripts beside it but fetch nothing, so a volume is a line of script
that
hands its bytes over (docs/adr/0138). Intensities are averaged over blocks of voxels until they fit `VOXELS`; masks
keep their grid, cut to what is drawn.
"""

from __future__ import annotations

import base64
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.lesions import bounding_box
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import atomic_write_text
from tumorboard.io.nifti import write_nifti

__all__ = ["VOXELS", "Layer", "reduced", "write_layer"]

VOXELS = 4_000_000
"""Most voxels of a volume that a page brings along."""

_SLOPE_BYTE = 112
"""Place of `scl_slope` in a NIfTI-1 header."""


@dataclass(frozen=True)
class Layer:
    """One volume of an exam's viewer. `file` lies beside the exam's pictures; `index` is the image's place among the
    exam's images; `low`, `high` the range shown at first, in `unit`; `whole` whether no voxel was averaged."""

    file: str
    index: int
    kind: str
    title: str
    unit: str
    run_id: str
    low: float
    high: float
    labels: dict[str, str]
    whole: bool
    grid: tuple[float, ...]
    """Shape and affine of the image itself, to find what shares a grid."""

    @property
    def overlay(self) -> str:
        """What is switched together over all exams: a kind, and of maps each run's own."""
        return self.title if self.kind == "map" else self.kind

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "overlay": self.overlay}


def reduced(volume: Volume, *, voxels: int = VOXELS) -> Volume:
    """The volume averaged over blocks until it has at most `voxels`: the finest axis first, so that voxels come near to
    cubes. Blocks at the end that are not whole are left out; places stay where they are."""
    factors = np.ones(3, int)
    shape, spacing = np.array(volume.shape), volume.spacing_mm
    while np.prod(shape // factors) > voxels:
        thin = np.where(shape // factors > 1, factors * spacing, np.inf)
        factors[int(np.argmin(thin))] += 1
    if (factors == 1).all():
        return volume
    size = shape // factors * factors
    blocks = volume.array[: size[0], : size[1], : size[2]]
    # One axis after the other, the one that lies furthest apart in memory first: whole slices are added at once, and
    # the largest array that is held is the input's size over the first factor.
    for axis in sorted(range(3), key=lambda one: -volume.array.strides[one]):
        if factors[axis] > 1:
            blocks = _averaged(blocks, axis, int(factors[axis]))
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ ((factors - 1) / 2)
    affine[:3, :3] = affine[:3, :3] * factors
    return Volume(np.ascontiguousarray(blocks, np.float32), affine, volume.unit)


def _averaged(array: NDArray[Any], axis: int, factor: int) -> NDArray[np.float32]:
    """Means of `factor` neighbours along an axis whose length it divides."""
    at = [slice(None)] * 3
    at[axis] = slice(0, None, factor)
    total = array[tuple(at)].astype(np.float32)
    for start in range(1, factor):
        at[axis] = slice(start, None, factor)
        total += array[tuple(at)]
    total /= np.float32(factor)
    return total


def write_layer(
    volume: Volume, folder: Path, *, row: Mapping[str, Any], index: int, title: str, high: float
) -> Layer | None:
    """Write one volume as script `v<index>.js` in `folder`; None for a mask with nothing drawn."""
    labels = {str(value): name for value, name in (row["labels"] or {}).items()}
    if volume.unit == Unit.LABEL:
        box = bounding_box(volume.array != 0)
        if box is None:
            return None
        small = volume.crop([max(s.start - 1, 0) for s in box], [s.stop + 1 for s in box], fill=0).astype(np.uint8)
        kind, slope, low, whole = "mask", 1.0, 0.0, True
        high = max(int(value) for value in labels) if labels else float(volume.array.max())
    else:
        small = reduced(volume)
        whole = small is volume
        stored, slope = _as_integers(small.array)
        small = small.with_array(stored, small.unit)
        kind = {"dose": "dose", "map": "map"}.get(str(row["role"]), "ct" if volume.unit == Unit.HU else "pet")
        low = -160.0 if volume.unit == Unit.HU else 0.0
    grid = (*volume.shape, *(round(float(number), 3) + 0.0 for number in volume.affine[:3].ravel()))
    file = f"v{index}.js"
    text = base64.b64encode(_nifti_bytes(small, slope, folder)).decode("ascii")
    atomic_write_text(folder / file, f'Tumorboard.give("{folder.parent.name}/{folder.name}/v{index}", "{text}");\n')
    run = row["run_id"] or ""
    return Layer(file, index, kind, title, str(volume.unit), run, low, float(high), labels, whole, grid)


def _as_integers(array: NDArray[Any]) -> tuple[NDArray[np.int16], float]:
    """Values as 16-bit integers and what one of them is worth: 1 where that loses nothing that the eye sees (HU)."""
    values = np.nan_to_num(array.astype(np.float32, copy=False))
    most = float(max(values.max(initial=0), -values.min(initial=0)))
    if 1000 <= most <= 32000:
        return np.rint(values).astype(np.int16), 1.0
    slope = most / 32000 if most > 0 else 1.0
    # A thousandth of the largest value is finer than a screen's 256 steps, and packs three times better.
    slope *= 16
    return np.rint(values / np.float32(slope)).astype(np.int16), slope


def _nifti_bytes(volume: Volume, slope: float, folder: Path) -> bytes:
    """A gzipped NIfTI file whose values are the integers times `slope`."""
    from isal import igzip

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "v.nii"
        write_nifti(volume, path)
        data = bytearray(path.read_bytes())
    data[_SLOPE_BYTE : _SLOPE_BYTE + 4] = struct.pack("<f", slope)
    return bytes(igzip.compress(bytes(data), compresslevel=2, mtime=0))
