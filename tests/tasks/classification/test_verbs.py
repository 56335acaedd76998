"""Benchmark, train, predict, evaluate: rows in the shape of the truth, nobody without an answer or its reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hpv_cohorts import build
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.io.store import open_cohort, save_cohort
from tumorboard.metrics.official import load_rules
from tumorboard.tasks.classification.benchmark import benchmark
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.evaluate import evaluate
from tumorboard.tasks.classification.model import ClassificationModel
from tumorboard.tasks.classification.predict import predict
from tumorboard.tasks.classification.train import train

FAST = ClassificationConfig(models=("majority", "logistic", "forest"), trees=5, inner_folds=2, folds=3, resamples=100)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    return benchmark(build(150, centres=2), out, config=FAST), out


def scores(found, run: str, metric: str, subset: str = "all"):
    (row,) = [r for r in found.scores if (r["run"], r["metric"], r["subset"]) == (run, metric, subset)]
    return row


def test_benchmark_by_patient_and_by_centre(result) -> None:
    found, out = result
    assert {row["subset"] for row in found.scores} == {"all", "centre C0 left out", "centre C1 left out"}
    null = scores(found, "majority", "auc")
    assert (null["value"], null["n"]) == (0.5, 150)
    assert scores(found, "majority", "balanced_accuracy")["value"] == 0.5
    mine = scores(found, "logistic", "auc")
    assert mine["low"] < mine["value"] < mine["high"] and mine["value"] > 0.75
    assert scores(found, "logistic", "auc", "centre C0 left out")["n"] == 75
    gain = scores(found, "logistic", "gain of balanced_accuracy at coverage 0.5")
    assert gain["value"] > 0.05, "the surest half is told better"
    assert 0.35 < scores(found, "logistic", "answered")["value"] < 0.65
    assert scores(found, "logistic", "conformal coverage (stated 0.9)")["value"] > 0.8
    assert scores(found, "forest", "auc minus logistic")["value"] == pytest.approx(
        scores(found, "forest", "auc")["value"] - mine["value"]
    )
    p = scores(found, "forest", "p_holm (auc against logistic)")
    assert 0 <= p["value"] <= 1 and p["low"] is None
    assert not [r for r in found.scores if r["metric"].startswith("p_holm") and r["subset"] != "all"], (
        "one fold, no test"
    )
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    kinds = ("abstention", "confusion", "decision", "reliability", "roc")
    assert pictures == [f"hpv-{kind}.png" for kind in kinds]
    assert sorted(picture.path.name for picture in found.pictures) == pictures


def test_rows_have_the_shape_of_the_truth(result) -> None:
    found, _ = result
    cohort = build(150, centres=2)
    added = cohort.with_rows(**found.rows)
    assert len(added.rows("outcomes", run_id="classification-logistic")) == 150
    row = added.rows("outcomes", run_id="classification-logistic")[0]
    assert sum(row["probabilities"].values()) == pytest.approx(1) and row["score"] == row["probabilities"]["positive"]
    assert {"confidence", "answered", "set"} <= set(json.loads(row["raw"]))
    again = evaluate(added, "classification-logistic")
    pooled = next(r for r in again.scores if r["metric"] == "auc")
    assert abs(pooled["value"] - scores(found, "logistic", "auc over all")["value"]) < 1e-12


def test_sizes_of_chance_are_refused(cohort: Cohort) -> None:
    few = cohort.subset(cohort.patient_ids[:15])
    with pytest.raises(TumorboardError) as error:
        benchmark(few, Path("unused"), config=FAST.model_copy(update={"endpoints": ("HPV",)}))
    assert error.value.code.id == "CLS101"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    run = tmp_path_factory.mktemp("run")
    config = ClassificationConfig(models=("ensemble",), trees=5, inner_folds=2, abstain=True, coverage=0.7)
    return train(build(150), run, config=config), run


def test_written_and_read_the_model_says_the_same(trained) -> None:
    model, run = trained
    again = ClassificationModel.load(run)
    other = build(40, seed=5)
    from tumorboard.tasks.classification.patients import Patients

    rows = other.rows("patients")
    a, b = (m.endpoints[0] for m in (model, again))
    p, q = (t.fitted.probabilities(Patients.encoded(rows, t.encoder)) for t in (a, b))
    assert np.array_equal(p, q) and again.facts["patients"] == model.facts["patients"]
    first, second = (train(build(60), run / name, config=FAST) and (run / name / "model.safetensors").read_bytes()
                     for name in ("one", "two"))  # fmt: skip
    assert first == second, "same data, same seed: same bytes"


def test_every_patient_gets_an_answer_or_a_reason(trained) -> None:
    _, run = trained
    other = build(40, seed=5)
    rows = [dict(row) for row in other.rows("patients")]
    blank = {"age_years": None, "packs": None, "subsite": None, "alcohol": None, "sex": None}
    rows[0] |= blank
    for i, name in enumerate(("age_years", "packs", "subsite", "alcohol"), start=1):
        rows[i] |= blank | {name: other.rows("patients")[i][name] or 40.0}
    rows[5] |= {"subsite": "never seen"}
    told = predict(run, other.replace_tables(patients=rows), run_id="p").rows["outcomes"]
    assert [row["patient_id"] for row in told] == other.patient_ids
    assert told[0]["problem"].startswith("CLS102") and not told[0].get("class_value")
    for row in told[1:]:
        said = row["class_value"] is not None
        assert said or row["problem"].startswith("CLS103")
        assert sum(row["probabilities"].values()) == pytest.approx(1)
    answered = np.mean([row["class_value"] is not None for row in told[6:]])
    assert 0.4 < answered < 0.95
    effects = json.loads(told[7]["raw"])["moved"]
    assert effects and set(effects) <= {"age_years", "packs", "subsite", "alcohol"}


def test_a_cell_that_is_no_number_is_a_reason(trained) -> None:
    _, run = trained
    other = build(12, seed=5)
    columns = other.patients.to_pydict() | {"packs": ["forty"] + ["12"] * 11}
    told = predict(run, other.replace_tables(patients=columns), run_id="p").rows["outcomes"]
    assert told[0]["problem"].startswith("VAR101") and told[1]["probabilities"]


def test_foreign_models_are_refused(tmp_path: Path) -> None:
    from tumorboard.engine.checkpoints import write_checkpoint

    write_checkpoint(tmp_path / "model.safetensors", tensors={}, state={"kind": "segmentation"})
    with pytest.raises(TumorboardError) as error:
        predict(tmp_path, build(12))
    assert error.value.code.id == "CLS104"


def stages() -> Cohort:
    values = {"A": ("T1", "N0", "positive"), "B": ("T2", "N1", "negative"), "C": ("T4a", "N2b", "positive")}
    told = {"A": ("T1", "N0", "positive"), "B": ("T3", "N1", "negative"), "C": ("T4", "N2", None)}
    rows = [
        {"patient_id": p, "endpoint": endpoint, "run_id": run, "class_value": value}
        for run, by_patient in ((EXPERT, values), ("m", told))
        for p, triple in by_patient.items()
        for endpoint, value in zip(("T stage", "N stage", "HPV"), triple, strict=True)
        if value
    ]
    patients = [{"patient_id": p} for p in values]
    return Cohort.build("three", patients=patients, outcomes=rows, runs=[{"run_id": "m"}])


def test_challenge_rules_by_hand(tmp_path: Path) -> None:
    cohort = stages()
    hpv = evaluate(cohort, "m", rules=load_rules("hecktor2025-hpv", task="classification"))
    # the positives: one of two told; the negative: told
    assert next(r["value"] for r in hpv.scores if r["metric"] == "balanced_accuracy") == pytest.approx(0.75)
    assert "C (HPV)" in hpv.missing and hpv.rules["name"] == "hecktor2025-hpv"
    tn = evaluate(cohort, "m", rules=load_rules("hecktor2026-tn", task="classification"))
    values = {r["label"]: r["value"] for r in tn.scores}
    assert values == {"T": pytest.approx(2 / 3), "N": 1.0, "mean": pytest.approx(5 / 6)}
    plain = evaluate(cohort, "m")
    row = next(r for r in plain.scores if (r["metric"], r["label"]) == ("balanced_accuracy", "HPV"))
    assert row["value"] == pytest.approx(0.75), "no class told is an error"
    answered = next(r for r in plain.scores if (r["metric"], r["label"]) == ("answered", "HPV"))
    assert answered["value"] == pytest.approx(2 / 3)
    file = tmp_path / "theirs.csv"
    file.write_text("PatientID,Prediction\nA,true\nB,0\nC,\nZ,1\n", encoding="utf-8")
    found = evaluate(cohort, file, rules=load_rules("hecktor2025-hpv", task="classification"))
    assert next(r["value"] for r in found.scores if r["metric"] == "balanced_accuracy") == pytest.approx(0.75)
    assert found.unused == ("Z",)


@pytest.mark.parametrize(
    ("text", "code"),
    [("id,Prediction\nA,1\n", "CLS106"), ("PatientID,Prediction\nA,1\nA,0\n", "MET108"),
     ("PatientID,Prediction\nA,perhaps\n", "MET109")],
)  # fmt: skip
def test_files_that_cannot_be_scored(tmp_path: Path, text: str, code: str) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TumorboardError) as error:
        evaluate(stages(), file)
    assert error.value.code.id == code


def test_the_command_line(tmp_path: Path) -> None:
    save_cohort(build(120), tmp_path / "cohort")
    run, app = CliRunner(), build_app()
    settings = ["--set", "models=logistic", "--set", "inner-folds=2", "--set", "resamples=100"]
    made = run.invoke(
        app, ["train", "classification", str(tmp_path / "cohort"), "--out", str(tmp_path / "m"), *settings]
    )
    assert made.exit_code == 0, made.output
    cohort = str(tmp_path / "cohort")
    told = run.invoke(app, ["predict", str(tmp_path / "m"), cohort, "--task", "classification", "--json"])
    assert told.exit_code == 0 and json.loads(told.stdout)["rows"]["outcomes"] == 120
    assert len(open_cohort(tmp_path / "cohort").rows("outcomes", run_id="m")) == 120
    scored = run.invoke(
        app, ["evaluate", "classification", cohort, "--prediction", "m", "--rules", "hecktor2025-hpv", "--json"]
    )
    assert scored.exit_code == 0 and json.loads(scored.stdout)["scores"][0]["metric"] == "balanced_accuracy"
    done = run.invoke(
        app, ["benchmark", cohort, "--task", "classification", "--out", str(tmp_path / "b"), "--json", *settings]
    )
    assert done.exit_code == 0 and "notes" in json.loads(done.stdout)
