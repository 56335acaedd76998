"""What must hold for any pair of masks (drawn by hypothesis, small)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tumorboard.metrics.case import score_case
from tumorboard.metrics.lesions import LesionRules
from tumorboard.metrics.surface import DEFINITIONS

LABELS = {1: "a", 2: "b"}
maps = arrays.arrays(np.uint8, st.tuples(*[st.integers(1, 6)] * 3), elements=st.sampled_from([0, 0, 0, 1, 2]))
spacings = st.tuples(*[st.sampled_from([0.5, 1.0, 2.3])] * 3)
SWAPPED = {
    "reference_ml": "predicted_ml",
    "lesion_precision": "lesion_recall",
    "lesion_fp": "lesion_fn",
    "fpv_ml": "fnv_ml",
}


@st.composite
def cases(draw):
    reference = draw(maps)
    prediction = draw(arrays.arrays(np.uint8, reference.shape, elements=st.sampled_from([0, 0, 1, 2])))
    return reference, prediction, draw(spacings), draw(st.sampled_from(DEFINITIONS))


def values(reference, prediction, spacing_mm, definition, **options) -> dict[tuple[str, str], float | None]:
    rows = score_case(reference, prediction, spacing_mm=spacing_mm, labels=LABELS, definition=definition, **options)
    return {(row["metric"], row["label"]): row["value"] for row in rows}


@settings(max_examples=60, deadline=None)
@given(cases())
def test_exchanging_the_sides_exchanges_what_it_should(case) -> None:
    reference, prediction, spacing_mm, definition = case
    one = values(reference, prediction, spacing_mm, definition)
    two = values(prediction, reference, spacing_mm, definition)
    names = SWAPPED | {b: a for a, b in SWAPPED.items()}
    for (metric, label), value in one.items():
        if metric in ("volume_error_ml", "relative_volume_error"):
            continue
        assert two[names.get(metric, metric), label] == pytest.approx(value), metric


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from(["greedy", "optimal", "merged"]), st.sampled_from([6, 18, 26]))
def test_figures_stay_in_their_ranges_and_agree(case, matching: str, connectivity: int) -> None:
    reference, prediction, spacing_mm, definition = case
    rules = LesionRules(matching=matching, connectivity=connectivity)
    found = values(reference, prediction, spacing_mm, definition, lesions=rules)
    for label in LABELS.values():
        get = {metric.split(" ")[0]: value for (metric, name), value in found.items() if name == label}
        for ratio in ("dice", "nsd_2mm", "lesion_f1", "lesion_precision", "lesion_recall"):
            assert get[ratio] is None or 0 <= get[ratio] <= 1
        if get["hd95_mm"] is not None:
            assert 0 <= get["assd_mm"] <= get["hd100_mm"]
            assert get["hd95_mm"] <= get["hd100_mm"]
            assert (get["hd100_mm"] <= 2.0) == (get["nsd_2mm"] == pytest.approx(1.0))
        assert get["fpv_ml"] <= get["predicted_ml"] + 1e-12
        assert get["overlap_ml"] <= min(get["reference_ml"], get["predicted_ml"]) + 1e-12
        if get["dice"] == 1.0:
            assert get["lesion_fp"] == get["lesion_fn"] == 0
            assert get["hd100_mm"] == 0.0


@settings(max_examples=40, deadline=None)
@given(cases())
def test_empty_space_round_a_case_changes_nothing(case) -> None:
    reference, prediction, spacing_mm, definition = case
    wide = [np.pad(mask, 3) for mask in (reference, prediction)]
    assert values(*wide, spacing_mm, definition) == pytest.approx(values(reference, prediction, spacing_mm, definition))
