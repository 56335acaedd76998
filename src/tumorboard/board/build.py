"""The board as a folder of files: `index.html`, one page per patient, pictures and volumes beside them."""

from __future__ import annotations

import builtins
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard import __version__
from tumorboard.board import codes
from tumorboard.board.context import Board, PatientSummary
from tumorboard.board.pages import plain_finding
from tumorboard.board.site import Site
from tumorboard.board.task_pictures import placed_pictures
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError

__all__ = ["MARKER", "Progress", "build_board"]

MARKER = "board.json"
"""Tells a board from any other folder, so that building again may replace it."""

Progress = Callable[[int, int], None]
"""Called with how many patients are drawn and how many there are."""


def build_board(
    cohort: Cohort,
    out: Path,
    *,
    scores: Sequence[Mapping[str, Any]] = (),
    findings: Iterable[Any] | None = (),
    pictures: Sequence[Mapping[str, str]] = (),
    progress: Progress | None = None,
    map: Callable[..., Iterable[Any]] = builtins.map,
) -> Path:
    """Write the pages of `cohort` to the folder `out` and return its `index.html`.

    Parameters
    ----------
    scores : rows with run, task, metric, label, subset, value, low, high, n; a row whose subset is a patient's id
        stands on that patient's page.
    findings : of `checks.run_checks`, or the same as dictionaries; None when the checks were not run.
    pictures : figures of benchmarks: path, title, alt, patient_id, task; a file that is gone is left out.
    map : runs one job per patient; a parallel one must keep the order.

    A board that is there already is replaced in one step when the new one is whole. Errors: BRD101 when `out` holds
    anything else.
    """
    _refuse_other_files(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        shown = placed_pictures(pictures, made / "figures")
        found = [plain_finding(finding) for finding in findings or ()]
        board = Board(cohort, scores, found, shown, checked=findings is not None)
        _write_board(Site(board, made), progress=progress, map=map)
        _exchange(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out / "index.html"


def _write_board(site: Site, *, progress: Progress | None, map: Callable[..., Iterable[Any]]) -> None:
    site.write_assets()
    cohort = site.board.cohort
    jobs = [site.job(patient) for patient in cohort.patient_ids]
    drawn: dict[str, PatientSummary] = {}
    for number, (job, exams) in enumerate(zip(jobs, map(site.drawer(), jobs), strict=True), start=1):
        drawn[job.patient_id] = site.write_patient(job.patient_id, exams)
        if progress:
            progress(number, len(jobs))
    site.write_cohort(drawn)
    marker = {"cohort": cohort.name, "patients": len(cohort), "tumorboard": __version__}
    (site.folder / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")


def _refuse_other_files(out: Path) -> None:
    if out.exists() and not (out / MARKER).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise TumorboardError(codes.BOARD_OCCUPIED, out, found="other files", expected="a board, or nothing")


def _exchange(made: Path, out: Path) -> None:
    """Put the finished folder in the old one's place."""
    made.chmod(0o755)
    old = made.with_name(made.name + "-old")
    if out.exists():
        out.rename(old)
    made.rename(out)
    shutil.rmtree(old, ignore_errors=True)
