"""Two runs' rows of statements -> the figures of the task."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from tumorboard.core.chest import PUBLISHED_CHANGES
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, Statement, Tense
from tumorboard.metrics.graph import GraphScore, agreement, graph_score, scores_by
from tumorboard.metrics.intervals import Interval, bootstrap_mean
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.report import report_facts
from tumorboard.tasks.scenegraph.rows import is_change, is_statement, statement_of

__all__ = ["RunStatements", "count_row", "polarities", "score_rows", "statements_of_run"]

Change = tuple[str, str, str]
"""(location, attribute, word)."""
_PUBLISHED = {"new": "worsened", "resolved": "improved", "removed": ""}
"""Our further words of change in the published three."""
_SCORED_NOT = "nlp"
"""The category normal/abnormal says nothing of its own."""


@dataclass
class RunStatements:
    """What one run says of each exam: statements in the order of the rows, the texts they stand in, and changes
    (location, attribute, word) by exam, with the sources of each (text, graphs)."""

    run_id: str
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, dict[Change, set[str]]] = field(default_factory=dict)

    @property
    def exams(self) -> set[str]:
        return set(self.statements) | set(self.changes)


def statements_of_run(cohort: Cohort, run_id: str) -> RunStatements:
    """The statements and changes of a run. What a closure added is left out: scoring closes both sides itself."""
    found = RunStatements(run_id)
    bodies = dict(zip(cohort.texts["text_id"].to_pylist(), cohort.texts["body"].to_pylist(), strict=True))
    for row in cohort.rows("relations", run_id=run_id):
        if is_change(row):
            change, source = _change_of(row)
            found.changes.setdefault(row["subject"], {}).setdefault(change, set()).add(source)
        elif is_statement(row) and '"derived_from"' not in (row["attributes"] or ""):
            found.statements.setdefault(row["subject"], []).append(statement_of(row, bodies))
            found.texts.setdefault(row["subject"], []).append(row["text_id"] or "")
    return found


def _change_of(row: Mapping[str, Any]) -> tuple[Change, str]:
    """The change and its source. SCG112 when the row does not say what changed."""
    try:
        said = json.loads(row["attributes"] or "")
        return (str(said["location"]), str(said["attribute"]), row["predicate"]), str(said.get("source") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        where = f"relations, {row.get('relation_id')}"
        found = f"{type(error).__name__}: {error}"
        raise TumorboardError(
            codes.STATEMENT_UNREADABLE, where, found=found, expected="a JSON object with location and attribute"
        ) from error


def _change_pair(
    reference: RunStatements, prediction: RunStatements, exams: Sequence[str]
) -> list[dict[str, set[Change]]]:
    """Both sides' changes in the words and from the sources that the reference has."""
    words = {change[2] for of in reference.changes.values() for change in of}
    text_alone = all(sources == {"text"} for of in reference.changes.values() for sources in of.values())
    sides = []
    for run in (reference, prediction):
        side: dict[str, set[Change]] = {exam: set() for exam in exams}
        for exam in exams:
            for (location, attribute, word), sources in run.changes.get(exam, {}).items():
                said = _PUBLISHED.get(word, word) if words <= set(PUBLISHED_CHANGES) else word
                if said and not (text_alone and sources == {"graphs"}):
                    side[exam].add((location, attribute, said))
        sides.append(side)
    return sides


def score_rows(
    reference: RunStatements,
    prediction: RunStatements,
    *,
    patients: Mapping[str, str],
    ontology: Ontology,
    decides: str = "last",
    uncertain: str = "keep",
    seed: int = 0,
    resamples: int = 1000,
) -> list[dict[str, Any]]:
    """All figures of `prediction` against `reference`, over the exams that the reference speaks of; intervals draw
    patients (`patients`: exam -> patient). Where the reference's changes are all from text, changes that only the
    prediction's graphs show do not count; where it knows the three published words alone, new counts as worsened,
    resolved as improved, and removed not at all."""
    exams = sorted(reference.exams)
    groups = {exam: patients.get(exam, exam) for exam in exams}
    options: dict[str, Any] = {"groups": groups, "seed": seed, "resamples": resamples}
    rows: list[dict[str, Any]] = []
    said = [polarities(run, exams, ontology, decides=decides) for run in (reference, prediction)]
    closed = [polarities(run, exams, ontology, decides=decides, closed=True) for run in (reference, prediction)]
    triples, all_triples = ([_triples(side, uncertain) for side in pair] for pair in (said, closed))
    whole = graph_score(*triples, **options)
    rows += [
        _row("triple_f1", "", whole.f1, whole.n),
        _row("triple_precision", "", whole.precision, whole.n),
        _row("triple_recall", "", whole.recall, whole.n),
        _f1("closed_triple_f1", graph_score(*all_triples, **options)),
        _f1("attribute_f1", graph_score(*(_without(side, 0) for side in triples), **options)),
        _f1("location_f1", graph_score(*(_without(side, 1) for side in triples), **options)),
        _f1(
            "sentence_f1",
            graph_score(*(_sentences(run, reference, exams, uncertain) for run in (reference, prediction)), **options),
        ),
    ]
    if reference.changes:
        rows.append(_f1("comparison_f1", graph_score(*_change_pair(reference, prediction, exams), **options)))
    rows += _agreement_rows(said[0], said[1], groups, seed)
    for place in (1, 0):  # per attribute, then per location
        for name, score in scores_by(triples[0], triples[1], itemgetter(place), **options).items():
            rows.append(_row("triple_f1", name, score.f1, score.tp + score.fn))
    return rows


def polarities(
    run: RunStatements, exams: Iterable[str], ontology: Ontology, *, decides: str = "last", closed: bool = False
) -> dict[str, dict[tuple[str, str], Polarity]]:
    """Exam -> (location, attribute) -> polarity at report level; `closed`: with all that follows."""
    found = {}
    for exam in exams:
        facts, _ = report_facts(run.statements.get(exam, ()), ontology, decides=decides)
        whole = close(facts, ontology) if closed else facts
        found[exam] = {key: fact.polarity for key, fact in whole.items() if fact.category != _SCORED_NOT}
    return found


def count_row(run: RunStatements, exams: Sequence[str], *, seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """Mean number of current statements per report."""
    counts = [
        sum(s.tense is Tense.CURRENT and s.category != _SCORED_NOT for s in run.statements.get(exam, ()))
        for exam in exams
    ]
    interval = bootstrap_mean(counts, seed=seed, resamples=resamples) if counts else Interval(None, None, None)
    return _row("statements_per_report", "", interval, len(counts))


def _polarity(polarity: Polarity, uncertain: str) -> str:
    return uncertain if polarity is Polarity.UNCERTAIN and uncertain != "keep" else str(polarity)


def _triples(side: Mapping[str, Mapping[tuple[str, str], Polarity]], uncertain: str) -> dict[str, set[tuple[str, ...]]]:
    return {
        exam: {(*key, _polarity(polarity, uncertain)) for key, polarity in facts.items()}
        for exam, facts in side.items()
    }


def _without(side: Mapping[str, set[tuple[str, ...]]], place: int) -> dict[str, set[tuple[str, ...]]]:
    return {exam: {(*t[:place], *t[place + 1 :]) for t in triples} for exam, triples in side.items()}


def _sentences(
    run: RunStatements, reference: RunStatements, exams: Iterable[str], uncertain: str
) -> dict[str, set[tuple[str, ...]]]:
    """(text, first character of the sentence, location, attribute, polarity) of every current statement. The sentence
    is the reference's one in which the statement stands, so that a list number taken in or not is no difference."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for exam in exams:
        spans: dict[str, list[tuple[int, int]]] = {}
        for s, text in zip(reference.statements.get(exam, ()), reference.texts.get(exam, ()), strict=True):
            spans.setdefault(text, []).append((s.sentence_start, s.sentence_start + len(s.sentence)))
        pairs = zip(run.statements.get(exam, ()), run.texts.get(exam, ()), strict=True)
        found[exam] = {
            (text, str(_first_of(s, spans.get(text, ()))), location, s.attribute, _polarity(s.polarity, uncertain))
            for s, text in pairs
            if s.tense is Tense.CURRENT and s.attribute and s.category != _SCORED_NOT
            for location in s.locations
        }
    return found


def _first_of(statement: Statement, spans: Iterable[tuple[int, int]]) -> int:
    """First character of the span that holds the statement's words; of its own sentence where none does."""
    place = statement.start or statement.sentence_start
    return next((first for first, last in spans if first <= place < last), statement.sentence_start)


def _agreement_rows(
    first: Mapping[str, Mapping[tuple[str, str], Polarity]],
    second: Mapping[str, Mapping[tuple[str, str], Polarity]],
    groups: Mapping[str, str],
    seed: int,
) -> list[dict[str, Any]]:
    answers: tuple[list[str], list[str], list[str]] = ([], [], [])
    for exam in first:
        for key in sorted({*first[exam], *second[exam]}):
            answers[0].append(str(first[exam].get(key, "silent")))
            answers[1].append(str(second[exam].get(key, "silent")))
            answers[2].append(groups[exam])
    found = agreement(answers[0], answers[1], groups=answers[2], seed=seed)
    return [_row("percent_agreement", "", found.percent, found.n), _row("kappa", "", found.kappa, found.n)]


def _f1(metric: str, score: GraphScore) -> dict[str, Any]:
    return _row(metric, "", score.f1, score.n)


def _row(metric: str, label: str, interval: Interval, n: int) -> dict[str, Any]:
    return {
        "metric": metric,
        "label": label,
        "subset": "all",
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "n": n,
    }
