"""All figures of one case: two label maps of one grid in, one row per metric and label out.

The maps are checked, cropped to where either has something, and passed over once for all labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.metrics import codes
from tumorboard.metrics.labelmaps import LabelPair, compare
from tumorboard.metrics.lesions import LesionRules, Lesions, find_lesions, match_lesions
from tumorboard.metrics.overlap import dice_of_counts, relative_volume_error
from tumorboard.metrics.registry import METRICS, metric_id
from tumorboard.metrics.surface import VOXEL_BORDERS, SurfaceDistances, surface_distances

__all__ = ["EmptyRules", "score_case", "score_pair", "score_volumes"]


@dataclass(frozen=True)
class EmptyRules:
    """What a case scores when a structure is absent (the registry's column `empty` lists it by metric).

    `both`: ``undefined`` (None) or ``perfect`` (Dice, NSD and F1 1; distances 0) when neither side has it.
    `distance`: ``undefined`` (None) or ``diagonal`` (of the whole image, in mm) when one side has it.
    Dice and NSD are 0 whenever one side alone has it. MET107 for other words.
    """

    both: str = "undefined"
    distance: str = "undefined"

    def __post_init__(self) -> None:
        for name, value, known in (
            ("both", self.both, ("undefined", "perfect")),
            ("distance", self.distance, ("undefined", "diagonal")),
        ):
            if value not in known:
                raise TumorboardError(codes.OPTION_UNKNOWN, name, found=repr(value), expected=" or ".join(known))


def score_case(
    reference: NDArray[Any],
    prediction: NDArray[Any] | None,
    *,
    spacing_mm: Sequence[float],
    labels: Mapping[int, str],
    definition: str = VOXEL_BORDERS,
    tolerance_mm: float = 2.0,
    lesions: LesionRules | None = None,
    empty: EmptyRules | None = None,
    ignore: Collection[int] = (),
    surfaces: bool = True,
    where: str = "case",
) -> list[dict[str, Any]]:
    """Score one prediction.

    Parameters
    ----------
    reference, prediction : label maps of one shape (i, j, k); integers, bool, or floats that are integers.
        `prediction` None (there is none) is scored as an empty map, and its rows say so.
    spacing_mm : distance between voxels along the three array axes.
    labels : voxel value -> structure; every value in the maps must be named here or listed in `ignore`.
    definition : of surfaces, ``voxel borders`` or ``surface elements`` (see `metrics.surface`).
    tolerance_mm : of surface Dice.
    lesions, empty : rules for lesions and for absent structures.
    surfaces : False leaves the surface metrics out.

    Returns
    -------
    Rows with metric (identifier), label, value (None when undefined), unit, definition (of surface, or rules of
    lesions), state (``both present``, ``reference empty``, ``prediction empty``, ``both empty``, ``prediction
    missing``).

    Errors: GEO102 (shapes differ), GEO103 (not three axes), MET101 (value without a name), MET102 (values
    between integers), MET104 (spacing), MET107 (unknown option).
    """
    pair = compare(reference, prediction, spacing_mm=spacing_mm, labels=labels, ignore=ignore, where=where)
    return score_pair(
        pair,
        labels=labels,
        definition=definition,
        tolerance_mm=tolerance_mm,
        lesions=lesions,
        empty=empty,
        surfaces=surfaces,
        missing=prediction is None,
    )


def score_volumes(
    reference: Volume, prediction: Volume | None, *, labels: Mapping[int, str], where: str = "case", **options: Any
) -> list[dict[str, Any]]:
    """`score_case` for volumes: also refuses a grid that is shifted, turned or scaled (GEO102)."""
    if prediction is not None:
        reference.require_same_grid(prediction, where=where)
    return score_case(
        reference.array,
        None if prediction is None else prediction.array,
        spacing_mm=reference.spacing_mm.tolist(),
        labels=labels,
        where=where,
        **options,
    )


def score_pair(
    pair: LabelPair,
    *,
    labels: Mapping[int, str],
    definition: str = VOXEL_BORDERS,
    tolerance_mm: float = 2.0,
    lesions: LesionRules | None = None,
    empty: EmptyRules | None = None,
    surfaces: bool = True,
    missing: bool = False,
) -> list[dict[str, Any]]:
    """`score_case` for maps that `labelmaps.compare` has checked."""
    rules, empty = lesions or LesionRules(), empty or EmptyRules()
    values = list(labels)
    found = find_lesions(pair, values, connectivity=rules.connectivity)
    surface = surface_distances(pair, values, definition=definition) if surfaces else {}
    rows = []
    for value, label in labels.items():
        reference, prediction, _ = pair.voxels(value)
        state = _state(reference, prediction, missing=missing)
        figures = _volume_figures(pair, value, empty)
        if surfaces:
            figures += _surface_figures(surface[value], tolerance_mm, empty, pair.diagonal_mm)
        figures += _lesion_figures(found[value], rules, empty, pair.voxel_ml)
        rows += [_row(name, label, amount, state, note, tolerance_mm) for name, amount, note in figures]
    return rows


Figure = tuple[str, float | None, str]
"""Name of the metric, value, definition."""


def _state(reference: int, prediction: int, *, missing: bool) -> str:
    if missing:
        return "prediction missing"
    if reference and prediction:
        return "both present"
    if not reference and not prediction:
        return "both empty"
    return "prediction empty" if reference else "reference empty"


def _row(
    name: str, label: str, value: float | None, state: str, definition: str, tolerance_mm: float
) -> dict[str, Any]:
    tolerance = tolerance_mm if name == "nsd" else None
    return {
        "metric": metric_id(name, definition=definition, tolerance_mm=tolerance),
        "label": label,
        "value": value,
        "unit": METRICS[name].unit,
        "definition": definition,
        "state": state,
    }


def _volume_figures(pair: LabelPair, value: int, empty: EmptyRules) -> list[Figure]:
    reference, prediction, both = pair.voxels(value)
    dice = dice_of_counts(reference, prediction, both)
    if dice is None and empty.both == "perfect":
        dice = 1.0
    reference_ml, predicted_ml = reference * pair.voxel_ml, prediction * pair.voxel_ml
    error_ml = (prediction - reference) * pair.voxel_ml
    figures = {
        "dice": dice,
        "reference_ml": reference_ml,
        "predicted_ml": predicted_ml,
        "overlap_ml": both * pair.voxel_ml,
        "volume_error_ml": error_ml,
        "absolute_volume_error_ml": abs(error_ml),
        "relative_volume_error": relative_volume_error(reference_ml, predicted_ml),
    }
    return [(name, amount, "voxels") for name, amount in figures.items()]


def _surface_figures(
    surface: SurfaceDistances, tolerance_mm: float, empty: EmptyRules, diagonal_mm: float
) -> list[Figure]:
    nsd: float | None
    distances: list[float | None]
    if surface.defined:
        nsd = surface.surface_dice(tolerance_mm)
        distances = [surface.hausdorff_mm(95.0), surface.hausdorff_mm(), surface.mean_mm()]
    elif len(surface.reference_mm) or len(surface.prediction_mm):
        nsd = 0.0
        distances = [diagonal_mm if empty.distance == "diagonal" else None] * 3
    else:
        nsd = 1.0 if empty.both == "perfect" else None
        distances = [0.0 if empty.both == "perfect" else None] * 3
    named = zip(("hd95_mm", "hd100_mm", "assd_mm"), distances, strict=True)
    return [("nsd", nsd, surface.definition), *((name, mm, surface.definition) for name, mm in named)]


def _lesion_figures(lesions: Lesions, rules: LesionRules, empty: EmptyRules, voxel_ml: float) -> list[Figure]:
    counts = match_lesions(lesions, rules)
    f1 = counts.f1
    if f1 is None and empty.both == "perfect":
        f1 = 1.0
    matched = {
        "lesion_f1": f1,
        "lesion_precision": counts.precision,
        "lesion_recall": counts.recall,
        "lesion_tp": float(counts.tp),
        "lesion_fp": float(counts.fp),
        "lesion_fn": float(counts.fn),
    }
    untouched = {"fpv_ml": lesions.invented_voxels() * voxel_ml, "fnv_ml": lesions.missed_voxels() * voxel_ml}
    touching = f"{rules.connectivity}-connected"
    return [
        *((name, amount, rules.describe()) for name, amount in matched.items()),
        *((name, amount, touching) for name, amount in untouched.items()),
    ]
