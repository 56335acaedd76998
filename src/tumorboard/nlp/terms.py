"""Lexicon entries in their compiled form."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BOTH", "LEFT", "RIGHT", "Label", "Places", "Term"]

RIGHT, LEFT, BOTH = 1, 2, 3
"""Sides as bits; 0 is "no side said"."""

Places = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Location names for no side said, right, left, both."""


@dataclass(frozen=True, slots=True)
class Label:
    """An attribute as the ontology knows it.

    `default`: where it is when no place is said; `allowed`: where it can be; `diffuse`: takes no side from a
    neighbour; `device`: a tube, line or implant; `entry`: a side said with it is its way in, not its place; `lasting`:
    "prior" before it means old and still there.
    """

    name: str
    category: str
    default: Places
    allowed: frozenset[str]
    parents: tuple[str, ...] = ()
    diffuse: bool = False
    device: bool = False
    entry: bool = False
    lasting: bool = False


@dataclass(slots=True, eq=False)
class Term:
    """One wording, compiled.

    `kind` is one of `kinds`; `label` names what it stands for (an attribute, ``head:<name>``, a place, a cue, a
    trigger group); `rule` is the identifier that statements carry.
    """

    kind: int
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
    surface: str = ""
