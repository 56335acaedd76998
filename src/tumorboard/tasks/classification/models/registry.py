"""The list of classifiers, and what each has to offer: a probability of every class for every patient.

A classifier speaks as if all classes were equally common; calibration puts the class shares back. A further model, from
another task or a plug-in, joins with `add_model(name, summary, fit)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tumorboard.tasks.classification.patients import Patients, Training

__all__ = [
    "COMBINED",
    "WHERE_IT_FITS",
    "Classifier",
    "add_model",
    "fit_model",
    "is_known",
    "lacks",
    "names",
    "restore_model",
    "summaries",
]

Floats = NDArray[np.float64]
State = tuple[dict[str, Any], dict[str, Floats]]

_HOME = "tumorboard.tasks.classification.models."
_FILES: dict[str, str] = {
    "majority": "linear",
    "logistic": "linear",
    "tuned-logistic": "linear",
    "forest": "forest",
    "boosted": "forest",
}
"""Model -> the file that defines it."""
_ON_REQUEST: dict[str, str] = {"image-network": "images", "fusion-network": "images"}
"""Networks that train for minutes: fitted when they are asked for by name, and no part of the combined models else."""
WHERE_IT_FITS: dict[str, str] = {"geometry-rules": "geometry"}
"""Models of one kind of endpoint: fitted where the patients have what they need, not missed elsewhere."""
COMBINED = ("ensemble", "best-by-inner-folds")
"""Made of the others by `combine`."""


class Classifier(Protocol):
    """A model after training, for patients encoded by the encoder of the same training fold."""

    def probabilities(self, patients: Patients) -> Floats:
        """(n, k), rows add up to 1, as if the classes were equally common."""
        ...

    def state(self) -> State | None:
        """Settings (plain JSON types) and arrays to write to disk; None when the model cannot be kept."""
        ...


Fit = Callable[["Training"], Classifier]
Restore = Callable[[Mapping[str, Any], Mapping[str, Floats]], Classifier]
Lacks = Callable[["Training"], str]
_KNOWN: dict[str, tuple[str, Fit, Lacks, Restore | None]] = {}


def _nothing(training: Training) -> str:
    return ""


def add_model(name: str, summary: str, fit: Fit, *, lacks: Lacks = _nothing, restore: Restore | None = None) -> None:
    """Register a model. `lacks` says in words what these patients lack for it (empty: it can be fitted); `restore`
    makes it again from its `state`."""
    _KNOWN[name] = (summary, fit, lacks, restore)


def _entry(name: str) -> tuple[str, Fit, Lacks, Restore | None]:
    if name not in _KNOWN:
        importlib.import_module(_HOME + (_FILES | _ON_REQUEST | WHERE_IT_FITS)[name])
    return _KNOWN[name]


def names() -> list[str]:
    """All models, in the order of the tables: from simple to complex, then those made of others."""
    return [*_FILES, *(name for name in _KNOWN if name not in _FILES | _ON_REQUEST | WHERE_IT_FITS), *COMBINED]


def is_known(name: str) -> bool:
    """Whether there is a model of that name."""
    return name in names() or name in _ON_REQUEST or name in WHERE_IT_FITS


def fit_model(name: str, training: Training) -> Classifier:
    """Fit the model `name`."""
    return _entry(name)[1](training)


def lacks(name: str, training: Training) -> str:
    """In words, what the model needs and these patients do not have; empty when it can be fitted."""
    return _entry(name)[2](training)


def restore_model(name: str, settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Classifier | None:
    """The model from its `state`; None when it cannot be kept."""
    restore = _entry(name)[3]
    return None if restore is None else restore(settings, arrays)


def summaries() -> dict[str, str]:
    """Model -> what it is."""
    combined = {
        "ensemble": "weighted mean of the others' log odds, weights from the inner folds, drawn towards equal",
        "best-by-inner-folds": "the one of the others with the lowest log loss on the inner folds",
    }
    return {name: combined.get(name) or _entry(name)[0] for name in [*names(), *WHERE_IT_FITS]}
