"""One model on every patient of a cohort with a class."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.benchmark import readable
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.data import missing, problems_of
from tumorboard.tasks.classification.explain import background_of
from tumorboard.tasks.classification.fitting import fit_models
from tumorboard.tasks.classification.model import ClassificationModel, Trained
from tumorboard.tasks.classification.protocol import prepare

__all__ = ["DEFAULT", "train"]

DEFAULT = "ensemble"


def train(
    cohort: Cohort,
    out: Path,
    *,
    config: ClassificationConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClassificationModel:
    """Train on all endpoints (or those of `config`) and write the model below `out`.

    The model is the first of `config.models`, or the ensemble. Calibration, weights and the rule of answers come from
    inner folds. Errors: CLS101 without anything to learn, CLS105.
    """
    config = config or ClassificationConfig()
    started = time.perf_counter()
    name = config.models[0] if config.models else DEFAULT
    problems = problems_of(cohort, config)
    trained = []
    for done, (problem, variables, notes) in enumerate([readable(p, config) for p in problems], start=1):
        if not variables:
            continue
        prepared = prepare(problem, np.arange(len(problem)), variables, config)
        fitted, lacking = fit_models(prepared.training, [name])
        if name not in fitted:
            why = lacking.get(name, "any variable")
            raise TumorboardError(
                codes.TOO_FEW_PATIENTS, f"{cohort.name}, {problem.endpoint}", found=f"no {why}", expected=f"data of {name}"
            )
        trained.append(
            Trained(
                problem.endpoint,
                problem.classes,
                fitted[name],
                prepared.training.encoder,
                prepared.staged,
                background_of(fitted[name], prepared.training.patients),
                (*notes, *prepared.notes),
            )
        )
        if progress is not None:
            progress(done, len(problems))
    if not trained:
        lacks = missing(cohort) or ["variables that may be used"]
        raise TumorboardError(
            codes.TOO_FEW_PATIENTS, cohort.name, found=f"no {', no '.join(lacks)}", expected="classes and variables"
        )
    patients = sorted({patient for problem in problems for patient in problem.patient_ids})
    facts = {
        "patients": patients,
        "steps": len(trained),
        "seconds": round(time.perf_counter() - started, 1),
        "model": name,
        "notes": [f"{one.endpoint}: {note}" for one in trained for note in one.notes],
    }
    model = ClassificationModel(tuple(trained), config, facts)
    model.save(out)
    return model
