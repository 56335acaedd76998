"""What changed since the exam before: as the report says it, and as the graphs of the two exams show it.

Both are kept with their source, for they fail differently: the text calls an effusion new that an older exam had; the
graphs see no difference between two sizes of which neither report speaks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph.closure import Fact, close
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.report import report_facts

__all__ = ["Change", "changes_between", "changes_said", "changes_seen", "contradicting"]

_DEGREE = {"mild": 1, "moderate": 2, "severe": 3}
_DEVICES = ("tubesandlines", "device")
_WORSE, _BETTER = frozenset({"worsened", "new"}), frozenset({"improved", "resolved", "removed"})
SIZE_CHANGE = 0.2
"""Share by which a measured long axis differs before it counts as another size (RECIST's share for growth)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One of `core.chest.CHANGES` for a location and an attribute (empty: the place itself). `source`: text, graphs."""

    location: str
    attribute: str
    category: str
    word: str
    source: str
    confidence: float = 1.0

    @property
    def key(self) -> tuple[str, str]:
        return self.location, self.attribute


def changes_between(current: SceneGraph, previous: SceneGraph, ontology: Ontology) -> list[Change]:
    """What the current report says of change, then what the two graphs show."""
    return changes_said(current) + changes_seen(current, previous, ontology)


def changes_said(graph: SceneGraph) -> list[Change]:
    """Changes in the words of the report itself, each (location, attribute) once: the last word counts."""
    found: dict[tuple[str, str], Change] = {}
    for s in graph.statements:
        if s.comparison is not None and s.tense is Tense.CURRENT:
            for location in s.locations:
                change = Change(location, s.attribute, s.category, s.comparison, "text", s.confidence)
                found.pop(change.key, None)
                found[change.key] = change
    return list(found.values())


def changes_seen(current: SceneGraph, previous: SceneGraph, ontology: Ontology) -> list[Change]:
    """Changes between the two exams' graphs.

    yes where the exam before said no: new. no where it said yes: resolved (a device: removed). yes in both: by the
    measured long axis (+-20 %), else by the severity; where neither is known in both, nothing is claimed. A no may
    follow by closure (clear lungs before), a yes was said. Silence is never taken for no, and doubt gives nothing.
    """
    now, _ = report_facts(current.statements, ontology)
    before, _ = report_facts(previous.statements, ontology)
    all_now, all_before = (close(facts, ontology) for facts in (now, before))
    found = []
    for key in dict.fromkeys([*now, *before]):
        new, old = all_now.get(key), all_before.get(key)
        if new is None or old is None or any(f.derived and f.polarity is not Polarity.NO for f in (new, old)):
            continue  # a yes that only follows is told of the part that was named
        word = _word(new, old, current.statements, previous.statements)
        if word is not None:
            found.append(Change(*key, new.category, word, "graphs", _confidence(new, old, current, previous)))
    return found


def contradicting(changes: Sequence[Change]) -> list[tuple[Change, Change]]:
    """Pairs (said in the text, seen in the graphs) about one thing that point to opposite sides."""
    said = {change.key: change for change in changes if change.source == "text"}
    pairs = []
    for seen in (change for change in changes if change.source == "graphs"):
        text = said.get(seen.key)
        if text is not None and any(
            text.word in one and seen.word in other for one, other in ((_WORSE, _BETTER), (_BETTER, _WORSE))
        ):
            pairs.append((text, seen))
    return pairs


def _word(new: Fact, old: Fact, now: Sequence[Statement], before: Sequence[Statement]) -> str | None:
    if new.polarity is Polarity.YES and old.polarity is Polarity.NO:
        return "new"
    if new.polarity is Polarity.NO and old.polarity is Polarity.YES:
        return "removed" if new.category in _DEVICES else "resolved"
    if new.polarity is not Polarity.YES or old.polarity is not Polarity.YES:
        return None
    sizes = [_long_axis_mm(statements[fact.source]) for fact, statements in ((new, now), (old, before))]
    if sizes[0] and sizes[1]:
        share = round(sizes[0] / sizes[1] - 1, 6)
        return "worsened" if share >= SIZE_CHANGE else "improved" if share <= -SIZE_CHANGE else "no change"
    if new.severity in _DEGREE and old.severity in _DEGREE:
        step = _DEGREE[new.severity] - _DEGREE[old.severity]
        return "worsened" if step > 0 else "improved" if step < 0 else "no change"
    return None


def _long_axis_mm(statement: Statement) -> float | None:
    measures: Mapping[str, float] = dict(statement.measures)
    return measures.get("long_axis_mm")


def _confidence(new: Fact, old: Fact, current: SceneGraph, previous: SceneGraph) -> float:
    return min(current.statements[new.source].confidence, previous.statements[old.source].confidence)
