"""Radiomics against the consensus of the Image Biomarker Standardisation Initiative, and against solids."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tumorboard.metrics.radiomics.intensity import bin_by_number, bin_by_size, histogram_features, intensity_features
from tumorboard.metrics.radiomics.peak import intensity_peaks
from tumorboard.metrics.radiomics.shape import shape_features
from tumorboard.metrics.radiomics.texture import cooccurrence_features, run_features, texture_features, zone_features

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ibsi1.json").read_text(encoding="utf-8"))


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """Intensities and mask (x, y, z) of IBSI's digital phantom."""
    cells = np.array([[list(row) for row in plane.split("/")] for plane in GOLDEN["phantom"]]).transpose(2, 1, 0)
    mask = cells != "."
    image = np.where(mask, cells, "1").astype(float)
    image[2, 2, 2] = 9
    return image, mask


def agrees(value: float, reference: float | list[float]) -> bool:
    if isinstance(reference, list):
        return abs(value - reference[0]) <= reference[1] * (1 + 1e-9)
    return value == pytest.approx(reference, rel=5e-3, abs=1e-12)  # stated to three digits


def test_the_digital_phantom_has_the_consensus_values() -> None:
    image, mask = phantom()
    assert mask.sum() == 74
    levels = np.where(mask, image, 0).astype(int)
    found = {f"shape_{k}": v for k, v in shape_features(mask, (2, 2, 2)).items()}
    found |= {f"intensity_{k}": v for k, v in intensity_features(image[mask]).items()}
    found |= {f"intensity_{k}": v for k, v in intensity_peaks(image, mask, (2, 2, 2)).items()}
    found |= {f"histogram_{k}": v for k, v in histogram_features(levels[mask]).items()}
    found |= texture_features(levels)
    reference = GOLDEN["digital phantom"]
    assert len(reference) == 96
    wrong = {name: (found[name], value) for name, value in reference.items() if not agrees(found[name], value)}
    assert not wrong


def test_features_averaged_over_directions_are_the_other_consensus() -> None:
    image, mask = phantom()
    levels = np.where(mask, image, 0).astype(int)
    found = {f"glcm_{k}": v for k, v in cooccurrence_features(levels, average=True).items()}
    found |= {f"glrlm_{k}": v for k, v in run_features(levels, average=True).items()}
    reference = GOLDEN["digital phantom, averaged"]
    wrong = {name: (found[name], value) for name, value in reference.items() if not agrees(found[name], value)}
    assert not wrong


def test_a_ball_is_round_and_measures_itself() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(-26, 27)] * 3, indexing="ij"))
    ball = (grid**2).sum(axis=0) <= 20.5**2
    shape = shape_features(ball, (1.0, 1.0, 1.0))
    assert shape["mesh_volume_ml"] == pytest.approx(4 / 3 * np.pi * 20.5**3 / 1000, rel=0.01)
    assert shape["longest_diameter_mm"] == pytest.approx(41, abs=1.0)
    assert shape["major_axis_mm"] == pytest.approx(4 * 20.5 / np.sqrt(5), rel=0.01)  # IBSI: 4 standard deviations
    assert 0.9 < shape["sphericity"] <= 1.0  # steps of voxels add surface
    assert shape["elongation"] == pytest.approx(1, abs=1e-9)


def test_shape_does_not_depend_on_how_the_mask_is_stored() -> None:
    random = np.random.default_rng(3)
    mask = np.zeros((9, 8, 7), bool)
    mask[2:7, 1:6, 2:6] = random.random((5, 5, 4)) < 0.6
    spacing = np.array([1.0, 2.0, 3.0])
    first = shape_features(mask, spacing)
    turned = shape_features(mask.transpose(2, 0, 1)[::-1, :, ::-1], spacing[[2, 0, 1]])
    assert turned == pytest.approx(first, rel=1e-9)


def test_one_voxel_has_a_shape_and_nothing_undefined_but_ratios_of_zero() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    shape = shape_features(mask, (2.0, 2.0, 2.0))
    assert shape["mesh_volume_ml"] == pytest.approx(8 / 6 / 1000)  # the octahedron of the six half-way points
    assert shape["longest_diameter_mm"] == pytest.approx(2.0)
    with pytest.raises(ValueError, match="empty"):
        shape_features(np.zeros((2, 2, 2), bool), (1, 1, 1))


def test_bins_of_a_size_mean_the_same_everywhere_and_bins_by_number_do_not() -> None:
    values = np.array([0.0, 0.49, 0.5, 3.2])
    assert bin_by_size(values, width=0.5, lowest=0.0).tolist() == [1, 1, 2, 7]
    assert bin_by_size(values * 2, width=0.5, lowest=0.0).tolist() == [1, 2, 3, 13]
    assert bin_by_number(values, bins=4).tolist() == bin_by_number(values * 2 + 1, bins=4).tolist() == [1, 1, 1, 4]
    assert bin_by_number(np.full(5, 3.0), bins=4).tolist() == [1] * 5


def test_zones_of_a_level_are_counted_by_hand() -> None:
    levels = np.zeros((1, 1, 6), int)
    levels[0, 0] = [1, 1, 2, 0, 1, 2]  # zones: 1 (two voxels), 2, 1, 2
    zones = zone_features(levels)
    assert zones["zone_percentage"] == pytest.approx(4 / 5)
    assert zones["long_zone"] == pytest.approx((4 + 1 + 1 + 1) / 4)
    assert zones["high_level"] == pytest.approx((1 + 4 + 1 + 4) / 4)


def test_a_lone_voxel_has_no_neighbours_and_says_so() -> None:
    levels = np.zeros((3, 3, 3), int)
    levels[1, 1, 1] = 4
    assert all(np.isnan(value) for value in cooccurrence_features(levels).values())
    assert run_features(levels)["short_run"] == 1
