"""Scores of parts of a cohort: Dice per centre, and which lesions are found by their size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tumorboard.metrics.intervals import bootstrap_mean, bootstrap_ratio
from tumorboard.metrics.labelmaps import LabelPair
from tumorboard.metrics.lesions import LesionRules, find_lesions, found_lesions

__all__ = ["DRAWN", "FOUND", "by_centre", "by_size", "lesion_rows", "mean_or_none", "patient_dice"]

Row = dict[str, Any]
DRAWN, FOUND = "lesions_drawn", "lesions_found"
_COMPARED = "dice"
_SMALLEST_CENTRE = 2
_SIZES_ML = (0.0, 1.0, 5.0, 20.0, np.inf)


def _size_name(low: float, high: float) -> str:
    if not low:
        return f"lesions under {high:g} ml"
    return f"lesions from {low:g} ml" if np.isinf(high) else f"lesions of {low:g} to {high:g} ml"


def lesion_rows(pair: LabelPair, labels: Mapping[int, str], rules: LesionRules) -> list[Row]:
    """Of one exam: how many lesions of each size were drawn, and how many of them a predicted one answers by `rules`
    (`metrics.lesions`). Only sizes that occur."""
    rows: list[Row] = []
    lesions = find_lesions(pair, list(labels), connectivity=rules.connectivity)
    for value, label in labels.items():
        sizes_ml = lesions[value].reference_voxels * pair.voxel_ml
        found = found_lesions(lesions[value], rules)
        for low, high in pairwise(_SIZES_ML):
            mine = (sizes_ml >= low) & (sizes_ml < high)
            if mine.any():
                size = _size_name(low, high)
                here = {"label": label, "subset": size, "unit": "lesions", "definition": rules.describe()}
                rows.append({"metric": DRAWN, "value": float(mine.sum()), **here})
                rows.append({"metric": FOUND, "value": float(found[mine].sum()), **here})
    return rows


def by_size(cases: Sequence[Mapping[str, Any]], *, seed: int) -> list[Row]:
    """Share of drawn lesions that are found (``lesion_recall``), per structure and size, pooled over patients, with a
    bootstrap interval by patient; n counts lesions."""
    counts: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for row in cases:
        if row["metric"] in (DRAWN, FOUND):
            counts[row["label"], row["subset"]][row["patient_id"]][row["metric"] == FOUND] += row["value"]
    order = [_size_name(a, b) for a, b in pairwise(_SIZES_ML)]
    labels = list(dict.fromkeys(label for label, _ in counts))
    rows = []
    for label, subset in sorted(counts, key=lambda key: (labels.index(key[0]), order.index(key[1]))):
        drawn, found = np.array(list(counts[label, subset].values())).T
        interval = bootstrap_ratio(found, drawn, seed=seed)
        rows.append(
            {"metric": "lesion_recall", "label": label, "subset": subset, **interval._asdict(), "n": int(drawn.sum())}
        )
    return rows


def by_centre(cases: Sequence[Mapping[str, Any]], centre_of: Mapping[str, str | None], *, seed: int) -> list[Row]:
    """Dice of each centre with at least two patients, where there is more than one centre."""
    rows = []
    centres = sorted({centre for centre in centre_of.values() if centre})
    for label, values in patient_dice(cases).items() if len(centres) > 1 else ():
        for centre in centres:
            mine = [value for patient, value in values.items() if centre_of.get(patient) == centre]
            defined = [value for value in mine if value is not None]
            if len(defined) >= _SMALLEST_CENTRE:
                interval = bootstrap_mean(defined, seed=seed)
                here = {"metric": _COMPARED, "label": label, "subset": f"centre {centre}"}
                rows.append({**here, **interval._asdict(), "n": len(defined)})
    return rows


def patient_dice(cases: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Label -> patient -> mean Dice over the patient's exams (None when undefined in all)."""
    collected: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in cases:
        if row["metric"] == _COMPARED:
            collected[row["label"]][row["patient_id"]].append(row["value"])
    return {
        label: {patient: mean_or_none(values) for patient, values in patients.items()}
        for label, patients in collected.items()
    }


def mean_or_none(values: Sequence[float | None]) -> float | None:
    """Mean of the defined values; None where there is none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
