"""Masks that cannot be scored as they are end in a coded error, never in a silent cast (trap 5)."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.labelmaps import as_labels, compare

LABELS = {1: "GTVp", 2: "GTVn"}
SPACING = (1.0, 2.0, 3.0)


def pair_of(shape=(6, 7, 8)) -> tuple[np.ndarray, np.ndarray]:
    reference, prediction = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    reference[1:4, 2:5, 3:6] = 1
    prediction[2:5, 2:5, 3:6] = 1
    prediction[0, 0, 0] = 2
    return reference, prediction


def code_of(error: pytest.ExceptionInfo[TumorboardError]) -> str:
    return error.value.code.id


@pytest.mark.parametrize("stray", [3, 255])
@pytest.mark.parametrize("side", [0, 1])
def test_a_stray_value_is_refused_on_either_side(stray: int, side: int) -> None:
    masks = pair_of()
    masks[side][5, 5, 5] = stray
    with pytest.raises(TumorboardError) as error:
        compare(*masks, spacing_mm=SPACING, labels=LABELS, where="MDA-001")
    assert code_of(error) == "MET101"
    assert f"value {stray} (1 voxels)" in str(error.value)
    assert ("prediction" if side else "reference") in error.value.where


def test_a_stray_value_may_be_ignored_on_purpose() -> None:
    reference, prediction = pair_of()
    reference[5, 5, 5] = 3
    pair = compare(reference, prediction, spacing_mm=SPACING, labels=LABELS, ignore=[3])
    assert pair.voxels(1) == (27, 27, 18)
    assert reference[5, 5, 5] == 3  # the caller's array is untouched


def test_values_between_integers_are_refused_or_rounded_on_purpose() -> None:
    reference, prediction = pair_of()
    almost = prediction * np.float32(0.9999)
    with pytest.raises(TumorboardError) as error:
        compare(reference, almost, spacing_mm=SPACING, labels=LABELS)
    assert code_of(error) == "MET102"
    assert "1.9998" in error.value.found or "1.9997" in error.value.found
    rounded = compare(reference, almost, spacing_mm=SPACING, labels=LABELS, round_values=True)
    assert rounded.voxels(1) == (27, 27, 18)


@pytest.mark.parametrize(
    ("values", "code"), [([np.nan], "MET102"), ([np.inf], "MET101"), ([-1.0], "MET101"), ([256.0], "MET101")]
)
def test_impossible_floats(values: list[float], code: str) -> None:
    with pytest.raises(TumorboardError) as error:
        as_labels(np.array(values).reshape(1, 1, 1))
    assert code_of(error) == code


@pytest.mark.parametrize("dtype", [bool, np.int16, np.int64, np.uint16, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_labels(dtype: type) -> None:
    mask = np.array([0, 1, 1]).reshape(3, 1, 1)
    assert as_labels(mask.astype(dtype)).dtype == np.uint8
    assert as_labels(mask.astype(dtype)).ravel().tolist() == [0, 1, 1]


def test_words_and_complex_numbers_are_not_labels() -> None:
    with pytest.raises(TumorboardError) as error:
        as_labels(np.full((1, 1, 1), "tumour"))
    assert code_of(error) == "MET102"


def test_other_shape_and_other_dimension_are_refused() -> None:
    reference, prediction = pair_of()
    with pytest.raises(TumorboardError) as error:
        compare(reference, prediction[:-1], spacing_mm=SPACING, labels=LABELS)
    assert code_of(error) == "GEO102"
    with pytest.raises(TumorboardError) as error:
        compare(reference[0], prediction[0], spacing_mm=SPACING, labels=LABELS)
    assert code_of(error) == "GEO103"


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0), (1.0, -1.0, 1.0), (1.0, np.nan, 1.0)])
def test_a_spacing_that_measures_nothing_is_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(TumorboardError) as error:
        compare(*pair_of(), spacing_mm=spacing, labels=LABELS)
    assert code_of(error) == "MET104"


def test_counts_and_crop_do_not_depend_on_the_order_in_memory() -> None:
    reference, prediction = pair_of()
    plain = compare(reference, prediction, spacing_mm=SPACING, labels=LABELS)
    assert plain.reference.shape == (7, 7, 8)  # union box 5 x 5 x 6 plus a rim
    assert plain.voxels(2) == (0, 1, 0)
    assert plain.voxel_ml == pytest.approx(0.006)
    for r, p in (
        (np.asfortranarray(reference), np.asfortranarray(prediction)),
        (np.asfortranarray(reference), prediction),
        (np.repeat(reference, 2, axis=2)[..., ::2], prediction),
    ):
        other = compare(r, p, spacing_mm=SPACING, labels=LABELS)
        np.testing.assert_array_equal(other.joint, plain.joint)
        assert other.voxel_ml == pytest.approx(0.006)
        assert other.diagonal_mm == pytest.approx(plain.diagonal_mm)


def test_counts_equal_numpy_on_random_maps_of_awkward_sizes() -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 1, 1), (3, 5, 7), (2, 2, 9), (8, 8, 8), (5, 1, 13)):
        reference = rng.integers(0, 3, shape).astype(np.uint8) * (rng.random(shape) < 0.3)
        prediction = rng.integers(0, 3, shape).astype(np.uint8) * (rng.random(shape) < 0.3)
        pair = compare(reference, prediction, spacing_mm=SPACING, labels=LABELS)
        for value in (1, 2):
            a, b = reference == value, prediction == value
            assert pair.voxels(value) == (a.sum(), b.sum(), (a & b).sum())
        filled = np.argwhere((reference > 0) | (prediction > 0))
        if len(filled):
            low, high = filled.min(axis=0), filled.max(axis=0) + 1
            box = tuple(slice(x, y) for x, y in zip(low, high, strict=True))
            np.testing.assert_array_equal(pair.reference[1:-1, 1:-1, 1:-1], reference[box])
