"""Every operation on a volume keeps each value at its place in the patient."""

from __future__ import annotations

import pickle

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

SOME = settings(max_examples=30, deadline=None)


@st.composite
def volumes(draw) -> Volume:
    """Values that are all different, on a turned grid with axes in any order and direction."""
    axes = np.zeros((3, 3))
    axes[draw(st.permutations(range(3))), range(3)] = [draw(st.sampled_from((1, -1))) for _ in range(3)]
    affine = np.eye(4)
    turn = Rotation.from_rotvec([draw(st.floats(-0.4, 0.4)) for _ in range(3)]).as_matrix()
    affine[:3, :3] = turn @ axes * [draw(st.floats(0.3, 5)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-300, 300)) for _ in range(3)]
    shape = tuple(draw(st.integers(1, 6)) for _ in range(3))
    return Volume(np.arange(1, np.prod(shape) + 1).reshape(shape), affine, Unit.HU)


def value_places(volume: Volume) -> dict[int, tuple[float, ...]]:
    """Value -> place, for all values above 0."""
    index = np.argwhere(volume.array > 0)
    world = volume.geometry.to_world(index)
    return {int(volume.array[tuple(i)]): tuple(np.round(place, 6) + 0.0) for i, place in zip(index, world, strict=True)}


def assert_same_places(a: Volume, b: Volume) -> None:
    first, second = value_places(a), value_places(b)
    assert first.keys() == second.keys()
    for value in first:
        np.testing.assert_allclose(first[value], second[value], atol=1e-5)


@SOME
@given(volumes(), st.integers(0, 2), st.permutations(range(3)), st.sampled_from(["RAS", "LPS", "PSR", "ILA"]))
def test_storing_a_scan_otherwise_moves_nothing(volume, axis, order, target) -> None:
    assert_same_places(volume, volume.flip(axis))
    assert_same_places(volume, volume.permute(order))
    turned = volume.reorient(target)
    assert_same_places(volume, turned)
    assert turned.geometry.axis_codes == target


@SOME
@given(volumes())
def test_reorienting_equals_nibabel(volume) -> None:
    cosines = np.sort(np.abs(volume.geometry.direction), axis=0)
    if (cosines[2] - cosines[1] < 0.15).any():
        return
    other = nibabel.as_closest_canonical(nibabel.Nifti1Image(volume.array.astype(np.int32), volume.affine))
    ours = volume.reorient("RAS")
    np.testing.assert_array_equal(ours.array, np.asanyarray(other.dataobj))
    np.testing.assert_allclose(ours.affine, other.affine, atol=1e-4)


@SOME
@given(
    volumes(), st.lists(st.integers(-4, 8), min_size=3, max_size=3), st.lists(st.integers(1, 9), min_size=3, max_size=3)
)
def test_crops_and_pads_move_nothing(volume, start, size) -> None:
    stop = (np.array(start) + size).tolist()
    part = volume.crop(start, stop, fill=0)
    assert part.shape == tuple(size)
    kept, whole = value_places(part), value_places(volume)
    for value, place in kept.items():
        np.testing.assert_allclose(place, whole[value], atol=1e-5)
    inside = [range(max(a, 0), min(b, n)) for a, b, n in zip(start, stop, volume.shape, strict=True)]
    assert len(kept) == np.prod([len(r) for r in inside])


def test_a_box_that_leaves_the_volume_needs_a_fill() -> None:
    volume = Volume(np.ones((3, 3, 3)), np.eye(4), Unit.HU)
    with pytest.raises(TumorboardError, match="GEO103"):
        volume.crop((-1, 0, 0), (2, 2, 2))
    assert volume.crop((-1, 0, 0), (2, 2, 2), fill=-1000).array[0, 0, 0] == -1000
    assert (volume.crop((10, 10, 10), (12, 12, 12), fill=7).array == 7).all()


def test_units_are_required_and_known() -> None:
    volume = Volume(np.ones((2, 2, 2)), np.eye(4), "SUVbw")  # type: ignore[arg-type]
    assert volume.unit is Unit.SUVBW
    assert volume.require(Unit.SUVBW) is volume
    with pytest.raises(TumorboardError, match="UNT101"):
        volume.require(Unit.HU)
    with pytest.raises(TumorboardError, match="COH105"):
        Volume(np.ones((2, 2, 2)), np.eye(4), "SUV")  # type: ignore[arg-type]
    with pytest.raises(TumorboardError, match="GEO103"):
        Volume(np.ones((2, 2)), np.eye(4), Unit.HU)


def test_sharing_a_grid_is_a_matter_of_place_not_of_shape() -> None:
    volume = Volume(np.ones((4, 4, 4)), np.eye(4), Unit.HU)
    for other in (volume.flip(0), volume.permute((1, 0, 2)), volume.crop((0, 0, 0), (4, 4, 3))):
        assert not volume.same_grid(other)
        with pytest.raises(TumorboardError, match="GEO102"):
            volume.require_same_grid(other)
    volume.require_same_grid(volume.with_array(np.zeros((4, 4, 4)), Unit.LABEL))
    with pytest.raises(TumorboardError, match="GEO102"):
        volume.with_array(np.zeros((4, 4, 5)))


def test_volumes_and_errors_cross_process_borders() -> None:
    volume = pickle.loads(pickle.dumps(Volume(np.ones((2, 2, 2)), np.eye(4), Unit.HU)))
    assert volume.unit == Unit.HU and volume.geometry == Geometry((2, 2, 2), np.eye(4))
    with pytest.raises(TumorboardError) as caught:
        volume.require(Unit.GY)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and again.code is not None and again.code.id == "UNT101"
