"""Cox regression on clinical variables and image features, whichever of them a patient has.

For each set of modalities there is a regression of its own, fitted on all training patients who have the whole set
(pattern submodels, after Fletcher Mercaldo and Blume 2020): nothing is imputed, and a patient is predicted by the
regression of what he has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.variables import Variable
from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.features.blocks import block_of, known_blocks
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES
from tumorboard.tasks.prognosis.cox import CoxFit, fit_cox
from tumorboard.tasks.prognosis.models.registry import FittedModel, add_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["PatternCox", "Submodel", "fit_pattern_cox"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0)
_SHRUNK = (1.0, 0.5, 0.25)
"""Image columns are multiplied by one of these: there are many, and the ridge then holds them tighter."""
_FEWEST_EVENTS = 10


@dataclass(frozen=True)
class Submodel:
    """The regression of one set of modalities."""

    modalities: tuple[str, ...]
    columns: NDArray[np.int64]
    scale: Floats
    fit: CoxFit

    def design(self, x: Floats) -> Floats:
        return np.clip(x[:, self.columns], -3, 3) * self.scale


@dataclass(frozen=True)
class PatternCox:
    """`risk` is the log of the expected events until `horizon_days`, so that patients of different sets compare; NaN
    where a patient has nothing that the model knows: no answer."""

    submodels: tuple[Submodel, ...]
    variables: tuple[Variable, ...]
    horizon_days: float

    def patterns(self, patients: Patients) -> NDArray[np.int64]:
        """(n,) number of each patient's submodel: the first (largest) whose modalities are all there; -1: none."""
        known = known_blocks(patients.rows, self.variables)
        chosen = np.full(len(patients), -1)
        for number, submodel in reversed(list(enumerate(self.submodels))):
            chosen[known[:, [MODALITIES.index(m) for m in submodel.modalities]].all(axis=1)] = number
        return chosen

    def risk(self, patients: Patients) -> Floats:
        survival = self.survival(patients, np.array([self.horizon_days]))[:, 0]
        return np.log(-np.log(np.clip(survival, 1e-12, 1 - 1e-12)))

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        curves = np.full((len(patients), len(grid)), np.nan)
        chosen = self.patterns(patients)
        for number, submodel in enumerate(self.submodels):
            mine = chosen == number
            if mine.any():
                curves[mine] = submodel.fit.survival(submodel.design(patients.x[mine]), grid)
        return curves


def fit_pattern_cox(training: Training, *, allowed: Sequence[str] = MODALITIES) -> PatternCox:
    """Submodels for every set of the `allowed` modalities that enough training patients have."""
    known = known_blocks(training.patients.rows, training.variables)
    blocks = {v.name: block_of(v) for v in training.variables}
    block = np.array([blocks[source] for source in training.patients.sources])
    present = [m for m in MODALITIES if m in allowed and (block == m).any()]
    horizon = float(np.median(training.time_days[training.event]))
    strengths: dict[str, tuple[float, float]] = {}
    submodels = []
    for size in range(len(present), 0, -1):
        for chosen in combinations(present, size):
            kind = "clinical" if chosen == (CLINICAL,) else "both" if CLINICAL in chosen else "images"
            who = known[:, [MODALITIES.index(m) for m in chosen]].all(axis=1)
            columns = np.flatnonzero(np.isin(block, chosen))
            if training.event[who].sum() < _FEWEST_EVENTS or not len(columns):
                continue
            image = block[columns] != CLINICAL
            x = np.clip(training.patients.x[np.ix_(who, columns)], -3, 3)
            event, time = training.event[who], training.time_days[who]
            if kind not in strengths:
                strengths[kind] = _strength(x, event, time, image, training)
            ridge, shrunk = strengths[kind]
            scale = np.where(image, shrunk, 1.0)
            submodels.append(Submodel(chosen, columns, scale, fit_cox(x * scale, event, time, ridge=ridge)))
    if not submodels:
        raise ValueError("no set of modalities has enough events")
    return PatternCox(tuple(submodels), training.variables, horizon)


def _strength(x: Floats, event: Bools, time: Floats, image: Bools, training: Training) -> tuple[float, float]:
    """Ridge and factor of the image columns with the best concordance on inner folds."""
    folds = stratified_folds(event, folds=training.config.inner_folds, seed=training.config.seed + 1)
    scores = {}
    for shrunk in _SHRUNK if image.any() and not image.all() else (1.0,):
        scaled = x * np.where(image, shrunk, 1.0)
        for ridge in _RIDGES:
            found = []
            for held_out in folds:
                kept = np.setdiff1d(np.arange(len(event)), held_out)
                fit = fit_cox(scaled[kept], event[kept], time[kept], ridge=ridge)
                found.append(concordance(event[held_out], time[held_out], fit.risk(scaled[held_out])).value or 0.5)
            scores[ridge, shrunk] = float(np.mean(found))
    return max(scores, key=lambda key: (scores[key], key[0]))


def _no_image_features(training: Training) -> str:
    found = {block_of(v) for v in training.variables if v.name in training.patients.sources}
    return "" if found - {CLINICAL} else "image features (tumorboard.tasks.features)"


def _fit_radiomics(training: Training) -> FittedModel:
    return fit_pattern_cox(training, allowed=[m for m in MODALITIES if m != CLINICAL])


def _fit_fusion(training: Training) -> FittedModel:
    return fit_pattern_cox(training)


add_model(
    "radiomics-cox", "Cox regression on image features, a regression for each set of modalities", _fit_radiomics,
    lacks=_no_image_features,
)  # fmt: skip
add_model(
    "fusion-cox", "Cox regression on clinical variables and image features, one per set of modalities", _fit_fusion,
    lacks=_no_image_features,
)  # fmt: skip
