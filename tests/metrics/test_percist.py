"""PERCIST 1.0: thresholds at equality, both conditions, the order of the rules; lean body mass by hand."""

from __future__ import annotations

import pytest

from tumorboard.metrics.percist import Metabolic, Reference, UptakeExam, lean_mass_kg, metabolic_response

CMR, PMR, SMD, PMD, NE = Metabolic.CMR, Metabolic.PMR, Metabolic.SMD, Metabolic.PMD, Metabolic.NE


@pytest.mark.parametrize(
    "before,after,expected",
    [
        (10.0, 7.0, PMR),
        (10.0, 7.1, SMD),
        (2.0, 1.3, SMD),  # 35 % but 0.7 units
        (2.5, 1.7, PMR),  # 32 % and exactly 0.8
        (10.0, 13.0, PMD),
        (10.0, 12.9, SMD),
        (2.0, 2.7, SMD),
        (10.0, None, CMR),
        (None, 5.0, NE),
    ],
)
def test_peaks(before, after, expected) -> None:
    assert metabolic_response(UptakeExam(before), UptakeExam(after))[0] is expected


def test_liver_glycolysis_and_new_lesions() -> None:
    liver = Reference(2.0, 0.2)
    assert liver.least_peak == pytest.approx(3.4)
    assert metabolic_response(UptakeExam(3.3, liver=liver), UptakeExam(1.0))[0] is NE
    assert metabolic_response(UptakeExam(8.0, liver=liver), UptakeExam(1.9, liver=liver))[0] is CMR
    assert metabolic_response(UptakeExam(8.0, liver=liver), UptakeExam(2.1, liver=liver))[0] is PMR
    assert metabolic_response(UptakeExam(8.0, 100), UptakeExam(8.0, 175))[0] is PMD
    assert metabolic_response(UptakeExam(8.0, 100), UptakeExam(7.9, 175))[0] is SMD  # the peak fell
    assert metabolic_response(UptakeExam(8.0, 100), UptakeExam(8.5, 174))[0] is SMD
    assert metabolic_response(UptakeExam(8.0), UptakeExam(2.0, new=True))[0] is PMD


def test_lean_body_mass() -> None:
    """80 kg and 1.8 m: BMI 24.691; men 9270 x 80 / (6680 + 216 x 24.691) = 61.72 kg, women 50.10 kg."""
    assert lean_mass_kg("male", 80, 1.8) == pytest.approx(61.73, abs=0.02)
    assert lean_mass_kg("female", 80, 1.8) == pytest.approx(50.11, abs=0.03)
    for wrong in (("", 80, 1.8), ("male", 0, 1.8), ("male", 80, 0)):
        with pytest.raises(ValueError, match="above zero"):
            lean_mass_kg(*wrong)
