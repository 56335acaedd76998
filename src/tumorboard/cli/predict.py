"""`tumorboard predict RUN COHORT`."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    run: Path = typer.Argument(help="Folder that `tumorboard train` wrote."),
    cohort: Path = typer.Argument(help="The cohort's folder; the predictions become a run of it."),
    task: str = typer.Option("segmentation", "--task", help="The task that the run was trained for."),
    name: str = typer.Option("", "--name", help="Name of the run in the cohort; default: the run folder's name."),
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
    target = cohort / "runs"
    with counted_progress(f"Predicting {spec.name}") as report:
        result = resolve(spec.predict)(run, open_cohort(cohort), out=target, run_id=run_id, progress=report)
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
