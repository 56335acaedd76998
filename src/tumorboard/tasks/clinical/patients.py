"""What a model of a clinical task is given: patients as encoded covariates and as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.tasks.clinical.encoding import ClinicalEncoder
from tumorboard.tasks.features.blocks import without_withheld

__all__ = ["Patients"]

Floats = NDArray[np.float64]
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Patients:
    """n patients: `x` (n, p) as the encoder of the training fold makes it, `rows` their records of `patients`.

    `names` and `sources` say what each column of `x` stands for and which variable it comes from. `cohort` is there for
    models that look at images; a model must not read outcomes from it.
    """

    x: Floats
    rows: tuple[Record, ...]
    names: tuple[str, ...]
    sources: tuple[str, ...]
    cohort: Cohort | None = None

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def encoded(cls, rows: Sequence[Record], encoder: ClinicalEncoder, cohort: Cohort | None = None) -> Patients:
        """`rows` as numbers; what a record withholds is missing, for every model alike."""
        rows = without_withheld(rows, [part.variable for part in encoder.parts])
        return cls(encoder.transform(rows), tuple(rows), tuple(encoder.names), tuple(encoder.sources), cohort)

    def with_x(self, x: Floats) -> Patients:
        """The same patients with other numbers."""
        return replace(self, x=x)
