"""What a trained network's answers are held to: region of interest and rules for pieces, chosen on training patients.

Only arrays of training patients come in here; a test moves test patients about and finds the same choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.ops.components import connected_parts
from tumorboard.tasks.segmentation.postprocess import KEEP_ALL, Piece, PieceRules, labels_of, pieces_of
from tumorboard.tasks.segmentation.preprocess import Prepared
from tumorboard.tasks.segmentation.region import REGIONS, Region, RegionName, coverage, find_region

if TYPE_CHECKING:
    from tumorboard.tasks.segmentation.model import SegmentationModel

__all__ = ["Answering", "choose_region", "is_settled", "rules_from_drawn", "rules_from_unseen", "settle"]

FACT = "answering"
_SAVES = 0.8
"""A region is taken when it keeps no more of the training scans than this, on average."""
_VOLUMES_ML = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0)
_PEAKS_SUV = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
_CAUTIOUS_ML, _CAUTIOUS_SUV = 0.5, 2.0
_HIT = 0.1
"""Share of a predicted piece that must be drawn for it to count as a lesion found."""


@dataclass(frozen=True)
class Answering:
    """Region and rules of a model; `region_facts` and `rules_from` say what they were chosen on."""

    region: RegionName
    rules: tuple[PieceRules, ...]
    region_facts: Mapping[str, Any]
    rules_from: str

    @classmethod
    def of(cls, model: SegmentationModel) -> Answering:
        """What `settle` chose for the model; the whole scan and every piece where it has not."""
        record = model.facts.get(FACT)
        if record is None:
            return cls("whole", (KEEP_ALL,) * len(model.preprocessing.structures), {}, "")
        rules = tuple(PieceRules.from_json(rule) for rule in record["rules"].values())
        return cls(record["region"], rules, record["region_facts"], record["rules_from"])

    def to_json(self, structures: Sequence[str]) -> dict[str, Any]:
        rules = {name: rule.to_json() for name, rule in zip(structures, self.rules, strict=True)}
        facts = dict(self.region_facts)
        return {"region": self.region, "region_facts": facts, "rules": rules, "rules_from": self.rules_from}


def is_settled(model: SegmentationModel) -> bool:
    """Whether `settle` has chosen for this model."""
    return FACT in model.facts


def settle(
    model: SegmentationModel, paths: Sequence[Path], *, unseen: Sequence[Path] = (), names: Sequence[str] = ()
) -> SegmentationModel:
    """The model with its region and rules (in `facts`), chosen on training cases.

    `paths`: cached training cases, arrays (inputs + structures, i, j, k). `unseen`: those among the training patients
    that this network has not learnt from; where there are any, thresholds are those that do best on them, else they
    follow from the drawn lesions alone. `names` of the cases, for the report of coverage; default their numbers.
    """
    import dataclasses

    arrays = [np.load(path, mmap_mode="r", allow_pickle=False) for path in paths]
    edges_mm = np.full(3, model.preprocessing.spacing_mm)
    labels = list(names) or [str(number) for number in range(len(arrays))]
    window_hu = model.preprocessing.ct_window_hu
    inputs = model.config.inputs
    region, facts = choose_region(
        arrays, edges_mm, labels, ct_window_hu=window_hu, wanted=model.config.region, inputs=inputs
    )
    structures = len(model.preprocessing.structures)
    rules, basis = (KEEP_ALL,) * structures, "setting"
    if model.config.postprocess == "auto":
        rules, basis = rules_from_drawn(arrays, edges_mm, inputs=inputs), "drawn lesions of the training patients"
        if unseen:
            held = [np.load(path, mmap_mode="r", allow_pickle=False) for path in unseen]
            answers = [_answer(model, array, edges_mm) for array in held]
            rules = rules_from_unseen(answers, held, edges_mm, base=rules, inputs=inputs)
            basis = f"{len(held)} training patients that the network has not seen"
    answering = Answering(region, rules, facts, basis)
    settled = {**model.facts, FACT: answering.to_json(model.preprocessing.structures)}
    return dataclasses.replace(model, facts=settled)


def choose_region(
    arrays: Sequence[NDArray[np.float32]],
    edges_mm: NDArray[np.float64],
    names: Sequence[str],
    *,
    ct_window_hu: tuple[float, float],
    wanted: RegionName | Literal["auto"] = "auto",
    inputs: int = 2,
) -> tuple[RegionName, dict[str, Any]]:
    """The narrowest region that holds every drawn lesion of every training case, is found in each, and is worth it;
    else the whole scan. With `wanted` other than ``auto`` that region, with what it covers."""
    tried: dict[str, Any] = {}
    candidates: tuple[RegionName, ...] = REGIONS if wanted == "auto" else (wanted,)
    for name in candidates:
        found = [find_region(array[:2], edges_mm, name, ct_window_hu=ct_window_hu) for array in arrays]
        shares = [coverage(array[inputs:], region) for array, region in zip(arrays, found, strict=True)]
        kept = float(np.mean([_volume(r) / np.prod(a.shape[1:]) for a, r in zip(arrays, found, strict=True)]))
        remarks = {case: region.remark for case, region in zip(names, found, strict=True) if region.remark}
        covered = {case: round(share, 4) for case, share in zip(names, shares, strict=True) if share is not None}
        tried[name] = {"coverage": covered, "kept": round(kept, 4), "remarks": remarks}
        whole = all(share is None or share > 0.9995 for share in shares)
        if wanted != "auto" or name == "whole" or (whole and not remarks and kept <= _SAVES):
            return name, tried[name] | {"tried": {k: v for k, v in tried.items() if k != name}}
    raise AssertionError("the whole scan is always possible")


def _volume(region: Region) -> int:
    return int(np.prod(np.subtract(region.box[1], region.box[0])))


def rules_from_drawn(
    arrays: Sequence[NDArray[np.float32]], edges_mm: NDArray[np.float64], *, inputs: int = 2
) -> tuple[PieceRules, ...]:
    """Cautious rules: half of what the smallest of the drawn lesions have (their 5 % quantile), at most 0.5 ml and SUV
    2. Holes are filled where no drawn lesion has one."""
    rules = []
    for index in range(arrays[0].shape[0] - inputs):
        pieces, filled, present = [], True, 0
        for array in arrays:
            inside = np.asarray(array[inputs + index]) > 0.5
            present += bool(inside.any())
            if inside.any():
                pieces += pieces_of(inside, np.expm1(array[1]), edges_mm)[1]
                filled = filled and not _has_holes(inside)
        if not pieces:
            rules.append(KEEP_ALL)
            continue
        smallest_ml = min(0.5 * float(np.quantile([p.volume_ml for p in pieces], 0.05)), _CAUTIOUS_ML)
        weakest = min(0.5 * float(np.quantile([p.suv_peak for p in pieces], 0.05)), _CAUTIOUS_SUV)
        rules.append(PieceRules(round(smallest_ml, 3), round(weakest, 2), filled, present == len(arrays)))
    return tuple(rules)


def _has_holes(inside: NDArray[np.bool_]) -> bool:
    from scipy import ndimage

    box = ndimage.find_objects(inside.astype(np.uint8))[0]
    return bool(ndimage.binary_fill_holes(inside[box]).sum() > inside[box].sum())


def rules_from_unseen(
    answers: Sequence[NDArray[np.uint8]],
    arrays: Sequence[NDArray[np.float32]],
    edges_mm: NDArray[np.float64],
    *,
    base: Sequence[PieceRules],
    inputs: int = 2,
) -> tuple[PieceRules, ...]:
    """Of all pairs of thresholds, those with the highest mean of Dice (per patient) and F1 of pieces (pooled); of
    equals, the most lenient. `answers`: label maps of cases whose truth is in `arrays`; `base` says the rest."""
    import dataclasses
    import itertools

    chosen = []
    for index, rule in enumerate(base):
        cases = [
            _judged(answer == index + 1, np.asarray(array[inputs + index]) > 0.5, np.expm1(array[1]), edges_mm)
            for answer, array in zip(answers, arrays, strict=True)
        ]
        pairs = list(itertools.product(_VOLUMES_ML, _PEAKS_SUV))
        values = [_value(cases, dataclasses.replace(rule, smallest_ml=a, smallest_suv_peak=b)) for a, b in pairs]
        smallest_ml, weakest = pairs[int(np.argmax(np.round(values, 6)))]
        chosen.append(dataclasses.replace(rule, smallest_ml=smallest_ml, smallest_suv_peak=weakest))
    return tuple(chosen)


@dataclass(frozen=True)
class _Judged:
    """Predicted pieces of a case with the voxels they share with the truth; voxels and lesions of the truth."""

    pieces: tuple[tuple[Piece, int, int], ...]
    truth: int
    lesions: int


def _judged(
    answer: NDArray[np.bool_], truth: NDArray[np.bool_], suv: NDArray[np.float32], edges_mm: NDArray[np.float64]
) -> _Judged:
    parts, pieces = pieces_of(answer, suv, edges_mm)
    sizes = np.bincount(parts.ravel(), minlength=len(pieces) + 1)
    shared = np.bincount(parts[truth], minlength=len(pieces) + 1)
    lesions = connected_parts(truth)[1]
    listed = tuple((piece, int(sizes[piece.number]), int(shared[piece.number])) for piece in pieces)
    return _Judged(listed, int(truth.sum()), lesions)


def _value(cases: Sequence[_Judged], rule: PieceRules) -> float:
    dice, found, predicted, lesions = [], 0, 0, 0
    for case in cases:
        kept = [entry for entry in case.pieces if entry[0].passes(rule)]
        if not kept and case.pieces and rule.always:
            kept = [max(case.pieces, key=lambda entry: entry[0].volume_ml)]
        size, shared = sum(entry[1] for entry in kept), sum(entry[2] for entry in kept)
        if size + case.truth:
            dice.append(2 * shared / (size + case.truth))
        found += sum(entry[2] >= _HIT * entry[1] for entry in kept)
        predicted, lesions = predicted + len(kept), lesions + case.lesions
    f1 = 2 * min(found, lesions) / max(predicted + lesions, 1)
    return (float(np.mean(dice)) if dice else 0.0) + f1


def _answer(model: SegmentationModel, array: NDArray[np.float32], edges_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
    shape = array.shape[1:]
    grid = Geometry((shape[0], shape[1], shape[2]), np.diag([*edges_mm, 1.0]))
    prepared = Prepared(np.asarray(array[: model.config.inputs]), None, grid, grid)
    return labels_of(model.preprocessing.sharpened(model.probabilities(prepared), prepared))
