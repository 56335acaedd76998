"""The verb `board`: files on request, or this machine's browser alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.io.store import save_cohort


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_cohort(Cohort.build("one", patients=[{"patient_id": "P-secret"}]), tmp_path / "cohort")
    return tmp_path / "cohort"


def test_the_pages_are_written_to_a_folder(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(build_app(), ["board", str(folder), "--export", str(tmp_path / "out"), "--no-checks"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "index.html").is_file()
    assert (tmp_path / "out" / "vendor" / "niivue" / "LICENSE").is_file()
    assert [path.name for path in (tmp_path / "out" / "patients").iterdir()] == ["p1.html"]


def test_other_machines_are_let_in_only_with_a_token(folder: Path) -> None:
    done = CliRunner().invoke(build_app(), ["board", str(folder), "--host", "0.0.0.0"])
    assert done.exit_code == 2
    assert "--token" in done.output


def test_the_board_is_served_and_readings_become_runs_at_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import uvicorn

    from tumorboard.board.corrections.journal import Entry, Journal
    from tumorboard.io.store import open_cohort

    seen = {}

    def run(app: object, **options: object) -> None:
        seen.update(options)
        made = "2026-11-21T12:00:00.000Z"
        Journal(folder).add(Entry("nonce-1", "Ada", made, "P-secret", "E", "net", "accept", "relation|r", {}))

    monkeypatch.setattr(uvicorn, "run", run)
    done = CliRunner().invoke(build_app(), ["board", str(folder), "--no-checks", "--port", "8766"])
    assert done.exit_code == 0, done.output
    assert (seen["host"], seen["port"]) == ("127.0.0.1", 8766)
    assert "http://127.0.0.1:8766/" in done.output
    assert open_cohort(folder).rows("runs", run_id="reader Ada")
