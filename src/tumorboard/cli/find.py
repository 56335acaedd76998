"""`tumorboard find COHORT LESION -k 9`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from tumorboard.cli.output import print_json, say

__all__ = ["command"]


def command(
    cohort: Path = typer.Argument(help="The cohort's folder."),
    lesion: str = typer.Argument(help="Id of a marked lesion (a row of `findings`)."),
    k: int = typer.Option(9, "-k", min=1, help="How many similar lesions."),
    run: str = typer.Option(
        "",
        "--run",
        help="A retrieval run of the cohort, a folder with embeddings.npy, or location-size; default: the newest run.",
    ),
    label: str = typer.Option("", "--type", help="Only lesions of this type, e.g. liver."),
    split: str = typer.Option("", "--split", help="Only lesions of this split, e.g. test."),
    own_patient: bool = typer.Option(False, "--own-patient", help="Lesions of the query's own patient too."),
    one_per_patient: bool = typer.Option(False, "--one-per-patient", help="At most one lesion of a patient."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Find the lesions of other patients that are most like one."""
    from tumorboard.io.store import open_cohort
    from tumorboard.tasks.retrieval.find import Filters, find

    filters = Filters(label, split, own_patient, one_per_patient)
    name, hits = find(open_cohort(cohort), lesion, k=k, run=run, filters=filters)
    if as_json:
        print_json({"query": lesion, "run": name, "hits": [asdict(hit) for hit in hits]})
        return
    say(f"Nearest to {lesion} by {name}:")
    for hit in hits:
        typer.echo(f"{hit.distance:8.4f}  {hit.finding:<32} {hit.patient:<16} {hit.label}")
    if len(hits) < k:
        say(f"Only {len(hits)} lesions fit.")
