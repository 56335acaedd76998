"""One case, all metrics: golden values of other programs, and the stated result of every empty case."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.case import EmptyRules, score_case, score_volumes
from tumorboard.metrics.lesions import LesionRules
from tumorboard.metrics.registry import METRICS, metric_id
from tumorboard.metrics.surface import DEFINITIONS, SURFACE_ELEMENTS, VOXEL_BORDERS

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "segmentation_cases.json").read_text(encoding="utf-8"))


def draw(boxes: list[list[int]]) -> np.ndarray:
    mask = np.zeros(GOLDEN["shape"], np.uint8)
    for i0, i1, j0, j1, k0, k1 in boxes:
        mask[i0:i1, j0:j1, k0:k1] = 1
    return mask


def scores(reference, prediction, *, spacing_mm=(1.0, 1.0, 1.0), labels=None, **options) -> dict[tuple[str, str], dict]:
    rows = score_case(reference, prediction, spacing_mm=spacing_mm, labels=labels or {1: "GTV"}, **options)
    assert len({(row["metric"], row["label"]) for row in rows}) == len(rows)
    return {(row["metric"], row["label"]): row for row in rows}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_golden_values_of_monai_surface_distance_and_simpleitk(name: str, order: str) -> None:
    case = GOLDEN["cases"][name]
    masks = [np.asarray(draw(case[side]), order=order) for side in ("reference", "prediction")]
    found = {}
    for definition in DEFINITIONS:
        found |= scores(*masks, spacing_mm=case["spacing_mm"], definition=definition)
    for metric, expected in case["figures"].items():
        value = found[metric.removesuffix(" by SimpleITK"), "GTV"]["value"]
        assert value == pytest.approx(expected, rel=2e-6, abs=1e-9), metric


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_golden_lesion_counts_by_hand(name: str) -> None:
    case = GOLDEN["cases"][name]
    for matching, expected in (("greedy", "lesions"), ("merged", "merged")):
        rules = LesionRules(matching=matching, strict=False)
        found = scores(draw(case["reference"]), draw(case["prediction"]), lesions=rules)
        counts = [found[f"lesion_{which}", "GTV"]["value"] for which in ("tp", "fp", "fn")]
        assert counts == case[expected]
        assert matching in found["lesion_f1", "GTV"]["definition"]


@pytest.mark.slow
def test_equals_monai_on_random_two_label_maps() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from monai import metrics
        from scipy.ndimage import gaussian_filter

        for seed in range(5):
            rng = np.random.default_rng(seed)
            spacing = rng.uniform(0.5, 3.5, 3).tolist()
            field = gaussian_filter(rng.normal(size=(40, 38, 36)), 3)
            other = field + 0.5 * gaussian_filter(rng.normal(size=field.shape), 3)
            reference, prediction = (
                np.digitize(f, np.quantile(f, [0.7, 0.9])).astype(np.uint8) for f in (field, other)
            )
            hot = [torch.from_numpy(np.stack([m == v for v in range(3)])[None]) for m in (prediction, reference)]
            expected = {
                "dice": metrics.compute_dice(*hot, include_background=False),
                "hd95_mm (voxel borders)": metrics.compute_hausdorff_distance(*hot, percentile=95, spacing=spacing),
                "hd100_mm (voxel borders)": metrics.compute_hausdorff_distance(*hot, spacing=spacing),
                "nsd_2mm (voxel borders)": metrics.compute_surface_dice(*hot, [2.0, 2.0], spacing=spacing),
                "assd_mm (voxel borders)": metrics.compute_average_surface_distance(
                    *hot, symmetric=True, spacing=spacing
                ),
            }
            found = scores(reference, prediction, spacing_mm=spacing, labels={1: "a", 2: "b"})
            for metric, values in expected.items():
                for place, label in enumerate("ab"):
                    # torch.quantile interpolates in float32: HD95 may differ in the fifth digit.
                    slack = 2e-4 if metric.startswith("hd95") else 1e-9
                    value = pytest.approx(float(values[0, place]), rel=1e-6, abs=slack)
                    assert found[metric, label]["value"] == value, metric


# ---- empties: every case has a stated result (docs/adr/0031) ---------------------------------------------------
NOTHING, SOMETHING = draw([]), draw([[2, 5, 2, 5, 2, 5]])
UNDEFINED = None
EMPTY_TABLE = {
    # metric: (reference empty, prediction empty, both empty)
    "dice": (0.0, 0.0, UNDEFINED),
    "nsd": (0.0, 0.0, UNDEFINED),
    "hd95_mm": (UNDEFINED, UNDEFINED, UNDEFINED),
    "hd100_mm": (UNDEFINED, UNDEFINED, UNDEFINED),
    "assd_mm": (UNDEFINED, UNDEFINED, UNDEFINED),
    "reference_ml": (0.0, 0.027, 0.0),
    "predicted_ml": (0.027, 0.0, 0.0),
    "overlap_ml": (0.0, 0.0, 0.0),
    "volume_error_ml": (0.027, -0.027, 0.0),
    "absolute_volume_error_ml": (0.027, 0.027, 0.0),
    "relative_volume_error": (UNDEFINED, -1.0, UNDEFINED),
    "lesion_f1": (0.0, 0.0, UNDEFINED),
    "lesion_precision": (0.0, UNDEFINED, UNDEFINED),
    "lesion_recall": (UNDEFINED, 0.0, UNDEFINED),
    "lesion_tp": (0.0, 0.0, 0.0),
    "lesion_fp": (1.0, 0.0, 0.0),
    "lesion_fn": (0.0, 1.0, 0.0),
    "fpv_ml": (0.027, 0.0, 0.0),
    "fnv_ml": (0.0, 0.027, 0.0),
}
EMPTY_CASES = {
    "reference empty": (NOTHING, SOMETHING, 0),
    "prediction empty": (SOMETHING, NOTHING, 1),
    "prediction missing": (SOMETHING, None, 1),
    "both empty": (NOTHING, NOTHING, 2),
}


@pytest.mark.parametrize("definition", DEFINITIONS)
@pytest.mark.parametrize("state", EMPTY_CASES)
def test_every_metric_states_its_result_for_every_empty_case(state: str, definition: str) -> None:
    reference, prediction, column = EMPTY_CASES[state]
    found = scores(reference, prediction, definition=definition)
    tolerance = {"nsd": 2.0}
    expected = {
        (metric_id(name, definition=definition, tolerance_mm=tolerance.get(name)), "GTV"): values[column]
        for name, values in EMPTY_TABLE.items()
    }
    assert {key: row["value"] for key, row in found.items()} == pytest.approx(expected)
    assert {row["state"] for row in found.values()} == {state}


def test_options_for_empty_cases() -> None:
    perfect = scores(NOTHING, NOTHING, empty=EmptyRules(both="perfect"))
    values = {metric: row["value"] for (metric, _), row in perfect.items()}
    assert values["dice"] == values["nsd_2mm (voxel borders)"] == values["lesion_f1"] == 1.0
    assert values["hd95_mm (voxel borders)"] == values["assd_mm (voxel borders)"] == 0.0
    far = scores(SOMETHING, NOTHING, spacing_mm=(1, 2, 3), empty=EmptyRules(distance="diagonal"))
    assert far["hd95_mm (voxel borders)", "GTV"]["value"] == pytest.approx(14 * np.sqrt(1 + 4 + 9))
    with pytest.raises(TumorboardError) as error:
        EmptyRules(both="good")
    assert error.value.code.id == "MET107"


def test_one_label_empty_leaves_the_other_alone() -> None:
    reference, prediction = SOMETHING.copy(), SOMETHING.copy()
    prediction[10, 10, 10] = 2
    found = scores(reference, prediction, labels={1: "GTVp", 2: "GTVn", 3: "organ"})
    assert found["dice", "GTVp"]["value"] == 1.0
    assert (found["dice", "GTVn"]["value"], found["dice", "GTVn"]["state"]) == (0.0, "reference empty")
    assert (found["dice", "organ"]["value"], found["dice", "organ"]["state"]) == (None, "both empty")


# ---- names, units, grids ------------------------------------------------------------------------------------
def test_every_row_names_a_registered_metric_its_unit_and_definition() -> None:
    for definition in DEFINITIONS:
        rows = score_case(SOMETHING, SOMETHING, spacing_mm=(1, 1, 1), labels={1: "a"}, definition=definition)
        for row in rows:
            metric = next(m for m in METRICS.values() if row["metric"].split(" ")[0].startswith(m.name))
            assert row["unit"] == metric.unit
            assert row["definition"]
            assert (definition in row["metric"]) == metric.surface


def test_the_two_definitions_cannot_be_confused() -> None:
    voxel = scores(SOMETHING, np.roll(SOMETHING, 1, 0), definition=VOXEL_BORDERS)
    element = scores(SOMETHING, np.roll(SOMETHING, 1, 0), definition=SURFACE_ELEMENTS)
    assert {m for m, _ in voxel} & {m for m, _ in element} == {m for m, _ in voxel if "(" not in m}


def test_surfaces_can_be_left_out() -> None:
    found = scores(SOMETHING, SOMETHING, surfaces=False)
    assert found["dice", "GTV"]["value"] == 1.0
    assert not any("(" in metric for metric, _ in found)


@pytest.mark.parametrize("change", ["shift", "flip", "spacing"])
def test_equal_size_on_another_grid_is_refused(change: str) -> None:
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    reference = Volume(SOMETHING, affine, Unit.LABEL)
    moved = affine.copy()
    if change == "shift":
        moved[0, 3] = 1.0
    elif change == "flip":
        moved[0, 0] = -1.0
    else:
        moved[2, 2] = 2.0
    prediction = Volume(SOMETHING, moved, Unit.LABEL)
    assert score_volumes(reference, reference, labels={1: "a"})[0]["value"] == 1.0
    with pytest.raises(TumorboardError) as error:
        score_volumes(reference, prediction, labels={1: "a"}, where="MDA-001")
    assert (error.value.code.id, error.value.where) == ("GEO102", "MDA-001")


def test_missing_prediction_of_a_volume() -> None:
    reference = Volume(SOMETHING, np.eye(4), Unit.LABEL)
    rows = score_volumes(reference, None, labels={1: "a"})
    assert {row["state"] for row in rows} == {"prediction missing"}


def test_axes_may_be_permuted_together() -> None:
    rng = np.random.default_rng(0)
    reference, prediction = (rng.random((2, 9, 10, 11)) < 0.3).astype(np.uint8)
    plain = scores(reference, prediction, spacing_mm=(1.0, 2.0, 3.0))
    turned = scores(
        reference.transpose(2, 0, 1), prediction.transpose(2, 0, 1), spacing_mm=(3.0, 1.0, 2.0), surfaces=True
    )
    for key, row in plain.items():
        assert turned[key]["value"] == pytest.approx(row["value"]), key
