"""The assignment beside the lesion graph and beside exams that are not aligned, thresholds from the other patients.

Nothing is trained but the threshold: for the patients of a fold it is the one with the best pooled pair F1 on the
patients of the other folds, for each method its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.metrics.tracking import PairCounts
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation.folds import split_patients
from tumorboard.tasks.tracking import codes
from tumorboard.tasks.tracking.config import TrackingConfig
from tumorboard.tasks.tracking.edges import place_edges
from tumorboard.tasks.tracking.evaluate import followed_marks
from tumorboard.tasks.tracking.pictures import draw_pictures
from tumorboard.tasks.tracking.rows import relation_rows, run_row, sequences_of_run
from tumorboard.tasks.tracking.scoring import ALL, JUDGED, Labelled, difference_row, score_rows
from tumorboard.tasks.tracking.tracks import PatientGraph, PatientTracks, graphs_of, join

__all__ = ["ASSIGNMENT", "GRAPH", "UNALIGNED", "benchmark", "compare"]

ASSIGNMENT, GRAPH, UNALIGNED = "assignment", "lesion graph", "assignment, nothing aligned"
THRESHOLDS_MM = (5.0, 7.5, 10.0, 12.5, 15.0, 17.5, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 60.0, 80.0, 100.0)
_EMBEDDING_STEPS = np.linspace(0.1, 2.0, 20)


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: TrackingConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Track every patient whose lesions an expert has joined, score the joins, draw some patients below `out`.

    TRK101 when no expert joined lesions. Registrations that were refused are told in the notes.
    """
    config = config or TrackingConfig()
    marks = followed_marks(cohort, marks=config.marks, reference=EXPERT)
    if not marks:
        raise TumorboardError(codes.NO_LESIONS, cohort.name, found="no joined lesions", expected="relations of expert")
    kept = {patient: {mark.finding_id for mark in listed} for patient, listed in marks.items()}
    graphs = [
        _only(graph, kept[graph.patient_id])
        for graph in graphs_of(cohort, config=config, patients=list(marks), progress=progress)
    ]
    tracked, chosen = compare(cohort, graphs, config)
    scores: list[dict[str, Any]] = []
    labelled = {run: _labelled(cohort, one) for run, one in tracked.items()}
    for run, patients in labelled.items():
        scores += score_rows(patients, run=run, seed=config.seed, resamples=config.resamples)
    for other in (GRAPH, UNALIGNED):
        for subset in (ALL, JUDGED):
            row = difference_row(
                labelled[ASSIGNMENT],
                labelled[other],
                run=ASSIGNMENT,
                other=other,
                subset=subset,
                seed=config.seed,
                resamples=config.resamples,
            )
            scores.append(row)
    rows = {
        "runs": [_run(run, config, chosen[run], graphs) for run in tracked],
        "relations": [row for run, one in tracked.items() for row in relation_rows(one, run_id=run)],
    }
    shown = sorted(tracked[ASSIGNMENT], key=lambda one: (-len(one.graph.marks), one.graph.patient_id))
    pictures = draw_pictures(cohort, shown[: config.pictures], out / "pictures")
    return TaskResult(scores, rows, notes=_notes(graphs, chosen), pictures=tuple(pictures))


def compare(
    cohort: Cohort, graphs: Sequence[PatientGraph], config: TrackingConfig
) -> tuple[dict[str, list[PatientTracks]], dict[str, list[float]]]:
    """Tracks of each run on every patient, with the threshold that was best on the patients of the other folds, and the
    thresholds of the folds."""
    folds = split_patients({graph.patient_id: None for graph in graphs}, config.folds, seed=config.seed)
    unaligned = [_unaligned(graph, config) for graph in graphs]
    ways: dict[str, tuple[Sequence[PatientGraph], TrackingConfig]] = {
        ASSIGNMENT: (graphs, config.model_copy(update={"method": "assignment"})),
        GRAPH: (graphs, config.model_copy(update={"method": "graph"})),
        UNALIGNED: (unaligned, config.model_copy(update={"method": "assignment", "embedding": ""})),
    }
    truth = {g.patient_id: sequences_of_run(cohort, EXPERT, [m.finding_id for m in g.marks]) for g in graphs}
    tracked: dict[str, list[PatientTracks]] = {}
    chosen: dict[str, list[float]] = {}
    for run, (mine, how) in ways.items():
        steps = _EMBEDDING_STEPS.tolist() if how.embedding else list(THRESHOLDS_MM)
        every = [[join(graph, config=how, threshold=step) for graph in mine] for step in steps]
        best = [_best(every, truth, {p for p in truth if p not in fold}) for fold in folds]
        of = {patient: best[i] for i, fold in enumerate(folds) for patient in fold}
        tracked[run] = [every[of[graph.patient_id]][i] for i, graph in enumerate(mine)]
        chosen[run] = [steps[i] for i in best]
    return tracked, chosen


def _best(every: Sequence[Sequence[PatientTracks]], truth: Mapping[str, NDArray[np.intp]], training: set[str]) -> int:
    """Place of the threshold with the best pooled F1 of judged pairs on the training patients; of equals the least."""
    f1 = []
    for tracked in every:
        counts = [
            Labelled(p, truth[p], one.sequences, one.graph.edges.exams).counts(JUDGED)
            for one in tracked
            for p in [one.graph.patient_id]
            if p in training
        ]
        f1.append(sum(counts, PairCounts(0, 0, 0)).f1 or 0.0)
    return int(np.argmax(f1))


def _unaligned(graph: PatientGraph, config: TrackingConfig) -> PatientGraph:
    """The same marks where they lie in their own images."""
    places = np.array([mark.centre_mm for mark in graph.marks]).reshape(-1, 3)
    edges = place_edges(graph.marks, places, size_mm=config.size_mm)
    return replace(graph, edges=edges, aligned=replace(graph.aligned, places_mm=places))


def _only(graph: PatientGraph, kept: set[str]) -> PatientGraph:
    """The graph of some of its lesions."""
    index = [i for i, mark in enumerate(graph.marks) if mark.finding_id in kept]
    aligned = replace(graph.aligned, places_mm=graph.aligned.places_mm[index])
    return PatientGraph(graph.patient_id, tuple(graph.marks[i] for i in index), aligned, graph.edges.part(index))


def _labelled(cohort: Cohort, tracked: Sequence[PatientTracks]) -> list[Labelled]:
    return [
        Labelled(
            one.graph.patient_id,
            sequences_of_run(cohort, EXPERT, [mark.finding_id for mark in one.graph.marks]),
            one.sequences,
            one.graph.edges.exams,
        )
        for one in tracked
    ]


def _run(
    run: str, config: TrackingConfig, thresholds: Sequence[float], graphs: Sequence[PatientGraph]
) -> dict[str, Any]:
    inputs = {"patients": len(graphs), "lesions": sum(len(graph.marks) for graph in graphs)}
    kind = "model" if run == ASSIGNMENT else "baseline"
    return run_row(
        run, kind=kind, config=config.model_dump(mode="json"), inputs=inputs, metrics={"thresholds": thresholds}
    )


def _notes(graphs: Sequence[PatientGraph], chosen: Mapping[str, Sequence[float]]) -> tuple[str, ...]:
    methods = sorted({graph.aligned.method for graph in graphs})
    notes = [f"Exams were aligned by: {', '.join(methods)}."]
    notes += [
        f"{run}: thresholds of the folds {', '.join(f'{t:g}' for t in values)}." for run, values in chosen.items()
    ]
    notes += [f"{graph.patient_id}: {note}" for graph in graphs for note in graph.aligned.notes]
    return tuple(notes)
