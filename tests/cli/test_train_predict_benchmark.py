"""`train`, `predict` and `benchmark` on small spheres, from the command line."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.pairs.reader import read
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort, save_cohort

GRID = Geometry.from_lps((20, 20, 20), spacing_mm=(4, 4, 4), origin_mm=(0, 0, 0))
QUICK = {
    "spacing_mm": "4", "channels": "4,8", "patch_voxels": "16", "window_voxels": "32", "steps": "3", "batch": "2",
    "precision": "float32", "folds": "2", "workers": "1", "mirror": "false",
}  # fmt: skip
SETTINGS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    index = np.stack(np.meshgrid(*[np.arange(20)] * 3, indexing="ij"), axis=-1)
    for number in range(4):
        lesion = np.linalg.norm(index - (8 + number, 10, 9), axis=-1) < 4
        for kind, array, unit in (
            ("CT_image", np.where(lesion, 60, -20), Unit.HU),
            ("PET_image", np.where(lesion, 7.0, 1.0), Unit.SUVBW),
            ("CT_mask", lesion, Unit.LABEL),
        ):
            dtype = np.uint8 if unit == Unit.LABEL else np.float32
            write_nifti(Volume(array.astype(dtype), GRID.affine, unit), source / f"P{number}" / f"{kind}.nii.gz")
    folder = tmp_path_factory.mktemp("cohort")
    save_cohort(read(source), folder)
    return folder


@pytest.fixture
def run():
    from tumorboard.cli.main import build_app

    return lambda *words: CliRunner().invoke(build_app(), [str(word) for word in words])


def test_train_then_predict(cohort, run, tmp_path):
    trained = run("train", "segmentation", cohort, "--out", tmp_path / "model", *SETTINGS, "--json")
    assert trained.exit_code == 0, trained.output
    record = json.loads(trained.stdout)
    assert record["steps"] == 3 and record["patients"] == ["P0", "P1", "P2", "P3"]
    for _ in range(2):  # a second prediction replaces the first
        predicted = run("predict", tmp_path / "model", cohort, "--name", "mine", "--json")
        assert predicted.exit_code == 0, predicted.output
    assert json.loads(predicted.stdout)["rows"]["images"] == 4
    opened = open_cohort(cohort)
    masks = opened.rows("images", run_id="mine")
    assert len(masks) == 4 and all(row["path"].startswith("runs/mine/") for row in masks)
    assert opened.image(masks[0]["image_id"]).shape == (20, 20, 20)
    assert_the_same_from_two_processes(opened, cohort, run, tmp_path / "model")


def assert_the_same_from_two_processes(here, cohort, run, model):
    predicted = run("predict", model, cohort, "--name", "two", "--workers", "2", "--json")
    assert predicted.exit_code == 0, predicted.output
    there = open_cohort(cohort)
    pairs = list(zip(here.rows("images", run_id="mine"), there.rows("images", run_id="two"), strict=True))
    assert len(pairs) == 4
    for one, other in pairs:
        assert one["exam_id"] == other["exam_id"]
        np.testing.assert_array_equal(here.image(one["image_id"]).array, there.image(other["image_id"]).array)
    figures = [
        [(row["label"], row["component"], row["measurements"]) for row in cohort.rows("findings", run_id=name)]
        for cohort, name in ((here, "mine"), (there, "two"))
    ]
    assert figures[0] == figures[1]


def test_benchmark_prints_scores_and_writes_tables(cohort, run, tmp_path):
    done = run("benchmark", cohort, "--task", "segmentation", "--out", tmp_path, *SETTINGS, "--json")
    assert done.exit_code == 0, done.output
    scores = json.loads(done.stdout)["scores"]
    dice = {row["run"]: row["value"] for row in scores if row["metric"] == "dice"}
    assert dice["SUV>2.5"] == dice["SUV>4"] == 1.0 and set(dice) > {"unet", "image-blind ellipsoid"}
    with (tmp_path / "scores.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(scores)
    assert json.loads((tmp_path / "scores.json").read_text())["scores"] == scores


@pytest.mark.parametrize(
    "words, expected",
    [
        (("--set", "stepps=3"), "no setting"),
        (("--set", "steps=many"), "integer"),
        (("--set", "steps=3", "--set", "steps=4"), "twice"),
    ],
)
def test_mistakes_end_with_usage(cohort, run, tmp_path, words, expected):
    result = run("train", "segmentation", cohort, "--out", tmp_path / "x", *words)
    assert result.exit_code == 2 and expected in result.output
    assert run("train", "magic", cohort, "--out", tmp_path / "x").exit_code == 2
    alone = run("predict", tmp_path, cohort, "--task", "prognosis", "--workers", "2")
    assert alone.exit_code == 2 and "one process" in alone.output


def test_a_cohort_without_pet_ends_with_the_exit_code_for_data(cohort, run, tmp_path):
    opened = open_cohort(cohort)
    images = [row for row in opened.rows("images") if row["modality"] != "PT"]
    save_cohort(opened.replace_tables(findings=[], images=images), tmp_path / "no-pet")
    result = run("benchmark", tmp_path / "no-pet", "--task", "segmentation", "--out", tmp_path / "out", "--json")
    assert result.exit_code == 3 and "a PT in SUVbw" in json.loads(result.stdout)["missing"]
