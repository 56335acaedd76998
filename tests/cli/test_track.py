"""`tumorboard track`: the shape of its JSON, its run, its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.lesion import RECIST_PAIR, SAME_LESION
from tumorboard.io.store import open_cohort
from tumorboard.phantom import make_cohort

ALIGNED = ("--set", "alignment=relative location")


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two virtual patients with two exams, tables alone, saved."""
    folder = tmp_path_factory.mktemp("track") / "cohort"
    make_cohort(folder, region="body-ct", patients=2, exams=2, seed=7, tables_only=True)
    return folder


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(build_app(), list(words))
    return result.exit_code, result.stdout


def test_json_holds_every_marked_lesion_once_and_the_response(cohort: Path) -> None:
    code, out = run("track", str(cohort), "--json", *ALIGNED)
    shown = json.loads(out)
    assert code == 0
    marked = sorted(row["finding_id"] for row in open_cohort(cohort).rows("findings", kind=RECIST_PAIR))
    assert sorted(name for track in shown["tracks"] for name in track["findings"]) == marked
    assert set(shown["tracks"][0]) == {"track", "patient", "findings"}
    assert {row["patient"] for row in shown["response"]} == {track["patient"] for track in shown["tracks"]}
    code, out = run("track", str(cohort), "--json", "--patient", "L-002", *ALIGNED)
    assert {track["patient"] for track in json.loads(out)["tracks"]} == {"L-002"}


def test_a_saved_run_can_be_scored(cohort: Path) -> None:
    code, out = run("track", str(cohort), "--save", "mine", *ALIGNED)
    assert code == 0
    assert "response:" in out
    assert open_cohort(cohort).rows("relations", predicate=SAME_LESION, run_id="mine")
    code, out = run("evaluate", "tracking", str(cohort), "--prediction", "mine", "--json")
    assert code == 0
    f1 = next(row["value"] for row in json.loads(out)["scores"] if row["metric"] == "pair_f1")
    assert f1 > 0.9  # the places are planted


def test_mistakes(cohort: Path) -> None:
    assert run("track", str(cohort), "--save", "expert")[0] == 2
    assert run("track", str(cohort), "--set", "method=guess")[0] == 2
