"""What a cohort offers classification: endpoints with classes, and the variables that may predict them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import AS_PUBLISHED, Case
from tumorboard.checks.rules.label_given_away import given_away, speaks_of
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.naming import words
from tumorboard.core.outcome import ClassOutcome
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Variable
from tumorboard.tasks.classification import codes
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.clinical.variables import covariates_of, rows_of

__all__ = ["FEWEST", "Problem", "leaks", "missing", "problems_of", "variables_of"]

FEWEST = 10
"""A class of fewer patients is left out, and said so: folds would hold one or two."""
_POSITIVE = ("positive", "pos", "yes", "true", "1", "+")


@dataclass(frozen=True)
class Problem:
    """An endpoint to predict: patients in table order, their `rows`, class numbers `y` (n,) into `classes`. With two
    classes, the second is the positive one."""

    endpoint: str
    patient_ids: tuple[str, ...]
    rows: tuple[dict[str, Any], ...]
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    notes: tuple[str, ...]
    cohort: Cohort

    def __len__(self) -> int:
        return len(self.y)

    @property
    def positive(self) -> str | None:
        return self.classes[1] if len(self.classes) == 2 else None

    def without(self, places: Sequence[int]) -> Problem:
        """Without the patients at these places."""
        kept = [i for i in range(len(self)) if i not in set(places)]
        ids, rows = tuple(self.patient_ids[i] for i in kept), tuple(self.rows[i] for i in kept)
        return replace(self, patient_ids=ids, rows=rows, y=self.y[kept])

    def values(self) -> NDArray[np.object_]:
        """The class of each patient as published."""
        return np.array([self.classes[k] for k in self.y], dtype=object)


def problems_of(cohort: Cohort, config: ClassificationConfig) -> list[Problem]:
    """The endpoints with classes: those chosen (CLS101 when one lacks patients), else all that have two classes of
    `FEWEST` patients or more."""
    found = []
    for name in config.endpoints or cohort.endpoints():
        try:
            outcome = cohort.outcome(name)
        except TumorboardError:
            if config.endpoints:
                raise
            continue  # all values unusable: the checks report them
        if not isinstance(outcome, ClassOutcome):
            continue
        counts = Counter(outcome.values)
        enough = [value for value, n in counts.items() if n >= FEWEST]
        if len(enough) >= 2:
            found.append(_problem(cohort, outcome, counts, config))
        elif config.endpoints:
            seen = ", ".join(f"{value}: {n}" for value, n in counts.items())
            raise TumorboardError(
                codes.TOO_FEW_PATIENTS, f"{cohort.name}, {name}", found=seen, expected=f"two classes of {FEWEST} or more"
            )
    return found


def _problem(
    cohort: Cohort, outcome: ClassOutcome, counts: Counter[str], config: ClassificationConfig
) -> Problem:
    kept = {value for value, n in counts.items() if n >= FEWEST}
    classes = _ordered(kept, counts, config.positive)
    chosen = [(p, v) for p, v in zip(outcome.patient_ids, outcome.values, strict=True) if v in kept]
    notes = [
        f"{outcome.endpoint}: {n} patients of class {value} left out (fewer than {FEWEST})"
        for value, n in counts.items()
        if value not in kept
    ]
    ids = tuple(patient for patient, _ in chosen)
    y = np.array([classes.index(value) for _, value in chosen], np.int64)
    return Problem(outcome.endpoint, ids, tuple(rows_of(cohort, ids)), y, classes, tuple(notes), cohort)


def _ordered(kept: set[str], counts: Counter[str], positive: str) -> tuple[str, ...]:
    listed = sorted(kept)
    if len(listed) > 2:
        return tuple(listed)
    named = [value for value in listed if value == positive] or [v for v in listed if v.lower() in _POSITIVE]
    last = named[0] if len(named) == 1 else min(listed, key=lambda value: counts[value])
    return (*(value for value in listed if value != last), last)


def variables_of(problem: Problem, config: ClassificationConfig) -> tuple[list[Variable], list[str]]:
    """Variables that may predict an endpoint, and in words those that may not whatever their values are.

    Left out: the endpoint's own column (by the heading it was read from, or a name that speaks of it), cells kept as
    published, and for a stage the stages that are made from it. VAR102 for a chosen variable that is not there.
    """
    own = _headings(problem)
    allowed, notes = [], []
    for variable in covariates_of(problem.cohort, config.covariates):
        why = _forbidden(variable, problem.endpoint, own)
        if why and variable.name not in config.keep:
            notes.append(f"{problem.endpoint}: {variable.name!r} left out ({why})")
        else:
            allowed.append(variable)
    return allowed, notes


def _forbidden(variable: Variable, endpoint: str, own: set[str]) -> str:
    said, label = set(words(variable.name)), set(words(endpoint))
    if variable.name.endswith(AS_PUBLISHED) or "published" in said:
        return "cells as published, kept for the record"
    if any(variable.source.startswith(f"{heading!r} ") for heading in own) or speaks_of(variable.name, endpoint):
        return "the endpoint itself"
    staged = "stage" in label and bool({"t", "n", "m", "pt", "pn"} & label)
    if staged and (said <= {"stage", "overall", "ajcc", "tnm", "uicc", "clinical", "group"}):
        return "made from the stage to be predicted"
    return ""


def _headings(problem: Problem) -> set[str]:
    """Headings of the cells that the endpoint was read from."""
    found: set[str] = set()
    for row in problem.cohort.rows("outcomes", endpoint=problem.endpoint, run_id=EXPERT)[:20]:
        try:
            raw = json.loads(row["raw"] or "{}")
        except ValueError:
            raw = {}
        found |= set(raw) if isinstance(raw, dict) else set()
    return found


def leaks(problem: Problem, train: NDArray[np.int64], variables: Sequence[Variable]) -> dict[str, str]:
    """Variable -> in words how it gives the class away, judged by the training patients alone (OUT207's rule)."""
    ids = [problem.patient_ids[i] for i in train]
    case = Case(problem.cohort.subset(ids))
    label = problem.values()[train]
    found = {}
    for variable in variables:
        column = case.variables.get(variable.name)
        text = column and given_away(column, label, where=problem.endpoint)
        if text:
            found[variable.name] = str(text)
    return found


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks for a benchmark; empty when it can run."""
    config = ClassificationConfig()
    problems = problems_of(cohort, config)
    lacks = [] if problems else [f"an endpoint with two classes of {FEWEST} or more patients"]
    if not (any(variables_of(p, config)[0] for p in problems) if problems else covariates_of(cohort)):
        lacks.append("variables marked as baseline in the data dictionary")
    return lacks
