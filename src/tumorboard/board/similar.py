"""The marked lesions of a cohort, ready to be compared: by the vectors of a retrieval run, else by place and size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.crops import Crop
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.ops.search import VectorIndex
from tumorboard.tasks.retrieval.features import Scaler, location_and_size
from tumorboard.tasks.retrieval.find import LOCATION_SIZE, newest_run
from tumorboard.tasks.retrieval.lesions import Lesions, find_lesions
from tumorboard.tasks.retrieval.store import read_embeddings, run_folder

__all__ = ["LesionVectors", "Neighbour", "lesion_vectors"]


@dataclass(frozen=True)
class Neighbour:
    """A lesion (its row among the lesions) and how far it is."""

    row: int
    distance: float


@dataclass(frozen=True, eq=False)
class LesionVectors:
    """Lesions (n) with a vector each (n, d). `run`: whose vectors they are, ``location-size`` for place and size from
    the table; `why`: why no better ones are used, in words, or empty."""

    lesions: Lesions
    vectors: NDArray[Any]
    run: str
    why: str = ""

    @property
    def learned(self) -> bool:
        """Whether the vectors are those of a run."""
        return self.run != LOCATION_SIZE

    @property
    def placed(self) -> bool:
        """Whether the relative place of any lesion is known."""
        return bool(np.isfinite(self.lesions.locations).any())

    @cached_property
    def rows_of(self) -> dict[str, list[int]]:
        """Patient -> rows of the lesions."""
        found: dict[str, list[int]] = {}
        for row, patient in enumerate(self.lesions.patients.tolist()):
            found.setdefault(patient, []).append(row)
        return found

    @cached_property
    def numbers(self) -> list[int]:
        """Place of each lesion among its patient's: names its crop."""
        of = {row: number for rows in self.rows_of.values() for number, row in enumerate(rows)}
        return [of[row] for row in range(len(self.lesions))]

    def nearest(self, rows: Sequence[int], k: int) -> list[list[Neighbour]]:
        """Of each lesion the `k` nearest lesions of other patients, nearest first."""
        hits = self._index.search(self._index.vectors[list(rows)], k, owners=self.lesions.patients[list(rows)])
        return [
            [Neighbour(row, distance) for row, distance in zip(found, far, strict=True) if row >= 0]
            for found, far in zip(hits.rows.tolist(), hits.distances.tolist(), strict=True)
        ]

    def crops(self, patient: str, images: Mapping[str, Mapping[str, Any]]) -> Iterator[Crop]:
        """What is to be cut out of the scans of a patient; nothing where there are no pixels or no place."""
        for row in self.rows_of.get(patient, ()):
            image, centre = images.get(self.lesions.images[row]), self.lesions.centres_mm[row]
            if image is not None and image["path"] and np.isfinite(centre).all():
                x, y, z = centre.tolist()
                long_mm = float(np.nan_to_num(self.lesions.axes_mm[row, 0]))
                yield Crop(self.numbers[row], image, (x, y, z), long_mm, str(self.lesions.types[row]))

    @cached_property
    def _index(self) -> VectorIndex:
        metric = "cosine" if self.learned else "euclid"
        return VectorIndex(self.vectors, metric=metric, owners=self.lesions.patients)  # type: ignore[arg-type]


def lesion_vectors(cohort: Cohort) -> LesionVectors | None:
    """The expert's marked lesions with the vectors of the newest retrieval run stored in the cohort; where there is
    none, or none that fits, with relative place and size. None unless two patients have lesions to compare."""
    lesions = find_lesions(cohort)
    if len(set(lesions.patients.tolist())) < 2:
        return None
    try:
        run = newest_run(cohort)
    except TumorboardError:
        return _by_place(lesions, "no retrieval run with vectors is stored in the cohort")
    try:
        found = read_embeddings(run_folder(cohort.root, run))
        places, rows = found.of(lesions.ids)
        made = LesionVectors(lesions.only(places), found.vectors[rows], run)
        if len(made.rows_of) < 2:
            return _by_place(lesions, f"the run {run} has vectors of fewer than two patients' marked lesions")
        _ = made._index  # refuses vectors that cannot be compared
        return made
    except TumorboardError as error:
        return _by_place(lesions, f"the vectors of the run {run} cannot be used ({error.code.id}: {error.found})")


def _by_place(lesions: Lesions, why: str) -> LesionVectors | None:
    values = location_and_size(lesions)
    known = np.isfinite(values).any(axis=1)
    made = LesionVectors(lesions.only(known), Scaler.fit(values[known]).apply(values[known]), LOCATION_SIZE, why)
    return made if len(made.rows_of) > 1 else None
