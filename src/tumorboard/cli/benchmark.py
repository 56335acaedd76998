"""`tumorboard benchmark COHORT --task TASK --out DIR`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from tumorboard.cli.output import EXIT_DATA, print_json, say

__all__ = ["command"]


def command(
    cohort: Path = typer.Argument(help="The cohort's folder; it stays as it is."),
    task: str = typer.Option(..., "--task", help="The task; `tumorboard info tasks` lists them."),
    out: Path = typer.Option(..., "--out", help="Folder for models, predictions and tables. A rerun resumes."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="A setting of the task; repeatable."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Cross-validate a task by patient, beside every baseline, with intervals.

    Writes `scores.json` and `scores.csv`. Exit code 3: the cohort lacks what the task needs.
    """
    from tumorboard.cli.progress import counted_progress
    from tumorboard.cli.settings import task_config, task_spec
    from tumorboard.core.registry import resolve
    from tumorboard.io.files import atomic_write_text
    from tumorboard.io.store import open_cohort

    spec = task_spec(task, able_to="benchmark")
    config = task_config(spec, settings)
    opened = open_cohort(cohort)
    lacking = list(resolve(spec.missing)(opened))
    if lacking:
        say(f"{spec.name}: the cohort lacks {', '.join(lacking)}")
        if as_json:
            print_json({"scores": [], "missing": lacking})
        raise typer.Exit(EXIT_DATA)
    assert spec.benchmark is not None
    with counted_progress(spec.title) as report:
        result = resolve(spec.benchmark)(opened, out, config=config, progress=report)
    atomic_write_text(
        out / "scores.json", json.dumps({"scores": result.scores, "notes": result.notes}, indent=1) + "\n"
    )
    atomic_write_text(out / "scores.csv", _as_csv(result.scores))
    if as_json:
        print_json({"scores": result.scores, "notes": result.notes})
        return
    for note in result.notes:
        say(note)
    for row in result.scores:
        typer.echo(_line(row))


def _as_csv(scores: Sequence[Mapping[str, Any]]) -> str:
    from tumorboard.datasets.spreadsheet import safe_cell

    text = io.StringIO()
    writer = csv.DictWriter(text, list(scores[0]) if scores else ["run"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: safe_cell(value) for key, value in row.items()} for row in scores)
    return text.getvalue()


def _line(row: Mapping[str, Any]) -> str:
    value, low, high = ("undefined" if row[key] is None else f"{row[key]:.3f}" for key in ("value", "low", "high"))
    name = " ".join(str(row[key]) for key in ("metric", "label", "subset") if row.get(key))
    return f"{row['run']:<24} {name:<48} {value} ({low} to {high}), n={row['n']}"
