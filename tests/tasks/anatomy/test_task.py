"""Training, prediction, scores and the benchmark on drawn chests; turned pictures are put right, others refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import chests
import numpy as np
import pytest
from chests import LIGHT

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import tasks
from tumorboard.io.radiograph import frontal_affine
from tumorboard.metrics.boxes import box_iou
from tumorboard.metrics.registry import METRICS
from tumorboard.ops.lungs import box_of, split_lungs
from tumorboard.ops.radiograph import Hanging
from tumorboard.tasks.anatomy.benchmark import CONSTANT, FRACTIONS, RULES, benchmark
from tumorboard.tasks.anatomy.config import AnatomyConfig
from tumorboard.tasks.anatomy.evaluate import GROUPS, evaluate
from tumorboard.tasks.anatomy.model import AnatomyModel
from tumorboard.tasks.anatomy.predict import predict
from tumorboard.tasks.anatomy.train import train


def lung_overlap(found: Any, mask: np.ndarray[Any, Any]) -> float:
    """Mean overlap of both lung boxes with those of a drawn mask."""
    truth = dict(zip(("right lung", "left lung"), map(box_of, split_lungs(mask > 0)), strict=True))
    return float(np.mean([box_iou(box, found[name]) for name, box in truth.items()]))  # type: ignore[arg-type]


def test_lungs_of_unseen_chests_are_found(drawn: Any) -> None:
    _, _, model = drawn
    for seed in (100, 101, 102):
        picture, mask = chests.chest(seed)
        found = model.predict(picture, frontal_affine())
        assert lung_overlap(found.boxes, mask) > 0.75
        assert found.turned == Hanging() and not [r for r in found.remarks if "corrected" in r]


@pytest.mark.parametrize(("turns", "inverted"), [(1, False), (2, False), (3, True), (0, True)])
def test_turned_pictures_are_put_right_and_boxes_lie_on_the_source(drawn: Any, turns: int, inverted: bool) -> None:
    _, _, model = drawn
    picture, mask = chests.chest(100)
    shown = np.rot90(255 - picture if inverted else picture, turns)
    found = model.predict(shown, frontal_affine())
    assert "corrected" in found.remarks[0]
    upright = {n: tuple(Hanging(turns).to_source(np.array(b), picture.shape)) for n, b in found.boxes.items()}
    assert lung_overlap(upright, mask) > 0.75
    lung = Hanging(turns).undo(found.lungs[0])
    right, _ = split_lungs(mask > 0)
    assert (lung & right).sum() / (lung | right).sum() > 0.6


def test_sides_that_the_header_states_are_obeyed(drawn: Any) -> None:
    """Stored mirrored, and said to be: the right lung is found on the right of the file."""
    _, _, model = drawn
    picture, mask = chests.chest(101)
    affine = frontal_affine()
    affine[0, 0] = 1.0
    found = model.predict(np.fliplr(picture), affine)
    upright = {n: (96 - b[2], b[1], 96 - b[0], b[3]) for n, b in found.boxes.items()}
    assert lung_overlap(upright, mask) > 0.75


def test_what_is_no_frontal_chest_is_refused(drawn: Any) -> None:
    _, _, model = drawn
    picture, _ = chests.chest(100)
    with pytest.raises(TumorboardError, match="ANA102"):
        model.predict(picture, frontal_affine(), view="LL")
    with pytest.raises(TumorboardError, match="ANA102"):
        model.predict(np.random.default_rng(0).integers(0, 255, (90, 90)), frontal_affine())
    strict = AnatomyModel(model.network, AnatomyConfig(**{**LIGHT, "turned": "refuse"}), model.atlas, (), {})
    with pytest.raises(TumorboardError, match="ANA103"):
        strict.predict(np.rot90(picture), frontal_affine())


def test_a_run_has_the_shape_of_the_truth_and_is_scored(drawn: Any, tmp_path: Path) -> None:
    cohort, run, _ = drawn
    result = predict(run, cohort, out=tmp_path, run_id="net")
    predicted = cohort.with_rows(**result.rows)
    boxes = predicted.rows("findings", run_id="net", label="right lung")
    assert len(boxes) == 6 and all(row["kind"] == "anatomical location" for row in boxes)
    assert json.loads(result.rows["runs"][0]["metrics"]) == {"refused": {}, "remarks": {}}
    assert predicted.image("P0.0.DX.mask.net").array.max() == 2  # both lungs, in the grid of the X-ray
    found = evaluate(predicted, "net")
    scores = {(row["metric"], row["label"]): row for row in found.scores}
    assert scores["box_iou", "right lung"]["n"] == 6
    assert scores["box_iou", "right lung"]["value"] > 0.75
    assert scores["mask_iou", "left lung"]["value"] > 0.6
    assert {row["metric"] for row in found.scores} <= set(METRICS)
    perfect = evaluate(predicted, "expert")
    assert all(row["value"] == (1 if "iou" in row["metric"] else 0) for row in perfect.scores)
    with pytest.raises(TumorboardError, match="MET109"):
        evaluate(predicted, "nobody")


def test_boxes_that_are_not_there_count_zero(drawn: Any, tmp_path: Path) -> None:
    cohort, run, _ = drawn
    rows = predict(run, cohort, out=tmp_path, run_id="net").rows
    rows["findings"] = [row for row in rows["findings"] if not row["image_id"].startswith("P0.")]
    found = evaluate(cohort.with_rows(**rows), "net")
    assert found.missing == ("P0.0.DX",)
    assert min(c["value"] for c in found.cases if c["image"] == "P0.0.DX") == 0
    assert next(r for r in found.scores if r["metric"] == "centre_distance_px")["n"] == 5


def test_a_training_is_taken_over_and_depends_on_its_seed(drawn: Any) -> None:
    cohort, run, model = drawn
    before = (run / "model.safetensors").read_bytes()
    again = train(cohort, run, config=AnatomyConfig(**LIGHT))
    assert again.facts == model.facts
    assert (run / "model.safetensors").read_bytes() == before


def test_foreign_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"PK\x03\x04 no weights")
    with pytest.raises(TumorboardError, match="ENG103"):
        AnatomyModel.load(tmp_path)


def test_a_turned_picture_is_not_learnt_from(tmp_path: Path) -> None:
    cohort = chests.cohort_of(tmp_path / "s", patients=3, changes=lambda n, p: np.rot90(p) if n == 1 else p)
    model = train(cohort, tmp_path / "run", config=AnatomyConfig(**{**LIGHT, "steps": 2}))
    assert set(model.facts["left_out"]) == {"P1.0.DX"}
    assert "ANA103" in model.facts["left_out"]["P1.0.DX"]


def test_every_baseline_stands_beside_the_network(tmp_path: Path) -> None:
    cohort = chests.cohort_of(tmp_path / "source", patients=4)
    result = benchmark(cohort, tmp_path / "out", config=AnatomyConfig(**{**LIGHT, "steps": 40}))
    runs = [row["run_id"] for row in result.rows["runs"]]
    assert runs == ["network", CONSTANT, FRACTIONS, RULES]
    iou = {r["run"]: r for r in result.scores if (r["metric"], r["label"]) == ("box_iou", "right lung")}
    assert all(row["n"] == 4 and row["low"] <= row["value"] <= row["high"] for row in iou.values())
    assert iou["network"]["value"] == iou[RULES]["value"]  # lungs are the network's own in both
    assert {r["label"] for r in result.scores} >= set(GROUPS) - {"small regions"}
    assert next(r for r in result.scores if r["metric"] == f"box_iou minus {CONSTANT}")["n"] == 4
    with_runs = cohort.with_rows(**result.rows)
    assert len(with_runs.rows("findings", run_id=CONSTANT)) == 8


def test_what_a_cohort_lacks_is_said(tmp_path: Path) -> None:
    from tumorboard.core.cohort import Cohort
    from tumorboard.tasks.anatomy.cases import missing

    assert missing(Cohort.build("empty")) == ["chest X-rays"]
    assert missing(chests.cohort_of(tmp_path, patients=1)) == ["lung masks or anatomical boxes of two or more patients"]
    spec = tasks()["anatomy"]
    assert set(spec.metrics) <= set(METRICS)
    assert set(spec.baselines) <= {CONSTANT, FRACTIONS, RULES}
