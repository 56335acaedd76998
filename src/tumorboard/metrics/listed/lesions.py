"""Figures of lesions over the body, over exams and in lists, and of boxes round them."""

from __future__ import annotations

from tumorboard.metrics.listed.metric import Metric

__all__ = ["LESIONS"]


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
        Metric(
            "type_f1", "F1 of a type", "1", "higher", "2 TP / (2 TP + FP + FN) of one type", "in neither: undefined"
        ),
        Metric("errors_to_neighbours", "Errors between neighbours", "1", "none", near, "no error: undefined"),
        Metric("nmi", "Mutual information of clusters", "1", "higher", shared, no_lesion),
    )


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


LESIONS: tuple[Metric, ...] = (
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
    *_retrieval(),
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
)
