"""What a cohort offers prognosis: endpoints with enough events, and variables known before treatment."""

from __future__ import annotations

from collections.abc import Sequence

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.tasks.clinical.variables import covariates_of
from tumorboard.tasks.prognosis import codes

__all__ = ["FEWEST_EVENTS", "endpoints_of", "missing"]

FEWEST_EVENTS = 10
"""An endpoint with fewer events is not cross-validated by itself: folds would hold one or two."""


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


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks for a benchmark; empty when it can run."""
    lacks = []
    if not endpoints_of(cohort):
        lacks.append(f"an endpoint with {FEWEST_EVENTS} or more events")
    if not covariates_of(cohort):
        lacks.append("variables marked as baseline in the data dictionary")
    return lacks
