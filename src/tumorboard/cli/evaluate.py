"""`tumorboard evaluate TASK COHORT --prediction RUN_OR_FOLDER [--reference expert] [--rules NAME]`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import typer

from tumorboard.cli.output import print_json, say
from tumorboard.cli.workers import SCHEDULER, case_pool

__all__ = ["command"]

_MOST_LISTED = 20


def command(
    task: str = typer.Argument(help="Task whose predictions are scored, e.g. segmentation."),
    cohort: Path = typer.Argument(help="The cohort's folder."),
    prediction: str = typer.Option(..., "--prediction", help="Run of the cohort, or folder or file of predictions."),
    reference: str = typer.Option("expert", "--reference", help="Run that holds the truth."),
    rules: str = typer.Option("", "--rules", help="A challenge's rules (tumorboard info metrics); else all metrics."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="An option of the rules; repeatable."),
    seed: int = typer.Option(0, "--seed", help="Seed of the bootstrap intervals."),
    workers: int = typer.Option(1, "--workers", help="Processes; 0 means one per core."),
    scheduler: str = SCHEDULER,
    pictures: Path | None = typer.Option(None, "--pictures", help="Folder for pictures of the worst cases."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Score a run, or a folder of predictions, against another run, with intervals over patients."""
    from tumorboard.board.corrections.fold import fold_corrections
    from tumorboard.board.corrections.journal import FILE, run_of
    from tumorboard.cli.progress import counted_progress
    from tumorboard.cli.settings import task_spec
    from tumorboard.core.registry import resolve
    from tumorboard.io.store import open_cohort

    spec = task_spec(task, able_to="evaluate")
    if (cohort / FILE).is_file() and any(name.startswith(run_of("")) for name in (reference, prediction)):
        fold_corrections(cohort)  # what readers said in the board since the last time
    options = _options(task, rules, settings)
    if pictures is not None:
        if rules or "pictures" not in inspect.signature(resolve(spec.evaluate or "")).parameters:
            raise typer.BadParameter(f"{task} draws none, or not with --rules", param_hint="--pictures")
        options["pictures"] = pictures
    opened = open_cohort(cohort)
    with case_pool(workers, scheduler) as pool, counted_progress("Scoring") as progress:
        found = resolve(spec.evaluate or "")(
            opened, prediction, reference=reference, seed=seed, map=pool.map, progress=progress, **options
        )
    if as_json:
        listed = {"rules": found.rules, "cases": found.cases, "missing": found.missing, "unused": found.unused}
        listed |= {"pictures": [str(picture.path) for picture in found.pictures]} if found.pictures else {}
        print_json({"scores": found.scores, **listed})
    else:
        _tell(found)
        for picture in found.pictures:
            say(f"{picture.title}: {picture.path}")


def _options(task: str, rules: str, settings: Sequence[str]) -> dict[str, Any]:
    """`rules` or `options` of the evaluation, with `--set` applied. Mistakes end with exit code 2."""
    from tumorboard.core.errors import TumorboardError
    from tumorboard.metrics.official import load_rules

    try:
        if rules:
            return {"rules": _with_settings(load_rules(rules, task=task), settings)}
        if task == "segmentation":
            from tumorboard.tasks.segmentation.evaluate import CaseOptions

            return {"options": _with_settings(CaseOptions(), settings)}
    except TumorboardError as error:
        raise typer.BadParameter(str(error), param_hint="--rules") from None
    if settings:
        raise typer.BadParameter("options need --rules", param_hint="--set")
    return {}


def _with_settings(options: Any, settings: Sequence[str]) -> Any:
    """A dataclass of options with ``key=value`` words applied; ``lesions.iou=0.5`` reaches into a nested one."""
    for setting in settings:
        key, sign, text = setting.partition("=")
        if not sign:
            raise typer.BadParameter(f"{setting!r} is not KEY=VALUE", param_hint="--set")
        options = _with_one(options, key.strip().replace("-", "_"), text)
    return options


def _with_one(options: Any, key: str, text: str) -> Any:
    name, dot, rest = key.partition(".")
    known = {field.name: getattr(options, field.name) for field in fields(options)}
    if name not in known or (bool(dot) != is_dataclass(known[name])):
        listed = [f"{k}.{f.name}" for k, v in known.items() if is_dataclass(v) for f in fields(v)]
        listed += [k for k, v in known.items() if not is_dataclass(v)]
        raise typer.BadParameter(f"no option {key!r}. Options: {', '.join(listed)}", param_hint="--set")
    now = known[name]
    return replace(options, **{name: _with_one(now, rest, text) if dot else _value(key, text, now)})


def _value(key: str, text: str, now: Any) -> Any:
    """`text` as a value of the kind that stands there now."""
    if isinstance(now, bool):
        words = {"true": True, "yes": True, "false": False, "no": False}
        if text.lower() not in words:
            raise typer.BadParameter(f"{key}={text!r}: expected true or false", param_hint="--set")
        return words[text.lower()]
    try:
        if isinstance(now, tuple):
            return tuple(type(now[0])(part) for part in text.split(","))
        return type(now)(text)
    except ValueError:
        kind = f"{type(now[0]).__name__}, {type(now[0]).__name__} ..." if isinstance(now, tuple) else type(now).__name__
        raise typer.BadParameter(f"{key}={text!r}: expected {kind}", param_hint="--set") from None


def _tell(found: Any) -> None:
    chosen = ", ".join(f"{key} {_words(value)}" for key, value in found.rules.items() if key != "name")
    typer.echo(f"Rules: {found.rules['name']} ({chosen})")
    for row in found.scores:
        value = "undefined" if row["value"] is None else f"{row['value']:.4f}"
        interval = "" if row["low"] is None else f"({row['low']:.4f} to {row['high']:.4f})"
        part = "" if row["subset"] == "all" else f"  {row['subset']}"
        typer.echo(f"{row['metric']:<36} {row['label']:<10} {value:>10} {interval:<22} n={row['n']}{part}")
    if found.missing:
        say(f"Without a prediction: {_listed(found.missing)}")
    if found.unused:
        say(f"Files that answer no exam: {_listed(found.unused)}")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return "(" + ", ".join(f"{key} {_words(one)}" for key, one in value.items()) + ")"
    return str(value)
