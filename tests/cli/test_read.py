"""`tumorboard read`: the shape of its JSON, its exit codes, what it says to people."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.io.store import open_cohort, save_cohort

KEYS = {
    *("locations", "attribute", "category", "polarity", "comparison", "severity"),
    *("sentence", "start", "end", "rules"),
}
REPORT = "INDICATION: Rule out pneumonia.\nFINDINGS: Small left pleural effusion, unchanged. No pneumothorax.\n"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(build_app(), [str(word) for word in words])


def read(*words: str | Path, code: int = 0) -> dict[str, Any]:
    done = run("read", *words, "--json")
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_shape() -> None:
    found = read("--text", REPORT)
    assert set(found) == {"reports", "lexicon"} and found["lexicon"].startswith("chest-xray")
    (report,) = found["reports"]
    assert set(report) == {"id", "findings", "not_current"}
    effusion, pneumothorax = report["findings"]
    assert set(effusion) == set(pneumothorax) == KEYS
    assert {
        key: effusion[key] for key in ("locations", "attribute", "category", "polarity", "comparison", "severity")
    } == {
        "locations": ["left costophrenic angle"],
        "attribute": "pleural effusion",
        "category": "anatomicalfinding",
        "polarity": "yes",
        "comparison": "no change",
        "severity": "mild",
    }
    assert REPORT[effusion["start"] : effusion["end"]].endswith("effusion") and effusion["rules"]
    assert effusion["sentence"] in REPORT and pneumothorax["comparison"] is None
    (asked,) = report["not_current"]
    assert set(asked) == KEYS | {"tense"} and (asked["attribute"], asked["tense"]) == ("pneumonia", "hypothetical")


def test_a_file_a_folder_and_a_table_read_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "r1.txt").write_text(REPORT, encoding="utf-8")
    table = tmp_path / "t.csv"
    table.write_text('id,text\nr1,"' + REPORT + '"\n', encoding="utf-8")
    one = read(folder / "r1.txt")
    assert one == read(folder) == read(table) and one["reports"][0]["id"] == "r1"


def test_bad_reports_are_told_and_the_others_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("œdème".encode("cp1252"))
    (tmp_path / "b.txt").write_text("Cardiomegaly.", encoding="utf-8")
    found = read(tmp_path, code=3)
    assert [report["id"] for report in found["reports"]] == ["b"]
    assert [problem["code"] for problem in found["problems"]] == ["SCG103"]
    assert set(found["problems"][0]) == {"code", "where", "found", "expected", "fix"}
    assert "SCG103" in run("read", tmp_path).stderr


@pytest.mark.parametrize("data", [b"id,body\n1,x\n", b"", b'id,text\n1,"open'])
def test_a_table_that_is_none_ends_in_valid_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    found = read(path, code=1)
    assert found["reports"] == [] and found["error"]["code"] in {"SCG107", "SCG108"}


def test_a_table_that_breaks_off_keeps_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,text\n1,Cardiomegaly.\n" + b'2,"open')
    found = read(path, code=1)
    assert found["error"]["code"] == "SCG108" and [r["id"] for r in found["reports"]] in ([], ["1"])


@pytest.mark.parametrize(
    "words",
    [(), ("--text", "x", "file.txt"), ("--text", "x", "--level", "page"), ("--text", "x", "--save", "r")],
)
def test_usage(words: tuple[str, ...]) -> None:
    assert run("read", *words).exit_code == 2


def test_what_is_not_there(tmp_path: Path) -> None:
    assert read(tmp_path / "gone", code=1)["error"]["code"] == "SCG102"
    empty = read("--text", "  ")  # told, but no error
    assert empty["problems"][0]["code"] == "SCG105" and empty["reports"][0]["findings"] == []
    assert read("--text", "x", "--lexicon", "no-such", code=1)["error"]["code"] == "NLP101"


def test_report_level_and_closure() -> None:
    text = "FINDINGS: Consolidation of the left lower lobe.\nIMPRESSION: No consolidation.\n"
    said = read("--text", text)["reports"][0]["findings"]
    decided = read("--text", text, "--level", "report")["reports"][0]["findings"]
    assert {f["polarity"] for f in said} == {"yes", "no"} and {f["polarity"] for f in decided} == {"no"}
    closed = read("--text", "Consolidation of the left lower lobe.", "--closure")["reports"][0]["findings"]
    opacity = [f for f in closed if f["attribute"] == "lung opacity"]
    assert opacity and {f["rules"][-1] for f in opacity} == {"closure:up"}
    assert {place for f in opacity for place in f["locations"]} >= {"left lung", "left lower lung zone"}


def test_several_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("uid,findings,impression\n7,Cardiomegaly.,No effusion.\n", encoding="utf-8")
    columns = ("--id-column", "uid", "--text-column", "findings", "--text-column", "impression")
    (report,) = read(path, *columns)["reports"]
    assert report["id"] == "7"
    assert [(f["text_id"], f["start"], f["attribute"]) for f in report["findings"]] == [
        ("findings", 0, "enlarged cardiac silhouette"),
        ("impression", 3, "pleural effusion"),
    ]


def test_a_cohort_and_its_run(tmp_path: Path) -> None:
    texts = [{"text_id": "t", "exam_id": "e", "section": "findings", "body": "No effusion. Cardiomegaly."}]
    exams = [{"exam_id": "e", "patient_id": "p", "order": 0}]
    save_cohort(Cohort.build("c", patients=[{"patient_id": "p"}], exams=exams, texts=texts), tmp_path / "c")
    (report,) = read(tmp_path / "c", "--save", "mine")["reports"]
    assert report["id"] == "e" and report["findings"][0]["text_id"] == "t"
    kept = open_cohort(tmp_path / "c").rows("relations", run_id="mine")
    assert [(row["predicate"], row["start"]) for row in kept] == [("no", 3), ("yes", 13)]
    again = read(tmp_path / "c", "--save", "mine")["reports"]
    assert again == [report] and len(open_cohort(tmp_path / "c").rows("relations", run_id="mine")) == 2
    save_cohort(Cohort.build("c", patients=[{"patient_id": "p"}]), tmp_path / "empty")
    assert read(tmp_path / "empty", code=1)["error"]["code"] == "SCG102"


def test_a_labeler_is_shown_beside_the_rules(tmp_path: Path) -> None:
    program = tmp_path / "labeler.py"
    program.write_text(
        "import json, sys\n"
        "one = {'locations': ['cardiac silhouette'], 'attribute': 'enlarged cardiac silhouette', 'polarity': 'no'}\n"
        "asked = json.load(sys.stdin)['reports']\n"
        "print(json.dumps({'reports': [{'id': r['id'], 'findings': [one]} for r in asked]}))\n",
        encoding="utf-8",
    )
    (report,) = read("--text", "Cardiomegaly.", "--labeler", f"{sys.executable} {program}")["reports"]
    assert [f["polarity"] for f in report["findings"]] == ["yes"] and [f["polarity"] for f in report["labeler"]] == [
        "no"
    ]
    (gap,) = report["disagreements"]
    assert (gap["rules"], gap["labeler"]) == ("yes", "no")


def test_for_people(tmp_path: Path) -> None:
    """The report, its findings, and over several reports how often each is there."""
    done = run("read", "--text", REPORT)
    assert done.exit_code == 0 and "Small left pleural effusion" in done.stdout
    assert "left costophrenic" in done.stdout and "hypothetical" in done.stdout
    for number in range(30):
        (tmp_path / f"{number}.txt").write_text("Cardiomegaly.", encoding="utf-8")
    listed = run("read", tmp_path).stdout
    assert "30 reports" in listed and listed.count("cardiac silhouette") < 45


@pytest.mark.slow
def test_workers_and_processes_change_nothing(tmp_path: Path) -> None:
    """Same bytes with one process, with two, and with another seed of Python's hashes."""
    path = tmp_path / "t.csv"
    rows = [f'{i},"{REPORT} Cardiomegaly. Bibasilar atelectasis, right greater than left."' for i in range(500)]
    path.write_text("\n".join(["id,text", *rows]), encoding="utf-8")
    source = str(Path(__file__).parents[2] / "src")
    outputs = set()
    for workers, seed in (("1", "0"), ("2", "1")):
        words = [sys.executable, "-m", "tumorboard", "read", str(path), "--workers", workers, "--json"]
        done = subprocess.run(
            words, capture_output=True, text=True, check=True, env={"PYTHONPATH": source, "PYTHONHASHSEED": seed}
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1 and len(json.loads(outputs.pop())["reports"]) == 500


def test_a_million_bad_rows_are_counted_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,text\n" + ",x\n" * 3000 + "a,Cardiomegaly.\n", encoding="utf-8")
    found = read(path, code=3)
    assert len(found["problems"]) == 1000 and found["problems_in_all"] == 3000 and len(found["reports"]) == 1
