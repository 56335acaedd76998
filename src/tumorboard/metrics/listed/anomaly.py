"""Figures of maps of scores: voxels, slices, inserted lesions."""

from __future__ import annotations

from tumorboard.metrics.listed.metric import Metric

__all__ = ["MAPS"]

_ONE_CLASS = "one class absent: undefined"
_NO_TUMOUR = "no tumour: undefined"

MAPS: tuple[Metric, ...] = (
    Metric("voxel_auroc", "Voxel AUC", "1", "higher", "AUC of the voxels of a patient's body, mean", _ONE_CLASS),
    Metric(
        "voxel_auprc",
        "Voxel AUPRC",
        "1",
        "higher",
        "average precision of the voxels of a patient's body, mean; by chance the prevalence",
        _NO_TUMOUR,
    ),
    Metric("voxel_auroc_pooled", "Voxel AUC, pooled", "1", "higher", "AUC of all patients' voxels", _ONE_CLASS),
    Metric(
        "voxel_auprc_pooled",
        "Voxel AUPRC, pooled",
        "1",
        "higher",
        "average precision of all patients' voxels: one scale for all",
        _NO_TUMOUR,
    ),
    Metric("voxel_prevalence", "Share of tumour voxels", "1", "none", "tumour voxels over those of the body", "0"),
    Metric("slice_auroc", "Slice AUC", "1", "higher", "AUC of all slices: tumour in it or not", _ONE_CLASS),
    Metric("slice_auprc", "Slice AUPRC", "1", "higher", "average precision of all slices", _NO_TUMOUR),
    Metric("slice_auroc_within", "Slice AUC within patients", "1", "higher", "AUC of a patient's slices", _ONE_CLASS),
    Metric(
        "oracle_dice",
        "Oracle Dice",
        "1",
        "higher",
        "highest Dice over all thresholds, chosen on the patient itself: a ceiling, not a result",
        _ONE_CLASS,
    ),
    Metric(
        "hot_normal_flagged",
        "Hot normal tissue flagged",
        "1",
        "lower",
        "share of normal voxels above SUV 2.5, 5 mm off tumours, that the mask holds",
        "no such voxel: undefined",
    ),
    Metric(
        "inserted_sensitivity",
        "Sensitivity to inserted lesions",
        "1",
        "higher",
        "share of balls of uptake, inserted into normal slices, in which the map exceeds 95 % of normal slices",
        "none inserted: undefined",
    ),
)
