"""Words that open, close and join clauses: changes, triggers, verbs, prepositions, conjunctions, pronouns."""

from __future__ import annotations

from tumorboard.nlp import joints as J
from tumorboard.nlp import kinds as K
from tumorboard.nlp.lookahead import finding_follows, in_exam, list_is_closed, starts_clause
from tumorboard.nlp.parse import Handler, Parse
from tumorboard.nlp.terms import Term

__all__ = [
    "article",
    "backward",
    "break_",
    "change",
    "colon",
    "direction",
    "entry",
    "except_",
    "forward",
    "link",
    "preposition",
    "pronoun",
    "separator",
    "there",
    "tip",
    "verb",
    "with_",
]

_NO_CHANGE = Term(K.CHANGE, "no change", "comparison", "grammar no change", frozenset({"forward"}), change="no change")


def change(p: Parse, i: int, t: Term) -> None:
    """A change: of the finding that follows, or of what went before."""
    if (
        p.neg is not None
        and p.neg is p.unused
        and t.change != "new"
        and ("forward" in t.flags or not finding_follows(p, i))
    ):
        p.change = _NO_CHANGE  # "no increase or decrease in the effusion"
        p.neg = p.unused = None
        p.verb = False
        return
    if t.change == "neutral" or p.change is _NO_CHANGE:
        return
    if p.change is not None:
        firm = p.side or any("soft" not in spot.term.flags for spot in p.spots)
        if firm and not p.clause and ("forward" in t.flags or finding_follows(p, i)):
            p.backlog.append((p.change, p.spots, p.side, p.severity))
            p.spots, p.side = [], 0
        elif not finding_follows(p, i):
            p.settle_change()
    skip = in_exam(p, i)
    if skip:
        p.skip_to = i + skip
        return
    if "forward" in t.flags:
        if t.change in ("removed", "resolved") and p.clause:
            p.neg = None
        p.assertive(i)
        p.change = t
        return
    if p.neg is not None and p.kinds[i - 1] == K.FORWARD and i:
        return  # "no new ...": the word is part of what is denied
    follows = finding_follows(p, i)
    if follows:
        p.assertive(i)
        p.change = t
        return
    if p.spots and p.group and p.takes(K.AND) and p.prep == 1:
        p.flush(K.AND)
    p.predicate(t)


def forward(p: Parse, i: int, t: Term) -> None:
    """A trigger that acts on what follows; one that meets nothing acts backwards at the end of the clause."""
    adjective = "next" in t.flags
    if (
        adjective
        and t.effect == "uncertain"
        and p.clause
        and p.conn in (J.NONE, J.OTHER)
        and i + 1 < p.n
        and (p.kinds[i + 1] == K.PREPOSITION and p.kinds[i - 1] in (K.FINDING, K.VERB))
    ):
        p.backward(t)  # "effusion probable on that side"
        return
    if p.clause and (p.prep == 1 or (p.conn == J.NONE and not adjective)):
        p.flush(K.AND)
    if not (adjective and p.conn == J.NONE and not p.prep and finding_follows(p, i)):
        p.settle_change()
        p.flush(K.VERB)
    if t.effect == "no":
        if p.unc is not None:
            p.unc = None
        p.neg = t
        p.neg_end = p.ends[i]
        p.weak = False
        p.group = []
    elif t.effect == "uncertain":
        if p.neg is not None and p.conn in (J.AND, J.COMMA, J.WITH) and not list_is_closed(p, i):
            p.neg = None
        p.unc = t
        if p.clause:
            p.linked = p.clause[-1]
    elif "sentence" in t.flags:
        p.sent_tense = t
    else:
        p.tense = t
    if t.effect != "known":
        p.unused = t
        p.unused_end = p.ends[i]
    if not adjective:
        p.conn = J.OTHER
        p.prep = 0
        p.verb = True
    else:
        p.conn = p.conn or J.OTHER


def backward(p: Parse, i: int, t: Term) -> None:
    """A trigger that acts on the findings before it."""
    p.settle_change()
    p.flush(K.AND)
    if p.spots and not p.clause:
        p.subject = p.spots
        p.spots = []
    p.backward(t)
    p.verb = True
    p.conn = J.OTHER


def link(p: Parse, i: int, t: Term) -> None:
    """What follows explains the finding before, and lies where it lies."""
    p.settle_change()
    p.flush(K.BREAK)
    if p.clause:
        p.linked = p.clause[-1]
    p.conn = J.OTHER
    p.prep = 0
    p.event = None


def verb(p: Parse, i: int, t: Term) -> None:
    """What waits becomes the subject."""
    p.settle_change()
    if p.clause and (p.prep == 1 or (p.conn == J.NONE and p.neg is None)):
        p.flush(K.AND)
    elif p.neg is not None and p.clause and p.spots and not p.prep:
        spots, p.spots = p.spots, []
        p.end_clause()
        p.spots = spots
    p.flush(K.VERB)
    p.verb = True
    p.conn = J.OTHER
    p.prep = 0
    p.opened = False
    if t.label == "course":
        p.prep = 1


def preposition(p: Parse, i: int, t: Term) -> None:
    """What follows is a place of the findings before."""
    p.flush(K.AND if p.prep else K.COMMA)
    if p.prep < 3:
        p.prep = 1
    if t.label == "for" and p.clause:
        p.unc = None


def direction(p: Parse, i: int, t: Term) -> None:
    """What follows is a landmark, not a place."""
    p.flush(K.AND)
    p.prep = 4 if t.label == "than" else 2


def entry(p: Parse, i: int, t: Term) -> None:
    """What follows is the way in of a device, not its place."""
    p.flush(K.AND)
    p.prep = 3 if t.label == "side port" else 2


def separator(kind: int, conn: int) -> Handler:
    """Handler of a comma, "and" or "or": goes on with the list or opens a clause."""

    def handle(p: Parse, i: int, t: Term) -> None:
        if kind == K.COMMA and ((p.exceptive and p.clause) or p.sent_tense is not None):
            if p.sent_tense is not None and (p.clause or p.spots) and not list_is_closed(p, i):
                p.end_clause()
                p.sent_tense = None
                return
            if p.exceptive:
                p.end_clause()
                return
        if i and i + 1 < p.n and p.kinds[i - 1] == K.SIDE and p.kinds[i + 1] == K.SIDE:
            return
        if starts_clause(p, i, kind):
            p.end_clause()
            p.conn = J.OTHER
            return
        backlog = p.change is not None and (p.side or p.spots) and not p.clause and i + 1 < p.n
        if not (backlog and p.kinds[i + 1] == K.CHANGE):
            p.settle_change()
        p.flush(kind)
        p.conn = conn
        if p.unc is not None and p.clause and kind == K.AND and "next" in p.unc.flags and t.label != "slash":
            p.unc = None
        if p.unc is not None and p.clause and kind == K.COMMA and not list_is_closed(p, i):
            p.unc = None

    return handle


def with_(p: Parse, i: int, t: Term) -> None:
    """ "With": a new finding beside the one before."""
    p.settle_change()
    p.flush(K.AND)
    if p.spots:
        p.subject, p.spots = p.spots, []
    if i and p.kinds[i - 1] == K.COMMA and p.clause:
        p.neg = None
    p.conn = J.WITH
    p.weak = True
    p.prep = 0
    p.unc = None if p.clause else p.unc


def break_(p: Parse, i: int, t: Term) -> None:
    """A clause ends; a relative pronoun keeps its findings."""
    if p.side and not p.clause and list(p.kinds[i + 1 : i + 3]) == [K.FORWARD, K.SIDE]:
        p.not_side = p.terms[i + 2].side
        p.skip_to = i + 4 if i + 3 < p.n and p.kinds[i + 3] == K.COMMA else i + 3
        return
    if t.label == "relative" and p.clause:
        p.settle_change()
        p.flush(K.AND)
        p.neg = p.unc = p.unused = None
        p.verb = True
        p.conn = J.OTHER
        p.prep = 0
        return
    p.end_clause()


def except_(p: Parse, i: int, t: Term) -> None:
    """What follows is affirmed whatever was denied."""
    p.end_clause()
    p.exceptive = True


def tip(p: Parse, i: int, t: Term) -> None:
    """What follows is where the device ends."""
    p.settle_change()
    p.flush(K.AND)
    p.spots, p.side = [], 0
    p.tip = True
    p.prep = 1
    p.conn = J.OTHER
    if p.last_device is not None and p.last_device not in p.mentions and not p.clause:
        copy = p.again(p.last_device)
        p.last_device = copy


def pronoun(p: Parse, i: int, t: Term) -> None:
    """ "It", "the latter": the finding before, once more."""
    if t.label == "that":
        p.settle_change()
        p.flush(K.AND)
    elif p.clause or p.spots or p.side:
        return
    first = p.mentions[0] if p.mentions else p.previous
    model = first if t.label == "former" else p.last or p.previous
    if model is not None and (t.label in ("that", "former") or not finding_follows(p, i)):
        copy = p.again(model)
        if t.label == "that":
            p.prep = 1
            p.conn = J.OTHER
            return
        copy.spots, copy.side, copy.own = model.spots, model.side, True
        copy.subject, copy.subject_side = model.subject, model.subject_side
        copy.linked, copy.shared, copy.tip = model.linked, model.shared, model.tip
        copy.polarity = copy.polarity if p.neg is not None else model.polarity
        copy.rules.append("grammar pronoun")


def article(p: Parse, i: int, t: Term) -> None:
    """ "And a ..." ends a negation."""
    if p.neg is not None and p.conn == J.AND and p.clause and not list_is_closed(p, i):
        p.neg = None


def colon(p: Parse, i: int, t: Term) -> None:
    """What stood before is the subject of what follows."""
    if i and p.kinds[i - 1] == K.CHANGE and not p.clause and not p.spots:
        p.sticky = p.terms[i - 1]
        p.change = None
    p.settle_change()
    p.flush(K.COLON)
    p.verb = True
    p.conn = J.OTHER
    p.prep = 0


def there(p: Parse, i: int, t: Term) -> None:
    """ "There is" opens a clause; "there" alone is the place said before."""
    if i + 1 < p.n and p.kinds[i + 1] in (K.VERB, K.FORWARD, K.CHANGE):
        if p.prep == 1 and not p.clause:
            p.flush(K.COLON)
        elif p.verb and p.clause:
            p.end_clause()
    elif p.clause and not (p.clause[-1].spots or p.clause[-1].side) and len(p.mentions) > 1:
        p.clause[-1].linked = p.mentions[-2]
