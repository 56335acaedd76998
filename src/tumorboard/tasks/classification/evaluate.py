"""Score predicted classes and probabilities of a run, or of a CSV file, against the reference.

Without `rules`: figures of every endpoint that both have. With `rules`: a challenge's own (HECKTOR's HPV status and
staging). A patient without a predicted class counts as an error and is named; nobody is left out in silence.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import ClassOutcome
from tumorboard.core.tables import EXPERT
from tumorboard.metrics import codes as metric_codes
from tumorboard.metrics.classification import balanced_accuracy, confusion, f1_macro, matthews, one_versus_rest_auc
from tumorboard.metrics.classification.calibration import brier_score, expected_calibration_error, log_loss
from tumorboard.metrics.intervals import Interval, bootstrap
from tumorboard.tasks.classification import codes
from tumorboard.tasks.result import Evaluation

__all__ = ["evaluate"]

TASK = "classification"
_POSITIVE = {"positive", "pos", "true", "yes", "1", "1.0", "+"}
_NEGATIVE = {"negative", "neg", "false", "no", "0", "0.0", "-"}


@dataclass(frozen=True)
class _Told:
    """A patient's predicted class (None: none), probabilities, and why there is no class."""

    value: str | None
    probabilities: Mapping[str, float]
    problem: str = ""


def evaluate(
    cohort: Cohort,
    prediction: str | Path,
    *,
    reference: str = EXPERT,
    rules: Any = None,
    seed: int = 0,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score `prediction`, a run of the cohort or a CSV file (columns PatientID and Prediction: the class, or true and
    false for two classes).

    Intervals resample patients within their class. Figures of probabilities need them (runs have them; n says of how
    many). Errors: MET109 when there is nothing to score, MET108 for a patient predicted twice, CLS106 for an unreadable
    file, MET107 for a class that is not the endpoint's.
    """
    truths = {
        name: dict(zip(outcome.patient_ids, outcome.values, strict=True))
        for name in cohort.endpoints(reference)
        if isinstance(outcome := _outcome(cohort, name, reference), ClassOutcome)
    }
    told, unused = _predictions(cohort, prediction, truths)
    endpoints = [name for name in truths if name in told]
    if not endpoints:
        found = f"{prediction!s} with {', '.join(told) or 'no endpoint'}"
        expected = f"predictions of {', '.join(truths) or 'a class'}"
        raise TumorboardError(metric_codes.PREDICTION_UNKNOWN, cohort.name, found=found, expected=expected)
    run = Path(prediction).stem if Path(str(prediction)).suffix == ".csv" else str(prediction)
    if rules is not None:
        scores, stated = _official(rules, truths, told, seed)
    else:
        stated = {"name": "all figures", "without_a_class": "error"}
        scores = [row for name in endpoints for row in _plain(name, truths[name], told[name], seed)]
    missing = [
        f"{patient} ({name})" + (f": {one.problem}" if (one := told[name].get(patient)) and one.problem else "")
        for name in endpoints
        for patient in truths[name]
        if patient not in told[name] or told[name][patient].value is None
    ]
    cases = [
        {"case": patient, "label": name, "truth": value, "prediction": one.value if one else None}
        for name in endpoints
        for patient, value in truths[name].items()
        for one in [told[name].get(patient)]
    ]
    stated |= {"reference": reference, "seed": seed}
    for row in scores:
        row |= {"run": run, "task": TASK, "subset": "all"}
    if progress is not None:
        progress(len(cases), len(cases))
    return Evaluation(scores, {}, rules=stated, cases=cases, missing=tuple(missing), unused=tuple(unused))


def _outcome(cohort: Cohort, name: str, run_id: str) -> Any:
    try:
        return cohort.outcome(name, run_id=run_id)
    except TumorboardError:
        return None  # all values unusable: the checks report them


def _predictions(
    cohort: Cohort, prediction: str | Path, truths: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[str, _Told]], list[str]]:
    """Endpoint -> patient -> what was told, and lines that answer no patient."""
    path = Path(prediction)
    if path.suffix.lower() == ".csv":
        return _from_file(path, truths)
    found: dict[str, dict[str, _Told]] = {}
    for row in cohort.rows("outcomes", run_id=str(prediction)):
        if row["class_value"] is None and row["survival"] is None and row["endpoint"] not in truths:
            continue
        one = _Told(row["class_value"], row["probabilities"] or {}, row["problem"] or "")
        found.setdefault(row["endpoint"], {})[row["patient_id"]] = one
    return found, []


def _from_file(
    path: Path, truths: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, dict[str, _Told]], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TumorboardError(
            codes.PREDICTION_UNREADABLE, path, found=str(error), expected="a CSV file in UTF-8"
        ) from error
    if not rows or not {"PatientID", "Prediction"} <= set(rows[0]):
        seen = ", ".join(rows[0]) if rows else "no rows"
        raise TumorboardError(codes.PREDICTION_UNREADABLE, path, found=seen, expected="columns PatientID and Prediction")
    given = [(str(row["PatientID"]).strip(), str(row["Prediction"] or "").strip()) for row in rows]
    twice = [patient for patient, n in Counter(patient for patient, _ in given).items() if n > 1]
    if twice:
        raise TumorboardError(metric_codes.TABLE_REPEATED, path, found=f"{twice[0]} twice", expected="one line each")
    classes = {name: set(truth.values()) for name, truth in truths.items()}
    fitting = [n for n, known in classes.items() if all(not v or _as_class(v, known) for _, v in given)]
    found = {
        name: {
            patient: _Told(_as_class(value, classes[name]), {})
            for patient, value in given
            if patient in truths[name]
        }
        for name in fitting
    }
    return found, [p for p, _ in given if fitting and all(p not in truths[name] for name in fitting)]


def _as_class(value: str, classes: set[str]) -> str | None:
    """The endpoint's class that a cell means; None when it is none of them, or empty."""
    if value in classes:
        return value
    for spoken in (_POSITIVE, _NEGATIVE):
        meant = [name for name in classes if name.lower() in spoken]
        if value.lower() in spoken and len(meant) == 1 and len(classes) == 2:
            return meant[0]
    return None


def _plain(name: str, truth: Mapping[str, str], told: Mapping[str, _Told], seed: int) -> list[dict[str, Any]]:
    classes = sorted(set(truth.values()))
    patients = list(truth)
    y = np.array([classes.index(truth[p]) for p in patients])
    guesses = [told[p].value if p in told else None for p in patients]
    outside = sorted({g for g in guesses if g is not None} - set(classes))
    listed = [*classes, *outside]
    g = np.array([-1 if guess is None else listed.index(guess) for guess in guesses])

    def counts(y: NDArray[Any], g: NDArray[Any]) -> NDArray[np.int64]:
        plain = [None if v < 0 else int(v) for v in g]
        return confusion(y.tolist(), plain, classes=range(len(listed)))

    rows = [
        _row("balanced_accuracy", name, lambda y, g: balanced_accuracy(y.tolist(), g.tolist()), [y, g], y, seed),
        _row("mcc", name, lambda y, g: matthews(counts(y, g)), [y, g], y, seed),
        _row("f1_macro", name, lambda y, g: f1_macro(counts(y, g)), [y, g], y, seed),
    ]
    for place, value in enumerate(classes):
        mine = y == place
        rows.append(
            _row("sensitivity", f"{name}: {value}", lambda hit: float(hit.mean()), [(g == y)[mine]], y[mine], seed)
        )
    if (g < 0).any() and (g >= 0).any():
        rows.append(_row("answered", name, lambda g: float((g >= 0).mean()), [g], y, seed))
        kept = g >= 0
        rows.append(
            _row(
                "balanced_accuracy of the answered",
                name,
                lambda y, g: balanced_accuracy(y.tolist(), g.tolist()),
                [y[kept], g[kept]],
                y[kept],
                seed,
            )
        )
    rows += _of_probabilities(name, y, [told.get(p) for p in patients], classes, seed)
    return rows


def _of_probabilities(
    name: str, y: NDArray[Any], told: list[_Told | None], classes: list[str], seed: int
) -> list[dict[str, Any]]:
    """Figures of those patients whose probabilities speak of the reference's classes."""
    kept = [i for i, one in enumerate(told) if one is not None and set(classes) <= set(one.probabilities)]
    if not kept:
        return []
    p = np.array([[told[i].probabilities[c] for c in classes] for i in kept])  # type: ignore[union-attr]
    p = p / p.sum(axis=1, keepdims=True)
    mine = y[kept]
    figures = (
        ("auc", one_versus_rest_auc),
        ("brier", brier_score),
        ("log_loss", log_loss),
        ("ece", expected_calibration_error),
    )
    return [_row(metric, name, figure, [mine, p], mine, seed) for metric, figure in figures]


def _row(
    metric: str, label: str, figure: Callable[..., float | None], arrays: list[Any], strata: Any, seed: int
) -> dict[str, Any]:
    found: Interval = bootstrap(figure, arrays, seed=seed, strata=strata)
    return {"metric": metric, "label": label, **found._asdict(), "n": len(strata)}


def _official(
    rules: Any,
    truths: Mapping[str, Mapping[str, str]],
    told: Mapping[str, Mapping[str, _Told]],
    seed: int,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if hasattr(rules, "t_stages"):
        t, n = truths.get("T stage", {}), truths.get("N stage", {})
        said = [told.get(name, {}) for name in ("T stage", "N stage")]
        truth = {p: (_coarse(t.get(p)), _coarse(n.get(p))) for p in dict.fromkeys([*t, *n])}
        guesses = {p: tuple(_coarse(s[p].value) if p in s else None for s in said) for p in truth}
        score = rules.score(truth, guesses, seed=seed)
    else:
        name = next((name for name in truths if name in told and "hpv" in name.lower()), None)
        if name is None:
            raise TumorboardError(
                metric_codes.PREDICTION_UNKNOWN, rules.name, found="no HPV status", expected="an endpoint HPV in both"
            )
        status = {p: _status(v, rules.name) for p, v in truths[name].items()}
        guess = {p: None if one.value is None else _status(one.value, rules.name) for p, one in told[name].items()}
        score = rules.score(status, guess, seed=seed)
    return [dict(row) for row in score.scores], {**score.rules, "left_out": list(score.skipped)}


def _coarse(stage: str | None) -> str | None:
    """T4a -> T4, N2b -> N2."""
    return stage.strip()[:2].upper() if stage else None


def _status(value: str, where: str) -> bool:
    if value.lower() in _POSITIVE | _NEGATIVE:
        return value.lower() in _POSITIVE
    raise TumorboardError(metric_codes.OPTION_UNKNOWN, where, found=repr(value), expected="positive or negative")
