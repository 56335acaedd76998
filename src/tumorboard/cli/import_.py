"""`tumorboard import LAYOUT SOURCE COHORT`."""

from __future__ import annotations

import inspect
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import print_json, say
from tumorboard.cli.workers import SCHEDULER, case_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tumorboard.core.cohort import Cohort

__all__ = ["command", "import_cohort"]


def command(
    layout: str = typer.Argument(help="Layout of the source; `tumorboard info layouts` lists them."),
    source: Path = typer.Argument(help="The published folder (or file)."),
    cohort: Path = typer.Argument(help="Folder for the cohort: tables only, images stay where they are."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Option of the layout; repeatable."),
    replace: bool = typer.Option(False, "--replace", help="Replace the cohort that is there."),
    scheduler: str = SCHEDULER,
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Read a published data set (or your own files) into a cohort."""
    from tumorboard.cli.info import describe_cohort, print_description
    from tumorboard.cli.options import parse_settings, resolve_layout

    read = resolve_layout(layout, direction="read")
    options = parse_settings(settings, read)
    imported = import_cohort(read, source, cohort, options=options, replace=replace, scheduler=scheduler)
    description = describe_cohort(imported)
    if as_json:
        print_json({"cohort": str(cohort.resolve()), **description})
        return
    print_description(description)
    _say_notes(imported)
    say(f"\nNext: tumorboard check {cohort}")


def import_cohort(
    read: Callable[..., Cohort],
    source: Path,
    target: Path,
    *,
    options: dict[str, Any],
    replace: bool,
    scheduler: str = "",
) -> Cohort:
    """Read and save. A failure leaves `target` as it was: absent, or with the cohort it had. With a `scheduler`, its
    workers read the files; LAY113 for a layout that is read in one piece."""
    from tumorboard.cli.progress import counted_progress
    from tumorboard.io.store import save_cohort

    onto = options.get("onto")
    if onto is None or Path(onto).resolve() != target.resolve():  # adding to the cohort that is there is no replacing
        _refuse_early(target, replace=replace)
    new = not target.exists()
    takes = inspect.signature(read).parameters
    try:
        with ExitStack() as stack:
            if scheduler:
                _require_map(read, takes)
                options = {**options, "map": stack.enter_context(case_pool(0, scheduler)).map}
            if "progress" in takes:
                options = {**options, "progress": stack.enter_context(counted_progress(f"Reading {source.name}"))}
            imported = read(source, **options)
        return save_cohort(imported, target, replace=replace)
    except BaseException:
        if new:
            shutil.rmtree(target, ignore_errors=True)
        raise


def _require_map(read: Callable[..., Cohort], takes: Mapping[str, inspect.Parameter]) -> None:
    from tumorboard.core.errors import TumorboardError
    from tumorboard.datasets import codes

    if "map" not in takes:
        raise TumorboardError(
            codes.OPTION,
            "--scheduler",
            found=f"a layout read in one piece ({read.__module__})",
            expected="one of image files",
            fix="leave --scheduler out",
        )


def _refuse_early(target: Path, *, replace: bool) -> None:
    """Say that the folder is taken before a long read, not after it."""
    from tumorboard.core.errors import TumorboardError
    from tumorboard.io import codes

    if (target / "cohort.json").exists() and not replace:
        raise TumorboardError(
            codes.STORE_OCCUPIED,
            target,
            found="a cohort",
            expected="an empty folder",
            fix="choose another folder, or add --replace",
        )


def _say_notes(cohort: Cohort) -> None:
    entry = cohort.provenance[-1]
    stated = {name: value for name, value in entry.get("options", {}).items() if value not in ("", None)}
    if stated:
        say("Stated at import: " + ", ".join(f"{name}={value}" for name, value in stated.items()))
    notes = entry.get("notes", [])
    for note in notes[:10]:
        say(f"Note: {note}")
    if len(notes) > 10:
        say(f"... and {len(notes) - 10} more notes in the cohort's provenance")
