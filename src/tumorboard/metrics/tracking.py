"""The same lesion over exams: how far a predicted centre is off, and whether lesions are joined as in the truth.

Centres follow the rules published with the pairs of the Deep Longitudinal Study (Cai et al. 2021): the error is the
distance of the centres in the target's millimetres; a centre counts at 10 mm when the error is <= min(radius, 10 mm),
at the radius when it is < radius, where radius = larger diameter (pixels) / 2 x the target's spacing along x. A plain
10 mm, or diameters taken for millimetres, are other figures. Joins are scored as pairs and as clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes

__all__ = [
    "CentreScore",
    "PairCounts",
    "centre_errors_mm",
    "centre_hits",
    "pair_counts",
    "score_centres",
    "sequence_agreement",
    "sweep_pairs",
    "target_radius_mm",
]

LIMIT_MM = 10.0


@dataclass(frozen=True)
class CentreScore:
    """Shares of centres matched (`cpm_10mm`, `cpm_radius`), mean and standard deviation (n) of the error in mm, mean
    absolute error along x, y, z in mm, number of pairs. All None without pairs."""

    cpm_10mm: float | None
    cpm_radius: float | None
    error_mm: float | None
    error_sd_mm: float | None
    axes_mm: tuple[float, float, float] | None
    n: int


def target_radius_mm(diameters_px: ArrayLike, spacing_x_mm: ArrayLike) -> NDArray[np.float64]:
    """Radius (n,) in mm from diameters (n, 2) in PIXELS of the target and its spacing (n,) along x in mm."""
    diameters, spacing = np.asarray(diameters_px, float), np.asarray(spacing_x_mm, float)
    if diameters.ndim != 2 or diameters.shape[0] != spacing.shape[0]:
        raise _differ("radius", diameters, spacing)
    radius: NDArray[np.float64] = diameters.max(axis=1, initial=0.0) / 2 * spacing
    return radius


def centre_errors_mm(predicted: ArrayLike, target: ArrayLike, spacing_mm: ArrayLike) -> NDArray[np.float64]:
    """Signed errors (n, 3) in mm of predicted centres (n, 3) in voxels of the target image, by its spacing (n, 3)."""
    found, true, spacing = (np.asarray(a, float).reshape(-1, 3) for a in (predicted, target, spacing_mm))
    if not found.shape == true.shape == spacing.shape:
        raise _differ("centres", found, true)
    if not (spacing > 0).all():
        raise TumorboardError(codes.SPACING, "centres", found=f"{spacing.min():g}", expected="positive millimetres")
    errors: NDArray[np.float64] = (found - true) * spacing
    return errors


def centre_hits(errors_mm: ArrayLike, radius_mm: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Matched at 10 mm (<= the smaller of radius and 10 mm) and matched at the radius (<), each (n,), of signed errors
    (n, 3). A centre that is not a number (no prediction) is not matched."""
    errors, radius = np.asarray(errors_mm, float).reshape(-1, 3), np.asarray(radius_mm, float)
    if len(errors) != len(radius):
        raise _differ("centres", errors, radius)
    distance = np.linalg.norm(errors, axis=1)
    return distance <= np.minimum(radius, LIMIT_MM), distance < radius


def score_centres(
    predicted: ArrayLike, target: ArrayLike, *, spacing_mm: ArrayLike, diameters_px: ArrayLike
) -> CentreScore:
    """Score predicted centres (n, 3) against target centres (n, 3), both in voxels of the target image.

    `spacing_mm` (n, 3) and `diameters_px` (n, 2) are the target's. Pairs without a prediction (NaN) count as not
    matched, and make the mean errors undefined (None): there is no distance to average. MET106, MET104.
    """
    errors = centre_errors_mm(predicted, target, spacing_mm)
    if not len(errors):
        return CentreScore(None, None, None, None, None, 0)
    spacing = np.asarray(spacing_mm, float).reshape(-1, 3)
    near, inside = centre_hits(errors, target_radius_mm(diameters_px, spacing[:, 0]))
    distance = np.linalg.norm(errors, axis=1)
    x, y, z = np.abs(errors).mean(axis=0).tolist()
    known = bool(np.isfinite(distance).all())
    return CentreScore(
        float(near.mean()),
        float(inside.mean()),
        float(distance.mean()) if known else None,
        float(distance.std()) if known else None,
        (x, y, z) if known else None,
        len(errors),
    )


@dataclass(frozen=True)
class PairCounts:
    """Pairs of lesions joined by both sides (tp), by the prediction alone (fp), by the truth alone (fn), and predicted
    pairs of which the truth says nothing (unjudged)."""

    tp: int
    fp: int
    fn: int
    unjudged: int = 0

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.unjudged + other.unjudged)

    @property
    def precision(self) -> float | None:
        """None when no pair is predicted."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else None

    @property
    def recall(self) -> float | None:
        """None when the truth has no pair."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else None

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN); None when neither side has a pair."""
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else None


def pair_counts(truth: ArrayLike, predicted: ArrayLike, *, exams: ArrayLike | None = None) -> PairCounts:
    """Count pairs of the lesions of ONE patient by their sequence: `truth` and `predicted` (n,), any values.

    Two lesions are a pair when they have one value. With `exams` (n,), truth whose links are incomplete is not held
    against a prediction: a predicted pair that the truth does not have counts as false only where the truth
    contradicts it, that is where one of the two has a true partner at the other's exam (or both are at one exam); the
    rest are unjudged. MET106 when lengths differ.
    """
    true, said = np.asarray(truth), np.asarray(predicted)
    if true.shape != said.shape or true.ndim != 1 or (exams is not None and np.shape(exams) != true.shape):
        raise _differ("pairs", true, said)
    first, second = np.triu_indices(len(true), 1)
    is_true, is_said = true[first] == true[second], said[first] == said[second]
    tp, fn = int((is_true & is_said).sum()), int((is_true & ~is_said).sum())
    wrong = ~is_true & is_said
    if exams is None:
        return PairCounts(tp, int(wrong.sum()), fn)
    at = np.asarray(exams)
    has = (true[:, None] == true) & ~np.eye(len(true), dtype=bool)
    partner = np.zeros((len(true), len(true)), bool)  # of lesion i at the exam of lesion j
    for exam in np.unique(at):
        partner[:, at == exam] = has[:, at == exam].any(axis=1)[:, None]
    judged = partner[first, second] | partner[second, first] | (at[first] == at[second])
    return PairCounts(tp, int((wrong & judged).sum()), fn, int((wrong & ~judged).sum()))


def sweep_pairs(distances: ArrayLike, same: ArrayLike, thresholds: ArrayLike) -> list[PairCounts]:
    """Pairs called the same when their distance (m,) is <= a threshold, against `same` (m,), at each threshold.
    MET106 when lengths differ."""
    d, truth = np.asarray(distances, float), np.asarray(same, bool)
    if d.shape != truth.shape or d.ndim != 1:
        raise _differ("sweep", d, truth)
    counts = []
    for threshold in np.asarray(thresholds, float).ravel():
        said = d <= threshold
        counts.append(PairCounts(int((said & truth).sum()), int((said & ~truth).sum()), int((~said & truth).sum())))
    return counts


def sequence_agreement(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float | None]:
    """Purity, normalised mutual information (arithmetic mean) and adjusted Rand index of sequences (n,) as clusters.

    Names must tell patients apart when lesions of several patients are scored together. None without lesions.
    Purity: each predicted sequence takes its most frequent true one; share of the lesions that have it. It is 1 when
    nothing is joined, so that it says nothing alone. MET106 when lengths differ.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    true, said = np.asarray(truth), np.asarray(predicted)
    if true.shape != said.shape or true.ndim != 1:
        raise _differ("sequences", true, said)
    if not len(true):
        return {"track_purity": None, "track_nmi": None, "track_ari": None}
    table = contingency_matrix(true, said)
    return {
        "track_purity": float(table.max(axis=0).sum() / table.sum()),
        "track_nmi": float(normalized_mutual_info_score(true, said)),
        "track_ari": float(adjusted_rand_score(true, said)),
    }


def _differ(where: str, one: NDArray[np.generic], two: NDArray[np.generic]) -> TumorboardError:
    return TumorboardError(
        codes.PAIRS_DIFFER, where, found=f"shapes {one.shape} and {two.shape}", expected="one row per lesion or pair"
    )
