"""Score the masks of a run, or of a folder, against the reference masks of a cohort.

Without `rules`: every metric of `metrics.case`, mean over patients with a bootstrap interval, beside the aggregated
figures; Dice per centre, and which lesions are found by their size. With `rules`: a challenge's own figures. Nothing is
left out in silence: patients without a prediction, undefined values (n) and files that answer nobody are part of the
result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort, ImageLoader
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.volume import Volume
from tumorboard.io.images import load_image
from tumorboard.metrics import codes
from tumorboard.metrics.case import EmptyRules, score_pair
from tumorboard.metrics.intervals import bootstrap_mean, bootstrap_ratio
from tumorboard.metrics.labelmaps import as_labels, compare
from tumorboard.metrics.lesions import LesionRules
from tumorboard.metrics.official.rules import MISSING, one_of, score_patients
from tumorboard.metrics.surface import DEFINITIONS, VOXEL_BORDERS
from tumorboard.tasks.result import Evaluation, Picture
from tumorboard.tasks.segmentation.pairing import MaskPair, pair_with_folder, pair_with_run
from tumorboard.tasks.segmentation.subsets import DRAWN, FOUND, by_centre, by_size, lesion_rows, mean_or_none

__all__ = ["CaseOptions", "Evaluation", "evaluate"]

TASK = "segmentation"
NOT_AVERAGED = {"reference_ml", "predicted_ml", "overlap_ml", "lesion_tp", "lesion_fp", "lesion_fn", DRAWN, FOUND}


@dataclass(frozen=True)
class CaseOptions:
    """Options of the figures without a challenge's rules (see `metrics.case.score_case`). `missing`: an exam
    without prediction is ``empty``, left out and named (``skip``) or ``refuse``d. MET107 for other words."""

    definition: str = VOXEL_BORDERS
    tolerance_mm: float = 2.0
    missing: str = "empty"
    lesions: LesionRules = field(default_factory=LesionRules)
    empty: EmptyRules = field(default_factory=EmptyRules)

    def __post_init__(self) -> None:
        one_of("missing", self.missing, MISSING)
        one_of("definition", self.definition, DEFINITIONS)


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    rules: Any = None,
    options: CaseOptions | None = None,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
    pictures: Path | None = None,
) -> Evaluation:
    """Compare a run of the cohort, or a folder of masks, with the run `reference`.

    Parameters
    ----------
    prediction : run id, or folder with one file per exam (named by patient, exam, mask or image id).
    rules : a set of `metrics.official` (`load_rules(name)`); None for all metrics with `options`.
    seed : of the bootstrap intervals.
    map : parallel map; the work items can be pickled.
    progress : called with exams done and exams in all.
    pictures : folder for the worst cases as a picture; not with `rules`, which count over all patients.

    Errors: MET109 (no such run or no fitting file), MET108 (two files for one exam), MET110 (structures that
    the rules or the reference do not name), GEO102 (another grid), MET101, MET102 (values of masks), MET103
    (no prediction, where the rules refuse that).
    """
    folder = Path(prediction)
    unused: list[str] = []
    if _is_run(cohort, str(prediction)):
        pairs = pair_with_run(cohort, str(prediction), reference=reference)
    elif folder.is_dir():
        pairs, unused = pair_with_folder(cohort, folder, reference=reference)
    else:
        raise TumorboardError(
            codes.PREDICTION_UNKNOWN, str(prediction), found="neither a run nor a folder", expected="one of them"
        )
    run = str(prediction) if _is_run(cohort, str(prediction)) else folder.name
    options = options or CaseOptions()
    names = _structures(pairs, rules)
    policy = rules.missing if rules is not None else options.missing
    missing = tuple(pair.exam_id for pair in pairs if pair.prediction is None)
    if missing and policy == "refuse":
        raise TumorboardError(
            codes.MASK_MISSING, f"exam {missing[0]}", found=f"{len(missing)} without prediction", expected="none"
        )
    scored = [pair for pair in pairs if pair.prediction is not None or policy == "empty"]
    work = partial(
        _score_exam, loader=cohort.loader or load_image, root=cohort.root, names=names, rules=rules, options=options
    )
    cases = []
    for done, rows in enumerate(map(work, scored), start=1):
        cases += rows
        if progress is not None:
            progress(done, len(scored))
    scores, stated = _official(rules, pairs, cases, seed) if rules is not None else _plain(options, cases, seed)
    if rules is None:
        centre_of = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
        scores += by_centre(cases, centre_of, seed=seed) + by_size(cases, seed=seed)
    stated |= {"reference": reference, "cut_exams": sum(pair.cut is not None for pair in scored), "seed": seed}
    for row in scores:
        row |= {"run": run, "task": TASK, "subset": row.get("subset", "all")}
    drawn: tuple[Picture, ...] = ()
    if pictures is not None and rules is None:
        from tumorboard.tasks.segmentation.gallery import gallery

        answers = {pair.exam_id: pair.prediction for pair in scored if pair.prediction is not None}
        drawn = gallery(cohort, run, cases, pictures, reference=reference, answers=answers)
    return Evaluation(scores, {}, rules=stated, cases=cases, missing=missing, unused=tuple(unused), pictures=drawn)


def _is_run(cohort: Cohort, name: str) -> bool:
    return bool(cohort.rows("runs", run_id=name))


def _structures(pairs: Sequence[MaskPair], rules: Any) -> dict[str, int]:
    """Structure -> value under which it is scored. MET110 for a structure that the rules do not know."""
    found = dict.fromkeys(name for pair in pairs for name in (pair.reference["labels"] or {}).values())
    if rules is None:
        return {name: value for value, name in enumerate(found, start=1)}
    known = {name: value for value, name in rules.labels.items()}
    if len(known) == 1:  # rules for all lesions together
        return dict.fromkeys(found, next(iter(known.values())))
    strange = [name for name in found if name not in known]
    if strange:
        raise TumorboardError(
            codes.STRUCTURE_UNKNOWN, rules.name, found=f"structure {strange[0]!r}", expected=", ".join(known)
        )
    return known


def _score_exam(
    pair: MaskPair,
    *,
    loader: ImageLoader,
    root: Path | None,
    names: Mapping[str, int],
    rules: Any,
    options: CaseOptions,
) -> list[dict[str, Any]]:
    """Rows of one exam: patient_id, exam_id and metric figures, or the official counts."""
    where = f"exam {pair.exam_id}"
    ids = {"patient_id": pair.patient_id, "exam_id": pair.exam_id}
    truth = _named_values(loader(pair.reference, root), pair.reference, names, f"{where}, reference")
    guess = None
    if pair.prediction is not None:
        guess = loader(pair.prediction, root)
        if hasattr(rules, "place"):
            guess = rules.place(guess, truth.geometry, where=f"{where}, prediction")
        truth.require_same_grid(guess, where=where)
        guess = _named_values(guess, pair.prediction, names, f"{where}, prediction")
    if pair.cut is not None:
        truth, guess = _cut(truth, pair.cut), None if guess is None else _cut(guess, pair.cut)
    if rules is not None:
        array = None if guess is None else guess.array
        counts = rules.count(truth.array, array, spacing_mm=truth.spacing_mm.tolist(), where=where)
        return [ids | counts]
    labels = {value: name for name, value in names.items()}
    array = None if guess is None else guess.array
    compared = compare(truth.array, array, spacing_mm=truth.spacing_mm.tolist(), labels=labels, where=where)
    rows = score_pair(
        compared,
        labels=labels,
        definition=options.definition,
        tolerance_mm=options.tolerance_mm,
        lesions=options.lesions,
        empty=options.empty,
        missing=guess is None,
    )
    states = {row["label"]: row["state"] for row in rows}
    counted = [{**row, "state": states[row["label"]]} for row in lesion_rows(compared, labels, options.lesions)]
    return [ids | row for row in (*rows, *counted)]


_STRAY = 255


def _named_values(volume: Volume, row: Mapping[str, Any], names: Mapping[str, int], where: str) -> Volume:
    """The mask with the values under which its structures are scored.

    MET110 for a structure that is not scored, MET101 for a value that the mask's row gives no name, MET102.
    """
    labels = row["labels"] or {}
    strange = [name for name in labels.values() if name not in names]
    if strange:
        raise TumorboardError(
            codes.STRUCTURE_UNKNOWN, where, found=f"structure {strange[0]!r}", expected=", ".join(names)
        )
    array = as_labels(volume.array, where=where)
    table = np.full(256, _STRAY, np.uint8)
    table[0] = 0
    for value, name in labels.items():
        table[value] = names[name]
    renamed = np.take(table, array)
    stray = renamed == _STRAY
    if stray.any():
        found = f"value {int(array[stray][0])} ({int(stray.sum())} stray voxels)"
        expected = ", ".join(f"{value} ({name})" for value, name in labels.items())
        raise TumorboardError(codes.MASK_LABEL, where, found=found, expected=f"0 or {expected}")
    return Volume(renamed, volume.affine, volume.unit)


def _cut(volume: Volume, cut: Sequence[Sequence[int]]) -> Volume:
    low = [ends[0] for ends in cut]
    high = [size - ends[1] for size, ends in zip(volume.shape, cut, strict=True)]
    return volume.crop(low, high)


def _official(
    rules: Any, pairs: Sequence[MaskPair], cases: Sequence[Mapping[str, Any]], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    counted: dict[str, dict[str, float] | None] = {pair.exam_id: None for pair in pairs}
    for row in cases:
        counted[row["exam_id"]] = {k: v for k, v in row.items() if k not in ("patient_id", "exam_id")}
    patient_of = {pair.exam_id: pair.patient_id for pair in pairs}
    result = score_patients(rules, counted, seed=seed, patient_of=patient_of)
    return [dict(row) for row in result.scores], dict(result.rules)


def _plain(
    options: CaseOptions, cases: Sequence[Mapping[str, Any]], seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Means over patients (a patient's exams averaged first), and the aggregated figures."""
    by_figure: dict[tuple[str, str], dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in cases:
        by_figure[row["metric"], row["label"]][row["patient_id"]].append(row["value"])
    scores = []
    for (metric, label), patients in by_figure.items():
        if metric in NOT_AVERAGED:
            continue
        means = [mean_or_none(values) for values in patients.values()]
        interval = bootstrap_mean(means, seed=seed, undefined="omit")
        n = sum(value is not None for value in means)
        scores.append({"metric": metric, "label": label, **interval._asdict(), "n": n})
    for label in dict.fromkeys(label for _, label in by_figure):
        for metric, top, bottom in _AGGREGATED:
            above, below = (
                np.array([_sum(by_figure, label, terms, p) for p in by_figure["dice", label]])
                for terms in (top, bottom)
            )
            interval = bootstrap_ratio(above, below, seed=seed)
            n = int((below > 0).sum())
            scores.append({"metric": metric, "label": label, **interval._asdict(), "n": n})
    return scores, {"name": "all metrics", **asdict(options)}


# metric, terms above and below the line: (counted figure, factor)
_AGGREGATED = (
    ("aggregated_dice", (("overlap_ml", 2),), (("reference_ml", 1), ("predicted_ml", 1))),
    ("aggregated_lesion_f1", (("lesion_tp", 2),), (("lesion_tp", 2), ("lesion_fp", 1), ("lesion_fn", 1))),
)


def _sum(by_figure: Any, label: str, terms: Sequence[tuple[str, int]], patient: str) -> float:
    return float(sum(factor * sum(by_figure[name, label][patient]) for name, factor in terms))
