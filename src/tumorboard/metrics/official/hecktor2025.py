"""HECKTOR 2025: the rules of the evaluation page. The organisers' code was never published.

Task 1: GTVp by the mean Dice over patients; GTVn by the aggregated Dice and the aggregated F1 (components of
GTVn, hit when IoU is above 30 %, counts pooled over the test set); teams are ranked by Borda counts, first
within GTVn, then of GTVp and GTVn. Masks are on the CT grid and are not resampled. Task 2: concordance index
of a risk. Task 3: balanced accuracy of the HPV status.

Left open by the page, therefore options: connectivity, one-to-one or merged matching, > or >= 30 %, smallest
component, Dice of a patient without GTVp, patients without a prediction, sums in voxels or mm3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.classification import recall_by_class
from tumorboard.metrics.concordance import EARLIER, LATER
from tumorboard.metrics.intervals import bootstrap_ratio
from tumorboard.metrics.labelmaps import LabelPair, compare
from tumorboard.metrics.lesions import LesionRules, find_lesions, match_lesions
from tumorboard.metrics.official.hecktor2022 import GTVN, GTVP
from tumorboard.metrics.official.rules import MISSING, OfficialScore, Ratio, describe, one_of, score_row
from tumorboard.metrics.overlap import dice_of_counts

__all__ = ["ClassificationRules2025", "PrognosisRules2025", "SegmentationRules2025", "borda", "rank_task1"]

_LABELS = {GTVP: "GTVp", GTVN: "GTVn"}


def patient_dice(pair: LabelPair, value: int, *, both_empty: str, empty_reference: str) -> tuple[float, float]:
    """(Dice, 1) of one patient, or (0, 0) when the rules leave the patient out of the mean."""
    in_reference, in_prediction, both = pair.voxels(value)
    dice = dice_of_counts(in_reference, in_prediction, both)
    if in_reference or (in_prediction and empty_reference == "zero"):
        return float(dice or 0.0), 1.0
    if in_prediction or both_empty == "skip":
        return 0.0, 0.0
    return (1.0 if both_empty == "one" else 0.0), 1.0


@dataclass(frozen=True)
class SegmentationRules2025:
    """Options the organisers left open.

    `both_empty`: Dice of GTVp where neither side has one: ``one`` (the baseline's code), ``zero`` (SimpleITK)
    or ``skip``. `empty_reference`: with a predicted GTVp where the reference has none: ``zero`` or ``skip``
    (MONAI's default). `missing`: a patient without prediction is ``empty``, left out (``skip``) or ``refuse``d.
    `sums`: aggregated Dice in ``voxels`` or ``mm3``. `lesions`: see `LesionRules`.
    """

    both_empty: str = "one"
    empty_reference: str = "zero"
    missing: str = "empty"
    sums: str = "voxels"
    lesions: LesionRules = field(default_factory=LesionRules)

    name: ClassVar[str] = "hecktor2025"
    labels: ClassVar[Mapping[int, str]] = _LABELS
    figures: ClassVar[tuple[Ratio, ...]] = (
        Ratio("dice", "GTVp", (("gtvp_dice", "gtvp_patients"),)),
        Ratio("aggregated_dice", "GTVn", (("gtvn_tp2", "gtvn_sum"),)),
        Ratio("aggregated_lesion_f1", "GTVn", (("lesions_tp2", "lesions_sum"),)),
    )

    def __post_init__(self) -> None:
        one_of("both_empty", self.both_empty, ("one", "zero", "skip"))
        one_of("empty_reference", self.empty_reference, ("zero", "skip"))
        one_of("missing", self.missing, MISSING)
        one_of("sums", self.sums, ("voxels", "mm3"))

    def count(
        self, reference: NDArray[Any], prediction: NDArray[Any] | None, *, spacing_mm: Sequence[float], where: str
    ) -> dict[str, float]:
        """Dice of GTVp, sums of GTVn, lesion counts. MET101, MET102, MET104, GEO102."""
        pair = compare(reference, prediction, spacing_mm=spacing_mm, labels=_LABELS, where=where)
        dice, patients = patient_dice(pair, GTVP, both_empty=self.both_empty, empty_reference=self.empty_reference)
        in_reference, in_prediction, both = pair.voxels(GTVN)
        unit = 1.0 if self.sums == "voxels" else float(np.prod(pair.spacing_mm))
        found = find_lesions(pair, [GTVN], connectivity=self.lesions.connectivity)[GTVN]
        lesions = match_lesions(found, self.lesions)
        return {
            "gtvp_dice": dice,
            "gtvp_patients": patients,
            "gtvn_tp2": 2 * both * unit,
            "gtvn_sum": (in_reference + in_prediction) * unit,
            "lesions_tp2": 2.0 * lesions.tp,
            "lesions_sum": 2.0 * lesions.tp + lesions.fp + lesions.fn,
        }


@dataclass(frozen=True)
class PrognosisRules2025:
    """A risk, anti-concordant with the days of relapse-free survival; other options left open."""

    higher_means: str = EARLIER
    missing: str = "refuse"

    name: ClassVar[str] = "hecktor2025-rfs"

    def __post_init__(self) -> None:
        one_of("higher_means", self.higher_means, (EARLIER, LATER))
        one_of("missing", self.missing, ("tie", "omit", "refuse"))


@dataclass(frozen=True)
class ClassificationRules2025:
    """HPV status. `missing`: a patient without prediction counts as an ``error`` or is left out (``skip``)."""

    missing: str = "error"

    name: ClassVar[str] = "hecktor2025-hpv"

    def __post_init__(self) -> None:
        one_of("missing", self.missing, ("error", "skip"))

    def score(self, truth: Mapping[str, bool], predictions: Mapping[str, bool | None], *, seed: int) -> OfficialScore:
        """Balanced accuracy, sensitivity and specificity over the patients of `truth`."""
        skipped = tuple(p for p in truth if predictions.get(p) is None) if self.missing == "skip" else ()
        scored = [p for p in truth if p not in skipped]
        scores = class_scores([truth[p] for p in scored], [predictions.get(p) for p in scored], "HPV", seed=seed)
        for metric, positive in (("sensitivity", True), ("specificity", False)):
            hits = [float(truth[p] == positive and predictions.get(p) == positive) for p in scored]
            total = [float(truth[p] == positive) for p in scored]
            interval = bootstrap_ratio(np.array(hits), np.array(total), seed=seed)
            scores.append(score_row(metric, "HPV", interval, int(sum(total))))
        return OfficialScore(describe(self), scores, skipped=skipped)


def class_scores(truth: Sequence[Any], predicted: Sequence[Any], label: str, *, seed: int) -> list[dict[str, Any]]:
    """Balanced accuracy with its interval (resamples that lack a class count as undefined)."""
    classes = list(recall_by_class(truth, predicted))
    shape = (len(truth), len(classes))
    total = np.array([[float(t == c) for c in classes] for t in truth]).reshape(shape)
    hits = np.array([[float(t == c and p == c) for c in classes] for t, p in zip(truth, predicted, strict=True)])
    interval = bootstrap_ratio(hits.reshape(shape), total, seed=seed)
    return [score_row("balanced_accuracy", label, interval, len(truth))]


def borda(values: Mapping[str, float | None], *, higher_is_better: bool = True) -> dict[str, float]:
    """Rank of each team, 1 = best; ties share the mean of their ranks; undefined values come last."""
    sign = -1.0 if higher_is_better else 1.0
    keys = {team: float("inf") if v is None or np.isnan(v) else sign * v for team, v in values.items()}
    ranks = {}
    for team, key in keys.items():
        better = sum(other < key for other in keys.values())
        equal = sum(other == key for other in keys.values())
        ranks[team] = better + (equal + 1) / 2
    return ranks


def rank_task1(teams: Mapping[str, tuple[float, float, float]]) -> dict[str, float]:
    """Final ranks of task 1 from each team's (mean Dice of GTVp, aggregated Dice of GTVn, aggregated F1)."""
    gtvp = borda({team: values[0] for team, values in teams.items()})
    parts = [borda({team: values[part] for team, values in teams.items()}) for part in (1, 2)]
    gtvn = borda({team: parts[0][team] + parts[1][team] for team in teams}, higher_is_better=False)
    return borda({team: gtvp[team] + gtvn[team] for team in teams}, higher_is_better=False)
