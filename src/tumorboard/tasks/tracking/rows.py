"""Tracks as rows of a run: relations 'same lesion' between findings, earlier exam first; and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import SAME_LESION
from tumorboard.tasks import result
from tumorboard.tasks.tracking.marks import Mark
from tumorboard.tasks.tracking.tracks import PatientTracks

__all__ = ["relation_rows", "run_row", "sequences_of_run"]


def relation_rows(tracked: Sequence[PatientTracks], *, run_id: str) -> list[dict[str, Any]]:
    """One relation per lesion and the one before it in its track (exam order, then finding_id), so that a track is a
    connected component. `confidence` is exp(-weight / 20) of the edge, null where the edge has no weight; attributes:
    weight, alignment, `same_exam` for marks of two series, `event` for parts."""
    rows = []
    for one in tracked:
        place = {mark.finding_id: i for i, mark in enumerate(one.graph.marks)}
        for marks in one.tracks:
            for before, after in pairwise(marks):
                weight = float(one.graph.edges.weights[place[before.finding_id], place[after.finding_id]])
                rows.append(_relation(one, before, after, weight, run_id))
    return rows


def _relation(one: PatientTracks, before: Mark, after: Mark, weight: float, run_id: str) -> dict[str, Any]:
    known = bool(np.isfinite(weight))
    facts: dict[str, Any] = {"weight": round(weight, 3) if known else None, "alignment": one.graph.aligned.method}
    if before.exam_id == after.exam_id:
        facts["same_exam"] = True
    event = one.parts.get(after.finding_id) or one.parts.get(before.finding_id)
    if event:
        facts["event"] = event
    return {
        "relation_id": f"{run_id}.{before.finding_id}={after.finding_id}",
        "subject": before.finding_id,
        "predicate": SAME_LESION,
        "object": after.finding_id,
        "run_id": run_id,
        "confidence": round(float(np.exp(-weight / 20.0)), 4) if known else None,
        "attributes": json.dumps(facts, sort_keys=True),
    }


run_row = partial(result.run_row, task="tracking")
"""A row of `runs`, see `tasks.result.run_row`."""


def sequences_of_run(cohort: Cohort, run_id: str, finding_ids: Sequence[str]) -> NDArray[np.intp]:
    """Sequence (n,) of each finding by the relations of a run: connected components, and lesions of their own."""
    place = {name: i for i, name in enumerate(finding_ids)}
    parent = list(range(len(finding_ids)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for row in cohort.rows("relations", predicate=SAME_LESION, run_id=run_id):
        if row["subject"] in place and row["object"] in place:
            one, two = sorted((root(place[row["subject"]]), root(place[row["object"]])))
            parent[two] = one
    return np.array([root(i) for i in range(len(finding_ids))], np.intp)
