"""`tumorboard check COHORT`: coded findings about the data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import EXIT_DATA, print_json, say
from tumorboard.cli.workers import SCHEDULER, case_pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorboard.checks.finding import CheckFinding
    from tumorboard.core.cohort import Cohort
    from tumorboard.engine.executors import Executor

__all__ = ["command", "open_or_read"]

_TABLES = {".csv", ".tsv", ".xlsx", ".toml"}
_SHOWN = 6
_COLOURS = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def command(
    cohort: Path = typer.Argument(help="The cohort's folder; or a clinical table (CSV, TSV, XLSX, or its TOML)."),
    against: list[Path] = typer.Option([], "--against", help="Another cohort that may hold the same patients."),
    voxels: bool = typer.Option(True, "--voxels/--no-voxels", help="Whether to read the images."),
    workers: int = typer.Option(0, "--workers", help="Processes for images; 0 means one per core."),
    scheduler: str = SCHEDULER,
    everything: bool = typer.Option(False, "--all", help="List every finding, not the first of each rule."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Say what is wrong, or remarkable, with the data. Exit code 3: there are errors."""
    from tumorboard.checks.run import counts

    opened, others = open_or_read(cohort), [open_or_read(path) for path in against]
    with case_pool(workers, scheduler) as pool:
        findings = _findings(opened, others, pool, voxels=voxels)
    tally = counts(findings)
    if as_json:
        print_json({"findings": [finding.to_json() for finding in findings], "counts": tally})
    else:
        _tell(findings, tally, everything=everything)
    if tally["error"]:
        raise typer.Exit(EXIT_DATA)


def open_or_read(path: Path) -> Cohort:
    """The cohort in a folder, or the one that a table makes."""
    if path.suffix.lower() in _TABLES and path.is_file():
        from tumorboard.core.registry import layouts, resolve

        reference = layouts()["table"].read
        assert reference is not None
        table: Cohort = resolve(reference)(path)
        return table
    from tumorboard.io.store import open_cohort

    return open_cohort(path)


def _findings(cohort: Cohort, others: Sequence[Cohort], pool: Executor, *, voxels: bool) -> list[CheckFinding]:
    from tumorboard.checks.run import run_checks

    if not voxels or cohort.images.num_rows == 0:
        return run_checks(cohort, voxels=voxels, against=others)
    from tumorboard.cli.progress import counted_progress

    with counted_progress("Reading images") as report:

        def counted(function: Any, items: Any) -> Any:
            jobs = list(items)
            for done, result in enumerate(pool.map(function, jobs), start=1):
                report(done, len(jobs))
                yield result

        return run_checks(cohort, map=counted, against=others)


def _tell(findings: Sequence[CheckFinding], tally: dict[str, int], *, everything: bool) -> None:
    """A table grouped by rule."""
    from rich.console import Console
    from rich.table import Table

    from tumorboard.core.errors import look_up

    console = Console()
    groups: dict[tuple[str, str], list[CheckFinding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.code), []).append(finding)
    for (severity, code), members in groups.items():
        page = look_up(code)
        table = Table("where", "what", title_justify="left", expand=True, show_edge=False, padding=(0, 1))
        table.title = f"[{_COLOURS[severity]}]{severity}[/] [bold]{code}[/] {page.title if page else ''}"
        for finding in members if everything else members[:_SHOWN]:
            table.add_row(_short(finding.where), finding.message)
        console.print(table)
        if len(members) > _SHOWN and not everything:
            console.print(f"  and {len(members) - _SHOWN} more (--all lists them)")
        console.print(f"  [dim]Fix: {members[0].fix}[/]\n", highlight=False)
    console.print(", ".join(f"{n} {severity}" for severity, n in tally.items()), highlight=False)
    if findings:
        say("`tumorboard explain CODE` says why each matters.")


def _short(where: str, *, length: int = 90) -> str:
    return where if len(where) <= length else where[: length - 2] + " ..."
