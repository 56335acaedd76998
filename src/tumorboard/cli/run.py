"""`tumorboard run COHORT --out DIR`: check, benchmark every task the cohort has data for, draw the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import EXIT_DATA, print_json, say
from tumorboard.cli.workers import SCHEDULER, case_pool

if TYPE_CHECKING:
    from tumorboard.cli.pipeline import RunReport

__all__ = ["command"]


def command(
    cohort: Path = typer.Argument(help="The cohort's folder."),
    out: Path = typer.Option(..., "--out", help="Folder for results and the board; may be deleted afterwards."),
    only: list[str] = typer.Option([], "--task", metavar="TASK", help="Only this task; repeatable."),
    settings: list[str] = typer.Option([], "--set", metavar="[TASK.]KEY=VALUE", help="A task's setting; repeatable."),
    despite_errors: bool = typer.Option(False, "--despite-errors", help="Analyse patients with data errors too."),
    leave_cohort: bool = typer.Option(False, "--leave-cohort", help="Do not add the runs to the cohort's folder."),
    workers: int = typer.Option(0, "--workers", help="Processes for checks and pictures; 0 means one per core."),
    scheduler: str = SCHEDULER,
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """The main job: check the data, benchmark every task there is data for, draw the board.

    A rerun takes over what is finished. Exit code 3: the data have errors; patients with errors are left out of the
    analyses, and an error that concerns the whole cohort stops them.
    """
    from tumorboard.cli.pipeline import run_cohort
    from tumorboard.cli.progress import counted_progress

    configs = _configs(only, settings)
    with case_pool(workers, scheduler) as pool:
        report = run_cohort(
            cohort,
            out,
            configs=configs,
            bar=counted_progress,
            map=pool.map,
            despite_errors=despite_errors,
            leave_cohort=leave_cohort,
        )
    if as_json:
        print_json(report.to_json())
    else:
        _tell(report)
    if any(finding["severity"] == "error" for finding in report.findings):
        raise typer.Exit(EXIT_DATA)


def _configs(only: list[str], settings: list[str]) -> dict[str, Any]:
    """Task name -> settings, defaults but for the words of `--set`. Mistakes end with exit code 2."""
    from tumorboard.cli.settings import task_config, task_spec
    from tumorboard.core.registry import resolve, tasks

    specs = [task_spec(name, able_to="benchmark") for name in only] or [s for s in tasks().values() if s.benchmark]
    fields: dict[str, list[str]] = {spec.name: list(resolve(spec.config).model_fields) for spec in specs}  # type: ignore[attr-defined]
    chosen: dict[str, list[str]] = {name: [] for name in fields}
    for setting in settings:
        key, sign, value = setting.partition("=")
        task, dot, name = key.strip().rpartition(".")
        able = [one for one in fields if name.replace("-", "_") in fields[one] and (not dot or one == task)]
        if not sign or not able:
            listed = ", ".join(f"{one}.{field}" for one in fields for field in fields[one])
            raise typer.BadParameter(f"{setting!r} is no setting here. Settings: {listed}", param_hint="--set")
        for one in able:
            chosen[one].append(f"{name}={value}")
    return {spec.name: task_config(spec, chosen[spec.name]) for spec in specs}


def _tell(report: RunReport) -> None:
    from tumorboard.board.runs import baseline_names
    from tumorboard.board.scoreboard import rank_scores
    from tumorboard.cli.pipeline import count_findings

    counts = count_findings(report.findings)
    typer.echo("Data: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    if report.left_out:
        typer.echo(f"Left out for data errors: {', '.join(report.left_out)}")
    if report.stopped:
        typer.echo(f"Nothing was analysed: {report.stopped}")
    for task, missing in report.skipped.items():
        typer.echo(f"{task}: not run, the cohort lacks {', '.join(missing)}")
    rankings = rank_scores(report.scores, baselines=baseline_names())
    leading = {ranking.task: ranking.metric for ranking in reversed(rankings)}
    shown = [r for r in rankings if r.metric == leading[r.task] and r.subset in ("", "all")]
    for ranking in shown:
        typer.echo(f"\n{ranking.task}: {ranking.metric} {ranking.label} {ranking.subset}".rstrip())
        for s in ranking.standings:
            value = "undefined" if s.value is None else f"{s.value:.3f}"
            interval = "" if s.low is None or s.high is None else f"({s.low:.3f} to {s.high:.3f})"
            note = "baseline" if s.is_baseline else s.verdict
            typer.echo(f"  {s.run:<28} {value:>9} {interval:<18} n={s.n}  {note}".rstrip())
    if report.reused:
        say(f"Taken over from an earlier run: {', '.join(report.reused)}")
    if len(rankings) > len(shown):
        typer.echo(f"\n{len(rankings) - len(shown)} more tables (other metrics, centres) are on the board.")
    typer.echo(f"\nBoard: {report.board}")
