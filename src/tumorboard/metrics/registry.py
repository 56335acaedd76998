"""Every metric's name, unit and meaning, said once: for the command line, the docs and the tables."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METRICS", "Metric", "metric_id"]


@dataclass(frozen=True)
class Metric:
    """A figure: stable name, unit, which way is better (``higher``, ``lower``, ``zero`` or ``none``), meaning,
    and its result when reference, prediction or both are empty."""

    name: str
    title: str
    unit: str
    better: str
    meaning: str
    empty: str = ""
    surface: bool = False
    """Whether its values depend on the definition of a surface, which then stands in its identifier."""


_ONE_ZERO = "one empty: 0; both empty: undefined (option: 1)"
_NO_DISTANCE = "one empty: undefined (option: diagonal of the image); both empty: undefined (option: 0)"
_LESIONS = "no lesion on either side: undefined (option: 1 for F1)"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("dice", "Dice", "1", "higher", "2 |A and B| / (|A| + |B|) of the voxels of one structure", _ONE_ZERO),
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
            "c_index",
            "Concordance index",
            "1",
            "higher",
            "share of comparable pairs that the score puts in the right order; ties count one half (Harrell)",
            "no comparable pair: undefined",
        ),
        Metric(
            "uno_c",
            "Uno's concordance",
            "1",
            "higher",
            "concordance with pairs weighted by the chance to be uncensored, events up to a stated time",
            "no comparable pair: undefined",
        ),
        Metric(
            "ibs",
            "Integrated Brier score",
            "1",
            "lower",
            "squared distance of predicted survival from what happened, weighted for censoring, mean over time",
            "no span of time followed in training and test: undefined",
        ),
        Metric(
            "ipa",
            "Index of prediction accuracy",
            "1",
            "higher",
            "1 minus the integrated Brier score over that of Kaplan-Meier; below 0 is worse than one curve for all",
            "as the integrated Brier score, or that of Kaplan-Meier 0: undefined",
        ),
        Metric(
            "bound_missed",
            "Missed by the 90 % bound",
            "1",
            "none",
            "share of patients whose event came before their calibrated lower bound, weighted for censoring; due: 0.1",
            "no patients: undefined",
        ),
        Metric(
            "balanced_accuracy",
            "Balanced accuracy",
            "1",
            "higher",
            "mean over the classes of the share that is recognised",
            "a class without patients is left out; no patients: undefined",
        ),
        Metric(
            "auc",
            "Area under the ROC curve",
            "1",
            "higher",
            "chance that a positive patient scores above a negative one; ties count one half",
            "one class alone: undefined",
        ),
        Metric(
            "average_precision",
            "Area under precision and recall (AUPRC)",
            "1",
            "higher",
            "precision summed over the steps of recall; by chance the share of positives",
            "no positive: undefined",
        ),
        Metric(
            "mcc",
            "Matthews correlation",
            "1",
            "higher",
            "correlation of truth and prediction, also of more than two classes",
            "truth or prediction all of one class: undefined",
        ),
        Metric(
            "f1_macro",
            "Macro F1",
            "1",
            "higher",
            "mean over the classes of 2 TP / (2 TP + FP + FN)",
            "a class in neither is left out; no patients: undefined",
        ),
        Metric(
            "brier",
            "Brier score",
            "1",
            "lower",
            "mean squared distance of the probabilities from the truth (two classes: of the positive one)",
            "no patients: undefined",
        ),
        Metric(
            "log_loss",
            "Log loss",
            "nat",
            "lower",
            "mean negative logarithm of the probability of the true class, clipped at 1e-12",
            "no patients: undefined",
        ),
        Metric(
            "ece",
            "Expected calibration error",
            "1",
            "lower",
            "mean distance of probability and share over ten bins of equal width, weighted by patients",
            "no patients: undefined",
        ),
        Metric(
            "calibration_slope",
            "Calibration slope",
            "1",
            "none",
            "slope of the truth on the log odds of the probability; 1 is right, below 1 too extreme",
            "one class alone, equal probabilities, or classes that they part: undefined",
        ),
        Metric(
            "calibration_in_the_large",
            "Calibration in the large",
            "log odds",
            "zero",
            "intercept at slope 1; above 0 positives were likelier than said",
            "one class alone: undefined",
        ),
        Metric("sensitivity", "Sensitivity", "1", "higher", "share of the positives recognised", "none: undefined"),
        Metric("specificity", "Specificity", "1", "higher", "share of the negatives recognised", "none: undefined"),
    )
}


def metric_id(name: str, *, definition: str = "", tolerance_mm: float | None = None) -> str:
    """Identifier in tables: the name, for surface Dice with its tolerance, for surfaces with its definition,
    e.g. ``nsd_2mm (voxel borders)``. KeyError for an unknown name."""
    metric = METRICS[name]
    full = name if tolerance_mm is None else f"{name}_{tolerance_mm:g}mm"
    return f"{full} ({definition})" if metric.surface else full
