"""What follows from what was said: a finding is there in the whole when it is in a part; when it is nowhere in the
whole it is in no part. Doubt rises as yes does. A yes below outweighs a no above ("clear but for the left base")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tumorboard.core.scenegraph import Polarity
from tumorboard.tasks.scenegraph.ontology import Ontology

__all__ = ["DOWN", "UP", "Fact", "Facts", "close"]

UP, DOWN = "closure:up", "closure:down"
_WEIGHT = {Polarity.YES: 2, Polarity.UNCERTAIN: 1, Polarity.NO: 0}


@dataclass(frozen=True, slots=True)
class Fact:
    """What holds of one place at the level of the report.

    `source` is the place of the deciding statement in its graph; `derived` is empty for what was said, else the
    direction of the closure.
    """

    location: str
    attribute: str
    category: str
    polarity: Polarity
    source: int
    comparison: str | None = None
    severity: str | None = None
    derived: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.location, self.attribute

    @property
    def triple(self) -> tuple[str, str, str]:
        return self.location, self.attribute, str(self.polarity)


Facts = Mapping[tuple[str, str], Fact]


def close(facts: Facts, ontology: Ontology) -> dict[tuple[str, str], Fact]:
    """All that holds, said or following; said facts first, in their order.

    A fact that follows carries neither change nor severity: half of a lung can be worse without the whole being so.
    """
    closed = dict(facts)
    for fact in facts.values():
        if fact.attribute and fact.polarity is not Polarity.NO:
            for location, label in _pairs(
                fact, ontology.above(fact.location), ontology.broader(fact.attribute), ontology
            ):
                old = closed.get((location, label))
                if old is None or _WEIGHT[old.polarity] < _WEIGHT[fact.polarity]:
                    closed[location, label] = _derived(fact, location, label, ontology, UP)
    for fact in facts.values():
        if fact.attribute and fact.polarity is Polarity.NO:
            for location, label in _pairs(
                fact, ontology.below(fact.location), ontology.narrower(fact.attribute), ontology
            ):
                if (location, label) not in closed:
                    closed[location, label] = _derived(fact, location, label, ontology, DOWN)
    return closed


def _pairs(fact: Fact, places: Iterable[str], labels: Iterable[str], ontology: Ontology) -> Iterable[tuple[str, str]]:
    for location in (fact.location, *places):
        for label in (fact.attribute, *labels):
            if (location, label) != fact.key and ontology.fits(location, label):
                yield location, label


def _derived(fact: Fact, location: str, label: str, ontology: Ontology, rule: str) -> Fact:
    return replace(
        fact,
        location=location,
        attribute=label,
        category=ontology.categories.get(label, fact.category),
        comparison=None,
        severity=None,
        derived=rule,
    )
