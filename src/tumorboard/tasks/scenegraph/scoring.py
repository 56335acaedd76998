"""Two runs' statements -> the figures of the task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from tumorboard.core.scenegraph import Statement, Tense
from tumorboard.metrics.graph import GraphScore, agreement, graph_score, scores_by
from tumorboard.metrics.intervals import Interval, bootstrap_mean
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.report import report_facts
from tumorboard.tasks.scenegraph.statements import SCORED_NOT, Change, RunStatements, Terms, terms_of

__all__ = ["count_row", "score_rows"]

Answers = dict[str, dict[tuple[str, str], str]]
"""Exam -> (location, attribute) -> polarity."""
Triples = dict[str, set[tuple[str, ...]]]


def score_rows(
    reference: RunStatements,
    prediction: RunStatements,
    *,
    patients: Mapping[str, str],
    ontology: Ontology,
    decides: str = "last",
    uncertain: str = "auto",
    seed: int = 0,
    resamples: int = 1000,
) -> list[dict[str, Any]]:
    """All figures of `prediction` against `reference`, over the exams that the reference speaks of and in its `Terms`;
    intervals draw patients (`patients`: exam -> patient)."""
    exams = sorted(reference.exams)
    terms = terms_of(reference, uncertain=uncertain)
    groups = {exam: patients.get(exam, exam) for exam in exams}
    options: dict[str, Any] = {"groups": groups, "seed": seed, "resamples": resamples}
    sides = (reference, prediction)
    said = [_answers(run, exams, terms, ontology, decides=decides) for run in sides]
    closed = [_answers(run, exams, terms, ontology, decides=decides, closed=True) for run in sides]
    triples, all_triples = ([_triples(side) for side in pair] for pair in (said, closed))
    whole = graph_score(*triples, **options)
    rows = [
        _row("triple_f1", "", whole.f1, whole.n),
        _row("triple_precision", "", whole.precision, whole.n),
        _row("triple_recall", "", whole.recall, whole.n),
        _f1("closed_triple_f1", graph_score(*all_triples, **options)),
        _f1("attribute_f1", graph_score(*(_without(side, 0) for side in triples), **options)),
        _f1("location_f1", graph_score(*(_without(side, 1) for side in triples), **options)),
    ]
    if terms.sentences:
        placed = [_sentences(run, reference, exams, terms) for run in sides]
        rows.append(_f1("sentence_f1", graph_score(*placed, **options)))
    if reference.changes:
        rows.append(_f1("comparison_f1", graph_score(*(_changes(run, exams, terms) for run in sides), **options)))
    rows += _agreement_rows(said[0], said[1], groups, seed)
    for place in (1, 0):  # per attribute, then per location
        for name, score in scores_by(triples[0], triples[1], itemgetter(place), **options).items():
            rows.append(_row("triple_f1", name, score.f1, score.tp + score.fn))
    return rows


def count_row(run: RunStatements, exams: Sequence[str], *, seed: int = 0, resamples: int = 1000) -> dict[str, Any]:
    """Mean number of current statements per report."""
    counts = [
        sum(s.tense is Tense.CURRENT and s.category != SCORED_NOT for s in run.statements.get(exam, ()))
        for exam in exams
    ]
    interval = bootstrap_mean(counts, seed=seed, resamples=resamples) if counts else Interval(None, None, None)
    return _row("statements_per_report", "", interval, len(counts))


def _answers(
    run: RunStatements, exams: Iterable[str], terms: Terms, ontology: Ontology, *, decides: str, closed: bool = False
) -> Answers:
    """What the run says at report level; `closed`: with all that follows."""
    found: Answers = {}
    for exam in exams:
        facts, _ = report_facts(run.statements.get(exam, ()), ontology, decides=decides)
        whole = close(facts, ontology) if closed else facts
        said = {key: terms.polarity(fact.polarity) for key, fact in whole.items() if fact.category != SCORED_NOT}
        found[exam] = {key: polarity for key, polarity in said.items() if polarity is not None}
    return found


def _triples(side: Answers) -> Triples:
    return {exam: {(*key, polarity) for key, polarity in answers.items()} for exam, answers in side.items()}


def _without(side: Triples, place: int) -> Triples:
    return {exam: {(*t[:place], *t[place + 1 :]) for t in triples} for exam, triples in side.items()}


def _sentences(run: RunStatements, reference: RunStatements, exams: Iterable[str], terms: Terms) -> Triples:
    """(text, first character of the sentence, location, attribute, polarity) of every current statement. The sentence
    is the reference's one in which the statement stands, so that a list number taken in or not is no difference."""
    found: Triples = {}
    for exam in exams:
        spans: dict[str, list[tuple[int, int]]] = {}
        for s, text in zip(reference.statements.get(exam, ()), reference.texts.get(exam, ()), strict=True):
            spans.setdefault(text, []).append((s.sentence_start, s.sentence_start + len(s.sentence)))
        found[exam] = set()
        for s, text in zip(run.statements.get(exam, ()), run.texts.get(exam, ()), strict=True):
            polarity = terms.polarity(s.polarity)
            if polarity and s.tense is Tense.CURRENT and s.attribute and s.category != SCORED_NOT:
                first = str(_first_of(s, spans.get(text, ())))
                found[exam] |= {(text, first, location, s.attribute, polarity) for location in s.locations}
    return found


def _first_of(statement: Statement, spans: Iterable[tuple[int, int]]) -> int:
    """First character of the span that holds the statement's words; of its own sentence where none does."""
    place = statement.start or statement.sentence_start
    return next((first for first, last in spans if first <= place < last), statement.sentence_start)


def _changes(run: RunStatements, exams: Iterable[str], terms: Terms) -> dict[str, set[Change]]:
    found = {exam: {terms.change(*item) for item in run.changes.get(exam, {}).items()} for exam in exams}
    return {exam: {change for change in changes if change is not None} for exam, changes in found.items()}


def _agreement_rows(first: Answers, second: Answers, groups: Mapping[str, str], seed: int) -> list[dict[str, Any]]:
    answers: tuple[list[str], list[str], list[str]] = ([], [], [])
    for exam in first:
        for key in sorted({*first[exam], *second[exam]}):
            answers[0].append(first[exam].get(key, "silent"))
            answers[1].append(second[exam].get(key, "silent"))
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
