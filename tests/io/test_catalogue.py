"""Questions to the tables: answered from the files, and nothing else can be reached through them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.catalogue import query
from tumorboard.io.store import save_cohort

COUNT = "SELECT centre, count(*) FROM patients GROUP BY centre ORDER BY centre"


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    patients = [{"patient_id": f"P{i}", "centre": "AB"[i % 2]} for i in range(5)]
    exams = [{"exam_id": f"E{i}", "patient_id": f"P{i}", "order": 0} for i in range(5)]
    save_cohort(Cohort.build("c", patients=patients, exams=exams), tmp_path / "it's a cohort")
    return tmp_path / "it's a cohort"


def test_an_answer_over_two_tables(folder: Path) -> None:
    assert query(folder, COUNT) == (["centre", "count_star()"], [("A", 3), ("B", 2)])
    _, rows = query(folder, "SELECT exam_id FROM exams JOIN patients USING (patient_id) WHERE centre = 'B'")
    assert sorted(rows) == [("E1",), ("E3",)]


def test_on_the_command_line(folder: Path) -> None:
    runner = CliRunner()
    said = json.loads(runner.invoke(build_app(), ["info", str(folder), "--sql", COUNT, "--json"]).stdout)
    assert said == {"columns": ["centre", "count_star()"], "rows": [["A", 3], ["B", 2]]}
    nothing = "SELECT 'nan'::DOUBLE AS a, {'b': DATE '2020-01-02'} AS c"
    said = json.loads(runner.invoke(build_app(), ["info", str(folder), "--sql", nothing, "--json"]).stdout)
    assert said["rows"] == [[None, {"b": "2020-01-02"}]]
    assert runner.invoke(build_app(), ["info", str(folder), "--sql", COUNT]).stdout.splitlines()[1] == "A\t3"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT content FROM read_text('{secret}')",
        "SELECT * FROM glob('/etc/*')",
        "COPY patients TO '{target}'",
        "COPY (SELECT 1) TO '{target}'",
        "ATTACH '{target}' AS other",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE t AS SELECT 1",
        "EXPORT DATABASE '{target}'",
        "SELECT 1; SELECT 2",
        "DROP VIEW patients",
        "PRAGMA database_list",
        "",
        "SELECT nothing FROM patients",
        "SELECT * FROM range(200000)",
    ],
)
def test_what_is_not_a_question_is_refused(folder: Path, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nhidden\n", encoding="utf-8")
    with pytest.raises(TumorboardError, match="STO106") as refused:
        query(folder, sql.format(secret=secret, target=tmp_path / "target"))
    assert "hidden" not in str(refused.value)
    assert not (tmp_path / "target").exists()


def test_an_index_that_points_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    index = json.loads((folder / "cohort.json").read_text())
    outside = tmp_path / "outside.parquet"
    outside.write_bytes((folder / index["tables"]["patients"]["file"]).read_bytes())
    index["tables"]["patients"]["file"] = "../outside.parquet"
    (folder / "cohort.json").write_text(json.dumps(index))
    with pytest.raises(TumorboardError, match="FIL1"):
        query(folder, COUNT)
    index["tables"]["patients"]["file"] = "tables/gone.parquet"
    (folder / "cohort.json").write_text(json.dumps(index))
    with pytest.raises(TumorboardError, match="STO102"):
        query(folder, COUNT)
