"""The ten traps of anomaly detection in PET/CT, each a test."""

from __future__ import annotations

import json

import anomaly_bodies as bodies
import numpy as np
import pytest
import torch

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.tasks.anomaly.channels import DEPTH, ct_channels, neighbours, pet_channels, target
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import find_cases, load_exam
from tumorboard.tasks.anomaly.masks import Threshold, dilate, fit_threshold, suspicious
from tumorboard.tasks.anomaly.model import AnomalyModel, Reconstruction, build_network
from tumorboard.tasks.anomaly.normal import normal_slices, require_normal, require_other_patients
from tumorboard.tasks.anomaly.sampling import NormalSampler

CONFIG = AnomalyConfig(**bodies.LIGHT)
THRESHOLD = Threshold("suv", 2.5)


def untrained(config: AnomalyConfig = CONFIG) -> AnomalyModel:
    torch.manual_seed(0)
    return AnomalyModel(build_network(config), config, THRESHOLD)


def warm(shape: tuple[int, int, int] = (24, 24, 12), *, hot: bool = True) -> np.ndarray:
    suv = np.ones(shape, np.float32)
    if hot:
        suv[10:13, 10:13, 5:8] = 6.0
    return suv


# 1 ------------------------------------------------------------------------------------------------------------
def test_uptake_is_judged_in_suv() -> None:
    """Twice the SUV hides more: nothing is scaled to the image's own range."""
    exam = bodies.exam_of(warm())
    once = suspicious(exam, THRESHOLD, CONFIG)
    assert once.any()
    assert not suspicious(exam.with_suv(exam.suv * 0.4), THRESHOLD, CONFIG).any()
    slope = np.broadcast_to(np.linspace(0.5, 4, 24, dtype=np.float32)[:, None, None], (24, 24, 12)).copy()
    first, second = (suspicious(bodies.exam_of(slope * f), THRESHOLD, CONFIG).sum() for f in (1, 2))
    assert second > first


@pytest.mark.parametrize("unit", [Unit.BQML, Unit.UNKNOWN, Unit.CNTS])
def test_a_pet_that_is_not_in_suv_is_refused(tmp_path, unit: Unit) -> None:  # type: ignore[no-untyped-def]
    parts = bodies.volumes(0)
    parts["PT"] = parts["PT"].with_array(parts["PT"].array * 5000, unit)
    cohort = bodies.cohort_of(tmp_path, {"P0": parts})
    with pytest.raises(TumorboardError) as error:
        load_exam(cohort, find_cases(cohort)[0])
    assert error.value.code.id == "UNT101"


# 2 ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "AIR"])
def test_ct_and_pet_meet_by_their_affines(tmp_path, orientation: str) -> None:  # type: ignore[no-untyped-def]
    """A dense ball on CT and a hot one on PET at one place in millimetres: half a PET voxel apart at most."""
    parts = bodies.volumes(1, lesion=False)
    ct, pet = parts["CT"], parts["PT"]
    at = (-20.0, 11.0, 17.0)
    ct = ct.with_array(np.where(bodies.ball(bodies.CT_GRID, at, 6), 900.0, ct.array).astype(np.float32))
    pet = pet.with_array(np.where(bodies.ball(bodies.PET_GRID, at, 6), 30.0, 0.5).astype(np.float32))
    mask = ct.with_array(bodies.ball(bodies.CT_GRID, at, 6).astype(np.uint8), Unit.LABEL)
    shown = {"CT": ct.reorient(orientation), "PT": pet.reorient("RAS"), "mask": mask.reorient(orientation)}
    cohort = bodies.cohort_of(tmp_path, {"P0": shown})
    exam = load_exam(cohort, find_cases(cohort)[0])
    centres = []
    for weight in (exam.hu > 300, exam.suv > 15, exam.lesion):
        assert weight is not None
        centres.append(exam.grid.to_world(np.argwhere(weight)).mean(axis=0))
    for centre in centres:
        assert np.abs(centre - at).max() < 0.5 * exam.grid.spacing_mm.max()


def test_beyond_the_ct_is_air_and_fine_ct_is_averaged(tmp_path) -> None:  # type: ignore[no-untyped-def]
    parts = bodies.volumes(2)
    short = parts["CT"].crop((0, 0, 0), (72, 60, 20))
    checked = np.where(np.indices(short.shape).sum(axis=0) % 2, 540.0, -460.0)  # a mean of 40 HU
    shown = {"CT": short.with_array(checked.astype(np.float32)), "PT": parts["PT"]}
    cohort = bodies.cohort_of(tmp_path, {"P0": shown})
    exam = load_exam(cohort, find_cases(cohort)[0])
    outside = exam.hu[:, :, -3:] if exam.hu[..., 0].max() > -900 else exam.hu[:, :, :3]
    assert (outside == -1000).all()
    middle = exam.hu[10:24, 8:20, exam.hu.shape[2] // 2 - 6 : exam.hu.shape[2] // 2 - 2]
    assert np.abs(middle - 40).max() < 260 and abs(float(middle.mean()) - 40) < 15
    assert exam.lesion is None


# 3 ------------------------------------------------------------------------------------------------------------
def test_only_slices_off_the_tumour_are_normal() -> None:
    lesion = np.zeros((24, 24, 30), bool)
    lesion[10:12, 10:12, 14:16] = True
    exam = bodies.exam_of(warm((24, 24, 30), hot=False), lesion=lesion)
    assert normal_slices(exam, guard_mm=0).tolist() == [*range(13), *range(17, 30)]  # the neighbour that is seen too
    assert normal_slices(exam, guard_mm=10).tolist() == [*range(11), *range(19, 30)]  # 10 mm are 3 slices of 4 mm
    thick = bodies.exam_of(warm((24, 24, 30), hot=False), lesion=lesion, spacing_mm=(4, 4, 10))
    assert normal_slices(thick, guard_mm=10).tolist() == [*range(13), *range(17, 30)]  # in mm, not in slices


def test_a_tumour_among_the_normal_slices_is_an_error() -> None:
    lesion = np.zeros((24, 24, 12), bool)
    lesion[10:12, 10:12, 6] = True
    exam = bodies.exam_of(warm(), lesion=lesion)
    for wrong in ([6], [0, 5], [7]):
        with pytest.raises(TumorboardError) as error:
            NormalSampler([(exam, np.array(wrong))], CONFIG, threshold=THRESHOLD)
        assert error.value.code.id == "ANO103"
    require_normal(lesion, [0, 4, 8], where="exam")
    nobody_looked = bodies.exam_of(warm())
    assert not len(normal_slices(nobody_looked, guard_mm=10))
    with pytest.raises(TumorboardError):
        require_normal(None, [0], where="exam")


def test_patients_stand_on_one_side() -> None:
    require_other_patients(["A", "B"], ["C"], where="fold 0")
    with pytest.raises(TumorboardError) as error:
        require_other_patients(["A", "B"], ["B"], where="fold 0")
    assert error.value.code.id == "ANO107"


# 4 ------------------------------------------------------------------------------------------------------------
def test_what_is_hidden_cannot_be_copied() -> None:
    """Other uptake under the mask, in the slice and its neighbours, leaves the answer bit for bit the same."""
    exam = bodies.exam_of(warm())
    model = untrained()
    hidden = suspicious(exam, THRESHOLD, CONFIG)
    changed = exam.suv.copy()
    changed[hidden & (exam.suv > 2.5)] = 40.0
    first, second = model.reconstruct(exam), model.reconstruct(exam.with_suv(changed))
    assert (suspicious(exam.with_suv(changed), THRESHOLD, CONFIG) == hidden).all()
    assert np.array_equal(first.mean, second.mean)
    assert np.array_equal(first.scale, second.scale)
    assert not np.array_equal(first.mean, untrained().reconstruct(exam.with_suv(exam.suv * 0.5)).mean)


def test_no_gradient_comes_from_hidden_voxels() -> None:
    exam = bodies.exam_of(warm())
    hidden = suspicious(exam, THRESHOLD, CONFIG)
    around = neighbours(np.array([6]), 12)
    assert around.shape == (1, DEPTH)
    stack = np.moveaxis(hidden[:, :, around], (2, 3), (0, 1))
    root = torch.from_numpy(np.moveaxis(target(exam.suv)[:, :, around], (2, 3), (0, 1)).copy()).requires_grad_()
    cover = torch.from_numpy(stack.copy())
    pet = torch.cat([torch.where(cover, torch.zeros_like(root), root) * 0.5, cover.float()], dim=1)
    assert np.allclose(pet.detach().numpy(), pet_channels(root.detach().numpy(), stack))
    ct = torch.from_numpy(ct_channels(np.moveaxis(exam.hu[:, :, around], (2, 3), (0, 1)), CONFIG.ct_window_hu))
    model = untrained()
    model.network.eval()
    mean, scale, _ = model.network(ct, pet)
    (mean.sum() + scale.sum()).backward()
    gradient = root.grad
    assert gradient is not None
    assert float(gradient[cover].abs().max()) == 0.0
    assert float(gradient[~cover].abs().max()) > 0.0


# 5 ------------------------------------------------------------------------------------------------------------
def test_masks_at_the_edges_of_what_can_happen() -> None:
    model = untrained()
    for suv in (warm(hot=False), np.full((24, 24, 12), 9.0, np.float32), np.zeros((24, 24, 12), np.float32)):
        exam = bodies.exam_of(suv)
        hidden = suspicious(exam, THRESHOLD, CONFIG)
        assert hidden.all() if suv.max() > 5 else not hidden.any()
        z = model.z_score(exam)
        assert np.isfinite(z).all()
        assert (z[~exam.body] == 0).all()
    air = bodies.exam_of(np.zeros((24, 24, 12), np.float32), np.full((24, 24, 12), -1000.0))
    assert not air.body.any()
    assert not model.z_score(air).any()


def test_beyond_the_cap_a_slice_is_judged_from_ct_alone() -> None:
    """70 % of the body hot in one slice: all its PET is hidden, so none of it can move the answer."""
    suv = warm(hot=False)
    suv[2:16, :, 6] = 8.0
    exam = bodies.exam_of(suv)
    hidden = suspicious(exam, THRESHOLD, CONFIG)
    assert hidden[:, :, 6].all()
    assert not hidden[:, :, 0].any()


def test_dilation_is_in_millimetres() -> None:
    """A ball of 7 mm on voxels of 2 x 4 x 8 mm: 3 voxels, 1 voxel, none; the corner of 2 x 4 voxels lies at 8.2 mm."""
    point = np.zeros((11, 11, 11), bool)
    point[5, 5, 5] = True
    grown = dilate(point, 7.0, (2.0, 4.0, 8.0))
    assert [int(np.ptp(np.argwhere(grown)[:, axis])) // 2 for axis in range(3)] == [3, 1, 0]
    assert grown[7, 6, 5]  # 4 and 4 mm
    assert not grown[8, 6, 5]  # 6 and 4 mm: 7.2
    assert dilate(point, 0.0, (2.0, 4.0, 8.0)).sum() == 1


def test_thresholds_by_rule() -> None:
    suv = warm((24, 24, 30), hot=False)
    suv[4:20, 4:20] = np.linspace(0.5, 1.5, 30, dtype=np.float32)
    liver = np.zeros(suv.shape, bool)
    liver[5:10, 5:10, 2:8] = True
    suv[liver] = np.where(np.arange(liver.sum()) % 2, 1.5, 2.5)
    exam = bodies.exam_of(suv, liver=liver)
    by_liver = fit_threshold([], CONFIG.model_copy(update={"mask_rule": "liver"}))
    assert by_liver.of(exam) == pytest.approx(1.5 * 2.0 + 2 * 0.5)
    with pytest.raises(TumorboardError) as error:
        by_liver.of(bodies.exam_of(suv))
    assert error.value.code.id == "ANO105"
    slices = np.arange(20, 30)
    share = fit_threshold([(exam, slices)], CONFIG.model_copy(update={"mask_rule": "percentile"}))
    soft = exam.suv[:, :, slices][exam.body[:, :, slices]]
    assert share.suv == pytest.approx(float(np.percentile(soft, 99)))


# 6 ------------------------------------------------------------------------------------------------------------
def test_hot_is_above_zero_and_cold_below() -> None:
    """A defect of uptake must not rank as an anomaly; z is told in the root of SUV, the excess in SUV."""
    suv = warm()
    suv[4, 4, 4], suv[5, 5, 4] = 0.0, 4.0
    exam = bodies.exam_of(suv)
    found = Reconstruction(np.full(suv.shape, 1.5, np.float32), np.full(suv.shape, 0.25, np.float32), suv > 9)
    model = untrained()
    z, excess = model.z_of(exam, found), model.excess_of(exam, found)
    assert z[4, 4, 4] == pytest.approx((0 - 1.5) / 0.25)
    assert z[5, 5, 4] == pytest.approx((2 - 1.5) / 0.25)
    assert excess[5, 5, 4] == pytest.approx(4 - 2.25)
    model.floor = 0.5
    assert model.z_of(exam, found)[5, 5, 4] == pytest.approx(1.0)


# 7 is in tests/metrics/test_anomaly.py (slices), 8 there (empty sides) and in test_task.py (components, ml), 9 there.


# 10 -----------------------------------------------------------------------------------------------------------
def test_nothing_is_fitted_on_a_held_out_patient(drawn, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Networks, probability and thresholds of a fold come from patients who are not in it."""
    from tumorboard.tasks.anomaly.benchmark import benchmark

    cohort, _, _ = drawn
    light = CONFIG.model_copy(update={"insertions": False, "folds": 3})
    result = benchmark(cohort, tmp_path / "first", config=light)
    fold_of = {}
    for row in result.rows["runs"]:
        if row["run_id"] == "masked dual":
            fold_of = json.loads(row["inputs"])["fold_of"]
            assert json.loads(row["inputs"])["out_of_fold"] is True
    assert set(fold_of) == set(cohort.patient_ids)
    for number in range(3):
        model = AnomalyModel.load(tmp_path / "first" / f"fold-{number}" / "masked-dual")
        mine = {patient for patient, fold in fold_of.items() if fold == number}
        assert mine and not mine & set(model.facts["patients"])
        assert not mine & set(model.facts["set_aside"])


def test_same_seed_same_weights(drawn, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from tumorboard.tasks.anomaly.train import train

    cohort, _, model = drawn
    again = train(cohort, tmp_path, config=CONFIG)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    assert (again.floor, again.probability, again.mask_z) == (model.floor, model.probability, model.mask_z)
