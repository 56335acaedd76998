"""State of a sentence while the grammar goes through it: what waits, what is open, what was found.

Context scopes after NegEx and ConText (Chapman et al. 2001; Harkema et al. 2009); the noun-group rules are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tumorboard.nlp import joints as J
from tumorboard.nlp import kinds as K
from tumorboard.nlp.lookahead import list_is_closed
from tumorboard.nlp.mention import Event, Mention, Spot
from tumorboard.nlp.terms import Term

__all__ = ["Handler", "Parse"]


class Parse:
    """State of one sentence. Items are parallel lists: `kinds`, `terms`, `begins`, `ends` (token positions)."""

    __slots__ = (
        "backlog",
        "begins",
        "change",
        "changes",
        "clause",
        "clause_number",
        "conn",
        "cues",
        "ends",
        "event",
        "exceptive",
        "group",
        "i",
        "kinds",
        "last",
        "last_device",
        "linked",
        "mentions",
        "n",
        "neg",
        "neg_end",
        "not_side",
        "old_subject",
        "opened",
        "prep",
        "previous",
        "sent_tense",
        "sentence",
        "severity",
        "side",
        "side_from",
        "sizes",
        "skip_to",
        "spots",
        "sticky",
        "stop",
        "subject",
        "subject_side",
        "tense",
        "terms",
        "tip",
        "tokens",
        "unc",
        "unused",
        "unused_end",
        "verb",
        "weak",
        "zone",
    )  # fmt: skip

    def __init__(self) -> None:
        self.previous: Mention | None = None
        self.last_device: Mention | None = None
        self.tokens: Sequence[str] = ()
        self.sentence = 0
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
        self.backlog: list[tuple[Term | None, list[Spot], int, Term | None]] = []
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
        self.conn = J.NONE
        self.opened = False
        self.event: list[Event] | None = None
        self.tip = False
        self.exceptive = False

    def run(
        self, kinds: Sequence[int], terms: Sequence[Term], begins: Sequence[int], ends: Sequence[int], *,
        stop: int, handlers: Sequence[Handler | None],
    ) -> None:  # fmt: skip
        """Go through one sentence, which ends at token `stop`; `handlers` by kind of item."""
        self.mentions, self.changes = [], []
        self.last = self.sent_tense = self.sticky = None
        self.old_subject = []
        self.clause_number = self.skip_to = 0
        self.sentence += 1
        self.stop = stop
        self.kinds, self.terms, self.begins, self.ends = kinds, terms, begins, ends
        self.n = len(kinds)
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
            copy.severity = self.severity.label if self.severity is not None else None
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
        if self.prep == 1 or self.conn == J.NONE or self.opened:
            return True
        return self.verb and self.conn == J.OTHER

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
        if model.sentence == self.sentence:
            copy = Mention(model.term, model.begin, model.end)
        else:  # the evidence is the word that stands for it here
            at = min(self.i, self.n - 1)
            copy = Mention(model.term, self.begins[at], self.ends[at])
        copy.sentence = self.sentence
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
        copy.sentence = self.sentence
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
        if (
            self.side
            and not self.spots
            and self.last is not None
            and not self.prep
            and ((self.clause and self.clause[-1].events) or not self.clause)
        ):
            copy = self.again(self.last)
            copy.side = self.side
            copy.rules.append("grammar other side")
            self.side = 0
        if self.clause and not (self.spots and self.conn != J.NONE and not self.prep):
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
            event = Event(term, self.last.begin, self.last.end)
            self.last.events = [*self.last.events, event]
            self.event = [event]
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
                near = [m for m in self.mentions[-6:] if m is not mention and (m.spots or m.side)]
                mention.linked = near[-1] if near else None
            if mention.polarity == "yes" or mention.rules.count(term.rule) == 1:
                mention.polarity = "uncertain"
        elif effect == "family":
            mention.tense = "historical"
        else:
            mention.tense = effect

    def assertive(self, i: int) -> None:
        """A word such as "small" after a comma or "and" ends a negation, unless the list goes on to "or"."""
        if self.neg is None or not self.clause:
            return
        run_on = self.conn == J.NONE and self.kinds[i - 1] == K.FINDING
        if (self.conn in (J.AND, J.COMMA, J.WITH) or run_on) and not list_is_closed(self, i):
            self.neg = None
            if run_on:
                self.conn = J.OTHER


Handler = Callable[[Parse, int, Term], None]
