"""The marked lesions of a cohort as columns: whose, which type, where, how large, in which image."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES, LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.retrieval import codes

__all__ = ["UNTYPED", "Lesions", "find_lesions", "missing"]

UNTYPED = ""
"""Type of a lesion whose type is not known: no class, no query, no hit that could be right or wrong."""
_FEWEST_PATIENTS, _FEWEST_TYPES = 6, 2
_AXES = (LONG_AXIS_MM, SHORT_AXIS_MM)


@dataclass(frozen=True)
class Lesions:
    """n lesions in the order of their rows. `types`: names of LESION_TYPES, or empty; `splits`: as the data state
    them; `centres_mm` (n, 3) RAS, `axes_mm` (n, 2) long and short, `locations` (n, 3) relative, NaN where not known;
    `images`: the CT in which each lies."""

    ids: tuple[str, ...]
    patients: NDArray[np.str_]
    exams: NDArray[np.str_]
    images: tuple[str, ...]
    types: NDArray[np.str_]
    splits: NDArray[np.str_]
    centres_mm: NDArray[np.float64]
    axes_mm: NDArray[np.float64]
    locations: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def typed(self) -> NDArray[np.bool_]:
        """(n,) lesions of known type."""
        return np.asarray(self.types != UNTYPED)

    def numbers(self) -> NDArray[np.int64]:
        """(n,) place of the type in LESION_TYPES; -1 for none: a mark, never an index."""
        places = {name: number for number, name in enumerate(LESION_TYPES)}
        return np.array([places.get(str(name), -1) for name in self.types], np.int64)

    def only(self, rows: NDArray[Any] | Sequence[int]) -> Lesions:
        """Some of the lesions, by row numbers or a mask (n,)."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        return Lesions(
            tuple(self.ids[i] for i in chosen),
            self.patients[chosen],
            self.exams[chosen],
            tuple(self.images[i] for i in chosen),
            self.types[chosen],
            self.splits[chosen],
            self.centres_mm[chosen],
            self.axes_mm[chosen],
            self.locations[chosen],
        )


def find_lesions(cohort: Cohort, *, reference: str = EXPERT, location: str = "stated") -> Lesions:
    """The RECIST pairs of the run `reference` (findings without a place in mm have NaN centres).

    `location`: ``stated`` takes the attribute relative_location, ``none`` nothing, any other word the places by the
    scores of that body-part run (BDP105 without them).
    """
    image_of = {row["image_id"]: row for row in cohort.images.select(_IMAGE_COLUMNS).to_pylist()}
    patient_of = dict(zip(*(cohort.exams[name].to_pylist() for name in ("exam_id", "patient_id")), strict=True))
    split_of = _splits(cohort)
    places = _places(cohort, location)
    columns: list[tuple[Any, ...]] = []
    for row in cohort.rows("findings", run_id=reference, kind=RECIST_PAIR):
        image = image_of[row["image_id"]]
        attributes = json.loads(row["attributes"]) if row["attributes"] else {}
        stated = attributes.get("relative_location") if location == "stated" else places.get(row["finding_id"])
        ends = np.array(row["points_mm"] or [np.nan] * 12, float)
        sizes = row["measurements"] or {}
        patient = patient_of[image["exam_id"]]
        columns.append(
            (
                row["finding_id"],
                patient,
                image["exam_id"],
                image["reference_image_id"] or row["image_id"],
                row["label"] if row["label"] in LESION_TYPES else UNTYPED,
                attributes.get("split") or split_of.get(patient) or "",
                ends.reshape(-1, 3).mean(axis=0) if ends.size % 3 == 0 else np.full(3, np.nan),
                [sizes.get(name, np.nan) for name in _AXES],
                _three(stated),
            )
        )
    return _as_lesions(columns)


def missing(cohort: Cohort) -> list[str]:
    """What the cohort lacks for a benchmark, in words."""
    lesions = find_lesions(cohort, location="none")
    typed = lesions.only(lesions.typed)
    if len(set(typed.patients.tolist())) < _FEWEST_PATIENTS or len(set(typed.types.tolist())) < _FEWEST_TYPES:
        return [f"marked lesions of {_FEWEST_TYPES} or more types in {_FEWEST_PATIENTS} or more patients"]
    return []


def require_lesions(lesions: Lesions, where: str) -> None:
    """RET101 unless lesions of two types and enough patients are there."""
    typed = lesions.only(lesions.typed)
    patients, types = len(set(typed.patients.tolist())), len(set(typed.types.tolist()))
    if patients < _FEWEST_PATIENTS or types < _FEWEST_TYPES:
        found = f"{len(typed)} lesions of known type, {types} types, {patients} patients"
        expected = f"{_FEWEST_TYPES} types and {_FEWEST_PATIENTS} patients or more"
        raise TumorboardError(codes.NO_LESIONS, where, found=found, expected=expected)


_IMAGE_COLUMNS = ["image_id", "exam_id", "reference_image_id"]


def _places(cohort: Cohort, location: str) -> dict[str, tuple[float, float, float]]:
    if location in ("stated", "none"):
        return {}
    from tumorboard.tasks.bodypart.places import relative_locations

    return relative_locations(cohort, run_id=location)


def _splits(cohort: Cohort) -> dict[str, str]:
    if "split" not in cohort.patients.column_names:
        return {}
    pairs = zip(cohort.patients["patient_id"].to_pylist(), cohort.patients["split"].to_pylist(), strict=True)
    return {patient: split for patient, split in pairs if isinstance(split, str)}


def _three(values: Any) -> list[float]:
    try:
        x, y, z = (float("nan") if value is None else float(value) for value in values)
    except (TypeError, ValueError):
        return [np.nan] * 3
    return [x, y, z]


def _as_lesions(columns: list[tuple[Any, ...]]) -> Lesions:
    ids, patients, exams, images, types, splits, centres, axes, places = (
        zip(*columns, strict=True) if columns else ((),) * 9
    )
    return Lesions(
        tuple(ids),
        np.array(patients, str),
        np.array(exams, str),
        tuple(images),
        np.array(types, str),
        np.array(splits, str),
        np.array(centres, float).reshape(-1, 3),
        np.array([[np.nan if v is None else v for v in pair] for pair in axes], float).reshape(-1, 2),
        np.array(places, float).reshape(-1, 3),
    )
