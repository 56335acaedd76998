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


def _tracking() -> tuple[Metric, ...]:
    """Figures of `metrics.tracking`: the same lesion over exams."""
    no_pair, no_lesion = "no pair: undefined", "no lesion: undefined"
    share = "share of lesions whose predicted centre is off by"
    error = "predicted to true centre of a lesion at the other exam, mean over pairs"
    return (
        Metric("cpm_10mm", "Centres matched at 10 mm", "1", "higher", f"{share} <= min(radius, 10 mm)", no_pair),
        Metric("cpm_radius", "Centres matched at the radius", "1", "higher", f"{share} < its radius", no_pair),
        Metric("centre_error_mm", "Error of centres", "mm", "lower", error, no_pair),
        Metric("centre_error_x_mm", "Error of centres along x", "mm", "lower", f"along x: {error}", no_pair),
        Metric("centre_error_y_mm", "Error of centres along y", "mm", "lower", f"along y: {error}", no_pair),
        Metric("centre_error_z_mm", "Error of centres along z", "mm", "lower", f"along z: {error}", no_pair),
        Metric(
            "pair_f1", "Pair F1", "1", "higher", "2 TP / (2 TP + FP + FN) of lesions joined as one, pooled", no_pair
        ),
        Metric("pair_precision", "Pair precision", "1", "higher", "share of joined pairs that are one lesion", no_pair),
        Metric("pair_recall", "Pair recall", "1", "higher", "share of pairs of one lesion that are joined", no_pair),
        Metric(
            "track_purity",
            "Purity of sequences",
            "1",
            "higher",
            "share of lesions that belong to the most frequent true lesion of their sequence; 1 when nothing is joined",
            no_lesion,
        ),
        Metric(
            "track_nmi",
            "Mutual information of sequences",
            "1",
            "higher",
            "mutual information of predicted and true sequences over the mean of their entropies",
            no_lesion,
        ),
        Metric(
            "track_ari",
            "Adjusted Rand index of sequences",
            "1",
            "higher",
            "agreement on pairs beyond chance; 1 the same sequences, 0 chance",
            no_lesion,
        ),
    )


_ONE_ZERO = "one empty: 0; both empty: undefined (option: 1)"
_NO_DISTANCE = "one empty: undefined (option: diagonal of the image); both empty: undefined (option: 0)"
_LESIONS = "no lesion on either side: undefined (option: 1 for F1)"


def _retrieval() -> tuple[Metric, ...]:
    """Figures of `metrics.retrieval`: lists of similar lesions, always of other patients."""
    first = "share of queries whose nearest lesion of another patient has their type"
    nine = "share of the nine nearest lesions of other patients with the type of the query; hits that lack are wrong"
    ranked = "precision at the rank of each lesion of the query's type, mean over these and over queries"
    place = "mean distance of query and nine hits along one axis of the relative location in the body (0 to 1)"
    size = "mean difference of one axis between query and nine hits"
    pure = "share of lesions whose type is the commonest in their k-means cluster, as many clusters as types"
    shared = "what k-means clusters tell of the types, over the mean of both entropies"
    near = "share of wrong types that are those of an organ touching the right one"
    no_query, no_lesion = "no query of known type: undefined", "no lesion of known type: undefined"
    return (
        Metric("precision@1", "Type precision of the first hit", "1", "higher", first, no_query),
        Metric("precision@9", "Type precision of nine hits", "1", "higher", nine, no_query),
        Metric("mean_average_precision", "Mean average precision", "1", "higher", ranked, "no other lesion: left out"),
        Metric("location_error", "Location error of nine hits", "1", "lower", place, "no location: undefined"),
        Metric("size_error_mm", "Size error of nine hits", "mm", "lower", size, "no measured axis: undefined"),
        Metric("purity", "Purity of clusters", "1", "higher", pure, no_lesion),
        Metric("type_f1", "F1 of a type", "1", "higher", "2 TP / (2 TP + FP + FN) of one type", "in neither: undefined"),
        Metric("errors_to_neighbours", "Errors between neighbours", "1", "none", near, "no error: undefined"),
        Metric("nmi", "Mutual information of clusters", "1", "higher", shared, no_lesion),
    )


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
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
        Metric(
            "response_agreement",
            "Agreement of responses",
            "1",
            "higher",
            "share of exams after the baseline with the response of the reference",
            "no exam: undefined",
        ),
        Metric(
            "axis_difference_mm",
            "Difference of an axis",
            "mm",
            "lower",
            "mean size of the difference between an axis and that of the reference",
            "no lesion: undefined",
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
            "slice_order",
            "Order of slices",
            "1",
            "higher",
            "rank correlation (Spearman) of the slices' scores with their depth below the head, per CT",
            "one score for all slices: 0",
        ),
        Metric(
            "region_accuracy",
            "Region of slices",
            "1",
            "higher",
            "share of a CT's slices whose region is right, of those that the reference's landmarks place",
            "no slice placed by landmarks: left out",
        ),
        Metric(
            "landmark_error_mm",
            "Distance of a landmark along z",
            "mm",
            "lower",
            "distance along z between a landmark and where its usual score lies, in CTs that show and find it",
            "not found: left out, and counted in landmark_missed",
        ),
        Metric(
            "landmark_missed",
            "Landmarks not found",
            "1",
            "lower",
            "share of CTs that show a landmark and in which its usual score does not occur",
            "no CT that shows it: undefined",
        ),
        Metric(
            "landmark_spread",
            "Spread of a landmark's score",
            "1",
            "lower",
            "standard deviation over patients of the score at one landmark; 1 is the length of the training volumes",
            "fewer than two patients, or one score for all slices: left out",
        ),
        Metric(
            "flag_sensitivity",
            "Planted faults found",
            "1",
            "higher",
            "share of CTs with a planted fault (reversed, wrong spacing) that carry every flag that is due",
            "no CT: undefined",
        ),
        Metric(
            "false_flags",
            "False flags",
            "1",
            "lower",
            "share of untouched CTs that carry a flag",
            "no CT: undefined",
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
        *_retrieval(),
        Metric(
            "box_iou",
            "Overlap of boxes",
            "1",
            "higher",
            "intersection / union of two boxes of one name, mean over patients",
            "not found: 0; no reference: left out",
        ),
        Metric(
            "mask_iou",
            "Overlap of lung masks",
            "1",
            "higher",
            "intersection / union of the pixels of one lung, mean over patients",
            "not found: 0; no reference: left out",
        ),
        Metric(
            "centre_distance_px",
            "Distance of box centres",
            "px",
            "lower",
            "between the centres of two boxes of one name, mean over patients",
            "not found: left out, and seen in n",
        ),
        Metric(
            "centre_distance_share",
            "Distance of box centres by thorax width",
            "1",
            "lower",
            "distance of centres / width of the box round both lungs, mean over patients",
            "not found: left out, and seen in n",
        ),
        Metric(
            "triple_f1",
            "Triple F1",
            "1",
            "higher",
            "2 TP / (2 TP + FP + FN) of statements (location, attribute, polarity), pooled over reports",
            "no statement on either side: undefined",
        ),
        Metric(
            "triple_precision",
            "Triple precision",
            "1",
            "higher",
            "share of the predicted statements that the reference has",
            "no predicted statement: undefined",
        ),
        Metric(
            "triple_recall",
            "Triple recall",
            "1",
            "higher",
            "share of the reference's statements that are predicted",
            "no reference statement: undefined",
        ),
        Metric(
            "closed_triple_f1",
            "Triple F1 after closure",
            "1",
            "higher",
            "as triple F1, both sides closed first: yes up to wholes and broader labels, no down to parts and kinds",
            "no statement on either side: undefined",
        ),
        Metric(
            "sentence_f1",
            "Triple F1 by sentence",
            "1",
            "higher",
            "as triple F1, each statement tied to the sentence that makes it",
            "no statement on either side: undefined",
        ),
        Metric(
            "attribute_f1",
            "Attribute F1",
            "1",
            "higher",
            "as triple F1, of (attribute, polarity) alone: places do not count",
            "no statement on either side: undefined",
        ),
        Metric(
            "location_f1",
            "Location F1",
            "1",
            "higher",
            "as triple F1, of (location, polarity) alone: what is said of the place does not count",
            "no statement on either side: undefined",
        ),
        Metric(
            "comparison_f1",
            "Comparison F1",
            "1",
            "higher",
            "as triple F1, of (location, attribute, word of change) against the exam before",
            "no change on either side: undefined",
        ),
        Metric(
            "percent_agreement",
            "Agreement",
            "1",
            "higher",
            "share of (location, attribute) pairs spoken of by either source to which both give the same polarity",
            "no pair: undefined",
        ),
        Metric(
            "kappa",
            "Cohen's kappa",
            "1",
            "higher",
            "agreement of the polarities of two sources beyond chance",
            "no pair, or one answer throughout: undefined",
        ),
        Metric(
            "statements_per_report",
            "Statements per report",
            "1",
            "none",
            "mean number of statements about the exam itself",
            "no report: undefined",
        ),
        Metric(
            "p_holm",
            "p, all models",
            "1",
            "none",
            "two-sided p of the difference from the reference over folds (Nadeau and Bengio 2003), for all models "
            "compared at once (Holm 1979)",
            "one fold, an undefined fold, or folds that do not differ: undefined",
        ),
        *_tracking(),
        Metric(
            "froc_sensitivity",
            "Sensitivity at false boxes per image",
            "1",
            "higher",
            "share of the lesions found by boxes of the scores that leave at most so many false boxes per image",
            "no lesion: undefined; no box: 0",
        ),
        Metric(
            "froc_mean_sensitivity",
            "Mean sensitivity (FROC)",
            "1",
            "higher",
            "mean of the sensitivities at the rates of false boxes that the rules name",
            "no lesion, or a rate without a value: undefined",
        ),
        Metric(
            "uls23",
            "ULS23 score",
            "1",
            "higher",
            "0.8 Dice + 0.05 (1 - SAPE of the long axis) + 0.05 (1 - SAPE of the short axis) + 0.1 consistency",
            "nothing predicted: SAPE 1; an axis 0 on both sides: SAPE 0",
        ),
        Metric(
            "p_holm",
            "p, all models",
            "1",
            "none",
            "two-sided p of the difference from the reference over folds (Nadeau and Bengio 2003), for all models "
            "compared at once (Holm 1979)",
            "one fold, an undefined fold, or folds that do not differ: undefined",
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
