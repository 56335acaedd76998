"""A labeler of one's own: JSON in, JSON out, nothing outside the vocabulary gets through."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.scenegraph.labeler import ask, question, validated
from tumorboard.tasks.scenegraph.reading import Report

REPORTS = [Report("a", "Heart enlarged."), Report("b", "No effusion. Lungs clear.")]
GOOD = {"locations": ["cardiac silhouette"], "attribute": "enlarged cardiac silhouette", "polarity": "yes"}


def program(folder: Path, body: str) -> list[str]:
    path = folder / "labeler.py"
    path.write_text(f"import json, sys\nasked = json.load(sys.stdin)\n{body}\n", encoding="utf-8")
    return [sys.executable, str(path)]


def answer(*findings: Any, name: str = "a") -> dict[str, Any]:
    return {"reports": [{"id": name, "findings": list(findings)}, {"id": "b", "findings": []}]}


def test_a_program_answers(tmp_path: Path) -> None:
    """The program gets every report and the vocabulary, and its answers become statements with their sentence."""
    command = program(
        tmp_path,
        "assert 'pneumothorax' in asked['vocabulary']['attributes']['anatomicalfinding']\n"
        "found = [{'id': r['id'], 'findings': [{'locations': ['left costophrenic angle'],"
        " 'attribute': 'pleural effusion', 'polarity': 'no', 'sentence': 'No effusion.', 'confidence': 0.5}]"
        " if 'effusion' in r['text'] else []}"
        " for r in asked['reports']]\n"
        "print(json.dumps({'reports': found}))",
    )
    graphs, refused = ask(command, REPORTS)
    assert refused == [] and [len(graph) for graph in graphs] == [0, 1]
    (said,) = graphs[1]
    assert (said.category, str(said.polarity), said.confidence) == ("anatomicalfinding", "no", 0.5)
    assert REPORTS[1].text[said.start : said.end] == said.sentence == "No effusion."


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("sys.exit('out of credit')", "out of credit"),
        ("print('not json')", "JSON"),
        ("print('[]')", "reports"),
        ("import time; time.sleep(30)", "within"),
    ],
)
def test_failure_is_told(tmp_path: Path, body: str, found: str) -> None:
    with pytest.raises(TumorboardError, match=r"SCG109|FIL112") as error:
        ask(program(tmp_path, body), REPORTS, timeout_s=3)
    assert found in str(error.value)


@pytest.mark.parametrize("command", ["/no/such/program", ""])
def test_a_program_that_is_not_there(command: str) -> None:
    with pytest.raises(TumorboardError, match="SCG109"):
        ask(command, REPORTS)


@pytest.mark.parametrize(
    "wrong",
    [
        {**GOOD, "attribute": "heart trouble"},
        {**GOOD, "locations": ["heart"]},
        {**GOOD, "locations": []},
        {**GOOD, "locations": "svc"},
        {**GOOD, "polarity": "maybe"},
        {**GOOD, "comparison": "bigger"},
        {**GOOD, "severity": "awful"},
        {**GOOD, "tense": "past"},
        {**GOOD, "confidence": 2},
        {**GOOD, "confidence": True},
        {**GOOD, "sentence": "Heart normal."},
        {**GOOD, "sentence": 3},
        {"locations": ["svc"], "polarity": "yes"},
        "enlarged",
        None,
    ],
    ids=lambda wrong: json.dumps(wrong)[:40],
)
def test_a_statement_outside_the_vocabulary_is_refused_and_the_others_stay(wrong: Any) -> None:
    graphs, refused = validated(answer(wrong, GOOD), REPORTS, source="x")
    assert [error.code.id for error in refused] == ["SCG110"]
    assert [s.attribute for s in graphs[0]] == ["enlarged cardiac silhouette"]


def test_reports_left_out_or_made_up_are_told() -> None:
    graphs, refused = validated(answer(GOOD, name="z"), REPORTS, source="x")
    assert len(refused) == 2 and [graph.exam_id for graph in graphs] == ["a", "b"]
    assert all(len(graph) == 0 for graph in graphs)


def test_the_question_holds_every_report() -> None:
    asked = question(REPORTS)
    assert [one["id"] for one in asked["reports"]] == ["a", "b"]
    assert asked["vocabulary"]["polarities"] == ["yes", "no", "uncertain"]
