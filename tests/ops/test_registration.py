"""A drawn body laid over itself, moved in a known way; other parts of it, and nothing, are refused."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.ops.registration import coarse_body, level_offset, register


def body(low_mm: float, high_mm: float, *, matrix: np.ndarray | None = None, step_mm: float = 8.0) -> Volume:
    """A trunk 600 mm long with lungs, liver, spine and pelvis, seen between two levels; `matrix` (4, 4) places it."""
    shape = (42, 33, int((high_mm - low_mm) / step_mm))
    affine = np.diag([step_mm, step_mm, step_mm, 1.0])
    affine[:3, 3] = [-165, -130, low_mm]
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float)
    world = grid @ affine[:3, :3].T + affine[:3, 3]
    inverse = np.linalg.inv(np.eye(4) if matrix is None else matrix)
    x, y, z = np.moveaxis(world @ inverse[:3, :3].T + inverse[:3, 3], -1, 0)
    hu = np.full(shape, -1000.0)
    wide = 120 + 25 * np.cos(z / 90)
    hu[(x / wide) ** 2 + (y / (wide * 0.68)) ** 2 < 1] = 30
    for side in (-1, 1):
        hu[((x - side * 60) / 45) ** 2 + ((y - 5) / 55) ** 2 + ((z - 420) / 110) ** 2 < 1] = -850
        hu[((x - side * 80) / 30) ** 2 + (y / 40) ** 2 + ((z - 40) / 60) ** 2 < 1] = 500
    hu[((x - 50) / 60) ** 2 + (y / 55) ** 2 + ((z - 250) / 60) ** 2 < 1] = 120
    hu[(x / 18) ** 2 + ((y + 60) / 18) ** 2 < 1] = 350
    return Volume(hu.astype(np.float32), affine, Unit.HU)


MOVED = np.array([[1.03, 0.05, 0, 12], [-0.05, 1.03, 0, -9], [0, 0, 1, 70], [0, 0, 0, 1.0]])
PLACES = np.array([[60, 5, 400], [-60, 5, 330], [50, 0, 250], [0, -60, 200], [20, 20, 300.0]])


def test_a_moved_body_is_found_again() -> None:
    """Turned by 3 degrees, 3 % larger, 70 mm higher, in another field of view: places agree within 5 mm."""
    fixed, moving = (
        coarse_body(body(120, 600), grid_mm=8),
        coarse_body(body(70 + 20, 70 + 520, matrix=MOVED), grid_mm=8),
    )
    assert level_offset(moving, fixed) == pytest.approx(-70, abs=12)
    found = register(moving, fixed)
    true = PLACES @ MOVED[:3, :3].T + MOVED[:3, 3]
    assert np.linalg.norm(found.apply(true) - PLACES, axis=1).max() < 5
    assert np.allclose(found.inverse().apply(found.apply(true)), true)
    assert found.correlation > 0.8
    assert found.overlap_mm == pytest.approx(400, abs=48)


def test_a_stated_start_is_taken() -> None:
    fixed, moving = coarse_body(body(200, 480), grid_mm=8), coarse_body(body(250, 560, matrix=MOVED), grid_mm=8)
    found = register(moving, fixed, z_offset_mm=-64)
    assert np.array_equal(register(moving, fixed, z_offset_mm=-64).matrix, found.matrix)
    true = PLACES @ MOVED[:3, :3].T + MOVED[:3, 3]
    assert np.linalg.norm(found.apply(true) - PLACES, axis=1).max() < 5


def test_other_parts_of_the_body_are_no_overlap() -> None:
    """Chest against pelvis: told with its reason, by whatever start."""
    chest, pelvis = coarse_body(body(380, 560), grid_mm=8), coarse_body(body(-40, 110), grid_mm=8)
    for start in (None, 0.0):
        with pytest.raises(TumorboardError, match="OPS132") as error:
            register(pelvis, chest, z_offset_mm=start)
        assert error.value.found


def test_what_is_no_ct_of_a_body_is_refused() -> None:
    empty = Volume(np.full((20, 20, 20), -1000, np.float32), np.diag([4.0, 4, 4, 1]), Unit.HU)
    with pytest.raises(TumorboardError, match="OPS131"):
        coarse_body(empty)
    with pytest.raises(TumorboardError):
        coarse_body(Volume(np.ones((20, 20, 20), np.float32), np.diag([4.0, 4, 4, 1]), Unit.SUVBW))
    short = coarse_body(body(380, 410), grid_mm=8)
    with pytest.raises(TumorboardError, match="OPS132"):
        level_offset(short, short)
    assert Geometry(short.grid.shape, short.grid.affine).axis_codes == "RAS"
