"""Score the statements of a run against those of another (the expert's)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.config import SceneGraphConfig
from tumorboard.tasks.scenegraph.disagreement import disagreements
from tumorboard.tasks.scenegraph.ontology import ontology_of
from tumorboard.tasks.scenegraph.scoring import score_rows
from tumorboard.tasks.scenegraph.statements import RunStatements, statements_of_run, terms_of

__all__ = ["Evaluation", "evaluate"]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    options: SceneGraphConfig | None = None,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare the statements and changes of two runs of the cohort, over the exams of which `reference` speaks.

    `map` is not used: counting takes no time worth sharing. SCG111 when either run has no statement.
    """
    config = options or SceneGraphConfig()
    true, said = (_run(cohort, str(run)) for run in (reference, prediction))
    patients = dict(zip(cohort.exams["exam_id"].to_pylist(), cohort.exams["patient_id"].to_pylist(), strict=True))
    ontology = ontology_of(config.lexicon)
    scores = score_rows(
        true,
        said,
        patients=patients,
        ontology=ontology,
        decides=config.report,
        uncertain=config.uncertain,
        seed=seed,
        resamples=config.resamples,
    )
    for row in scores:
        row |= {"run": str(prediction), "task": "scenegraph"}
    if progress is not None:
        progress(len(true.exams), len(true.exams))
    exams = sorted(true.exams)
    sources = {run.run_id: {exam: run.statements.get(exam, []) for exam in exams} for run in (true, said)}
    cases = [
        {"exam": d.exam_id, "location": d.location, "attribute": d.attribute, **d.answers}
        for d in disagreements(sources, ontology, decides=config.report)
    ]
    rules = {
        "name": "statements",
        "reference": reference,
        "report": config.report,
        **asdict(terms_of(true, uncertain=config.uncertain)),
        "seed": seed,
    }
    return Evaluation(
        scores,
        rules=rules,
        cases=cases,
        missing=tuple(exam for exam in exams if exam not in said.exams),
        unused=tuple(sorted(said.exams - true.exams)),
    )


def _run(cohort: Cohort, run_id: str) -> RunStatements:
    found = statements_of_run(cohort, run_id)
    if not found.exams:
        runs = [name for name in cohort.runs["run_id"].to_pylist() if name != run_id]
        raise TumorboardError(
            codes.RUN_WITHOUT_STATEMENTS, f"{cohort.name}, run {run_id}", found="none", expected=f"some ({runs} exist)"
        )
    return found
