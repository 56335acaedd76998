"""The rules beside the baselines, on every report of a cohort; scored where an expert's statements are there."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import SceneGraph, Statement
from tumorboard.core.tables import EXPERT
from tumorboard.io.files import atomic_write_text
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.baselines import BASELINES, baseline_graphs
from tumorboard.tasks.scenegraph.config import SceneGraphConfig
from tumorboard.tasks.scenegraph.disagreement import contradictions_of, disagreements
from tumorboard.tasks.scenegraph.labeler import ask
from tumorboard.tasks.scenegraph.ontology import ontology_of
from tumorboard.tasks.scenegraph.reading import Report, graph_rows, missing, previous_exams, read_reports, reports_of
from tumorboard.tasks.scenegraph.rows import run_row
from tumorboard.tasks.scenegraph.scoring import count_row, score_rows
from tumorboard.tasks.scenegraph.statements import statements_of_run

__all__ = ["benchmark"]

RULES, LABELER = "rules", "labeler"
Read = list[tuple[Report, SceneGraph]]


def benchmark(
    cohort: Cohort,
    out: Path,
    *,
    config: SceneGraphConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Read every report by the rules, by the baselines and, where one is set, by the external labeler.

    All statements and changes become rows of one run each; `out/disagreements.csv` lists where the sources differ and
    `out/contradictions.csv` where a report differs from itself. Nothing is fitted, so nothing is cross-validated.
    Without statements of the expert the only figure is the number of statements per report. SCG102 without texts.
    """
    config = config or SceneGraphConfig()
    if missing(cohort):
        raise TumorboardError(codes.NO_TEXTS, cohort.name, found="no texts", expected="texts of exams")
    reports = list(reports_of(cohort, sections=config.sections))
    read, refused = _read(reports, config, progress)
    previous = previous_exams(cohort)
    rows = {
        run: graph_rows(graphs, run_id=run, previous=previous, lexicon=config.lexicon, closure=config.closure)
        for run, graphs in read.items()
    }
    runs = [_run_row(run, graphs, config, refused if run == LABELER else []) for run, graphs in read.items()]
    whole = cohort
    for run in rows:
        whole = whole.without_run(run)
    whole = whole.with_rows(runs=runs, relations=[row for listed in rows.values() for row in listed])
    scores = _scores(whole, list(rows), [report.exam_id for report in reports], config)
    _write_reports(out, whole, read, config)
    return TaskResult(scores, {"runs": runs, "relations": [row for listed in rows.values() for row in listed]})


def _read(
    reports: Sequence[Report], config: SceneGraphConfig, progress: Callable[[int, int], None] | None
) -> tuple[dict[str, Read], list[TumorboardError]]:
    read: dict[str, Read] = {name: baseline_graphs(name, reports, lexicon=config.lexicon) for name in BASELINES}
    read[RULES] = list(read_reports(reports, lexicon=config.lexicon, progress=progress, total=len(reports)))
    refused: list[TumorboardError] = []
    if config.labeler:
        graphs, refused = ask(config.labeler, reports, timeout_s=config.labeler_seconds)
        read[LABELER] = list(zip(reports, graphs, strict=True))
    return read, refused


def _run_row(run: str, graphs: Read, config: SceneGraphConfig, refused: Sequence[TumorboardError]) -> dict[str, Any]:
    kind = run if run in (RULES, LABELER) else "baseline"
    inputs = {"reports": len(graphs), "lexicon": next((graph.lexicon for _, graph in graphs), "")}
    metrics = {"refused": [str(error) for error in refused]} if refused else {}
    return run_row(run, kind=kind, config=config.model_dump(), inputs=inputs, metrics=metrics.items())


def _scores(
    cohort: Cohort, runs: Sequence[str], exams: Sequence[str], config: SceneGraphConfig
) -> list[dict[str, Any]]:
    expert = statements_of_run(cohort, EXPERT)
    patients = dict(zip(cohort.exams["exam_id"].to_pylist(), cohort.exams["patient_id"].to_pylist(), strict=True))
    scores = []
    for run in runs:
        said = statements_of_run(cohort, run)
        rows: list[dict[str, Any]] = []
        if expert.exams:
            rows += score_rows(
                expert,
                said,
                patients=patients,
                ontology=ontology_of(config.lexicon),
                decides=config.report,
                uncertain=config.uncertain,
                seed=config.seed,
                resamples=config.resamples,
            )
        rows.append(count_row(said, exams, seed=config.seed, resamples=config.resamples))
        scores += [{"run": run, "task": "scenegraph", **row} for row in rows]
    return scores


def _write_reports(out: Path, cohort: Cohort, read: Mapping[str, Read], config: SceneGraphConfig) -> None:
    """The two lists for a person to correct by."""
    ontology = ontology_of(config.lexicon)
    expert = statements_of_run(cohort, EXPERT).statements
    sources: dict[str, dict[str, Sequence[Statement]]] = {}
    for run in (RULES, LABELER):
        if run in read:
            sources[run] = {graph.exam_id: graph.statements for _, graph in read[run]}
    if expert:
        sources[EXPERT] = dict(expert)
        sources = {run: {e: s for e, s in graphs.items() if e in expert} for run, graphs in sources.items()}
    names = list(sources)
    differing = [
        [d.exam_id, d.location, d.attribute, *(d.answers[n] for n in names), *(d.sentences.get(n, "") for n in names)]
        for d in disagreements(sources, ontology, decides=config.report)
    ]
    head = ["exam", "location", "attribute", *names, *(f"sentence ({name})" for name in names)]
    atomic_write_text(out / "disagreements.csv", _csv([head, *differing]))
    against_itself = [
        [
            *(exam_id, c.location, c.attribute, c.kind, str(c.overruled.polarity), str(c.decides.polarity)),
            *(c.overruled.sentence, c.decides.sentence),
        ]
        for graph in (graph for _, graph in read[RULES])
        for exam_id in [graph.exam_id]
        for c in contradictions_of(exam_id, graph.statements, ontology)
    ]
    head = ["exam", "location", "attribute", "sections", "overruled", "decides", "overruled sentence", "sentence"]
    atomic_write_text(out / "contradictions.csv", _csv([head, *against_itself]))


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    from tumorboard.datasets.spreadsheet import safe_cell

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()
