"""Patients in training, with their outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
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
    """Patients with their outcomes: `event` (n,), `time_days` (n,) > 0; and how they were encoded."""

    patients: Patients
    event: Bools
    time_days: Floats
    variables: tuple[Variable, ...]
    encoder: ClinicalEncoder
    config: PrognosisConfig

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
    ) -> Training:
        """Encode `rows` by what they themselves hold."""
        encoder = ClinicalEncoder.fit(rows, variables, rare_below=config.rare_below)
        patients = Patients.encoded(rows, encoder, cohort)
        return cls(patients, np.asarray(event, bool), np.asarray(time_days, float), tuple(variables), encoder, config)

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
