"""The main job with a small task of the test's own: resumed, told, stored, and harmless when killed."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

import tumorboard.checks
from tumorboard.cli import pipeline
from tumorboard.cli.board import _stored_scores
from tumorboard.cli.stages import acquired, digest_of_inputs
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import TaskSpec
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort, save_cohort
from tumorboard.tasks.result import Picture, TaskResult

CALLS: list[str] = []


class Settings(BaseModel):
    value: int = 1


def missing(cohort: Cohort) -> list[str]:
    return [] if cohort.images.num_rows else ["CT images"]


def benchmark(cohort: Cohort, out: Path, *, config: Settings, progress: Any = None) -> Any:
    """Predicts a mask of one voxel value for every CT."""
    CALLS.append("benchmark")
    images = []
    for row in cohort.rows("images", modality="CT"):
        mask = cohort.image(row["image_id"]).with_array(np.full((8, 8, 8), config.value, np.uint8), Unit.LABEL)
        path = out / f"{row['exam_id']}.nii.gz"
        write_nifti(mask, path)
        images.append(
            describe_image(
                path,
                image_id=f"{row['exam_id']}.mask.fill",
                exam_id=row["exam_id"],
                modality=Modality.SEG,
                role=Role.MASK,
                unit=Unit.LABEL,
                run_id="fill",
                reference_image_id=row["image_id"],
                labels={1: "GTVp"},
            )
        )
    score = {"run": "fill", "task": "filling", "metric": "dice", "label": "GTVp", "subset": "all"}
    runs = [{"run_id": "fill", "task": "filling", "kind": "model"}]
    scores = [score | {"value": 0.25, "low": 0.2, "high": 0.3, "n": len(cohort)}]
    out.mkdir(parents=True, exist_ok=True)
    (out / "curve.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>', encoding="utf-8")
    pictures = (
        Picture(out / "curve.svg", "Filled volumes", "A curve that rises"),
        Picture(out / "curve.svg", "Of P1", "Of one patient", "P1"),
    )
    return TaskResult(scores, rows={"runs": runs, "images": images}, pictures=pictures)


SPEC = TaskSpec(
    name="filling",
    title="Filling",
    summary="",
    needs=("CT",),
    adds=("masks",),
    metrics=("dice",),
    missing=f"{__name__}:missing",
    config=f"{__name__}:Settings",
    benchmark=f"{__name__}:benchmark",
)


@contextlib.contextmanager
def no_bar(title: str) -> Iterator[Any]:
    yield lambda done, total: None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stored cohort of two patients with a CT each; the task above is the only one; no check finds anything."""
    CALLS.clear()
    monkeypatch.setattr(pipeline, "tasks", lambda: {"filling": SPEC})
    monkeypatch.setattr(
        pipeline, "resolve", lambda name: {"missing": missing, "benchmark": benchmark}[name.rpartition(":")[2]]
    )
    monkeypatch.setattr(tumorboard.checks, "run_checks", lambda cohort, *, map: [], raising=False)
    images = []
    for patient in ("P1", "P2"):
        path = tmp_path / "images" / f"{patient}.nii.gz"
        write_nifti(Volume(np.zeros((8, 8, 8), np.int16), np.diag([2.0, 2, 2, 1]), Unit.HU), path)
        images.append(
            describe_image(
                path,
                image_id=f"{patient}.0.CT",
                exam_id=f"{patient}.0",
                modality=Modality.CT,
                role=Role.IMAGE,
                unit=Unit.HU,
            )
        )
    cohort = Cohort.build(
        "two",
        patients=[{"patient_id": "P1"}, {"patient_id": "P2"}],
        exams=[{"exam_id": f"{p}.0", "patient_id": p, "order": 0} for p in ("P1", "P2")],
        images=images,
        loader=load_image,
    )
    save_cohort(cohort, tmp_path / "cohort")
    return tmp_path / "cohort"


def run(folder: Path, **options: Any) -> pipeline.RunReport:
    settings = {"configs": {"filling": Settings()}, "bar": no_bar, "map": map}
    return pipeline.run_cohort(folder, folder.parent / "out", **(settings | options))


def finding(severity: str, where: str) -> SimpleNamespace:
    return SimpleNamespace(code="TST101", severity=severity, where=where, message="found it", fix="mend it")


def test_a_run_scores_stores_and_draws(folder: Path) -> None:
    report = run(folder)
    assert [row["value"] for row in report.scores] == [0.25]
    assert report.board == folder.parent / "out" / "board" / "index.html"
    assert "0.25" in report.board.read_text(encoding="utf-8")
    cohort = open_cohort(folder)
    assert cohort.runs["run_id"].to_pylist() == ["expert", "fill"]
    row = cohort.row("images", image_id="P1.0.mask.fill")
    assert row["path"].startswith("runs/fill/")
    assert cohort.image("P1.0.mask.fill").array.max() == 1
    assert _stored_scores(cohort) == report.scores
    json.dumps(report.to_json())


def test_figures_of_a_task_reach_the_pages_and_stay_with_the_cohort(folder: Path, tmp_path: Path) -> None:
    import shutil

    from tumorboard.board.build import build_board
    from tumorboard.board.task_pictures import stored_pictures

    board = run(folder).board
    assert board is not None
    shutil.rmtree(folder.parent / "out" / "tasks")
    again = build_board(open_cohort(folder), tmp_path / "again", pictures=stored_pictures(open_cohort(folder)))
    for index in (board, again):
        text = index.read_text(encoding="utf-8")
        assert 'alt="A curve that rises"' in text
        assert "Of one patient" not in text
        assert len(list((index.parent / "figures").glob("*.svg"))) == 1
        assert "Of one patient" in (index.parent / "patients" / "p1.html").read_text(encoding="utf-8")
        assert "Of one patient" not in (index.parent / "patients" / "p2.html").read_text(encoding="utf-8")


def test_a_rerun_takes_over_what_is_finished(folder: Path) -> None:
    first = run(folder)
    again = run(folder)
    assert CALLS == ["benchmark"]
    assert again.reused == ["checks", "task-filling"]
    assert again.scores == first.scores
    assert open_cohort(folder).runs.num_rows == 2


def test_other_settings_damaged_results_or_patients_are_worked_out_again(folder: Path) -> None:
    run(folder)
    run(folder, configs={"filling": Settings(value=2)})
    assert len(CALLS) == 2
    assert open_cohort(folder).image("P1.0.mask.fill").array.max() == 2
    next((folder.parent / "out" / "tasks" / "filling").glob("P1*")).write_bytes(b"cut short")
    run(folder, configs={"filling": Settings(value=2)})
    assert len(CALLS) == 3
    (folder.parent / "out" / "task-filling.json").write_text("{", encoding="utf-8")
    run(folder, configs={"filling": Settings(value=2)})
    assert len(CALLS) == 4


def test_the_cohort_owns_its_runs_when_the_results_are_deleted(folder: Path) -> None:
    import shutil

    run(folder)
    shutil.rmtree(folder.parent / "out")
    assert open_cohort(folder).image("P2.0.mask.fill").array.max() == 1


def test_a_killed_run_leaves_the_cohort_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "update_cohort", killed)
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    after = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and "runs" not in p.parts}
    assert after == before
    assert run(folder).reused == ["checks", "task-filling"]


def test_leaving_the_cohort_alone(folder: Path) -> None:
    report = run(folder, leave_cohort=True)
    assert open_cohort(folder).runs.num_rows == 1
    assert not (folder / "runs").exists()
    assert report.board is not None
    assert "fill" in report.board.read_text(encoding="utf-8")


def test_patients_with_errors_are_left_out_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tumorboard.checks, "run_checks", lambda cohort, *, map: [finding("error", "P2.0.CT")])
    report = run(folder)
    assert (report.left_out, report.scores[0]["n"], report.stopped) == (["P2"], 1, "")
    assert report.to_json()["counts"] == {"error": 1, "warning": 0, "info": 0}
    everybody = run(folder, despite_errors=True)
    assert (everybody.left_out, everybody.scores[0]["n"]) == ([], 2)


def test_an_error_of_the_whole_cohort_stops_the_analyses(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tumorboard.checks, "run_checks", lambda cohort, *, map: [finding("error", "column OS")])
    report = run(folder)
    assert CALLS == []
    assert "found it" in report.stopped
    assert report.board is not None
    assert "TST101" in report.board.read_text(encoding="utf-8")


def test_a_task_without_its_data_is_skipped_in_words(folder: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    save_cohort(Cohort.build("bare", patients=[{"patient_id": "P1"}]), bare)
    assert run(bare).skipped == {"filling": ["CT images"]}


def test_a_changed_image_is_refused(folder: Path) -> None:
    cohort = open_cohort(folder)
    digest = digest_of_inputs(acquired(cohort))
    run(folder)
    assert digest_of_inputs(acquired(open_cohort(folder))) == digest, "a run is no input"
    path = folder.parent / "images" / "P1.nii.gz"
    write_nifti(Volume(np.ones((8, 8, 8), np.int16), np.diag([2.0, 2, 2, 1]), Unit.HU), path)
    with pytest.raises(TumorboardError, match="RUN101"):
        run(folder)
