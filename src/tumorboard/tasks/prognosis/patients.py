"""Patients in training, with their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.patients import Patients
from tumorboard.tasks.prognosis.config import PrognosisConfig

__all__ = ["Patients", "Training"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """Patients with their outcomes: `event` (n,), `time_days` (n,) > 0; and how they were encoded.

    `endpoint` is what is predicted, and `others` the same patients' other endpoints with times, for models that learn
    several together: (event, time_days) by name, NaN where a patient's is unknown.
    """

    patients: Patients
    event: Bools
    time_days: Floats
    variables: tuple[Variable, ...]
    encoder: ClinicalEncoder
    config: PrognosisConfig
    endpoint: str = ""
    others: Mapping[str, tuple[Bools, Floats]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        rows: Sequence[Record],
        event: Bools,
        time_days: Floats,
        *,
        variables: Sequence[Variable],
        config: PrognosisConfig,
        cohort: Cohort | None = None,
        endpoint: str = "",
    ) -> Training:
        """Encode `rows` by what they themselves hold. With an `endpoint` the other endpoints of these patients come
        from `cohort`."""
        encoder = ClinicalEncoder.fit(rows, variables, rare_below=config.rare_below)
        patients = Patients.encoded(rows, encoder, cohort)
        others = _others(cohort, rows, endpoint) if cohort is not None and endpoint else {}
        happened, days = np.asarray(event, bool), np.asarray(time_days, float)
        return cls(patients, happened, days, tuple(variables), encoder, config, endpoint, others)

    def part(self, index: Indices) -> Training:
        """Some of the patients, encoded anew by what they alone hold."""
        rows = [self.patients.rows[i] for i in index]
        return Training.of(
            rows,
            self.event[index],
            self.time_days[index],
            variables=self.variables,
            config=self.config,
            cohort=self.patients.cohort,
            endpoint=self.endpoint,
        )

    def inner(self) -> Iterator[tuple[Training, Patients, Indices]]:
        """Inner folds, for whatever a model chooses: (training part, held-out patients, who they are). The encoder is
        fitted on the inner training part."""
        folds = max(2, min(self.config.inner_folds, int(self.event.sum()), int((~self.event).sum()) or len(self.event)))
        labels = self.event if 1 < self.event.sum() < len(self.event) - 1 else np.arange(len(self.event)) % folds
        for held_out in stratified_folds(labels, folds=folds, seed=self.config.seed + 1):
            kept = self.part(np.setdiff1d(np.arange(len(self.event)), held_out))
            rows = [self.patients.rows[i] for i in held_out]
            yield kept, Patients.encoded(rows, kept.encoder, self.patients.cohort), held_out


def _others(cohort: Cohort, rows: Sequence[Record], endpoint: str) -> dict[str, tuple[Bools, Floats]]:
    """Endpoints with times but `endpoint`, of the patients of `rows` alone."""
    found = {}
    for name in cohort.endpoints():
        try:
            outcome = cohort.outcome(name) if name != endpoint else None
        except TumorboardError:
            continue  # all values unusable: the checks report them
        if isinstance(outcome, Survival):
            place = {patient: i for i, patient in enumerate(outcome.patient_ids)}
            index = np.array([place.get(str(row["patient_id"]), -1) for row in rows])
            known = index >= 0
            found[name] = (outcome.event[index] & known, np.where(known, outcome.time_days[index], np.nan))
    return found
