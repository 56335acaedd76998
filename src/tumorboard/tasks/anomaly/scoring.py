"""Figures of maps: voxels, slices, masks and lesions of every exam, and what they come to over patients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.anomaly import ScoreCounts, dice_at, pooled_ranking, rank_voxels, slice_score
from tumorboard.metrics.classification.ranking import auc, average_precision
from tumorboard.metrics.detection import DetectionRules, Matched, froc
from tumorboard.metrics.intervals import bootstrap, bootstrap_mean, paired_difference
from tumorboard.metrics.official.autopet import AutopetRules
from tumorboard.tasks.anomaly.exam import Exam
from tumorboard.tasks.anomaly.masks import dilate
from tumorboard.tasks.result import score_row

__all__ = ["FROC_RATES", "ExamScore", "paired_rows", "peaks_of", "score_exam", "score_rows"]

FROC_RATES = (1.0, 2.0, 4.0, 8.0)
HOT_SUV = 2.5
_PEAK_MM, _NEAR_MM = 12.0, 5.0
_MOST_PEAKS = 100
_RESAMPLES = 100

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class ExamScore:
    """One map of one exam. `values`: figures of the exam by name (None: undefined). `slices`: score and truth of each.
    `found_at`: best peak of each lesion (-inf: none); `false`: scores of the peaks outside all of them."""

    patient_id: str
    values: Mapping[str, float | None]
    counts: ScoreCounts
    slices: tuple[NDArray[Any], NDArray[Any]]
    found_at: NDArray[Any] | None = None
    false: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


def score_exam(exam: Exam, score: NDArray[Any], *, threshold: float | None, slice_mm2: float, peaks: bool) -> ExamScore:
    """Figures of one map of an exam with an expert's mask; air never counts. `threshold`: of the mask, chosen without
    this patient; None: no mask is scored. `peaks`: whether the map has peaks that can be ranked."""
    assert exam.lesion is not None
    truth, value = exam.lesion[exam.body], score[exam.body]
    found = rank_voxels(truth, value)
    values: dict[str, float | None] = {
        "voxel_auroc": found.auroc,
        "voxel_auprc": found.auprc if truth.any() else None,
        "oracle_dice": found.oracle_dice,
        "voxel_prevalence": found.prevalence,
    }
    if threshold is not None:
        values |= _mask_figures(exam, score, threshold)
    at, hit = _slices(exam, score, slice_mm2)
    values["slice_auroc_within"] = auc(hit, at) if len(at) else None
    result = ExamScore(exam.case.patient_id, values, ScoreCounts.of(truth, value), (at, hit))
    if not peaks:
        return result
    found_at, false = peaks_of(exam, score)
    return ExamScore(result.patient_id, values, result.counts, result.slices, found_at, false)


def _mask_figures(exam: Exam, score: NDArray[Any], threshold: float) -> dict[str, float | None]:
    assert exam.lesion is not None
    mask = (score >= np.float32(threshold)) & exam.body
    lesion = exam.lesion & exam.body
    counted = AutopetRules().count(
        lesion.astype(np.uint8), mask.astype(np.uint8), spacing_mm=exam.spacing_mm, where=f"exam {exam.case.exam_id}"
    )
    hot = exam.body & (exam.suv > HOT_SUV) & ~dilate(exam.lesion, _NEAR_MM, exam.spacing_mm)
    some = bool(lesion.any())
    return {
        "dice": float(dice_at(lesion[exam.body], score[exam.body], threshold)[0]) if some else None,
        "fpv_ml": counted["fpv_ml"],
        "fnv_ml": counted["fnv_ml"] if some else None,
        "hot_normal_flagged": float(mask[hot].mean()) if hot.any() else None,
    }


def _slices(exam: Exam, score: NDArray[Any], area_mm2: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Score and truth of every slice with a body."""
    assert exam.lesion is not None
    pixel = exam.spacing_mm[0] * exam.spacing_mm[1]
    at, hit = [], []
    for k in range(score.shape[2]):
        one = slice_score(score[:, :, k], exam.body[:, :, k], pixel_mm2=pixel, area_mm2=area_mm2)
        if one is not None:
            at.append(one)
            hit.append(bool((exam.lesion[:, :, k] & exam.body[:, :, k]).any()))
    return np.array(at), np.array(hit, bool)


def peaks_of(exam: Exam, score: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Best peak of each lesion (26-connected; -inf: missed), and the peaks outside all lesions. A peak is the highest
    voxel within 12 mm; it belongs to a lesion within 5 mm. The hundred highest count."""
    from scipy import ndimage

    assert exam.lesion is not None
    size = [2 * max(int(_PEAK_MM / step), 1) + 1 for step in exam.spacing_mm]
    top = (score == ndimage.maximum_filter(score, size=size)) & exam.body
    place = np.argwhere(top)
    value = score[top]
    order = np.argsort(-value, kind="stable")[:_MOST_PEAKS]
    place, value = place[order], value[order]
    parts, count = ndimage.label(exam.lesion & exam.body, structure=np.ones((3, 3, 3)))
    found_at = np.full(count, -np.inf)
    free = np.ones(len(value), bool)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        reach = [int(_NEAR_MM / step) + 1 for step in exam.spacing_mm]
        wide = tuple(slice(max(s.start - r, 0), s.stop + r) for s, r in zip(box, reach, strict=True))
        near = dilate(parts[wide] == number, _NEAR_MM, exam.spacing_mm)
        local = place - [s.start for s in wide]
        inside = ((local >= 0) & (local < near.shape)).all(axis=1)
        mine = np.zeros(len(value), bool)
        mine[inside] = near[tuple(local[inside].T)]
        if mine.any():
            found_at[number - 1] = value[mine].max()
        free &= ~mine
    return found_at, value[free]


def score_rows(run: str, exams: Sequence[ExamScore], *, subset: str, seed: int) -> list[Row]:
    """Means over patients with intervals, figures of all voxels and slices together, and the lesion FROC."""
    rows = []
    names = list(dict.fromkeys(name for one in exams for name in one.values))
    for name in names:
        values = [value for value in patient_means(exams, name).values() if value is not None]
        found = bootstrap_mean(values, seed=seed) if values else (None, None, None)
        rows.append(_row(run, name, subset, found, len(values)))
    rows += _pooled_rows(run, exams, subset=subset, seed=seed)
    if any(one.found_at is not None for one in exams):
        rows += _froc_rows(run, exams, subset=subset, seed=seed)
    return rows


def patient_means(exams: Sequence[ExamScore], name: str) -> dict[str, float | None]:
    """A figure by patient: mean over the exams in which it is defined."""
    collected: dict[str, list[float]] = {}
    for one in exams:
        mine = collected.setdefault(one.patient_id, [])
        value = one.values.get(name)
        if value is not None and np.isfinite(value):
            mine.append(value)
    return {patient: float(np.mean(values)) if values else None for patient, values in collected.items()}


def _pooled_rows(run: str, exams: Sequence[ExamScore], *, subset: str, seed: int) -> list[Row]:
    patients = sorted({one.patient_id for one in exams})
    of = np.array([patients.index(one.patient_id) for one in exams])
    n = len(patients)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)[:, of]
    whole = pooled_ranking([one.counts for one in exams])[0]
    draws = pooled_ranking([one.counts for one in exams], weights) if n > 1 else []
    rows = []
    for place, name in enumerate(("voxel_auroc_pooled", "voxel_auprc_pooled")):
        drawn = np.array([one[place] for one in draws if one[place] is not None], float)
        low, high = np.quantile(drawn, [0.025, 0.975]).tolist() if len(drawn) > 0.95 * _RESAMPLES else (None, None)
        rows.append(_row(run, name, subset, (whole[place], low, high), n))
    for name, figure in (("slice_auroc", auc), ("slice_auprc", average_precision)):
        rows.append(_row(run, name, subset, _of_slices(exams, patients, of, figure, seed), n))
    return rows


def _of_slices(
    exams: Sequence[ExamScore],
    patients: Sequence[str],
    of: NDArray[Any],
    figure: Callable[..., float | None],
    seed: int,
) -> tuple[Any, Any, Any]:
    """A figure of all slices together, patients resampled."""
    mine = [[one for one, owner in zip(exams, of, strict=True) if owner == p] for p in range(len(patients))]

    def pooled(numbers: NDArray[Any]) -> float | None:
        chosen = [one for number in numbers.tolist() for one in mine[number]]
        at = np.concatenate([one.slices[0] for one in chosen])
        return figure(np.concatenate([one.slices[1] for one in chosen]), at)

    found = bootstrap(pooled, [np.arange(len(patients))], seed=seed, resamples=_RESAMPLES)
    return found.value, found.low, found.high


def _froc_rows(run: str, exams: Sequence[ExamScore], *, subset: str, seed: int) -> list[Row]:
    matched = matched_of(exams)
    rules = DetectionRules(fp_rates=FROC_RATES)
    result = froc(matched, rules=rules, seed=seed)
    rows = []
    for rate, found in zip(result.rates, result.sensitivity, strict=True):
        rows.append(_row(run, "froc_sensitivity", subset, found, result.patients, f"{rate:g} FP/exam"))
    rows.append(_row(run, "froc_mean_sensitivity", subset, result.mean, result.patients, "peak within 5 mm"))
    return rows


def matched_of(exams: Sequence[ExamScore]) -> Matched:
    """Peaks as events, for the house's FROC."""
    patients = sorted({one.patient_id for one in exams})
    score, hit, owner = [], [], []
    lesions, images = np.zeros(len(patients)), np.zeros(len(patients))
    found_at, false = [], []
    for one in exams:
        at = patients.index(one.patient_id)
        best = np.zeros(0) if one.found_at is None else one.found_at
        seen = best[np.isfinite(best)]
        score += [seen, one.false]
        hit += [np.ones(len(seen), bool), np.zeros(len(one.false), bool)]
        owner.append(np.full(len(seen) + len(one.false), at))
        lesions[at] += len(best)
        images[at] += 1
        found_at.append(best)
        false.append(np.ones(len(one.false), bool))
    values = np.concatenate(score)
    order = np.argsort(-values, kind="stable")
    return Matched(
        np.concatenate(found_at),
        np.concatenate(false),
        values[order],
        np.concatenate(hit)[order],
        np.concatenate(owner)[order],
        lesions,
        images,
        len(values),
    )


def paired_rows(
    run: str, mine: Sequence[ExamScore], other: str, theirs: Sequence[ExamScore], *, subset: str, seed: int
) -> list[Row]:
    """Differences over the patients that have both figures."""
    rows = []
    for name in ("voxel_auprc", "dice"):
        a, b = patient_means(mine, name), patient_means(theirs, name)
        if not any(v is not None for v in a.values()) or not any(v is not None for v in b.values()):
            continue
        patients = [patient for patient in a if patient in b]
        one, two = (np.array([values[p] for p in patients], float) for values in (a, b))  # None becomes NaN
        found = paired_difference(one, two, seed=seed, undefined="omit")
        rows.append(_row(run, f"{name} minus {other}", subset, (found.mean, found.low, found.high), found.n))
    return rows


def _row(run: str, metric: str, subset: str, found: Sequence[Any], n: int, label: str = "tumour") -> Row:
    return score_row(run, task="anomaly", metric=metric, label=label, subset=subset, interval=found, n=n)
