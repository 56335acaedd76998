"""Figures of a benchmark: risk groups, calibration, AUC in time, hazard ratios, net benefit, one patient's risk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.io.files import atomic_file
from tumorboard.tasks.prognosis import figures
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.cox import fit_cox
from tumorboard.tasks.prognosis.explain import hazard_ratios, moved_by
from tumorboard.tasks.prognosis.models.registry import fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training
from tumorboard.tasks.prognosis.protocol import FoldPrediction
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_pictures", "risk_groups"]


def draw_pictures(
    outcome: Survival,
    predictions: Mapping[str, Sequence[FoldPrediction]],
    records: Sequence[Mapping[str, Any]],
    variables: Sequence[Variable],
    folder: Path,
    *,
    shown: str,
    config: PrognosisConfig,
) -> list[Picture]:
    """Write the figures of one endpoint as SVG and PNG; `shown` is the model whose groups, calibration and benefit are
    drawn. All but hazard ratios and the single patient are of patients that the model had not seen. Returns the SVG."""
    horizon = _horizon(outcome, config)
    mine = predictions[shown]
    risk = _risk_by(mine, horizon, len(outcome))
    training = Training.of(records, outcome.event, outcome.time_days, variables=variables, config=config)
    endpoint, years = outcome.endpoint, f"{horizon / figures.DAYS_PER_YEAR:.1f} years"
    wanted: dict[str, tuple[Callable[[], Figure], str]] = {
        "risk-groups": (
            lambda: figures.risk_group_curves(outcome, risk_groups(mine, len(outcome)), model=shown),
            f"Kaplan-Meier curves of {endpoint} for the thirds of risk by {shown}, with patients at risk",
        ),
        "calibration": (
            lambda: figures.calibration(outcome, risk, horizon_days=horizon, model=shown),
            f"Risk of {endpoint} by {years} as predicted by {shown} against what was observed, in fifths",
        ),
        "auc-in-time": (
            lambda: figures.auc_in_time(outcome, predictions),
            f"How well each model tells who will have the event ({endpoint}), by year of follow-up",
        ),
        "hazard-ratios": (
            lambda: figures.forest(_ratios(training), endpoint=endpoint),
            f"Hazard ratios of ridge Cox for {endpoint}, all patients",
        ),
        "net-benefit": (
            lambda: figures.net_benefit(outcome, risk, horizon_days=horizon, model=shown),
            f"Net benefit of treating by the risk of {endpoint} by {years}, against treating all or none",
        ),
        "one-patient": (
            lambda: _one_patient(training, outcome, risk, horizon, config),
            f"What moved the risk of {endpoint} of the tested patient with the highest one",
        ),
    }
    made = []
    folder.mkdir(parents=True, exist_ok=True)
    stem = "".join(c if c.isalnum() or c in "-_" else "-" for c in outcome.endpoint)
    for name, (draw, alt) in wanted.items():
        figure = draw()
        for suffix in ("svg", "png"):
            target = folder / f"{stem}-{name}.{suffix}"
            with atomic_file(target) as temporary:
                figure.savefig(temporary, format=suffix, dpi=130, metadata={"Date": None} if suffix == "svg" else None)
        made.append(Picture(folder / f"{stem}-{name}.svg", f"{endpoint}: {name.replace('-', ' ')}", alt))
    return made


def risk_groups(predictions: Sequence[FoldPrediction], n: int) -> np.ndarray[Any, Any]:
    """Group (n,) of each patient: 0 low, 1 middle, 2 high; -1 who was not tested. Cut at the
    thirds of the risks of the fold's training patients, never of those tested."""
    group = np.full(n, -1)
    for prediction in predictions:
        group[prediction.test] = np.searchsorted(prediction.cuts, prediction.risk, side="right")
    return group


def _horizon(outcome: Survival, config: PrognosisConfig) -> float:
    """The middle horizon asked for, if at least a tenth of the patients were followed as long; else the median time."""
    asked = sorted(config.horizons_days)
    for horizon in (asked[len(asked) // 2], asked[0] if asked else 0):
        if (outcome.time_days > horizon).mean() >= 0.1 and (outcome.event & (outcome.time_days <= horizon)).sum() >= 5:
            return float(horizon)
    return float(np.median(outcome.time_days[outcome.event]))


def _risk_by(predictions: Sequence[FoldPrediction], horizon: float, n: int) -> np.ndarray[Any, Any]:
    """Predicted risk (n,) of the event by `horizon`, out of fold; NaN for patients who were not tested."""
    risk = np.full(n, np.nan)
    for prediction in predictions:
        knots = np.r_[0.0, prediction.grid]
        for place, patient in enumerate(prediction.test):
            risk[patient] = 1 - np.interp(horizon, knots, np.r_[1.0, prediction.survival[place]])
    return risk


def _ratios(training: Training) -> list[tuple[str, float, float, float]]:
    """Hazard ratios of ridge Cox on all patients, strongest first."""
    fit = fit_cox(training.patients.x, training.event, training.time_days, ridge=training.config.ridge)
    ratios = hazard_ratios(training.patients.names, fit.coefficients, fit.standard_errors)
    return sorted(ratios, key=lambda one: -abs(np.log(one[1])))


def _one_patient(
    training: Training, outcome: Survival, risk: np.ndarray[Any, Any], horizon: float, config: PrognosisConfig
) -> Figure:
    """The tested patient with the highest predicted risk, explained by ridge Cox trained on all others."""
    patient = int(np.nanargmax(risk))
    rest = training.part(np.setdiff1d(np.arange(len(outcome)), [patient]))
    model = fit_model("ridge-cox", rest)
    one = Patients.encoded([training.patients.rows[patient]], rest.encoder)
    parts = {
        name: float(change[0]) for name, change in moved_by(model, one, rest.patients, horizon_days=horizon).items()
    }
    total = float(1 - model.survival(one, np.array([horizon]))[0, 0])
    cells = {name: training.patients.rows[patient].get(name) for name in parts}
    return figures.contributions(
        parts, cells, total, patient=outcome.patient_ids[patient], endpoint=outcome.endpoint, horizon_days=horizon
    )
