"""Which class is said, how sure, and who is left without an answer.

The class: the one whose probability is highest relative to how common it was in training; for two classes this is the
threshold that balanced accuracy asks for, and a change of the class shares leaves it where it is. Sureness: within the
patients of the training part (predicted by inner folds) who were told the same class, the share who were less sure.
"Answer half" so means half of those told positive and half of those told negative: a common class does not take all
the answers (docs/adr/0115). That is decided patient by patient, and holds for patients who come as those in training
did. Of a group that is predicted together, a stated share is answered by the `order` within it (docs/adr/0163).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.classification.abstention import class_sets, class_thresholds, order_of_answers

__all__ = ["Answers", "fit_answers"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Answers:
    """`margins`: for each class, the ascending margins of the training patients who were told it; `thresholds` (k,) of
    the conformal sets."""

    margins: tuple[Floats, ...]
    thresholds: Floats

    def classes(self, balanced: Floats) -> Indices:
        """Class number (n,) from balanced probabilities (n, k)."""
        told: Indices = balanced.argmax(axis=1)
        return told

    def confidence(self, balanced: Floats) -> Floats:
        """(n,) 0 to 1: share of the training patients told the same class whose margin is smaller."""
        told, margin = self.classes(balanced), _margin(balanced)
        found = np.zeros(len(told))
        for k, known in enumerate(self.margins):
            mine = told == k
            if len(known):
                found[mine] = np.searchsorted(known, margin[mine], side="left") / len(known)
        return found

    def order(self, probabilities: Floats, balanced: Floats) -> Floats:
        """(n,) 0 to 1: place of each patient of a group among all of it, the surest last; to answer a stated share of
        the group, take the last. It depends on who else is in the group, though on nobody's class."""
        return order_of_answers(probabilities, self.classes(balanced), _margin(balanced))

    def answered(self, balanced: Floats, *, coverage: float) -> NDArray[np.bool_]:
        """(n,) whether a patient is as sure as the surest `coverage` of the training patients told the same class. Each
        patient is decided alone; the share answered in a group is whatever it comes to."""
        return np.asarray(self.confidence(balanced) >= 1 - coverage - 1e-12)

    def sets(self, balanced: Floats) -> NDArray[np.bool_]:
        """(n, k) conformal sets."""
        return class_sets(balanced, self.thresholds)

    def to_json(self) -> dict[str, Any]:
        finite = [None if np.isinf(t) else float(t) for t in self.thresholds]
        return {"margins": [part.tolist() for part in self.margins], "thresholds": finite}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Answers:
        thresholds = np.array([-np.inf if t is None else t for t in record["thresholds"]], float)
        return cls(tuple(np.array(part, float) for part in record["margins"]), thresholds)


def _margin(balanced: Floats) -> Floats:
    """Log ratio of the two highest probabilities (n,)."""
    top = np.sort(np.log(np.clip(balanced, 1e-12, 1)), axis=1)
    margin: Floats = top[:, -1] - top[:, -2]
    return margin


def fit_answers(balanced: Floats, y: Indices, *, miss: float) -> Answers:
    """Learn from balanced probabilities (n, k) of training patients predicted by inner folds, and their classes."""
    told, margin = balanced.argmax(axis=1), _margin(balanced)
    margins = tuple(np.sort(margin[told == k]) for k in range(balanced.shape[1]))
    return Answers(margins, class_thresholds(y, balanced, miss=miss))
