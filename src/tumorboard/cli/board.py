"""`tumorboard board COHORT`: the pages as files, or served on this machine alone."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import EXIT_USAGE, say

if TYPE_CHECKING:
    from fastapi import FastAPI

    from tumorboard.core.cohort import Cohort

__all__ = ["command", "site"]

_HOST = "127.0.0.1"


def command(
    cohort: Path = typer.Argument(help="The cohort's folder."),
    export: Path | None = typer.Option(None, "--export", help="Write the pages to this folder; open its index.html."),
    port: int | None = typer.Option(None, "--port", help=f"Serve the pages on {_HOST} (this machine alone)."),
    workers: int = typer.Option(0, "--workers", help="Processes for pictures; 0 means one per core."),
) -> None:
    """Draw one page for the cohort and one per patient."""
    from tumorboard.io.store import open_cohort

    if (export is None) == (port is None):
        say("Say either --export DIR or --port N.")
        raise typer.Exit(EXIT_USAGE)
    opened = open_cohort(cohort)
    if export is not None:
        typer.echo(str(_draw(opened, export, workers=workers)))
        return
    with tempfile.TemporaryDirectory(prefix="tumorboard-") as scratch:
        index = _draw(opened, Path(scratch) / "board", workers=workers)
        import uvicorn

        say(f"http://{_HOST}:{port}/ (end with Ctrl-C)")
        uvicorn.run(site(index.parent), host=_HOST, port=int(port or 0), log_level="warning")


def site(folder: Path) -> FastAPI:
    """A web application that hands out the files of a board and nothing else."""
    from fastapi import FastAPI, Request, Response
    from fastapi.staticfiles import StaticFiles

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.middleware("http")
    async def headers(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Frame-Options"] = "DENY"
        response.headers["Cache-Control"] = "no-store"
        return response

    app.mount("/", StaticFiles(directory=folder, html=True, follow_symlink=False))
    return app


def _draw(cohort: Cohort, out: Path, *, workers: int) -> Path:
    from tumorboard.board.build import build_board
    from tumorboard.checks import run_checks
    from tumorboard.cli.progress import counted_progress
    from tumorboard.engine.executors import executor

    with executor(workers) as pool:
        with counted_progress("Checking"):
            findings = list(run_checks(cohort, map=pool.map))
        with counted_progress("Drawing patients") as report:
            return build_board(
                cohort, out, scores=_stored_scores(cohort), findings=findings, progress=report, map=pool.map
            )


def _stored_scores(cohort: Cohort) -> list[dict[str, Any]]:
    """The score rows that runs in the cohort carry among their metrics."""
    return [row for run in cohort.rows("runs") for row in json.loads(run["metrics"] or "{}").get("scores", [])]
