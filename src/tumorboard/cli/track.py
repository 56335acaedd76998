"""`tumorboard track COHORT [--patient P] [--json]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    cohort: Path = typer.Argument(help="The cohort's folder."),
    patient: list[str] = typer.Option([], "--patient", help="Only this patient; repeatable."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="A setting of tracking; repeatable."),
    save: str = typer.Option("", "--save", help="Name of a run of the cohort to keep the joined lesions in."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Find the same lesion at each exam, and say how the lesions answer (RECIST 1.1).

    Exams are aligned by pixels where there are any (seconds per exam), else by what the cohort states of places.
    """
    from tumorboard.cli.progress import counted_progress
    from tumorboard.cli.settings import task_config
    from tumorboard.core.registry import tasks
    from tumorboard.core.tables import EXPERT
    from tumorboard.io.store import open_cohort
    from tumorboard.tasks.response.assess import respond
    from tumorboard.tasks.tracking.tracks import track_rows, tracks_of

    if save == EXPERT:
        raise typer.BadParameter(
            "the expert's relations are not overwritten: name a run of your own", param_hint="--save"
        )
    config = task_config(tasks()["tracking"], settings)
    opened = open_cohort(cohort)
    with counted_progress("Following lesions") as progress:
        tracked = tracks_of(opened, config=config, patients=patient or None, progress=progress)
    tracks = track_rows(tracked)
    response = respond(opened, tracks)
    if save:
        _keep(cohort, save, tracked, config)
    notes = [f"{one.graph.patient_id}: {note}" for one in tracked for note in one.graph.aligned.notes]
    if as_json:
        print_json({"tracks": tracks, "response": response, "notes": notes})
        return
    for note in notes:
        say(note)
    _tell(tracked, response)


def _keep(cohort: Path, run_id: str, tracked: Sequence[Any], config: Any) -> None:
    """The joins as rows of a run of the cohort; a run of that name is replaced."""
    from tumorboard.io.store import update_cohort
    from tumorboard.tasks.tracking.rows import relation_rows, run_row

    rows = relation_rows(tracked, run_id=run_id)
    inputs = {"patients": len(tracked), "marks": config.marks}
    run = run_row(run_id, kind="model", config=config.model_dump(mode="json"), inputs=inputs, metrics={})
    update_cohort(cohort, lambda newest: newest.without_run(run_id).with_rows(runs=[run], relations=rows))
    say(f"Run {run_id}: {len(rows)} relations. Next: tumorboard evaluate tracking {cohort} --prediction {run_id}")


def _tell(tracked: Sequence[Any], response: Sequence[dict[str, Any]]) -> None:
    """One line per lesion with its long axis at each exam; then the response of each exam."""
    answers = {row["patient"]: row for row in response}
    for one in tracked:
        patient = one.graph.patient_id
        typer.echo(f"{patient} (aligned by {one.graph.aligned.method})")
        for number, marks in enumerate(one.tracks, start=1):
            course = ", ".join(f"{mark.exam_id}: {mark.axes_mm[0]:.1f} mm" for mark in marks)
            typer.echo(f"  {patient}.{number:<4} {marks[0].type or 'lesion':<12} {course}")
        answer = answers.get(patient)
        if answer is not None:
            words = [f"{exam['exam']}: {exam['response']}" for exam in answer["exams"] if exam.get("response")]
            typer.echo(f"  response: {', '.join(words) or answer.get('problem') or 'one exam alone'}")
