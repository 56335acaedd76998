"""How well a model does when modalities are missing: trained once per fold, then asked again with some withheld."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.metrics.concordance import concordance
from tumorboard.tasks.features.blocks import WITHHELD
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.models.registry import fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["SHARES", "MissingnessPoint", "difference", "missingness", "paired_draws", "withholding"]

Floats = NDArray[np.float64]
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
Row = Mapping[str, Any]


@dataclass(frozen=True)
class MissingnessPoint:
    """One point of a curve: `share` of the test patients lack `modalities`. `risks` by fold in the order of its test
    patients, NaN for those who got no answer; `value` the mean concordance over folds of those who did."""

    model: str
    modalities: tuple[str, ...]
    share: float
    value: float
    low: float
    high: float
    answered: float
    risks: tuple[Floats, ...]
    draws: Floats


def withholding(rows: Sequence[Row], modalities: Sequence[str], *, share: float, seed: int) -> list[dict[str, Any]]:
    """The records with `modalities` withheld from `share` of them. Who loses is nested: whoever lacks them at a quarter
    lacks them at a half."""
    order = np.random.default_rng(seed).permutation(len(rows))
    loses = set(order[: round(share * len(rows))].tolist())
    changed = []
    for number, row in enumerate(rows):
        gone = set(str(row.get(WITHHELD) or "").split()) | (set(modalities) if number in loses else set())
        changed.append({**row, WITHHELD: " ".join(sorted(gone)) or None})
    return changed


def missingness(
    models: Sequence[str],
    rows: Sequence[Row],
    outcome: Survival,
    *,
    variables: Sequence[Variable],
    folds: Sequence[NDArray[np.int64]],
    config: PrognosisConfig,
    cohort: Cohort | None = None,
    withheld: Sequence[tuple[str, ...]],
    shares: Sequence[float] = SHARES,
    progress: Callable[[str], None] = lambda text: None,
) -> list[MissingnessPoint]:
    """Curves of every model: for each set of modalities in `withheld`, concordance when 0 to 100 % of the test patients
    lack it. Intervals resample patients within folds, the same resamples for all points."""
    risks: dict[tuple[str, tuple[str, ...], float], list[Floats]] = {}
    for number, test in enumerate(folds):
        train = np.setdiff1d(np.arange(len(rows)), test)
        training = Training.of(
            [rows[i] for i in train], outcome.event[train], outcome.time_days[train],
            variables=variables, config=config, cohort=cohort, endpoint=outcome.endpoint,
        )  # fmt: skip
        for model in models:
            fitted = fit_model(model, training)
            progress(f"{model}, fold {number + 1} of {len(folds)}")
            for modalities in withheld:
                for share in shares:
                    tested = withholding([rows[i] for i in test], modalities, share=share, seed=config.seed + number)
                    patients = Patients.encoded(tested, training.encoder, cohort)
                    risks.setdefault((model, modalities, share), []).append(fitted.risk(patients))
    points = []
    for (model, modalities, share), found in risks.items():
        value, draws = paired_draws(outcome, folds, found, seed=config.seed, resamples=config.resamples)
        low, high = np.nanquantile(draws, [0.025, 0.975]) if np.isfinite(draws).any() else (np.nan, np.nan)
        answered = float(np.isfinite(np.concatenate(found)).mean())
        points.append(
            MissingnessPoint(model, modalities, share, value, float(low), float(high), answered, tuple(found), draws)
        )
    return points


def paired_draws(
    outcome: Survival, folds: Sequence[NDArray[np.int64]], risks: Sequence[Floats], *, seed: int, resamples: int
) -> tuple[float, Floats]:
    """Mean concordance over folds of the patients with a risk, and that of resampled patients (resamples,); the same
    seed gives the same resamples for any model. NaN when a fold has no comparable pair."""

    def mean(pick: Sequence[NDArray[np.int64]]) -> float:
        values = []
        for test, risk, index in zip(folds, risks, pick, strict=True):
            kept = index[np.isfinite(risk[index])]
            if not len(kept):
                return float("nan")
            value = concordance(outcome.event[test][kept], outcome.time_days[test][kept], risk[kept]).value
            values.append(np.nan if value is None else value)
        return float(np.mean(values))

    random = np.random.default_rng(seed)
    whole = [np.arange(len(test)) for test in folds]
    draws = [mean([random.integers(0, len(test), len(test)) for test in folds]) for _ in range(resamples)]
    return mean(whole), np.array(draws)


def difference(first: MissingnessPoint, second: MissingnessPoint) -> tuple[float, float, float]:
    """Concordance of the first minus that of the second with its 95 % interval, on the same resamples."""
    low, high = np.nanquantile(first.draws - second.draws, [0.025, 0.975])
    return first.value - second.value, float(low), float(high)
