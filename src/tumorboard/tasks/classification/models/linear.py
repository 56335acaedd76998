"""The null model, and penalised logistic regression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.models.registry import State, add_model
from tumorboard.tasks.classification.patients import Patients, Training

__all__ = ["LinearClassifier", "softmax"]

Floats = NDArray[np.float64]
PENALTIES = (0.01, 0.05, 0.2, 1.0)
"""Inverse strengths that tuned-logistic chooses from."""


def softmax(logits: Floats) -> Floats:
    """Rows (n, k) of log weights as shares of 1."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = shifted / shifted.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class LinearClassifier:
    """`coefficients` (k, p) and `intercepts` (k,) of the log weights of the classes."""

    coefficients: Floats
    intercepts: Floats

    def probabilities(self, patients: Patients) -> Floats:
        return softmax(patients.x @ self.coefficients.T + self.intercepts)

    def state(self) -> State:
        return {}, {"coefficients": self.coefficients, "intercepts": self.intercepts}


def _restore(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> LinearClassifier:
    return LinearClassifier(arrays["coefficients"], arrays["intercepts"])


def _fit_majority(training: Training) -> LinearClassifier:
    k = len(training.classes)
    return LinearClassifier(np.zeros((k, training.patients.x.shape[1])), np.zeros(k))


def fit_logistic(training: Training, penalty: float) -> LinearClassifier:
    """Ridge logistic regression with classes weighted to be equally common (scikit-learn, L-BFGS)."""
    from sklearn.linear_model import LogisticRegression

    k, p = len(training.classes), training.patients.x.shape[1]
    present = np.unique(training.y)
    coefficients, intercepts = np.zeros((k, p)), np.full(k, -30.0)
    intercepts[present] = 0.0
    if p and len(present) > 1:
        fitted = LogisticRegression(C=penalty, class_weight="balanced", max_iter=5000)
        fitted.fit(training.patients.x, training.y)
        if len(present) == 2:
            coefficients[present[1]], intercepts[present[1]] = fitted.coef_[0], fitted.intercept_[0]
        else:
            coefficients[present], intercepts[present] = fitted.coef_, fitted.intercept_
    return LinearClassifier(coefficients, intercepts)


def _fit_plain(training: Training) -> LinearClassifier:
    return fit_logistic(training, training.config.penalty)


def _fit_tuned(training: Training) -> LinearClassifier:
    """The penalty with the lowest class-balanced log loss on the inner folds."""
    losses = np.zeros(len(PENALTIES))
    for kept, held_out, who in training.inner_folds:
        truth = training.y[who]
        weight = 1 / training.shares[truth]
        for place, penalty in enumerate(PENALTIES):
            p = fit_logistic(kept, penalty).probabilities(held_out)
            losses[place] -= (weight * np.log(np.clip(p[np.arange(len(truth)), truth], 1e-6, 1))).sum()
    return fit_logistic(training, PENALTIES[int(losses.argmin())])


add_model(
    "majority",
    "the class shares of the training patients for everybody: the null model",
    _fit_majority,
    restore=_restore,
)
add_model(
    "logistic", "ridge logistic regression, classes weighted equally, C = 1 (scikit-learn)", _fit_plain, restore=_restore
)
add_model("tuned-logistic", "the same with C chosen on the inner folds", _fit_tuned, restore=_restore)
