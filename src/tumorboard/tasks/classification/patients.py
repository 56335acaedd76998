"""Patients in training, with their classes. The same shape as in prognosis, with classes in the place of times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Variable
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.clinical.folds import stratified_folds
from tumorboard.tasks.clinical.patients import Patients

__all__ = ["Patients", "Training"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """Patients with their class numbers `y` (n,), indices into `classes`; and how they were encoded."""

    patients: Patients
    y: Indices
    classes: tuple[str, ...]
    variables: tuple[Variable, ...]
    encoder: ClinicalEncoder
    config: ClassificationConfig

    @classmethod
    def of(
        cls,
        rows: Sequence[Record],
        y: Indices,
        classes: Sequence[str],
        *,
        variables: Sequence[Variable],
        config: ClassificationConfig,
        cohort: Cohort | None = None,
    ) -> Training:
        """Encode `rows` by what they themselves hold."""
        encoder = ClinicalEncoder.fit(rows, variables, rare_below=config.rare_below)
        patients = Patients.encoded(rows, encoder, cohort)
        return cls(patients, np.asarray(y, np.int64), tuple(classes), tuple(variables), encoder, config)

    @cached_property
    def shares(self) -> Floats:
        """How common each class is (k,); a class without patients counts half a patient."""
        counts = np.bincount(self.y, minlength=len(self.classes)).astype(float)
        counts[counts == 0] = 0.5
        shares: Floats = counts / counts.sum()
        return shares

    def part(self, index: Indices) -> Training:
        """Some of the patients, encoded anew by what they alone hold."""
        rows = [self.patients.rows[i] for i in index]
        return Training.of(
            rows,
            self.y[index],
            self.classes,
            variables=self.variables,
            config=self.config,
            cohort=self.patients.cohort,
        )

    @cached_property
    def inner_folds(self) -> tuple[tuple[Training, Patients, Indices], ...]:
        """Inner folds, for whatever a model chooses: (training part, held-out patients, who they are). The encoder is
        fitted on the inner training part. Every model of one training shares them."""
        return tuple(self._inner())

    def _inner(self) -> Iterator[tuple[Training, Patients, Indices]]:
        counts = np.bincount(self.y, minlength=len(self.classes))
        folds = max(2, min(self.config.inner_folds, int(counts[counts > 0].min())))
        labels = self.y if counts[counts > 0].min() >= 2 else np.arange(len(self.y)) % folds
        for held_out in stratified_folds(labels, folds=folds, seed=self.config.seed + 1):
            kept = self.part(np.setdiff1d(np.arange(len(self.y)), held_out))
            rows = [self.patients.rows[i] for i in held_out]
            yield kept, Patients.encoded(rows, kept.encoder, self.patients.cohort), held_out
