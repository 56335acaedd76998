"""The list of survival models, and what each has to offer: a risk and a curve for every patient.

A further model, from another task or a plug-in, joins with `add_model(name, summary, fit)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["FittedModel", "TableModel", "add_model", "fit_model", "is_known", "lacks", "summaries", "table_model"]

Floats = NDArray[np.float64]

_HOME = "tumorboard.tasks.prognosis.models."
_FILES: dict[str, str] = {
    "kaplan-meier": "linear",
    "volume": "linear",
    "sign-sum": "signs",
    "ridge-cox": "linear",
    "tuned-ridge-cox": "linear",
    "elastic-net-cox": "elastic",
    "weibull": "parametric",
    "survival-forest": "forest",
    "boosted-hazard": "boosting",
    "logistic-hazard": "networks",
    "mtlr": "networks",
    "best-by-inner-folds": "ensemble",
    "radiomics-cox": "fusion",
    "fusion-cox": "fusion",
    "image-network": "images",
    "fusion-network": "images",
    "fusion-ensemble": "images",
    "masked-crossmodal": "masked",
    "masked-crossmodal-transductive": "masked",
}
"""Model -> the file that defines it."""


class FittedModel(Protocol):
    """A model after training, for patients encoded by the encoder of the same training fold."""

    def risk(self, patients: Patients) -> Floats:
        """(n,); higher means earlier event."""
        ...

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        """(n, m) event-free probability at the times `grid` (days)."""
        ...


class TableModel(Protocol):
    """A model of the encoded covariates (n, p) alone."""

    def risk(self, x: Floats) -> Floats: ...

    def survival(self, x: Floats, grid: Floats) -> Floats: ...


Fit = Callable[["Training"], FittedModel]
_FITS: dict[str, tuple[str, Fit, Callable[[Training], str]]] = {}


@dataclass(frozen=True)
class _OnTable:
    model: TableModel

    def risk(self, patients: Patients) -> Floats:
        return self.model.risk(patients.x)

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        return self.model.survival(patients.x, grid)


def add_model(name: str, summary: str, fit: Fit, *, lacks: Callable[[Training], str] = lambda training: "") -> None:
    """Register a model. `lacks` says in words what these patients lack for it (empty: it can be fitted)."""
    _FITS[name] = (summary, fit, lacks)


def table_model(
    name: str, summary: str, *, lacks: Callable[[Training], str] = lambda training: ""
) -> Callable[[Callable[[Training], TableModel]], Callable[[Training], TableModel]]:
    """Register a model of the encoded covariates (decorator of its fitting function)."""

    def register(fit: Callable[[Training], TableModel]) -> Callable[[Training], TableModel]:
        add_model(name, summary, lambda training: _OnTable(fit(training)), lacks=lacks)
        return fit

    return register


def is_known(name: str) -> bool:
    """Whether there is a model of that name."""
    return name in _FILES or name in _FITS


def _entry(name: str) -> tuple[str, Fit, Callable[[Training], str]]:
    if name not in _FITS:
        importlib.import_module(_HOME + _FILES[name])
    return _FITS[name]


def fit_model(name: str, training: Training) -> FittedModel:
    """Fit the model `name`."""
    return _entry(name)[1](training)


def lacks(name: str, training: Training) -> str:
    """In words, what the model needs and these patients do not have; empty when it can be fitted."""
    return _entry(name)[2](training)


def summaries() -> dict[str, str]:
    """Model name -> what it is, in the order of the tables."""
    return {name: _entry(name)[0] for name in [*_FILES, *(n for n in _FITS if n not in _FILES)]}
