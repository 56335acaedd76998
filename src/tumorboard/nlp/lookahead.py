"""Questions about what comes next in the sentence; each looks at no more than `REACH` items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorboard.nlp import kinds as K

if TYPE_CHECKING:
    from tumorboard.nlp.parse import Parse

__all__ = ["ENDS_GROUP", "REACH", "finding_follows", "in_exam", "list_is_closed", "place_follows", "starts_clause"]

REACH = 24
"""Items looked at ahead: keeps the cost linear in the length of the text."""

_FINDING, _PLACE, _VERB, _OR, _COMMA, _AND = K.FINDING, K.PLACE, K.VERB, K.OR, K.COMMA, K.AND
ENDS_GROUP = frozenset({K.BREAK, K.EXCEPT, K.COLON})
_IN_GROUP = frozenset({K.SEVERITY, K.TEXTURE, K.TEMPORAL, K.SIDE, K.ZONE, K.CHANGE, K.ARTICLE, K.SKIP, K.NUMBER})
_VERBAL = ("has ", "have ", "had ", "is ", "are ", "was ", "were ", "been ", "replaced ")
_COMPARATIVE = ("more ", "less ", "greater", "worse", "larger", "denser", "smaller", "bigger")
_SEPARATORS = frozenset({K.AND, K.OR, K.COMMA, K.WITH, K.BREAK, K.EXCEPT, K.COLON})


def finding_follows(p: Parse, i: int) -> bool:
    """Whether item `i` stands as an adjective before a finding, or before a place that opens the clause."""
    kinds = p.kinds
    place = False
    if kinds[i] == K.CHANGE and p.terms[i].surface.startswith(_VERBAL):
        return False
    for j in range(i + 1, min(p.n, i + REACH)):
        kind = kinds[j]
        if kind == _FINDING:
            head = p.terms[j].head
            return head != "normal" or place
        if kind == _PLACE:
            place = True
        elif (kind == K.FORWARD and "next" in p.terms[j].flags) or kind in _IN_GROUP:
            if kind == K.CHANGE and "forward" in p.terms[j].flags:
                break
            continue
        elif kind in (_AND, _OR) and kinds[j - 1] in (K.SEVERITY, K.SIDE, K.ZONE, K.CHANGE):
            continue
        else:
            break
    return place and not p.clause and not p.subject and not p.spots


def in_exam(p: Parse, i: int) -> int:
    """Items to skip when the comparative at `i` compares inside this exam: ", more on the left", "worse than"."""
    surface = p.terms[i].surface
    before = p.kinds[i - 1] if i else K.SKIP
    inside = before in (K.COMMA, K.SIDE, K.AND) or (before == K.VERB and surface.startswith(("greater", "more ")))
    if inside and surface.startswith(_COMPARATIVE):
        following = list(p.kinds[i + 1 : i + 3])
        if following == [K.PREPOSITION, K.SIDE] and (i + 3 >= p.n or p.kinds[i + 3] in _SEPARATORS):
            return 3
    for j in range(i + 1, min(p.n, i + 8)):
        kind = p.kinds[j]
        if kind == K.DIRECTION and p.terms[j].label == "than":
            return 1
        if kind in _SEPARATORS:
            return 0
    return 0


def place_follows(p: Parse, i: int) -> bool:
    """Whether "upper", "mid" or "lower" belongs to a lobe or zone said later in the same list."""
    for j in range(i + 1, min(p.n, i + 8)):
        kind = p.kinds[j]
        if kind == _PLACE:
            return p.terms[j].head.startswith("lung") and p.begins[j] - p.ends[j - 1] <= 1
        if kind not in (_AND, _OR, _COMMA, K.SIDE, K.ZONE) or p.begins[j] - p.ends[j - 1] > 1:
            return False
    return False


def list_is_closed(p: Parse, i: int) -> bool:
    """Whether the list that item `i` stands in goes on to an "or" before its clause ends."""
    for j in range(i, min(p.n, i + REACH)):
        kind = p.kinds[j]
        if kind == _OR:
            return True
        if kind in ENDS_GROUP or kind == _VERB or kind == K.FORWARD:
            return False
    return False


def starts_clause(p: Parse, i: int, kind: int) -> bool:
    """Whether the comma, "and" or "or" at `i` opens a clause of its own: a subject and then a verb, or "there is"."""
    if not (p.verb or p.neg is not None) or not (p.clause or p.changes or p.neg is not None):
        return False
    subject = False
    shown = False
    for j in range(i + 1, min(p.n, i + REACH)):
        nxt = p.kinds[j]
        if nxt == _FINDING and p.terms[j].head == "normal" and subject:
            return p.neg is not None
        if nxt in (_FINDING, _PLACE, K.PRONOUN):
            subject = True
            shown = shown or nxt != _FINDING
        elif nxt == K.SIDE:
            subject = True
        elif nxt == K.CHANGE and subject and kind != _OR and p.neg is None and not finding_follows(p, j):
            return True
        elif nxt in (K.ARTICLE, K.SEVERITY, K.CHANGE):
            shown = True
        elif nxt == K.THERE:
            return True
        elif nxt == _VERB:
            if not subject or (kind == _OR and p.neg is not None):
                return False
            return shown or p.neg is None
        elif nxt == K.FORWARD:
            if not subject:
                return p.terms[j].effect == "no" and kind != _OR
            return "next" not in p.terms[j].flags and kind != _OR
        elif nxt == K.BACKWARD:
            return subject and p.neg is None
        elif nxt in _SEPARATORS:
            if nxt == _AND and subject and kind != _OR and p.neg is None:
                continue
            return False
    return False
