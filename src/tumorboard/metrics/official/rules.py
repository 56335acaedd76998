"""What all challenges' rules share: options that are printed, counts per patient, figures with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.concordance import concordance
from tumorboard.metrics.intervals import Interval, bootstrap, bootstrap_ratio

__all__ = ["OfficialScore", "Ratio", "SegmentationRules", "one_of", "score_concordance", "score_patients", "score_row"]

MISSING = ("empty", "skip", "refuse")


@dataclass(frozen=True)
class OfficialScore:
    """Figures (rows with metric, label, value, low, high, n), the rules with every chosen option, counts per
    patient, and the patients who did not count."""

    rules: dict[str, Any]
    scores: list[dict[str, Any]]
    patients: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ratio:
    """A figure made of sums over patients: the mean over `terms` of (sum of one count) / (sum of another)."""

    metric: str
    label: str
    terms: tuple[tuple[str, str], ...]


class SegmentationRules(Protocol):
    """Rules that score masks: count each patient, then take ratios of sums."""

    name: ClassVar[str]
    labels: ClassVar[Mapping[int, str]]
    figures: ClassVar[tuple[Ratio, ...]]
    missing: str

    def count(
        self, reference: NDArray[Any], prediction: NDArray[Any] | None, *, spacing_mm: Sequence[float], where: str
    ) -> dict[str, float]:
        """The patient's counts; `prediction` None counts as an empty mask."""
        ...


def one_of(where: str, value: Any, known: Iterable[Any]) -> None:
    """MET107 unless `value` is known."""
    listed = list(known)
    if value not in listed:
        expected = ", ".join(map(str, listed))
        raise TumorboardError(codes.OPTION_UNKNOWN, where, found=repr(value), expected=expected)


def describe(rules: Any) -> dict[str, Any]:
    """Name and options of a set of rules, for the result."""
    return {"name": rules.name, **asdict(rules)}


def score_row(metric: str, label: str, interval: Interval, n: int) -> dict[str, Any]:
    return {"metric": metric, "label": label, **interval._asdict(), "n": n}


def score_patients(
    rules: SegmentationRules,
    counted: Mapping[str, dict[str, float] | None],
    *,
    seed: int,
    resamples: int = 2000,
    patient_of: Mapping[str, str] | None = None,
) -> OfficialScore:
    """Figures from the counts of cases; None stands for a case without a prediction that the rules skip
    (`rules.missing` ``skip``; MET103 under other rules). A case is a patient unless `patient_of` says whose it
    is: every case counts in the figure, and intervals resample patients with all their cases."""
    skipped = tuple(patient for patient, counts in counted.items() if counts is None)
    if skipped and rules.missing != "skip":
        raise TumorboardError(
            codes.MASK_MISSING, f"patient {skipped[0]}", found="no prediction", expected="one for every patient"
        )
    patients = {patient: counts for patient, counts in counted.items() if counts is not None}
    owners = np.unique([(patient_of or {}).get(case, case) for case in patients], return_inverse=True)[1]
    scores = []
    for figure in rules.figures:
        top = np.array([[counts[above] for above, _ in figure.terms] for counts in patients.values()])
        bottom = np.array([[counts[below] for _, below in figure.terms] for counts in patients.values()])
        shape = (len(patients), len(figure.terms))
        top, bottom = top.reshape(shape), bottom.reshape(shape)
        by_patient = [_sum_by(owners, part) for part in (top, bottom)]
        interval = bootstrap_ratio(*by_patient, seed=seed, resamples=resamples)
        scores.append(score_row(figure.metric, figure.label, interval, int((bottom > 0).any(axis=1).sum())))
    return OfficialScore(describe(rules), scores, patients, skipped)


def _sum_by(owners: NDArray[np.intp], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Counts (cases, k) summed by owner number (cases,)."""
    sums = np.zeros((int(owners.max(initial=-1)) + 1, counts.shape[1]))
    np.add.at(sums, owners, counts)
    return sums


def score_concordance(
    rules: Any,
    truth: Mapping[str, tuple[bool, float]],
    predictions: Iterable[tuple[str, float | None]],
    *,
    seed: int,
    resamples: int = 1000,
) -> OfficialScore:
    """C-index of predictions (patient, value) against (event, time in days) by patient.

    Patients who are predicted but unknown are dropped and listed; a patient predicted twice is refused
    (MET108); one without a prediction is handled as `rules.missing` says (``tie``, ``omit``, ``refuse``).
    """
    given = list(predictions)
    known = [patient for patient, _ in given if patient in truth]
    if len(known) != len(set(known)):
        twice = next(patient for patient in known if known.count(patient) > 1)
        raise TumorboardError(
            codes.TABLE_REPEATED, f"patient {twice}", found=f"{known.count(twice)} predictions", expected="one"
        )
    by_patient = {patient: np.nan if value is None else float(value) for patient, value in given}
    event = np.array([happened for happened, _ in truth.values()], bool)
    time_days = np.array([days for _, days in truth.values()], float)
    score = np.array([by_patient.get(patient, np.nan) for patient in truth], float)

    def index(e: NDArray[Any], t: NDArray[Any], s: NDArray[Any]) -> float | None:
        return concordance(e, t, s, higher_means=rules.higher_means, missing=rules.missing).value

    whole = concordance(event, time_days, score, higher_means=rules.higher_means, missing=rules.missing)
    interval = bootstrap(index, [event, time_days, score], seed=seed, resamples=resamples)
    row = score_row("c_index", "", interval, whole.n)
    stated = describe(rules) | {
        "pairs": whole.pairs,
        "without_prediction": whole.missing,
        "dropped": [patient for patient, _ in given if patient not in truth],
    }
    return OfficialScore(stated, [row])
