"""A feature that gives the label away."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import AS_PUBLISHED, Case, Column, level_text
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define
from tumorboard.core.naming import endpoint_of, indicator_polarity, is_date, is_duration, means_missing, words

CODE = define(
    "OUT207",
    "A feature that gives the label away",
    why="A model with this feature scores perfectly here and fails where the feature is filled in before the label is "
    "known, or not at all.",
    fix="keep the feature out of models of this label (`drop` in the schema), or redefine it without",
)
EXAMPLE = 'a tumour grade with the level "HPV+" beside the HPV status'
MIN_LEVEL = 8
CHANCE = 1e-6
COVER = 0.25
"""Part of the class that a level must explain."""
MIN_EACH = 5
SEPARATED = 0.999
OF_A_CLASS = 0.98
"""AUC of a number, or balanced accuracy of a column's levels, that no honest feature of a declared class reaches."""
_LABELS = {"hpv", "p16", "egfr", "kras", "response", "bor", "benefit"}
_OUTCOME_WORDS = {"death", "dead", "survival", "recurrence", "relapse", "cause", "last", "progression", "response",
                  "bor",
                  "metastasis", "followup", "distant", "deceased", "event", "censor", "local", "regional", "pfs", "os",
                  "status", "benefit", "date", "salvage", "surgery", "ccrt", "months"}  # fmt: skip


@dataclass(frozen=True)
class _Label:
    """A class of each patient (None: not known); `where` it stands; `own` columns that are the label itself."""

    where: str
    values: NDArray[np.object_]
    own: frozenset[str]
    outcome: bool


def find(case: Case) -> Iterator[CheckFinding]:
    features = [c for n, c in case.variables.items() if not n.endswith(AS_PUBLISHED) and len(c.counts) >= 1]
    for label in _labels(case):
        given: dict[bool, list[str]] = {True: [], False: []}
        for column in features:
            if column.name in label.own or (set(words(column.name)) & _LABELS & set(words(label.where))):
                continue
            text = given_away(column, label.values, where=label.where, separated=_bar(label))
            if text and not (label.own and label.outcome and _is_outcome(column.name)):
                given[label.outcome and _is_outcome(column.name)].append(f"{column.name}: {text}")
        for outcome, texts in given.items():
            if texts:
                yield finding(
                    CODE,
                    "info" if outcome else "warning",
                    label.where,
                    found=("columns recorded with the outcome itself: " if outcome else "") + listed(texts, most=5),
                    expected="features that are known before, and do not contain, the label",
                )


def given_away(
    column: Column, label: NDArray[np.object_], *, where: str, separated: float = OF_A_CLASS
) -> str | None:
    """In words, how a column gives the class (n,), None where not known, away; None when it does not.

    A level that names the label or is of one class by more than chance; levels that together tell the classes; a number
    that parts them. `where`: name of the label.
    """
    return (
        _levels(column, label, _said(where))
        or _all_levels(column, label, separated)
        or _numbers(column, label, separated)
    )


def speaks_of(name: str, label: str) -> bool:
    """Whether a column's name speaks of the label itself: HPV and p16 are one."""
    said = _said(label)
    return bool(set(words(name)) & _LABELS & said) or (bool(said) and said <= set(words(name)))


def _said(where: str) -> set[str]:
    said = set(words(where))
    return said | {"hpv", "p16"} if {"hpv", "p16"} & said else said


def _bar(label: _Label) -> float:
    """Declared classes are what somebody will predict; other columns may well be derived from each other."""
    return OF_A_CLASS if label.where.startswith("outcomes.") and not label.outcome else SEPARATED


def _labels(case: Case) -> Iterator[_Label]:
    for endpoint, values in case.class_endpoints.items():
        yield _Label(f"outcomes.{endpoint}", values, frozenset(), outcome=False)
    declared = set()
    for timed in case.timed:
        if timed.declared:
            declared.add(timed.endpoint)
            yield _Label(f"outcomes.{timed.name} (event)", _as_text(timed.event), frozenset(), outcome=True)
    for indicator in case.indicators:
        if endpoint_of(indicator.name) not in declared or not declared:
            yield _Label(
                f"patients.{indicator.name}", _as_text(indicator.value), frozenset({indicator.name}), outcome=True
            )
    for name, column in case.variables.items():
        if _LABELS & set(words(name)) and 2 <= len(column.levels) <= 5 and indicator_polarity(name) is None:
            texts = np.array([level_text(v) if k else None for v, k in zip(column.values, column.known, strict=True)])
            texts = np.array([None if t is None or means_missing(t) else t for t in texts], dtype=object)
            yield _Label(f"patients.{name}", texts, frozenset({name}), outcome=False)


def _as_text(values: NDArray[np.float64]) -> NDArray[np.object_]:
    return np.array([None if np.isnan(v) else level_text(float(v)) for v in values], dtype=object)


def _is_outcome(name: str) -> bool:
    return (
        is_date(name) or is_duration(name) or bool(indicator_polarity(name)) or bool(_OUTCOME_WORDS & set(words(name)))
    )


def level_meaning(column: Column, level: str) -> str:
    """A level with what the dictionary says it means."""
    return f"{level} {column.variable.levels.get(level, '')}"


def _levels(column: Column, label: NDArray[np.object_], said: set[str]) -> str | None:
    """A level all of whose patients are of one class, by more than chance, and who are much of that class."""
    known = np.array([value is not None for value in label])
    classes = list(dict.fromkeys(label[known].tolist()))
    if len(classes) < 2:
        return None
    masks = dict(column.levels)
    if not column.known.all():
        masks["(empty)"] = ~column.known
    if len(masks) < 2:
        return None
    found: list[tuple[float, str]] = []
    for level, mask in masks.items():
        mine = mask & known
        count = int(mine.sum())
        if count < 3 or count == known.sum():
            continue
        for value in classes:
            members = label == value
            share = float(members[known].mean())
            whole = bool(members[mine].all())
            covered = count / max(int(members.sum()), 1)
            speaks = count >= 3 and bool(_LABELS & set(words(level_meaning(column, level))) & said)
            of_class = f"({count} patients, {covered:.0%} of that class)"
            if speaks and whole:
                found.append((1 + covered, f"{level!r} names the label and is always {value} {of_class}"))
            elif count >= MIN_LEVEL and whole and share**count * len(masks) < CHANCE and covered >= COVER:
                found.append((covered, f"{level!r} is always {value} {of_class}"))
    return max(found)[1] if found else None


def _all_levels(column: Column, label: NDArray[np.object_], separated: float) -> str | None:
    """Levels that, each taken for its commonest class, recognise every class but for a few patients. Levels of one or
    two patients prove nothing and count as errors."""
    known = np.array([value is not None for value in label])
    classes = list(dict.fromkeys(label[known].tolist()))
    masks = [mask & known for mask in (*column.levels.values(), ~column.known)]
    masks = [mask for mask in masks if mask.sum() >= 3]
    sizes = [int((label == value).sum()) for value in classes]
    if len(classes) < 2 or len(masks) < len(classes) or min(sizes) < MIN_EACH or sum(sizes) < 25:
        return None
    found = np.zeros(len(classes))
    for mask in masks:
        counts = [int((mask & (label == value)).sum()) for value in classes]
        best = int(np.argmax([count / size for count, size in zip(counts, sizes, strict=True)]))
        found[best] += counts[best]
    reached = float(np.mean(found / sizes))
    return f"its levels tell the classes: balanced accuracy {reached:.3f}" if reached >= separated else None


def _numbers(column: Column, label: NDArray[np.object_], separated: float) -> str | None:
    """A number that parts the classes without overlap, or nearly so."""
    if column.is_text or len(column.counts) < 6:
        return None
    known = np.array([value is not None for value in label]) & column.known
    classes = list(dict.fromkeys(label[known].tolist()))
    for value in classes if len(classes) > 2 else classes[:1]:
        mine, rest = column.values[known & (label == value)], column.values[known & (label != value)]
        if min(len(mine), len(rest)) < MIN_EACH or len(mine) + len(rest) < 25:
            continue
        order = np.searchsorted(np.sort(rest), mine, side="left") + np.searchsorted(np.sort(rest), mine, side="right")
        auc = float(order.sum()) / (2 * len(mine) * len(rest))
        if max(auc, 1 - auc) >= separated:
            return f"AUC {max(auc, 1 - auc):.3f} for {value} ({len(mine)} against {len(rest)} patients)"
    return None
