"""`tumorboard board COHORT`: the pages served on this machine, or as files."""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import EXIT_USAGE, say
from tumorboard.cli.workers import SCHEDULER, case_pool

if TYPE_CHECKING:
    from tumorboard.core.cohort import Cohort
    from tumorboard.engine.executors import Executor

__all__ = ["command"]

_HOST, _PORT = "127.0.0.1", 8750
_AHEAD = 50
"""Patients drawn before anybody opens their page."""


def command(
    cohort: Path = typer.Argument(help="The cohort's folder."),
    export: Path | None = typer.Option(None, "--export", help="Write the pages to this folder; open its index.html."),
    port: int = typer.Option(_PORT, "--port", min=1, max=65535, help="Port of the pages."),
    host: str = typer.Option(_HOST, "--host", help="Address to listen at; any other than this machine's own warns."),
    token: str = typer.Option("", "--token", help="Ask for this word; needed at another --host."),
    cache: Path | None = typer.Option(None, "--cache", help="Empty folder for drawn pages; else a temporary one."),
    checks: bool = typer.Option(True, "--checks/--no-checks", help="Run the data checks first (reads every image)."),
    workers: int = typer.Option(0, "--workers", help="Processes for checks and pictures; 0 means one per core."),
    scheduler: str = SCHEDULER,
) -> None:
    """One page for the cohort and one per patient: served on this machine, with whole volumes and corrections, or
    written as files (--export) that open from disk."""
    from tumorboard.io.store import open_cohort

    opened = open_cohort(cohort)
    if export is not None:
        with case_pool(workers, scheduler) as pool:
            typer.echo(str(_draw(opened, export, pool=pool, checks=checks)))
        return
    local = host in (_HOST, "localhost", "::1")
    if not local and not token:
        say(f"--host {host} lets others on the network ask for patients' pages: give a --token.")
        raise typer.Exit(EXIT_USAGE)
    if not local:
        say(f"WARNING: the board listens at {host}, beyond this machine, without encryption.")
    with case_pool(workers, scheduler) as pool:
        findings = _findings(opened, pool=pool) if checks else None
    with tempfile.TemporaryDirectory(prefix="tumorboard-") as scratch:
        _serve(opened, cache or Path(scratch), host=host, port=port, token=token, findings=findings)


def _serve(
    cohort: Cohort, folder: Path, *, host: str, port: int, token: str, findings: list[dict[str, str]] | None
) -> None:
    import uvicorn

    from tumorboard.board.corrections.fold import fold_corrections
    from tumorboard.board.server.app import make_app
    from tumorboard.board.server.guard import Rules
    from tumorboard.board.server.live import LiveSite
    from tumorboard.board.task_pictures import placed_pictures, stored_pictures

    folder.mkdir(parents=True, exist_ok=True)
    pictures = placed_pictures(stored_pictures(cohort), folder / "figures")
    site = LiveSite(cohort, folder, scores=_stored_scores(cohort), findings=findings, pictures=pictures)
    names = {host, "localhost", _HOST} if host in (_HOST, "localhost", "::1") else {host}
    rules = Rules(frozenset(f"{name}:{port}" for name in names), access=token)
    stop = threading.Event()
    threading.Thread(target=site.draw_ahead, args=(_AHEAD,), kwargs={"stop": stop}, daemon=True).start()
    say(f"http://{host}:{port}/{'?token=' + token if token else ''} (end with Ctrl-C)")
    try:
        uvicorn.run(
            make_app(site, rules),
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=64,
            timeout_keep_alive=10,
        )
    finally:
        stop.set()
        if cohort.root is not None:
            for run in fold_corrections(cohort.root):
                say(f"Corrections are the run {run!r} of the cohort.")


def _findings(cohort: Cohort, *, pool: Executor) -> list[dict[str, str]]:
    from tumorboard.board.pages import plain_finding
    from tumorboard.checks import run_checks
    from tumorboard.cli.progress import counted_progress

    with counted_progress("Checking"):
        return [plain_finding(finding) for finding in run_checks(cohort, map=pool.map)]


def _draw(cohort: Cohort, out: Path, *, pool: Executor, checks: bool) -> Path:
    from tumorboard.board.build import build_board
    from tumorboard.board.task_pictures import stored_pictures
    from tumorboard.cli.progress import counted_progress

    findings = _findings(cohort, pool=pool) if checks else None
    with counted_progress("Drawing patients") as report:
        return build_board(
            cohort,
            out,
            scores=_stored_scores(cohort),
            findings=findings,
            pictures=stored_pictures(cohort),
            progress=report,
            map=pool.map,
        )


def _stored_scores(cohort: Cohort) -> list[dict[str, Any]]:
    """The score rows that runs in the cohort carry among their metrics."""
    return [row for run in cohort.rows("runs") for row in json.loads(run["metrics"] or "{}").get("scores", [])]
