"""HECKTOR 2026: one score of three parts, 0.25 segmentation + 0.35 staging + 0.40 prognosis.

Segmentation: Dice of each patient, mean over patients, mean of GTVp and GTVn. Staging: mean of the balanced
accuracies of T (T1 to T4) and N (N0 to N3). Prognosis: concordance index of the RFS output, whose sign the
organisers state in two ways: the README asks for days, the template for a risk. It is an option here.
Source: evaluation page and container template of 2026; other options as in 2025.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from numpy.typing import NDArray

from tumorboard.metrics.concordance import EARLIER, LATER
from tumorboard.metrics.intervals import Interval
from tumorboard.metrics.labelmaps import compare
from tumorboard.metrics.official.hecktor2022 import GTVN, GTVP
from tumorboard.metrics.official.hecktor2025 import class_scores, patient_dice
from tumorboard.metrics.official.rules import MISSING, OfficialScore, Ratio, describe, one_of, score_row

__all__ = ["PrognosisRules2026", "SegmentationRules2026", "StagingRules2026", "final_score"]

_LABELS = {GTVP: "GTVp", GTVN: "GTVn"}
_TERMS = (("gtvp_dice", "gtvp_patients"), ("gtvn_dice", "gtvn_patients"))
WEIGHTS = {"segmentation": 0.25, "staging": 0.35, "prognosis": 0.40}


@dataclass(frozen=True)
class SegmentationRules2026:
    """Options as in `SegmentationRules2025`, here for both structures."""

    both_empty: str = "one"
    empty_reference: str = "zero"
    missing: str = "empty"

    name: ClassVar[str] = "hecktor2026"
    labels: ClassVar[Mapping[int, str]] = _LABELS
    figures: ClassVar[tuple[Ratio, ...]] = (
        Ratio("dice", "GTVp", _TERMS[:1]),
        Ratio("dice", "GTVn", _TERMS[1:]),
        Ratio("dice", "mean", _TERMS),
    )

    def __post_init__(self) -> None:
        one_of("both_empty", self.both_empty, ("one", "zero", "skip"))
        one_of("empty_reference", self.empty_reference, ("zero", "skip"))
        one_of("missing", self.missing, MISSING)

    def count(
        self, reference: NDArray[Any], prediction: NDArray[Any] | None, *, spacing_mm: Sequence[float], where: str
    ) -> dict[str, float]:
        """Dice of GTVp and GTVn, and whether they count. MET101, MET102, MET104, GEO102."""
        pair = compare(reference, prediction, spacing_mm=spacing_mm, labels=_LABELS, where=where)
        counts: dict[str, float] = {}
        for value, label in _LABELS.items():
            dice, patients = patient_dice(pair, value, both_empty=self.both_empty, empty_reference=self.empty_reference)
            counts |= {f"{label.lower()}_dice": dice, f"{label.lower()}_patients": patients}
        return counts


@dataclass(frozen=True)
class PrognosisRules2026:
    """`higher_means` ``earlier event`` (template, and the rule of 2025) or ``later event`` (README: days)."""

    higher_means: str = EARLIER
    missing: str = "refuse"

    name: ClassVar[str] = "hecktor2026-rfs"

    def __post_init__(self) -> None:
        one_of("higher_means", self.higher_means, (EARLIER, LATER))
        one_of("missing", self.missing, ("tie", "omit", "refuse"))


@dataclass(frozen=True)
class StagingRules2026:
    """T and N stages as words (``T2``, ``N1``). A missing prediction is an error; patients whose true stage
    is outside the task (T0, TX) are left out and listed."""

    name: ClassVar[str] = "hecktor2026-tn"
    t_stages: ClassVar[tuple[str, ...]] = ("T1", "T2", "T3", "T4")
    n_stages: ClassVar[tuple[str, ...]] = ("N0", "N1", "N2", "N3")

    def score(
        self,
        truth: Mapping[str, tuple[str | None, str | None]],
        predictions: Mapping[str, tuple[str | None, str | None]],
        *,
        seed: int,
    ) -> OfficialScore:
        """Balanced accuracy of T, of N, and their mean, over (T, N) by patient."""
        scores: list[dict[str, Any]] = []
        skipped: list[str] = []
        for part, (label, stages) in enumerate((("T", self.t_stages), ("N", self.n_stages))):
            scored = [patient for patient, stage in truth.items() if stage[part] in stages]
            skipped += [f"{patient} ({label})" for patient in truth if patient not in scored]
            guesses = [predictions.get(patient, (None, None))[part] for patient in scored]
            scores += class_scores([truth[p][part] for p in scored], guesses, label, seed=seed)
        values = [row["value"] for row in scores]
        mean = None if None in values else sum(values) / 2
        scores.append(score_row("balanced_accuracy", "mean", Interval(mean, None, None), len(truth)))
        return OfficialScore(describe(self), scores, skipped=tuple(skipped))


def final_score(*, segmentation: float | None, staging: float | None, prognosis: float | None) -> float | None:
    """0.25, 0.35 and 0.40 of the three parts; None when a part is undefined."""
    parts = {"segmentation": segmentation, "staging": staging, "prognosis": prognosis}
    defined = {name: value for name, value in parts.items() if value is not None}
    if len(defined) < len(parts):
        return None
    return sum(WEIGHTS[name] * value for name, value in defined.items())
