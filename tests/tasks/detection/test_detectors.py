"""The detectors: what they are shown, what they give back, that they learn, resume and are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from detection_bodies import GRID, TINY, body

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.registry import tasks
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.detection import pair_overlaps
from tumorboard.metrics.registry import METRICS
from tumorboard.tasks.detection.benchmark import benchmark, split_patients
from tumorboard.tasks.detection.blobs import BLOBS, fit_blobs
from tumorboard.tasks.detection.cases import find_cases
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.merge import merge_slices, one_per_place
from tumorboard.tasks.detection.model import DetectionModel, build_network
from tumorboard.tasks.detection.peaks import boxes_of_peaks
from tumorboard.tasks.detection.predict import predict
from tumorboard.tasks.detection.prepare import Look, PreparedCache, prepare
from tumorboard.tasks.detection.sampling import PatchSampler, boxes_of_slice, channels_of_slice
from tumorboard.tasks.detection.scoring import index_boxes
from tumorboard.tasks.detection.train import train, train_network


def look_of(number: int, *, lesions: int = 2) -> Look:
    volume, boxes = body(number, lesions=lesions)
    made = prepare(volume, TINY.spacing_mm)
    return Look(made.array, made.geometry, index_boxes(boxes, made.geometry))


def test_prepared_volume_is_upright_cut_and_in_place() -> None:
    volume, boxes = body(1, lesions=1)
    made = prepare(volume, (4.0, 4.0, 5.0))
    assert made.geometry.axis_codes == "RAS" and made.array.dtype == np.int16
    assert made.shape[0] < GRID.shape[0] and made.shape[2] == GRID.shape[2]  # air is cut, slices are not
    centre = (np.array(boxes[0][:3]) + boxes[0][3:]) / 2
    i, j, k = np.rint(made.geometry.to_index(centre)).astype(int)
    assert abs(int(made.array[i, j, k]) - 150) < 40
    with pytest.raises(TumorboardError, match="UNT101"):
        prepare(Volume(volume.array, volume.affine, Unit.SUVBW), (4.0, 4.0, 5.0))


def test_cross_sections_of_a_lesion() -> None:
    ball = np.array([[10.0, 20, 5, 20, 30, 15]])  # radius 5 round (15, 25, 10)
    assert boxes_of_slice(ball, 10).tolist() == [[10, 20, 20, 30]]
    assert boxes_of_slice(ball, 13).tolist() == pytest.approx(np.array([[11, 21, 19, 29]]))  # 3-4-5
    assert len(boxes_of_slice(ball, 15)) == 0 and len(boxes_of_slice(ball, 4)) == 0
    flat = np.array([[10.0, 20, 7.4, 20, 30, 7.4]])
    assert [len(boxes_of_slice(flat, k)) for k in (6, 7, 8)] == [0, 1, 0]


def test_slices_keep_their_neighbours_and_repeat_the_ends() -> None:
    hu = (np.arange(3, dtype=np.int16) * 100)[None, None, :] * np.ones((2, 2, 1), np.int16)
    shown = channels_of_slice(hu, 0, [(0.0, 200.0), (-100.0, 100.0)])
    assert shown.shape == (6, 2, 2)
    assert shown[:, 0, 0].tolist() == pytest.approx([0, 0.5, 0, 0.5, 0.5, 1.0])


@pytest.mark.parametrize("form", ["2.5-D", "3-D"])
def test_patches_hold_their_lesions_also_when_mirrored(form: str) -> None:
    config = TINY.model_copy(update={"form": form, "network": "retinanet", "reach": 1, "foreground": 1.0, "batch": 24})
    look = look_of(3)
    batch = PatchSampler([look], config)(np.random.default_rng(0))
    again = PatchSampler([look], config)(np.random.default_rng(0))
    assert np.array_equal(batch.images.numpy(), again.images.numpy())
    middle = 1 if form == "2.5-D" else 0
    seen = 0
    for image, boxes in zip(batch.images.numpy()[:, middle], batch.boxes, strict=True):
        for box in boxes.numpy():
            d = len(box) // 2
            centre = tuple(np.rint((box[:d] + box[d:]) / 2).astype(int))
            if (box[:d] > 1).all() and (box[d:] < np.array(image.shape) - 2).all():
                seen += 1
                assert image[centre] > 0.6, (centre, box)  # 150 HU; the body has 20 HU, 0.45
    assert seen > 10


def test_boxes_of_slices_become_one_of_the_volume() -> None:
    boxes = np.array([[10, 10, 20, 20], [11, 10, 21, 21], [12, 11, 19, 19], [60, 60, 70, 70], [10, 10, 20, 20]], float)
    scores, slices = np.array([0.6, 0.9, 0.5, 0.8, 0.7]), np.array([4, 5, 7, 5, 30])
    found, rank = merge_slices(boxes, scores, slices)
    assert found.tolist() == [
        [10, 10, 3.5, 21, 21, 7.5],  # slice 6 is missed, the chain goes on
        [60, 60, 4.5, 70, 70, 5.5],
        [10, 10, 29.5, 20, 20, 30.5],
    ]
    assert rank.tolist() == pytest.approx([(0.9 + 2.0 / 3) / 2, (0.8 + 0.8 / 3) / 2, (0.7 + 0.7 / 3) / 2])
    nothing = merge_slices(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))
    assert nothing[0].shape == (0, 6) and nothing[1].shape == (0,)


def test_boxes_that_drift_do_not_chain() -> None:
    shift = np.arange(12)[:, None] * np.array([[3.0, 0, 3, 0]])
    boxes = np.array([[10.0, 10, 20, 20]]) + shift  # each overlaps the next by 7 of 13
    found, _ = merge_slices(boxes, np.linspace(0.9, 0.8, 12), np.arange(12))
    assert len(found) > 2 and (found[:, 3] - found[:, 0]).max() <= 18


def test_the_heat_of_a_lesion_reads_back_as_its_box() -> None:
    """What the network is to answer for two lesions, stacked and read, gives their boxes again."""
    import torch

    from tumorboard.models.centre_heatmap import CentreHeatmap, _targets

    truth = np.array([[10.0, 12, 3, 22, 20, 8], [40, 30, 5, 58, 50, 11]])
    network = CentreHeatmap(1)
    wanted = []
    for k in range(14):
        heat, edges = _targets(torch.from_numpy(truth - np.array([0, 0, k] * 2)).float(), (32, 32))
        wanted.append(torch.cat([torch.logit(heat.clamp(1e-4, 1 - 1e-4))[None], edges]))
    network.forward = lambda images: torch.stack(wanted)  # type: ignore[method-assign]
    heats, boxes = (part.clone() for part in network.read(torch.empty(0)))
    boxes[:, 2] += torch.arange(14.0)[:, None, None]
    boxes[:, 5] += torch.arange(14.0)[:, None, None]
    found, scores = boxes_of_peaks(heats.numpy(), boxes.numpy(), floor=0.2, most=9)
    assert len(found) == 3 and (scores > 0.3).all()  # the first lesion's middle lies between two slices
    assert len(one_per_place(found, scores)) == 2
    assert pair_overlaps(truth, found).max(axis=1).min() > 0.9


def test_heat_losses_fall_on_what_is_there() -> None:
    import torch

    from tumorboard.models.centre_heatmap import _heat_loss, _targets

    heat = _targets(torch.tensor([[10.0, 10, -2, 20, 20, 2]]), (16, 16))[0][None]
    there, away = (torch.logit(h.clamp(0.01, 0.99)) for h in (heat, heat.roll(6, dims=2)))
    assert 2 * float(_heat_loss(there, heat)) < float(_heat_loss(away, heat))
    assert float(heat.max()) > 0.9 and float(_targets(torch.empty((0, 6)), (16, 16))[0].max()) == 0


def test_one_box_per_place() -> None:
    boxes = np.array([[0, 0, 0, 10, 10, 10], [1, 0, 0, 11, 10, 10], [20, 0, 0, 30, 10, 10]], float)
    assert one_per_place(boxes, np.array([0.5, 0.9, 0.9])).tolist() == [1, 2]
    assert one_per_place(boxes, np.array([0.5, 0.9, 0.9]), most=1).tolist() == [1]


def test_blobs_find_balls_by_size() -> None:
    looks = [look_of(number) for number in range(3)]
    detector = fit_blobs(looks[:2])
    assert detector.hu[0] < 150 < detector.hu[1] < 200
    boxes, scores = detector.detect(looks[2])
    best = pair_overlaps(looks[2].boxes, boxes).max(axis=1)
    assert (best > 0.3).all() and (np.diff(scores) <= 0).all()


@pytest.mark.parametrize(
    ("network", "form"),
    [("scale-space", "2.5-D"), ("centre-heatmap", "2.5-D"), ("retinanet", "2.5-D"), ("retinanet", "3-D")],
)
def test_a_model_comes_back_as_it_was(network: str, form: str, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)  # an untrained network: other weights may find nothing
    config = TINY.model_copy(update={"network": network, "form": form, "score_floor": 0.001})
    model = DetectionModel(build_network(config), config, {"steps": 0})
    model.save(tmp_path)
    back = DetectionModel.load(tmp_path)
    look = look_of(5)
    for one, two in zip(model.detect(look), back.detect(look), strict=True):
        assert np.array_equal(one, two)
    boxes, scores = back.detect(look)
    assert (boxes[:, 3:] > boxes[:, :3]).all() and (np.diff(scores) <= 0).all() and len(boxes)
    assert (boxes[:, :3] >= -0.5).all() and (boxes[:, 3:] <= np.array(look.hu.shape) - 0.5).all()


def test_full_size_is_the_published_backbone() -> None:
    network = build_network(DetectionConfig(network="retinanet", form="3-D", size="M"))
    assert sum(p.numel() for p in network.parameters()) > 2e7
    assert network.network.size_divisible == (8, 8, 8)


def test_a_stopped_training_goes_on_to_the_same_weights(cohort: Cohort, tmp_path: Path) -> None:
    config = TINY.model_copy(update={"steps": 3})
    whole = train(cohort, tmp_path / "whole", config=config)

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if (tmp_path / "cut" / "last.safetensors").exists():
            raise Stop

    # progress is told at the end of the loop; a checkpoint is written at every step before it
    with pytest.raises(Stop):
        _stopped(cohort, tmp_path / "cut", config, stop)
    again = train(cohort, tmp_path / "cut", config=config)
    for name, value in whole.network.state_dict().items():
        assert np.array_equal(value.numpy(), again.network.state_dict()[name].numpy()), name
    assert whole.facts["patients"] == [f"P{n}" for n in range(6)]
    taken = train(cohort, tmp_path / "whole", config=config)
    assert taken.facts == whole.facts
    log = (tmp_path / "cut" / "log.jsonl").read_text()
    assert "resumed" in log


def _stopped(cohort: Cohort, folder: Path, config: DetectionConfig, stop: object) -> None:
    """A training that dies when its first checkpoint lies on disk."""
    from tumorboard.engine import loop

    kept = loop._Training.save

    def save(self: object, path: Path, identity: str) -> None:
        kept(self, path, identity)  # type: ignore[arg-type]
        stop(1, 1)  # type: ignore[operator]

    loop._Training.save = save  # type: ignore[method-assign,assignment]
    try:
        train(cohort, folder, config=config)
    finally:
        loop._Training.save = kept  # type: ignore[method-assign]


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    from tumorboard.engine.checkpoints import write_checkpoint

    write_checkpoint(tmp_path / "model.safetensors", tensors={}, state={"kind": "segmentation", "version": 1})
    with pytest.raises(TumorboardError, match="DET102"):
        DetectionModel.load(tmp_path)


@pytest.fixture(scope="module")
def result(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    out = tmp_path_factory.mktemp("benchmark")
    return out, benchmark(cohort, out, config=TINY.model_copy(update={"steps": 2, "test_share": 0.5}))


def test_benchmark_scores_other_patients_than_it_learns_from(cohort: Cohort, result) -> None:  # type: ignore[no-untyped-def]
    out, found = result
    import json

    runs = {row["run_id"]: json.loads(row["inputs"]) for row in found.rows["runs"]}
    assert set(runs) == {TINY.network, BLOBS}
    for inputs in runs.values():
        assert not set(inputs["trained_on"]) & set(inputs["scored_on"]) and len(inputs["scored_on"]) == 3
    scored = {row["image_id"].split(".")[0] for row in found.rows["findings"]}
    assert scored <= set(runs[TINY.network]["scored_on"])
    metrics = {row["metric"] for row in found.scores}
    assert metrics == {"froc_sensitivity", "froc_mean_sensitivity", f"froc_mean_sensitivity minus {BLOBS}"}
    added = cohort.with_rows(**found.rows)
    assert added.runs.num_rows == 3
    for picture in found.pictures:
        assert picture.path.is_file() and out in picture.path.parents and picture.alt.endswith((".", "missed."))


def test_benchmark_repeats_to_the_last_digit(cohort: Cohort, result, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _, found = result
    again = benchmark(cohort, tmp_path, config=TINY.model_copy(update={"steps": 2, "test_share": 0.5}))
    assert again.scores == found.scores and again.rows["findings"] == found.rows["findings"]


def test_predictions_are_findings_of_a_run(cohort: Cohort, result) -> None:  # type: ignore[no-untyped-def]
    out, _ = result
    found = predict(out / TINY.network, cohort, run_id="mine")
    added = cohort.with_rows(**found.rows)
    boxes = added.rows("findings", run_id="mine")
    assert all(row["kind"] == "box" and len(row["box"]) == 6 and 0 < row["score"] <= 1 for row in boxes)
    with pytest.raises(TumorboardError, match="DET101"):
        predict(out / TINY.network, cohort.replace_tables(images=[], findings=[]))


def test_split_is_of_patients_and_by_seed() -> None:
    names = [f"P{n}" for n in range(20)]
    one = split_patients(names, 0.3, seed=1)
    assert len(one) == 6 and one == split_patients(names[::-1], 0.3, seed=1) != split_patients(names, 0.3, seed=2)
    assert len(split_patients(names[:4], 0.01, seed=0)) == 2


def test_too_few_patients(cohort: Cohort, tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="DET101"):
        benchmark(cohort.subset(["P0"]), tmp_path, config=TINY)
    with pytest.raises(TumorboardError, match="DET101"):
        train(cohort.replace_tables(findings=[]), tmp_path, config=TINY)


def test_cache_follows_the_image(cohort: Cohort, tmp_path: Path) -> None:
    case = find_cases(cohort)[0]
    cache = PreparedCache(tmp_path, cohort, (4.0, 4.0, 5.0))
    one, two = cache.look(case), cache.look(case)
    assert np.array_equal(one.hu, two.hu) and one.geometry == two.geometry
    assert cache.name(case) != PreparedCache(tmp_path, cohort, (2.0, 4.0, 5.0)).name(case)
    assert isinstance(one.geometry, Geometry)


def test_declared_metrics_exist() -> None:
    assert set(tasks()["detection"].metrics) <= set(METRICS)


def test_two_small_volumes_are_learnt_by_heart(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"network": "scale-space", "steps": 60, "cell_batch": 512, "checkpoint_every": 0})
    looks = [look_of(number) for number in range(2)]
    model = train_network(looks, ["0", "1"], config=config, folder=tmp_path, facts={})
    for look in looks:
        boxes, _ = model.detect(look)
        best = pair_overlaps(look.boxes, boxes[:3]).max(axis=1)
        assert (best > 0.3).all(), best


@pytest.mark.slow
@pytest.mark.parametrize("network", ["scale-space", "centre-heatmap", "retinanet"])
def test_bright_balls_are_learnt_and_found_in_other_bodies(network: str, tmp_path: Path) -> None:
    config = TINY.model_copy(
        update={"network": network, "steps": 120, "batch": 8, "cell_batch": 512, "checkpoint_every": 0}
    )
    looks = [look_of(number) for number in range(6)]
    model = train_network(looks, [str(n) for n in range(6)], config=config, folder=tmp_path, facts={})
    for number in (20, 21, 22):
        look = look_of(number)
        boxes, scores = model.detect(look)
        best = pair_overlaps(look.boxes, boxes[:3]).max(axis=1)
        assert (best > 0.3).all(), (number, best, scores[:4])
