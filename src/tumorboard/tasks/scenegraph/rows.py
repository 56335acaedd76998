"""Statements as rows of `relations`, and back.

A statement: subject = exam_id, predicate = polarity, object = ``category|attribute``, text_id/start/end = its evidence
in the body of that text, attributes = JSON with locations, tense, comparison, severity, cues, section, sentence
(``[start, end]`` in the same body), rules, measures, lexicon. A change: subject = exam_id, predicate = the word of
change, object = the exam before, attributes = JSON with location, category, attribute, source (text or graphs).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tumorboard import __version__
from tumorboard.core.chest import CHANGES
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.change import Change
from tumorboard.tasks.scenegraph.closure import Fact

__all__ = ["change_row", "derived_row", "is_change", "is_statement", "run_row", "statement_of", "statement_rows"]

Locate = Callable[[int], tuple[str | None, int]]
"""Character of the report -> (text_id, character of that text's body)."""

_POLARITIES = {str(polarity) for polarity in Polarity}


def _in_place(position: int) -> tuple[str | None, int]:
    return None, position


def statement_rows(graph: SceneGraph, *, run_id: str, locate: Locate = _in_place) -> list[dict[str, Any]]:
    """One row per statement of the graph, history and conditions included, in the order of the text."""
    return [
        _statement_row(statement, graph, number, run_id=run_id, locate=locate)
        for number, statement in enumerate(graph.statements)
    ]


def _statement_row(s: Statement, graph: SceneGraph, number: int, *, run_id: str, locate: Locate) -> dict[str, Any]:
    text_id, start = locate(s.start)
    _, sentence = locate(s.sentence_start)
    attributes = {
        "locations": list(s.locations),
        "tense": str(s.tense),
        "comparison": s.comparison,
        "severity": s.severity,
        "cues": [list(cue) for cue in s.cues],
        "section": s.section,
        "sentence": [sentence, sentence + len(s.sentence)],
        "rules": list(s.rules),
        "measures": dict(s.measures),
        "lexicon": graph.lexicon,
    }
    return {
        "relation_id": f"{graph.exam_id}.{run_id}.{number}",
        "subject": graph.exam_id,
        "predicate": str(s.polarity),
        "object": f"{s.category}|{s.attribute}",
        "run_id": run_id,
        "text_id": text_id,
        "start": start,
        "end": start + s.end - s.start,
        "confidence": s.confidence,
        "attributes": json.dumps(attributes, sort_keys=True, ensure_ascii=False),
    }


def derived_row(fact: Fact, base: Mapping[str, Any], number: int) -> dict[str, Any]:
    """A row for what follows (`closure`) from the statement whose row is `base`: its evidence, marked with
    ``derived_from`` and the direction."""
    said = json.loads(base["attributes"])
    attributes = {
        **said,
        "locations": [fact.location],
        "comparison": fact.comparison,
        "severity": fact.severity,
        "cues": [],
        "rules": [*said["rules"], fact.derived],
        "measures": {},
        "derived_from": base["relation_id"],
    }
    return {
        **base,
        "relation_id": f"{base['relation_id']}.follows.{number}",
        "predicate": str(fact.polarity),
        "object": f"{fact.category}|{fact.attribute}",
        "attributes": json.dumps(attributes, sort_keys=True, ensure_ascii=False),
    }


def change_row(change: Change, exam_id: str, previous_id: str, number: int, *, run_id: str) -> dict[str, Any]:
    """A row for a change since the exam before."""
    attributes = {
        "location": change.location,
        "category": change.category,
        "attribute": change.attribute,
        "source": change.source,
    }
    return {
        "relation_id": f"{exam_id}.{run_id}.change.{number}",
        "subject": exam_id,
        "predicate": change.word,
        "object": previous_id,
        "run_id": run_id,
        "confidence": change.confidence,
        "attributes": json.dumps(attributes, sort_keys=True, ensure_ascii=False),
    }


def is_statement(row: Mapping[str, Any]) -> bool:
    """Whether a row of `relations` is a statement about its exam (changes and same-lesion links are not)."""
    return row["predicate"] in _POLARITIES and "|" in (row["object"] or "")


def is_change(row: Mapping[str, Any]) -> bool:
    """Whether a row of `relations` is a change between two exams."""
    return row["predicate"] in CHANGES


def statement_of(row: Mapping[str, Any], bodies: Mapping[str, str] | None = None) -> Statement:
    """The statement of a row; `bodies` (text_id -> body) brings back its sentence. Offsets are those of the body.

    SCG112 when the attributes are no JSON object with a list of locations, or a word is none of the vocabulary.
    """
    category, _, attribute = row["object"].partition("|")
    try:
        said: dict[str, Any] = json.loads(row["attributes"] or "")
        locations = said["locations"]
        if not isinstance(locations, list) or not all(isinstance(name, str) for name in locations):
            raise ValueError("locations that are no list of names")
        first, last = said.get("sentence") or (0, 0)
        body = (bodies or {}).get(row.get("text_id") or "") or ""
        return Statement(
            attribute=attribute,
            category=category,
            locations=tuple(locations),
            polarity=Polarity(row["predicate"]),
            tense=Tense(said.get("tense") or "current"),
            comparison=said.get("comparison"),
            severity=said.get("severity"),
            cues=tuple((str(kind), str(label)) for kind, label in said.get("cues") or ()),
            section=said.get("section") or "",
            sentence=body[first:last],
            sentence_start=int(first),
            start=row.get("start") or 0,
            end=row.get("end") or 0,
            rules=tuple(said.get("rules") or ()),
            confidence=1.0 if row.get("confidence") is None else row["confidence"],
            measures=tuple((said.get("measures") or {}).items()),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise TumorboardError(
            codes.STATEMENT_UNREADABLE,
            f"relations, {row.get('relation_id')}",
            found=found,
            expected="a JSON object with locations, tense, comparison ...",
        ) from error


def run_row(
    run_id: str, *, kind: str, config: Mapping[str, Any], inputs: Mapping[str, Any], metrics: Iterable[Any] = ()
) -> dict[str, Any]:
    """A row of `runs`. `kind` is rules, labeler or baseline."""
    return {
        "run_id": run_id,
        "task": "scenegraph",
        "kind": kind,
        "config": json.dumps(config, sort_keys=True),
        "code_version": __version__,
        "inputs": json.dumps(inputs, sort_keys=True),
        "metrics": json.dumps(dict(metrics), sort_keys=True),
    }
