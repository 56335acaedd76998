"""Text to tokens, without loss: every character belongs to exactly one token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate

__all__ = [
    "CLOSE",
    "DOT",
    "FIRST",
    "FREE",
    "NEWLINE",
    "NUMBER",
    "SPACE",
    "STOPS",
    "Vocabulary",
    "lower",
    "offsets",
    "split",
]

SPACE, NEWLINE, NUMBER, FREE = 0, 1, 2, 3
DOT, BANG, QUERY, CLOSE = 5, 6, 7, 8
FIRST = 9  # identifiers of words begin here
STOPS = {".": DOT, "!": BANG, "?": QUERY, ")": CLOSE}
"""Identifiers of tokens that no term is made of: blanks, line ends, numbers, unknown words."""

_TOKEN = re.compile(r"[^\W\d_]+\d*|\d+(?:[.,]\d+)?|[^\S\n]+|\n\s*|_+|.", re.DOTALL)
split = _TOKEN.findall


def lower(text: str) -> str:
    """The text in small letters, character by character where the usual way would change its length."""
    low = text.lower()
    if len(low) != len(text):
        low = "".join(small if len(small := c.lower()) == 1 else c for c in text)
    return low


def offsets(tokens: Sequence[str]) -> list[int]:
    """First character of each token, and the length of the text."""
    return list(accumulate(map(len, tokens), initial=0))


class Vocabulary(dict[str, int]):
    """Word to identifier. Unknown tokens get a class; up to `LIMIT` short ones are kept, so memory is bounded."""

    LIMIT = 50_000

    def __missing__(self, token: str) -> int:
        first = token[0]
        if first == "\n":
            found = NEWLINE
        elif first.isspace() or token in "-‐‑":
            found = SPACE
        elif first.isdigit():
            found = NUMBER
        else:
            found = STOPS.get(token, FREE)
        if len(self) < self.LIMIT and len(token) < 24:
            self[token] = found
        return found
