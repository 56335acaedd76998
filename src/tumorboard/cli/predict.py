"""`tumorboard predict RUN COHORT`."""

from __future__ import annotations

import inspect
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from tumorboard.cli.output import print_json, say
from tumorboard.cli.workers import SCHEDULER, case_pool

__all__ = ["command"]


def command(
    run: Path = typer.Argument(help="Folder that `tumorboard train` wrote."),
    cohort: Path = typer.Argument(help="The cohort's folder; the predictions become a run of it."),
    task: str = typer.Option("segmentation", "--task", help="The task that the run was trained for."),
    name: str = typer.Option("", "--name", help="Name of the run in the cohort; default: the run folder's name."),
    workers: int = typer.Option(
        1, "--workers", help="Processes; 0 means one per core. One process uses all cores, and the least memory."
    ),
    scheduler: str = SCHEDULER,
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Predict every patient of a cohort with a trained model and add the result to the cohort."""
    from tumorboard.cli.progress import counted_progress
    from tumorboard.cli.settings import task_spec
    from tumorboard.core.registry import resolve
    from tumorboard.io.store import open_cohort, update_cohort

    spec = task_spec(task, able_to="predict")
    run_id = name or run.resolve().name
    assert spec.predict is not None
    predict = resolve(spec.predict)
    if (scheduler or workers != 1) and "map" not in inspect.signature(predict).parameters:
        raise typer.BadParameter(f"{task} answers in one process", param_hint="--workers or --scheduler")
    target = (cohort / "runs").resolve()
    with counted_progress(f"Predicting {spec.name}") as report, ExitStack() as stack:
        options: dict[str, Any] = {}
        if scheduler or workers != 1:
            options["map"] = stack.enter_context(case_pool(workers, scheduler)).map
        result = predict(run.resolve(), open_cohort(cohort), out=target, run_id=run_id, progress=report, **options)
    update_cohort(cohort, lambda newest: newest.without_run(run_id).with_rows(**result.rows))
    counts = {table: len(rows) for table, rows in result.rows.items()}
    facts = json.loads(result.rows["runs"][0]["metrics"])
    refused = facts.get("refused", {})
    for message in refused.values():
        say(message)
    for where, remark in list(facts.get("remarks", {}).items())[:1]:
        words = remark if isinstance(remark, str) else "; ".join(remark)
        say(f"{len(facts['remarks'])} with a remark, kept in the run; the first: {where}: {words}")
    if as_json:
        print_json(
            {"run": run_id, "task": spec.name, "cohort": str(cohort.resolve()), "rows": counts, "refused": refused}
        )
        return
    typer.echo(f"Run {run_id}: " + ", ".join(f"{count} {table}" for table, count in counts.items()))
    say(f"Next: tumorboard evaluate {spec.name} {cohort} --prediction {run_id}")
