"""Metabolic response by PERCIST 1.0: hottest peaks in, CMR, PMR, SMD or PMD out (Wahl et al., J Nucl Med 2009; 50 Suppl
1: 122S). The hottest lesion of each exam counts, which need not be the same one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Metabolic", "Reference", "UptakeExam", "lean_mass_kg", "metabolic_response"]


class Metabolic(StrEnum):
    CMR, PMR, SMD, PMD, NE = "CMR", "PMR", "SMD", "PMD", "NE"


@dataclass(frozen=True)
class Reference:
    """Mean and standard deviation of the liver (3 cm sphere), in the unit of the peaks."""

    mean: float
    sd: float

    @property
    def least_peak(self) -> float:
        """Peak from which a lesion can be followed: 1.5 times the mean and two standard deviations."""
        return 1.5 * self.mean + 2 * self.sd


@dataclass(frozen=True)
class UptakeExam:
    """One PET: peak of the hottest lesion (SUL, or SUV; None without a lesion), lesion glycolysis of all, liver, and
    whether a lesion is new."""

    peak: float | None
    tlg_ml: float | None = None
    liver: Reference | None = None
    new: bool = False


def metabolic_response(before: UptakeExam, after: UptakeExam) -> tuple[Metabolic, str]:
    """Response of an exam against the baseline, and what decided it.

    New lesion, or peak up by 30 % and 0.8 units, or glycolysis up by 75 % without a falling peak: PMD. No lesion, or
    none above the liver: CMR. Peak down by 30 % and 0.8 units: PMR. Else SMD. NE when the baseline has no lesion, or
    none that is hot enough beside its liver. Thresholds hold at equality.
    """
    if before.peak is None:
        return Metabolic.NE, "no lesion with uptake at baseline"
    if before.liver is not None and before.peak < before.liver.least_peak:
        return Metabolic.NE, f"baseline peak {before.peak:.2f} under {before.liver.least_peak:.2f} (1.5 x liver + 2 SD)"
    if after.new:
        return Metabolic.PMD, "new lesion"
    if after.peak is None:
        return Metabolic.CMR, "no lesion left"
    change = after.peak - before.peak
    words = f"peak {before.peak:.2f} to {after.peak:.2f} ({100 * change / before.peak:+.0f} %)"
    if _reaches(change, 0.3 * before.peak) and _reaches(change, 0.8):
        return Metabolic.PMD, words
    if before.tlg_ml and after.tlg_ml and change >= 0 and _reaches(after.tlg_ml, 1.75 * before.tlg_ml):
        return Metabolic.PMD, f"{words}, glycolysis {before.tlg_ml:.0f} to {after.tlg_ml:.0f} ml"
    if after.liver is not None and after.peak < after.liver.mean:
        return Metabolic.CMR, f"{words}, under the liver's {after.liver.mean:.2f}"
    if _reaches(-change, 0.3 * before.peak) and _reaches(-change, 0.8):
        return Metabolic.PMR, words
    return Metabolic.SMD, words


def lean_mass_kg(sex: str, weight_kg: float, height_m: float) -> float:
    """Lean body mass after Janmahasatian et al., Clin Pharmacokinet 2005; 44: 1051. SUL is SUV times this over the
    weight. ValueError for a sex other than male or female, or sizes not above zero."""
    if sex not in ("male", "female") or weight_kg <= 0 or height_m <= 0:
        raise ValueError("sex male or female, and a weight and height above zero")
    slope, base = (216.0, 6680.0) if sex == "male" else (244.0, 8780.0)
    return 9270.0 * weight_kg / (base + slope * weight_kg / height_m**2)


def _reaches(value: float, least: float) -> bool:
    return value >= least - 1e-9 * max(1.0, abs(least))
