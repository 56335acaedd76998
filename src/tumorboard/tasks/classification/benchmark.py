"""Every model on every endpoint, out of fold, side by side; across centres where there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Variable
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import Problem, missing, problems_of, variables_of
from tumorboard.tasks.classification.protocol import (
    FoldPrediction,
    Run,
    cross_validate,
    held_out_folds,
    unreadable,
)
from tumorboard.tasks.classification.rows import outcome_rows, run_name, run_row
from tumorboard.tasks.classification.scoring import difference_rows, draws_of, score_model
from tumorboard.tasks.clinical.folds import centre_folds
from tumorboard.tasks.result import Picture, TaskResult

__all__ = ["benchmark", "readable", "score_run"]

Progress = Callable[[int, int], None]
REFERENCE = "logistic"
EXPLAINED = "ensemble"
TRANSDUCTIVE = " (transductive)"
"""Marks figures whose class shares were estimated from the unlabelled patients that are tested."""
_SMALLEST_CENTRE, _FEWEST_OF_A_CLASS = 30, 10
"""What a centre needs to be left out and tested on."""


def benchmark(
    cohort: Cohort, out: Path, *, config: ClassificationConfig | None = None, progress: Progress | None = None
) -> TaskResult:
    """Cross-validate every model by patient, and leave out one centre at a time where centres are large enough.

    Predictions of the cross-validation become `outcomes` rows of one run per model: class, probabilities, sureness, and
    for the ensemble what moved each probability. Pictures go to `out`. CLS101 when the cohort lacks classes or baseline
    variables. Patients with cells that are no value of their variable are left out and named.
    """
    config = config or ClassificationConfig()
    problems = problems_of(cohort, config)
    plans = [readable(problem, config) for problem in problems]
    if not any(variables for _, variables, _ in plans):
        raise TumorboardError(
            codes.TOO_FEW_PATIENTS,
            cohort.name,
            found=f"no {', no '.join(missing(cohort)) or 'variables left'}",
            expected="endpoints with classes, and variables to predict them from",
        )
    scores: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    pictures: list[Picture] = []
    protocols = [(p, v, dict(_protocols(p, config))) for p, v, _ in plans if v]
    total = sum(len(folds) for _, _, parts in protocols for folds in parts.values())
    done = 0

    def on_fold() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for _, _, said in plans:
        notes += said
    used: dict[str, list[str]] = {}
    for problem, variables, parts in protocols:
        used[problem.endpoint] = [variable.name for variable in variables]
        for subset, folds in parts.items():
            explain = EXPLAINED if subset == "all" else ""
            run = cross_validate(
                problem,
                variables=variables,
                folds=folds,
                config=config,
                explain=explain,
                transductive=subset.endswith(TRANSDUCTIVE),
                on_fold=on_fold,
            )
            scores += score_run(problem, run, folds, subset=subset, config=config)
            notes += [f"{problem.endpoint}, {subset}: {note}" for note in run.told()]
            if subset == "all":
                for model, predictions in run.predictions.items():
                    rows += outcome_rows(run_name(model), problem, predictions)
                if config.pictures:
                    pictures += _draw(out, problem, run, config)
    runs = [
        run_row(run_id, kind="model", config=config, inputs={"covariates": used, "notes": notes})
        for run_id in dict.fromkeys(row["run_id"] for row in rows)
    ]
    return TaskResult(scores, {"runs": runs, "outcomes": rows}, tuple(notes), tuple(pictures))


def score_run(
    problem: Problem, run: Run, folds: Sequence[NDArray[np.int64]], *, subset: str, config: ClassificationConfig
) -> list[dict[str, Any]]:
    """Figures of all models of one protocol, and differences from logistic regression."""
    draws = draws_of(problem, folds, seed=config.seed, resamples=config.resamples)
    by_model = {
        model: score_model(
            model, problem, found, subset=subset, draws=draws, coverage=config.coverage, miss=config.miss
        )
        for model, found in run.predictions.items()
    }
    rows = [row for scores in by_model.values() for row in scores.rows]
    return rows + difference_rows(problem, by_model, reference=REFERENCE, subset=subset)


def readable(problem: Problem, config: ClassificationConfig) -> tuple[Problem, list[Variable], list[str]]:
    """The problem without patients whose cells are no values, its variables, and notes on both."""
    variables, notes = variables_of(problem, config)
    bad = unreadable(problem.rows, variables)
    notes = [*problem.notes, *notes, *(f"{problem.endpoint}: left out: {error}" for error in bad.values())]
    return problem.without(list(bad)), variables, notes


def _protocols(problem: Problem, config: ClassificationConfig) -> Iterator[tuple[str, list[NDArray[np.int64]]]]:
    """Subset name -> test folds: all patients cross-validated, and large centres each left out."""
    smallest = int(np.bincount(problem.y).min())
    yield "all", held_out_folds(problem, folds=min(config.folds, smallest), seed=config.seed)
    centres = centre_folds([row["centre"] for row in problem.rows])
    k = len(problem.classes)
    for centre, test in centres.items() if len(centres) > 1 else ():
        mine = np.bincount(problem.y[test], minlength=k)
        rest = np.bincount(problem.y, minlength=k) - mine
        if len(test) >= _SMALLEST_CENTRE and min(mine.min(), rest.min()) >= _FEWEST_OF_A_CLASS:
            yield f"centre {centre} left out" + (TRANSDUCTIVE if config.prior == "transductive" else ""), [test]


def _draw(out: Path, problem: Problem, run: Run, config: ClassificationConfig) -> list[Picture]:
    from tumorboard.tasks.classification.pictures import draw_all

    def joined(found: Sequence[FoldPrediction]) -> tuple[NDArray[Any], ...]:
        test = np.concatenate([f.test for f in found])
        return problem.y[test], *(
            np.concatenate([getattr(f, name) for f in found]) for name in ("probabilities", "told", "order")
        )

    shown = [name for name in (REFERENCE, "forest", EXPLAINED) if name in run.predictions] or list(run.predictions)[:3]
    return draw_all(
        out / "pictures",
        endpoint=problem.endpoint,
        classes=problem.classes,
        models={name: joined(run.predictions[name]) for name in shown},
        coverage=config.coverage,
    )
