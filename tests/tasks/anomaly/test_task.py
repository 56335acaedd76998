"""The task from cohort to rows: training, prediction, evaluation, benchmark."""

from __future__ import annotations

import json
from typing import Any

import anomaly_bodies as bodies
import numpy as np
import pytest
from scipy import ndimage

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import tasks
from tumorboard.core.units import Unit
from tumorboard.metrics.registry import METRICS
from tumorboard.tasks.anomaly.benchmark import STRESS, WHOLE, benchmark
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.evaluate import evaluate
from tumorboard.tasks.anomaly.exam import find_cases, load_exam, missing
from tumorboard.tasks.anomaly.insertion import insert_ball, insert_many, places
from tumorboard.tasks.anomaly.maps import BINARY, ELLIPSOID, FREE, SMOOTHED, fit_free, run_names, smoothed
from tumorboard.tasks.anomaly.model import AnomalyModel
from tumorboard.tasks.anomaly.normal import normal_slices
from tumorboard.tasks.anomaly.predict import predict
from tumorboard.tasks.anomaly.prior import prior_maps
from tumorboard.tasks.anomaly.rows import candidate_rows, probability_of
from tumorboard.tasks.anomaly.scoring import peaks_of, score_exam

LIGHT = AnomalyConfig(**bodies.LIGHT)


def with_ball(at: tuple[int, int, int] = (12, 12, 6), *, suv: float = 9.0) -> Any:
    uptake = np.ones((26, 26, 14), np.float32)
    lesion = np.zeros(uptake.shape, bool)
    lesion[tuple(slice(a - 1, a + 2) for a in at)] = True
    uptake[lesion] = suv
    return bodies.exam_of(uptake, lesion=lesion)


# ---- exams ----------------------------------------------------------------------------------------------------
def test_what_a_cohort_lacks_is_said(drawn: Any, tmp_path: Any) -> None:
    assert missing(drawn[0]) == []
    two = bodies.cohort_of(tmp_path, {f"P{n}": bodies.volumes(n) for n in range(2)})
    assert missing(two) == ["3 patients with CT, PET and an expert's mask (there are 2)"]


def test_a_pet_without_ct_is_named(tmp_path: Any) -> None:
    parts = bodies.volumes(0)
    cohort = bodies.cohort_of(tmp_path, {"P0": {"PT": parts["PT"]}, "P1": bodies.volumes(1)})
    refused: list[TumorboardError] = []
    assert [case.patient_id for case in find_cases(cohort, refused=refused)] == ["P1"]
    assert [error.code.id for error in refused] == ["ANO101"]


def test_scores_are_taken_on_the_part_that_the_cohort_states(tmp_path: Any) -> None:
    """Voxels of the PET whose centre lies in the CT without its cut-off faces, found by the affines."""
    cohort = bodies.cohort_of(tmp_path, {"P0": bodies.volumes(0)}, cut=True)
    exam = load_exam(cohort, find_cases(cohort)[0])
    part = exam.cropped()
    low = bodies.CT_GRID.to_world(np.array([c[0] for c in bodies.CUT]) - 0.5)
    high = bodies.CT_GRID.to_world(np.array(bodies.CT_GRID.shape) - [c[1] for c in bodies.CUT] - 0.5)
    places_mm = part.grid.to_world(np.argwhere(np.ones(part.grid.shape, bool)))
    assert (places_mm >= np.minimum(low, high) - 1e-6).all()
    assert (places_mm <= np.maximum(low, high) + 1e-6).all()
    whole = exam.grid.to_world(np.argwhere(np.ones(exam.grid.shape, bool)))
    inside = ((whole > np.minimum(low, high)) & (whole < np.maximum(low, high))).all(axis=1)
    assert inside.sum() == part.suv.size


# ---- maps -----------------------------------------------------------------------------------------------------
def test_baselines_by_hand() -> None:
    exam = with_ball()
    free = fit_free([(exam, np.array([0, 1, 2, 10, 11, 12]))], LIGHT, seed=0)
    maps = free(exam)
    assert tuple(maps) == FREE
    assert (maps["SUV>2.5"] == (exam.suv > 2.5)).all()
    assert (maps["SUV>41% of max"] == (exam.suv > 0.41 * 9)).all()
    inside = np.where(exam.body, exam.suv, 0)
    expected = ndimage.gaussian_filter(inside, 3.0 / 4.0, truncate=3.0)
    assert np.allclose(maps[SMOOTHED][exam.body], expected[exam.body], atol=1e-5)
    assert np.allclose(maps["SUV over reference"], maps[SMOOTHED], atol=1e-5)  # soft tissue of SUV 1
    moved = exam.with_suv(exam.suv[::-1].copy())
    assert np.array_equal(free(moved)[ELLIPSOID], maps[ELLIPSOID])  # it looks at no image


def test_every_map_smooths_alike_in_millimetres() -> None:
    point = np.zeros((25, 25, 25), np.float32)
    point[12, 12, 12] = 1.0
    exam = bodies.exam_of(point, np.full(point.shape, 40.0), spacing_mm=(2.0, 4.0, 4.0))
    made = smoothed(point, exam, 4.0)
    assert made[14, 12, 12] == pytest.approx(made[12, 13, 12], rel=0.05)
    assert made.sum() == pytest.approx(1.0, rel=0.02)


# ---- lesions --------------------------------------------------------------------------------------------------
def test_an_inserted_ball_has_the_contrast_that_it_says() -> None:
    exam = with_ball(suv=1.0)
    changed, ball = insert_ball(exam, (13, 13, 7), diameter_mm=40.0, contrast=5.0, fwhm_mm=6.0)
    assert changed.suv[13, 13, 7] == pytest.approx(5.0, rel=0.02)  # the middle of a ball much larger than the blur
    assert changed.suv[3, 3, 1] == pytest.approx(1.0)
    volume = len(ball.inside) * 0.064
    assert volume == pytest.approx(4 / 3 * np.pi * 2**3, rel=0.1)
    added = (changed.suv - exam.suv).sum() * 0.064
    assert added == pytest.approx(4.0 * 4 / 3 * np.pi * 2**3, rel=0.05)  # blurring keeps the sum
    assert exam.suv[13, 13, 7] == 1.0


def test_balls_stand_in_normal_tissue_alone() -> None:
    exam = with_ball()
    numbers = normal_slices(exam, guard_mm=4)
    at = places(exam, numbers, radius_mm=4.0)
    assert len(at) and set(at[:, 2]) <= set(numbers.tolist())
    assert exam.body[tuple(at.T)].all()
    _, found = insert_many(exam, numbers, np.random.default_rng(0), gap_mm=8.0)
    for one in found:
        assert not exam.lesion[tuple(one.inside.T)].any()


def test_peaks_belong_to_lesions_within_five_millimetres() -> None:
    exam = with_ball()
    score = np.where(exam.body, 0.1, 0.0).astype(np.float32)
    score[12, 12, 6], score[5, 5, 2] = 5.0, 4.0
    found, false = peaks_of(exam, score)
    assert found.tolist() == [5.0]
    assert false.max() == 4.0
    beside = np.zeros_like(score)
    beside[14, 12, 6] = 3.0  # 4 mm from the lesion's last voxel
    assert peaks_of(exam, beside)[0].tolist() == [3.0]
    far = np.zeros_like(score)
    far[16, 12, 6] = 3.0
    assert peaks_of(exam, far)[0].tolist() == [-np.inf]


def test_volumes_and_components_follow_autopet() -> None:
    """Trap 8: one voxel of overlap makes no false positive; diagonal neighbours (18) join; ml by the grid."""
    exam = with_ball()
    score = np.zeros(exam.suv.shape, np.float32)
    score[13, 13, 7] = 1.0  # a corner of the lesion
    score[14:18, 13, 7] = 1.0
    score[4, 4, 3] = score[5, 5, 3] = 1.0
    found = score_exam(exam, score, threshold=0.5, slice_mm2=300, peaks=False).values
    assert found["fpv_ml"] == pytest.approx(2 * 0.064)
    assert found["fnv_ml"] == 0.0
    assert found["dice"] == pytest.approx(2 * 1 / (7 + 27))
    nothing = score_exam(exam, np.zeros_like(score), threshold=0.5, slice_mm2=300, peaks=False).values
    assert (nothing["dice"], nothing["fpv_ml"]) == (0.0, 0.0)
    assert nothing["fnv_ml"] == pytest.approx(27 * 0.064)


def test_a_patient_without_tumour_counts_for_false_positives_alone() -> None:
    exam = bodies.exam_of(np.full((20, 20, 8), 3.0, np.float32), lesion=np.zeros((20, 20, 8), bool))
    found = score_exam(exam, exam.suv, threshold=2.5, slice_mm2=300, peaks=True)
    assert found.values["dice"] is None and found.values["voxel_auprc"] is None
    assert found.values["fpv_ml"] == pytest.approx(exam.body.sum() * 0.064)
    assert found.values["hot_normal_flagged"] == 1.0
    assert found.found_at is not None and len(found.found_at) == 0 and len(found.false)


def test_candidates_have_volume_score_and_place(drawn: Any) -> None:
    _, _, model = drawn
    exam = with_ball()
    score = np.where(exam.lesion, 6.0, 0.0).astype(np.float32)
    score[4, 4, 3] = 6.0  # 0.064 ml, below `candidate_ml`
    rows = candidate_rows(exam, score, model, run_id="R", threshold=3.0)
    assert len(rows) == 1
    row = rows[0]
    assert row["measurements"]["volume_ml"] == pytest.approx(27 * 0.064)
    assert row["measurements"]["suv_max"] == 9.0
    assert row["box"] == pytest.approx([42, 42, 18, 54, 54, 30])
    if model.probability is not None:
        assert 0 <= row["score"] <= 1


def test_the_probability_rises_with_z(drawn: Any) -> None:
    model = AnomalyModel(drawn[2].network, LIGHT, drawn[2].threshold, probability=(2.0, -3.0))
    found = probability_of(model, np.array([0.0, 1.5, 4.0]))
    assert found is not None
    assert found == pytest.approx([1 / (1 + np.exp(3)), 0.5, 1 / (1 + np.exp(-5))])


# ---- verbs ----------------------------------------------------------------------------------------------------
def test_predictions_are_rows_of_the_cohort(drawn: Any, tmp_path: Any) -> None:
    cohort, run, model = drawn
    result = predict(run, cohort, out=tmp_path, run_id="map")
    told = cohort.with_rows(**result.rows)
    for row in told.rows("images", run_id="map"):
        assert (row["role"], row["unit"]) == ("map", str(Unit.ZSCORE))
        assert told.geometry(row["image_id"]).same_grid(told.geometry(row["reference_image_id"]))
    first = find_cases(told)[0]
    exam = load_exam(told, first)
    z = smoothed(model.z_score(exam), exam, model.config.smooth_mm)
    written = told.image(f"{first.exam_id}.anomaly.map").reorient("RAS").array
    assert np.allclose(written, z, atol=1e-4)
    facts = json.loads(told.row("runs", run_id="map")["metrics"])
    assert facts["in_fold"] == sorted(cohort.patient_ids)
    with pytest.raises(TumorboardError) as error:
        prior_maps(told, "map")  # the model has seen these patients
    assert error.value.code.id == "ANO106"
    found = evaluate(told, "map")
    assert {row["metric"] for row in found.scores} <= set(METRICS)
    assert found.missing == ()
    with pytest.raises(TumorboardError) as error:
        evaluate(cohort, "map")
    assert error.value.code.id == "MET109"


def test_a_model_of_another_task_is_refused(tmp_path: Any) -> None:
    from tumorboard.engine.checkpoints import write_checkpoint

    write_checkpoint(tmp_path / "model.safetensors", tensors={}, state={"kind": "bodypart"})
    with pytest.raises(TumorboardError) as error:
        AnomalyModel.load(tmp_path)
    assert error.value.code.id == "ANO104"


def test_a_benchmark_holds_every_baseline(tmp_path: Any) -> None:
    patients = {f"P{n}": bodies.volumes(n, lesion=n != 3) for n in range(5)}
    counts = patients["P4"]["PT"]
    patients["P4"]["PT"] = counts.with_array(counts.array * 4000, Unit.BQML)
    cohort = bodies.cohort_of(tmp_path / "source", patients, cut=True)
    config = LIGHT.model_copy(
        update={"folds": 2, "stress": True, "steps": 4, "compare": ("masked dual", "CT only"), "widths": (4, 4, 4, 4)}
    )
    result = benchmark(cohort, tmp_path / "out", config=config)
    runs = {row["run"] for row in result.scores}
    assert runs == set(run_names(config)) >= {*FREE, *BINARY, "masked dual", "CT only"}
    subsets = {row["subset"] for row in result.scores}
    assert subsets == {"all", WHOLE, *STRESS, "inserted"}
    names = {row["metric"].partition(" minus ")[0] for row in result.scores}
    assert names <= set(METRICS)
    spec = tasks()["anomaly"]
    assert names == set(spec.metrics)
    assert set(spec.baselines) == set(FREE)
    for row in result.scores:
        if row["run"] == "SUV>2.5" and row["metric"] == "hot_normal_flagged" and row["value"] is not None:
            assert row["value"] == 1.0
    assert any("P4.0.PT" in note and "UNT101" in note for note in result.notes)
    told = cohort.with_rows(**result.rows)
    assert set(prior_maps(told, "masked dual")) == {f"P{n}.0" for n in range(4)}  # each out of fold
    assert all(picture.path.stat().st_size > 1000 and picture.alt for picture in result.pictures)
    again = benchmark(cohort, tmp_path / "out", config=config)
    assert again.scores == result.scores


def test_air_is_trimmed_and_the_view_stays_what_it_was() -> None:
    suv = np.zeros((60, 50, 6), np.float32)
    hu = np.full(suv.shape, -1000.0, np.float32)
    hu[30:46, 20:34] = 40.0
    suv[30:46, 20:34] = 1.0
    exam = bodies.exam_of(suv, hu)
    small = exam.trimmed()
    assert small.suv.shape == (28, 26, 6)  # six voxels of 4 mm on each side
    assert small.body.sum() == exam.body.sum()
    assert small.grid.to_world((0, 0, 0)).tolist() == exam.grid.to_world((24, 14, 0)).tolist()
    free = fit_free([(exam, np.arange(6))], LIGHT, seed=0)
    whole, part = free(exam)[ELLIPSOID], free(small)[ELLIPSOID]
    assert np.allclose(part, whole[24:52, 14:40])
