"""Two label maps made ready to be compared: checked, cropped to where either has something, counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.codes import GEOMETRY_MISMATCH, GEOMETRY_SHAPE
from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["LabelPair", "as_labels", "compare"]


@dataclass(frozen=True)
class LabelPair:
    """Reference and prediction, cropped to their union with a rim of one empty voxel (uint8, C order).

    `joint` (256, 256) counts voxels by (reference value, prediction value), 0, 0 excepted; `first` and `last`
    bound the foreground of each line of the last axis. `spacing_mm` is in the order of the cropped arrays'
    axes; `diagonal_mm` is that of the whole image.
    """

    reference: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    spacing_mm: tuple[float, float, float]
    joint: NDArray[np.int64]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    diagonal_mm: float

    @property
    def voxel_ml(self) -> float:
        return float(np.prod(self.spacing_mm)) / 1000.0

    def voxels(self, value: int) -> tuple[int, int, int]:
        """Voxels of one label in the reference, in the prediction, and in both."""
        return int(self.joint[value].sum()), int(self.joint[:, value].sum()), int(self.joint[value, value])


def as_labels(mask: NDArray[Any], *, where: str = "mask", round_values: bool = False) -> NDArray[np.uint8]:
    """A mask as uint8. GEO103 unless it has three axes, MET102 for values between integers (rounded to the
    nearest when `round_values`), MET101 for values outside 0 to 255."""
    array = np.asarray(mask)
    if array.ndim != 3:
        raise TumorboardError(GEOMETRY_SHAPE, where, found=f"shape {array.shape}", expected="three axes")
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise TumorboardError(
            codes.MASK_NOT_INTEGER, where, found=f"values of type {array.dtype}", expected="integers 0 to 255"
        )
    if array.dtype.kind == "f":
        whole = np.rint(array)
        if round_values and np.isfinite(array).all():
            array = whole
        elif not np.array_equal(whole, array):
            odd = array[~(whole == array)]
            raise TumorboardError(
                codes.MASK_NOT_INTEGER,
                where,
                found=f"{len(odd)} values such as {float(odd[0])!r}",
                expected="integers 0 to 255",
            )
    low, high = array.min(initial=0), array.max(initial=0)
    if low < 0 or high > 255:
        found = f"values from {low:g} to {high:g}"
        raise TumorboardError(codes.MASK_LABEL, where, found=found, expected="values 0 to 255")
    return array.astype(np.uint8)


def compare(
    reference: NDArray[Any],
    prediction: NDArray[Any] | None,
    *,
    spacing_mm: Sequence[float],
    labels: Mapping[int, str],
    ignore: Collection[int] = (),
    where: str = "case",
    round_values: bool = False,
) -> LabelPair:
    """Check and crop two label maps of one grid; `prediction` None is an empty map.

    `labels` names every value that may stand in either map; values in `ignore` become background. Errors:
    GEO102 when the shapes differ, GEO103, MET101 (value without a name), MET102 (not integers), MET104 (spacing).
    """
    from tumorboard.metrics import kernels

    spacing = _spacing(spacing_mm, where)
    ref = as_labels(reference, where=f"{where}, reference", round_values=round_values)
    if prediction is None:
        pred = np.zeros_like(ref)
    else:
        pred = as_labels(prediction, where=f"{where}, prediction", round_values=round_values)
    if ref.shape != pred.shape:
        raise TumorboardError(
            GEOMETRY_MISMATCH, where, found=f"a prediction of shape {pred.shape}", expected=f"shape {ref.shape}"
        )
    diagonal_mm = float(np.linalg.norm(np.array(ref.shape) * spacing))
    if ref.flags.f_contiguous and not ref.flags.c_contiguous:  # NIfTI order: read it as the transposed image
        ref, pred, spacing = ref.T, pred.T, spacing[::-1]
    ref, pred = np.ascontiguousarray(ref), np.ascontiguousarray(pred)
    for value in ignore:
        ref, pred = np.where(ref == value, 0, ref), np.where(pred == value, 0, pred)
    joint, first, last = kernels.scan(ref, pred)
    _only_known(joint.sum(axis=1), labels, f"{where}, reference")
    _only_known(joint.sum(axis=0), labels, f"{where}, prediction")
    ref, pred, first, last = _crop(ref, pred, first, last)
    return LabelPair(ref, pred, (spacing[0], spacing[1], spacing[2]), joint, first, last, diagonal_mm)


def _spacing(spacing_mm: Sequence[float], where: str) -> tuple[float, ...]:
    spacing = tuple(float(s) for s in spacing_mm)
    if len(spacing) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise TumorboardError(codes.SPACING, where, found=f"{spacing} mm", expected="three positive values")
    return spacing


def _only_known(counts: NDArray[np.int64], labels: Mapping[int, str], where: str) -> None:
    stray = [value for value in np.flatnonzero(counts).tolist() if value and value not in labels]
    if stray:
        found = ", ".join(f"{value} ({counts[value]} voxels)" for value in stray[:5])
        expected = ", ".join(f"{value} ({name})" for value, name in sorted(labels.items()))
        raise TumorboardError(codes.MASK_LABEL, where, found=f"value {found}", expected=f"0 or {expected}")


def _crop(
    ref: NDArray[np.uint8], pred: NDArray[np.uint8], first: NDArray[np.int32], last: NDArray[np.int32]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """The union box with an empty rim; line bounds move along."""
    filled = last >= 0
    if not filled.any():
        empty = np.zeros((1, 1, 1), np.uint8)
        return empty, empty, np.ones((1, 1), np.int32), np.full((1, 1), -1, np.int32)
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    low = int(first.min())
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1), slice(low, int(last.max()) + 1))
    shift = 1 - low
    beyond = int(last.max()) + shift + 1
    padded_first = np.pad(first[box[:2]] + shift, 1, constant_values=beyond).astype(np.int32)
    padded_last = np.pad(np.where(filled, last + shift, -1)[box[:2]], 1, constant_values=-1).astype(np.int32)
    return _rim(ref[box]), _rim(pred[box]), padded_first, padded_last


def _rim(part: NDArray[np.uint8]) -> NDArray[np.uint8]:
    padded = np.zeros([n + 2 for n in part.shape], np.uint8)
    padded[1:-1, 1:-1, 1:-1] = part
    return padded
