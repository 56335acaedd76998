"""What the grammar builds while it goes through a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from tumorboard.nlp.terms import Label, Term

__all__ = ["Event", "Mention", "Spot"]


class Spot:
    """A place as said: its term and the side it takes (0 none yet)."""

    __slots__ = ("begin", "end", "side", "term")

    def __init__(self, term: Term, side: int, begin: int, end: int) -> None:
        self.term = term
        self.side = side
        self.begin = begin
        self.end = end


class Event:
    """A change told of a finding or a place, with the places and sides it is limited to."""

    __slots__ = ("begin", "end", "side", "spots", "subject", "term")

    def __init__(self, term: Term, begin: int, end: int) -> None:
        self.term = term
        self.begin = begin
        self.end = end
        self.spots: list[Spot] = []
        self.side = 0
        self.subject: list[Spot] = []


class Mention:
    """A finding, device, head word or "normal" in the text, before it becomes statements."""

    __slots__ = (
        "before",
        "begin",
        "change",
        "clause",
        "cues",
        "end",
        "events",
        "hedged",
        "linked",
        "measures",
        "own",
        "polarity",
        "prior_severity",
        "rules",
        "sentence",
        "severity",
        "shared",
        "side",
        "spec",
        "spots",
        "subject",
        "subject_side",
        "tense",
        "term",
        "tip",
    )

    def __init__(self, term: Term, begin: int, end: int) -> None:
        self.term = term
        self.spec: Label | None = term.spec
        self.begin = begin
        self.end = end
        self.polarity = "yes"
        self.tense = "current"
        self.hedged = False
        self.change: str | None = None
        self.severity: str | None = None
        self.cues: Sequence[tuple[str, str]] = ()
        self.spots: Sequence[Spot] = ()
        self.side = 0
        self.own = False  # its place stood before it, in its own noun group
        self.events: Sequence[Event] = ()
        self.linked: Mention | None = None  # lies where that one lies
        self.shared: Mention | None = None  # takes side and place of its neighbour in a list
        self.subject: Sequence[Spot] = ()
        self.subject_side = 0
        self.tip: Sequence[Spot] | None = None
        self.rules: list[str] = [term.rule]
        self.measures: Sequence[tuple[str, float]] = ()
        self.clause = 0
        self.sentence = 0
        self.before: float | None = None  # size at the prior exam, 0 when only its severity was said
        self.prior_severity: str | None = None

    def bound(self) -> bool:
        """Whether anything in the sentence says where it lies, or tells of a change."""
        return bool(
            self.spots or self.side or self.events or self.subject or self.linked or self.shared
            or self.subject_side or self.tip
        )  # fmt: skip

    def compare(self) -> None:
        """Change from the sizes or severities of two exams, unless the text names one itself."""
        if self.change is not None or self.events or self.before is None:
            return
        now = next((value for name, value in self.measures if name == "long_axis_mm"), None)
        then: float | None = self.before
        if not self.before and self.prior_severity is not None and self.severity is not None:
            now, then = _RANK.get(self.severity), _RANK.get(self.prior_severity)
        elif not self.before:
            return
        if now is None or then is None:
            return
        self.change = "no change" if now == then else "worsened" if now > then else "improved"
        self.rules.append("grammar measured pair")


_RANK = {"mild": 1.0, "moderate": 2.0, "severe": 3.0}
