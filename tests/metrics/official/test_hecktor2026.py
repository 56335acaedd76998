from __future__ import annotations

import numpy as np
import pytest

from tumorboard.metrics.concordance import EARLIER, LATER
from tumorboard.metrics.official import load_rules
from tumorboard.metrics.official.hecktor2026 import final_score
from tumorboard.metrics.official.rules import score_concordance, score_patients


def test_plain_dice_of_both_structures_by_hand() -> None:
    reference, prediction = np.zeros((2, 20, 3, 3), np.uint8)
    reference[0:10, 1, 1], prediction[5:15, 1, 1] = 1, 1  # GTVp 0.5
    prediction[17:19, 1, 1] = 2  # GTVn invented: 0
    rules = load_rules("hecktor2026")
    counts = {
        "A": rules.count(reference, prediction, spacing_mm=(1, 1, 1), where="A"),
        "B": rules.count(reference, reference, spacing_mm=(1, 1, 1), where="B"),  # 1, and no GTVn at all: 1
        "C": rules.count(reference, None, spacing_mm=(1, 1, 1), where="C"),  # 0, and 1
    }
    found = {row["label"]: row["value"] for row in score_patients(rules, counts, seed=0).scores}
    assert found == {
        "GTVp": pytest.approx(0.5),
        "GTVn": pytest.approx(2 / 3),
        "mean": pytest.approx((0.5 + 2 / 3) / 2),
    }
    skipping = load_rules("hecktor2026", both_empty="skip")
    counts = {"B": skipping.count(reference, reference, spacing_mm=(1, 1, 1), where="B")}
    rows = {row["label"]: row for row in score_patients(skipping, counts, seed=0).scores}
    assert (rows["GTVn"]["value"], rows["GTVn"]["n"]) == (None, 0)
    assert rows["GTVp"]["value"] == 1.0


def test_the_sign_conflict_is_an_option_and_is_printed() -> None:
    truth = {"A": (True, 100.0), "B": (False, 200.0)}
    answers = [("A", 100.0), ("B", 200.0)]
    for meaning, value in ((EARLIER, 0.0), (LATER, 1.0)):
        found = score_concordance(load_rules("hecktor2026-rfs", higher_means=meaning), truth, answers, seed=0)
        assert found.rules["higher_means"] == meaning
        assert found.scores[0]["value"] == value


def test_staging_by_hand() -> None:
    truth = {"A": ("T1", "N0"), "B": ("T1", "N1"), "C": ("T2", "N1"), "D": ("T0", "N1"), "E": (None, "N0")}
    guesses = {"A": ("T1", "N0"), "B": ("T2", "N1"), "C": ("T2", None), "D": ("T1", "N1"), "E": ("T1", "N0")}
    result = load_rules("hecktor2026-tn").score(truth, guesses, seed=0)
    found = {row["label"]: row for row in result.scores}
    assert found["T"]["value"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["N"]["value"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["mean"]["value"] == pytest.approx((0.75 + 5 / 6) / 2)
    assert (found["T"]["n"], found["N"]["n"]) == (3, 5)
    assert result.skipped == ("D (T)", "E (T)")


def test_weights() -> None:
    assert final_score(segmentation=0.7, staging=0.6, prognosis=0.65) == pytest.approx(0.175 + 0.21 + 0.26)
    assert final_score(segmentation=1, staging=1, prognosis=1) == pytest.approx(1.0)
    assert final_score(segmentation=0.7, staging=None, prognosis=0.65) is None
