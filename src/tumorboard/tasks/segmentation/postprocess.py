"""Which predicted pieces count as lesions: smallest volume, smallest SUVpeak, holes filled; rules per structure, chosen
on training patients alone (`settle`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.metrics.radiomics.peak import peaks_near
from tumorboard.ops.components import connected_parts

__all__ = ["A_LESION", "KEEP_ALL", "Piece", "PieceRules", "apply_rules", "labels_of", "pieces_of"]

A_LESION = 0.5
"""Where the probabilities of all structures add up to more, a voxel belongs to a lesion."""


@dataclass(frozen=True)
class PieceRules:
    """Of one structure. A piece smaller than `smallest_ml`, or whose SUVpeak is lower than `smallest_suv_peak`, is no
    lesion; where every training patient has the structure (`always`), the largest piece stays when none passes.
    `fill_holes`: what a piece encloses belongs to it."""

    smallest_ml: float = 0.0
    smallest_suv_peak: float = 0.0
    fill_holes: bool = False
    always: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PieceRules:
        return cls(**record)


KEEP_ALL = PieceRules()


@dataclass(frozen=True)
class Piece:
    """One connected piece (26 neighbours) of a structure: its number in the map, volume and SUVpeak."""

    number: int
    volume_ml: float
    suv_peak: float

    def passes(self, rules: PieceRules) -> bool:
        return self.volume_ml >= rules.smallest_ml and self.suv_peak >= rules.smallest_suv_peak


def labels_of(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(structures, i, j, k) -> label map: a lesion where all structures together are more probable than none of them,
    by the name of the most probable one. A lesion whose name is in doubt is still a lesion (docs/adr/0188)."""
    labels: NDArray[np.uint8] = (probabilities.argmax(axis=0) + 1).astype(np.uint8)
    labels[probabilities.sum(axis=0) <= A_LESION] = 0
    return labels


def pieces_of(
    inside: NDArray[np.bool_], suv: NDArray[np.float32], spacing_mm: NDArray[np.float64]
) -> tuple[NDArray[Any], list[Piece]]:
    """Pieces of a structure on a grid that is near to RAS, with a map of their numbers. Peaks: mean of the 1 ml sphere,
    the highest centred in the piece."""
    parts, count = connected_parts(inside)
    if not count:
        return parts, []
    voxel_ml = float(np.prod(spacing_mm)) / 1000
    volumes = np.bincount(parts.ravel(), minlength=count + 1)[1:] * voxel_ml
    peaks = np.zeros(count)
    np.maximum.at(peaks, parts[inside] - 1, peaks_near(suv, inside, spacing_mm)[inside])
    return parts, [Piece(n, float(v), float(p)) for n, v, p in zip(range(1, count + 1), volumes, peaks, strict=True)]


def apply_rules(
    probabilities: NDArray[np.float32],
    inputs: NDArray[np.float32],
    spacing_mm: NDArray[np.float64],
    rules: Sequence[PieceRules],
) -> NDArray[np.float32]:
    """Probabilities (structures, i, j, k) on the working grid with the pieces that are no lesions taken out, and holes
    filled. Without PET (a channel of zeros) no piece is judged by its uptake."""
    if all(rule == KEEP_ALL for rule in rules):
        return probabilities
    changed = np.array(probabilities, np.float32)
    labels = labels_of(changed)
    suv = np.expm1(inputs[1])
    for index, rule in enumerate(rules):
        if not suv.any():
            rule = PieceRules(rule.smallest_ml, 0.0, rule.fill_holes, rule.always)
        inside = labels == index + 1
        parts, pieces = pieces_of(inside, suv, spacing_mm)
        kept = [piece.number for piece in pieces if piece.passes(rule)]
        if not kept and pieces and rule.always:
            kept = [max(pieces, key=lambda piece: piece.volume_ml).number]
        staying = np.isin(parts, kept) & inside
        gone = inside & ~staying
        if gone.any():
            beside = ndimage.binary_dilation(gone, np.ones((3, 3, 3)), iterations=1) & ~staying
            changed[index][beside] = 0.0
        if rule.fill_holes and staying.any():
            holes = ndimage.binary_fill_holes(staying) & ~staying & (labels == 0)
            changed[:, holes] = 0.0
            changed[index][holes] = 1.0
    return changed
