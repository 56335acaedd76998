"""Overlap and volume of masks, and the two ways to speak of many patients: mean and aggregated.

Dice: Dice 1945, Ecology 26:297. Aggregated Dice: Andrearczyk et al. 2022, HECKTOR overview, LNCS 13626.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = ["aggregated_dice", "dice_of_counts", "relative_volume_error"]


def dice_of_counts(reference: float, prediction: float, both: float) -> float | None:
    """2 |A and B| / (|A| + |B|) from voxel counts or volumes; None when both are empty."""
    whole = reference + prediction
    return 2.0 * both / whole if whole else None


def aggregated_dice(reference: ArrayLike, prediction: ArrayLike, both: ArrayLike) -> float | None:
    """2 sum|A and B| / sum(|A| + |B|) over n patients (each argument (n,), voxels or ml); None when all are
    empty. A patient weighs as much as the structure is large; an empty reference costs what was predicted.
    MET106 when the three differ in length."""
    a, b, ab = (np.asarray(values, float) for values in (reference, prediction, both))
    if not a.shape == b.shape == ab.shape:
        raise TumorboardError(
            codes.PAIRS_DIFFER, "aggregated Dice", found=f"{a.shape}, {b.shape}, {ab.shape}", expected="one length"
        )
    return dice_of_counts(float(a.sum()), float(b.sum()), float(ab.sum()))


def relative_volume_error(reference_ml: float, prediction_ml: float) -> float | None:
    """(prediction - reference) / reference; None when the reference is empty."""
    return (prediction_ml - reference_ml) / reference_ml if reference_ml else None
