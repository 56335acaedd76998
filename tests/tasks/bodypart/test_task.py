"""Training, prediction, evaluation and benchmark on drawn bodies; places of lesions; flags as a check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import bodypart_bodies as bodies
import numpy as np
import pytest
from bodypart_bodies import LIGHT

from tumorboard.checks.run import run_checks
from tumorboard.core.bodypart import BODY_PART, POINT, REVERSED
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import tasks
from tumorboard.engine.checkpoints import write_checkpoint
from tumorboard.metrics.registry import METRICS
from tumorboard.tasks.bodypart.baselines import CONSTANT, FRACTION
from tumorboard.tasks.bodypart.benchmark import PARTS, benchmark
from tumorboard.tasks.bodypart.cases import find_cases, missing
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.evaluate import THREE_REGIONS, evaluate
from tumorboard.tasks.bodypart.model import MODEL_FILE, BodyPartModel
from tumorboard.tasks.bodypart.places import place_rows, relative_locations, same_level, stated_locations
from tumorboard.tasks.bodypart.predict import predict
from tumorboard.tasks.bodypart.rows import scored_images
from tumorboard.tasks.bodypart.train import train


def predicted(drawn: Any) -> Cohort:
    cohort, run, _ = drawn
    return cohort.with_rows(**predict(run, cohort, run_id="net").rows)


def test_scores_rise_towards_the_feet_in_new_bodies(drawn: Any) -> None:
    _, _, model = drawn
    volume = bodies.body(seed=77, length_mm=500)
    curve = model.score_volume(volume)
    depth = curve.z_mm[0] - curve.z_mm
    assert np.corrcoef(depth, curve.score)[0, 1] > 0.95 and curve.score[-1] > curve.score[0]
    for stored in ("LPI", "SAR", "RPI"):
        assert np.array_equal(model.score_volume(volume.reorient(stored)).score, curve.score)


def test_zero_is_the_top_and_one_the_feet_end(drawn: Any) -> None:
    cohort, _, model = drawn
    found = np.concatenate([model.score_volume(cohort.image(case.image_id)).score for case in find_cases(cohort)])
    assert np.percentile(found, [0.5, 99.5]) == pytest.approx([0, 1], abs=0.02)


def test_stopped_and_resumed_gives_the_same_bytes(tmp_path: Path) -> None:
    cohort = bodies.cohort_of(tmp_path / "source", patients=4)
    config = BodyPartConfig(**{**LIGHT, "steps": 8, "checkpoint_every": 4})

    class Stopped(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done > 4:
            raise Stopped

    train(cohort, tmp_path / "whole", config=config)
    with pytest.raises(Stopped):
        train(cohort, tmp_path / "stopped", config=config, progress=stop)
    assert not (tmp_path / "stopped" / MODEL_FILE).exists()
    train(cohort, tmp_path / "stopped", config=config)
    models = [BodyPartModel.load(tmp_path / name) for name in ("whole", "stopped")]
    first, second = (model.network.state_dict() for model in models)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert models[0].anatomy == models[1].anatomy
    before = (tmp_path / "whole" / MODEL_FILE).read_bytes()
    train(cohort, tmp_path / "whole", config=config)  # a finished one is taken over
    assert (tmp_path / "whole" / MODEL_FILE).read_bytes() == before


def test_rows_of_a_prediction_come_back(drawn: Any) -> None:
    cohort, _, model = drawn
    whole = predicted(drawn)
    images = scored_images(whole, "net")
    assert set(images) == {case.image_id for case in find_cases(cohort)}
    direct = model.score_volume(cohort.image("P1.CT"))
    kept = images["P1.CT"]
    assert np.allclose(kept.curve.score, direct.score, atol=1e-5) and np.allclose(kept.curve.z_mm, direct.z_mm)
    assert kept.regions is not None and len(kept.regions) == len(kept.box_mm) == len(direct.score)
    row = whole.row("findings", kind=BODY_PART, image_id="P1.CT", run_id="net")
    assert row["label"] == "head-neck, chest, abdomen, pelvis" and dict(row["measurements"])["order"] > 0.9
    marks = {row["label"] for row in whole.rows("findings", kind=POINT, run_id="net", image_id="P1.CT")}
    assert marks >= {"top of lung", "upper liver edge", "iliac crest"}
    with pytest.raises(TumorboardError) as error:
        scored_images(whole, "nobody")
    assert error.value.code.id == "BDP105"


def test_lesions_get_their_place(drawn: Any) -> None:
    whole = predicted(drawn)
    places = relative_locations(whole, run_id="net")
    assert set(places) == {f"P{n}.lesion" for n in range(6)}
    for x, y, z in places.values():  # in the middle of the body, 300 of 560 mm below the top
        assert (x, y) == pytest.approx((0.5, 0.5), abs=0.06) and 0.35 < z < 0.75
    assert np.std([z for _, _, z in places.values()]) < 0.08
    rows = [r for r in whole.rows("findings", run_id="net", kind=POINT) if r["label"] == "place of liver"]
    told = {json.loads(r["attributes"])["lesion"]: json.loads(r["attributes"])["relative_location"] for r in rows}
    assert {name: tuple(value) for name, value in told.items()} == {
        name: tuple(round(v, 5) for v in place) for name, place in places.items()
    }
    assert stated_locations(whole) == {}  # a prediction is not what the data state
    assert place_rows(whole, {}, run_id="net") == []


def test_x_of_a_place_runs_from_right_to_left_and_y_to_the_back(drawn: Any) -> None:
    cohort, run, _ = drawn
    z = bodies.z_of(300.0)
    rows = [
        {"finding_id": name, "image_id": "P0.CT", "run_id": "expert", "kind": "box", "label": "lesion",
         "box": [x - 5, y - 5, z - 5, x + 5, y + 5, z + 5]}
        for name, x, y in (("right", 60.0, 0.0), ("front", 0.0, 50.0))
    ]  # fmt: skip
    stated = {"finding_id": "told", "image_id": "P0.CT", "run_id": "expert", "kind": "box", "label": "lesion",
              "attributes": json.dumps({"relative_location": [0.1, 0.2, 0.3]})}  # fmt: skip
    more = cohort.with_rows(findings=[*rows, stated])
    more = more.with_rows(**predict(run, more, run_id="net").rows)
    places = relative_locations(more, run_id="net")
    assert places["right"][0] < 0.4 and places["front"][1] < 0.4
    assert stated_locations(more) == {"told": (0.1, 0.2, 0.3)} and "told" not in places


def test_the_same_level_in_another_exam(drawn: Any) -> None:
    images = scored_images(predicted(drawn), "net")
    found = same_level(images["P0.CT"], images["P2.CT"], bodies.z_of(300.0))
    assert found == pytest.approx(bodies.z_of(300.0), abs=40)
    top = images["P0.CT"].curve.z_mm[0]
    assert same_level(images["P0.CT"], images["P5.CT"], float(top)) is None  # P5 begins 50 mm lower


def test_a_reversed_ct_is_flagged_and_the_check_tells_it(drawn: Any, tmp_path: Path) -> None:
    _, run, _ = drawn
    cohort = bodies.cohort_of(tmp_path, spoilt=True)
    result = predict(run, cohort, run_id="net")
    assert json.loads(result.rows["runs"][0]["metrics"])["flagged"] == {"P5.CT": [REVERSED]}
    whole = cohort.with_rows(**result.rows)
    told = [finding for finding in run_checks(whole) if finding.code == "IMG233"]
    assert [(f.severity, f.where) for f in told] == [("warning", "images: P5.CT")]
    assert "reversed" in told[0].message and "net" in told[0].message
    assert not [finding for finding in run_checks(cohort) if finding.code == "IMG233"]


def test_evaluation_against_landmarks(drawn: Any) -> None:
    whole = predicted(drawn)
    found = evaluate(whole, "net", reference="truth", seed=1)
    value = {(row["metric"], row["label"]): row["value"] for row in found.scores}
    assert value["slice_order", ""] > 0.95 and value["region_accuracy", THREE_REGIONS] > 0.7
    assert all(row["n"] == 6 for row in found.scores if row["metric"] == "slice_order")
    assert {row["metric"] for row in found.scores} <= set(METRICS)
    alone = evaluate(whole, "net", reference="expert")  # the expert marked no landmarks
    assert {row["metric"] for row in alone.scores} == {"slice_order"}


def test_ct_that_cannot_be_scored_is_named(drawn: Any, tmp_path: Path) -> None:
    _, run, _ = drawn
    broken = bodies.cohort_of(tmp_path / "source", patients=4)
    (tmp_path / "source" / "images" / "P3.nii.gz").write_bytes(b"no image")
    result = predict(run, broken, run_id="net")
    refused = json.loads(result.rows["runs"][0]["metrics"])["refused"]
    assert list(refused) == ["P3.CT"] and "P3.nii.gz" in refused["P3.CT"]
    model = train(broken, tmp_path / "run", config=BodyPartConfig(**{**LIGHT, "steps": 2}))
    assert list(model.facts["left_out"]) == ["P3.CT"] and "P3" not in model.facts["patients"]


def test_models_of_others_are_refused(drawn: Any, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / MODEL_FILE, tensors={}, state={"kind": "segmentation"})
    with pytest.raises(TumorboardError) as error:
        BodyPartModel.load(tmp_path)
    assert error.value.code.id == "BDP104"
    with pytest.raises(TumorboardError) as error:
        train(Cohort.build("empty"), tmp_path, config=BodyPartConfig())
    assert error.value.code.id == "BDP101"


def test_benchmark_beside_its_baselines(tmp_path: Path) -> None:
    cohort = bodies.cohort_of(tmp_path / "source", patients=6)
    result = benchmark(cohort, tmp_path / "out", config=BodyPartConfig(**LIGHT))
    value = {(row["run"], row["metric"], row["label"], row["subset"]): row for row in result.scores}
    assert [row["run_id"] for row in result.rows["runs"]] == ["small", FRACTION, CONSTANT]
    assert value["small", "slice_order", "", "all"]["value"] > 0.9
    assert value[FRACTION, "slice_order", "", "all"]["value"] == pytest.approx(1)
    assert value[CONSTANT, "slice_order", "", "all"]["value"] == 0
    # In parts of volumes the place in the volume says little.
    ours, blind = (value[run, "region_accuracy", THREE_REGIONS, PARTS]["value"] for run in ("small", FRACTION))
    assert ours > blind + 0.1
    assert value["small", "flag_sensitivity", "reversed", "all"]["value"] == 1
    assert value[FRACTION, "flag_sensitivity", "reversed", "all"]["value"] == 0
    assert {row["metric"] for row in result.scores} == set(tasks()["bodypart"].metrics) <= set(METRICS)
    trained = [set(BodyPartModel.load(tmp_path / "out" / f"fold-{n}").facts["patients"]) for n in (0, 1)]
    assert trained[0].isdisjoint(trained[1]) and trained[0] | trained[1] == set(cohort.patient_ids)
    assert [picture.path.exists() for picture in result.pictures] == [True, True]
    assert cohort.with_rows(**result.rows).rows("findings", run_id="small")


def test_what_a_cohort_lacks_is_said(tmp_path: Path) -> None:
    assert missing(Cohort.build("empty")) == ["CT volumes in HU"]
    assert missing(bodies.cohort_of(tmp_path, patients=2)) == ["4 patients with a CT volume in HU (there are 2)"]


def test_presets() -> None:
    seed = BodyPartConfig(preset="seed")
    assert (seed.network, seed.edge, seed.volumes * seed.slices, seed.learning_rate) == ("vgg16", 128, 256, 0.002)
    assert (seed.steps, seed.optimizer, seed.distance, seed.augment) == (1500, "sgd", "equidistant", False)
    assert BodyPartConfig(preset="seed", steps="3", edge="64").edge == 64
    assert BodyPartConfig.model_validate(seed.model_dump(mode="json")) == seed
    with pytest.raises(ValueError, match="must rise"):
        BodyPartConfig(window_hu="300,-100")
