"""One pass over the items of a sentence: noun groups, clauses, scopes, attachment.

Context scopes after NegEx and ConText (Chapman et al. 2001; Harkema et al. 2009); the noun-group rules are our own.
A `Parse` is reused from sentence to sentence; `run` fills `mentions` and `changes` (changes of places alone).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tumorboard.nlp import kinds as K
from tumorboard.nlp.lookahead import (
    ENDS_GROUP,
    finding_follows,
    in_exam,
    list_is_closed,
    place_follows,
    starts_clause,
)
from tumorboard.nlp.measures import sizes_mm
from tumorboard.nlp.mention import Event, Mention, Spot
from tumorboard.nlp.terms import BOTH, Term

__all__ = ["Parse"]

_NO_CHANGE = Term(
    K.CHANGE, "no change", "comparison", "grammar no change", frozenset({"forward"}), change="no change"
)
NEAR = 9
"""Tokens, blanks counted, over which a bare "not" reaches."""

_NONE, _AND, _OR, _COMMA, _WITH, _OTHER = range(6)


class Parse:
    """State of one sentence. Items are parallel lists: `kinds`, `terms`, `begins`, `ends` (token positions)."""

    __slots__ = (
        "backlog", "begins", "change", "changes", "clause", "clause_number", "conn", "cues", "ends", "event",
        "exceptive", "group", "i", "kinds", "last", "last_device", "linked", "mentions", "n", "neg", "neg_end", "not_side", "old_subject",
        "opened", "prep", "previous", "sent_tense", "severity", "skip_to", "side", "side_from", "sizes", "spots", "sticky", "stop", "subject",
        "subject_side", "tense", "terms", "tip", "tokens", "unc", "unused", "unused_end", "verb", "weak", "zone",
    )  # fmt: skip

    def __init__(self) -> None:
        self.previous: Mention | None = None
        self.last_device: Mention | None = None
        self.tokens: Sequence[str] = ()
        self._begin()

    def _begin(self) -> None:
        """All that a sentence starts with; `end_clause` leaves it so, but for what `run` renews."""
        self.mentions: list[Mention] = []
        self.changes: list[Event] = []
        self.clause: list[Mention] = []
        self.group: list[Mention] = []
        self.last: Mention | None = None
        self.sent_tense: Term | None = None
        self.clause_number = 0
        self.subject: list[Spot] = []
        self.old_subject: list[Spot] = []
        self.subject_side = 0
        self.spots: list[Spot] = []
        self.side = 0
        self.side_from = 0
        self.change: Term | None = None
        self.severity: Term | None = None
        self.cues: list[tuple[str, str]] = []
        self.sizes: list[float] = []
        self.backlog: list[tuple[Term | None, list[Spot], int]] = []
        self.sticky: Term | None = None
        self.skip_to = 0
        self._reset_clause()

    def _reset_clause(self) -> None:
        self.neg: Term | None = None
        self.unc: Term | None = None
        self.tense: Term | None = None
        self.linked: Mention | None = None
        self.unused: Term | None = None
        self.unused_end = 0
        self.weak = False
        self.neg_end = 0
        self.not_side = 0
        self.zone: Term | None = None
        self.verb = False
        self.prep = 0
        self.conn = _NONE
        self.opened = False
        self.event: list[Event] | None = None
        self.tip = False
        self.exceptive = False

    def run(
        self, kinds: Sequence[int], terms: Sequence[Term], begins: Sequence[int], ends: Sequence[int], stop: int
    ) -> None:
        """Go through one sentence, which ends at token `stop`."""
        self.mentions, self.changes = [], []
        self.last = self.sent_tense = self.sticky = None
        self.old_subject = []
        self.clause_number = self.skip_to = 0
        self.stop = stop
        self.kinds, self.terms, self.begins, self.ends = kinds, terms, begins, ends
        self.n = len(kinds)
        handlers = _HANDLERS
        for i, kind in enumerate(kinds):
            handler = handlers[kind]
            if handler is not None and i >= self.skip_to:
                self.i = i
                handler(self, i, terms[i])
        self.i = self.n
        self.end_clause()
        if self.mentions:
            self.previous = self.mentions[-1]

    # ---- what closes a noun group -------------------------------------------------------------------------------

    def flush(self, why: int) -> None:
        """Give the places and sides waiting to whom they belong, now that their noun group ends."""
        spots, side = self.spots, self.side
        if not spots and not side:
            return
        if side and spots:
            taken = False
            for spot in spots:
                if not spot.side and spot.begin <= self.side_from + 8:
                    spot.side = side
                    taken = True
            if taken:
                side = self.side = 0
        if self.prep == 4 and side and not spots and self.group and self.group[-1].spots:
            last = self.group[-1]  # "greater at the left base than at the right"
            last.spots = [*last.spots, Spot(last.spots[-1].term, side, self.side_from, self.side_from)]
        elif self.prep >= 2:
            pass
        elif self.exceptive and self.last is not None and not self.clause and why != K.VERB:
            copy = self.again(self.last)
            copy.polarity = "yes"
            copy.spots, copy.side, copy.own = spots, side, True
            copy.rules.append("grammar except")
        elif self.severity is not None and self.group and self.prep == 1 and side and not spots:
            event = Event(self.severity, 0, 0)
            event.side = side
            self.severity = None
            for mention in self.group:
                mention.events = [*mention.events, event]
        elif self.tip and self.device() is not None:
            device = self.device()
            assert device is not None
            if spots:
                device.tip = [*(device.tip or ()), *spots]
        elif self.event is not None and (self.prep == 1 or why != K.VERB):
            for event in self.event:
                event.spots.extend(spots)
                event.side |= side
        elif self.group and why != K.VERB and self.takes(why):
            self.attach(spots, side)
            self.opened = True
        elif why == K.VERB or why == K.COLON or (self.prep == 1 and not self.clause and why != K.AND):
            if spots:
                self.subject = spots
            self.subject_side = side
        elif why in (K.AND, K.OR, K.COMMA):
            return
        elif self.group and why == K.BREAK:
            self.attach(spots, side)
        self.spots, self.side = [], 0

    def takes(self, why: int) -> bool:
        """Whether the group of findings before takes the waiting places."""
        if self.prep == 1 or self.conn == _NONE or self.opened:
            return True
        return self.verb and self.conn == _OTHER

    def device(self) -> Mention | None:
        """The device that "tip" speaks of: the last one of the sentence, or of the one before."""
        return self.last_device

    def attach(self, spots: list[Spot], side: int) -> None:
        """Places after findings: to all of the list that have none of their own, always to its last."""
        group = self.group
        last = group[-1]
        for mention in group:
            if mention is last or not (mention.own or mention.spots or mention.side or mention.subject):
                if mention.spots and mention is last and not self.opened and mention.own and side and not spots:
                    for spot in mention.spots:
                        spot.side = spot.side or side
                    continue
                mention.spots = [*mention.spots, *spots]
                mention.side |= side
                if side and not spots:
                    for spot in mention.spots:
                        spot.side = spot.side or side

    def again(self, model: Mention) -> Mention:
        """The same finding once more, said by a pronoun or left out."""
        copy = Mention(model.term, model.begin, model.end)
        copy.spec = model.spec
        copy.tense = self.tense.effect if self.tense is not None else model.tense
        copy.clause = self.clause_number
        if self.neg is not None:
            copy.polarity = "no"
            copy.rules.append(self.neg.rule)
            self.unused = None
        self.mentions.append(copy)
        self.clause.append(copy)
        self.group = [copy]
        self.last = copy
        return copy

    # ---- clauses ------------------------------------------------------------------------------------------------

    def end_clause(self) -> None:
        """Settle what waits; scopes end here, the sentence's tense does not."""
        self.settle_change(end=True)
        leftover = self.spots
        self.flush(K.BREAK)
        if self.unused is not None and not self.exceptive and self.nothing_since(self.unused_end):
            self.backward(self.unused)
        if self.severity is not None and self.clause and self.verb:
            for mention in self.clause:
                mention.severity = mention.severity or self.severity.label
        for mention in self.clause:
            if mention.before is not None:
                mention.compare()
        if self.not_side and self.clause:
            self.other_side_not(self.clause[0])
        self.severity = None
        self.cues = []
        self.change = None
        self.spots, self.side = [], 0
        if self.subject or (leftover and not self.clause):
            self.old_subject = self.subject or leftover
        self.subject = []
        self.subject_side = 0
        self.backlog = []
        self.clause = []
        self.group = []
        self.clause_number += 1
        self._reset_clause()

    def nothing_since(self, token: int) -> bool:
        """Whether the clause ends within a blank and a stop after that token: "effusion is possible."."""
        return (self.begins[self.i] if self.i < self.n else self.stop) - token <= 2

    def other_side_not(self, model: Mention) -> None:
        """ "The right, but not the left, angle is blunted"."""
        copy = Mention(model.term, model.begin, model.end)
        copy.spec, copy.tense, copy.polarity, copy.own = model.spec, model.tense, "no", True
        copy.side = self.not_side
        copy.spots = [Spot(spot.term, self.not_side, spot.begin, spot.end) for spot in model.spots or model.subject]
        copy.rules.append("grammar not the other side")
        self.mentions.append(copy)

    def settle_change(self, *, end: bool = False) -> None:
        """A change word that met no finding after it speaks of what went before."""
        term = self.change
        if term is None:
            return
        if "forward" in term.flags and not end:
            return
        self.change = None
        self.predicate(term)

    def predicate(self, term: Term) -> None:
        """Apply a change to the clause's findings, or else to its places."""
        if self.side and not self.spots and self.last is not None and not self.prep and (
            self.clause and self.clause[-1].events or not self.clause
        ):
            copy = self.again(self.last)
            copy.side = self.side
            copy.rules.append("grammar other side")
            self.side = 0
        if self.clause and not (self.spots and self.conn != _NONE and not self.prep):
            self.event = []
            targets = self.group or self.clause
            fresh = [m for m in targets if not (m.events or m.change)]
            for mention in fresh if fresh and not self.opened and targets[-1] in fresh else targets:
                event = Event(term, mention.begin, mention.end)
                mention.events = [*mention.events, event]
                self.event.append(event)
            return
        spots = self.spots or self.subject
        model = self.last or self.previous
        if not spots and self.subject_side and model is not None:
            copy = self.again(model)
            copy.side = self.subject_side
            copy.rules.append("grammar other side")
            event = Event(term, copy.begin, copy.end)
            copy.events = [*copy.events, event]
            self.event = [event]
            return
        if not spots and self.last is not None and self.last.term.head != "normal":
            self.last.events = [*self.last.events, Event(term, self.last.begin, self.last.end)]
            return
        if not spots:
            spots = self.old_subject
        if spots:
            self.old_subject = spots
            event = Event(term, spots[0].begin, spots[-1].end)
            for spot in spots:
                spot.side = spot.side or self.side or self.subject_side
            event.subject = list(spots)
            self.changes.append(event)
            self.spots, self.side = [], 0

    def backward(self, term: Term) -> None:
        """A trigger that acts on what went before: the clause's findings."""
        targets = self.clause
        if not targets:
            model = self.last or (self.previous if self.subject_side else None)
            if model is None or not (self.side or self.spots or self.subject_side):
                return
            copy = self.again(model)
            copy.spots, copy.side = self.spots, self.side or self.subject_side
            self.spots, self.side = [], 0
            targets = [copy]
        elif self.group:
            targets = self.group
        for mention in targets:
            self.mark(mention, term)

    def mark(self, mention: Mention, term: Term) -> None:
        """Put a trigger's effect on a finding."""
        effect = term.effect
        mention.rules.append(term.rule)
        if effect == "no":
            mention.polarity = "no"
        elif effect == "uncertain":
            mention.hedged = True
            if not (mention.spots or mention.side or mention.linked or mention.subject):
                at = self.mentions.index(mention)
                placed = [m for m in self.mentions[max(at - 4, 0) : at] if m.spots or m.side]
                mention.linked = placed[-1] if placed else None
            if mention.polarity == "yes" or mention.rules.count(term.rule) == 1:
                mention.polarity = "uncertain"
        elif effect == "family":
            mention.tense = "historical"
        else:
            mention.tense = effect

    def assertive(self, i: int) -> None:
        """A word such as "small" or "stable" after a comma or "and" ends a negation, unless the list goes on to "or"."""
        if self.neg is None or not self.clause:
            return
        run_on = self.conn == _NONE and self.kinds[i - 1] == K.FINDING
        if (self.conn in (_AND, _COMMA, _WITH) or run_on) and not list_is_closed(self, i):
            self.neg = None
            if run_on:
                self.conn = _OTHER


Handler = Callable[[Parse, int, Term], None]


def _finding(p: Parse, i: int, t: Term) -> None:
    if t.flags and "adjective" in t.flags and finding_follows(p, i):
        p.cues.append(("texture", "calcified" if t.head == "calcified" else "opacity"))
        return
    mention = Mention(t, p.begins[i], p.ends[i])
    device = t.spec is not None and t.spec.device
    if p.neg is not None and "near" in p.neg.flags and mention.begin - p.neg_end > NEAR:
        p.neg = None
    if p.neg is not None and p.weak and (device or p.severity is not None or p.change is not None):
        p.neg = None
    if t.head == "normal":
        _normal(p, i, t, mention)
    elif p.neg is not None:
        mention.polarity = "no"
        mention.rules.append(p.neg.rule)
    elif p.unc is not None:
        mention.polarity = "uncertain"
        mention.hedged = True
        mention.rules.append(p.unc.rule)
    tense = p.tense or p.sent_tense
    if tense is not None:
        effect = tense.effect
        mention.tense = "historical" if effect == "family" else effect
        mention.rules.append(tense.rule)
        if "next" in tense.flags:
            p.tense = None
    p.unused = None
    mention.clause = p.clause_number
    _modifiers(p, mention)
    mention.linked = p.linked
    if p.linked is None and p.conn in (_OTHER, _WITH) and (p.verb or p.conn == _WITH) and p.neg is None and p.clause and not mention.own:
        mention.linked = p.clause[-1]
    if p.conn == _OTHER or not p.group or p.conn == _WITH:
        if p.neg is not None and p.conn == _OTHER and p.group and p.opened and not mention.own:
            mention.shared = None
        p.group = [mention]
    else:
        before = p.group[-1]
        if not mention.own and p.conn in (_AND, _OR) and before.own and before.polarity == mention.polarity:
            mention.shared = before
        if p.conn == _AND and before.change and mention.change is None and mention.severity is None:
            mention.change = before.change
        if p.conn == _OR and p.neg is None and before.change == "no change" and mention.change is None:
            mention.change = before.change
        elif p.conn == _OR and mention.polarity != "no" and before.polarity != "no" and t.head != "normal":
            _either(p, before, mention)
        p.group.append(mention)
    mention.subject = p.subject
    mention.subject_side = p.subject_side
    if not p.subject and t.category in ("head", "normal", "abnormal"):
        mention.subject = p.old_subject
    if t.head == "normal" and not mention.spots and not mention.subject:
        _same_place_other_side(p, mention)
    p.mentions.append(mention)
    p.clause.append(mention)
    p.last = mention
    if "removed" in t.flags:
        mention.polarity = "no"
        mention.change = "removed"
    if device and (mention.polarity != "no" or p.last_device is None):
        p.last_device = mention
        p.tip = p.tip and p.prep == 1
    p.conn = _NONE
    p.prep = 0
    p.opened = False
    p.event = None


def _either(p: Parse, before: Mention, mention: Mention) -> None:
    """ "a or b", "a versus b": both in doubt, and both where the finding lies that they would explain."""
    at = p.clause.index(before)
    explained = p.clause[at - 1] if at and (p.clause[at - 1].spots or p.clause[at - 1].side) else None
    for doubtful in (before, mention):
        doubtful.polarity = "uncertain"
        doubtful.hedged = True
        doubtful.rules.append("grammar or")
        if not doubtful.own and doubtful.linked is None and explained is not None:
            doubtful.linked = explained
            doubtful.shared = None


def _normal(p: Parse, i: int, t: Term, mention: Mention) -> None:
    """ "Normal" is denied only by a "not" right before it; else it ends a negation."""
    near = i > 0 and p.kinds[i - 1] in (K.FORWARD, K.SEVERITY) and p.neg is not None
    if t.effect == "no":
        mention.polarity = "yes" if near else "no"
    elif near:
        mention.polarity = "no"
    if p.neg is not None and not near and p.clause:
        p.neg = None
    if p.unc is not None and mention.polarity == "yes":
        mention.hedged = True


def _modifiers(p: Parse, mention: Mention) -> None:
    """What waits in front of a finding becomes its own."""
    if p.backlog:
        for change, spots, side in p.backlog:
            copy = Mention(mention.term, mention.begin, mention.end)
            copy.spec, copy.polarity, copy.tense, copy.hedged = (
                mention.spec, mention.polarity, mention.tense, mention.hedged,
            )  # fmt: skip
            copy.rules.extend(mention.rules[1:])
            if not spots:
                spots = [Spot(spot.term, side, spot.begin, spot.end) for spot in p.spots]
            copy.spots, copy.side, copy.own = spots, side, True
            _put_change(copy, change, p)
            p.mentions.append(copy)
            p.clause.append(copy)
        p.backlog = []
    if p.spots or p.side:
        if p.prep == 2:
            p.spots = []
        for spot in p.spots:
            spot.side = spot.side or p.side
        mention.spots, mention.side, mention.own = p.spots, p.side, True
        p.spots, p.side = [], 0
    if p.severity is not None:
        mention.severity = p.severity.label
        p.severity = None
    if p.sizes:
        _put_sizes(mention, p.sizes)
        p.sizes = []
    if p.cues:
        mention.cues = p.cues
        p.cues = []
    if p.change is not None:
        _put_change(mention, p.change, p)
        p.change = None
    elif p.sticky is not None:
        _put_change(mention, p.sticky, p)


def _same_place_other_side(p: Parse, mention: Mention) -> None:
    """ "Left hemidiaphragm raised. The right is normal.": the place of the sentence before."""
    model = p.last or p.previous
    side = mention.side or p.subject_side
    if model is not None and side:
        mention.spots = [Spot(s.term, side, s.begin, s.end) for s in model.spots or model.subject if not s.term.side]


def _put_change(mention: Mention, term: Term | None, p: Parse) -> None:
    if term is None or (p.neg is not None and mention.polarity == "no"):
        return
    mention.rules.append(term.rule)
    mention.change = term.change
    if term.change in ("resolved", "removed"):
        mention.polarity = "no"


def _place(p: Parse, i: int, t: Term) -> None:
    if i and p.kinds[i - 1] == K.PLACE and t.head in ("lung", "chest") and p.spots:
        return  # "perihilar lung": the narrower place was said already
    if p.zone is not None and t.head == "lung":
        t = p.zone
    p.zone = None
    side = t.side
    if not side and not p.side and i and p.kinds[i - 1] == K.PLACE and p.spots:
        side = p.spots[-1].side
    if not side and p.side:
        side = p.side
        p.side = 0
    if not side and p.conn in (_AND, _OR, _COMMA) and i and p.kinds[i - 1] in (K.AND, K.OR, K.COMMA, K.ZONE):
        before = p.spots[-1] if p.spots else (p.group[-1].spots[-1] if p.opened and p.group and p.group[-1].spots else None)
        if before is not None:
            side = before.side
    p.spots.append(Spot(t, side, p.begins[i], p.ends[i]))


def _zone(p: Parse, i: int, t: Term) -> None:
    following = p.kinds[i + 1 : i + 3]
    if len(following) == 2 and following[0] == K.SIDE and following[1] == K.PLACE and p.terms[i + 2].head == "lung":
        p.zone = t  # "mid right lung"
        return
    if place_follows(p, i):
        _place(p, i, t)


def _side(p: Parse, i: int, t: Term) -> None:
    if p.side and i >= 2 and p.kinds[i - 1] in (K.AND, K.OR, K.COMMA) and p.kinds[i - 2] == K.SIDE:
        p.side |= t.side
    else:
        if p.side:
            p.flush(K.AND)
        p.side = t.side
    p.side_from = p.ends[i]


def _other_side(p: Parse, i: int, t: Term) -> None:
    model = p.last or p.previous
    side = _side_of(model)
    if side in (1, 2):
        p.side = BOTH ^ side
        p.side_from = p.ends[i]


def _same_side(p: Parse, i: int, t: Term) -> None:
    for model in (*reversed(p.mentions), p.previous):
        side = _side_of(model)
        if side:
            p.side = side
            p.side_from = p.ends[i]
            if p.clause and model is not None and p.clause[-1] is not model and not p.clause[-1].spots:
                p.clause[-1].linked = model
            return


def _side_of(mention: Mention | None) -> int:
    if mention is None:
        return 0
    side = mention.side
    for spot in mention.spots:
        side |= spot.side
    near = mention.linked or mention.shared
    return side or (_side_of(near) if near is not None and near is not mention else 0)


def _severity(p: Parse, i: int, t: Term) -> None:
    if p.tense is not None and "next" in p.tense.flags and p.clause:
        for mention in p.group or p.clause:
            mention.prior_severity = t.label
            mention.before = 0.0
        p.tense = p.unused = None
        return
    p.assertive(i)
    p.severity = t


def _measure(p: Parse, i: int, t: Term) -> None:
    """Sizes: of the finding before, or of the one that follows; "formerly 20 mm" is the size before."""
    axes = sizes_mm(p.tokens[p.begins[i] : p.ends[i]])
    if not axes:
        return
    if i + 1 < p.n and p.kinds[i + 1] == K.DIRECTION and p.last_device is not None:
        p.last_device.measures = [*p.last_device.measures, ("tip_to_landmark_mm", axes[0])]
        return
    earlier = p.tense is not None and "next" in p.tense.flags
    later = p.terms[i + 1] if i + 1 < p.n else None
    sized = p.clause and any(name == "long_axis_mm" for name, _ in p.clause[-1].measures)
    earlier = earlier or (sized and i > 0 and p.kinds[i - 1] == K.VERB and p.terms[i - 1].surface in ("was", "were", "had been"))
    earlier = earlier or (later is not None and later.effect == "historical" and later.kind != K.FINDING)
    targets = p.clause and (p.group or p.clause)
    if not targets and p.last is not None and earlier:
        targets = [p.last]
    if targets and (p.conn != _NONE or p.verb or earlier or not finding_follows(p, i)):
        for mention in targets:
            if earlier:
                mention.before = axes[0]
                mention.measures = [*mention.measures, ("prior_long_axis_mm", axes[0])]
            else:
                _put_sizes(mention, axes)
        if earlier:
            p.tense = p.unused = None
            for mention in targets:
                mention.compare()
    elif not earlier:
        p.sizes = axes


def _put_sizes(mention: Mention, axes: list[float]) -> None:
    if not any(name == "long_axis_mm" for name, _ in mention.measures):
        mention.measures = [*mention.measures, ("long_axis_mm", axes[0])]
        if len(axes) > 1:
            mention.measures = [*mention.measures, ("short_axis_mm", axes[1])]


def _cue(p: Parse, i: int, t: Term) -> None:
    p.cues.append((t.category, t.label))


def _change(p: Parse, i: int, t: Term) -> None:
    if p.neg is not None and p.neg is p.unused and t.change != "new" and (
        "forward" in t.flags or not finding_follows(p, i)
    ):
        p.change = _NO_CHANGE  # "no increase or decrease in the effusion"
        p.neg = p.unused = None
        p.verb = False
        return
    if t.change == "neutral" or p.change is _NO_CHANGE:
        return
    if p.change is not None:
        if (p.side or p.spots) and not p.clause and ("forward" in t.flags or finding_follows(p, i)):
            p.backlog.append((p.change, p.spots, p.side))
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


def _forward(p: Parse, i: int, t: Term) -> None:
    adjective = "next" in t.flags
    if adjective and t.effect == "uncertain" and p.clause and p.conn in (_NONE, _OTHER) and i + 1 < p.n and (
        p.kinds[i + 1] == K.PREPOSITION and p.kinds[i - 1] in (K.FINDING, K.VERB)
    ):
        p.backward(t)  # "effusion probable on that side"
        return
    if p.clause and (p.prep == 1 or (p.conn == _NONE and not adjective)):
        p.flush(K.AND)
    if not (adjective and p.conn == _NONE and not p.prep and finding_follows(p, i)):
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
        if p.neg is not None and p.conn in (_AND, _COMMA, _WITH) and not list_is_closed(p, i):
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
        p.conn = _OTHER
        p.prep = 0
        p.verb = True
    else:
        p.conn = p.conn or _OTHER


def _backward(p: Parse, i: int, t: Term) -> None:
    p.settle_change()
    p.flush(K.AND)
    if p.spots and not p.clause:
        p.subject = p.spots
        p.spots = []
    p.backward(t)
    p.verb = True
    p.conn = _OTHER


def _link(p: Parse, i: int, t: Term) -> None:
    p.settle_change()
    p.flush(K.BREAK)
    if p.clause:
        p.linked = p.clause[-1]
    p.conn = _OTHER
    p.prep = 0
    p.event = None


def _verb(p: Parse, i: int, t: Term) -> None:
    p.settle_change()
    if p.clause and (p.prep == 1 or (p.conn == _NONE and p.neg is None)):
        p.flush(K.AND)
    elif p.neg is not None and p.clause and p.spots and not p.prep:
        spots, p.spots = p.spots, []
        p.end_clause()
        p.spots = spots
    p.flush(K.VERB)
    p.verb = True
    p.conn = _OTHER
    p.prep = 0
    p.opened = False
    if t.label == "course":
        p.prep = 1


def _preposition(p: Parse, i: int, t: Term) -> None:
    p.flush(K.AND if p.prep else K.COMMA)
    if p.prep < 3:
        p.prep = 1
    if t.label == "for" and p.clause:
        p.unc = None


def _direction(p: Parse, i: int, t: Term) -> None:
    p.flush(K.AND)
    p.prep = 4 if t.label == "than" else 2


def _entry(p: Parse, i: int, t: Term) -> None:
    p.flush(K.AND)
    p.prep = 3 if t.label == "side port" else 2


def _separator(kind: int, conn: int) -> Handler:
    def handle(p: Parse, i: int, t: Term) -> None:
        if kind == K.COMMA and (p.exceptive and p.clause or p.sent_tense is not None):
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
            p.conn = _OTHER
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


def _with(p: Parse, i: int, t: Term) -> None:
    p.settle_change()
    p.flush(K.AND)
    if p.spots:
        p.subject, p.spots = p.spots, []
    if i and p.kinds[i - 1] == K.COMMA and p.clause:
        p.neg = None
    p.conn = _WITH
    p.weak = True
    p.prep = 0
    p.unc = None if p.clause else p.unc


def _break(p: Parse, i: int, t: Term) -> None:
    if p.side and not p.clause and list(p.kinds[i + 1 : i + 3]) == [K.FORWARD, K.SIDE]:
        p.not_side = p.terms[i + 2].side
        p.skip_to = i + 4 if i + 3 < p.n and p.kinds[i + 3] == K.COMMA else i + 3
        return
    if t.label == "relative" and p.clause:
        p.settle_change()
        p.flush(K.AND)
        p.neg = p.unc = p.unused = None
        p.verb = True
        p.conn = _OTHER
        p.prep = 0
        return
    p.end_clause()


def _except(p: Parse, i: int, t: Term) -> None:
    p.end_clause()
    p.exceptive = True


def _tip(p: Parse, i: int, t: Term) -> None:
    p.settle_change()
    p.flush(K.AND)
    p.spots, p.side = [], 0
    p.tip = True
    p.prep = 1
    p.conn = _OTHER
    if p.last_device is not None and p.last_device not in p.mentions and not p.clause:
        copy = p.again(p.last_device)
        p.last_device = copy


def _pronoun(p: Parse, i: int, t: Term) -> None:
    if t.label == "that":
        p.settle_change()
        p.flush(K.AND)
    elif p.clause or p.spots or p.side:
        return
    if t.label == "former":
        model = p.mentions[0] if p.mentions else p.previous
    else:
        model = p.last or p.previous
    if model is not None and (t.label in ("that", "former") or not finding_follows(p, i)):
        copy = p.again(model)
        if t.label == "that":
            p.prep = 1
            p.conn = _OTHER
            return
        copy.spots, copy.side, copy.own = model.spots, model.side, True
        copy.subject, copy.subject_side = model.subject, model.subject_side
        copy.linked, copy.shared, copy.tip = model.linked, model.shared, model.tip
        copy.polarity = copy.polarity if p.neg is not None else model.polarity
        copy.rules.append("grammar pronoun")


def _article(p: Parse, i: int, t: Term) -> None:
    if p.neg is not None and p.conn == _AND and p.clause and not list_is_closed(p, i):
        p.neg = None


def _colon(p: Parse, i: int, t: Term) -> None:
    if i and p.kinds[i - 1] == K.CHANGE and not p.clause and not p.spots:
        p.sticky = p.terms[i - 1]
        p.change = None
    p.settle_change()
    p.flush(K.COLON)
    p.verb = True
    p.conn = _OTHER
    p.prep = 0


def _there(p: Parse, i: int, t: Term) -> None:
    if i + 1 < p.n and p.kinds[i + 1] in (K.VERB, K.FORWARD, K.CHANGE):
        if p.prep == 1 and not p.clause:
            p.flush(K.COLON)
        elif p.verb and p.clause:
            p.end_clause()
    elif p.clause and not (p.clause[-1].spots or p.clause[-1].side) and len(p.mentions) > 1:
        p.clause[-1].linked = p.mentions[-2]


_HANDLERS: list[Handler | None] = [None] * (K.COUNT)
_HANDLERS[K.FINDING] = _finding
_HANDLERS[K.PLACE] = _place
_HANDLERS[K.SIDE] = _side
_HANDLERS[K.ZONE] = _zone
_HANDLERS[K.SEVERITY] = _severity
_HANDLERS[K.NUMBER] = _measure
_HANDLERS[K.TEXTURE] = _HANDLERS[K.TEMPORAL] = _cue
_HANDLERS[K.CHANGE] = _change
_HANDLERS[K.FORWARD] = _forward
_HANDLERS[K.BACKWARD] = _backward
_HANDLERS[K.VERB] = _verb
_HANDLERS[K.PREPOSITION] = _preposition
_HANDLERS[K.DIRECTION] = _direction
_HANDLERS[K.ENTRY] = _entry
_HANDLERS[K.AND] = _separator(K.AND, _AND)
_HANDLERS[K.OR] = _separator(K.OR, _OR)
_HANDLERS[K.COMMA] = _separator(K.COMMA, _COMMA)
_HANDLERS[K.WITH] = _with
_HANDLERS[K.BREAK] = _break
_HANDLERS[K.EXCEPT] = _except
_HANDLERS[K.TIP] = _tip
_HANDLERS[K.PRONOUN] = _pronoun
_HANDLERS[K.OTHER_SIDE] = _other_side
_HANDLERS[K.SAME_SIDE] = _same_side
_HANDLERS[K.ARTICLE] = _article
_HANDLERS[K.LINK] = _link
_HANDLERS[K.COLON] = _colon
_HANDLERS[K.THERE] = _there
