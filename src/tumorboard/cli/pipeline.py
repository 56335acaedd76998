"""Check, benchmark, board: the main job, resumable, and without half-written results."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tumorboard.board.build import build_board
from tumorboard.board.names import safe_names
from tumorboard.board.pages import plain_finding
from tumorboard.board.summary import findings_by_patient
from tumorboard.cli.stages import Stages, acquired, digest_of_inputs, digest_of_program
from tumorboard.core.cohort import Cohort
from tumorboard.core.registry import TaskSpec, resolve, tasks
from tumorboard.io.files import atomic_file, sha256_of
from tumorboard.io.store import open_cohort, update_cohort

__all__ = ["RunReport", "count_findings", "run_cohort"]

Bar = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""`with bar(title) as report: report(done, total)`."""

Map = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]


@dataclass
class RunReport:
    """What a run did. `left_out`: patients with data errors; `skipped`: task -> what the cohort lacks for it;
    `stopped`: why nothing was analysed; `reused`: stages taken over from an earlier run."""

    findings: list[dict[str, str]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    skipped: dict[str, list[str]] = field(default_factory=dict)
    stopped: str = ""
    reused: list[str] = field(default_factory=list)
    board: Path | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "findings": self.findings,
            "counts": count_findings(self.findings),
            "scores": self.scores,
            "board": str(self.board),
            "left_out": self.left_out,
            "skipped": self.skipped,
            "stopped": self.stopped,
            "reused": self.reused,
        }


def run_cohort(
    folder: Path,
    out: Path,
    *,
    configs: Mapping[str, Any],
    bar: Bar,
    map: Map,
    despite_errors: bool = False,
    leave_cohort: bool = False,
) -> RunReport:
    """Check the cohort in `folder`, benchmark every task it has data for, and draw the board to `out/board`.

    Parameters
    ----------
    configs : task name -> its settings (an instance of the task's `config`); only these tasks run.
    bar : gives a progress bar.
    map : runs one job per patient, in order; may be parallel.
    despite_errors : analyse patients with data errors too.
    leave_cohort : do not add the runs to the cohort's folder.
    """
    folder, out = folder.resolve(), out.resolve()
    shown = open_cohort(folder)
    cohort = acquired(shown)
    stages, report = Stages(out), RunReport()
    pictures: list[dict[str, str]] = []
    with bar("Reading every image once"):
        inputs = digest_of_inputs(cohort)
    basis = {"inputs": inputs, "program": digest_of_program()}
    checked = stages.once("checks", basis, lambda: {"findings": _check(cohort, bar=bar, map=map)})
    report.findings = checked["findings"]
    analysed = _without_errors(cohort, report, despite_errors=despite_errors)
    if analysed is not None:
        for spec in (tasks()[name] for name in configs):
            missing = list(resolve(spec.missing)(analysed)) if spec.benchmark else ["a benchmark"]
            if missing:
                report.skipped[spec.name] = missing
                continue
            work = _benchmark(spec, analysed, out / "tasks" / spec.name, config=configs[spec.name], bar=bar)
            key = {**basis, "patients": analysed.patient_ids, "config": _plain(configs[spec.name])}
            result = stages.once(f"task-{spec.name}", key, work)
            report.scores += result["scores"]
            pictures += result.get("pictures", [])
            rows = _settled(result["tables"], None if leave_cohort else folder / "runs")
            if not leave_cohort:
                rows = _with_pictures(rows, result.get("pictures", []), folder)
            shown = _adding(rows)(shown)
            if not leave_cohort:
                update_cohort(folder, _adding(rows))
    report.reused = stages.reused
    with bar("Drawing patients") as drawn:
        report.board = build_board(
            shown,
            out / "board",
            scores=report.scores,
            findings=report.findings,
            pictures=pictures,
            progress=drawn,
            map=map,
        )
    return report


def _check(cohort: Cohort, *, bar: Bar, map: Map) -> list[dict[str, str]]:
    from tumorboard.checks import run_checks

    with bar("Checking images") as report:

        def counted(function: Callable[..., Any], items: Iterable[Any]) -> Iterator[Any]:
            jobs = list(items)
            for done, result in enumerate(map(function, jobs), start=1):
                report(done, len(jobs))
                yield result

        return [plain_finding(finding) for finding in run_checks(cohort, map=counted)]


def count_findings(findings: Sequence[Mapping[str, str]]) -> dict[str, int]:
    """How many findings there are of each severity."""
    return {s: sum(f["severity"] == s for f in findings) for s in ("error", "warning", "info")}


def _without_errors(cohort: Cohort, report: RunReport, *, despite_errors: bool) -> Cohort | None:
    """The patients to analyse; None when an error concerns all of them (docs/adr/0081)."""
    errors = [finding for finding in report.findings if finding["severity"] == "error"]
    if despite_errors or not errors:
        return cohort
    by_patient = findings_by_patient(cohort, errors)
    named = {id(finding) for findings in by_patient.values() for finding in findings}
    general = [finding for finding in errors if id(finding) not in named]
    if general:
        report.stopped = f"{len(general)} errors concern the whole cohort, the first: {general[0]['message']}"
        return None
    report.left_out = sorted(by_patient)
    return cohort.subset(patient for patient in cohort.patient_ids if patient not in by_patient)


def _benchmark(spec: TaskSpec, cohort: Cohort, out: Path, *, config: Any, bar: Bar) -> Callable[[], dict[str, Any]]:
    def work() -> dict[str, Any]:
        assert spec.benchmark is not None
        with bar(spec.title) as report:
            result = resolve(spec.benchmark)(cohort, out, config=config, progress=report)
        scores, tables = list(result.scores), dict(result.rows)
        tables["runs"] = [_with_scores(run, scores) for run in tables.get("runs", [])]
        return {"scores": scores, "tables": tables, "pictures": _listed(spec.name, result.pictures)}

    return work


def _listed(task: str, pictures: Sequence[Any]) -> list[dict[str, str]]:
    """Figures as values for the stage's record, with the hash of their bytes."""
    return [
        {
            "path": str(picture.path),
            "sha256": sha256_of(picture.path),
            "title": picture.title,
            "alt": picture.alt,
            "patient_id": picture.patient_id,
            "task": task,
        }
        for picture in pictures
    ]


def _with_pictures(
    rows: dict[str, list[dict[str, Any]]], pictures: Sequence[Mapping[str, str]], folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """The first run of a result carries the result's figures, copied to `runs/figures/`, so that a board can be drawn
    from the cohort alone."""
    if not pictures or not rows.get("runs"):
        return rows
    kept = []
    for picture in pictures:
        source = Path(picture["path"])
        target = folder / "runs" / "figures" / f"{picture['sha256'][:16]}{source.suffix.lower()}"
        with atomic_file(target) as temporary:
            shutil.copyfile(source, temporary)
        kept.append({**picture, "path": target.relative_to(folder).as_posix()})
    first, *others = rows["runs"]
    metrics = {**json.loads(first.get("metrics") or "{}"), "pictures": kept}
    return {**rows, "runs": [{**first, "metrics": json.dumps(metrics, sort_keys=True)}, *others]}


def _with_scores(run: Mapping[str, Any], scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The run's row with its scores among its metrics, so that a board can be drawn from the cohort alone."""
    mine = [dict(row) for row in scores if row["run"] == run["run_id"]]
    return {**run, "metrics": json.dumps({**json.loads(run.get("metrics") or "{}"), "scores": mine}, sort_keys=True)}


def _settled(tables: Mapping[str, Any], runs: Path | None) -> dict[str, list[dict[str, Any]]]:
    """Rows of the result's own runs, their images copied to `runs/<run_id>/` so that the cohort owns them.

    What a program measured in the expert's masks is not the expert's and would change the input of the next run;
    the board measures them anew.
    """
    rows = {name: _rows(name, table) for name, table in tables.items()}
    own = {run["run_id"] for run in rows.get("runs", [])}
    rows = {name: [row for row in listed if row.get("run_id", "") in own] for name, listed in rows.items()}
    if runs is None:
        return rows
    images = rows.get("images", [])
    run_names = safe_names(dict.fromkeys(row["run_id"] for row in images))
    image_names = safe_names(row["image_id"] for row in images)
    for row in images:
        source = Path(row["path"])
        suffix = "".join(part for part in source.suffixes[-2:] if part in (".nii", ".gz", ".mha", ".dcm"))
        target = runs / run_names[row["run_id"]] / f"{image_names[row['image_id']]}{suffix}"
        if not target.is_file() or sha256_of(target) != row["sha256"]:
            with atomic_file(target) as temporary:
                shutil.copyfile(source, temporary)
        row["path"] = str(target)
    return rows


def _rows(name: str, table: Any) -> list[dict[str, Any]]:
    if not isinstance(table, pa.Table):
        return [dict(row) for row in table]
    return Cohort(name, {name: table}).rows(name)


def _adding(rows: Mapping[str, list[dict[str, Any]]]) -> Callable[[Cohort], Cohort]:
    """Exchange the runs named in `rows` for these."""

    def change(cohort: Cohort) -> Cohort:
        for row in rows.get("runs", []):
            cohort = cohort.without_run(row["run_id"])
        return cohort.with_rows(**rows)

    return change


def _plain(config: Any) -> Any:
    return json.loads(config.model_dump_json())
