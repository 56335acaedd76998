"""Masked completion on published tables, beside ridge Cox, a survival forest and boosting.

    TUMORBOARD_DATA=folder python benchmarks/masked_tables.py --out OUT [--date D --machine M --write]

LORIS (Chang et al. 2024): trained on Chowell_train, tested on Ravi, MSK1 and Vanguri, PFS and OS learned together;
MSK-MIND (Vanguri et al. 2022): PFS by five folds. Wider completion also sees tables of cohorts that are never tested
(Pradat, and patients without immunotherapy), with the columns they have. Fits are kept below OUT; a run can be stopped
and continued.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.datasets.table.reader import read
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.variables import covariates_of, rows_of
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.missingness import paired_draws
from tumorboard.tasks.prognosis.models.masked import MaskedModel, fit_masked
from tumorboard.tasks.prognosis.models.masked_training import MaskedSettings
from tumorboard.tasks.prognosis.models.registry import FittedModel, fit_model
from tumorboard.tasks.prognosis.patients import Patients, Training

Floats = NDArray[np.float64]
HERE = Path(__file__).parent
SCHEMAS = HERE.parent / "tests" / "datasets" / "schemas"
TARGET = HERE / "results" / "masked_tables.md"
SHARED = ("TMB", "PDL1_TPS(%)", "Albumin", "NLR", "age_years", "Systemic_therapy_history", "Drug", "sex")
TRAIN, TESTS, WIDER = "Chowell_train", ("Ravi_NSCLC", "MSK1", "Vanguri_NSCLC"), ("Pradat_panCancer", "MSK_nonICB")
CONFIG = PrognosisConfig(seed=0)
REFERENCE = "ridge-cox"
SETTINGS = {
    "masked": MaskedSettings(width=24, depth=2, heads=4, pretraining_steps=150, steps=120, learning_rate=2e-3),
    "masked, no pretraining": MaskedSettings(
        width=24, depth=2, heads=4, pretraining_steps=0, steps=120, learning_rate=2e-3
    ),
    "masked, wider completion": MaskedSettings(
        width=24, depth=2, heads=4, pretraining_steps=150, steps=120, learning_rate=2e-3
    ),
}
MODELS = (REFERENCE, "survival-forest", "boosted-hazard", *SETTINGS)
RESAMPLES = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--date", default="")
    parser.add_argument("--machine", default="")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    data = Path(os.environ["TUMORBOARD_DATA"]) / "clinical"
    start = time.process_time()
    tests = [*loris(data, arguments.out), mind(data, arguments.out)]
    lines = [
        "# Masked completion on published tables\n",
        f"{arguments.date}, {arguments.machine}. Made by `python benchmarks/masked_tables.py`, "
        f"{(time.process_time() - start) / 60:.1f} CPU-minutes. Harrell's C, 95 % intervals of {RESAMPLES} "
        "resamples of the tested patients (within folds), differences to ridge Cox on the same resamples. "
        "Nothing was tuned.\n",
    ]
    for test in tests:
        lines += table(test)
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.write:
        TARGET.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Tested:
    """Risks by model and fold of the tested patients of one table."""

    title: str
    outcome: Survival
    folds: Sequence[NDArray[np.int64]]
    risks: Mapping[str, Sequence[Floats]]


def part(data: Path, centre: str) -> Cohort:
    schema = "loris_ravi_nsclc" if centre == "Ravi_NSCLC" else "loris_icb_nsclc"
    cohort = read(data / "loris_icb_nsclc.csv", schema=SCHEMAS / f"{schema}.toml")
    return cohort.subset(row["patient_id"] for row in cohort.rows("patients") if row["centre"] == centre)


def loris(data: Path, out: Path) -> list[Tested]:
    """Chowell_train -> the other cohorts; a masked model is one fit for both endpoints."""
    train = part(data, TRAIN)
    variables = covariates_of(train, SHARED)
    wider = [row for centre in WIDER for row in part(data, centre).rows("patients")]
    found = []
    fitted: dict[str, FittedModel] = {}
    for endpoint in ("PFS", "OS"):
        outcome = survival(train, endpoint)
        given = Training.of(
            rows_of(train, outcome.patient_ids), outcome.event, outcome.time_days,
            variables=variables, config=CONFIG, cohort=train, endpoint=endpoint,
        )  # fmt: skip
        for centre in TESTS:
            cohort = part(data, centre)
            tested = survival(cohort, endpoint)
            rows = rows_of(cohort, tested.patient_ids)
            risks = {}
            for model in MODELS:
                path = out / f"loris-{endpoint}-{centre}-{model.replace(' ', '-')}.json"
                if not path.exists():
                    key = model if model in SETTINGS else f"{endpoint}-{model}"
                    fitted[key] = fitted.get(key) or fit(model, given, wider)
                    asked = fitted[key]
                    asked = asked.of(endpoint) if isinstance(asked, MaskedModel) else asked
                    keep(path, asked.risk(Patients.encoded(rows, given.encoder)))
                risks[model] = [np.array(json.loads(path.read_text(encoding="utf-8")))]
            biased = " (of the dead alone: biased)" if (centre, endpoint) == ("Vanguri_NSCLC", "OS") else ""
            title = f"LORIS {endpoint}, {TRAIN} (n {len(outcome)}) -> {centre}{biased}"
            found.append(Tested(title, tested, [np.arange(len(tested))], risks))
    return found


def mind(data: Path, out: Path) -> Tested:
    cohort = read(data / "msk_mind_nsclc_io_2020.csv", schema=SCHEMAS / "msk_mind_nsclc_io_2020.toml")
    outcome, variables = survival(cohort, "PFS"), covariates_of(cohort)
    rows, folds = rows_of(cohort, outcome.patient_ids), stratified_folds(outcome.event, folds=5, seed=0)
    risks: dict[str, list[Floats]] = {model: [] for model in MODELS if "wider" not in model}
    for number, test in enumerate(folds):
        kept = np.setdiff1d(np.arange(len(rows)), test)
        given = training(rows, outcome, kept, variables)
        for model, mine in risks.items():
            path = out / f"mind-{number}-{model.replace(' ', '-')}.json"
            if not path.exists():
                keep(path, fit(model, given, ()).risk(Patients.encoded([rows[i] for i in test], given.encoder)))
            mine.append(np.array(json.loads(path.read_text(encoding="utf-8"))))
    return Tested("MSK-MIND PFS, five folds (OS is of the dead alone there, and left out)", outcome, folds, risks)


def training(
    rows: Sequence[Mapping[str, Any]], outcome: Survival, index: NDArray[np.int64], variables: Sequence[Variable]
) -> Training:
    return Training.of(
        [rows[i] for i in index], outcome.event[index], outcome.time_days[index], variables=variables, config=CONFIG
    )


def fit(model: str, given: Training, wider: Sequence[Mapping[str, Any]]) -> FittedModel:
    start = time.process_time()
    if model in SETTINGS:
        fitted: FittedModel = fit_masked(given, SETTINGS[model], also=wider if "wider" in model else ())
    else:
        fitted = fit_model(model, given)
    print(f"{model}: {time.process_time() - start:.0f} s", flush=True)
    return fitted


def keep(path: Path, risk: Floats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(risk.tolist()), encoding="utf-8")


def survival(cohort: Cohort, endpoint: str) -> Survival:
    outcome = cohort.outcome(endpoint)
    assert isinstance(outcome, Survival)
    return outcome


def table(test: Tested) -> list[str]:
    lines = [
        f"## {test.title}\n", f"{len(test.outcome)} tested, {test.outcome.events} events.\n",
        "| model | C | 95 % interval | minus ridge Cox |", "|---|---|---|---|",
    ]  # fmt: skip
    values = {m: paired_draws(test.outcome, test.folds, r, seed=0, resamples=RESAMPLES) for m, r in test.risks.items()}
    base, base_draws = values[REFERENCE]
    for model, (value, draws) in values.items():
        low, high = np.nanquantile(draws, [0.025, 0.975])
        left, right = np.nanquantile(draws - base_draws, [0.025, 0.975])
        cell = "" if model == REFERENCE else f"{value - base:+.3f} ({left:+.3f} to {right:+.3f})"
        lines.append(f"| {model} | {value:.3f} | {low:.3f} to {high:.3f} | {cell} |")
    return [*lines, ""]


if __name__ == "__main__":
    main()
