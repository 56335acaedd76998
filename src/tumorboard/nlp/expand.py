"""The small grammar of wordings in lexicon files: ``(a|b|)`` is a choice, ``{name}`` a named choice."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

__all__ = ["LIMIT", "expand"]

LIMIT = 20_000
"""Wordings one row may stand for."""


def expand(surface: str, macros: Mapping[str, str]) -> list[str]:
    """All wordings of a row, in the order written, blanks made single.

    Raises ValueError for brackets that do not close, an unknown name, or more than `LIMIT` wordings.
    """
    for _ in range(9):
        if "{" not in surface:
            break
        surface = _named(surface, macros)
    seen = dict.fromkeys(" ".join(text.split()) for text in _choices(surface))
    return [text for text in seen if text]


def _named(surface: str, macros: Mapping[str, str]) -> str:
    parts = surface.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        if not closed or name not in macros:
            raise ValueError(f"unknown name {{{name}}} in {surface!r}")
        out.append(f"({macros[name]}){rest}")
    return "".join(out)


def _choices(surface: str) -> list[str]:
    """Top level of one alternative: literal text and bracketed choices in turn."""
    pieces: list[list[str]] = []
    literal = ""
    position = 0
    while position < len(surface):
        if surface[position] == "(":
            close = _closing(surface, position)
            pieces.append([literal])
            literal = ""
            inner = surface[position + 1 : close]
            pieces.append([text for option in _split(inner) for text in _choices(option)])
            position = close + 1
        else:
            literal += surface[position]
            position += 1
    pieces.append([literal])
    total = 1
    for piece in pieces:
        total *= len(piece)
    if total > LIMIT:
        raise ValueError(f"{surface!r} stands for more than {LIMIT} wordings")
    return ["".join(choice) for choice in product(*pieces)]


def _closing(surface: str, start: int) -> int:
    depth = 0
    for position in range(start, len(surface)):
        depth += {"(": 1, ")": -1}.get(surface[position], 0)
        if depth == 0:
            return position
    raise ValueError(f"a bracket of {surface!r} does not close")


def _split(inner: str) -> list[str]:
    options, depth, last = [], 0, 0
    for position, letter in enumerate(inner):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "|" and depth == 0:
            options.append(inner[last:position])
            last = position + 1
    return [*options, inner[last:]]
