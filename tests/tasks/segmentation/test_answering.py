"""Region of interest, rules for pieces, broken inputs, and what is absent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to
from tumorboard.phantom.cohort import draw_patients
from tumorboard.phantom.exam import ImagingOptions, scan
from tumorboard.tasks.segmentation.cases import CaseVolumes, find_cases, load_case
from tumorboard.tasks.segmentation.plausible import refuse_broken
from tumorboard.tasks.segmentation.postprocess import PieceRules, apply_rules, labels_of, pieces_of
from tumorboard.tasks.segmentation.predict import answer_case, predict
from tumorboard.tasks.segmentation.preprocess import Prepared, Preprocessing
from tumorboard.tasks.segmentation.region import coverage, find_region
from tumorboard.tasks.segmentation.settle import choose_region, rules_from_drawn, rules_from_unseen
from tumorboard.tasks.segmentation.train import train

EDGES_MM = np.full(3, 4.0)
WINDOW_HU = (-160.0, 240.0)


@pytest.fixture(scope="module")
def body() -> Prepared:
    """A whole-body exam, vertex to mid-thigh, on a working grid of 5 mm."""
    person = draw_patients(3, seed=2, centres=("VB",), exams=1, followed=0)[1]
    images = scan(person, 0, ImagingOptions(region="whole-body", spacing_mm=5.0, dose=False)).volumes
    pet = resample_to(images["PT"].astype(np.float32), images["CT"].geometry, method="linear", fill=0.0)
    preprocessing = Preprocessing(5.0, WINDOW_HU, ("GTVp", "GTVn"))
    return preprocessing.forward(CaseVolumes(images["CT"].astype(np.float32), pet, images["mask"]))


def test_the_head_and_neck_are_found_and_hold_every_lesion(body: Prepared) -> None:
    edges_mm = body.working.spacing_mm
    region = find_region(body.inputs, edges_mm, "head-neck", ct_window_hu=WINDOW_HU)
    assert region.name == "head-neck" and not region.remark
    assert coverage(body.target, region) == pytest.approx(1.0)
    length_mm = (region.box[1][2] - region.box[0][2]) * edges_mm[2]
    assert 340 < length_mm < 420
    wider = find_region(body.inputs, edges_mm, "body", ct_window_hu=WINDOW_HU)
    assert coverage(body.target, wider) == pytest.approx(1.0)
    assert wider.box[0][2] < region.box[0][2]


def test_a_shifted_table_moves_the_region_with_the_patient(body: Prepared) -> None:
    """Never by voxel index: 60 mm of air above and beside the patient change no edge in the patient."""
    edges_mm = body.working.spacing_mm
    padded = np.pad(body.inputs, [(0, 0), (12, 0), (0, 7), (5, 12)])
    here = find_region(body.inputs, edges_mm, "head-neck", ct_window_hu=WINDOW_HU)
    there = find_region(padded, edges_mm, "head-neck", ct_window_hu=WINDOW_HU)
    moved = np.clip(np.array(there.box) - np.array([12, 0, 5]), 0, body.inputs.shape[1:])
    np.testing.assert_allclose(moved, here.box, atol=1)


def test_another_window_of_the_ct_finds_the_same_region(body: Prepared) -> None:
    """Skin and bone are told by HU, not by a value of the channel."""
    low_hu, high_hu = WINDOW_HU
    wide = body.inputs.copy()
    wide[0] = (wide[0] * (high_hu - low_hu) + low_hu + 1000) / 2000
    for name in ("head-neck", "body"):
        narrow = find_region(body.inputs, body.working.spacing_mm, name, ct_window_hu=WINDOW_HU)
        assert find_region(wide, body.working.spacing_mm, name, ct_window_hu=(-1000.0, 1000.0)) == narrow


def test_without_a_head_in_view_the_body_is_taken_and_it_is_said(body: Prepared) -> None:
    below = body.inputs[:, :, :, : body.inputs.shape[3] - 80]  # from 400 mm below the top of the scan
    region = find_region(below, body.working.spacing_mm, "head-neck", ct_window_hu=WINDOW_HU)
    assert region.name != "head-neck" and "no skull" in region.remark
    nothing = find_region(np.zeros((2, 20, 20, 20), np.float32), EDGES_MM, "body", ct_window_hu=WINDOW_HU)
    assert nothing.name == "whole" and "no body" in nothing.remark


def test_the_choice_of_a_region_is_measured_and_a_lesion_outside_widens_it(body: Prepared) -> None:
    array = np.concatenate([body.inputs, body.target])
    name, facts = choose_region([array], body.working.spacing_mm, ["A"], ct_window_hu=WINDOW_HU)
    assert name == "head-neck" and facts["coverage"] == {"A": 1.0} and facts["kept"] < 0.5
    far = array.copy()
    places = np.argwhere(far[0] > 0.5)
    low = places[np.argsort(places[:, 2])[len(places) // 8]]
    far[(2, *(slice(a, a + 3) for a in low))] = 1.0
    name, facts = choose_region([array, far], body.working.spacing_mm, ["A", "B"], ct_window_hu=WINDOW_HU)
    assert name == "body"
    assert facts["tried"]["head-neck"]["coverage"]["B"] < 1 == facts["coverage"]["B"]


# ---- rules ----------------------------------------------------------------------------------------------
def pieces_case() -> tuple[np.ndarray, np.ndarray]:
    """A grid of 4 mm (0.064 ml): a hot cube of 5^3 (8 ml), a cold one of the same size, a hot speck of 1 voxel."""
    probabilities, inputs = np.zeros((1, 40, 20, 20), np.float32), np.zeros((2, 40, 20, 20), np.float32)
    for start, edge, suv in ((4, 5, 6.0), (16, 5, 1.0), (30, 1, 6.0)):
        box = (slice(start, start + edge), slice(5, 5 + edge), slice(5, 5 + edge))
        probabilities[(0, *box)] = 0.9
        around = tuple(slice(s.start - 3, s.stop + 3) for s in box)
        inputs[(1, *around)] = np.log1p(suv)
    return probabilities, inputs


@pytest.mark.parametrize(
    ("rule", "left"),
    [
        (PieceRules(), 3),
        (PieceRules(smallest_ml=0.1), 2),
        (PieceRules(smallest_suv_peak=2.0), 2),
        (PieceRules(smallest_ml=0.1, smallest_suv_peak=2.0), 1),
        (PieceRules(smallest_ml=100.0), 0),
        (PieceRules(smallest_ml=100.0, always=True), 1),
    ],
)
def test_pieces_are_judged_by_volume_and_uptake(rule: PieceRules, left: int) -> None:
    probabilities, inputs = pieces_case()
    kept = apply_rules(probabilities, inputs, EDGES_MM, [rule])
    assert len(pieces_of(labels_of(kept) == 1, np.expm1(inputs[1]), EDGES_MM)[1]) == left


def test_volumes_and_peaks_of_pieces() -> None:
    probabilities, inputs = pieces_case()
    found = pieces_of(labels_of(probabilities) == 1, np.expm1(inputs[1]), EDGES_MM)[1]
    assert [p.volume_ml for p in found] == pytest.approx([8.0, 8.0, 0.064])
    assert [p.suv_peak for p in found] == pytest.approx([6.0, 1.0, 6.0], rel=1e-5)


def test_without_pet_no_piece_goes_for_its_uptake() -> None:
    probabilities, inputs = pieces_case()
    inputs[1] = 0
    kept = apply_rules(probabilities, inputs, EDGES_MM, [PieceRules(smallest_suv_peak=2.0)])
    np.testing.assert_array_equal(kept, probabilities)


def test_holes_are_filled_only_when_asked() -> None:
    probabilities, inputs = pieces_case()
    probabilities[0, 6, 7, 7] = 0.0
    hole = apply_rules(probabilities, inputs, EDGES_MM, [PieceRules(smallest_ml=0.1)])
    filled = apply_rules(probabilities, inputs, EDGES_MM, [PieceRules(fill_holes=True)])
    assert hole[0, 6, 7, 7] == 0 and filled[0, 6, 7, 7] == 1


def test_rules_follow_from_drawn_lesions() -> None:
    probabilities, inputs = pieces_case()
    (rule,) = rules_from_drawn([np.concatenate([inputs, probabilities])], EDGES_MM)
    # Volumes 0.064, 8, 8 and peaks 1, 6, 6: 5 % quantiles 0.8576 and 1.5; half of them, at most 0.5 ml and SUV 2.
    assert rule == PieceRules(0.429, 0.75, True, True)
    absent = np.concatenate([inputs, np.zeros_like(probabilities)])
    (rule,) = rules_from_drawn([np.concatenate([inputs, probabilities]), absent], EDGES_MM)
    assert not rule.always
    assert rules_from_drawn([absent], EDGES_MM) == (PieceRules(),)


def test_thresholds_are_those_that_do_best_on_unseen_patients() -> None:
    """Truth: the hot cube alone. Best: what removes the cold cube and the speck, at the most lenient values."""
    probabilities, inputs = pieces_case()
    truth = probabilities.copy()
    truth[:, 12:] = 0
    array = np.concatenate([inputs, truth])
    (rule,) = rules_from_unseen([labels_of(probabilities)], [array], EDGES_MM, base=[PieceRules()])
    assert rule == PieceRules(smallest_ml=0.1, smallest_suv_peak=1.5)


def test_trap_test_patients_decide_nothing(spheres, volumes, tiny, make_cohort, tmp_path) -> None:
    """Training on four patients gives the same region and rules whatever lies in the two others."""
    four = ["P0", "P1", "P2", "P3"]
    kept = train(spheres.subset(four), tmp_path / "a", config=tiny).facts["answering"]
    poisoned = {p: dict(v) for p, v in volumes.items()}
    for patient in ("P4", "P5"):
        mask = poisoned[patient]["mask"]
        poisoned[patient]["mask"] = Volume(np.ones_like(mask.array), mask.affine, Unit.LABEL)
    other = make_cohort(tmp_path / "cohort", poisoned).subset(four)
    assert train(other, tmp_path / "b", config=tiny).facts["answering"] == kept
    assert kept["rules"]["GTV"]["smallest_ml"] == 0.5 and kept["rules"]["GTV"]["always"]
    everyone = train(make_cohort(tmp_path / "all", poisoned), tmp_path / "c", config=tiny).facts["answering"]
    assert everyone != kept  # the poison would be noticed


# ---- what no prediction is made from -----------------------------------------------------------------------
def constant(volume: Volume, value: float) -> Volume:
    return volume.with_array(np.full(volume.shape, value, np.float32))


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("ct", lambda v: constant(v, 0.0), "0 in every voxel"),
        ("ct", lambda v: v.with_array(v.array / 1000), "air and tissue"),
        ("ct", lambda v: v.with_array(np.where(v.array > 50, np.nan, v.array)), "no numbers"),
        ("pet", lambda v: constant(v, 0.0), "0 in every voxel"),
        ("pet", lambda v: v.with_array(v.array * 5000), "highest SUV"),
        ("pet", lambda v: v.with_array(v.array / 1000), "highest SUV"),
    ],
)
def test_broken_images_are_refused_by_name(spheres, kind, change, words) -> None:
    loaded = load_case(spheres, find_cases(spheres, labelled=True)[0])
    refuse_broken(loaded)
    broken = dataclasses.replace(loaded, **{kind: change(getattr(loaded, kind))})
    with pytest.raises(TumorboardError, match=rf"SGM107 exam X, {kind.upper()}.*{words}"):
        refuse_broken(broken, where="exam X")


def test_an_absent_modality_needs_a_network_that_learnt_it(spheres, volumes, tiny, make_cohort, tmp_path) -> None:
    model = train(spheres, tmp_path / "run", config=tiny)
    broken = {p: {k: v for k, v in vs.items() if (p, k) != ("P2", "PT")} for p, vs in volumes.items()}
    lacking = make_cohort(tmp_path / "cohort", broken)
    refused = predict(tmp_path / "run", lacking).rows["runs"][0]["metrics"]
    assert "SGM101" in refused and "P2.0" in refused
    case = next(c for c in find_cases(lacking, labelled=False, one_is_enough=True) if c.patient_id == "P2")
    assert case.pet_id == "" and case.frame_id == case.ct_id
    loaded = load_case(lacking, case)
    prepared = model.preprocessing.forward(loaded)
    assert not prepared.inputs[1].any() and prepared.inputs[0].any()
    assert answer_case(model, loaded).labels.geometry == loaded.ct.geometry


def test_doubt_and_certainty(spheres, tiny, tmp_path) -> None:
    """Entropy by hand for two classes: level 1 where they are even, 0 where one is sure."""
    from tumorboard.tasks.segmentation.predict import _entropy

    doubt = _entropy(np.array([[[[0.5, 1.0, 0.1]]]], np.float32))
    by_hand = -(0.1 * np.log(0.1) + 0.9 * np.log(0.9)) / np.log(2)
    np.testing.assert_allclose(doubt.ravel(), [1.0, 0.0, by_hand], atol=1e-5)
    config = tiny.model_copy(update={"uncertainty": True})
    train(spheres, tmp_path / "run", config=config)
    rows = predict(tmp_path / "run", spheres.subset(["P0"])).rows
    predicted = spheres.with_rows(**rows)
    (map_,) = predicted.rows("images", role="map")
    assert map_["reference_image_id"] == "P0.0.CT" and map_["unit"] == "fraction"
    values = predicted.image(map_["image_id"])
    assert values.geometry == spheres.image("P0.0.CT").geometry
    assert values.array.min() >= 0 and values.array.max() <= 1 and values.array.any()
    for row in rows["findings"]:
        assert 0.3 < row["score"] <= 1.0
