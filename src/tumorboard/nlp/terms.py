"""What a word can be: the kinds of lexicon entries, and their compiled form."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

__all__ = ["BOTH", "LEFT", "RIGHT", "Kind", "Label", "Places", "Term"]

RIGHT, LEFT, BOTH = 1, 2, 3
"""Sides as bits; 0 is "no side said"."""

Places = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Location names for no side said, right, left, both."""


class Kind(IntEnum):
    """Part that an entry plays in a sentence."""

    SKIP = 0  # a wording without effect: it keeps its words from being anything else
    FINDING = 1
    PLACE = 2
    SIDE = 3
    ZONE = 4  # upper, mid, lower: a place only when a lobe or zone follows
    SEVERITY = 5
    TEXTURE = 6
    TEMPORAL = 7
    CHANGE = 8
    FORWARD = 9  # context trigger acting on what follows
    BACKWARD = 10  # context trigger acting on what went before
    VERB = 11
    PREPOSITION = 12
    DIRECTION = 13  # above, past, from: what follows is a landmark
    AND = 14
    OR = 15
    COMMA = 16
    WITH = 17
    BREAK = 18
    EXCEPT = 19
    TIP = 20
    PRONOUN = 21
    ARTICLE = 22
    LINK = 23  # "consistent with", "due to": what follows lies where the last finding lies
    NUMBER = 24
    COLON = 25
    THERE = 26
    OTHER_SIDE = 27
    SAME_SIDE = 28
    ENTRY = 29  # "via", "from": way in of a device


@dataclass(frozen=True, slots=True)
class Label:
    """An attribute as the ontology knows it.

    `default`: where it is when no place is said; `allowed`: where it can be; `diffuse`: takes no side from a
    neighbour; `device`: a tube, line or implant; `entry`: a side said with it is its way in, not its place.
    """

    name: str
    category: str
    default: Places
    allowed: frozenset[str]
    parents: tuple[str, ...] = ()
    diffuse: bool = False
    device: bool = False
    entry: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One wording, compiled.

    `label` is the name of what it stands for (an attribute, ``head:<name>``, a place, a cue, a trigger group);
    `rule` is the identifier that statements carry.
    """

    kind: Kind
    label: str
    category: str
    rule: str
    flags: frozenset[str] = frozenset()
    side: int = 0
    places: Places | None = None
    spec: Label | None = None
    head: str = ""
    effect: str = ""
    change: str = ""
    words: int = 1
    surface: str = field(default="", compare=False)
