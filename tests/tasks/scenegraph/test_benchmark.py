"""The task on three written reports: rows, scores beside the baselines, evaluation, lists of differences."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tumorboard
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve, tasks
from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement
from tumorboard.io.store import open_cohort, save_cohort
from tumorboard.metrics.registry import METRICS
from tumorboard.tasks.scenegraph.change import Change
from tumorboard.tasks.scenegraph.evaluate import evaluate
from tumorboard.tasks.scenegraph.rows import change_row, is_change, is_statement, statement_rows

TEXTS = {
    ("a.0", "findings"): "Small left effusion. Atelectasis at the left base. Heart size is normal. No pneumothorax.",
    ("a.1", "findings"): "The left pleural effusion has increased. No focal consolidation. No pneumothorax.",
    ("a.1", "impression"): "Larger left effusion.",
    ("b.0", "findings"): "Consolidation of the right lower lobe. No effusion.",
    ("b.0", "impression"): "No effusion. No consolidation.",
}
TRUTH: dict[str, list[tuple[str, str, str]]] = {
    "a.0": [
        ("left costophrenic angle", "pleural effusion", "yes"),
        ("left lower lung zone", "atelectasis", "yes"),
        ("cardiac silhouette", "enlarged cardiac silhouette", "no"),
        ("right lung", "pneumothorax", "no"),
        ("left lung", "pneumothorax", "no"),
    ],
    "a.1": [
        ("left costophrenic angle", "pleural effusion", "yes"),
        *((f"{side} lung", name, "no") for side in ("right", "left") for name in ("consolidation", "pneumothorax")),
    ],
    "b.0": [
        ("right costophrenic angle", "pleural effusion", "no"),
        ("left costophrenic angle", "pleural effusion", "no"),
        ("right lung", "consolidation", "no"),
        ("left lung", "consolidation", "no"),
    ],
}


def small_cohort(*, expert: bool = True) -> Cohort:
    relations: list[Mapping[str, Any]] = []
    for exam, triples in TRUTH.items() if expert else ():
        said = tuple(Statement(name, "anatomicalfinding", (where,), Polarity(p)) for where, name, p in triples)
        relations += statement_rows(SceneGraph(exam, said), run_id="expert")
    if expert:
        larger = Change("left costophrenic angle", "pleural effusion", "anatomicalfinding", "worsened", "text")
        relations.append(change_row(larger, "a.1", "a.0", 0, run_id="expert"))
    return Cohort.build(
        "written",
        patients=[{"patient_id": "a"}, {"patient_id": "b"}],
        exams=[{"exam_id": exam, "patient_id": exam[0], "order": int(exam[2])} for exam in TRUTH],
        texts=[
            {"text_id": f"{exam}.{section}", "exam_id": exam, "section": section, "body": body}
            for (exam, section), body in TEXTS.items()
        ],
        relations=relations,
    )


def value(scores: list[dict[str, Any]], run: str, metric: str, label: str = "") -> float | None:
    (row,) = (r for r in scores if (r["run"], r["metric"], r["label"]) == (run, metric, label))
    found: float | None = row["value"]
    return found


def test_the_rules_beat_the_baselines(tmp_path: Path) -> None:
    """Counted by hand: the rules give all 14 triples of the expert. Keywords alone deny nothing and put everything on
    both sides: of what the expert says they share the left effusion of the two exams of patient a."""
    result = tumorboard.benchmark(small_cohort(), task="scenegraph", out=tmp_path, resamples=100)
    assert value(result.scores, "rules", "triple_f1") == 1
    assert value(result.scores, "rules", "comparison_f1") == 1
    keywords = value(result.scores, "keywords", "triple_recall")
    assert keywords == pytest.approx(2 / 14)
    window = value(result.scores, "negation-window", "triple_f1")
    assert keywords is not None and window is not None and keywords < window < 1
    assert {row["metric"] for row in result.scores} <= set(METRICS)
    shown = {row["metric"] for row in result.scores}
    assert shown == set(tasks()["scenegraph"].metrics) - {"sentence_f1"}  # this expert names no sentences
    assert all(row["task"] == "scenegraph" and row["subset"] == "all" for row in result.scores)


def test_rows_fit_the_cohort_and_point_to_their_words(tmp_path: Path) -> None:
    cohort = small_cohort()
    result = tumorboard.benchmark(cohort, task="scenegraph", out=tmp_path, resamples=100)
    whole = cohort.with_rows(**result.rows)
    bodies = {f"{exam}.{section}": body for (exam, section), body in TEXTS.items()}
    rows = whole.rows("relations", run_id="rules")
    effusion = [row for row in rows if row["object"] == "anatomicalfinding|pleural effusion" and is_statement(row)]
    assert len(effusion) == 5 and all("effusion" in bodies[r["text_id"]][r["start"] : r["end"]] for r in effusion)
    for row in filter(is_statement, rows):
        first, last = json.loads(row["attributes"])["sentence"]
        assert bodies[row["text_id"]][first:last].endswith(".") and first <= row["start"] < row["end"] <= last
    changes = {
        (r["subject"], r["predicate"], r["object"], json.loads(r["attributes"])["source"]) for r in rows if is_change(r)
    }
    assert ("a.1", "worsened", "a.0", "text") in changes
    assert {row["run_id"]: row["kind"] for row in result.rows["runs"]} == {
        "keywords": "baseline",
        "negation-window": "baseline",
        "rules": "rules",
    }


def test_contradictions_and_disagreements_are_listed(tmp_path: Path) -> None:
    tumorboard.benchmark(small_cohort(), task="scenegraph", out=tmp_path, resamples=100)
    with (tmp_path / "contradictions.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert [(r["exam"], r["location"], r["sections"]) for r in listed] == [
        ("b.0", "right lower lung zone", "findings/impression")
    ]
    assert listed[0]["sentence"].startswith("No consolidation")
    assert (tmp_path / "disagreements.csv").read_text(encoding="utf-8").count("\n") == 1  # the heading alone


def test_without_an_expert_statements_are_counted(tmp_path: Path) -> None:
    result = tumorboard.benchmark(small_cohort(expert=False), task="scenegraph", out=tmp_path, resamples=100)
    assert {row["metric"] for row in result.scores} == {"statements_per_report"}
    assert value(result.scores, "rules", "statements_per_report") == pytest.approx((4 + 4 + 4) / 3)


def test_without_texts_the_task_is_not_run() -> None:
    empty = Cohort.build("c", patients=[{"patient_id": "a"}])
    assert resolve(tasks()["scenegraph"].missing)(empty) == ["texts of exams"]
    with pytest.raises(TumorboardError, match="TSK102"):
        tumorboard.benchmark(empty, task="scenegraph")


def test_closure_as_rows(tmp_path: Path) -> None:
    result = tumorboard.benchmark(small_cohort(), task="scenegraph", out=tmp_path, closure=True, resamples=100)
    follows = [r for r in result.rows["relations"] if r["run_id"] == "rules" and "derived_from" in r["attributes"]]
    assert any(json.loads(r["attributes"])["rules"][-1] == "closure:up" for r in follows)
    assert any(json.loads(r["attributes"])["rules"][-1] == "closure:down" for r in follows)
    small_cohort().with_rows(**result.rows)  # keys are unique, references resolve
    assert value(result.scores, "rules", "triple_f1") == 1  # and the score is the same


def test_evaluation_of_a_kept_run(tmp_path: Path) -> None:
    cohort = small_cohort()
    result = tumorboard.benchmark(cohort, task="scenegraph", out=tmp_path, resamples=100)
    save_cohort(cohort.with_rows(**result.rows), tmp_path / "cohort")
    opened = open_cohort(tmp_path / "cohort")
    found = evaluate(opened, "keywords")
    assert value(found.scores, "keywords", "triple_f1") == value(result.scores, "keywords", "triple_f1")
    assert found.rules["reference"] == "expert" and found.cases and not found.missing
    assert {
        "exam": "a.0",
        "location": "right lung",
        "attribute": "pneumothorax",
        "expert": "no",
        "keywords": "yes",
    } in found.cases
    assert evaluate(opened, "rules").cases == []
    with pytest.raises(TumorboardError, match="SCG111"):
        evaluate(opened, "nobody")


def test_a_labeler_beside_the_rules(tmp_path: Path) -> None:
    """It answers for one report, with one statement of the vocabulary and one that is not; all is kept and told."""
    program = tmp_path / "labeler.py"
    program.write_text(
        "import json, sys\n"
        "asked = json.load(sys.stdin)\n"
        "good = {'locations': ['left costophrenic angle'], 'attribute': 'pleural effusion', 'polarity': 'no'}\n"
        "bad = {'locations': ['heart'], 'attribute': 'pleural effusion', 'polarity': 'no'}\n"
        "found = [{'id': r['id'], 'findings': [good, bad] if r['id'] == 'a.0' else []} for r in asked['reports']]\n"
        "print(json.dumps({'reports': found}))\n",
        encoding="utf-8",
    )
    command = f"{sys.executable} {program}"
    result = tumorboard.benchmark(small_cohort(), task="scenegraph", out=tmp_path, labeler=command, resamples=100)
    (run,) = (row for row in result.rows["runs"] if row["run_id"] == "labeler")
    assert run["kind"] == "labeler" and "SCG110" in run["metrics"]
    assert value(result.scores, "labeler", "triple_f1") == 0
    with (tmp_path / "disagreements.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    (effusion,) = (r for r in listed if r["exam"] == "a.0" and r["attribute"] == "pleural effusion")
    assert (effusion["rules"], effusion["labeler"], effusion["expert"]) == ("yes", "no", "yes")


def test_the_same_cohort_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = (
        tumorboard.benchmark(small_cohort(), task="scenegraph", out=tmp_path / name, resamples=100) for name in "xy"
    )
    assert json.dumps([one.scores, one.rows]) == json.dumps([two.scores, two.rows])
    for name in ("disagreements.csv", "contradictions.csv"):
        assert (tmp_path / "x" / name).read_bytes() == (tmp_path / "y" / name).read_bytes()
