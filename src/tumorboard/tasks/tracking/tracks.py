"""Sequences of a cohort's lesions: one patient after the other, from marks to tracks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.tracking import codes
from tumorboard.tasks.tracking.alignment import Aligned, align, sources_of
from tumorboard.tasks.tracking.assignment import assigned_sequences
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.edges import Edges, embedding_edges, place_edges
from tumorboard.tasks.tracking.embedding import read_embedding
from tumorboard.tasks.tracking.graph import graph_sequences
from tumorboard.tasks.tracking.marks import Mark, marks_of
from tumorboard.tasks.tracking.parts import join_parts

__all__ = ["PatientGraph", "PatientTracks", "graphs_of", "join", "track_rows", "tracks_of"]


@dataclass(frozen=True, eq=False)
class PatientGraph:
    """One patient's marks, their aligned places and the edges between them: what is joined, by whatever rule."""

    patient_id: str
    marks: tuple[Mark, ...]
    aligned: Aligned
    edges: Edges


@dataclass(frozen=True, eq=False)
class PatientTracks:
    """Sequence (n,) of each mark of a patient, and which lesions were joined as parts (split, merged)."""

    graph: PatientGraph
    sequences: NDArray[np.intp]
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def tracks(self) -> list[list[Mark]]:
        """Marks of each sequence, in the order of exams; sequences in the order of their first mark."""
        listed = dict.fromkeys(self.sequences.tolist())
        return [
            [mark for mark, label in zip(self.graph.marks, self.sequences, strict=True) if label == one]
            for one in listed
        ]


def graphs_of(
    cohort: Cohort,
    *,
    config: TrackingConfig,
    patients: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterable[PatientGraph]:
    """The lesion graph of every patient (or of those named). TRK101 when no lesion is marked."""
    marks = marks_of(cohort, run_id=config.marks)
    wanted = [patient for patient in marks if patients is None or patient in set(patients)]
    if not wanted:
        found = f"no marked lesion of the run {config.marks!r}" + ("" if patients is None else f" in {list(patients)}")
        raise TumorboardError(codes.NO_LESIONS, cohort.name, found=found, expected="RECIST pairs, lesion masks, boxes")
    sources = sources_of(cohort, config)
    vectors = read_embedding(config.embedding) if config.embedding else None
    for done, patient in enumerate(wanted, start=1):
        mine = marks[patient]
        aligned = align(cohort, mine, sources, config=config)
        yield PatientGraph(patient, tuple(mine), aligned, _edges(mine, aligned, vectors, config))
        if progress is not None:
            progress(done, len(wanted))


def _edges(marks: Sequence[Mark], aligned: Aligned, vectors: Any, config: TrackingConfig) -> Edges:
    if vectors is not None:
        return embedding_edges(marks, vectors.of([mark.finding_id for mark in marks]))
    edges = place_edges(marks, aligned.places_mm, size_mm=config.size_mm)
    if aligned.island_of is not None:  # exams that overlap with none of the others
        island = np.array([aligned.island_of.get(mark.exam_id, -1) for mark in marks])
        weights = np.where(island[:, None] != island[None], np.inf, edges.weights)
        edges = Edges(weights, edges.differs, edges.exams, edges.series)
    return edges


def join(graph: PatientGraph, *, config: TrackingConfig, threshold: float | None = None) -> PatientTracks:
    """Sequences of one patient by `config.method`; `threshold` instead of the configured one."""
    limit = config.threshold(registered=graph.aligned.registered) if threshold is None else threshold
    if config.method == "graph":
        return PatientTracks(graph, graph_sequences(graph.edges, threshold=limit))
    differs = np.inf if config.embedding else config.type_mm
    edges = graph.edges if not config.embedding else _no_types(graph.edges)
    sequences = assigned_sequences(edges, threshold=limit, differs=0.0 if config.embedding else differs)
    if not config.parts or not graph.aligned.registered:
        return PatientTracks(graph, sequences)
    return PatientTracks(graph, *join_parts(graph.marks, graph.aligned.places_mm, sequences))


def _no_types(edges: Edges) -> Edges:
    """Edges of an embedding, which has seen the type itself."""
    return Edges(edges.weights, np.zeros_like(edges.differs), edges.exams, edges.series)


def tracks_of(
    cohort: Cohort,
    *,
    config: TrackingConfig | None = None,
    patients: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PatientTracks]:
    """Sequences of every patient with marked lesions. TRK101, TRK104, BDP105."""
    chosen = config or TrackingConfig()
    return [
        join(graph, config=chosen) for graph in graphs_of(cohort, config=chosen, patients=patients, progress=progress)
    ]


def track_rows(tracked: Sequence[PatientTracks]) -> list[dict[str, Any]]:
    """The `tracks` of `tumorboard track --json`: track, patient, findings; lesions seen once are tracks too."""
    return [
        {
            "track": f"{one.graph.patient_id}.{number}",
            "patient": one.graph.patient_id,
            "findings": [mark.finding_id for mark in marks],
        }
        for one in tracked
        for number, marks in enumerate(one.tracks, start=1)
    ]
