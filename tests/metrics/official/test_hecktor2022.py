"""HECKTOR 2022 against SimpleITK's figures and a plain reading of the evaluator's rules."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.metrics.concordance import LATER
from tumorboard.metrics.official import load_rules
from tumorboard.metrics.official.hecktor2022 import place_on_reference
from tumorboard.metrics.official.rules import score_concordance, score_patients

SPACINGS = [(1.0, 1.0, 3.0), (0.98, 0.98, 3.27), (2.0, 2.0, 2.0)]


def patients(n: int = 6) -> dict[str, tuple[np.ndarray, np.ndarray, tuple[float, float, float]]]:
    """Random two-label maps; the last two lack GTVn, or GTVp, on both sides."""
    from scipy.ndimage import gaussian_filter

    made = {}
    for number in range(n):
        rng = np.random.default_rng(number)
        field = gaussian_filter(rng.normal(size=(14, 13, 12)), 2)
        other = field + 0.3 * gaussian_filter(rng.normal(size=field.shape), 2)
        maps = [np.digitize(f, np.quantile(f, [0.8, 0.93])).astype(np.uint8) for f in (field, other)]
        for mask in maps:
            if number == n - 2:
                mask[mask == 2] = 0
            if number == n - 1:
                mask[mask == 1] = 0
        made[f"MDA-{number:03d}"] = (maps[0], maps[1], SPACINGS[number % 3])
    return made


def counted(rules, cohort) -> dict:
    return {p: rules.count(r, q, spacing_mm=s, where=p) for p, (r, q, s) in cohort.items()}


def test_aggregated_dice_equals_the_reconstruction_from_simpleitk() -> None:
    import SimpleITK as sitk

    cohort = patients()
    rules = load_rules("hecktor2022")
    found = {row["label"]: row for row in score_patients(rules, counted(rules, cohort), seed=0).scores}
    expected = []
    for value in (1, 2):
        tp_mm3, sum_mm3 = 0.0, 0.0
        for reference, prediction, spacing in cohort.values():
            overlap = sitk.LabelOverlapMeasuresImageFilter()
            sitk.ProcessObject.SetGlobalWarningDisplay(False)
            overlap.Execute(sitk.GetImageFromArray(reference), sitk.GetImageFromArray(prediction))
            volumes = ((reference == value).sum() + (prediction == value).sum()) * np.prod(spacing)
            tp_mm3 += overlap.GetDiceCoefficient(value) * volumes / 2
            sum_mm3 += volumes
        expected.append(2 * tp_mm3 / sum_mm3)
    assert found["GTVp"]["value"] == pytest.approx(expected[0], rel=1e-12)
    assert found["GTVn"]["value"] == pytest.approx(expected[1], rel=1e-12)
    assert found["mean"]["value"] == pytest.approx(np.mean(expected), rel=1e-12)
    assert found["GTVn"]["low"] < found["GTVn"]["value"] < found["GTVn"]["high"]
    assert (found["GTVp"]["n"], found["GTVn"]["n"], found["mean"]["n"]) == (5, 5, 6)


def test_a_missing_patient_is_skipped_as_published_and_said_so() -> None:
    cohort = patients()
    rules = load_rules("hecktor2022")
    counts = counted(rules, cohort)
    whole = score_patients(rules, counts, seed=0)
    without = score_patients(rules, counts | {"MDA-000": None}, seed=0)
    assert without.skipped == ("MDA-000",)
    assert without.rules["missing"] == "skip"
    assert without.scores[0]["value"] != whole.scores[0]["value"]
    as_empty = load_rules("hecktor2022", missing="empty")
    reference, _, spacing = cohort["MDA-000"]
    counts["MDA-000"] = as_empty.count(reference, None, spacing_mm=spacing, where="MDA-000")
    assert counts["MDA-000"]["tp2_gtvp_mm3"] == 0.0
    assert score_patients(as_empty, counts, seed=0).scores[0]["value"] < without.scores[0]["value"]
    with pytest.raises(TumorboardError) as error:
        score_patients(load_rules("hecktor2022", missing="refuse"), {"MDA-000": None}, seed=0)
    assert error.value.code.id == "MET103"


def test_several_exams_of_one_patient_are_resampled_together() -> None:
    cohort = patients()
    rules = load_rules("hecktor2022")
    counts = counted(rules, cohort)
    apart = score_patients(rules, counts, seed=0)
    together = score_patients(rules, counts, seed=0, patient_of=dict.fromkeys(counts, "one patient"))
    assert [row["value"] for row in together.scores] == pytest.approx([row["value"] for row in apart.scores])
    assert [row["n"] for row in together.scores] == [row["n"] for row in apart.scores]
    assert {row["low"] for row in together.scores} == {None}  # one patient gives no interval
    nobody = score_patients(rules, {"A": None}, seed=0)
    assert {row["value"] for row in nobody.scores} == {None}


def test_wrong_labels_and_the_published_cast() -> None:
    rules = load_rules("hecktor2022")
    reference, prediction, spacing = patients()["MDA-000"]
    prediction = prediction.copy()
    prediction[0, 0, 0] = 3
    with pytest.raises(TumorboardError) as error:
        rules.count(reference, prediction, spacing_mm=spacing, where="MDA-000")
    assert error.value.code.id == "MET101"
    almost = reference * 0.9999  # the cast to 8 bits loses GTVp and turns GTVn into GTVp
    counts = rules.count(reference, almost, spacing_mm=spacing, where="MDA-000")
    assert counts["tp2_gtvp_mm3"] == counts["tp2_gtvn_mm3"] == 0.0
    with pytest.raises(TumorboardError) as error:
        load_rules("hecktor2022", truncate=False).count(reference, almost, spacing_mm=spacing, where="MDA-000")
    assert error.value.code.id == "MET102"


@pytest.mark.parametrize(
    ("shape", "origin", "direction"),
    [
        ((9, 8, 7), (0.0, 0.0, 0.0), np.eye(3)),  # a crop, to be padded
        ((14, 12, 11), (-2.0, 3.0, 4.0), np.eye(3)),  # moved by whole and part voxels, partly outside
        ((12, 11, 10), (0.4, -0.3, 1.2), np.eye(3)),
        ((12, 11, 10), (11.0, 10.0, 0.0), np.diag([-1.0, -1.0, 1.0])),  # flipped
        ((12, 11, 10), (3.0, 1.0, 0.5), None),  # turned by 20 degrees
    ],
)
def test_placing_on_the_reference_equals_simpleitk(shape, origin, direction) -> None:
    import SimpleITK as sitk

    spacing = (1.0, 1.1, 3.0)
    if direction is None:
        c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
        direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    reference = Geometry.from_lps((12, 11, 10), spacing_mm=spacing, origin_mm=(0, 0, 0))
    grid = Geometry.from_lps(shape, spacing_mm=spacing, origin_mm=origin, direction=direction)
    array = np.random.default_rng(0).integers(0, 3, shape).astype(np.uint8)
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(np.asarray(direction).ravel().tolist())
    resample = sitk.ResampleImageFilter()
    resample.SetSize((12, 11, 10))
    resample.SetOutputSpacing(spacing)
    resample.SetInterpolator(sitk.sitkNearestNeighbor)
    expected = sitk.GetArrayFromImage(resample.Execute(image)).transpose(2, 1, 0)
    ours = place_on_reference(Volume(array, grid.affine, Unit.LABEL), reference)
    np.testing.assert_array_equal(ours, expected)
    assert ours.any()


def test_another_spacing_is_refused() -> None:
    reference = Geometry.from_lps((5, 5, 5), spacing_mm=(1, 1, 3), origin_mm=(0, 0, 0))
    other = Geometry.from_lps((5, 5, 5), spacing_mm=(1, 1, 3.001), origin_mm=(0, 0, 0))
    with pytest.raises(TumorboardError) as error:
        place_on_reference(Volume(np.zeros((5, 5, 5), np.uint8), other.affine, Unit.LABEL), reference)
    assert error.value.code.id == "GEO102"
    near = Geometry.from_lps((5, 5, 5), spacing_mm=(1, 1, 3.000001), origin_mm=(0, 0, 0))
    place_on_reference(Volume(np.zeros((5, 5, 5), np.uint8), near.affine, Unit.LABEL), reference)


# ---- task 2 -------------------------------------------------------------------------------------------------
def plain_reading(event, time, predicted_time) -> float:
    """All pairs, as the evaluator's rules say: NaN is a tie; equal times count if exactly one has the event."""
    right, pairs = 0.0, 0
    for a in range(len(time)):
        for b in range(len(time)):
            first = event[a] and (time[a] < time[b] or (time[a] == time[b] and not event[b]))
            if not first:
                continue
            pairs += 1
            x, y = predicted_time[a], predicted_time[b]
            right += 0.5 if np.isnan(x) or np.isnan(y) or x == y else float(x < y)
    return right / pairs


def survival_table(seed: int = 0, n: int = 40):
    rng = np.random.default_rng(seed)
    time = rng.integers(30, 60, n).astype(float)
    event = rng.random(n) < 0.5
    score = np.round(rng.normal(size=n), 1)
    score[rng.random(n) < 0.15] = np.nan
    truth = {f"P{i:02d}": (bool(event[i]), float(time[i])) for i in range(n)}
    return truth, event, time, score


@pytest.mark.parametrize("seed", range(4))
def test_missing_predictions_are_ties(seed: int) -> None:
    truth, event, time, score = survival_table(seed)
    given = [(p, float(s)) for p, s in zip(truth, score, strict=True) if not np.isnan(s)]
    days = score_concordance(load_rules("hecktor2022-rfs", higher_means=LATER), truth, given, seed=0, resamples=50)
    assert days.scores[0]["value"] == pytest.approx(plain_reading(event, time, score), abs=1e-12)
    risk = score_concordance(load_rules("hecktor2022-rfs"), truth, given, seed=0, resamples=50)
    assert risk.scores[0]["value"] == pytest.approx(plain_reading(event, time, -score), abs=1e-12)
    assert risk.rules["without_prediction"] == int(np.isnan(score).sum())


def test_extra_patients_are_dropped_and_doubled_ones_refused() -> None:
    truth, *_ = survival_table()
    rules = load_rules("hecktor2022-rfs")
    given = [(p, float(i)) for i, p in enumerate(truth)]
    plain = score_concordance(rules, truth, given, seed=0, resamples=20)
    extra = score_concordance(rules, truth, [*given, ("STRANGER", 5.0)], seed=0, resamples=20)
    assert extra.scores == plain.scores
    assert extra.rules["dropped"] == ["STRANGER"]
    with pytest.raises(TumorboardError) as error:
        score_concordance(rules, truth, [*given, given[0]], seed=0)
    assert error.value.code.id == "MET108"


def test_no_admissible_pair_is_undefined() -> None:
    found = score_concordance(load_rules("hecktor2022-rfs"), {"A": (False, 1.0), "B": (False, 2.0)}, [], seed=0)
    assert found.scores[0]["value"] is None
