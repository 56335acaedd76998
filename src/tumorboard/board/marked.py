"""Marked lesions of a cohort as columns, and counts of them: sizes, types, places. Nothing is drawn here."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import LESION_TYPES, LONG_AXIS_MM, RECIST_PAIR, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT

__all__ = ["Histogram", "MarkedLesions", "marked_lesions", "middle_places", "size_histogram", "type_counts"]


@dataclass(frozen=True, eq=False)
class MarkedLesions:
    """n RECIST pairs in table order."""

    finding_id: tuple[str, ...]
    patient_id: tuple[str, ...]
    exam_id: tuple[str, ...]
    label: tuple[str, ...]
    long_mm: NDArray[np.float64]
    short_mm: NDArray[np.float64]
    """(n,) each; NaN where not measured."""
    location: NDArray[np.float64]
    """(n, 3) relative place, 0 to 1: x from the patient's right, y from the front, z from the head; NaN: not known."""
    split: tuple[str, ...]
    noisy: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.finding_id)

    @property
    def typed(self) -> NDArray[np.bool_]:
        """(n,) whether the type is one of the eight: an unknown type is no class."""
        return np.array([label in LESION_TYPES for label in self.label], bool)


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts (b,) between `edges` (b + 1,); what lies at or above the last edge is in the last bin, `over` says how
    many; `missing` values are in none."""

    counts: NDArray[np.int64]
    edges: NDArray[np.float64]
    over: int
    missing: int


def marked_lesions(cohort: Cohort, *, run_id: str = EXPERT) -> MarkedLesions:
    """The RECIST pairs of a run (whole tables of 32,000 lesions: about a second)."""
    table = cohort.findings
    mine = pc.and_(pc.equal(table["kind"], RECIST_PAIR), pc.equal(table["run_id"], run_id))
    rows = table.filter(pc.fill_null(mine, False)).select(
        ["finding_id", "image_id", "label", "measurements", "attributes"]
    )
    exam_of = _column_map(cohort, "images", "image_id", "exam_id")
    patient_of = _column_map(cohort, "exams", "exam_id", "patient_id")
    found = rows.to_pylist()
    told = [json.loads(row["attributes"] or "{}") for row in found]
    sizes = [dict(row["measurements"] or ()) for row in found]
    exams = tuple(exam_of[row["image_id"]] for row in found)
    nowhere = [np.nan] * 3
    return MarkedLesions(
        tuple(row["finding_id"] for row in found),
        tuple(patient_of[exam] for exam in exams),
        exams,
        tuple(row["label"] or "" for row in found),
        np.array([size.get(LONG_AXIS_MM, np.nan) for size in sizes], float),
        np.array([size.get(SHORT_AXIS_MM, np.nan) for size in sizes], float),
        np.array([one.get("relative_location") or nowhere for one in told], float).reshape(-1, 3),
        tuple(str(one.get("split", "")) for one in told),
        np.array([one.get("noisy") is True for one in told], bool),
    )


def size_histogram(lengths_mm: NDArray[np.float64], *, bin_mm: float, top_mm: float) -> Histogram:
    """Lengths in bins of `bin_mm` from 0 to `top_mm`; longer ones are counted in the last bin.

    A bin holds its lower edge and not its upper one.
    """
    edges = np.arange(0.0, top_mm + bin_mm / 2, bin_mm)
    known = lengths_mm[np.isfinite(lengths_mm)]
    place = np.minimum(np.searchsorted(edges, known, side="right") - 1, len(edges) - 2)
    counts = np.bincount(place[place >= 0], minlength=len(edges) - 1)
    return Histogram(counts, edges, int((known >= edges[-1]).sum()), int(len(lengths_mm) - len(known)))


def type_counts(lesions: MarkedLesions) -> dict[str, dict[str, int]]:
    """Split -> type -> lesions; types in the order of their numbers, `unknown` last; empty ones are left out."""
    counts = Counter(
        (split, label if label in LESION_TYPES else "unknown")
        for split, label in zip(lesions.split, lesions.label, strict=True)
    )
    order = (*LESION_TYPES, "unknown")
    return {
        split: {label: counts[split, label] for label in order if counts[split, label]}
        for split in dict.fromkeys(lesions.split)
    }


def middle_places(lesions: MarkedLesions) -> dict[str, tuple[float, float, float]]:
    """Type -> median of the relative x, y and z, over the typed lesions whose place is known."""
    known = np.isfinite(lesions.location).all(axis=1)
    labels = np.array(lesions.label, dtype=object)
    found: dict[str, tuple[float, float, float]] = {}
    for label in LESION_TYPES:
        mine = lesions.location[known & (labels == label)]
        if len(mine):
            x, y, z = np.median(mine, axis=0).tolist()
            found[label] = (x, y, z)
    return found


def _column_map(cohort: Cohort, table: str, key: str, value: str) -> dict[Any, Any]:
    columns = cohort.tables[table]
    return dict(zip(columns[key].to_pylist(), columns[value].to_pylist(), strict=True))
