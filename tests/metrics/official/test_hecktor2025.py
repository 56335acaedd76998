"""HECKTOR 2025 by hand: every option that the organisers left open changes a figure, and is printed."""

from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics.concordance import LATER
from tumorboard.metrics.lesions import LesionRules
from tumorboard.metrics.official import load_rules
from tumorboard.metrics.official.hecktor2025 import borda, rank_task1
from tumorboard.metrics.official.rules import score_concordance, score_patients


def bars(gtvp: tuple[int, int] | None, *gtvn: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((40, 5, 5), np.uint8)
    if gtvp:
        mask[gtvp[0] : gtvp[1], 1, 1] = 1
    for start, stop in gtvn:
        mask[start:stop, 3, 3] = 2
    return mask


# patient: (reference, prediction). GTVp Dice / GTVn voxels / lesion counts are in the comments.
COHORT = {
    "A": (bars((0, 10), (0, 10), (20, 30)), bars((0, 10), (0, 10))),  # 1 / 10 of 20+10 / 1 TP 1 FN
    "B": (bars((0, 10)), bars((5, 15), (0, 4))),  # 0.5 / 0 of 0+4 / 1 FP
    "C": (bars(None, (0, 10)), bars((0, 4), (0, 3))),  # no GTVp, predicted / 3 of 10+3 / IoU 0.3
    "D": (bars(None), bars(None)),  # nothing on either side
}


def score(cohort=None, **options) -> dict[tuple[str, str], dict]:
    rules = load_rules("hecktor2025", **options)
    cohort = COHORT if cohort is None else cohort
    counts = {p: rules.count(r, q, spacing_mm=(1, 1, 3), where=p) for p, (r, q) in cohort.items()}
    result = score_patients(rules, counts, seed=0)
    assert result.rules["name"] == "hecktor2025"
    return {(row["metric"], row["label"]): row for row in result.scores}


def test_by_hand_with_the_default_options() -> None:
    found = score()
    assert found["dice", "GTVp"]["value"] == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert found["aggregated_dice", "GTVn"]["value"] == pytest.approx(2 * (10 + 3) / (30 + 4 + 13))
    # A: TP 1, FN 1; B: FP 1; C: IoU 0.3 is not above 0.3: FP 1, FN 1
    assert found["aggregated_lesion_f1", "GTVn"]["value"] == pytest.approx(2 / (2 + 2 + 2))
    assert [found[key]["n"] for key in found] == [4, 3, 3]


def test_aggregated_differs_from_mean() -> None:
    """Traps 4 and 5: pooled F1 and DSC are not the means of the patients' figures."""
    found = score()
    per_case_f1 = [2 / 3, 0.0, 0.0]
    per_case_dice = [20 / 30, 0.0, 6 / 13]
    assert found["aggregated_lesion_f1", "GTVn"]["value"] != pytest.approx(np.mean(per_case_f1))
    assert found["aggregated_dice", "GTVn"]["value"] != pytest.approx(np.mean(per_case_dice))


@pytest.mark.parametrize(
    ("options", "metric", "expected"),
    [
        ({"both_empty": "zero"}, "dice", (1 + 0.5 + 0 + 0) / 4),  # SimpleITK punishes a correct empty answer
        ({"both_empty": "skip"}, "dice", (1 + 0.5 + 0) / 3),
        ({"empty_reference": "skip"}, "dice", (1 + 0.5 + 1) / 3),  # MONAI drops the false positive
        ({"lesions": LesionRules(strict=False)}, "aggregated_lesion_f1", 4 / (4 + 1 + 1)),
        ({"lesions": LesionRules(minimum_voxels=5)}, "aggregated_lesion_f1", 2 / (2 + 0 + 2)),
    ],
)
def test_open_options_change_the_figure(options: dict, metric: str, expected: float) -> None:
    found = {metric: row for (metric, _), row in score(**options).items()}
    assert found[metric]["value"] == pytest.approx(expected)


def test_missing_prediction_is_an_empty_one_by_default_and_never_silent() -> None:
    missing = COHORT | {"E": (bars((0, 10), (0, 10)), None)}
    found = score(missing)
    assert found["dice", "GTVp"]["value"] == pytest.approx((1 + 0.5 + 0 + 1 + 0) / 5)
    assert found["aggregated_dice", "GTVn"]["value"] == pytest.approx(2 * 13 / (47 + 10))
    rules = load_rules("hecktor2025")
    with pytest.raises(TumorboardError) as error:
        score_patients(rules, {"E": None}, seed=0)
    assert error.value.code.id == "MET103"


def test_sums_in_mm3_weigh_patients_by_their_voxel_size() -> None:
    fine, coarse = (bars(None, (0, 10)), bars(None, (0, 10))), (bars(None, (0, 10)), bars(None))
    for sums, expected in (("voxels", 20 / 30), ("mm3", 20 / (20 + 80))):
        rules = load_rules("hecktor2025", sums=sums)
        counts = {
            "fine": rules.count(*fine, spacing_mm=(1, 1, 1), where="fine"),
            "coarse": rules.count(*coarse, spacing_mm=(2, 2, 2), where="coarse"),
        }
        found = score_patients(rules, counts, seed=0).scores[1]
        assert found["value"] == pytest.approx(expected)


def test_the_chosen_options_are_printed_with_the_score() -> None:
    rules = load_rules("hecktor2025", both_empty="skip", lesions=LesionRules(connectivity=6, matching="merged"))
    counts = {p: rules.count(r, q, spacing_mm=(1, 1, 3), where=p) for p, (r, q) in COHORT.items()}
    stated = score_patients(rules, counts, seed=0).rules
    assert stated["both_empty"] == "skip"
    assert stated["lesions"] == {
        "connectivity": 6,
        "matching": "merged",
        "iou": 0.3,
        "strict": True,
        "minimum_voxels": 1,
        "minimum_side": "both",
    }


@pytest.mark.parametrize("options", [{"both_empty": "1"}, {"missing": "zero"}, {"sums": "ml"}])
def test_unknown_options_are_refused(options: dict) -> None:
    with pytest.raises(TumorboardError) as error:
        load_rules("hecktor2025", **options)
    assert error.value.code.id == "MET107"


def test_borda_by_hand() -> None:
    assert borda({"a": 0.7, "b": 0.8, "c": 0.7}) == {"b": 1.0, "a": 2.5, "c": 2.5}
    assert borda({"a": 3.0, "b": None, "c": 1.0}, higher_is_better=False) == {"c": 1.0, "a": 2.0, "b": 3.0}


def test_final_rank_of_task_1_by_hand() -> None:
    """GTVp ranks x 1, y 2, z 3. GTVn: DSC y 1, x 2, z 3; F1 z 1, y 2, x 3: sums y 3, x 5, z 4: y 1, z 2, x 3.
    Final sums: x 4, y 3, z 5."""
    teams = {"x": (0.76, 0.78, 0.58), "y": (0.75, 0.79, 0.60), "z": (0.74, 0.77, 0.66)}
    assert rank_task1(teams) == {"y": 1.0, "x": 2.0, "z": 3.0}


def test_task_2_wants_a_risk() -> None:
    truth = {"A": (True, 100.0), "B": (True, 200.0), "C": (False, 300.0)}
    risk = [("A", 3.0), ("B", 2.0), ("C", 1.0)]
    assert score_concordance(load_rules("hecktor2025-rfs"), truth, risk, seed=0).scores[0]["value"] == 1.0
    days = load_rules("hecktor2025-rfs", higher_means=LATER)
    assert score_concordance(days, truth, risk, seed=0).scores[0]["value"] == 0.0
    with pytest.raises(TumorboardError) as error:
        score_concordance(load_rules("hecktor2025-rfs"), truth, risk[:2], seed=0)
    assert error.value.code.id == "MET105"


def test_task_3_by_hand() -> None:
    truth = {"A": True, "B": True, "C": True, "D": False, "E": False}
    guesses = {"A": True, "B": True, "C": False, "D": False, "E": None}
    rules = load_rules("hecktor2025-hpv")
    found = {row["metric"]: row["value"] for row in rules.score(truth, guesses, seed=0).scores}
    assert found == {
        "balanced_accuracy": pytest.approx((2 / 3 + 1 / 2) / 2),
        "sensitivity": pytest.approx(2 / 3),
        "specificity": 0.5,
    }
    skipping = load_rules("hecktor2025-hpv", missing="skip").score(truth, guesses, seed=0)
    assert skipping.skipped == ("E",)
    assert skipping.scores[0]["value"] == pytest.approx((2 / 3 + 1) / 2)
