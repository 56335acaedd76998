"""The board as a folder of files: `index.html`, one page per patient, pictures beside them."""

from __future__ import annotations

import builtins
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

from tumorboard import __version__
from tumorboard.board import codes, pages, plots
from tumorboard.board.exam import ExamPage, draw_exam, save_picture
from tumorboard.board.names import safe_names
from tumorboard.board.pictures import colour_bars
from tumorboard.board.runs import run_styles
from tumorboard.core.cohort import Cohort, ImageLoader
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import Survival
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role
from tumorboard.core.volume import Volume

__all__ = ["MARKER", "Progress", "build_board"]

MARKER = "board.json"
"""Tells a board from any other folder, so that building again may replace it."""

Progress = Callable[[int, int], None]
"""Called with how many patients are drawn and how many there are."""


@dataclass(frozen=True)
class _Job:
    """One patient's images, in plain values that cross process borders."""

    patient_id: str
    folder: str
    exams: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]


def build_board(
    cohort: Cohort,
    out: Path,
    *,
    scores: Sequence[Mapping[str, Any]] = (),
    findings: Iterable[Any] = (),
    progress: Progress | None = None,
    map: Callable[..., Iterable[Any]] = builtins.map,
) -> Path:
    """Write the pages of `cohort` to the folder `out` and return its `index.html`.

    Parameters
    ----------
    scores : rows with run, task, metric, label, subset, value, low, high, n; a row whose subset is a patient's id
        stands on that patient's page.
    findings : of `checks.run_checks`, or the same as dictionaries.
    map : runs one job per patient; a parallel one must keep the order.

    A board that is there already is replaced in one step when the new one is whole. Errors: BRD101 when `out` holds
    anything else.
    """
    _refuse_other_files(out)
    plain = [pages.plain_finding(finding) for finding in findings]
    out.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        _write_board(cohort, made, scores=scores, findings=plain, progress=progress, map=map)
        _exchange(made, out)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return out / "index.html"


def _write_board(
    cohort: Cohort,
    made: Path,
    *,
    scores: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, str]],
    progress: Progress | None,
    map: Callable[..., Iterable[Any]],
) -> None:
    for name in ("board.css", "board.js"):
        (made / name).write_bytes((files("tumorboard.board") / "static" / name).read_bytes())
    (made / "patients").mkdir()
    (made / "plots").mkdir()
    for name, bar in zip(("bar-fused.png", "bar-pet.png"), colour_bars(), strict=True):
        save_picture(made / name, bar)
    names = safe_names(cohort.patient_ids)
    styles = run_styles(cohort)
    draw = partial(
        _draw_patient,
        load=partial(_load, loader=cohort.loader, root=cohort.root),
        run_ids=[style.run_id for style in styles],
        folder=made / "pictures",
    )
    drawn: dict[str, list[ExamPage]] = {}
    jobs = _jobs(cohort, names)
    for number, (job, exams) in enumerate(zip(jobs, map(draw, jobs), strict=True), start=1):
        drawn[job.patient_id] = exams
        if progress:
            progress(number, len(jobs))
    writer = pages.Writer(cohort, made, names, styles, scores, findings, drawn)
    writer.write_patients()
    writer.write_cohort(_plots(cohort, drawn, made / "plots"))
    marker = {"cohort": cohort.name, "patients": len(cohort), "tumorboard": __version__}
    (made / MARKER).write_text(json.dumps(marker) + "\n", encoding="utf-8")


def _jobs(cohort: Cohort, names: Mapping[str, str]) -> list[_Job]:
    images: dict[str, list[dict[str, Any]]] = {}
    for row in cohort.rows("images"):
        if row["role"] in (Role.IMAGE, Role.MASK):
            images.setdefault(row["exam_id"], []).append(row)
    exams: dict[str, list[dict[str, Any]]] = {}
    for exam in cohort.rows("exams"):
        exams.setdefault(exam["patient_id"], []).append(exam)
    jobs = []
    for patient, folder in names.items():
        ordered = sorted(exams.get(patient, []), key=lambda exam: (exam["order"] or 0, exam["exam_id"]))
        jobs.append(_Job(patient, folder, tuple((e["exam_id"], tuple(images.get(e["exam_id"], ()))) for e in ordered)))
    return jobs


def _draw_patient(
    job: _Job, *, load: Callable[[Mapping[str, Any]], Volume], run_ids: Sequence[str], folder: Path
) -> list[ExamPage]:
    return [
        draw_exam(exam_id, images, load=load, run_ids=run_ids, folder=folder / job.folder / str(number))
        for number, (exam_id, images) in enumerate(job.exams)
    ]


def _load(row: Mapping[str, Any], *, loader: ImageLoader | None, root: Path | None) -> Volume:
    if loader is None:
        raise TumorboardError(
            codes.BOARD_NO_LOADER, row["image_id"], found="a cohort without an image loader", expected="one with"
        )
    return loader(row, root)


def _plots(cohort: Cohort, drawn: Mapping[str, Sequence[ExamPage]], folder: Path) -> list[pages.Plot]:
    """Cohort plots, each in the page's light and dark colours."""
    wanted: list[tuple[str, str, Callable[[plots.Theme], Any]]] = []
    for i, endpoint in enumerate(cohort.endpoints()):
        usable = cohort.rows("outcomes", endpoint=endpoint, run_id=EXPERT)
        if not any(row["survival"] is not None for row in usable):
            continue
        outcome = cohort.outcome(endpoint)
        if isinstance(outcome, Survival):
            title = f"{endpoint}: events in {outcome.events} of {len(outcome)} patients"
            left_out = len(usable) - len(outcome)
            note = f" ({left_out} more without a usable time)" if left_out else ""
            wanted.append((f"km-{i}", title + note, partial(_km, outcome)))
    lesions = [lesion for exams in drawn.values() for exam in exams for lesion in exam.lesions.get(EXPERT, [])]
    with_uptake = [lesion for lesion in lesions if lesion.suv_max is not None]
    if with_uptake:
        title = f"{len(with_uptake)} drawn lesions: volume and highest uptake"
        wanted.append(("lesions", title, partial(_lesions, with_uptake)))
    made = []
    for name, title, draw in wanted:
        for theme in (plots.LIGHT, plots.DARK):
            draw(theme).savefig(folder / f"{name}-{theme.name}.svg", metadata={"Date": None})
        made.append(pages.Plot(name, title, "outcomes" if name.startswith("km") else "lesions"))
    return made


def _km(outcome: Survival, theme: plots.Theme) -> Any:
    return plots.kaplan_meier(outcome, theme=theme)


def _lesions(lesions: Sequence[Any], theme: plots.Theme) -> Any:
    return plots.lesion_map(lesions, theme=theme)


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
