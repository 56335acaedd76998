"""Which label is a kind of which, which place is a part of which, and what can be said of which place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from tumorboard.core.chest import CATEGORY_OF, PART_OF
from tumorboard.core.errors import TumorboardError
from tumorboard.tasks.scenegraph import codes

__all__ = ["Ontology", "ontology_of"]


@dataclass(frozen=True)
class Ontology:
    """Two hierarchies and a table of allowed pairs. SCG101 when a hierarchy goes round in a circle.

    Parameters
    ----------
    parents : label -> its broader labels (consolidation -> lung opacity).
    wholes : location -> the places it is part of (left lower lung zone -> left lung).
    allowed : label -> the places it can be said of; a label that is not listed can be said of all.
    categories : label -> its category.
    """

    parents: Mapping[str, tuple[str, ...]]
    wholes: Mapping[str, tuple[str, ...]]
    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=lambda: CATEGORY_OF)
    name: str = ""
    _broader: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    _narrower: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    _above: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)
    _below: Mapping[str, tuple[str, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for given, upwards, downwards in (
            (self.parents, "_broader", "_narrower"),
            (self.wholes, "_above", "_below"),
        ):
            closed = _ancestors(given, self.name)
            object.__setattr__(self, upwards, closed)
            object.__setattr__(self, downwards, _reversed(closed))

    def broader(self, label: str) -> tuple[str, ...]:
        """All labels of which this one is a kind."""
        return self._broader.get(label, ())

    def narrower(self, label: str) -> tuple[str, ...]:
        """All kinds of this label."""
        return self._narrower.get(label, ())

    def above(self, location: str) -> tuple[str, ...]:
        """All places that contain this one."""
        return self._above.get(location, ())

    def below(self, location: str) -> tuple[str, ...]:
        """All parts of this place."""
        return self._below.get(location, ())

    def fits(self, location: str, label: str) -> bool:
        """Whether the label can be said of the place."""
        places = self.allowed.get(label)
        return places is None or location in places


def _ancestors(parents: Mapping[str, Iterable[str]], name: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}

    def climb(node: str, path: tuple[str, ...]) -> tuple[str, ...]:
        if node in path:
            circle = " -> ".join([*path[path.index(node) :], node])
            raise TumorboardError(codes.ONTOLOGY, name or "ontology", found=f"{circle}", expected="no circle")
        if node not in found:
            above: dict[str, None] = {}
            for parent in parents.get(node, ()):
                above |= dict.fromkeys([parent, *climb(parent, (*path, node))])
            found[node] = tuple(above)
        return found[node]

    for node in parents:
        climb(node, ())
    return found


def _reversed(ancestors: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for node, above in ancestors.items():
        for ancestor in above:
            found.setdefault(ancestor, []).append(node)
    return {node: tuple(below) for node, below in found.items()}


@cache
def ontology_of(lexicon: str = "chest-xray") -> Ontology:
    """The ontology of a lexicon of the reader, with the parts of the chest (`core.chest.PART_OF`)."""
    from tumorboard.nlp import load_lexicon

    read = load_lexicon(lexicon)
    labels = read.ontology.labels
    return Ontology(
        parents={name: label.parents for name, label in labels.items()},
        wholes=PART_OF,
        allowed={name: label.allowed for name, label in labels.items()},
        categories={name: label.category for name, label in labels.items()},
        name=read.stamp,
    )
