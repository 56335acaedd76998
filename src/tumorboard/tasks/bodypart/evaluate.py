"""A run's scores against true positions along the body: order, regions, landmarks, with intervals over patients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.bodypart import BOUNDARIES, LANDMARKS, REGIONS
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.metrics.boxes import patient_means
from tumorboard.metrics.intervals import Interval, bootstrap, bootstrap_mean
from tumorboard.tasks.bodypart import codes
from tumorboard.tasks.bodypart.cases import find_cases, landmarks_of
from tumorboard.tasks.bodypart.curve import DepthCurve
from tumorboard.tasks.bodypart.rows import scored_images
from tumorboard.tasks.result import Evaluation, score_row

__all__ = ["ALL_REGIONS", "THREE_REGIONS", "Scored", "evaluate", "rank_correlation", "score_images", "true_regions"]

THREE_REGIONS = "chest, abdomen, pelvis"
ALL_REGIONS = ", ".join(REGIONS)


@dataclass(frozen=True, eq=False)
class Scored:
    """One CT: what the run says (`landmarks`: RAS z in mm) and the truth (`true_landmarks`)."""

    patient_id: str
    image_id: str
    curve: DepthCurve
    regions: Sequence[str] | None
    landmarks: Mapping[str, float]
    true_landmarks: Mapping[str, float]


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Compare the scores of the run `prediction` with the z of its slices (which the affine states) and with the
    landmarks of the run `reference`, where it has any. BDP105 for a run without scores."""
    run = str(prediction)
    scored = scored_images(cohort, run)
    told, truth = landmarks_of(cohort, (run,)), landmarks_of(cohort, (reference,))
    cases = find_cases(cohort)
    rows = [
        Scored(
            case.patient_id,
            case.image_id,
            scored[case.image_id].curve,
            scored[case.image_id].regions,
            told.get(case.image_id, {}),
            truth.get(case.image_id, {}),
        )
        for case in cases
        if case.image_id in scored
    ]
    if not rows:
        raise TumorboardError(
            codes.NO_SCORES, run, found="scores of other images", expected="scores of the cohort's CT"
        )
    if progress is not None:
        progress(len(rows), len(rows))
    rules = {
        "name": "order of slices and landmarks",
        "reference": reference,
        "regions": "slices that the reference's landmarks place; 3 regions leave out head and neck",
    }
    missing = tuple(case.image_id for case in cases if case.image_id not in scored)
    return Evaluation(score_images(rows, run=run, seed=seed), rules=rules, cases=_case_rows(rows), missing=missing)


def rank_correlation(curve: DepthCurve) -> float | None:
    """Spearman's correlation of score and depth over a volume's slices; None for a constant score."""
    from scipy.stats import spearmanr

    if len(curve.score) < 2 or np.ptp(curve.score) == 0:
        return None
    return float(spearmanr(-curve.z_mm, curve.score).statistic)


def true_regions(z_mm: NDArray[np.float64], landmarks: Mapping[str, float]) -> NDArray[np.int64]:
    """Index into REGIONS of each slice; -1 where the landmarks do not tell.

    A boundary that is not marked lies above the volume when a landmark further down is the first one marked, below it
    when one further up is the last; a boundary missing between two marked ones leaves the slices between them untold.
    """
    known = [number for number, name in enumerate(LANDMARKS) if name in landmarks]
    region = np.full(len(z_mm), -1)
    if not known:
        return region
    highest = np.full(len(z_mm), len(REGIONS) - 1)
    lowest = np.zeros(len(z_mm), int)
    for number, name in enumerate(BOUNDARIES):
        place = LANDMARKS.index(name)
        if name in landmarks:
            below = z_mm <= landmarks[name]
        elif place < known[0]:
            below = np.ones(len(z_mm), bool)
        elif place > known[-1]:
            below = np.zeros(len(z_mm), bool)
        else:  # unknown between two known ones: above the upper and below the lower it is still certain
            upper = landmarks[LANDMARKS[max(k for k in known if k < place)]]
            lower = landmarks[LANDMARKS[min(k for k in known if k > place)]]
            below = z_mm <= lower
            lowest = np.where(below, np.maximum(lowest, number + 1), lowest)
            highest = np.where(z_mm > upper, np.minimum(highest, number), highest)
            continue
        lowest = np.where(below, np.maximum(lowest, number + 1), lowest)
        highest = np.where(below, highest, np.minimum(highest, number))
    return np.where(lowest == highest, lowest, region)


def score_images(images: Sequence[Scored], *, run: str, seed: int, subset: str = "all") -> list[dict[str, Any]]:
    """Score rows: means over patients (first a mean over a patient's volumes) with bootstrap intervals.

    A constant score puts nothing in order and counts 0; slices without a region count as wrong; a landmark that the
    volume shows and the run does not find has no error and stands in `landmark_missed`.
    """
    order = [(i.patient_id, rank_correlation(i.curve) or 0.0) for i in images]
    rows = [_mean_row(run, "slice_order", "", subset, order, seed=seed)]
    for label, first in ((THREE_REGIONS, 1), (ALL_REGIONS, 0)):
        pairs = [(i.patient_id, _region_accuracy(i, first)) for i in images]
        told = [(patient, value) for patient, value in pairs if value is not None]
        if told:
            rows.append(_mean_row(run, "region_accuracy", label, subset, told, seed=seed))
    for name in LANDMARKS:
        shown = [i for i in images if name in i.true_landmarks and _inside(i.curve, i.true_landmarks[name])]
        if not shown:
            continue
        errors = [(i.patient_id, _error(i, name)) for i in shown]
        found = [(patient, error) for patient, error in errors if error is not None]
        if found:
            rows.append(_mean_row(run, "landmark_error_mm", name, subset, found, seed=seed))
        missed = [(patient, float(error is None)) for patient, error in errors]
        rows.append(_mean_row(run, "landmark_missed", name, subset, missed, seed=seed))
        at = [(i.patient_id, float(i.curve.score_at(i.true_landmarks[name]))) for i in shown]
        means = np.array(list(patient_means([p for p, _ in at], [v for _, v in at]).values()))
        if len(means) > 1 and all(np.ptp(i.curve.score) > 0 for i in shown):
            spread = bootstrap(lambda v: float(np.std(v, ddof=1)), [means], seed=seed)
            rows.append(_row(run, "landmark_spread", name, subset, spread, len(means)))
    return rows


def _region_accuracy(image: Scored, first: int) -> float | None:
    truth = true_regions(image.curve.z_mm, image.true_landmarks)
    counted = truth >= first
    if not counted.any():
        return None
    if image.regions is None:
        return 0.0
    return float((np.array([REGIONS.index(name) for name in image.regions]) == truth)[counted].mean())


def _inside(curve: DepthCurve, z_mm: float) -> bool:
    return bool(curve.z_mm[-1] <= z_mm <= curve.z_mm[0])


def _error(image: Scored, name: str) -> float | None:
    return abs(image.landmarks[name] - image.true_landmarks[name]) if name in image.landmarks else None


def _mean_row(
    run: str, metric: str, label: str, subset: str, pairs: Sequence[tuple[str, float]], *, seed: int
) -> dict[str, Any]:
    means = patient_means([patient for patient, _ in pairs], [value for _, value in pairs])
    return _row(run, metric, label, subset, bootstrap_mean(list(means.values()), seed=seed), len(means))


def _row(run: str, metric: str, label: str, subset: str, found: Interval, n: int) -> dict[str, Any]:
    return score_row(run, task="bodypart", metric=metric, label=label, subset=subset, interval=found, n=n)


def _case_rows(images: Sequence[Scored]) -> list[dict[str, Any]]:
    rows = []
    for image in images:
        common = {"case": image.image_id, "patient_id": image.patient_id}
        values = {("slice_order", ""): rank_correlation(image.curve)}
        values |= {
            (metric, label): value
            for metric, label, value in (("region_accuracy", THREE_REGIONS, _region_accuracy(image, 1)),)
            if value is not None
        }
        values |= {("landmark_error_mm", n): _error(image, n) for n in LANDMARKS if n in image.true_landmarks}
        rows += [{**common, "metric": m, "label": label, "value": value} for (m, label), value in values.items()]
    return rows
