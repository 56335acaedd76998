"""autoPET: Dice, false positive volume and false negative volume of all lesions together.

Components are 18-connected. False positive volume: predicted components that touch no reference voxel; false
negative volume: reference components that no predicted voxel touches; both in ml. Patients without lesions
count for the false positive volume only (editions I and III) or for both volumes (edition II), never for Dice.
Source: the evaluation pages of the editions and the organisers' val_script.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.labelmaps import as_labels, compare
from tumorboard.metrics.lesions import find_lesions
from tumorboard.metrics.official.rules import MISSING, Ratio, one_of
from tumorboard.metrics.overlap import dice_of_counts

__all__ = ["AutopetRules"]

_LESION = 1


@dataclass(frozen=True)
class AutopetRules:
    """`negatives`: figures that patients without lesions count for, ``fpv`` (I, III) or ``fpv+fnv`` (II).
    `connectivity`: 18 as published. `missing`: ``empty``, ``skip`` or ``refuse`` (left open). Every value
    above 0 is lesion."""

    negatives: str = "fpv"
    connectivity: int = 18
    missing: str = "empty"

    name: ClassVar[str] = "autopet"
    labels: ClassVar[Mapping[int, str]] = {_LESION: "lesion"}
    figures: ClassVar[tuple[Ratio, ...]] = (
        Ratio("dice", "lesion", (("dice", "dice_patients"),)),
        Ratio("fpv_ml", "lesion", (("fpv_ml", "patients"),)),
        Ratio("fnv_ml", "lesion", (("fnv_ml", "fnv_patients"),)),
    )

    def __post_init__(self) -> None:
        one_of("negatives", self.negatives, ("fpv", "fpv+fnv"))
        one_of("connectivity", self.connectivity, (6, 18, 26))
        one_of("missing", self.missing, MISSING)

    def count(
        self, reference: NDArray[Any], prediction: NDArray[Any] | None, *, spacing_mm: Sequence[float], where: str
    ) -> dict[str, float]:
        """Dice and volumes of one patient. MET101, MET102, MET104, GEO102."""
        truth = (as_labels(reference, where=f"{where}, reference") > 0).view(np.uint8)
        guess = None
        if prediction is not None:
            guess = (as_labels(prediction, where=f"{where}, prediction") > 0).view(np.uint8)
        pair = compare(truth, guess, spacing_mm=spacing_mm, labels=self.labels, where=where)
        in_reference, in_prediction, both = pair.voxels(_LESION)
        lesions = find_lesions(pair, [_LESION], connectivity=self.connectivity)[_LESION]
        positive = float(in_reference > 0)
        return {
            "dice": float(dice_of_counts(in_reference, in_prediction, both) or 0.0) if positive else 0.0,
            "dice_patients": positive,
            "fpv_ml": lesions.invented_voxels() * pair.voxel_ml,
            "fnv_ml": lesions.missed_voxels() * pair.voxel_ml,
            "patients": 1.0,
            "fnv_patients": 1.0 if self.negatives == "fpv+fnv" else positive,
        }
