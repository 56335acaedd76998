"""Window, crop boxes, components, distance, projection: closed forms and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import cdist

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.components import components, connected_parts, keep_components, largest_component
from tumorboard.ops.crop import foreground_box, union_box
from tumorboard.ops.distance import distance_to, signed_distance
from tumorboard.ops.projection import maximum_projection
from tumorboard.ops.window import clip_suv, window_hu, z_score

AFFINE = np.array([[0, -1.5, 0, 10], [2.0, 0, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1]])


def volume(array, unit: Unit = Unit.LABEL, affine: np.ndarray = AFFINE) -> Volume:
    return Volume(np.asarray(array), affine, unit)


def blobs(seed: int, density: float = 0.3, shape=(11, 12, 13), order: str = "C") -> Volume:
    rng = np.random.default_rng(seed)
    return volume(np.asarray(rng.random(shape) < density, order=order).astype(np.uint8, order=order))


# ---- window -------------------------------------------------------------------------------------------
def test_windows_by_hand() -> None:
    ct = volume(np.array([-1000, -160, 40, 240, 3000], np.int16).reshape(5, 1, 1), Unit.HU)
    seen = window_hu(ct, low_hu=-160, high_hu=240)
    np.testing.assert_allclose(seen.array.ravel(), [0, 0, 0.5, 1, 1])
    assert (seen.unit, seen.array.dtype) == (Unit.FRACTION, np.float32)
    pet = volume(np.array([-0.5, 5, 40], np.float32).reshape(3, 1, 1), Unit.SUVBW)
    assert clip_suv(pet, high_suv=20).array.ravel().tolist() == [0, 5, 20]
    assert clip_suv(pet, high_suv=20).unit == Unit.SUVBW
    assert clip_suv(pet, high_suv=20, scaled=True).array.ravel().tolist() == [0, 0.25, 1]
    whole = volume(np.array([1, 5], np.int16).reshape(2, 1, 1), Unit.SUVBW)
    assert clip_suv(whole, high_suv=2).array.dtype == np.float32
    np.testing.assert_allclose(z_score(ct, mean=40, sd=200).array.ravel()[1:4], [-1, 0, 1])
    own = z_score(ct).array
    np.testing.assert_allclose([own.mean(), own.std()], [0, 1], atol=1e-6)


def test_windows_refuse_other_units_and_empty_ranges() -> None:
    pet, ct = volume(np.ones((2, 2, 2)), Unit.SUVBW), volume(np.ones((2, 2, 2)), Unit.HU)
    for refused in (
        lambda: window_hu(pet, low_hu=0, high_hu=1),
        lambda: clip_suv(ct, high_suv=5),
        lambda: z_score(volume(np.ones((2, 2, 2)))),
    ):
        with pytest.raises(TumorboardError, match="UNT101"):
            refused()
    for refused in (
        lambda: window_hu(ct, low_hu=1, high_hu=1),
        lambda: clip_suv(pet, high_suv=float("nan")),
        lambda: z_score(ct),
    ):
        with pytest.raises(TumorboardError, match="OPS106"):
            refused()


# ---- boxes --------------------------------------------------------------------------------------------
def test_foreground_and_union_boxes_by_hand() -> None:
    array = np.zeros((10, 10, 10), np.uint8)
    array[2:4, 5, 6:9] = 1
    other = np.zeros_like(array)
    other[8, 8, 8] = 2
    assert foreground_box(volume(array)).start == (2, 5, 6)
    assert foreground_box(volume(array)).stop == (4, 6, 9)
    # Spacing is 2, 1.5 and 3 mm: 3 mm are 2, 2 and 1 voxels.
    assert foreground_box(volume(array), margin_mm=3).start == (0, 3, 5)
    assert foreground_box(volume(array), margin_mm=30).stop == (10, 10, 10)
    joined = union_box(volume(array), volume(other), volume(np.zeros_like(array)))
    assert (joined.start, joined.stop) == ((2, 5, 6), (9, 9, 9))
    with pytest.raises(TumorboardError, match="OPS103"):
        union_box(volume(np.zeros_like(array)))
    with pytest.raises(TumorboardError, match="OPS103"):
        foreground_box(volume(np.zeros_like(array)))
    with pytest.raises(TumorboardError, match="GEO102"):
        union_box(volume(array), volume(array).flip(0))


# ---- components ---------------------------------------------------------------------------------------
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    density=st.floats(0, 0.9),
    connectivity=st.sampled_from([6, 18, 26]),
    each=st.booleans(),
    order=st.sampled_from("CF"),
)
def test_components_equal_scipy(seed, density, connectivity, each, order) -> None:
    mask = blobs(seed, density, order=order)
    labels = np.random.default_rng(seed).integers(1, 3, mask.shape).astype(np.uint8)
    mask = mask.with_array(mask.array * labels)
    fast, parts = components(mask, connectivity=connectivity, each_value=each, backend="cc3d")
    slow, same = components(mask, connectivity=connectivity, each_value=each, backend="scipy")
    np.testing.assert_array_equal(fast.array, slow.array)
    assert parts == same
    counts = np.bincount(fast.array.ravel(), minlength=1)
    assert [p.voxels for p in parts] == counts[1:].tolist() == sorted(counts[1:].tolist(), reverse=True)
    if not each:
        touching = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
        assert len(parts) == ndimage.label(mask.array, touching)[1]
    for part in parts[:5]:
        where = np.argwhere(fast.array == part.label)
        np.testing.assert_allclose(part.centroid_mm, mask.geometry.to_world(where).mean(axis=0), atol=1e-9)
        assert part.box.start == tuple(where.min(axis=0)) and part.box.stop == tuple(where.max(axis=0) + 1)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 5, 1), (1, 1, 7), (1, 5, 3), (3, 3, 3), (5, 5, 5)], ids=str)
def test_as_many_parts_as_fit_are_told_apart(shape, order) -> None:
    """Single voxels in every other place of an odd array: more parts than cc3d's form for truth values reserves."""
    inside = np.zeros(shape, bool, order=order)
    inside[::2, ::2, ::2] = True
    expected, most = ndimage.label(inside, np.ones((3, 3, 3)))
    parts, count = connected_parts(inside)
    assert count == most and parts.dtype == np.uint32
    np.testing.assert_array_equal(parts, expected)
    assert len(components(Volume(inside.astype(np.uint8), np.eye(4), Unit.LABEL))[1]) == most


def test_components_by_hand() -> None:
    array = np.zeros((6, 6, 6), np.uint8)
    array[0, 0, 0] = array[1, 1, 0] = array[2, 2, 1] = 1  # joined by an edge, then by a corner
    array[4:6, 4:6, 4:6] = 2  # 8 voxels of 9 mm3
    mask = volume(array)
    assert [p.voxels for p in components(mask, connectivity=6)[1]] == [8, 1, 1, 1]
    assert [p.voxels for p in components(mask, connectivity=18)[1]] == [8, 2, 1]
    assert [p.voxels for p in components(mask, connectivity=26)[1]] == [8, 3]
    part = components(mask)[1][0]
    assert (part.volume_ml, part.value) == (pytest.approx(0.072), 2)
    assert part.centroid_mm == pytest.approx(tuple(mask.geometry.to_world((4.5, 4.5, 4.5))))
    kept = keep_components(mask, least_ml=0.05)
    assert np.unique(kept.array).tolist() == [0, 2]
    np.testing.assert_array_equal(largest_component(mask).array, np.where(array == 2, 2, 0))
    assert keep_components(mask, least_ml=0.027).array.sum() == array.sum()
    empty = volume(np.zeros((3, 3, 3), np.uint8))
    assert components(empty)[1] == [] and not largest_component(empty).array.any()


# ---- distance -----------------------------------------------------------------------------------------
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), density=st.floats(0.005, 0.95), order=st.sampled_from("CF"))
def test_distances_equal_brute_force(seed, density, order) -> None:
    mask = blobs(seed, density, shape=(6, 7, 8), order=order)
    ours = distance_to(mask)
    assert ours.unit == Unit.MM
    if not mask.array.any():
        assert np.isinf(ours.array).all()
        return
    places = mask.geometry.to_world(np.argwhere(np.ones(mask.shape)))
    brute = cdist(places, mask.geometry.to_world(np.argwhere(mask.array))).min(axis=1).reshape(mask.shape)
    np.testing.assert_allclose(ours.array, brute, atol=1e-4)
    np.testing.assert_allclose(distance_to(mask, backend="scipy").array, brute, atol=1e-4)


def test_signed_distance_by_hand_and_by_simpleitk() -> None:
    mask = blobs(3, 0.4)
    ours = signed_distance(mask).array
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(mask.array.T))
    image.SetSpacing(mask.spacing_mm.tolist())
    away = SimpleITK.DanielssonDistanceMap(image, True, False, True)
    np.testing.assert_allclose(np.maximum(ours, 0), SimpleITK.GetArrayFromImage(away).T, atol=1e-3)
    assert ((ours < 0) == (mask.array > 0)).all()
    line = signed_distance(volume(np.array([0, 0, 1, 1, 1, 0], np.uint8).reshape(6, 1, 1))).array.ravel()
    assert line.tolist() == [4, 2, -2, -4, -2, 2]
    full = signed_distance(volume(np.ones((3, 3, 3), np.uint8))).array
    assert (full == -np.inf).all()


def test_distances_on_sheared_grids_are_refused() -> None:
    sheared = AFFINE.copy()
    sheared[0, 2] = 1
    with pytest.raises(TumorboardError, match="OPS105"):
        distance_to(volume(np.ones((3, 3, 3), np.uint8), affine=sheared))


# ---- projection ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("view", "world_axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_projection_keeps_the_hottest_place(view, world_axis) -> None:
    pet = volume(np.random.default_rng(0).random((5, 6, 7)), Unit.SUVBW)
    seen = maximum_projection(pet, view)
    hottest = pet.geometry.to_world(np.unravel_index(pet.array.argmax(), pet.shape))
    projected = seen.geometry.to_world(np.unravel_index(seen.array.argmax(), seen.shape))
    kept = [axis for axis in range(3) if axis != world_axis]
    np.testing.assert_allclose(projected[kept], hottest[kept])
    assert seen.shape[world_axis] == 1 and seen.array.max() == pet.array.max()
    for ours, whole in zip(seen.geometry.bounds_mm(), pet.geometry.bounds_mm(), strict=True):
        np.testing.assert_allclose(ours, whole)
