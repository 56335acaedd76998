"""Measurements against hand-counted voxels."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.radiomics.peak import peaks_near, sphere_means
from tumorboard.tasks.features.measure import measure_mask

CT = np.diag([1.0, 1.0, 1.0, 1.0])
PET = np.array([[2, 0, 0, 0.5], [0, 2, 0, 0.5], [0, 0, 2, 0.5], [0, 0, 0, 1.0]])
"""Each PET voxel covers 2 x 2 x 2 CT voxels exactly."""


def measured(mask, pet):
    rows = measure_mask(mask, pet, labels={1: "GTVp", 2: "GTVn"}, image_id="x.mask", run_id="r")
    return {(row["label"], row["component"]): row for row in rows}


def test_two_lesions_of_one_label():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    labels[10:14, 10:12, 10:12] = 1
    uptake = np.ones((10, 10, 10), np.float32)
    uptake[1, 1, 1] = 6.0
    uptake[5, 5, 5], uptake[6, 5, 5] = 3.0, 5.0
    rows = measured(Volume(labels, CT, Unit.LABEL), Volume(uptake, PET, Unit.SUVBW))
    assert set(rows) == {("GTVp", 0), ("GTVp", 1), ("GTVp", 2)}
    small, large, whole = (rows["GTVp", c]["measurements"] for c in (1, 2, 0))
    assert (small["volume_ml"], large["volume_ml"], whole["volume_ml"]) == pytest.approx((0.008, 0.016, 0.024))
    assert (small["suv_max"], large["suv_max"], whole["suv_max"]) == (6.0, 5.0, 6.0)
    assert (small["suv_mean"], large["suv_mean"]) == (6.0, 4.0)
    assert whole["suv_mean"] == pytest.approx(14 / 3)
    assert large["tlg_ml"] == pytest.approx(4.0 * 0.016)
    # Corners of voxels 10..13 x 10..11 x 10..11, from edge to edge.
    assert rows["GTVp", 2]["box"] == [9.5, 9.5, 9.5, 13.5, 11.5, 11.5]
    assert rows["GTVp", 2]["points_mm"] == [11.5, 10.5, 10.5]


def test_peak_is_the_mean_of_a_one_ml_sphere():
    uptake = np.zeros((15, 15, 15), np.float32)
    uptake[7, 7, 7] = 10.0
    # Radius 6.204 mm; grid points of spacing 2 mm with |n| <= 3.102: r^2 <= 9.62 has 147 - 24 = 123 of them.
    n = np.arange(-4, 5)
    inside = sum(int(a * a + b * b + c * c <= 9.62) for a in n for b in n for c in n)
    assert inside == 123
    assert sphere_means(uptake, (2, 2, 2))[7, 7, 7] == pytest.approx(10 / 123)
    flat = sphere_means(np.full((5, 6, 7), 3.0, np.float32), (2, 2, 2))
    np.testing.assert_allclose(flat, 3.0, rtol=1e-6)


@pytest.mark.parametrize("share", [0.003, 0.9])
@pytest.mark.parametrize("steps", [(3.0, 3.0, 3.0), [[2.0, 0.3, 0.0], [-0.3, 2.0, 0.0], [0.0, 0.0, 5.0]]])
def test_peaks_of_few_voxels_are_those_of_all(steps, share):
    random = np.random.default_rng(3)
    uptake = random.gamma(1.0, 1.0, (20, 17, 13)).astype(np.float32)
    inside = random.random(uptake.shape) < share
    inside[0, 0, 0] = inside[-1, -1, -1] = True
    found = peaks_near(uptake, inside, steps)
    np.testing.assert_allclose(found[inside], sphere_means(uptake, steps)[inside], rtol=1e-6)
    assert not found[~inside].any()


def test_a_lesion_between_pet_voxels_is_read_between_them_and_says_so():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4, 4, 4] = 2
    uptake = np.ones((4, 4, 4), np.float32)
    uptake[1, :, :] = 4.0  # centres at 0, 6, 12 mm: two thirds of the way
    pet = Volume(uptake, np.diag([6.0, 6.0, 6.0, 1.0]), Unit.SUVBW)
    row = measured(Volume(labels, CT, Unit.LABEL), pet)["GTVn", 1]
    assert row["measurements"] == pytest.approx(
        {"volume_ml": 0.001, "mtv_ml": 0.001, "suv_max": 3.0, "suv_mean": 3.0, "tlg_ml": 0.003}
    )
    assert json.loads(row["attributes"]) == {"uptake": "interpolated"}


def test_a_lesion_outside_the_pet_has_a_volume_but_no_uptake():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4, 4, 4] = 2
    away = np.diag([6.0, 6.0, 6.0, 1.0])
    away[0, 3] = 400.0
    pet = Volume(np.ones((4, 4, 4), np.float32), away, Unit.SUVBW)
    row = measured(Volume(labels, CT, Unit.LABEL), pet)["GTVn", 1]
    assert set(row["measurements"]) == {"volume_ml", "mtv_ml"}
    assert json.loads(row["attributes"]) == {"uptake": "no PET voxel inside"}


def test_without_pet_only_the_volume_and_with_bq_none_at_all():
    labels = np.ones((2, 2, 2), np.uint8)
    mask = Volume(labels, CT, Unit.LABEL)
    assert measured(mask, None)["GTVp", 1]["measurements"] == {"volume_ml": pytest.approx(0.008)}
    with pytest.raises(TumorboardError, match="UNT101"):
        measured(mask, Volume(labels.astype(float), CT, Unit.BQML))


def test_the_peak_of_a_lesion_near_the_edge_sees_only_what_is_there():
    """Computed near the lesion alone, it equals the peak computed everywhere; oblique grids included."""
    random = np.random.default_rng(0)
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * (3.0, 4.0, 2.5)
    pet = Volume(random.gamma(1, 2, (14, 12, 16)).astype(np.float32), affine, Unit.SUVBW)
    labels = np.zeros(pet.shape, np.uint8)
    labels[0:3, 5:8, 6:9] = 1
    row = measured(Volume(labels, affine, Unit.LABEL), pet)["GTVp", 1]
    assert row["measurements"]["suv_peak"] == pytest.approx(
        float(sphere_means(pet.array, affine[:3, :3])[labels == 1].max()), rel=1e-6
    )


def test_specks_count_in_the_label_but_are_not_listed():
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[0:5, 0:5, 0:5] = 1
    labels[9, 9, 9] = 1
    mask = Volume(labels, CT, Unit.LABEL)
    rows = measure_mask(mask, None, labels={1: "GTV"}, image_id="m", run_id="r", smallest_ml=0.1)
    assert [(row["component"], round(row["measurements"]["volume_ml"], 3)) for row in rows] == [(0, 0.126), (1, 0.125)]
    rows = measure_mask(mask, None, labels={1: "GTV"}, image_id="m", run_id="r", components=False)
    assert [row["component"] for row in rows] == [0]


def test_axes_when_asked():
    """Two discs of 12 and 20 mm in slices of 3 mm: the label's row has the axes of the larger."""
    x, y = np.meshgrid(np.arange(60), np.arange(60), indexing="ij")
    labels = np.zeros((60, 60, 6), np.uint8)
    labels[:, :, 2] = np.hypot(x - 15, y - 15) <= 6
    labels[:, :, 3] |= (np.hypot(x - 40, y - 35) <= 10).astype(np.uint8)
    mask = Volume(labels, np.diag([1.0, 1, 3, 1]), Unit.LABEL)
    rows = measure_mask(mask, None, labels={1: "GTVn"}, image_id="m", run_id="r", axes=True)
    long_mm = {row["component"]: row["measurements"]["long_axis_mm"] for row in rows}
    assert sorted(long_mm.values()) == pytest.approx([12, 20, 20], abs=0.5)
    assert long_mm[0] == max(long_mm[1], long_mm[2])
    ends = np.reshape(json.loads(rows[0]["attributes"])["axes_points_mm"], (4, 3))
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(long_mm[0], abs=1e-3)
    assert ends.mean(axis=0) == pytest.approx([40, 35, 9], abs=0.5)
    (whole, *_) = measure_mask(mask, None, labels={1: "GTVn"}, image_id="m", run_id="r", axes=True, components=False)
    assert whole["measurements"]["long_axis_mm"] == pytest.approx(20, abs=0.5)
    assert "long_axis_mm" not in measured(mask, None)["GTVp", 0]["measurements"]


def test_hundreds_of_specks_are_read_between_the_pet_voxels_each_at_its_own_place():
    """An uptake that is linear in space (x + 2y + 3z in mm), so that reading between voxels is exact."""
    labels = np.zeros((24, 24, 24), np.uint8)
    labels[2:22:3, 2:22:3, 2:22:3] = 1
    x, y, z = np.meshgrid(*(2.0 * np.arange(12) + 0.5,) * 3, indexing="ij")
    rows = measured(Volume(labels, CT, Unit.LABEL), Volume((x + 2 * y + 3 * z).astype(np.float32), PET, Unit.SUVBW))
    specks = [row for (_, component), row in rows.items() if component]
    between = [row for row in specks if row["attributes"]]
    assert len(specks) == 343 and 200 < len(between) < 343
    for row in between:
        assert json.loads(row["attributes"]) == {"uptake": "interpolated"}
        at = np.dot(row["points_mm"], (1, 2, 3))
        assert (row["measurements"]["suv_max"], row["measurements"]["suv_mean"]) == pytest.approx((at, at), rel=1e-5)
        assert row["measurements"]["tlg_ml"] == pytest.approx(at * 0.001, rel=1e-5)
        assert "suv_peak" not in row["measurements"]
