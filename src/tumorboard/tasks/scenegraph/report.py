"""From statements to what a report as a whole says of each place: the last mention decides, and who was overruled is
kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tumorboard.core.scenegraph import Polarity, Statement, Tense
from tumorboard.tasks.scenegraph.closure import Fact
from tumorboard.tasks.scenegraph.ontology import Ontology

__all__ = ["Conflict", "report_facts", "section_rank"]

_WEIGHT = {Polarity.YES: 2, Polarity.UNCERTAIN: 1, Polarity.NO: 0}
_RANKS = (
    (3, ("addend", "amend", "correct")),
    (0, ("wet read", "prelim", "provisional")),
    (2, ("impression", "conclusion", "opinion", "summary")),
)
_ORDINARY = 1


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two statements of one report that cannot both hold: places of both in the graph, the second decides."""

    location: str
    attribute: str
    overruled: int
    decides: int


def section_rank(section: str) -> int:
    """How late a section speaks, wherever it stands: wet read 0, findings and others 1, impression 2, addendum 3."""
    name = section.casefold()
    for rank, words in _RANKS:
        if any(word in name for word in words):
            return rank
    return _ORDINARY


def report_facts(
    statements: Sequence[Statement], ontology: Ontology, *, decides: str = "last"
) -> tuple[dict[tuple[str, str], Fact], list[Conflict]]:
    """What the report says of each (location, attribute), before closure, and its conflicts; the current alone counts.

    `decides` ``last``: sections by `section_rank`, then the order of the text; a later section that denies something
    of a whole also overrules an earlier yes of its part. ``any``: yes outweighs doubt, doubt outweighs no.
    """
    ordered = sorted(
        (index for index, s in enumerate(statements) if s.tense is Tense.CURRENT and s.attribute),
        key=lambda index: (section_rank(statements[index].section), statements[index].start, index),
    )
    facts: dict[tuple[str, str], Fact] = {}
    conflicts: list[Conflict] = []
    for index in ordered:
        statement = statements[index]
        for location in statement.locations:
            new = Fact(
                location,
                statement.attribute,
                statement.category,
                statement.polarity,
                index,
                statement.comparison,
                statement.severity,
            )
            for old in _contradicted(new, facts, statements, ontology):
                conflicts.append(Conflict(old.location, old.attribute, old.source, index))
                if decides == "last":
                    del facts[old.key]
            known = facts.get(new.key)
            if known is not None and known.polarity is new.polarity:
                new = _with_what_is_known(new, known)
            elif known is not None and _WEIGHT[known.polarity] > _WEIGHT[new.polarity]:
                continue  # "any": the heavier one stays
            facts[new.key] = new
    return facts, conflicts


def _contradicted(
    new: Fact, facts: dict[tuple[str, str], Fact], statements: Sequence[Statement], ontology: Ontology
) -> list[Fact]:
    """Earlier facts that cannot hold beside the new one."""
    found = []
    same = facts.get(new.key)
    if same is not None and same.polarity is not new.polarity:
        found.append(same)
    if new.polarity is Polarity.NO:
        rank = section_rank(statements[new.source].section)
        for part in ontology.below(new.location):
            old = facts.get((part, new.attribute))
            if old is None or old.polarity is Polarity.NO:
                continue
            if section_rank(statements[old.source].section) < rank:
                found.append(old)
    return found


def _with_what_is_known(new: Fact, known: Fact) -> Fact:
    """A repeated mention keeps the change and severity that the earlier one gave."""
    return replace(new, comparison=new.comparison or known.comparison, severity=new.severity or known.severity)
