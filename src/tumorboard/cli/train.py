"""`tumorboard train TASK COHORT --out RUN`."""

from __future__ import annotations

from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    task: str = typer.Argument(help="The task; `tumorboard info tasks` lists them."),
    cohort: Path = typer.Argument(help="The cohort's folder."),
    out: Path = typer.Option(..., "--out", help="Folder of the run: model, log, cache. A stopped training resumes."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="A setting of the task; repeatable."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Train a model on every patient of a cohort that has the data for it."""
    from tumorboard.cli.progress import counted_progress
    from tumorboard.cli.settings import task_config, task_spec
    from tumorboard.core.registry import resolve
    from tumorboard.io.store import open_cohort

    spec = task_spec(task, able_to="train")
    config = task_config(spec, settings)
    assert spec.train is not None
    with counted_progress(f"Training {spec.name}") as report:
        model = resolve(spec.train)(open_cohort(cohort), out, config=config, progress=report)
    facts = dict(model.facts)
    if as_json:
        print_json({"run": str(out.resolve()), "task": spec.name, "config": config.model_dump(mode="json"), **facts})
        return
    typer.echo(f"Trained on {len(facts.get('patients', []))} patients: {facts['steps']} steps, {facts['seconds']} s")
    say(f"Next: tumorboard predict {out} COHORT")
