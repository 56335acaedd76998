"""Trap 1: a perfect prediction comes back to the CT's grid as it was, whatever the grid."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.segmentation.cases import CaseVolumes
from tumorboard.tasks.segmentation.postprocess import labels_of
from tumorboard.tasks.segmentation.preprocess import Preprocessing, choose_spacing, lesion_volumes_ml

RADIUS_MM = 6.3  # 1.05 ml


def turned(degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(a / 2), -np.sin(a / 2)], [0, np.sin(a / 2), np.cos(a / 2)]])
    return about_z @ about_x


GRIDS = {
    "RAS": Geometry.from_lps((60, 56, 50), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0), direction=np.diag([-1, -1, 1])),
    "LPS": Geometry.from_lps((60, 56, 50), spacing_mm=(1, 1, 1), origin_mm=(5.3, -9.1, 100)),
    "feet first, permuted": Geometry.from_lps(
        (50, 60, 56), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0), direction=[[0, 1, 0], [0, 0, -1], [-1, 0, 0]]
    ),
    "oblique": Geometry.from_lps((60, 56, 50), spacing_mm=(1, 1, 1.5), origin_mm=(1, 2, 3), direction=turned(17)),
    "anisotropic": Geometry.from_lps((64, 64, 16), spacing_mm=(0.9, 0.9, 3), origin_mm=(0.4, 0.4, 0.4)),
    "smaller than any patch": Geometry.from_lps((17, 19, 15), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0)),
    "odd sizes": Geometry.from_lps((41, 53, 37), spacing_mm=(1.1, 0.7, 1.3), origin_mm=(-300, 200, 900)),
}


def sphere(grid: Geometry, centre_mm: np.ndarray, radius_mm: float = RADIUS_MM) -> np.ndarray:
    index = np.stack(np.meshgrid(*[np.arange(n) for n in grid.shape], indexing="ij"), axis=-1)
    return np.linalg.norm(grid.to_world(index) - centre_mm, axis=-1) <= radius_mm


def volumes_of(labels: np.ndarray, grid: Geometry) -> CaseVolumes:
    empty = np.zeros(grid.shape, np.float32)
    return CaseVolumes(
        Volume(empty, grid.affine, Unit.HU),
        Volume(empty, grid.affine, Unit.SUVBW),
        Volume(labels.astype(np.uint8), grid.affine, Unit.LABEL),
    )


@pytest.mark.parametrize("name", GRIDS)
def test_round_trip_of_a_one_ml_lesion(name):
    grid = GRIDS[name]
    random = np.random.default_rng(0)
    middle = grid.to_world((np.array(grid.shape) - 1) / 2)
    spacing_mm = choose_spacing([1.05], [grid.spacing_mm])
    preprocessing = Preprocessing(spacing_mm, (-160, 240), ("GTV",))
    biases, dices = [], []
    for _ in range(8):
        lesion = sphere(grid, middle + random.uniform(-1.5, 1.5, 3))
        prepared = preprocessing.forward(volumes_of(lesion, grid))
        back = preprocessing.inverse(prepared.target, prepared)
        assert back.geometry == grid and back.unit == Unit.LABEL and back.array.dtype == np.uint8
        found = back.array == 1
        dices.append(2 * (found & lesion).sum() / (found.sum() + lesion.sum()))
        biases.append(grid.to_world(np.argwhere(found).mean(0)) - grid.to_world(np.argwhere(lesion).mean(0)))
    assert min(dices) >= 0.95
    # No shift in any direction: far below half a voxel for each, and nothing left on average.
    assert np.abs(biases).max() < 0.25 * grid.spacing_mm.min()
    assert np.abs(np.mean(biases, axis=0)).max() < 0.1


@pytest.mark.parametrize("name", GRIDS)
def test_the_working_grid_covers_the_ct_face_to_face_in_ras_order(name):
    grid = GRIDS[name]
    working = Preprocessing(4.0, (-160, 240), ("GTV",)).working_grid(grid)
    assert working.axis_codes == "RAS"
    here, there = (np.sort(g.corners_mm().round(6), axis=0) for g in (grid, working))
    np.testing.assert_allclose(here, there, atol=1e-6)
    assert np.all(np.abs(working.spacing_mm / 4.0 - 1) < 0.3)


def test_two_structures_come_back_with_their_own_values():
    grid = GRIDS["LPS"]
    middle = grid.to_world((np.array(grid.shape) - 1) / 2)
    aside = np.array([12.0, 0, 0])
    labels = sphere(grid, middle + aside, 9) * 1 + sphere(grid, middle - aside, 7) * 2
    preprocessing = Preprocessing(2.0, (-160, 240), ("GTVp", "GTVn"))
    prepared = preprocessing.forward(volumes_of(labels, grid))
    back = preprocessing.inverse(prepared.target, prepared).array
    for value in (1, 2):
        a, b = back == value, labels == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.95


@pytest.mark.parametrize(("shares", "name"), [((0.35, 0.25), 1), ((0.2, 0.35), 2), ((0.2, 0.15), 0), ((0.0, 0.6), 2)])
def test_a_lesion_whose_name_is_in_doubt_is_still_a_lesion(shares, name):
    """By hand: together .6, .55, .35, .6; the background has the rest, which is more than either name in the first."""
    grid = GRIDS["anisotropic"]
    inside = sphere(grid, grid.to_world((np.array(grid.shape) - 1) / 2), 12)
    preprocessing = Preprocessing(2.0, (-160, 240), ("GTVp", "GTVn"))
    prepared = preprocessing.forward(volumes_of(inside, grid))
    middle = tuple(n // 2 for n in prepared.working.shape)
    probabilities = np.zeros((2, *prepared.working.shape), np.float32)
    for index, share in enumerate(shares):
        probabilities[index] = share * (prepared.target[0] > 0.5)
    assert labels_of(probabilities)[middle] == name
    back = preprocessing.inverse(probabilities, prepared).array
    assert back[tuple(n // 2 for n in grid.shape)] == name
    assert set(np.unique(back)) == {0, name}


def test_intensities_do_not_depend_on_what_else_is_in_view():
    """SUV stays SUV, HU stay HU: cutting a scan in half changes no voxel away from the cut."""
    grid = GRIDS["RAS"]
    random = np.random.default_rng(1)
    ct = Volume(random.normal(0, 300, grid.shape).astype(np.float32), grid.affine, Unit.HU)
    pet = Volume(random.gamma(1, 2, grid.shape).astype(np.float32), grid.affine, Unit.SUVBW)
    preprocessing = Preprocessing(1.0, (-160, 240), ("GTV",))
    whole = preprocessing.forward(CaseVolumes(ct, pet, None)).inputs
    half = preprocessing.forward(CaseVolumes(ct, pet, None).crop(((0, 0, 0), (30, 56, 50)))).inputs
    np.testing.assert_array_equal(whole[:, :30], half)
    assert whole[0].min() == 0 and whole[0].max() == 1
    np.testing.assert_allclose(whole[1], np.log1p(pet.array), rtol=1e-5)


def test_air_outside_the_scan_is_zero_to_the_network():
    grid = GRIDS["RAS"]
    air = CaseVolumes(
        Volume(np.full(grid.shape, -1000, np.float32), grid.affine, Unit.HU),
        Volume(np.zeros(grid.shape, np.float32), grid.affine, Unit.SUVBW),
        None,
    )
    assert not Preprocessing(2.0, (-160, 240), ("GTV",)).forward(air).inputs.any()


def test_spacing_follows_small_lesions_and_not_below_the_images():
    # Diameter of 1 ml: (6000/pi)^(1/3) = 12.41 mm; a seventh is 1.77, rounded down to 1.5.
    assert choose_spacing([1.0, 1.0], [(1, 1, 1)]) == 1.5
    assert choose_spacing([1.0], [(3, 3, 3)]) == 3.0
    assert choose_spacing([500.0], [(1, 1, 3)]) == 4.0
    assert choose_spacing([], [(1, 1, 3)]) == 4.0


def test_lesions_are_counted_across_corners():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = 1
    labels[4, 4, 4] = 1
    volume = Volume(labels, np.diag([10.0, 10.0, 10.0, 1.0]), Unit.LABEL)
    assert sorted(lesion_volumes_ml(volume)) == pytest.approx([1.0, 2.0])


def test_pet_is_brought_to_the_ct_by_place(spheres):
    from tumorboard.tasks.segmentation.cases import find_cases, load_case

    case = find_cases(spheres, labelled=True)[0]
    loaded = load_case(spheres, case, structures=("GTV",))
    pet = spheres.image(case.pet_id)
    assert loaded.pet.geometry == loaded.ct.geometry
    np.testing.assert_array_equal(loaded.pet.array, resample_to(pet, loaded.ct.geometry).array)
    hot = loaded.pet.array > 4
    assert 2 * (hot & (loaded.mask.array > 0)).sum() / (hot.sum() + (loaded.mask.array > 0).sum()) > 0.9
