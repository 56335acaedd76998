"""Cox regression on clinical variables and image features, whichever of them a patient has.

For each set of modalities there is a regression of its own, fitted on all training patients who have the whole set
(pattern submodels, after Fletcher Mercaldo and Blume 2020): nothing is imputed. A patient is predicted by the
regression of what he has, or of a part of it where inner folds say that the part does as well: a modality that few
training patients have, or that adds noise, does not worsen the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.features.blocks import block_of, known_blocks
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES
from tumorboard.tasks.prognosis.cox import CoxFit, fit_cox, log_partial_likelihood
from tumorboard.tasks.prognosis.models.registry import FittedModel, add_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["PatternCox", "Submodel", "fit_pattern_cox"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_RIDGES = (3.0, 10.0, 30.0, 100.0, 300.0)
_SHRUNK = (1.0, 0.5, 0.25, 0.1)
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
    """`choices`: set of modalities that a patient has -> number of the submodel that predicts him. `risk` is the log of
    the expected events until `horizon_days`, so that patients of different sets compare; NaN where a patient has
    nothing that the model knows: no answer."""

    submodels: tuple[Submodel, ...]
    choices: Mapping[frozenset[str], int]
    variables: tuple[Variable, ...]
    horizon_days: float

    def patterns(self, patients: Patients) -> NDArray[np.int64]:
        """(n,) number of each patient's submodel, -1 where there is none."""
        usable = {name for chosen in self.choices for name in chosen}
        known = known_blocks(patients.rows, self.variables)
        sets = [frozenset(m for m, yes in zip(MODALITIES, row, strict=True) if yes and m in usable) for row in known]
        return np.array([self.choices.get(one, -1) for one in sets], np.int64)

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
    """Submodels for every set of the `allowed` modalities that enough training patients have; ValueError for none."""
    known = known_blocks(training.patients.rows, training.variables)
    blocks = {v.name: block_of(v) for v in training.variables}
    block = np.array([blocks[source] for source in training.patients.sources])
    present = [m for m in MODALITIES if m in allowed and (block == m).any()]
    folds = stratified_folds(training.event, folds=training.config.inner_folds, seed=training.config.seed + 1)
    strengths: dict[str, tuple[float, float]] = {}
    submodels, held_out = [], []
    for size in range(len(present), 0, -1):
        for chosen in combinations(present, size):
            kind = "clinical" if chosen == (CLINICAL,) else "both" if CLINICAL in chosen else "images"
            who = known[:, [MODALITIES.index(m) for m in chosen]].all(axis=1)
            columns = np.flatnonzero(np.isin(block, chosen))
            if training.event[who].sum() < _FEWEST_EVENTS or not len(columns):
                continue
            image = block[columns] != CLINICAL
            x = np.clip(training.patients.x[:, columns], -3, 3)
            if kind not in strengths:
                strengths[kind] = _strength(x[who], training.event[who], training.time_days[who], image, training)
            ridge, shrunk = strengths[kind]
            scale = np.where(image, shrunk, 1.0)
            fit = fit_cox((x * scale)[who], training.event[who], training.time_days[who], ridge=ridge)
            submodels.append(Submodel(chosen, columns, scale, fit))
            held_out.append(_held_out(x * scale, who, training, folds, ridge))
    if not submodels:
        raise ValueError("no set of modalities has enough events")
    horizon = float(np.median(training.time_days[training.event]))
    choices = _choices(submodels, held_out, known, training, folds)
    return PatternCox(tuple(submodels), choices, training.variables, horizon)


def _held_out(x: Floats, who: Bools, training: Training, folds: Sequence[NDArray[np.int64]], ridge: float) -> Floats:
    """Risk (n,) of every patient of `who` by a fit without his fold; NaN for the others, and where too few are left."""
    risk = np.full(len(who), np.nan)
    for held in folds:
        kept = who.copy()
        kept[held] = False
        mine = held[who[held]]
        if training.event[kept].sum() >= 2 and len(mine):
            fit = fit_cox(x[kept], training.event[kept], training.time_days[kept], ridge=ridge)
            risk[mine] = fit.risk(x[mine])
    return risk


def _choices(
    submodels: Sequence[Submodel],
    held_out: Sequence[Floats],
    known: Bools,
    training: Training,
    folds: Sequence[NDArray[np.int64]],
) -> dict[frozenset[str], int]:
    """For every set of modalities a patient may have, the submodel of it or of a part of it that predicted the training
    patients with that set best; the smallest that is as good within one standard error. Sets that few have: of the
    submodels within them, the one that did best on its own patients."""
    usable = sorted({m for s in submodels for m in s.modalities}, key=MODALITIES.index)
    choices = {}
    for size in range(1, len(usable) + 1):
        for has in combinations(usable, size):
            inside = [n for n, s in enumerate(submodels) if set(s.modalities) <= set(has)]
            if not inside:
                continue
            who = known[:, [MODALITIES.index(m) for m in has]].all(axis=1)
            if training.event[who].sum() < _FEWEST_EVENTS:
                who = known.any(axis=1)
            gains = {n: _gains(held_out[n], who, training, folds) for n in inside}
            best = max(inside, key=lambda n: np.mean(gains[n]))
            for number in sorted(inside, key=lambda n: len(submodels[n].modalities)):
                behind = gains[best] - gains[number]
                if behind.mean() <= behind.std(ddof=1) / np.sqrt(len(behind)):
                    choices[frozenset(has)] = number
                    break
    return choices


def _gains(risk: Floats, who: Bools, training: Training, folds: Sequence[NDArray[np.int64]]) -> Floats:
    """Per fold, log partial likelihood per event of held-out risks over that of no model, within the fold."""
    found = []
    for held in folds:
        mine = held[who[held] & np.isfinite(risk[held])]
        event, time = training.event[mine], training.time_days[mine]
        if not event.any():
            found.append(0.0)
            continue
        none = log_partial_likelihood(event, time, np.zeros(len(mine)))
        found.append((log_partial_likelihood(event, time, risk[mine]) - none) / event.sum())
    return np.array(found)


def _strength(x: Floats, event: Bools, time: Floats, image: Bools, training: Training) -> tuple[float, float]:
    """Ridge and factor of the image columns with the best cross-validated partial likelihood (Verweij and van
    Houwelingen 1993), which is less noisy than concordance on few events; the tightest that is as good within half a
    standard error."""
    folds = stratified_folds(event, folds=training.config.inner_folds, seed=training.config.seed + 1)
    scores = {}
    for shrunk in _SHRUNK if image.any() and not image.all() else (1.0,):
        scaled = x * np.where(image, shrunk, 1.0)
        for ridge in _RIDGES:
            scores[ridge, shrunk] = [_gain(scaled, event, time, held_out, ridge) for held_out in folds]
    means = {key: float(np.mean(found)) for key, found in scores.items()}
    best = max(means, key=lambda key: means[key])
    slack = 0.5 * float(np.std(scores[best], ddof=1)) / np.sqrt(len(folds))
    good = [key for key, value in means.items() if value >= means[best] - slack]
    return min(good, key=lambda key: (key[1], -key[0]))


def _gain(x: Floats, event: Bools, time: Floats, held_out: NDArray[np.int64], ridge: float) -> float:
    """What the held-out patients add to the log partial likelihood of a fit without them, per event."""
    kept = np.setdiff1d(np.arange(len(event)), held_out)
    risk = fit_cox(x[kept], event[kept], time[kept], ridge=ridge).risk(x)
    added = log_partial_likelihood(event, time, risk) - log_partial_likelihood(event[kept], time[kept], risk[kept])
    return added / max(int(event[held_out].sum()), 1)


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
