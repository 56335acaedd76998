"""Gaps, distances and sides of lesions, surfaces and scores: by hand on boxes of a grid that is turned over."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.shape import shape_features
from tumorboard.tasks.features.geometry import body_columns, midline_mm
from tumorboard.tasks.features.measure import measure_mask
from tumorboard.tasks.features.spread import add_sides, gaps_mm, largest_distance_mm

GRID = Geometry.from_lps((40, 20, 10), spacing_mm=(2, 2, 4), origin_mm=(-39, -19, 0))
"""x of voxel i in RAS: 39 - 2 i mm; the middle of the body is at 0."""


def masks() -> Volume:
    """GTVn at x = 31 and at x = -30 (to the left), GTVp across the middle."""
    labels = np.zeros(GRID.shape, np.uint8)
    labels[3:6, 5:8, 2:4] = 2  # i 3..5: x 33, 31, 29
    labels[34:36, 5:8, 2:4] = 2  # x -29, -31
    labels[18:22, 5:8, 2:4] = 1  # x 3, 1, -1, -3
    return Volume(labels, GRID.affine, Unit.LABEL)


def body() -> Volume:
    array = np.full(GRID.shape, -1000.0, np.float32)
    array[1:39, 2:18] = 40.0
    return Volume(array, GRID.affine, Unit.HU)


def rows(**options):
    return measure_mask(masks(), None, labels={1: "GTVp", 2: "GTVn"}, image_id="m", run_id="r", **options)


def test_gaps_and_largest_distance() -> None:
    found = {row["finding_id"]: row["measurements"] for row in rows(surface=True)}
    # Right node ends at i 5.5, the primary begins at 17.5: 12 voxels of 2 mm; the left node begins at 33.5, from 21.5.
    assert found["m.2.1"]["gap_mm"] == pytest.approx(24.0)
    assert found["m.2.2"]["gap_mm"] == pytest.approx(24.0)
    assert found["m.1.1"]["gap_mm"] == pytest.approx(24.0)
    # Centroids of the nodes: x 31 and -30.
    assert found["m.2.0"]["largest_distance_mm"] == pytest.approx(61.0)
    assert "largest_distance_mm" not in found["m.1.0"] and "gap_mm" not in found["m.2.0"]


def test_surface_is_that_of_the_shape_features() -> None:
    found = {row["finding_id"]: row["measurements"] for row in rows(surface=True)}
    alone = shape_features(np.ones((3, 3, 2), bool), (2, 2, 4))["surface_mm2"]
    other = shape_features(np.ones((2, 3, 2), bool), (2, 2, 4))["surface_mm2"]
    assert found["m.2.1"]["surface_mm2"] == pytest.approx(alone)
    assert found["m.2.0"]["surface_mm2"] == pytest.approx(alone + other)
    assert "surface_mm2" not in rows()[0]["measurements"]


def test_sides_follow_the_patient_not_the_voxels() -> None:
    found = rows()
    add_sides(found, body())
    sides = {row["finding_id"]: json.loads(row["attributes"])["side"] for row in found if row["component"]}
    assert sides == {"m.1.1": "middle", "m.2.1": "right", "m.2.2": "left"}
    nodes = next(row["measurements"] for row in found if row["finding_id"] == "m.2.0")
    assert (nodes["lesions"], nodes["lesions_left"], nodes["lesions_right"]) == (2, 1, 1)
    without = rows()
    add_sides(without, None)
    assert next(row["measurements"]["lesions"] for row in without if row["finding_id"] == "m.2.0") == 2
    assert all("lesions_left" not in row["measurements"] for row in without)


def test_the_score_is_the_mean_probability_also_of_a_part_of_the_grid() -> None:
    sure = np.zeros(GRID.shape, np.float32)
    sure[:20], sure[20:] = 0.9, 0.6
    whole = Volume(sure, GRID.affine, Unit.PROBABILITY)
    part = whole.crop((2, 4, 1), (38, 12, 6))
    for certainty in (whole, part):
        found = {row["finding_id"]: row["score"] for row in rows(certainty=certainty)}
        assert found["m.2.1"] == pytest.approx(0.9) and found["m.2.2"] == pytest.approx(0.6)
        assert found["m.1.1"] == pytest.approx(0.75)
    assert rows()[0]["score"] is None


def test_gaps_of_many_agree_with_all_pairs() -> None:
    from scipy.spatial.distance import cdist

    random = np.random.default_rng(0)
    surfaces = [random.normal(0, 3, (30, 3)) + random.uniform(-60, 60, 3) for _ in range(12)]
    found = gaps_mm(surfaces)
    for a, points in enumerate(surfaces):
        nearest = min(float(cdist(points, other).min()) for b, other in enumerate(surfaces) if b != a)
        assert found[a] == pytest.approx(nearest)
    assert gaps_mm([surfaces[0]]) == [None] and gaps_mm([]) == []
    assert largest_distance_mm(np.zeros((1, 3))) is None


def test_gaps_are_those_between_all_pairs() -> None:
    from scipy.spatial.distance import cdist

    random = np.random.default_rng(0)
    sizes = random.integers(1, 60, 40)
    lesions = [random.uniform(0, 40, 3) + random.normal(0, 1 + 3 * random.random(), (n, 3)) for n in sizes]
    nearest = [min(cdist(a, b).min() for b in lesions if b is not a) for a in lesions]
    assert gaps_mm(lesions) == pytest.approx(nearest)
    assert gaps_mm(lesions[:1]) == [None] and gaps_mm([]) == []


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_the_middle_of_many_places_is_that_of_each_alone(axes: tuple[int, int, int]) -> None:
    random = np.random.default_rng(3)
    array = np.full((30, 14, 12), -1000.0, np.float32)
    for k in range(10):  # a body that moves across from slice to slice; the last slices hold none
        array[3 + k : 20 + k // 2, 2:12, k] = random.normal(30, 10, (17 + k // 2 - k, 10))
    affine = np.diag([-2.0, -2.0, 15.0, 1.0])
    turned = np.eye(4)
    turned[:3, :3] = affine[:3, :3][:, list(axes)]
    ct = Volume(np.ascontiguousarray(array.transpose(axes)), turned, Unit.HU)
    body = body_columns(ct)
    heights = np.linspace(-40, 230, 60)
    found = [midline_mm(ct, np.array([-20.0, -10, z]), body=body) for z in heights]
    assert found == [midline_mm(ct, np.array([-20.0, -10, z])) for z in heights]
    assert None in found and len({x for x in found if x is not None}) > 3
