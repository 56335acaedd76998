"""What a cohort offers prognosis: endpoints with enough events, and variables known before treatment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.prognosis import codes

__all__ = ["FEWEST_EVENTS", "covariates_of", "endpoints_of", "missing", "rows_of"]

FEWEST_EVENTS = 10
"""An endpoint with fewer events is not cross-validated by itself: folds would hold one or two."""
_USABLE = {Kind.NUMERIC, Kind.CATEGORICAL, Kind.ORDINAL, Kind.BOOLEAN}
_STANDARD = (Variable("age_years", Kind.NUMERIC, unit="years"), Variable("sex", Kind.CATEGORICAL))


def endpoints_of(cohort: Cohort, chosen: Sequence[str] = ()) -> list[Survival]:
    """The endpoints with times and events: those `chosen` (PRG103 when one has too few events), else all that have
    enough."""
    found = []
    for name in chosen or cohort.endpoints():
        try:
            outcome = cohort.outcome(name)
        except TumorboardError:
            if chosen:
                raise
            continue  # all values unusable: the checks report them
        if not isinstance(outcome, Survival):
            continue
        if outcome.events >= FEWEST_EVENTS:
            found.append(outcome)
        elif chosen:
            raise TumorboardError(
                codes.TOO_FEW_EVENTS,
                f"{cohort.name}, {name}",
                found=f"{outcome.events} events",
                expected=f"{FEWEST_EVENTS} or more",
            )
    return found


def covariates_of(cohort: Cohort, chosen: Sequence[str] = ()) -> list[Variable]:
    """The variables to predict from: those `chosen` (PRG102 for unknown ones), else all that the data dictionary
    marks as baseline; age and sex belong to every baseline."""
    standard = [v for v in _STANDARD if cohort.patients[v.name].null_count < cohort.patients.num_rows]
    known = {v.name: v for v in standard} | dict(cohort.dictionary)
    if not chosen:
        marked = [v for v in cohort.dictionary.values() if v.baseline and v.kind in _USABLE]
        named = {v.name for v in marked}
        return [*(v for v in standard if v.name not in named), *marked] if marked else []
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise TumorboardError(
            codes.COVARIATE_UNKNOWN, cohort.name, found=", ".join(unknown), expected=", ".join(sorted(known))
        )
    return [known[name] for name in chosen]


def rows_of(cohort: Cohort, outcome: Survival) -> list[dict[str, Any]]:
    """Records of `patients` in the order of `outcome`."""
    record = {row["patient_id"]: row for row in cohort.rows("patients")}
    return [record[patient] for patient in outcome.patient_ids]


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks for a benchmark; empty when it can run."""
    lacks = []
    if not endpoints_of(cohort):
        lacks.append(f"an endpoint with {FEWEST_EVENTS} or more events")
    if not covariates_of(cohort):
        lacks.append("variables marked as baseline in the data dictionary")
    return lacks
