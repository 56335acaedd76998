"""`tumorboard challenge EDITION --task TASK --input IN --output OUT --model MODELS`."""

from __future__ import annotations

from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    edition: str = typer.Argument(help="hecktor2022, hecktor2025 or hecktor2026."),
    task: str = typer.Option("rfs", "--task", help="rfs, hpv, segmentation; of 2026 also stage and all."),
    source: Path = typer.Option(Path("/input"), "--input", help="A Grand Challenge case, or a release of many."),
    out: Path = typer.Option(Path("/output"), "--output", help="Folder for the files the challenge wants."),
    model: Path = typer.Option(..., "--model", help="Folder with the trained runs: rfs, hpv, segmentation."),
    rfs_means: str = typer.Option("", "--rfs-means", help="risk or days; default risk, for 2026 days."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Answer a challenge case with trained models, in the challenge's own files."""
    from tumorboard.tasks.challenge.hecktor import answer

    found = answer(edition, task, source, out, model=model, rfs_means=rfs_means)
    for note in found.notes:
        say(note)
    if as_json:
        files, patients, notes = ([str(f) for f in found.files], list(found.patients), list(found.notes))
        print_json({"edition": edition, "task": task, "files": files, "patients": patients, "notes": notes})
        return
    typer.echo(f"{len(found.patients)} patients answered: {', '.join(str(f) for f in found.files)}")
