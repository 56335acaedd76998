"""Which part of the grammar reads which kind of word."""

from __future__ import annotations

from tumorboard.nlp import clauses, nouns
from tumorboard.nlp import joints as J
from tumorboard.nlp import kinds as K
from tumorboard.nlp.parse import Handler

__all__ = ["HANDLERS"]

_OF: dict[int, Handler] = {
    K.FINDING: nouns.finding,
    K.PLACE: nouns.place,
    K.SIDE: nouns.side,
    K.ZONE: nouns.zone,
    K.OTHER_SIDE: nouns.other_side,
    K.SAME_SIDE: nouns.same_side,
    K.SEVERITY: nouns.severity,
    K.NUMBER: nouns.measure,
    K.TEXTURE: nouns.cue,
    K.TEMPORAL: nouns.cue,
    K.CHANGE: clauses.change,
    K.FORWARD: clauses.forward,
    K.BACKWARD: clauses.backward,
    K.LINK: clauses.link,
    K.VERB: clauses.verb,
    K.PREPOSITION: clauses.preposition,
    K.DIRECTION: clauses.direction,
    K.ENTRY: clauses.entry,
    K.AND: clauses.separator(K.AND, J.AND),
    K.OR: clauses.separator(K.OR, J.OR),
    K.COMMA: clauses.separator(K.COMMA, J.COMMA),
    K.WITH: clauses.with_,
    K.BREAK: clauses.break_,
    K.EXCEPT: clauses.except_,
    K.TIP: clauses.tip,
    K.PRONOUN: clauses.pronoun,
    K.ARTICLE: clauses.article,
    K.COLON: clauses.colon,
    K.THERE: clauses.there,
}
HANDLERS: tuple[Handler | None, ...] = tuple(_OF.get(kind) for kind in range(K.COUNT))
"""Handler of each kind of item, None for those without effect."""
