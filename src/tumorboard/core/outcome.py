"""Outcomes as the analyses read them: patients in a fixed order, event and time together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ClassOutcome", "Survival"]


@dataclass(frozen=True)
class Survival:
    """Event indicator and time to event or censoring of n patients; one thing, never two loose columns.

    `event` bool (n,), `time_days` float64 (n,) > 0, in the order of `patient_ids`.
    """

    endpoint: str
    patient_ids: tuple[str, ...]
    event: NDArray[np.bool_]
    time_days: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not len(self.patient_ids) == len(self.event) == len(self.time_days):
            raise ValueError("patient_ids, event and time_days differ in length")

    def __len__(self) -> int:
        return len(self.patient_ids)

    @property
    def events(self) -> int:
        """Number of observed events."""
        return int(self.event.sum())


@dataclass(frozen=True)
class ClassOutcome:
    """A class value (HPV status, stage ...) of n patients, in the order of `patient_ids`."""

    endpoint: str
    patient_ids: tuple[str, ...]
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.patient_ids)
