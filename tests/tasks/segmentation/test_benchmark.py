"""The whole cross-validation on small spheres: complete, resumable, and blind to what it must not see (traps 8, 10)."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.engine.checkpoints import read_checkpoint
from tumorboard.io.nifti import read_nifti
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.cases import find_cases, load_case
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.folds import split_patients
from tumorboard.tasks.segmentation.model import MODEL_FILE, SegmentationModel
from tumorboard.tasks.segmentation.predict import predict, predict_volumes
from tumorboard.tasks.segmentation.spec import SPEC
from tumorboard.tasks.segmentation.train import train

from .conftest import CUT


@pytest.fixture(scope="module")
def finished(spheres, tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("benchmark")
    heard = []
    result = benchmark(spheres, out, config=tiny, progress=lambda done, total: heard.append((done, total)))
    return out, result, heard


def held_out_fold(cohort, tiny, patient):
    centres = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    folds = split_patients(centres, tiny.folds, seed=tiny.seed)
    return next(number for number, patients in enumerate(folds) if patient in patients)


def test_every_run_is_scored_on_every_patient(finished):
    _, result, _ = finished
    dice = {row["run"]: row for row in result.scores if (row["metric"], row["subset"]) == ("dice", "all")}
    assert set(dice) == {"unet", *SPEC.baselines}
    assert all(row["n"] == 6 and row["low"] <= row["value"] <= row["high"] for row in dice.values())
    assert dice["SUV>4"]["value"] > 0.8  # the spheres were made so
    paired = [row for row in result.scores if row["metric"].startswith("dice minus")]
    assert {row["metric"].removeprefix("dice minus ") for row in paired} == set(SPEC.baselines)
    for row in paired:
        other = dice[row["metric"].removeprefix("dice minus ")]
        assert row["value"] == pytest.approx(dice["unet"]["value"] - other["value"])
    subsets = {row["subset"] for row in result.scores if row["metric"] == "dice"}
    assert subsets == {"all", "centre A", "centre B"}


def test_rows_fit_the_cohort_and_masks_lie_on_the_ct(finished, spheres):
    _, result, _ = finished
    whole = spheres.with_rows(**result.rows)
    masks = [row for row in whole.rows("images", role="mask") if row["run_id"] != "expert"]
    assert len(masks) == 6 * 5
    for row in masks:
        mask = whole.image(row["image_id"])
        assert mask.geometry.same_grid(whole.geometry(row["reference_image_id"]))
        outside = mask.array.copy()
        outside[tuple(slice(a, n - b) for (a, b), n in zip(CUT, mask.shape, strict=True))] = 0
        assert not outside.any()
    assert {row["run_id"] for row in whole.rows("findings")} == {"expert", "unet", *SPEC.baselines}
    expert = [row for row in whole.rows("findings", run_id="expert") if row["component"] == 0]
    assert len(expert) == 6 and all(row["measurements"]["suv_max"] > 7 for row in expert)


def test_the_bar_rises_to_its_end(finished):
    _, _, heard = finished
    done = [d for d, _ in heard]
    assert done == sorted(done) and heard[-1][0] == heard[-1][1]


def test_a_second_run_takes_over_finished_folds_and_gives_the_same(finished, spheres, tiny):
    out, result, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob(f"fold-*/{MODEL_FILE}")}
    again = benchmark(spheres, out, config=tiny)
    assert len(before) == 3 and before == {path: path.stat().st_mtime_ns for path in before}
    assert again.scores == result.scores and again.rows == result.rows


def test_a_cohort_that_holds_earlier_results_gives_the_same(finished, spheres, tiny):
    out, result, _ = finished
    assert benchmark(spheres.with_rows(**result.rows), out, config=tiny).scores == result.scores


def test_a_run_elsewhere_gives_the_same_bytes(finished, spheres, tiny, tmp_path):
    out, result, _ = finished
    again = benchmark(spheres, tmp_path, config=tiny)
    assert again.scores == result.scores
    for path in sorted(out.glob("masks/**/*.nii.gz")):
        assert path.read_bytes() == (tmp_path / path.relative_to(out)).read_bytes(), path


def test_poisoned_held_out_patients_change_nothing_that_is_fitted(volumes, tiny, make_cohort, tmp_path):
    """Trap 8: another image, another mask of a held-out patient; same weights, same spacing, same inset."""
    poisoned = dict(volumes)
    poisoned["P1"] = {
        "CT": Volume(volumes["P1"]["CT"].array * -3 + 500, volumes["P1"]["CT"].affine, volumes["P1"]["CT"].unit),
        "PT": Volume(volumes["P1"]["PT"].array[::-1] * 9, volumes["P1"]["PT"].affine, volumes["P1"]["PT"].unit),
        "mask": Volume(1 - volumes["P1"]["mask"].array, volumes["P1"]["mask"].affine, volumes["P1"]["mask"].unit),
    }
    cohort = make_cohort(tmp_path / "cohort", poisoned)
    free = tiny.model_copy(update={"spacing_mm": None})
    clean = benchmark(make_cohort(tmp_path / "clean", volumes), tmp_path / "a", config=free)
    other = benchmark(cohort, tmp_path / "b", config=free)
    fold = held_out_fold(cohort, tiny, "P1")
    weights = [(tmp_path / side / f"fold-{fold}" / MODEL_FILE).read_bytes() for side in "ab"]
    assert without_time(weights[0]) == without_time(weights[1])
    for result_ in (clean, other):
        assert len(inset_of(result_)) == 3
    assert inset_of(clean)[fold] == inset_of(other)[fold]
    elsewhere = (fold + 1) % 3
    changed = [(tmp_path / side / f"fold-{elsewhere}" / MODEL_FILE).read_bytes() for side in "ab"]
    assert without_time(changed[0]) != without_time(changed[1])


def without_time(data: bytes) -> bytes:
    """Weights of a model file: all after the header, which tells how long training took."""
    return data[8 + int.from_bytes(data[:8], "little") :]


def inset_of(result):
    (row,) = [row for row in result.rows["runs"] if row["run_id"] == "image-blind ellipsoid"]
    return json.loads(row["config"])["inset_mm_per_fold"]


def test_nothing_outside_the_cut_reaches_a_prediction(finished, volumes, tiny, make_cohort, tmp_path):
    """Everything beyond the evaluation part of a held-out exam is replaced; its masks stay the same, bit for bit."""
    out, _, _ = finished
    swapped = dict(volumes)
    one = dict(volumes["P1"])
    hidden = np.ones(one["CT"].shape, bool)
    hidden[tuple(slice(a, n - b) for (a, b), n in zip(CUT, hidden.shape, strict=True))] = False
    one["CT"] = one["CT"].with_array(np.where(hidden, 900, one["CT"].array).astype(np.float32))
    # PET voxels whose trilinear reach ends outside the kept part.
    index = np.stack(np.meshgrid(*[np.arange(n) for n in one["PT"].shape], indexing="ij"), axis=-1)
    place = one["CT"].geometry.to_index(one["PT"].geometry.to_world(index))
    reach = one["PT"].spacing_mm / one["CT"].spacing_mm
    low = np.array([a for a, _ in CUT]) - reach
    high = np.array([n - 1 - b for (_, b), n in zip(CUT, hidden.shape, strict=True)]) + reach
    away = ((place < low) | (place > high)).any(axis=-1)
    one["PT"] = one["PT"].with_array(np.where(away, 30, one["PT"].array).astype(np.float32))
    assert away.any()
    swapped["P1"] = one
    cohort = make_cohort(tmp_path / "cohort", swapped)
    benchmark(cohort, tmp_path / "out", config=tiny)
    for path in sorted(out.glob("masks/*/P1.0.nii.gz")):
        assert path.read_bytes() == (tmp_path / "out" / path.relative_to(out)).read_bytes(), path


def test_a_model_from_disk_predicts_what_it_predicted_before(spheres, tiny, tmp_path):
    model = train(spheres, tmp_path / "run", config=tiny)
    case = find_cases(spheres, labelled=False)[0]
    volumes = load_case(spheres, case)
    first = predict_volumes(model, volumes)
    again = predict_volumes(SegmentationModel.load(tmp_path / "run"), volumes)
    np.testing.assert_array_equal(first.array, again.array)
    result = predict(tmp_path / "run", spheres, run_id="mine")
    assert {row["run_id"] for row in result.rows["images"]} == {"mine"} and len(result.rows["images"]) == 6
    row = next(row for row in result.rows["images"] if row["exam_id"] == case.case_id)
    with_run = spheres.with_rows(**result.rows)
    np.testing.assert_array_equal(with_run.image(row["image_id"]).array, first.array)
    assert row["labels"] == {1: "GTV"}


def test_one_refused_exam_does_not_end_a_prediction(volumes, tiny, make_cohort, tmp_path, spheres):
    """Trap 9: without PET there is no mask, and the run says so by name."""
    train(spheres, tmp_path / "run", config=tiny.model_copy(update={"steps": 1}))
    broken = {"P0": volumes["P0"], "P1": {k: v for k, v in volumes["P1"].items() if k != "PT"}}
    result = predict(tmp_path / "run", make_cohort(tmp_path / "cohort", broken))
    assert [row["exam_id"] for row in result.rows["images"]] == ["P0.0"]
    refused = json.loads(result.rows["runs"][0]["metrics"])["refused"]
    assert list(refused) == ["exam P1.0"] and "SGM101" in refused["exam P1.0"] and "no PET" in refused["exam P1.0"]
    del broken["P0"]
    with pytest.raises(TumorboardError, match=r"SGM101.*P1"):
        predict(tmp_path / "run", make_cohort(tmp_path / "other", broken))


def test_a_model_of_another_preprocessing_is_refused(spheres, tiny, tmp_path, monkeypatch):
    from tumorboard.tasks.segmentation import model as model_module

    train(spheres, tmp_path, config=tiny.model_copy(update={"steps": 1}))
    state = read_checkpoint(tmp_path / MODEL_FILE).state
    assert state["preprocessing"]["spacing_mm"] == 4.0 and state["preprocessing"]["structures"] == ["GTV"]
    monkeypatch.setattr(model_module, "VERSION", 99)
    with pytest.raises(TumorboardError, match="SGM104"):
        SegmentationModel.load(tmp_path)


def test_a_large_image_is_predicted_in_windows(spheres, tiny, tmp_path):
    """Wider than the largest window (32): several windows, blended; every voxel has a probability."""
    model = train(spheres, tmp_path, config=tiny.model_copy(update={"steps": 1}))
    case = find_cases(spheres, labelled=False)[0]
    prepared = model.preprocessing.forward(load_case(spheres, case))
    tall = dataclasses.replace(prepared, inputs=np.tile(prepared.inputs, (1, 1, 1, 3)))
    found = model.probabilities(tall)
    assert found.shape == (1, *tall.inputs.shape[1:])
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize("patients, folds", [(10, 5), (11, 3), (3, 5)])
def test_patients_stand_in_one_fold_each(patients, folds):
    centre_of = {f"P{i}": "AB"[i % 2] for i in range(patients)}
    split = split_patients(centre_of, folds, seed=1)
    assert sorted(p for part in split for p in part) == sorted(centre_of)
    assert max(map(len, split)) - min(map(len, split)) <= 1
    assert split == split_patients(dict(reversed(centre_of.items())), folds, seed=1)


def test_settings_are_read_from_words_and_checked():
    words = SegmentationConfig.model_validate({"channels": "4,8,16", "budget_minutes": "none", "patch_voxels": "16"})
    assert words.channels == (4, 8, 16) and words.budget_minutes is None
    for wrong in ({"patch_voxels": 20}, {"folds": 1}, {"ct_window_hu": "300,100"}, {"nonsense": 1}):
        with pytest.raises(ValueError, match=r"multiples|greater|rise|Extra"):
            SegmentationConfig.model_validate(wrong)


def test_masks_can_be_read_by_anybody(finished):
    out, _, _ = finished
    path = next(out.glob("masks/unet/*.nii.gz"))
    assert read_nifti(path, unit="label").array.dtype == np.uint8
