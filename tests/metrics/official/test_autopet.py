"""autoPET against a plain reading of its rules with scipy's components."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.official import load_rules
from tumorboard.metrics.official.rules import score_patients

SPACING = (2.04, 2.04, 3.0)


def plain_reading(reference: np.ndarray, prediction: np.ndarray) -> tuple[float, float, float]:
    from scipy import ndimage

    around = ndimage.generate_binary_structure(3, 2)  # faces and edges: 18 neighbours
    voxel_ml = np.prod(SPACING) / 1000

    def untouched_ml(one: np.ndarray, other: np.ndarray) -> float:
        parts, n = ndimage.label(one, around)
        return sum(float((parts == p).sum()) for p in range(1, n + 1) if not other[parts == p].any()) * voxel_ml

    dice = 2 * (reference * prediction).sum() / (reference.sum() + prediction.sum())
    return dice, untouched_ml(prediction, reference), untouched_ml(reference, prediction)


@pytest.mark.parametrize("seed", range(5))
def test_one_patient(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference, prediction = (rng.random((2, 12, 12, 12)) < 0.03).astype(np.uint8)
    prediction |= reference * (rng.random(reference.shape) < 0.5)
    counts = load_rules("autopet").count(reference, prediction, spacing_mm=SPACING, where="P")
    expected = plain_reading(reference, prediction)
    assert (counts["dice"], counts["fpv_ml"], counts["fnv_ml"]) == pytest.approx(expected)


def test_connectivity_18_joins_edges_and_not_corners() -> None:
    reference, prediction = np.zeros((2, 6, 6, 6), np.uint8)
    reference[2, 2, 2] = reference[2, 3, 3] = 1
    prediction[2, 2, 2] = 1
    assert load_rules("autopet").count(reference, prediction, spacing_mm=SPACING, where="P")["fnv_ml"] == 0.0
    reference[2, 3, 3], reference[3, 3, 3] = 0, 1
    voxel_ml = np.prod(SPACING) / 1000
    fnv = load_rules("autopet").count(reference, prediction, spacing_mm=SPACING, where="P")["fnv_ml"]
    assert fnv == pytest.approx(voxel_ml)
    fnv = load_rules("autopet", connectivity=26).count(reference, prediction, spacing_mm=SPACING, where="P")["fnv_ml"]
    assert fnv == 0.0


def test_patients_without_lesions() -> None:
    nothing, lesion = np.zeros((2, 8, 8, 8), np.uint8)
    lesion[2:4, 2:4, 2:4] = 1
    eight_ml = 8 * np.prod(SPACING) / 1000
    for negatives, fnv_n in (("fpv", 1), ("fpv+fnv", 3)):
        rules = load_rules("autopet", negatives=negatives)
        counts = {
            "clean": rules.count(nothing, nothing, spacing_mm=SPACING, where="clean"),
            "false alarm": rules.count(nothing, lesion, spacing_mm=SPACING, where="false alarm"),
            "missed": rules.count(lesion, None, spacing_mm=SPACING, where="missed"),
        }
        found = {row["metric"]: row for row in score_patients(rules, counts, seed=0).scores}
        assert (found["dice"]["value"], found["dice"]["n"]) == (0.0, 1)
        assert (found["fpv_ml"]["value"], found["fpv_ml"]["n"]) == (pytest.approx(eight_ml / 3), 3)
        assert (found["fnv_ml"]["value"], found["fnv_ml"]["n"]) == (pytest.approx(eight_ml / fnv_n), fnv_n)


def test_all_labels_are_lesions_and_fractions_are_refused() -> None:
    two = np.zeros((5, 5, 5), np.uint8)
    two[1, 1, 1], two[2, 2, 2] = 1, 2
    one = (two > 0).astype(np.float32)
    assert load_rules("autopet").count(two, one, spacing_mm=SPACING, where="P")["dice"] == 1.0
    with pytest.raises(TumorboardError) as error:
        load_rules("autopet").count(two, one * 0.5, spacing_mm=SPACING, where="P")
    assert error.value.code.id == "MET102"
