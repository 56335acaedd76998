"""Masks from marks: the frame, the first masks, training without true masks, and the verbs."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve, tasks
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.phantom import make_cohort
from tumorboard.tasks.weakmask import train as training
from tumorboard.tasks.weakmask.benchmark import benchmark
from tumorboard.tasks.weakmask.config import WeakMaskConfig
from tumorboard.tasks.weakmask.evaluate import evaluate
from tumorboard.tasks.weakmask.frame import SHAPE, Frame, quarter_radius
from tumorboard.tasks.weakmask.marks import find_marks
from tumorboard.tasks.weakmask.outline import ELLIPSE, NETWORK, WALK, outlines
from tumorboard.tasks.weakmask.predict import predict
from tumorboard.tasks.weakmask.train import train

QUICK = WeakMaskConfig(steps=3, batch=1, channels=(4, 8))  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    folder = tmp_path_factory.mktemp("weakmask") / "cohort"
    return make_cohort(folder, region="body-ct", patients=2, exams=1, seed=7, spacing_mm=5.0)


def ball_ct(radius: float, *, stretch: float = 1.0, noise: float = 5.0) -> tuple[Volume, np.ndarray]:
    """A bright ball (drawn out by `stretch` along the body) in fat, RAS, 1 x 1 x 2 mm."""
    affine = np.diag([1.0, 1.0, 2.0, 1.0])
    affine[:3, 3] = (-40, -40, -60)
    shape = (80, 80, 60)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    truth = np.linalg.norm(world / np.array([1, 1, stretch]), axis=-1) <= radius
    hu = np.where(truth, 60.0, -90.0) + np.random.default_rng(0).normal(0, noise, shape)
    return Volume(hu.astype(np.float32), affine, Unit.HU), truth


def mark_of(radius: float) -> np.ndarray:
    return np.array([[-radius, 0, 0], [radius, 0, 0], [0, -radius, 0], [0, radius, 0]], float)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * float((a & b).sum()) / float(a.sum() + b.sum())


def whole(outline, shape: tuple[int, ...]) -> np.ndarray:
    found = np.zeros(shape, bool)
    found[outline.window] = outline.inside
    return found


def test_a_frame_knows_its_axes_and_comes_back() -> None:
    points = np.array([[1, 2, 3], [21, 2, 3], [8, -2, 3], [8, 8, 3]], float)
    frame = Frame.of(points)
    assert (frame.long_mm, frame.short_mm) == (20.0, 10.0)
    assert frame.centre == pytest.approx([8, 2, 3]) and frame.reach_mm == pytest.approx((7, 13, 4, 6))
    assert frame.middle == pytest.approx([11, 3, 3])
    assert quarter_radius(frame, frame.local(points)) == pytest.approx(1.0)
    swapped = Frame.of(points[[0, 1, 3, 2]])
    assert swapped.reach_mm == pytest.approx(frame.reach_mm)


def test_what_is_cut_is_pasted_back_in_place() -> None:
    """A smooth field through the frame and back: the same values at the voxels, in a turned frame too."""
    affine = np.array([[-0.8, 0, 0, 20], [0, -0.8, 0, 20], [0, 0, 2.5, -30], [0, 0, 0, 1.0]])
    index = np.stack(np.meshgrid(*(np.arange(n) for n in (50, 50, 24)), indexing="ij"), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    volume = Volume((3 * world[..., 0] - 2 * world[..., 1] + world[..., 2]).astype(np.float32), affine, Unit.HU)
    frame = Frame.of(np.array([[-5, -4, 0], [5, 4, 0], [2, -3, 0], [-2, 3, 0]], float))
    start, values = frame.paste(frame.cut(volume), volume.geometry)
    part = volume.array[tuple(slice(a, a + n) for a, n in zip(start, values.shape, strict=True))]
    middle = quarter_radius(
        frame, frame.local(world[tuple(slice(a, a + n) for a, n in zip(start, values.shape, strict=True))])
    )
    assert np.allclose(values[middle < 1], part[middle < 1], atol=0.1)


@pytest.mark.parametrize("radius", [4.0, 10.0, 22.0])
def test_the_walker_finds_a_ball(radius: float) -> None:
    volume, truth = ball_ct(radius)
    found = outlines(volume, Frame.of(mark_of(radius)), None)
    assert dice(whole(found[WALK], truth.shape), truth) > 0.88
    assert dice(whole(found[ELLIPSE], truth.shape), truth) > 0.88  # a ball is its own ellipse


def test_the_walker_sees_what_the_mark_cannot_say() -> None:
    """A body 1.7 times as long as wide along the patient: the mark in one slice does not know, the image does."""
    volume, truth = ball_ct(12.0, stretch=1.7)
    found = outlines(volume, Frame.of(mark_of(12.0)), None)
    assert dice(whole(found[WALK], truth.shape), truth) > dice(whole(found[ELLIPSE], truth.shape), truth) + 0.05


def test_a_nodule_smaller_than_a_voxel_has_one() -> None:
    volume, _ = ball_ct(0.0)
    found = outlines(volume, Frame.of(mark_of(0.3)), None)[WALK]
    assert found.inside.sum() >= 1


def test_axes_that_do_not_cross_are_accepted() -> None:
    """Of 9,816 real marks 0.2 % have axes that do not cross inside both segments (deeplesion.md 1.2)."""
    frame = Frame.of(np.array([[0, 0, 0], [10, 0, 0], [14, 2, 0], [14, 6, 0]], float))
    assert np.isfinite(frame.cut(ball_ct(5.0)[0])).all() and min(frame.reach_mm) > 0


def test_training_reads_no_true_mask(cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = {row["image_id"] for row in cohort.rows("images", role="mask")}
    read = []
    original = Cohort.image

    def watched(self, image_id):
        read.append(image_id)
        return original(self, image_id)

    monkeypatch.setattr(Cohort, "image", watched)
    train(cohort, tmp_path / "run", config=QUICK)
    assert read and not masks & set(read)
    assert "truth" not in inspect.getsource(training)


def test_verbs_of_the_task(cohort: Cohort, tmp_path: Path) -> None:
    spec = tasks()["weakmask"]
    assert resolve(spec.missing)(cohort) == []
    train(cohort, tmp_path / "run", config=QUICK)
    result = predict(tmp_path / "run", cohort, run_id="mine")
    marks = find_marks(cohort)
    with_rows = cohort.with_rows(**result.rows)
    named = {json.loads(row["attributes"])["mark"] for row in result.rows["findings"]}
    assert named <= {mark.finding_id for mark in marks} and len(named) >= len(marks) - 1
    for row in result.rows["findings"]:
        mask = with_rows.image(row["image_id"])
        voxels = int((mask.array == row["value"]).sum())
        assert row["measurements"]["volume_ml"] == pytest.approx(voxels * mask.voxel_volume_ml)
        assert row["measurements"]["long_axis_mm"] >= row["measurements"]["short_axis_mm"] * 0.8 > 0
    found = evaluate(with_rows, "mine")
    overall = next(s for s in found.scores if s["metric"] == "dice" and s["label"] == "all")
    assert 0.3 < overall["value"] <= 1 and overall["n"] == 2
    with pytest.raises(TumorboardError, match="MET109"):
        evaluate(cohort, "nobody")


def test_benchmark_scores_all_methods_and_is_repeatable(cohort: Cohort, tmp_path: Path) -> None:
    first = benchmark(cohort, tmp_path / "a", config=QUICK)
    overall = {(s["run"], s["metric"]): s["value"] for s in first.scores if s["label"] == "all"}
    for run in (NETWORK, WALK, ELLIPSE):
        assert {(run, "dice"), (run, "dice_key_slice")} <= set(overall)
    assert overall[NETWORK, f"dice minus {ELLIPSE}"] == pytest.approx(
        overall[NETWORK, "dice"] - overall[ELLIPSE, "dice"]
    )
    assert benchmark(cohort, tmp_path / "b", config=QUICK).scores == first.scores
    assert benchmark(cohort, tmp_path / "a", config=QUICK).scores == first.scores  # taken over, not trained again


def test_refusals(cohort: Cohort, tmp_path: Path) -> None:
    bare = cohort.replace_tables(findings=[], relations=[])
    assert resolve(tasks()["weakmask"].missing)(bare) == ["RECIST marks in a CT"]
    with pytest.raises(TumorboardError, match="WKM101"):
        train(bare, tmp_path / "run", config=QUICK)
    with pytest.raises(TumorboardError, match="WKM102"):
        benchmark(cohort.subset(cohort.patient_ids[:1]), tmp_path / "one", config=QUICK)
    with pytest.raises(ValueError, match="halve"):
        WeakMaskConfig(channels=(4, 4, 4, 4, 4))  # type: ignore[call-arg]


def test_patches_fit_the_network() -> None:
    assert all(edge % 4 == 0 for edge in SHAPE)
