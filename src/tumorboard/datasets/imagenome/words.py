"""Attribute strings and cues as published, and how our words map to them.

Ours has three polarities and six words of change, the published form two and three:

| ours | published |
|---|---|
| uncertain | yes, with the cue ``severity|yes|hedge`` at that sentence and location |
| new | yes, ``comparison|yes|worsened`` |
| resolved | no, ``comparison|yes|improved`` |
| removed (a device) | no, without a comparison |

Read back, yes with a hedge is uncertain again (not for the category nlp); the words of change stay the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tumorboard.core.chest import ATTRIBUTES, PUBLISHED_CHANGES

__all__ = [
    "CHANGE_OF",
    "HEDGE",
    "PREDICATE_OF",
    "contradict",
    "is_published",
    "published_change",
    "split_attribute",
    "split_cue",
]

HEDGE = "hedge"
CHANGE_OF = {"new": "worsened", "resolved": "improved", "removed": None}
"""Our further words of change -> the published word, or none."""
PREDICATE_OF = {"improved": "Improved", "worsened": "Worsened", "no change": "No status change"}


def published_change(word: str | None) -> str | None:
    """The published word for one of ours; None when there is none."""
    return word if word in PUBLISHED_CHANGES else CHANGE_OF.get(word or "")


@lru_cache(maxsize=4096)
def split_attribute(text: str) -> tuple[str, str, str]:
    """``category|yes|label`` -> (category, polarity, label). What is not of this form becomes a label alone."""
    category, _, rest = text.partition("|")
    polarity, sign, label = rest.partition("|")
    if not sign or polarity not in ("yes", "no") or not category or not label:
        return "", "yes", text
    return category, polarity, label


@lru_cache(maxsize=4096)
def split_cue(text: str, category: str) -> str:
    """``severity|yes|mild`` -> ``mild`` where it is a cue of `category` and of this form; else the text."""
    head = f"{category}|yes|"
    return text[len(head) :] if text.startswith(head) else text


_PUBLISHED = frozenset(
    f"{category}|{polarity}|{label}"
    for category in ATTRIBUTES
    for label in ATTRIBUTES[category]
    for polarity in ("yes", "no")
)


def is_published(attribute: str) -> bool:
    """Whether the string is ``category|yes or no|label`` with a published category and label."""
    return attribute in _PUBLISHED


def contradict(words: Iterable[str]) -> bool:
    """Whether words of change cannot hold together: more than one of the published three."""
    return len({w for w in map(published_change, words) if w}) > 1
