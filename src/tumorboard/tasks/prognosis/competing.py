"""Fates that compete: who can no longer have the event because something else came first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.metrics.survival.competing import cumulative_incidence, first_fate
from tumorboard.metrics.survival.curves import kaplan_meier

__all__ = ["Competition", "cause_specific", "competition"]

DEATH = "OS"
_INCLUDES_DEATH = ("OS", "RFS", "PFS", "DFS", "EFS")
"""Endpoints to which death belongs: nothing competes with them."""
WORTH_TELLING = 0.02


@dataclass(frozen=True)
class Competition:
    """Patients who died without `endpoint`, and its risk at `horizon_days`: Aalen-Johansen's, with its standard error,
    against one minus Kaplan-Meier."""

    endpoint: str
    died_without: int
    censored: int
    horizon_days: float
    incidence: float
    standard_error: float
    naive: float

    def in_words(self) -> str:
        """The warning; empty when the two figures agree within 0.02."""
        if self.naive - self.incidence < WORTH_TELLING:
            return ""
        return (
            f"{self.endpoint}: {self.died_without} of {self.censored} patients counted as censored had died, and can "
            f"no longer have it. Its risk by {self.horizon_days:g} days is {self.incidence:.3f} (Aalen-Johansen); one "
            f"minus Kaplan-Meier says {self.naive:.3f}. Models of it are of the cause-specific hazard."
        )


def competition(cohort: Cohort, outcome: Survival, *, horizon_days: float) -> Competition | None:
    """How death competes with an endpoint; None where death is part of it, is not recorded, or nobody died without."""
    if outcome.endpoint in _INCLUDES_DEATH or outcome.endpoint == DEATH or not outcome.events:
        return None
    death = _death_of(cohort, outcome)
    if death is None:
        return None
    fate, time = first_fate([outcome.event, death.event], [outcome.time_days, death.time_days])
    # someone who was followed for the endpoint until death has both times alike; the endpoint takes precedence
    died = int((fate == 2).sum())
    if not died or not (fate == 1).any():
        return None
    curve = cumulative_incidence(fate, time, cause=1)
    place = max(int(np.searchsorted(curve.times, horizon_days, side="right")) - 1, 0)
    naive = 1 - float(kaplan_meier(fate == 1, time).at(horizon_days))
    return Competition(
        outcome.endpoint,
        died,
        int((~outcome.event).sum()),
        horizon_days,
        float(curve.at(horizon_days)),
        float(curve.standard_error[place]),
        naive,
    )


def cause_specific(outcome: Survival, death: Survival) -> Survival:
    """The endpoint for a model of its cause-specific hazard: whoever dies first is censored at death. Patients of
    `outcome`; both must name the same patients in the same order."""
    if outcome.patient_ids != death.patient_ids:
        raise ValueError("the two endpoints are of different patients")
    fate, time = first_fate([outcome.event, death.event], [outcome.time_days, death.time_days])
    return Survival(outcome.endpoint, outcome.patient_ids, fate == 1, time)


def _death_of(cohort: Cohort, outcome: Survival) -> Survival | None:
    """Survival of the patients of `outcome`, in its order; None unless it is known for all of them."""
    try:
        death = cohort.outcome(DEATH)
    except TumorboardError:
        return None
    if not isinstance(death, Survival):
        return None
    place = {patient: i for i, patient in enumerate(death.patient_ids)}
    if any(patient not in place for patient in outcome.patient_ids):
        return None
    order = [place[patient] for patient in outcome.patient_ids]
    return Survival(DEATH, outcome.patient_ids, death.event[order], death.time_days[order])
