"""Grids against nibabel, SimpleITK and brute force, over random orientations, oblique turns and shears."""

from __future__ import annotations

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry

SOME = settings(max_examples=30, deadline=None)
ORIENTATIONS = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
NAMES = ["".join(letters) for order in permutations(("RL", "AP", "SI")) for letters in product(*order)]


@st.composite
def grids(draw, *, sheared: bool = False, turned: bool = True) -> Geometry:
    """A grid of random shape, spacing, origin, axis order, signs and turn."""
    order, signs = draw(st.sampled_from(ORIENTATIONS))
    axes = np.zeros((3, 3))
    axes[list(order), range(3)] = signs
    vector = [draw(st.floats(-1, 1)) for _ in range(3)] if turned else [0, 0, 0]
    shear = np.eye(3)
    if sheared:
        shear[0, 1], shear[1, 2] = draw(st.floats(-0.5, 0.5)), draw(st.floats(-0.5, 0.5))
    affine = np.eye(4)
    spacing = [draw(st.floats(0.2, 8)) for _ in range(3)]
    affine[:3, :3] = Rotation.from_rotvec(vector).as_matrix() @ shear @ axes * spacing
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return Geometry(tuple(draw(st.integers(1, 50)) for _ in range(3)), affine)


def indices(geometry: Geometry, count: int = 20) -> np.ndarray:
    """Some voxel indices, with fractions and beyond the border."""
    return np.random.default_rng(0).uniform(-3, np.array(geometry.shape) + 3, (count, 3))


@SOME
@given(grids(sheared=True))
def test_places_are_those_of_nibabel(grid: Geometry) -> None:
    index = indices(grid)
    np.testing.assert_allclose(grid.to_world(index), nibabel.affines.apply_affine(grid.affine, index), atol=1e-9)
    np.testing.assert_allclose(grid.to_index(grid.to_world(index)), index, atol=1e-6)
    np.testing.assert_allclose(grid.spacing_mm, nibabel.affines.voxel_sizes(grid.affine))


@SOME
@given(grids())
def test_axis_letters_and_reorientation_are_those_of_nibabel(grid: Geometry) -> None:
    # nibabel decides by the nearest rotation, ours by the largest cosine; where two axes are about equally near,
    # both are right.
    cosines = np.sort(np.abs(grid.direction), axis=0)
    if (cosines[2] - cosines[1] < 0.15).any():
        return
    assert grid.axis_codes == "".join(nibabel.aff2axcodes(grid.affine))
    for target in NAMES:
        order, flips = grid.reorientation(target)
        change = ornt_transform(io_orientation(grid.affine), axcodes2ornt(target))
        assert [int(np.flatnonzero(change[:, 0] == axis)[0]) for axis in range(3)] == order
        assert [axis for axis in range(3) if change[order[axis], 1] < 0] == flips


@SOME
@given(grids())
def test_lps_places_are_those_of_itk(grid: Geometry) -> None:
    affine = grid.affine_lps
    image = SimpleITK.Image([int(n) for n in grid.shape], SimpleITK.sitkUInt8)
    image.SetSpacing(grid.spacing_mm.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / grid.spacing_mm).ravel().tolist())
    for index in indices(grid, 5):
        itk = np.array(image.TransformContinuousIndexToPhysicalPoint(index.tolist())) * (-1, -1, 1)
        np.testing.assert_allclose(grid.to_world(index), itk, atol=1e-6)
    again = Geometry.from_lps(
        image.GetSize(), spacing_mm=image.GetSpacing(), origin_mm=image.GetOrigin(), direction=image.GetDirection()
    )
    assert again.same_grid(grid, tolerance_mm=1e-6)


@SOME
@given(grids(sheared=True), st.integers(0, 2), st.permutations(range(3)))
def test_flip_and_permute_name_the_same_places(grid: Geometry, axis: int, order: list[int]) -> None:
    index = indices(grid)
    mirrored = index.copy()
    mirrored[:, axis] = grid.shape[axis] - 1 - mirrored[:, axis]
    np.testing.assert_allclose(grid.flip(axis).to_world(mirrored), grid.to_world(index), atol=1e-8)
    np.testing.assert_allclose(grid.permute(order).to_world(index[:, order]), grid.to_world(index), atol=1e-8)
    assert grid.flip(axis).flip(axis).same_grid(grid, tolerance_mm=1e-8)
    assert grid.permute(order).permute(np.argsort(order).tolist()) == grid


@SOME
@given(grids(sheared=True), st.lists(st.integers(-20, 20), min_size=3, max_size=3))
def test_a_crop_keeps_every_voxel_where_it_was(grid: Geometry, start: list[int]) -> None:
    part = grid.crop(start, np.add(start, (3, 4, 5)).tolist())
    assert part.shape == (3, 4, 5)
    index = indices(part)
    np.testing.assert_allclose(part.to_world(index), grid.to_world(index + start), atol=1e-8)


@SOME
@given(grids(), st.tuples(*[st.floats(0.3, 6)] * 3))
def test_another_spacing_fills_the_same_box(grid: Geometry, spacing: tuple[float, float, float]) -> None:
    new = grid.with_spacing(spacing)
    np.testing.assert_allclose(new.spacing_mm, spacing)
    np.testing.assert_allclose(new.to_world((-0.5,) * 3), grid.to_world((-0.5,) * 3), atol=1e-6)
    off = np.abs(new.extent_mm - grid.extent_mm)
    assert (off <= np.maximum(np.array(spacing) / 2, np.array(spacing) - grid.extent_mm) + 1e-9).all()


@SOME
@given(grids(), grids())
def test_overlap_by_sampling(a: Geometry, b: Geometry) -> None:
    low, high = a.bounds_mm()
    points = np.random.default_rng(0).uniform(low, high, (4000, 3))
    inside = ((points >= b.bounds_mm()[0]) & (points <= b.bounds_mm()[1])).all(axis=1).mean()
    whole = float(np.prod(high - low)) / 1000
    assert a.overlap_ml(b) == pytest.approx(inside * whole, abs=0.05 * whole)
    assert a.overlap_ml(b) == pytest.approx(b.overlap_ml(a))
    assert a.overlap_ml(a) == pytest.approx(whole)


@SOME
@given(grids(sheared=True))
def test_volume_of_a_voxel_is_the_volume_of_its_edges(grid: Geometry) -> None:
    a, b, c = grid.affine[:3, :3].T
    assert grid.voxel_volume_ml == pytest.approx(abs(np.dot(a, np.cross(b, c))) / 1000)


def test_orthogonality_and_alignment_by_hand() -> None:
    plain = Geometry((2, 2, 2), np.diag([-1, -1, 3, 1.0]))
    assert plain.is_orthogonal and plain.is_axis_aligned and plain.axis_codes == "LPS"
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("z", 1, degrees=True).as_matrix()
    assert Geometry((2, 2, 2), turned).is_orthogonal and not Geometry((2, 2, 2), turned).is_axis_aligned
    sheared = np.eye(4)
    sheared[0, 1] = 0.01
    assert not Geometry((2, 2, 2), sheared).is_orthogonal


def test_tolerance_is_at_the_far_corner() -> None:
    grid = Geometry((512, 512, 300), np.diag([1, 1, 1, 1.0]))
    stretched = Geometry((512, 512, 300), np.diag([1 + 1e-5, 1, 1, 1.0]))  # 5 micrometres at the far end
    assert not grid.same_grid(stretched) and grid.same_grid(stretched, tolerance_mm=0.01)
    assert not grid.same_grid(Geometry((512, 512, 299), grid.affine))


@pytest.mark.parametrize(
    ("affine", "code"),
    [
        (np.full((4, 4), np.nan), "GEO101"),
        (np.diag([1, 0, 1, 1.0]), "GEO101"),
        (np.diag([1, 1, np.inf, 1.0]), "GEO101"),
        (np.ones((4, 4)), "GEO101"),
        (np.eye(3), "GEO101"),
        (np.diag([1, 1, 1, 2.0]), "GEO101"),
        (np.array([[1, 1, 0, 0], [1, 1 + 1e-9, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "GEO101"),
    ],
)
def test_affines_that_map_nothing_are_refused(affine: np.ndarray, code: str) -> None:
    with pytest.raises(TumorboardError, match=code):
        Geometry((2, 2, 2), affine)


@pytest.mark.parametrize("shape", [(0, 1, 1), (1, -1, 1), (1, 1), (1, 1, 1, 1)])
def test_shapes_without_voxels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(TumorboardError, match="GEO103"):
        Geometry(shape, np.eye(4))  # type: ignore[arg-type]


def test_a_grid_cannot_be_changed_in_place() -> None:
    affine = np.eye(4)
    grid = Geometry((2, 2, 2), affine)
    affine[0, 0] = 5
    assert grid.affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 5


@pytest.mark.parametrize("word", ["RAX", "RA", "RRS", ""])
def test_orientations_that_are_none(word: str) -> None:
    with pytest.raises(ValueError, match="orientation"):
        Geometry((2, 2, 2), np.eye(4)).reorientation(word)
