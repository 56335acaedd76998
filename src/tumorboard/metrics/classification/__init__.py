"""How well classes, and probabilities of classes, agree with the truth."""

from tumorboard.metrics.classification.classes import (
    balanced_accuracy,
    confusion,
    f1_macro,
    matthews,
    recall_by_class,
    sensitivity_specificity,
)
from tumorboard.metrics.classification.ranking import auc, average_precision, one_versus_rest_auc

__all__ = [
    "auc",
    "average_precision",
    "balanced_accuracy",
    "confusion",
    "f1_macro",
    "matthews",
    "one_versus_rest_auc",
    "recall_by_class",
    "sensitivity_specificity",
]
