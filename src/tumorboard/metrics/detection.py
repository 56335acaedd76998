"""Lesions found by boxes with scores: sensitivity against false boxes per image (FROC).

No two groups count boxes alike; `DetectionRules` holds what they differ in, and `describe()` prints it. Common to all:
a lesion is found at the score of the best box that overlaps it enough; further boxes on it are neither right nor
false; a box that overlaps no lesion enough is false. Boxes of one score stand or fall together, so their order never
matters. Images without lesions and images without boxes count. The curve ends where the boxes end: nothing is
extrapolated. After Bunch et al. 1978 (FROC) and Yan et al. 2018 (points at 0.5 to 16 false boxes per image).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.metrics import codes
from tumorboard.metrics.intervals import Interval, PairedDifference, percentile_interval

__all__ = [
    "Boxes",
    "DetectionRules",
    "Froc",
    "FrocCurve",
    "Matched",
    "compare_detectors",
    "froc",
    "froc_curve",
    "match_boxes",
    "pair_overlaps",
]

OVERLAPS = ("iou", "iobb")
BETWEEN = ("step", "linear")
BEYOND = ("last", "undefined")
NOISY = ("keep", "leave out")
UNMARKED = ("count", "leave out")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class DetectionRules:
    """How boxes are compared and counted.

    Parameters
    ----------
    dimensions : 3, boxes of volumes; or 2, boxes of slices.
    overlap : ``iou`` (intersection over union) or ``iobb`` (intersection over the predicted box).
    threshold, strict : the overlap must reach it, or exceed it if strict.
    inclusive : sides are high - low + 1, as of pixel indices that both belong to the box. Public scorers of DeepLesion
        do so; with boxes in mm it has no meaning.
    several : a box that overlaps two lesions enough finds both; otherwise the one it overlaps more.
    fp_rates : false boxes per image (of a volume or slice) at which sensitivity is read.
    between : points of the curve joined by a ``step`` (the best that is reached within the rate) or by a
        ``linear`` piece. They differ only where boxes have equal scores.
    beyond : at rates that the curve does not reach, its ``last`` point (there are no more boxes), or ``undefined``.
    noisy : lesions marked as noisy are ``keep``-t or ``leave out``.
    unmarked : volumes without a lesion ``count`` (as such without any), or ``leave out``, where only some were marked.

    Errors: MET107 for values outside these.
    """

    dimensions: int = 3
    overlap: str = "iou"
    threshold: float = 0.5
    strict: bool = False
    inclusive: bool = False
    several: bool = True
    fp_rates: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
    between: str = "step"
    beyond: str = "last"
    noisy: str = "keep"
    unmarked: str = "count"

    name: ClassVar[str] = "froc"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("dimensions", self.dimensions, (2, 3)),
            ("overlap", self.overlap, OVERLAPS),
            ("between", self.between, BETWEEN),
            ("beyond", self.beyond, BEYOND),
            ("noisy", self.noisy, NOISY),
            ("unmarked", self.unmarked, UNMARKED),
        ):
            if value not in known:
                expected = ", ".join(map(str, known))
                raise TumorboardError(codes.OPTION_UNKNOWN, name, found=repr(value), expected=expected)
        if not 0 < self.threshold <= 1:
            raise TumorboardError(
                codes.OPTION_UNKNOWN, "threshold", found=repr(self.threshold), expected="above 0, to 1"
            )
        rates = self.fp_rates
        rising = all(a < b for a, b in pairwise(rates))
        if not rates or rates[0] < 0 or not rising or not all(np.isfinite(rates)):
            raise TumorboardError(codes.OPTION_UNKNOWN, "fp_rates", found=repr(rates), expected="rising numbers from 0")

    @property
    def criterion(self) -> str:
        """When a lesion counts as found, in short."""
        kind = {"iou": "IoU", "iobb": "IoBB"}[self.overlap]
        return f"{self.dimensions}-D {kind} {'>' if self.strict else '>='} {self.threshold:g}"

    def describe(self) -> str:
        """The rules in one line."""
        words = [self.criterion, *(["inclusive pixels"] if self.inclusive else [])]
        words += ["a box finds all lesions it overlaps" if self.several else "a box finds one lesion"]
        words += [f"{self.between} between points", f"beyond the curve: {self.beyond}"]
        return ", ".join(words)


@dataclass(frozen=True)
class Boxes:
    """Boxes of many images: `image` (n,) number of the image from 0, `box` (n, 2d) low then high corner, `score` (n,)
    (none for reference boxes)."""

    image: Ints
    box: Floats
    score: Floats | None = None

    @classmethod
    def of(cls, image: ArrayLike, box: ArrayLike, score: ArrayLike | None = None, *, dimensions: int = 3) -> Boxes:
        """From anything array-like; empty lists give no boxes."""
        corners = np.asarray(box, float).reshape(-1, 2 * dimensions)
        scores = None if score is None else np.asarray(score, float).reshape(-1)
        return cls(np.asarray(image, np.int64).reshape(-1), corners, scores)


@dataclass(frozen=True)
class Matched:
    """What a detector found, as events by falling score; enough for every figure, also of resampled patients.

    `found_at` (lesions,) best score on each lesion (-inf: missed) and `false` (boxes,) in the order of the input.
    Events: `score`, `is_hit`, `owner` (patient number). `lesions`, `images` (patients,) are counts per patient.
    """

    found_at: Floats
    false: NDArray[np.bool_]
    score: Floats
    is_hit: NDArray[np.bool_]
    owner: Ints
    lesions: Floats
    images: Floats
    boxes: int


@dataclass(frozen=True)
class FrocCurve:
    """Points by falling score threshold, the first one without any box: `threshold` (k,), `sensitivity` (k,) (NaN
    without lesions), `fp_per_image` (k,) (NaN without images)."""

    threshold: Floats
    sensitivity: Floats
    fp_per_image: Floats


@dataclass(frozen=True)
class Froc:
    """Sensitivity at each rate with its interval over patients, whether the curve reaches the rate, their mean, and
    what was counted."""

    rates: tuple[float, ...]
    sensitivity: tuple[Interval, ...]
    reached: tuple[bool, ...]
    mean: Interval
    lesions: int
    images: int
    patients: int
    boxes: int


def pair_overlaps(a: ArrayLike, b: ArrayLike, *, rules: DetectionRules | None = None) -> Floats:
    """Overlap of every box of `a` (n, 2d, reference) with every box of `b` (m, 2d, predicted), shape (n, m)."""
    rules = rules or DetectionRules()
    d, extra = rules.dimensions, float(rules.inclusive)
    one, two = (np.asarray(x, float).reshape(-1, 2 * d) for x in (a, b))
    low = np.maximum(one[:, None, :d], two[None, :, :d])
    high = np.minimum(one[:, None, d:], two[None, :, d:])
    shared = np.clip(high - low + extra, 0, None).prod(axis=2)
    sizes = [(x[:, d:] - x[:, :d] + extra).prod(axis=1) for x in (one, two)]
    whole = sizes[0][:, None] + sizes[1][None] - shared if rules.overlap == "iou" else sizes[1][None] + 0 * shared
    result: Floats = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return result


def match_boxes(
    reference: Boxes, prediction: Boxes, *, patients: ArrayLike, rules: DetectionRules | None = None
) -> Matched:
    """Which lesions are found, at which score, and which boxes are false.

    `patients` (images,) is the number of the patient of every image, from 0, including images without lesions or boxes.
    Errors: MET131 for boxes that are no boxes (not finite, high below low, an image that does not exist, a score that
    is not a number), MET106 for arrays of different lengths.
    """
    from tumorboard.metrics.detection_kernels import overlaps_of_images

    rules = rules or DetectionRules()
    owner_of = np.asarray(patients, np.int64).reshape(-1)
    n = len(owner_of)
    _require_boxes(reference, n, rules, "reference")
    _require_boxes(prediction, n, rules, "prediction")
    scores = _require_scores(prediction)
    order_t, first_t = _by_image(reference.image, n)
    order_p, first_p = _by_image(prediction.image, n)
    found_sorted, false_sorted = overlaps_of_images(
        np.ascontiguousarray(reference.box[order_t]),
        first_t,
        np.ascontiguousarray(prediction.box[order_p]),
        first_p,
        scores[order_p],
        rules.overlap == "iobb",
        rules.threshold,
        rules.strict,
        float(rules.inclusive),
        rules.several,
    )
    found, false = np.empty(len(order_t)), np.empty(len(order_p), bool)
    found[order_t], false[order_p] = found_sorted, false_sorted
    seen = np.flatnonzero(np.isfinite(found))
    wrong = np.flatnonzero(false)
    score = np.concatenate([found[seen], scores[wrong]])
    is_hit = np.arange(len(score)) < len(seen)
    owner = owner_of[np.concatenate([reference.image[seen], prediction.image[wrong]])]
    order = np.argsort(-score, kind="stable")
    count = int(owner_of.max(initial=-1)) + 1
    lesions = np.bincount(owner_of[reference.image], minlength=count).astype(float)
    images = np.bincount(owner_of, minlength=count).astype(float)
    return Matched(found, false, score[order], is_hit[order], owner[order], lesions, images, len(scores))


def froc_curve(matched: Matched) -> FrocCurve:
    """The curve over all patients."""
    last = _last_of_score(matched.score)
    hits = np.concatenate([[0], np.cumsum(matched.is_hit)[last]])
    false = np.concatenate([[0], np.cumsum(~matched.is_hit)[last]])
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity = np.asarray(hits / matched.lesions.sum(), float)
        fp_per_image = np.asarray(false / matched.images.sum(), float)
    return FrocCurve(np.concatenate([[np.inf], matched.score[last]]), sensitivity, fp_per_image)


def froc(
    matched: Matched,
    *,
    rules: DetectionRules | None = None,
    rates: Sequence[float] | None = None,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Froc:
    """Sensitivity at false boxes per image (`rates`, default those of the rules), with percentile intervals over
    patients. Without lesions every value is None; with one patient there are no intervals."""
    rules = rules or DetectionRules()
    points = tuple(rules.fp_rates if rates is None else rates)
    n = len(matched.images)
    values = _at_rates(matched, np.ones((1, n)), points, rules)[0]
    draws = np.empty((0, len(points)))
    if n >= 2 and matched.lesions.sum() > 0:
        weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
        draws = _at_rates(matched, weights, points, rules)
    reached = int((~matched.is_hit).sum()) / max(float(matched.images.sum()), 1.0)
    return Froc(
        points,
        tuple(percentile_interval(value, draws[:, k], level=level) for k, value in enumerate(values.tolist())),
        tuple(reached >= rate for rate in points),
        percentile_interval(float(values.mean()), draws.mean(axis=1), level=level),
        lesions=int(matched.lesions.sum()),
        images=int(matched.images.sum()),
        patients=n,
        boxes=matched.boxes,
    )


def compare_detectors(
    a: Matched,
    b: Matched,
    *,
    rules: DetectionRules | None = None,
    seed: int,
    resamples: int = 1000,
    permutations: int = 1000,
    level: float = 0.95,
) -> PairedDifference:
    """Mean sensitivity of `a` minus that of `b` over the rates of the rules, on the same patients.

    The interval resamples patients, the same for both; the two-sided p-value exchanges the answers of both detectors
    patient by patient. MET106 when they were matched on other patients, images or lesions.
    """
    rules = rules or DetectionRules()
    if not (np.array_equal(a.images, b.images) and np.array_equal(a.lesions, b.lesions)):
        raise TumorboardError(codes.PAIRS_DIFFER, "detectors", found="other images or lesions", expected="the same")
    n = len(a.images)

    def mean(matched: Matched, weights: Floats) -> Floats:
        found: Floats = _at_rates(matched, weights, rules.fp_rates, rules).mean(axis=1)
        return found

    whole = np.ones((1, n))
    value = float((mean(a, whole) - mean(b, whole))[0])
    if n < 2 or np.isnan(value):
        return PairedDifference(None if np.isnan(value) else value, None, None, None, None, n)
    random = np.random.default_rng(seed)
    weights = random.multinomial(n, np.full(n, 1 / n), size=resamples).astype(float)
    draws = mean(a, weights) - mean(b, weights)
    interval = percentile_interval(value, draws, level=level)
    share = float((draws > 1e-12).mean() + (np.abs(draws) <= 1e-12).mean() / 2)
    swapped = random.integers(0, 2, (permutations, n)).astype(float)
    both = _joined(a, b)
    one = mean(both, np.hstack([swapped, 1 - swapped]))
    two = mean(both, np.hstack([1 - swapped, swapped]))
    hits = int((np.abs(one - two) >= abs(value) - 1e-12).sum())
    return PairedDifference(value, interval.low, interval.high, share, (1 + hits) / (1 + permutations), n)


def _joined(a: Matched, b: Matched) -> Matched:
    """Both detectors as one of twice the patients, so that weights choose whose answer counts for whom."""
    score = np.concatenate([a.score, b.score])
    order = np.argsort(-score, kind="stable")
    owner = np.concatenate([a.owner, b.owner + len(a.images)])
    is_hit = np.concatenate([a.is_hit, b.is_hit])
    lesions, images = np.concatenate([a.lesions, b.lesions]), np.concatenate([a.images, b.images])
    nothing = np.empty(0)
    return Matched(
        nothing, nothing.astype(bool), score[order], is_hit[order], owner[order], lesions, images, a.boxes + b.boxes
    )


def _at_rates(matched: Matched, weights: Floats, rates: Sequence[float], rules: DetectionRules) -> Floats:
    from tumorboard.metrics.detection_kernels import sensitivities

    found: Floats = sensitivities(
        matched.is_hit,
        matched.owner,
        _last_of_score(matched.score),
        np.ascontiguousarray(weights),
        matched.lesions,
        matched.images,
        np.asarray(rates, float),
        rules.between == "linear",
        rules.beyond == "undefined",
    )
    return found


def _last_of_score(score: Floats) -> NDArray[np.bool_]:
    return np.append(score[1:] != score[:-1], True) if len(score) else np.zeros(0, bool)


def _by_image(image: Ints, count: int) -> tuple[Ints, Ints]:
    order = np.argsort(image, kind="stable")
    return order, np.searchsorted(image[order], np.arange(count + 1))


def _require_boxes(boxes: Boxes, images: int, rules: DetectionRules, where: str) -> None:
    d = rules.dimensions
    if boxes.box.ndim != 2 or boxes.box.shape[1] != 2 * d or len(boxes.image) != len(boxes.box):
        found = f"boxes {boxes.box.shape} of {len(boxes.image)} image numbers"
        raise TumorboardError(codes.PAIRS_DIFFER, where, found=found, expected=f"one box (n, {2 * d}) per number")
    size = boxes.box[:, d:] - boxes.box[:, :d] + float(rules.inclusive)
    bad = ~np.isfinite(boxes.box).all(axis=1) | ~(size > 0).all(axis=1)
    bad |= (boxes.image < 0) | (boxes.image >= images)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        found = f"{int(bad.sum())} of {len(bad)}, e.g. number {at}: {boxes.box[at].tolist()} of image {boxes.image[at]}"
        expected = f"low corner below high corner, images 0 to {images - 1}"
        raise TumorboardError(codes.BOX_UNUSABLE, f"{where} boxes", found=found, expected=expected)


def _require_scores(boxes: Boxes) -> Floats:
    if boxes.score is None or len(boxes.score) != len(boxes.box) or not np.isfinite(boxes.score).all():
        raise TumorboardError(
            codes.BOX_UNUSABLE, "prediction scores", found="none, or not numbers", expected="a finite score per box"
        )
    return boxes.score
