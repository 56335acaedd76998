"""`tumorboard export LAYOUT COHORT OUT`."""

from __future__ import annotations

from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    layout: str = typer.Argument(help="Layout to write; `tumorboard info layouts` lists them."),
    cohort: Path = typer.Argument(help="The cohort's folder."),
    out: Path = typer.Argument(help="New folder to write to."),
    settings: list[str] = typer.Option([], "--set", metavar="KEY=VALUE", help="Option of the layout; repeatable."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Write a cohort in a published layout."""
    from tumorboard.cli.options import parse_settings, resolve_layout
    from tumorboard.io.store import open_cohort

    write = resolve_layout(layout, direction="write")
    options = parse_settings(settings, write)
    opened = open_cohort(cohort)
    write(opened, out, **options)
    files = [path for path in out.rglob("*") if path.is_file()] if out.is_dir() else [out]
    if as_json:
        size = sum(path.stat().st_size for path in files)
        print_json({"layout": layout, "out": str(out.resolve()), "files": len(files), "bytes": size})
        return
    say(f"{len(opened)} patients written to {out} as {layout}: {len(files)} files")
