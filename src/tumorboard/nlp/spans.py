"""Context of any phrase in a sentence: the same scopes, for conditions that no lexicon knows."""

from __future__ import annotations

from dataclasses import dataclass

from tumorboard.core.scenegraph import Polarity, Tense

__all__ = ["Context"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a sentence says of a phrase: `experiencer` is ``patient`` or ``family``; `rules` led to it."""

    polarity: Polarity
    tense: Tense
    experiencer: str
    rules: tuple[str, ...]
