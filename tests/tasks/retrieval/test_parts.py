"""Lesions as columns, crops, sequences, their loss, types, files of embeddings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lesion_cohorts import toy_cohort

from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.retrieval.config import RetrievalConfig
from tumorboard.tasks.retrieval.crops import crop_grid, crop_lesion, crops_of
from tumorboard.tasks.retrieval.features import Scaler, location_and_size
from tumorboard.tasks.retrieval.lesions import find_lesions, missing
from tumorboard.tasks.retrieval.sampling import SequenceSampler
from tumorboard.tasks.retrieval.store import read_embeddings, run_folder, write_embeddings
from tumorboard.tasks.retrieval.types import Logistic, calibrated, calibration_of, neighbouring_share

CONFIG = RetrievalConfig(edge_px=32, jitter_px=2, dimensions=8, channels=(8, 8), steps=2, sequences=4)


def test_lesions_are_read_as_columns() -> None:
    lesions = find_lesions(toy_cohort(patients=7, untyped=2))
    assert len(lesions) == 21 and lesions.typed.sum() == 15
    assert lesions.types[0] == "liver" and lesions.splits[0] == "test"
    assert lesions.centres_mm[0] == pytest.approx([0, 0, 0])
    assert lesions.axes_mm[0, 0] == pytest.approx(lesions.axes_mm[0, 1] * 1.5)
    assert np.isnan(find_lesions(toy_cohort(), location="none").locations).all()
    with pytest.raises(TumorboardError, match="BDP105"):
        find_lesions(toy_cohort(), location="a body-part run that is not there")


def test_an_unknown_type_is_no_class_and_no_index() -> None:
    """Trap 6: -1 would be the last class if it were an index."""
    lesions = find_lesions(toy_cohort(patients=7, untyped=2))
    numbers = lesions.numbers()
    assert (numbers[~lesions.typed] == -1).all() and (numbers[lesions.typed] >= 0).all()
    crops = crops_of(toy_cohort(patients=7, untyped=2), lesions, CONFIG)
    features = np.zeros((len(lesions), 10))
    sampler = SequenceSampler(lesions, crops, features, types=numbers, config=CONFIG)
    rng = np.random.default_rng(0)
    drawn = {row for _ in range(60) for row in sampler.sequence(sampler._anchor(rng), rng) if row >= 0}
    assert drawn and not drawn & set(np.flatnonzero(~lesions.typed).tolist())
    assert (sampler(rng).types >= 0).all()


def test_what_a_cohort_lacks_is_said() -> None:
    assert missing(toy_cohort(patients=6)) == []
    assert missing(toy_cohort(patients=6, untyped=1)) == ["marked lesions of 2 or more types in 6 or more patients"]


def test_sequences_are_ever_less_similar() -> None:
    cohort = toy_cohort(patients=30)
    lesions = find_lesions(cohort)
    crops = crops_of(cohort, lesions, CONFIG)
    sampler = SequenceSampler(lesions, crops, np.zeros((90, 10)), types=lesions.numbers(), config=CONFIG)
    rng = np.random.default_rng(0)
    full = 0
    for a in range(90):
        _, b, c, d, e = sampler.sequence(a, rng)
        far = np.linalg.norm(lesions.locations - lesions.locations[a], axis=1)
        size = np.abs(np.log(lesions.axes_mm / lesions.axes_mm[a])).max(axis=1)
        for row in (b, c, d):
            assert row < 0 or (lesions.types[row] == lesions.types[a] and lesions.patients[row] != lesions.patients[a])
        assert b < 0 or (far[b] <= CONFIG.near_location and size[b] <= CONFIG.near_size)
        assert c < 0 or (far[c] <= CONFIG.near_location and size[c] > CONFIG.far_size)
        assert d < 0 or far[d] > CONFIG.far_location
        assert lesions.types[e] != lesions.types[a]
        full += min(b, c, d) >= 0
    assert full > 5


def test_loss_by_hand() -> None:
    """Squared distances from A: B 0.01, C 0.04, D 0.25, E 0.36 on a line."""
    import torch

    from tumorboard.tasks.retrieval.loss import sequence_loss

    vectors = torch.tensor([[0.0], [0.1], [0.2], [0.5], [0.6]])
    margins = (0.1, 0.2, 0.4)
    # hinges: B-C 0.01 - 0.04 + 0.1 = 0.07; C-D 0.04 - 0.25 + 0.2 < 0; D-E 0.25 - 0.36 + 0.4 = 0.29
    whole = sequence_loss(vectors, torch.tensor([[0, 1, 2, 3, 4]]), margins=margins)
    assert float(whole) == pytest.approx((0.07 + 0.29) / 2)
    # without C and D: B-E 0.01 - 0.36 + 0.4 = 0.05
    part = sequence_loss(vectors, torch.tensor([[0, 1, -1, -1, 4]]), margins=margins)
    assert float(part) == pytest.approx(0.05 / 2)
    assert float(sequence_loss(vectors, torch.tensor([[0, -1, -1, -1, 4]]), margins=margins)) == 0.0


def test_every_slice_of_a_crop_is_interpolated_at_its_own_place() -> None:
    """The public bug: weights of the middle slice used for all. On a ramp along z the crop is the ramp."""
    ramp = np.broadcast_to(np.arange(20) * 50.0, (40, 40, 20)).astype(np.int16)
    scan = Volume(ramp, np.diag([-1.0, -1.0, 5.0, 1.0]), Unit.HU)
    config = RetrievalConfig(edge_px=32, jitter_px=0, slices=5, slice_step_mm=2.0, context=1)
    near, far = crop_lesion(scan, np.array([-19.5, -19.5, 31.0]), config)
    z = 31.0 + 2.0 * (np.arange(5) - 2)  # mm; the ramp is 10 HU per mm
    assert near[:, 16, 16].tolist() == pytest.approx((10 * z).tolist(), abs=0.51)
    assert np.array_equal(near, far)


def test_crops_look_the_same_however_the_scan_is_stored() -> None:
    rng = np.random.default_rng(0)
    scan = Volume(rng.integers(-500, 500, (50, 60, 20)).astype(np.int16), np.diag([-1.0, -1.0, 2.0, 1.0]), Unit.HU)
    config = RetrievalConfig(edge_px=32, jitter_px=2, context=1)
    place = np.array([-25.0, -30.0, 20.0])
    near, _ = crop_lesion(scan, place, config)
    other, _ = crop_lesion(scan.reorient("RAS").permute((2, 0, 1)), place, config)
    assert np.array_equal(near, other)
    # Columns grow towards the left, rows towards the back.
    assert crop_grid(place, edge_px=4, config=config).axis_codes == "LPS"
    middle = near[1, 2 + 15, 2 + 15]  # half a pixel from the centre: the mean of four pixels
    assert abs(int(middle) - int(scan.array[24:26, 29:31, 10].mean())) < 500


def test_beyond_the_scan_there_is_air_and_a_missing_image_has_no_crop() -> None:
    scan = Volume(np.zeros((20, 20, 4), np.int16), np.diag([-1.0, -1.0, 5.0, 1.0]), Unit.HU)
    near, far = crop_lesion(scan, np.array([-10.0, -10.0, 7.5]), RetrievalConfig(edge_px=32, jitter_px=0))
    assert near[1, 0, 0] == -1024 and far[1, 0, 0] == -1024 and near[1, 16, 16] == 0
    cohort = toy_cohort(patients=6, pixels=False)
    assert not crops_of(cohort, find_lesions(cohort), CONFIG).has.any()


def test_mean_hu_is_of_the_lesion() -> None:
    cohort = toy_cohort(patients=2)
    lesions = find_lesions(cohort)
    mean = crops_of(cohort, lesions, CONFIG).mean_hu(lesions.axes_mm, spacing_mm=1.0)
    assert mean[:3] == pytest.approx([10, 40, 700], abs=60)


def test_scaling_is_that_of_training_and_unknown_is_the_mean() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    scaler = Scaler.fit(values)
    assert scaler.apply(np.array([[1.0, 5.0], [np.nan, np.nan]])).tolist() == [[-1.0, 0.0], [0.0, 0.0]]
    assert Scaler.from_json(scaler.to_json()).apply(values).tolist() == scaler.apply(values).tolist()
    lesions = find_lesions(toy_cohort(patients=1))
    assert location_and_size(lesions)[0, 3] == pytest.approx(np.log(lesions.axes_mm[0, 0]))


def test_classes_that_training_never_saw_are_hardly_likely() -> None:
    rng = np.random.default_rng(0)
    numbers = np.repeat([3, 4], 40)  # liver, lung
    x = rng.normal(size=(80, 3)) + np.where(numbers == 3, 2.0, -2.0)[:, None]
    model = Logistic.fit(x, numbers)
    again = Logistic.from_json(model.to_json())
    assert np.array_equal(again.log_weights(x), model.log_weights(x))
    shares = calibrated(calibration_of(model.log_weights(x), numbers, trained_on=numbers), model.log_weights(x))
    assert shares.shape == (80, len(LESION_TYPES)) and np.allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == numbers).mean() > 0.95
    assert shares[:, [0, 1, 2, 5, 6, 7]].max() < 1e-3


def test_errors_between_neighbours() -> None:
    number = {name: i for i, name in enumerate(LESION_TYPES)}
    truth = np.array([number["liver"], number["kidney"], number["lung"], number["lung"]])
    told = np.array([number["kidney"], number["liver"], number["pelvis"], number["lung"]])
    assert neighbouring_share(truth, told) == pytest.approx(2 / 3)
    assert neighbouring_share(truth, truth) is None


def test_embeddings_on_disk(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    write_embeddings(tmp_path / "runs" / "r", ["a", "b", "c"], vectors)
    found = read_embeddings(run_folder(tmp_path, "r"))
    assert found.ids == ("a", "b", "c") and np.array_equal(found.vectors, vectors)
    places, rows = found.of(["c", "x", "a"])
    assert places.tolist() == [0, 2] and rows.tolist() == [2, 0]
    with pytest.raises(TumorboardError, match="RET103"):
        run_folder(tmp_path, "other")
    with pytest.raises(TumorboardError, match="FIL103"):
        run_folder(tmp_path, "../r")


def test_matrices_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "embeddings.npy", np.zeros((3, 2), np.float32))
    (tmp_path / "findings.txt").write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(TumorboardError, match="RET104"):
        read_embeddings(tmp_path)
    (tmp_path / "findings.txt").write_text("a\nb\nb\n", encoding="utf-8")
    with pytest.raises(TumorboardError, match="RET104"):
        read_embeddings(tmp_path)
    (tmp_path / "findings.txt").write_text("a\nb\nc\n", encoding="utf-8")
    assert read_embeddings(tmp_path).ids == ("a", "b", "c")
    np.save(tmp_path / "embeddings.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(TumorboardError, match="FIL110"):
        read_embeddings(tmp_path)


def test_pooled_probabilities_by_hand() -> None:
    """sqrt(0.8 x 0.2) = 0.4 and sqrt(0.2 x 0.8) = 0.4: even; sure members outweigh doubtful ones."""
    from tumorboard.tasks.retrieval.types import pooled

    assert pooled([np.array([[0.8, 0.2]]), np.array([[0.2, 0.8]])])[0] == pytest.approx([0.5, 0.5])
    found = pooled([np.array([[0.9, 0.1]]), np.array([[0.4, 0.6]])])[0]
    assert found == pytest.approx(np.sqrt([0.36, 0.06]) / np.sqrt([0.36, 0.06]).sum())
