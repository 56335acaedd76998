"""Resampling against SimpleITK, at borders, between all orientations, and where it must refuse."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.resample import resample_to

ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def grid(shape, orientation=((0, 1, 2), (1, 1, 1)), *, spacing=(1, 1, 1), centre=(0, 0, 0), degrees=0.0) -> Geometry:
    """A grid of that shape round a centre, its axes permuted, flipped and turned."""
    order, signs = orientation
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    turn = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.48, 0.6, 0.64])).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * np.asarray(spacing, float)
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Geometry(shape, affine)


def scan(geometry: Geometry, dtype: str = "f4", seed: int = 0, unit: Unit = Unit.SUVBW) -> Volume:
    rng = np.random.default_rng(seed)
    array = rng.uniform(0, 200, geometry.shape).astype(dtype)
    return Volume(np.asfortranarray(array), geometry.affine, unit)


def itk_resampled(volume: Volume, target: Geometry, method: int, fill: float) -> np.ndarray:
    def placed(image: SimpleITK.Image, geometry: Geometry) -> SimpleITK.Image:
        affine = geometry.affine_lps
        image.SetSpacing(geometry.spacing_mm.tolist())
        image.SetOrigin(affine[:3, 3].tolist())
        image.SetDirection((affine[:3, :3] / geometry.spacing_mm).ravel().tolist())
        return image

    source = placed(SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.array.T)), volume.geometry)
    reference = placed(SimpleITK.Image(list(target.shape), SimpleITK.sitkUInt8), target)
    kind = SimpleITK.sitkFloat32 if method == SimpleITK.sitkLinear else source.GetPixelID()
    image = SimpleITK.Resample(source, reference, SimpleITK.Transform(), method, fill, kind)
    return SimpleITK.GetArrayFromImage(image).T


def on_a_face(volume: Volume, target: Geometry) -> np.ndarray:
    """Target voxels whose centre lies within a thousandth of a voxel of an outer face of the volume; there the
    outcome is a matter of convention, and of rounding inside ITK."""
    index = volume.geometry.to_index(target.to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    size = np.array(volume.shape)
    return (np.minimum(np.abs(index + 0.5), np.abs(index - (size - 0.5))) < 1e-3).any(axis=-1)


def between_two(volume: Volume, target: Geometry) -> np.ndarray:
    """Target voxels half-way between two centres, where nearest is a matter of convention."""
    index = volume.geometry.to_index(target.to_world(np.moveaxis(np.indices(target.shape), 0, -1)))
    return (np.abs(index - np.floor(index) - 0.5) < 1e-3).any(axis=-1)


@settings(max_examples=50, deadline=None)
@given(
    source=st.sampled_from(ORIENTATIONS),
    target=st.sampled_from(ORIENTATIONS),
    degrees=st.sampled_from([0.0, 0.0, 1e-4, 0.01, 7.0, 123.0]),
    spacing=st.tuples(*[st.floats(0.4, 4)] * 3),
    shift=st.tuples(*[st.floats(-9, 9)] * 3),
    shape=st.tuples(*[st.integers(1, 24)] * 3),
    dtype=st.sampled_from(["f4", "f8", "i2", "u1", "i4"]),
    seed=st.integers(0, 1000),
)
def test_linear_equals_simpleitk(source, target, degrees, spacing, shift, shape, dtype, seed) -> None:
    volume = scan(grid((11, 12, 13), source, spacing=(2, 1.5, 3)), dtype, seed)
    where = grid(shape, target, spacing=spacing, centre=shift, degrees=degrees)
    ours = resample_to(volume, where, fill=-7, allow_empty=True)
    assert ours.geometry == where
    assert ours.array.dtype == np.float32
    theirs = itk_resampled(volume, where, SimpleITK.sitkLinear, -7)
    settled = ~on_a_face(volume, where)
    np.testing.assert_allclose(ours.array[settled], theirs[settled], rtol=1e-5, atol=2e-3)


@settings(max_examples=50, deadline=None)
@given(
    source=st.sampled_from(ORIENTATIONS),
    target=st.sampled_from(ORIENTATIONS),
    degrees=st.sampled_from([0.0, 0.01, 33.0]),
    spacing=st.tuples(*[st.floats(0.4, 4)] * 3),
    shape=st.tuples(*[st.integers(1, 24)] * 3),
    dtype=st.sampled_from(["u1", "i2", "f4", "i8"]),
)
def test_nearest_equals_simpleitk(source, target, degrees, spacing, shape, dtype) -> None:
    volume = scan(grid((11, 12, 13), source, spacing=(2, 1.5, 3)), dtype, unit=Unit.LABEL)
    where = grid(shape, target, spacing=spacing, centre=(0.31, -0.17, 2.9), degrees=degrees)
    ours = resample_to(volume, where, fill=9, allow_empty=True)
    assert ours.array.dtype == volume.array.dtype
    theirs = itk_resampled(volume, where, SimpleITK.sitkNearestNeighbor, 9)
    settled = ~on_a_face(volume, where) & ~between_two(volume, where)
    np.testing.assert_array_equal(ours.array[settled], theirs[settled])


@pytest.mark.parametrize("target", ORIENTATIONS)
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_onto_its_own_voxels_stored_otherwise_is_exact(target: tuple, method: str) -> None:
    volume = scan(grid((7, 8, 9), ((2, 0, 1), (1, -1, -1)), spacing=(1, 2, 3), centre=(0.1, 0.2, 0.3), degrees=12))
    order, signs = target
    stored = volume.permute(order)
    for axis in range(3):
        stored = stored.flip(axis) if signs[axis] < 0 else stored
    np.testing.assert_array_equal(resample_to(volume, stored.geometry, method=method).array, stored.array)


def test_a_linear_ramp_stays_one_inside_the_field_of_view() -> None:
    # Closed form: linear interpolation reproduces a linear function of place.
    geometry = grid((20, 21, 22), ((1, 2, 0), (-1, 1, -1)), spacing=(1.3, 0.7, 2.9), centre=(3, -4, 5), degrees=20)
    slope = np.array([0.5, -1.25, 2.0])
    index = np.moveaxis(np.indices(geometry.shape), 0, -1)
    volume = Volume(geometry.to_world(index) @ slope, geometry.affine, Unit.SUVBW)
    for degrees in (0.0, 20.0, 45.0):
        where = grid((9, 9, 9), spacing=(0.5, 0.6, 0.7), centre=(3.1, -4.2, 5.3), degrees=degrees)
        places = where.to_world(np.moveaxis(np.indices(where.shape), 0, -1))
        np.testing.assert_allclose(resample_to(volume, where).array, places @ slope, atol=1e-4)


@pytest.mark.parametrize("degrees", [0.0, 15.0])
def test_values_do_not_depend_on_how_either_grid_is_stored(degrees: float) -> None:
    volume = scan(grid((9, 10, 11), spacing=(2, 2, 3)))
    where = grid((14, 15, 16), spacing=(1, 1, 1.5), centre=(0.5, 0.25, 0), degrees=degrees)
    expected = resample_to(volume, where)
    for order, signs in ORIENTATIONS:
        stored = volume.permute(order)
        for axis in range(3):
            stored = stored.flip(axis) if signs[axis] < 0 else stored
        again = resample_to(Volume(np.ascontiguousarray(stored.array), stored.affine, stored.unit), where)
        np.testing.assert_allclose(again.array, expected.array, rtol=1e-5)


def test_borders_are_continued_to_the_outer_faces_and_no_further() -> None:
    volume = Volume(np.arange(8, dtype=np.float32).reshape(2, 2, 2), np.eye(4), Unit.SUVBW)
    where = Geometry((5, 1, 1), np.array([[0.5, 0, 0, -0.5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    # Places -0.5 (face), 0, 0.5, 1, 1.5 (face) between values 0 and 4.
    assert resample_to(volume, where).array.ravel().tolist() == [0, 0, 2, 4, 4]
    wider = Geometry((5, 1, 1), np.array([[0.6, 0, 0, -0.6], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    np.testing.assert_allclose(resample_to(volume, wider, fill=-1).array.ravel(), [-1, 0, 2.4, 4, -1], rtol=1e-6)


def test_ties_go_to_the_higher_index_whatever_the_rounding() -> None:
    volume = Volume(np.arange(4, dtype=np.uint8).reshape(4, 1, 1), np.diag([0.1, 1, 1, 1]), Unit.LABEL)
    for noise in (-1e-9, 0, 1e-9):
        where = Geometry((3, 1, 1), np.array([[0.1, 0, 0, 0.05 + noise], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
        assert resample_to(volume, where).array.ravel().tolist() == [1, 2, 3]


def test_what_stands_outside_depends_on_the_unit() -> None:
    where = grid((30, 1, 1))
    for unit, outside in ((Unit.HU, -1000), (Unit.SUVBW, 0), (Unit.LABEL, 0), (Unit.BQML, 0)):
        volume = Volume(np.full((3, 3, 3), 50, np.int16), grid((3, 3, 3)).affine, unit)
        assert set(resample_to(volume, where).array.ravel().tolist()) == {outside, 50}


@pytest.mark.parametrize("degrees", [0.0, 30.0])
@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_grids_that_do_not_meet_are_refused(degrees: float, method: str) -> None:
    volume = scan(grid((5, 5, 5)))
    far = grid((4, 4, 4), centre=(100, 0, 0), degrees=degrees)
    with pytest.raises(TumorboardError, match="OPS101"):
        resample_to(volume, far, method=method)
    empty = resample_to(volume, far, method=method, fill=3, allow_empty=True)
    assert (empty.array == 3).all()


def test_label_maps_are_never_blended() -> None:
    volume = scan(grid((5, 5, 5)), "u1", unit=Unit.LABEL)
    with pytest.raises(TumorboardError, match="OPS102"):
        resample_to(volume, grid((4, 4, 4)), method="linear")


def test_one_nan_stays_where_it_is_on_the_same_grid() -> None:
    volume = scan(grid((5, 5, 5)))
    volume.array[2, 2, 2] = np.nan
    assert np.isnan(resample_to(volume, volume.geometry).array).sum() == 1


def test_anti_aliasing_removes_what_the_coarse_grid_cannot_show() -> None:
    index = np.indices((64, 64, 64)).sum(axis=0) % 2
    checkers = Volume(index.astype(np.float32), grid((64, 64, 64)).affine, Unit.SUVBW)
    where = grid((12, 12, 12), spacing=(4, 4, 4))
    assert np.ptp(resample_to(checkers, where.crop((2, 2, 2), (10, 10, 10)), anti_alias=True).array) < 0.01
    shifted = grid((12, 12, 12), spacing=(4, 4, 4), centre=(0.5, 0.5, 0.5))
    assert set(np.unique(resample_to(checkers, shifted).array)) <= {0.0, 1.0}, "plain sampling sees only one colour"


@pytest.mark.parametrize("dtype", ["?", ">i2", ">f4", "f2", "u2", "i8"])
@pytest.mark.parametrize("degrees", [0.0, 10.0])
def test_every_way_of_storing_numbers(dtype: str, degrees: float) -> None:
    whole = scan(grid((12, 12, 12)), "f4")
    array = (whole.array.round() > 100 if dtype == "?" else whole.array.round()).astype(dtype)[::2, :, ::-1]
    volume = Volume(array, whole.affine, Unit.SUVBW)
    plain = Volume(np.ascontiguousarray(array, np.float32), whole.affine, Unit.SUVBW)
    where = grid((9, 9, 9), spacing=(0.8, 0.8, 0.8), centre=(-3, 0, 0), degrees=degrees)
    for method in ("linear", "nearest"):
        ours = resample_to(volume, where, method=method)
        np.testing.assert_array_equal(ours.array, resample_to(plain, where, method=method).array)
        assert method == "linear" or ours.array.dtype == np.dtype(dtype)


def test_a_fill_value_must_fit_the_voxels() -> None:
    volume = Volume(np.ones((3, 3, 3), np.uint8), grid((3, 3, 3)).affine, Unit.HU)
    where = grid((9, 9, 9))
    for fill in (None, -1, 256, 0.5, float("nan")):
        with pytest.raises(TumorboardError, match="OPS107"):
            resample_to(volume, where, method="nearest", fill=fill)
    assert resample_to(volume, where, method="nearest", fill=255).array.max() == 255
    assert resample_to(volume, where, method="linear").array.min() == -1000


def test_threads_do_not_change_a_bit() -> None:
    volume = scan(grid((31, 33, 35)))
    for degrees in (0.0, 10.0):
        where = grid((40, 41, 42), spacing=(0.7, 0.7, 0.7), degrees=degrees)
        one = resample_to(volume, where, threads=1).array
        np.testing.assert_array_equal(resample_to(volume, where, threads=7).array, one)


def test_real_pet_onto_its_ct(real_data) -> None:
    from tumorboard.io.nifti import read_nifti

    for patient in ("STS_001", "STS_019", "STS_031"):
        folder = real_data / "sts_petct" / patient
        pet = read_nifti(folder / "PET_image.nii.gz", unit=Unit.SUVBW)
        ct = read_nifti(folder / "CT_image.nii.gz", unit=Unit.HU)
        ours = resample_to(pet, ct.geometry).array
        theirs = itk_resampled(pet, ct.geometry, SimpleITK.sitkLinear, 0)
        settled = ~on_a_face(pet, ct.geometry)
        np.testing.assert_allclose(ours[settled], theirs[settled], rtol=1e-5, atol=1e-5)
        assert settled.mean() > 0.9
