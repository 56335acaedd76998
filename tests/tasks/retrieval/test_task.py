"""The whole task on toy CTs: training, prediction, search, evaluation, benchmark, and the verbs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lesion_cohorts import toy_cohort
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.store import open_cohort, save_cohort, update_cohort
from tumorboard.tasks.retrieval.benchmark import benchmark
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.evaluate import evaluate
from tumorboard.tasks.retrieval.find import Filters, find
from tumorboard.tasks.retrieval.lesions import find_lesions
from tumorboard.tasks.retrieval.model import LesionModel
from tumorboard.tasks.retrieval.predict import predict
from tumorboard.tasks.retrieval.scoring import answers
from tumorboard.tasks.retrieval.train import train

CONFIG = RetrievalConfig(
    edge_px=32, jitter_px=2, dimensions=16, channels=(8, 12), context=1, sequences=6, folds=2, resamples=100,
    steps=40, learning_rate=5e-3,
    trees=10,
)  # fmt: skip
BRIEF = CONFIG.model_copy(update={"steps": 3})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LesionModel]:
    folder = tmp_path_factory.mktemp("model")
    return folder, train(toy_cohort(patients=12), folder, config=CONFIG)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory, trained: tuple[Path, LesionModel]) -> tuple[Path, Cohort]:
    """A saved cohort with the run `similar`."""
    root = tmp_path_factory.mktemp("cohort")
    save_cohort(toy_cohort(patients=9, untyped=1), root)
    result = predict(trained[0], toy_cohort(patients=9, untyped=1), out=root / "runs", run_id="similar")
    update_cohort(root, lambda newest: newest.with_rows(**result.rows))
    return root, open_cohort(root)


def test_training_is_kept_and_the_same_again(trained: tuple[Path, LesionModel], tmp_path: Path) -> None:
    folder, model = trained
    cohort = toy_cohort(patients=12)
    assert not list(folder.rglob("last.safetensors"))
    lesions = find_lesions(cohort)
    kept = LesionModel.load(folder)
    from tumorboard.tasks.retrieval.crops import crops_of

    crops = crops_of(cohort, lesions, CONFIG)
    one, two = model.embed(lesions, crops), kept.embed(lesions, crops)
    assert np.array_equal(one.vectors, two.vectors)
    assert np.allclose(np.linalg.norm(one.vectors, axis=1), 1, atol=1e-5)
    assert train(cohort, folder, config=CONFIG).facts["seconds"] == 0.0  # taken over
    assert model.facts["patients"] == sorted(set(lesions.patients.tolist()))
    for name in ("one", "two"):
        train(cohort, tmp_path / name, config=BRIEF)
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_types_are_told_from_pixels(predicted: tuple[Path, Cohort]) -> None:
    """In the toys place and size say nothing, the pixels everything."""
    found = evaluate(predicted[1], "similar")
    scores = {(row["metric"], row["label"]): row["value"] for row in found.scores}
    assert scores["precision@1", "type"] > 0.9
    assert scores["f1_macro", "type"] > 0.9
    assert found.missing == () and len(found.cases) == 24  # the untyped patient asks nothing
    told = predicted[1].rows("findings", run_id="similar")
    assert len(told) == 27 and all(0 < row["score"] <= 1 for row in told)
    assert sum(json.loads(told[0]["attributes"])["probabilities"].values()) == pytest.approx(1, abs=1e-2)


def test_find_leaves_out_the_patient_not_only_the_query(predicted: tuple[Path, Cohort]) -> None:
    """Trap 7."""
    _, cohort = predicted
    run, hits = find(cohort, "T03.liver.1", k=9)
    assert run == "similar" and len(hits) == 9
    assert all(hit.patient != "T03" for hit in hits)
    assert [hit.distance for hit in hits] == sorted(hit.distance for hit in hits)
    _, own = find(cohort, "T03.liver.1", k=26, filters=Filters(own_patient=True))
    assert {"T03.lung.1", "T03.bone.1"} <= {hit.finding for hit in own}
    assert "T03.liver.1" not in {hit.finding for hit in own}
    _, livers = find(cohort, "T03.liver.1", k=30, filters=Filters(label="liver", split="test"))
    assert {hit.patient for hit in livers} == {"T00", "T06"}
    _, each = find(cohort, "T03.liver.1", k=30, filters=Filters(one_per_patient=True))
    assert len(each) == len({hit.patient for hit in each}) == 8


def test_find_says_what_is_not_there(predicted: tuple[Path, Cohort]) -> None:
    _, cohort = predicted
    with pytest.raises(TumorboardError, match="RET105"):
        find(cohort, "nothing")
    with pytest.raises(TumorboardError, match="RET103"):
        find(cohort, "T03.liver.1", run="other")
    with pytest.raises(TumorboardError, match="RET103"):
        find(toy_cohort(), "T03.liver.1")
    run, hits = find(toy_cohort(pixels=False), "T03.liver.1", run="location-size", k=2)
    assert run == "location-size" and len(hits) == 2


def test_the_verb_prints_the_stated_shape(predicted: tuple[Path, Cohort]) -> None:
    root, _ = predicted
    done = CliRunner().invoke(build_app(), ["find", str(root), "T03.lung.1", "-k", "3", "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["query"], said["run"], len(said["hits"])) == ("T03.lung.1", "similar", 3)
    assert set(said["hits"][0]) == {"finding", "patient", "distance", "label"}
    lines = CliRunner().invoke(build_app(), ["find", str(root), "T03.lung.1", "--type", "lung"]).stdout.splitlines()
    assert len(lines) == 7 and all(line.endswith("lung") for line in lines)


def test_matrices_of_other_programs_become_runs(predicted: tuple[Path, Cohort], tmp_path: Path) -> None:
    root, cohort = predicted
    lesions = find_lesions(cohort)
    np.save(tmp_path / "embeddings.npy", np.eye(8)[np.maximum(lesions.numbers(), 0)])
    (tmp_path / "findings.txt").write_text("\n".join(lesions.ids) + "\n", encoding="utf-8")
    result = predict(tmp_path, cohort, out=root / "runs", run_id="foreign")
    assert result.rows["runs"][0]["kind"] == "import"
    joined = cohort.with_rows(**result.rows)
    scores = evaluate(joined, "foreign").scores
    assert next(row["value"] for row in scores if row["metric"] == "precision@1" and row["label"] == "type") == 1.0
    by_folder = evaluate(cohort, tmp_path).scores
    assert [row["value"] for row in by_folder] == [row["value"] for row in scores]
    (tmp_path / "findings.txt").write_text("x\n" * 1 + "\n".join(lesions.ids[1:]) + "\n", encoding="utf-8")
    with pytest.raises(TumorboardError, match="RET104"):
        predict(tmp_path, cohort, out=root / "runs", run_id="foreign")


def test_answers_count_other_patients_alone() -> None:
    """Two lesions of one patient on one spot, another patient's elsewhere: the twin is no hit."""
    lesions = find_lesions(toy_cohort(patients=2, pixels=False)).only([0, 1, 3])
    found = answers(lesions, np.array([[1.0, 0], [1.0, 0], [0, 1.0]], np.float32), metric="euclid")
    assert found.hits[0] == ("T01.liver.1",) and found.first.tolist() == [1.0, 0.0, 1.0]
    assert found.distances[0, 0] == pytest.approx(2**0.5)
    assert found.average[2] == pytest.approx(1.0)  # of two twins at one distance the lower row comes first
    assert np.isnan(found.average[1])  # no other lung


def test_benchmark_beside_baselines(tmp_path: Path) -> None:
    result = benchmark(toy_cohort(patients=10), tmp_path, config=CONFIG)
    value = {(r["run"], r["metric"], r["label"]): r["value"] for r in result.scores}
    best, place = value["embedding", "precision@1", "type"], value["location-size", "precision@1", "type"]
    assert best > 0.9 and place < 0.7
    # Five patients are held out at a time: four of nine hits can have the query's type, no more.
    assert 0.4 < value["embedding", "precision@9", "type"] <= 4 / 9 + 1e-9
    gap = next(r for r in result.scores if r["run"] == "embedding - location-size" and r["metric"] == "precision@1")
    assert gap["low"] > 0 and gap["n"] == 10
    assert value["head", "f1_macro", "type"] > value["location-size-forest", "f1_macro", "type"]
    assert {picture.path.name for picture in result.pictures} == {"rows.png", "map.png", "confusion.png"}
    assert all(picture.path.read_bytes()[:4] == b"\x89PNG" for picture in result.pictures)
    again = benchmark(toy_cohort(patients=10), tmp_path, config=CONFIG.model_copy(update={"pictures": False}))
    assert again.scores == result.scores  # folds taken over
    toy_cohort(patients=10).with_rows(**result.rows)


def test_benchmark_of_a_table_alone_scores_the_baselines(tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"pictures": False})
    result = benchmark(toy_cohort(patients=8, untyped=2, pixels=False), tmp_path, config=config)
    runs = {row["run"] for row in result.scores}
    assert {"random", "location-size", "location-size-forest"} <= runs and "embedding" not in runs
    assert any("without pixels" in note for note in result.notes)
    assert any("6 lesions of unknown type" in note for note in result.notes)


def test_untyped_lesions_join_where_their_neighbours_agree(tmp_path: Path) -> None:
    config = BRIEF.model_copy(update={"relabel_rounds": 1, "relabel_agreement": 0.51, "calibration_share": 0.0})
    model = train(toy_cohort(patients=16, untyped=4), tmp_path, config=config)
    assert 0 < model.facts["relabelled"] <= 12 and model.facts["steps"] == 6


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="RET101"):
        train(toy_cohort(patients=3), tmp_path, config=CONFIG)
    with pytest.raises(TumorboardError, match="RET102"):
        train(toy_cohort(patients=8, pixels=False), tmp_path, config=CONFIG)
    with pytest.raises(TumorboardError, match="ENG103"):
        LesionModel.load(tmp_path)
