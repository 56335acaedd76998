"""The third channel: fixed ranges, nothing changed without it, never missing in silence, and no word of who is held
out."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.prior import learnt_from
from tumorboard.tasks.result import run_row
from tumorboard.tasks.segmentation.augmentation import drop_prior
from tumorboard.tasks.segmentation.benchmark import benchmark
from tumorboard.tasks.segmentation.cache import CaseCache
from tumorboard.tasks.segmentation.cases import find_cases, load_case
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.model import SegmentationModel, build_network
from tumorboard.tasks.segmentation.predict import NO_MAP, predict, predict_volumes
from tumorboard.tasks.segmentation.preprocess import Preprocessing
from tumorboard.tasks.segmentation.prior import FROM_MAPS, PRIORS, prior_channel
from tumorboard.tasks.segmentation.prior_maps import require_blind, with_available_maps, with_fold_maps
from tumorboard.tasks.segmentation.sampling import PatchSampler
from tumorboard.tasks.segmentation.settle import settle
from tumorboard.tasks.segmentation.train import identity_of, train

from .conftest import PET_GRID

WINDOW = (-160.0, 240.0)


def with_run(cohort, folder, *, inputs, name="uptake", patients=None):
    """`cohort` with a run of maps: z is 10 times the patient's number plus 1 on the whole PET grid."""
    images = []
    for exam in cohort.rows("exams"):
        number = int(exam["patient_id"][1:])
        if patients is not None and exam["patient_id"] not in patients:
            continue
        path = folder / f"{name}-{number}.nii.gz"
        folder.mkdir(parents=True, exist_ok=True)
        z = np.full(PET_GRID.shape, 10 * number + 1, np.float32)
        write_nifti(Volume(z, PET_GRID.affine, Unit.ZSCORE), path)
        row = describe_image(
            path,
            image_id=f"{exam['exam_id']}.anomaly.{name}",
            exam_id=exam["exam_id"],
            modality=Modality.PT,
            role=Role.MAP,
            unit=Unit.ZSCORE,
            run_id=name,
        )
        images.append(row)
    run = run_row(name, task="anomaly", kind="model", config={}, inputs=inputs)
    return cohort.with_rows(runs=[run], images=images)


def wanting(tiny, prior, **settings):
    return tiny.model_copy(update={"prior": prior, "inference": "torch", **settings})


def error_of(call, *arguments, **named):
    with pytest.raises(TumorboardError) as error:
        call(*arguments, **named)
    return error.value


# ---- the channel --------------------------------------------------------------------------------------------
@pytest.fixture
def patch():
    """CT and PET of a working grid of 4 x 5 x 6 mm voxels, one hot voxel of SUV 20."""
    working = Geometry((9, 8, 7), np.diag([4.0, 5.0, 6.0, 1.0]))
    suv = np.full(working.shape, 1.0, np.float32)
    suv[4, 4, 3] = 20.0
    return np.stack([np.full(working.shape, 0.5, np.float32), np.log1p(suv)]), suv, working


def test_controls_are_made_of_the_pet_in_fixed_ranges(patch):
    inputs, suv, working = patch
    above = prior_channel("suv-2.5", inputs, working, prior_map=None)
    assert above.sum() == 1 and above[4, 4, 3] == 1
    soft = prior_channel("smoothed-suv", inputs, working, prior_map=None)
    expected = np.log1p(gaussian_filter(suv, [3 / 4, 3 / 5, 3 / 6], truncate=3)) / np.log(21)
    np.testing.assert_allclose(soft, expected, atol=1e-5)
    twice = np.stack([inputs[0], np.log1p(2 * suv)])
    assert prior_channel("smoothed-suv", twice, working, prior_map=None)[0, 0, 0] == pytest.approx(
        np.log(3) / np.log(21), abs=1e-5
    )  # in SUV, not in shares of what is in view
    assert prior_channel("suv-2.5", np.stack([inputs[0], np.log1p(1.2 * suv)]), working, prior_map=None).sum() == 1


def test_a_map_points_up_and_never_beyond_one(patch):
    inputs, _, working = patch
    z = np.zeros(working.shape, np.float32)
    z[1], z[2], z[3] = -9.0, 5.0, 400.0
    channel = prior_channel("anomaly", inputs, working, prior_map=Volume(z, working.affine, Unit.ZSCORE))
    assert (channel[1] == 0).all()  # colder than expected is nothing to look at
    np.testing.assert_allclose(channel[2], np.log(6) / np.log(21), atol=1e-5)
    assert (channel[3] == 1).all()
    assert not prior_channel("anomaly", inputs, working, prior_map=None).any()
    wrong = Volume(z, working.affine, Unit.SUVBW)
    assert error_of(prior_channel, "anomaly", inputs, working, prior_map=wrong).code.id == "UNT101"


def test_another_patients_map_is_laid_box_upon_box(patch):
    """Somewhere else in space, stored the other way round, with other voxels: its corner comes to lie in ours."""
    inputs, _, working = patch
    far = Geometry((5, 4, 3), np.diag([-7.0, 7.0, 7.0, 1.0]) + np.array([[0, 0, 0, 900.0]] + [[0.0] * 4] * 3))
    z = np.zeros(far.shape, np.float32)
    z[4] = 20.0  # the first in the direction of R
    channel = prior_channel("other-patient", inputs, working, prior_map=Volume(z, far.affine, Unit.ZSCORE))
    assert channel[0].min() > 0.9 and not channel[4:].any()


# ---- nothing changes without it ----------------------------------------------------------------------------
def test_without_a_prior_a_training_is_the_one_of_before():
    """Settings of a prior do not count where there is none. The digest was noted when patches came to be placed by
    uptake (docs/adr/0188): a later one that differs trains again what has been trained."""
    config = SegmentationConfig(steps=12, spacing_mm=4.0)
    preprocessing = Preprocessing(4.0, WINDOW, ("GTV",))
    found = identity_of([Path("a.npy"), Path("b.npy")], config, preprocessing, validation=[], seed=3)
    without_it = config.model_copy(update={"prior_dropout": 0.9})
    assert identity_of([Path("a.npy"), Path("b.npy")], without_it, preprocessing, validation=[], seed=3) == found
    assert found == "c3141055483ac3e458521af786eaed8bb3f8e02645c6e6ef53773792d711463e"
    assert set(preprocessing.to_json()) == {"version", "spacing_mm", "ct_window_hu", "structures"}
    assert Preprocessing.from_json(preprocessing.to_json()) == preprocessing
    other = Preprocessing(4.0, WINDOW, ("GTV",), "suv-2.5")
    assert Preprocessing.from_json(json.loads(json.dumps(other.to_json()))) == other
    told = config.model_copy(update={"prior": "suv-2.5"})
    assert identity_of([Path("a.npy")], told, other, validation=[], seed=3) != identity_of(
        [Path("a.npy")], told.model_copy(update={"prior_dropout": 0.0}), other, validation=[], seed=3
    )


def test_a_prior_takes_nothing_from_the_other_channels():
    """The same generator: CT, PET and target of every patch are those drawn without a prior, bit for bit."""
    random = np.random.default_rng(0)
    values = random.uniform(0.1, 1, (4, 30, 24, 20)).astype(np.float32)
    values[3] = 0
    values[3, 10:16, 8:14, 6:12] = 1
    config = SegmentationConfig(patch_voxels=16, batch=1, channels=(4, 8), window_voxels=32, modality_dropout=0.3)
    without = PatchSampler([values[[0, 1, 3]]], config, spacing_mm=4.0)
    guided = PatchSampler(
        [values], config.model_copy(update={"prior": "anomaly", "prior_dropout": 0.0}), spacing_mm=4.0
    )
    one, two = np.random.default_rng(5), np.random.default_rng(5)
    missing = 0
    for _ in range(12):
        plain, more = without(one), guided(two)
        assert more.inputs.shape == (1, 3, 16, 16, 16)
        assert torch.equal(more.inputs[:, :2], plain.inputs) and torch.equal(more.target, plain.target)
        missing += not more.inputs[:, 1].any()
        assert bool(more.inputs[:, 2].any()) == bool(more.inputs[:, 1].any())  # what is made of the PET goes with it
    assert missing


def test_the_prior_moves_with_the_pet():
    values = np.zeros((4, 40, 40, 40), np.float32)
    values[0] = 1
    values[1, 15:25, 15:25, 15:25] = values[2, 15:25, 15:25, 15:25] = 1
    config = SegmentationConfig(
        patch_voxels=32, batch=1, channels=(4, 8), window_voxels=32, prior="anomaly", prior_dropout=0, random_cut_mm=0
    ).model_copy(update={"misalignment_mm": 20.0})
    batch = PatchSampler([values], config, spacing_mm=4.0)(np.random.default_rng(2))
    pet, prior = (batch.inputs[0, c].numpy() for c in (1, 2))
    centres = [np.average(np.indices(pet.shape).reshape(3, -1), axis=1, weights=a.ravel()) for a in (pet > 0.5, prior)]
    assert np.abs(centres[0] - centres[1]).max() < 1.5


def test_the_share_of_patches_without_a_prior():
    prior = np.ones((1, 2, 2, 2), np.float32)
    random = np.random.default_rng(0)
    kept = [drop_prior(prior, random, share=0.25).any() for _ in range(2000)]
    assert np.mean(kept) == pytest.approx(0.75, abs=0.03)
    before = random.bit_generator.state["state"]["state"]
    assert drop_prior(prior, random, share=0.0) is prior
    assert random.bit_generator.state["state"]["state"] == before


# ---- trained, stored, predicted ---------------------------------------------------------------------------
@pytest.mark.parametrize("prior", [prior for prior in PRIORS if prior not in FROM_MAPS])
def test_controls_need_no_maps(spheres, tiny, tmp_path, prior):
    config = wanting(tiny, prior, steps=2)
    model = train(spheres, tmp_path / "run", config=config)
    stored = SegmentationModel.load(tmp_path / "run")
    assert stored.preprocessing.prior == prior
    first = next(iter(stored.networks[0].parameters()))
    assert first.shape[1] == config.inputs == (2 if prior == "none" else 3)
    case = find_cases(spheres, labelled=True)[0]
    np.testing.assert_array_equal(
        predict_volumes(model, load_case(spheres, case)).array, predict_volumes(stored, load_case(spheres, case)).array
    )


@pytest.fixture(scope="module")
def guided(spheres, tiny, tmp_path_factory):
    """A model that wants maps of a network trained on others, and the cohort with these maps."""
    folder = tmp_path_factory.mktemp("guided")
    told = with_run(spheres, folder / "maps", inputs={"trained_on": ["Q1", "Q2"]})
    config = wanting(tiny, "anomaly", prior_run="uptake", prior_dropout=0.0, steps=3, validation=0.3, score_every=2)
    train(told, folder / "run", config=config)
    return folder / "run", told, config


def test_the_model_says_which_prior_it_wants_and_refuses_without(guided, spheres, tmp_path):
    run, told, _ = guided
    result = predict(run, told, out=tmp_path, run_id="mine")
    assert json.loads(result.rows["runs"][0]["metrics"])["remarks"] == {}
    assert len(result.rows["images"]) == 6
    error = error_of(predict, run, spheres, out=tmp_path, run_id="mine")  # no maps at all
    assert error.code.id == "SGM109" and "uptake" in error.expected
    some = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]}, patients=["P0", "P3"])
    metrics = json.loads(predict(run, some, out=tmp_path, run_id="mine").rows["runs"][0]["metrics"])
    assert set(metrics["refused"]) == {f"exam P{n}.0" for n in (1, 2, 4, 5)}
    model = SegmentationModel.load(run)
    bare = load_case(spheres, find_cases(spheres, labelled=True)[0])
    assert error_of(predict_volumes, model, bare).code.id == "SGM109"


def test_what_learnt_to_do_without_says_when_it_did(guided, spheres, tmp_path):
    run, _, config = guided
    model = SegmentationModel.load(run)
    lenient = dataclasses.replace(model, config=config.model_copy(update={"prior_dropout": 0.25}))
    lenient.save(tmp_path / "lenient")
    some = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]}, patients=["P0", "P3"])
    result = predict(tmp_path / "lenient", some, out=tmp_path, run_id="mine")
    metrics = json.loads(result.rows["runs"][0]["metrics"])
    assert not metrics["refused"]
    assert metrics["remarks"] == dict.fromkeys([f"P{n}.0" for n in (1, 2, 4, 5)], NO_MAP)
    bare = load_case(spheres, find_cases(spheres, labelled=True)[0])
    assert error_of(predict_volumes, lenient, bare).code.id == "SGM109"  # where nobody could be told


def test_a_map_of_a_patient_who_was_learnt_from_is_refused(guided, spheres, tmp_path, tiny):
    run, _, _ = guided
    seen = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["P2"]})
    assert error_of(predict, run, seen, out=tmp_path).code.id == "ANO106"
    config = wanting(tiny, "anomaly", prior_run="uptake")
    assert error_of(train, seen, tmp_path / "run", config=config).code.id == "ANO106"


def test_a_training_names_what_it_lacks(spheres, tiny, tmp_path):
    for settings, word in (({}, "no prior_run"), ({"prior_run": "nowhere"}, "nowhere")):
        error = error_of(train, spheres, tmp_path / "run", config=wanting(tiny, "anomaly", **settings))
        assert error.code.id == "SGM109" and word in error.found
    some = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]}, patients=["P0"])
    error = error_of(train, some, tmp_path / "run", config=wanting(tiny, "anomaly", prior_run="uptake"))
    assert error.code.id == "SGM109" and "P1.0" in error.where
    with pytest.raises(ValueError, match="prior_run is for"):
        SegmentationConfig(prior_run="uptake")


def test_another_map_is_another_training(spheres, tiny, tmp_path):
    told = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]})
    config = wanting(tiny, "anomaly", prior_run="uptake")
    preprocessing = Preprocessing(4.0, WINDOW, ("GTV",), "anomaly")
    case = with_available_maps(told, find_cases(told, labelled=True), config)[0]
    first = CaseCache(tmp_path / "cache", told).training(case, preprocessing)
    changed = with_run(spheres, tmp_path / "more", inputs={"trained_on": ["Q1"]})
    path = tmp_path / "more" / "uptake-0.nii.gz"
    write_nifti(Volume(np.full(PET_GRID.shape, 7, np.float32), PET_GRID.affine, Unit.ZSCORE), path)
    row = dict(changed.row("images", image_id=case.prior_id))
    fresh = describe_image(
        path, **{key: row[key] for key in ("image_id", "exam_id", "run_id")}, modality=Modality.PT, role=Role.MAP,
        unit=Unit.ZSCORE,
    )  # fmt: skip
    again = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]}, patients=["P1"])
    again = again.with_rows(images=[fresh])
    assert CaseCache(tmp_path / "cache", again).training(case, preprocessing) != first


def test_pieces_and_region_are_chosen_from_what_was_drawn(tmp_path):
    """A prior that is 1 everywhere is no lesion: the channel does not slip in among the structures."""
    values = np.zeros((4, 20, 20, 20), np.float32)
    values[0], values[1], values[2] = 0.5, np.log1p(1.0), 1.0
    values[3, 8:12, 8:12, 8:12] = 1
    values[1, 8:12, 8:12, 8:12] = np.log1p(8.0)
    np.save(tmp_path / "case.npy", values)
    config = SegmentationConfig(channels=(4, 8), patch_voxels=16, window_voxels=16, prior="suv-2.5", spacing_mm=4.0)
    preprocessing = Preprocessing(4.0, WINDOW, ("GTV",), "suv-2.5")
    model = SegmentationModel((build_network(config, 1),), config, preprocessing, {})
    rules = settle(model, [tmp_path / "case.npy"]).facts["answering"]["rules"]
    volume_ml = 64 * 4.0**3 / 1000
    assert rules["GTV"]["smallest_ml"] == pytest.approx(min(volume_ml / 2, 0.5), abs=1e-3)


# ---- who is held out ---------------------------------------------------------------------------------------
def sides(cohort):
    cases = find_cases(cohort, labelled=True)
    return [case for case in cases if case.patient_id > "P1"], [case for case in cases if case.patient_id <= "P1"]


def test_maps_that_know_the_held_out_are_refused(make_cohort, volumes, tmp_path, tiny):
    """One run out of fold is not enough: the network behind a training patient's map has seen the held-out ones."""
    whole = make_cohort(tmp_path, volumes, cut=False)
    fold_of = {f"P{n}": n % 3 for n in range(6)}
    told = with_run(whole, tmp_path / "maps", inputs={"out_of_fold": True, "fold_of": fold_of})
    training, held_out = sides(told)
    error = error_of(require_blind, told, training, held_out, run_id="uptake")
    assert error.code.id == "SGM110" and "held out here" in error.found
    config = wanting(tiny, "anomaly", prior_run="uptake")
    assert error_of(benchmark, told, tmp_path / "out", config=config).code.id == "SGM110"
    apart = {f"P{n}": int(n <= 1) for n in range(6)}
    same = with_run(whole, tmp_path / "maps", inputs={"out_of_fold": True, "fold_of": apart}, name="same")
    assert error_of(require_blind, same, training, held_out, run_id="same").code.id == "SGM110"
    elsewhere = with_run(whole, tmp_path / "maps", inputs={"trained_on": ["Q1"]}, name="elsewhere")
    require_blind(elsewhere, training, held_out, run_id="elsewhere")


def test_a_map_of_the_whole_exam_says_more_than_the_part_that_is_scored(spheres, tmp_path):
    told = with_run(spheres, tmp_path / "maps", inputs={"trained_on": ["Q1"]})
    training, held_out = sides(told)
    error = error_of(require_blind, told, training, held_out, run_id="uptake")
    assert error.code.id == "SGM110" and "a part is scored" in error.found


def test_a_benchmark_makes_the_maps_of_its_folds(spheres, tiny, tmp_path, monkeypatch):
    """Without `prior_run`: both sides get maps, the network sees them, and a second fold does not take the first's."""
    small = {"widths": (4, 4, 4, 4), "patch_voxels": 16, "batch": 2, "threshold_patients": 1, "warmup_steps": 1}
    light = partial(AnomalyConfig, **small)
    monkeypatch.setattr("tumorboard.tasks.anomaly.config.AnomalyConfig", light)
    config = wanting(tiny, "anomaly", prior_steps=2)
    training, held_out = sides(spheres)
    told, one, other = with_fold_maps(spheres, training, held_out, tmp_path / "prior-0", config=config)
    assert {case.prior_id for case in (*one, *other)} == {f"P{n}.0.anomaly.prior maps of prior-0" for n in range(6)}
    teachers_of = {case.patient_id: learnt_from(told, "prior maps of prior-0", case.patient_id) for case in one}
    assert all(not teachers & {"P0", "P1"} for teachers in teachers_of.values())
    preprocessing = Preprocessing(4.0, WINDOW, ("GTV",), "anomaly")
    cache = CaseCache(tmp_path / "cache", told)
    seen, whole = np.load(cache.evaluation(other[0], preprocessing)), np.load(cache.training(one[0], preprocessing))
    assert seen.shape[0] == 3 and whole.shape[0] == 4
    for prior in (seen[2], whole[2]):
        assert prior.min() >= 0 and 0 < prior.max() <= 1
    np.testing.assert_array_equal(
        seen[:2], np.load(cache.evaluation(held_out[0], Preprocessing(4.0, WINDOW, ("GTV",))))
    )


def test_another_patient_is_one_of_the_same_side(make_cohort, volumes, tmp_path, tiny):
    whole = make_cohort(tmp_path, volumes, cut=False)
    told = with_run(whole, tmp_path / "maps", inputs={"trained_on": ["Q1"]})
    config = wanting(tiny, "other-patient", prior_run="uptake")
    training, held_out = sides(told)
    _, one, other = with_fold_maps(told, training, held_out, tmp_path / "prior-0", config=config)
    for side in (one, other):
        mine = {case.patient_id for case in side}
        lent = [(case.patient_id, case.prior_id.split(".")[0]) for case in side]
        assert all(patient != lender for patient, lender in lent)
        assert {lender for _, lender in lent} == mine  # each map once
    again = with_fold_maps(told, training, held_out, tmp_path / "prior-0", config=config)[1]
    assert again == one
    drawn = {
        tuple(
            case.prior_id
            for case in with_fold_maps(
                told, training, held_out, tmp_path / "p", config=config.model_copy(update={"seed": seed})
            )[1]
        )
        for seed in range(6)
    }
    assert len(drawn) > 1
    alone = error_of(with_fold_maps, told, training, held_out[:1], tmp_path / "prior-0", config=config)
    assert alone.code.id == "SGM109"
