"""Graphs in the shape that `tumorboard read --json` promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tumorboard.core.scenegraph import SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.reading import Report
from tumorboard.tasks.scenegraph.report import report_facts

__all__ = ["at_report_level", "report_json"]


def report_json(
    report: Report, graph: SceneGraph, *, ontology: Ontology | None = None, closure: bool = False
) -> dict[str, Any]:
    """``{"id", "findings": [..], "not_current": [..]}``: what is said of this exam, and apart what is history or
    condition (with its ``tense``). With `ontology` the findings are those that decide at report level; `closure` adds
    what follows from them. Offsets are those of the report, or of the text named ``text_id`` when it has several. A
    finding that was measured has ``measures`` (``long_axis_mm``, ``suv_max`` ...).
    """
    current = graph.current if ontology is None else at_report_level(graph.statements, ontology, closure=closure)
    apart = [s for s in graph.statements if s.tense is not Tense.CURRENT]
    return {
        "id": graph.exam_id,
        "findings": [_finding(s, report) for s in current],
        "not_current": [_finding(s, report) | {"tense": str(s.tense)} for s in apart],
    }


def at_report_level(statements: Sequence[Statement], ontology: Ontology, *, closure: bool = False) -> list[Statement]:
    """The statements that decide, each with the places where it does; then, with `closure`, what follows from each,
    marked by the last of its rules. Changes of a place without a finding stay as they are."""
    facts, _ = report_facts(statements, ontology)
    held = close(facts, ontology) if closure else facts
    groups: dict[tuple[int, str, str, str], list[str]] = {}
    for fact in held.values():
        groups.setdefault((fact.source, fact.derived, fact.attribute, str(fact.polarity)), []).append(fact.location)
    found = []
    for index, statement in enumerate(statements):
        if statement.tense is Tense.CURRENT and not statement.attribute:
            groups[index, "", "", ""] = list(statement.locations)
    for (index, derived, attribute, _), places in sorted(groups.items(), key=lambda item: (item[0][1] != "", item[0])):
        base = statements[index]
        if derived:
            base = replace(
                base,
                attribute=attribute,
                category=ontology.categories.get(attribute, base.category),
                comparison=None,
                severity=None,
                rules=(*base.rules, derived),
            )
        found.append(replace(base, locations=tuple(places)))
    return found


def _finding(s: Statement, report: Report) -> dict[str, Any]:
    text_id, start = report.locate(s.start)
    found = {
        "locations": list(s.locations),
        "attribute": s.attribute,
        "category": s.category,
        "polarity": str(s.polarity),
        "comparison": s.comparison,
        "severity": s.severity,
        "sentence": s.sentence,
        "start": start,
        "end": start + s.end - s.start,
        "rules": list(s.rules),
    }
    if s.measures:
        found["measures"] = dict(s.measures)
    return found if text_id is None else found | {"text_id": text_id}
