"""T and N stage by the rules of the manual on what a mask measures, and how often each class is told so in training."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.models.registry import State, add_model
from tumorboard.tasks.classification.patients import Patients, Training
from tumorboard.tasks.classification.staging import EDITIONS, stage_of
from tumorboard.tasks.features.blocks import without_withheld

__all__ = ["GeometryRules"]

Floats = NDArray[np.float64]
_PREFIX = "mask_"
_NEEDED = ("mask_primary_diameter_mm", "mask_node_count", "mask_node_diameter_mm")
_OPTIONAL = ("mask_node_opposite", "mask_nodes_on_both_sides")
MISREAD = 0.02
"""Share of patients about whom the rules may say anything: a mask or a stage is wrong now and then (our choice)."""
_POSITIVE = ("positive", "pos", "yes", "true", "1", "+")


@dataclass(frozen=True)
class GeometryRules:
    """`said`: what the rules can say of the endpoint (the last is nothing); `likely` (k, len(said)): how often each
    class is told so. A rule cannot see invasion: that many a T4 is told T3 is learnt, not assumed."""

    endpoint: str
    edition: int
    said: tuple[str, ...]
    likely: Floats

    def probabilities(self, patients: Patients) -> Floats:
        place = {stage: n for n, stage in enumerate(self.said)}
        told = [place.get(stage, len(self.said) - 1) for stage in _told(patients.rows, self.endpoint, self.edition)]
        weights = self.likely[:, told].T
        shares: Floats = weights / weights.sum(axis=1, keepdims=True)
        return shares

    def state(self) -> State:
        settings = {"endpoint": self.endpoint, "edition": self.edition, "said": list(self.said)}
        return settings, {"likely": self.likely}


def _restore(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> GeometryRules:
    return GeometryRules(settings["endpoint"], settings["edition"], tuple(settings["said"]), arrays["likely"])


def _told(rows: Sequence[Mapping[str, Any]], endpoint: str, edition: int) -> list[str]:
    """What the rules say of each patient, nothing where the mask is missing or the rules leave it open."""
    found = []
    for row in rows:
        known = {name: _number(row.get(name)) for name in (*_NEEDED, *_OPTIONAL)}
        if any(known[name] is None for name in _NEEDED):
            found.append("")
            continue
        features = {name.removeprefix(_PREFIX): value for name, value in known.items() if value is not None}
        status = row.get("hpv")
        hpv = None if status is None or not str(status).strip() else str(status).strip().lower() in _POSITIVE
        found.append(stage_of(features, edition=edition, hpv=hpv)[endpoint].value or "")
    return found


def _number(cell: Any) -> float | None:
    return None if cell is None or math.isnan(float(cell)) else float(cell)


def _endpoint(classes: Sequence[str]) -> str:
    """``T stage`` or ``N stage`` when that is what the classes are."""
    for letter, digits in (("T", "[0-4]"), ("N", "[0-3]")):
        if all(re.fullmatch(f"{letter}{digits}[a-d]?", name.strip(), re.IGNORECASE) for name in classes):
            return f"{letter} stage"
    return ""


def _fit(training: Training) -> GeometryRules:
    """The edition under which the rules tell the classes of the training patients apart best."""
    endpoint, k = _endpoint(training.classes), len(training.classes)
    rows = without_withheld(training.patients.rows, training.variables)
    best: tuple[float, GeometryRules] | None = None
    for edition in EDITIONS:
        told = _told(rows, endpoint, edition)
        said = (*sorted(set(told) - {""}), "")
        counts = np.zeros((k, len(said)))
        for y, stage in zip(training.y, told, strict=True):
            counts[y, said.index(stage)] += 1
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        likely = (1 - MISREAD) * shares + MISREAD / len(said)
        apart = float((likely * np.log(likely / likely.mean(axis=0))).sum() / k)  # mutual information, classes alike
        if best is None or apart > best[0] + 1e-12:
            best = apart, GeometryRules(endpoint, edition, said, likely)
    assert best is not None
    return best[1]


def _lacks(training: Training) -> str:
    if not _endpoint(training.classes):
        return "T or N stages to tell"
    names = {variable.name for variable in training.variables}
    return "" if names >= set(_NEEDED) else "the geometry of masks (tumorboard.tasks.features)"


add_model(
    "geometry-rules",
    "T and N stage by size, number and side of what a mask shows, after the manual; classes weighed by training",
    _fit,
    lacks=_lacks,
    restore=_restore,
)
