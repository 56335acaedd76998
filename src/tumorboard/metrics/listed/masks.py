"""Figures of masks: overlap, surfaces, volumes, lesions."""

from __future__ import annotations

from tumorboard.metrics.listed.metric import Metric

__all__ = ["MASKS"]

_ONE_ZERO = "one empty: 0; both empty: undefined (option: 1)"
_NO_DISTANCE = "one empty: undefined (option: diagonal of the image); both empty: undefined (option: 0)"
_LESIONS = "no lesion on either side: undefined (option: 1 for F1)"


MASKS: tuple[Metric, ...] = (
    Metric("dice", "Dice", "1", "higher", "2 |A and B| / (|A| + |B|) of the voxels of one structure", _ONE_ZERO),
    Metric(
        "dice_key_slice",
        "Dice in the key slice",
        "1",
        "higher",
        "2 |A and B| / (|A| + |B|) of the pixels of one lesion in the slice that carries its mark",
        _ONE_ZERO,
    ),
    Metric(
        "aggregated_dice",
        "Aggregated Dice",
        "1",
        "higher",
        "2 sum|A and B| / sum(|A| + |B|) over all patients",
        "a patient empty on one side adds its voxels below the line; all empty: undefined",
    ),
    Metric(
        "nsd",
        "Surface Dice (NSD)",
        "1",
        "higher",
        "share of both surfaces that lies within a tolerance of the other",
        _ONE_ZERO,
        surface=True,
    ),
    Metric(
        "hd95_mm",
        "Hausdorff distance, 95 %",
        "mm",
        "lower",
        "larger of both directions' 95th percentile of the distance to the other surface",
        _NO_DISTANCE,
        surface=True,
    ),
    Metric(
        "hd100_mm",
        "Hausdorff distance",
        "mm",
        "lower",
        "largest distance from a point of one surface to the other",
        _NO_DISTANCE,
        surface=True,
    ),
    Metric(
        "assd_mm",
        "Average symmetric surface distance",
        "mm",
        "lower",
        "mean distance to the other surface over the points of both",
        _NO_DISTANCE,
        surface=True,
    ),
    Metric("reference_ml", "Reference volume", "ml", "none", "volume of the reference", "0 when empty"),
    Metric("predicted_ml", "Predicted volume", "ml", "none", "volume of the prediction", "0 when empty"),
    Metric("overlap_ml", "Shared volume", "ml", "none", "volume of reference and prediction together", "0"),
    Metric("volume_error_ml", "Volume error", "ml", "zero", "predicted minus reference volume", "always defined"),
    Metric(
        "absolute_volume_error_ml",
        "Absolute volume error",
        "ml",
        "lower",
        "size of the volume error",
        "always defined",
    ),
    Metric(
        "relative_volume_error",
        "Relative volume error",
        "1",
        "zero",
        "volume error over reference volume",
        "reference empty: undefined",
    ),
    Metric("lesion_f1", "Lesion F1", "1", "higher", "2 TP / (2 TP + FP + FN) of matched components", _LESIONS),
    Metric(
        "lesion_precision",
        "Lesion precision",
        "1",
        "higher",
        "TP / (TP + FP) of matched components",
        "no predicted lesion: undefined",
    ),
    Metric(
        "lesion_recall",
        "Lesion recall",
        "1",
        "higher",
        "TP / (TP + FN) of matched components",
        "no reference lesion: undefined",
    ),
    Metric("lesion_tp", "Lesions found", "count", "higher", "components that match", "0"),
    Metric("lesion_fp", "Lesions invented", "count", "lower", "predicted components without a match", "0"),
    Metric("lesion_fn", "Lesions missed", "count", "lower", "reference components without a match", "0"),
    Metric(
        "fpv_ml",
        "False positive volume",
        "ml",
        "lower",
        "volume of predicted components that touch no reference voxel",
        "always defined",
    ),
    Metric(
        "fnv_ml",
        "False negative volume",
        "ml",
        "lower",
        "volume of reference components that no predicted voxel touches",
        "always defined",
    ),
    Metric(
        "aggregated_lesion_f1",
        "Aggregated lesion F1",
        "1",
        "higher",
        "2 TP / (2 TP + FP + FN) with counts pooled over all patients",
        "no lesion on either side in any patient: undefined",
    ),
    Metric(
        "uls23",
        "ULS23 score",
        "1",
        "higher",
        "0.8 Dice + 0.05 (1 - SAPE of the long axis) + 0.05 (1 - SAPE of the short axis) + 0.1 consistency",
        "nothing predicted: SAPE 1; an axis 0 on both sides: SAPE 0",
    ),
)
