"""The lesions of other patients that are most like one. No network is loaded: vectors lie in a run's folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.ops.search import Metric, VectorIndex, checked
from tumorboard.tasks.retrieval import codes
from tumorboard.tasks.retrieval.store import read_embeddings, run_folder

__all__ = ["LOCATION_SIZE", "Filters", "Hit", "find"]

LOCATION_SIZE = "location-size"
"""Search by relative place and size, from the table alone."""


@dataclass(frozen=True)
class Filters:
    """Which lesions may be hits: of one label (the type), one split, of the query's own patient too, at most one per
    patient."""

    label: str = ""
    split: str = ""
    own_patient: bool = False
    one_per_patient: bool = False


@dataclass(frozen=True)
class Hit:
    """One similar lesion: `distance` is 1 - cosine of the vectors (by location and size: Euclidean, scaled)."""

    finding: str
    patient: str
    distance: float
    label: str


def find(
    cohort: Cohort, lesion: str, *, k: int = 9, run: str = "", filters: Filters | None = None
) -> tuple[str, list[Hit]]:
    """The run that was searched and the `k` lesions most like the finding `lesion`, nearest first, ties in the order of
    the run.

    `run`: a run of the cohort or a folder with `embeddings.npy`; ``location-size``; empty: the newest retrieval run of
    the cohort. The query itself is never a hit. Errors: RET103 no such run, RET104, RET105 no such lesion, OPS122.
    """
    filters = filters or Filters()
    name = run or newest_run(cohort)
    ids, vectors, metric = _vectors(cohort, name)
    table = _columns(cohort, ids)
    places = np.flatnonzero(table.ids == lesion)
    if len(places) != 1:
        found = f"{lesion!r}, which is not among {len(ids)} lesions of {name}"
        raise TumorboardError(codes.LESION_UNKNOWN, cohort.name, found=found, expected="a finding with a vector")
    query = int(places[0])
    keep = np.arange(len(ids)) != query
    if filters.label:
        keep &= table.labels == filters.label
    if filters.split:
        keep &= _splits(cohort, table) == filters.split
    index = VectorIndex(vectors, metric=metric, owners=table.patients)
    found = index.search(
        index.vectors[query : query + 1],
        k,
        owners=None if filters.own_patient else table.patients[query : query + 1],
        keep=keep,
        distinct=filters.one_per_patient,
    )
    return name, [
        Hit(str(table.ids[row]), str(table.patients[row]), float(distance), str(table.labels[row]))
        for row, distance in zip(found.rows[0].tolist(), found.distances[0].tolist(), strict=True)
        if row >= 0
    ]


def newest_run(cohort: Cohort) -> str:
    """The last retrieval run of the cohort whose folder holds vectors. RET103 when there is none."""
    for name in reversed(cohort.runs.filter(pc.equal(cohort.runs["task"], "retrieval"))["run_id"].to_pylist()):
        try:
            run_folder(cohort.root, name)
        except TumorboardError:
            continue
        return str(name)
    raise TumorboardError(codes.RUN_UNKNOWN, cohort.name, found="no run with vectors", expected="a retrieval run")


@dataclass(frozen=True)
class _Table:
    ids: NDArray[np.str_]
    patients: NDArray[np.str_]
    labels: NDArray[np.str_]
    rows: pa.Table


def _vectors(cohort: Cohort, run: str) -> tuple[list[str], NDArray[Any], Metric]:
    if run == LOCATION_SIZE:
        from tumorboard.tasks.retrieval.features import Scaler, location_and_size
        from tumorboard.tasks.retrieval.lesions import find_lesions

        lesions = find_lesions(cohort)
        values = location_and_size(lesions)
        return list(lesions.ids), Scaler.fit(values).apply(values), "euclid"
    found = read_embeddings(run_folder(cohort.root, run))
    return list(found.ids), checked(found.vectors, "cosine", run), "cosine"


def _columns(cohort: Cohort, ids: list[str]) -> _Table:
    """Patient and label of each lesion. RET104 for an id that the cohort does not have."""
    findings = cohort.findings.select(["finding_id", "image_id", "label", "attributes"])
    place = pc.index_in(pa.array(ids, pa.string()), value_set=findings["finding_id"].combine_chunks())
    if place.null_count:
        strange = ids[place.is_null().to_pylist().index(True)]
        found = f"{place.null_count} ids that are no findings, such as {strange!r}"
        raise TumorboardError(codes.EMBEDDINGS_UNFIT, cohort.name, found=found, expected="findings of the cohort")
    rows = findings.take(place)
    exam = _looked_up(rows["image_id"], cohort.images, "image_id", "exam_id")
    patient = _looked_up(exam, cohort.exams, "exam_id", "patient_id")
    labels = pc.fill_null(rows["label"], "")
    return _Table(np.array(ids, str), _strings(patient), _strings(labels), rows)


def _looked_up(values: Any, table: pa.Table, key: str, column: str) -> Any:
    place = pc.index_in(values, value_set=table[key].combine_chunks())
    return table[column].take(place)


def _splits(cohort: Cohort, table: _Table) -> NDArray[np.str_]:
    """Split of each lesion, stated by the finding or by its patient."""
    found = [json.loads(text).get("split", "") if text else "" for text in table.rows["attributes"].to_pylist()]
    if any(found) or "split" not in cohort.patients.column_names:
        return np.array(found, str)
    of = dict(zip(cohort.patients["patient_id"].to_pylist(), cohort.patients["split"].to_pylist(), strict=True))
    return np.array([of.get(patient) or "" for patient in table.patients.tolist()], str)


def _strings(column: Any) -> NDArray[np.str_]:
    return np.array(column.to_pylist(), str)
