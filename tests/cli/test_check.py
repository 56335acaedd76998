"""`tumorboard check` and `tumorboard explain`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tumorboard.checks.finding import rules
from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.store import save_cohort


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(build_app(), [str(word) for word in words])


def small(folder: Path, ages: list[float]) -> Path:
    rows = [{"patient_id": f"p{i}", "age_years": age} for i, age in enumerate(ages)]
    save_cohort(Cohort.build("c", patients=rows), folder)
    return folder


def test_exit_codes_and_json(tmp_path: Path) -> None:
    good = run("check", small(tmp_path / "good", [50.0, 60.0]), "--json")
    assert good.exit_code == 0 and json.loads(good.stdout) == {
        "findings": [],
        "counts": {"error": 0, "warning": 0, "info": 0},
    }
    bad = run("check", small(tmp_path / "bad", [50.0, 190.0, 60.0]), "--json")
    assert bad.exit_code == 3
    (found,) = json.loads(bad.stdout)["findings"]
    assert set(found) == {"code", "severity", "where", "message", "fix"} and found["code"] == "TAB208"


@pytest.mark.slow
def test_the_program_itself(tmp_path: Path) -> None:
    source = str(Path(__file__).parents[2] / "src")
    command = [sys.executable, "-m", "tumorboard", "check", str(small(tmp_path / "bad", [190.0, 60.0, 50.0])), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PYTHONPATH": source, "PATH": ""})
    assert done.returncode == 3 and json.loads(done.stdout)["counts"]["error"] == 1


def test_people_get_a_table_by_rule(tmp_path: Path) -> None:
    done = run("check", small(tmp_path / "bad", [50.0, 190.0, 60.0]))
    assert done.exit_code == 3 and "TAB208" in done.stdout and "1 error" in done.stdout


def test_a_raw_table_and_a_missing_cohort(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,age\na,50\nb,-7\nc,60\n")
    assert run("check", path).exit_code == 3
    missing = run("check", tmp_path / "nothing")
    assert missing.exit_code == 1 and isinstance(missing.exception, TumorboardError)


def test_explain_knows_every_rule_and_every_error(tmp_path: Path) -> None:
    pages = {page["code"]: page for page in json.loads(run("explain", "--json").stdout)["codes"]}
    assert {rule.code.id for rule in rules()} <= set(pages)
    assert {"COH104", "STO101", "FIL104", "TAB102", "GEO102"} <= set(pages)
    for rule in rules():
        page = pages[rule.code.id]
        assert all(page[key] for key in ("title", "why", "example", "fix")), rule.name
    one = run("explain", "out206")
    assert one.exit_code == 0 and "Censor" in one.stdout
    assert run("explain", "XYZ999").exit_code == 2
