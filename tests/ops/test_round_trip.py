"""Traps 1 and 2: whatever is done to a label on the way to a network, its inverse brings it home.

A lesion is drawn in physical space (an ellipsoid, its volume known in closed form), sent through resampling,
cropping, padding, flips, axis orders and oblique grids, and brought back to the grid it came from.
"""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.crop import Box, crop_or_pad, crop_to, foreground_box
from tumorboard.ops.labels import resample_labels
from tumorboard.ops.resample import resample_to

ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
CENTRE_MM, RADII_MM = np.array([7.3, -11.8, 21.4]), np.array([8.0, 10.0, 9.0])  # 3.0 ml


def ct_grid(orientation, *, spacing=(0.98, 0.98, 3.0), degrees=0.0, shape=(56, 54, 20)) -> Geometry:
    order, signs = orientation
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.0, 0.8])).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * np.array(spacing)
    affine[:3, 3] = CENTRE_MM + np.array((3.17, -2.9, 1.3)) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Geometry(shape, affine)


def places(geometry: Geometry) -> np.ndarray:
    return geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1))


def lesion(geometry: Geometry) -> Volume:
    inside = (((places(geometry) - CENTRE_MM) / RADII_MM) ** 2).sum(axis=-1) <= 1
    return Volume(inside.astype(np.uint8), geometry.affine, Unit.LABEL)


def dice(a: Volume, b: Volume) -> float:
    a.require_same_grid(b)
    x, y = a.array > 0, b.array > 0
    return 2 * np.count_nonzero(x & y) / (np.count_nonzero(x) + np.count_nonzero(y))


def centroid_mm(mask: Volume) -> np.ndarray:
    return mask.geometry.to_world(np.argwhere(mask.array).mean(axis=0))


def round_trip(mask: Volume, *, spacing, block, axes, flips, smooth) -> Volume:
    """Resample, reorder, flip, crop or pad to a block; then all of it backwards, by the affine alone."""
    fine = resample_labels(mask, mask.geometry.with_spacing(spacing), smooth=smooth)
    turned = fine.permute(axes)
    for axis in flips:
        turned = turned.flip(axis)
    middle = turned.geometry.to_index(CENTRE_MM)
    seen, record = crop_or_pad(turned, block, centre=middle)
    assert seen.shape == tuple(block)
    return resample_labels(record.restore(seen), mask.geometry, smooth=smooth)


@settings(max_examples=12, deadline=None)
@given(
    orientation=st.sampled_from(ORIENTATIONS),
    degrees=st.sampled_from([0.0, 0.0, 11.0]),
    axes=st.permutations(range(3)),
    flips=st.lists(st.integers(0, 2), max_size=3),
    block=st.tuples(*[st.sampled_from([32, 61, 90])] * 3),
)
def test_a_label_comes_home_through_one_millimetre(orientation, degrees, axes, flips, block) -> None:
    mask = lesion(ct_grid(orientation, degrees=degrees))
    home = round_trip(mask, spacing=(1, 1, 1), block=block, axes=axes, flips=flips, smooth=True)
    assert home.geometry == mask.geometry
    assert dice(mask, home) >= 0.95
    assert np.abs(centroid_mm(home) - centroid_mm(mask)).max() < 0.1


@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.98, 0.98, 3), (1, 1, 3), (2, 2, 2), (0.5, 0.5, 0.5)])
@pytest.mark.parametrize("degrees", [0.0, 20.0])
@pytest.mark.parametrize("smooth", [True, False])
def test_a_label_comes_home_from_every_spacing(spacing: tuple, degrees: float, smooth: bool) -> None:
    mask = lesion(ct_grid(((0, 1, 2), (-1, -1, 1)), degrees=degrees))
    home = round_trip(mask, spacing=spacing, block=(50, 50, 50), axes=(0, 1, 2), flips=(), smooth=smooth)
    # A map of 2 mm voxels cannot carry the surface of a 3 ml lesion drawn on 1 mm pixels.
    coarse = spacing == (2, 2, 2)
    assert dice(mask, home) >= (0.9 if coarse else 0.95)
    assert np.abs(centroid_mm(home) - centroid_mm(mask)).max() < (0.5 if coarse or not smooth else 0.1)


def test_centroids_have_no_bias_over_many_lesions() -> None:
    # A shift of half a voxel, the classic mistake, would show in the mean over random sub-voxel origins.
    rng = np.random.default_rng(0)
    shifts = []
    for _ in range(16):
        geometry = ct_grid(ORIENTATIONS[rng.integers(48)])
        affine = geometry.affine.copy()
        affine[:3, 3] += rng.uniform(-2, 2, 3)
        mask = lesion(Geometry(geometry.shape, affine))
        home = round_trip(mask, spacing=(2, 2, 2), block=(40, 40, 40), axes=(2, 0, 1), flips=(1,), smooth=True)
        shifts.append(centroid_mm(home) - centroid_mm(mask))
    shifts = np.array(shifts)
    error = shifts.std(axis=0, ddof=1) / np.sqrt(len(shifts))
    assert (np.abs(shifts.mean(axis=0)) < np.maximum(4 * error, 1e-3)).all()
    assert np.abs(shifts).max() < 0.25


def test_cropping_and_padding_alone_is_undone_to_the_voxel() -> None:
    rng = np.random.default_rng(1)
    for orientation in ORIENTATIONS:
        geometry = ct_grid(orientation, degrees=17, shape=(20, 21, 22))
        volume = Volume(rng.integers(0, 9, geometry.shape).astype(np.int16), geometry.affine, Unit.LABEL)
        for shape in ((30, 30, 30), (12, 40, 22), (5, 5, 5)):
            seen, record = crop_or_pad(volume, shape)
            home = record.restore(seen)
            kept = record.box.within(volume.shape)
            inside = tuple(slice(a, b) for a, b in zip(kept.start, kept.stop, strict=True))
            expected = np.zeros_like(volume.array)
            expected[inside] = volume.array[inside]
            np.testing.assert_array_equal(home.array, expected)
            np.testing.assert_array_equal(home.affine, volume.affine)
            # The affine alone finds the same way back.
            np.testing.assert_array_equal(resample_to(seen, geometry).array, expected)


def test_a_foreground_crop_is_undone(tmp_path) -> None:
    mask = lesion(ct_grid(((1, 0, 2), (1, -1, -1)), degrees=5))
    seen, record = crop_to(mask, foreground_box(mask, margin_mm=4))
    assert seen.array.size < mask.array.size / 5
    np.testing.assert_array_equal(record.restore(seen).array, mask.array)


def test_a_prediction_of_another_grid_is_not_put_back() -> None:
    mask = lesion(ct_grid(((0, 1, 2), (1, 1, 1))))
    seen, record = crop_to(mask, Box((0, 0, 0), (10, 10, 10)))
    with pytest.raises(TumorboardError, match="OPS104"):
        record.restore(seen.flip(0))
    with pytest.raises(TumorboardError, match="OPS104"):
        record.restore(seen.crop((0, 0, 0), (9, 10, 10)))


# ---- trap 2 -------------------------------------------------------------------------------------------
@pytest.mark.parametrize("pet_orientation", ORIENTATIONS[::5])
@pytest.mark.parametrize("ct_orientation", ORIENTATIONS[::7])
@pytest.mark.parametrize("degrees", [0.0, 9.0])
def test_pet_lands_on_the_place_not_on_the_index(pet_orientation, ct_orientation, degrees) -> None:
    # Uptake is a Gaussian round the lesion in physical space, sampled by two different scanners.
    pet_grid = ct_grid(pet_orientation, spacing=(2.7, 2.7, 3.3), shape=(40, 41, 42), degrees=degrees)
    ct = ct_grid(ct_orientation, shape=(48, 50, 24))

    def uptake(geometry: Geometry) -> np.ndarray:
        return 10 * np.exp(-0.5 * (((places(geometry) - CENTRE_MM) / 9) ** 2).sum(axis=-1))

    pet = Volume(uptake(pet_grid).astype(np.float32), pet_grid.affine, Unit.SUVBW)
    on_ct = resample_to(pet, ct)
    # Linear interpolation errs by at most h^2/8 of the curvature (10/81 per mm^2) per axis.
    bound = sum(h**2 for h in (2.7, 2.7, 3.3)) / 8 * 10 / 81
    assert np.abs(on_ct.array - uptake(ct)).max() < bound
    hottest = ct.to_world(np.unravel_index(on_ct.array.argmax(), ct.shape))
    assert (np.abs(hottest - CENTRE_MM) <= 0.5 * np.abs(ct.affine[:3, :3]).sum(axis=1) + 1.7).all()


def test_pet_and_ct_of_different_patients_do_not_meet() -> None:
    ct = ct_grid(((0, 1, 2), (-1, -1, 1)))
    affine = ct.affine.copy()
    affine[2, 3] += 500
    pet = Volume(np.ones(ct.shape, np.float32), affine, Unit.SUVBW)
    assert pet.geometry.overlap_ml(ct) == 0
    with pytest.raises(TumorboardError, match="OPS101"):
        resample_to(pet, ct)
