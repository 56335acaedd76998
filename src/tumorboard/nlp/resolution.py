"""Mentions to statements: labels from head word and place, locations, changes told per side."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter

from tumorboard.core.scenegraph import Polarity, Statement, Tense
from tumorboard.nlp.draft import statement
from tumorboard.nlp.mention import Event, Mention, Spot
from tumorboard.nlp.ontology import Ontology
from tumorboard.nlp.terms import BOTH, Label

__all__ = ["Frame", "resolve", "same_finding"]

_POLARITY = {"yes": Polarity.YES, "no": Polarity.NO, "uncertain": Polarity.UNCERTAIN}
_TENSE = {"current": Tense.CURRENT, "historical": Tense.HISTORICAL, "hypothetical": Tense.HYPOTHETICAL}
_start = attrgetter("start")
_DEFAULT = "ontology default"
_GONE = ("resolved", "removed")
_HEDGE = ("severity", "hedge")


class Frame:
    """What all statements of one sentence share."""

    __slots__ = ("offs", "section", "sentence", "start", "tense")

    def __init__(self, section: str, sentence: str, start: int, offs: Sequence[int], tense: str) -> None:
        self.section = section
        self.sentence = sentence
        self.start = start
        self.offs = offs
        self.tense = tense


def resolve(
    mentions: Sequence[Mention], changes: Sequence[Event], *, ontology: Ontology, frame: Frame
) -> list[Statement]:
    """Statements of one sentence in the order of the text."""
    out: list[Statement] = []
    for mention in mentions:
        term = mention.term
        head = term.head
        if head == "normal":
            _normal(out, mention, ontology, frame)
            continue
        if term.flags and "weak" in term.flags and mention.polarity != "no":
            continue
        label = mention.spec
        if label is not None and not head and not mention.bound():
            rules = [*mention.rules, _DEFAULT]
            sure = 0.8 if label.entry else 0.6
            _emit(out, mention, label, label.default[0], frame, change=mention.change, sure=sure, rules=rules)
            continue
        for label, spots in _labels(mention, ontology, mentions):
            _state(out, mention, label, spots, frame)
    for event in changes:
        _location_change(out, event, frame)
    if len(out) > 1:
        out.sort(key=_start)
    return out


def _labels(
    mention: Mention, ontology: Ontology, mentions: Sequence[Mention]
) -> Iterable[tuple[Label, Sequence[Spot]]]:
    """The label or labels of a mention, each with the places that chose it."""
    head = mention.term.head
    spots = mention.spots
    if not head:
        spec = mention.spec
        return ((spec, spots),) if spec is not None else ()
    compose = ontology.compose
    for _, quality in mention.cues:
        better = compose.get((head, f"+{quality}"))
        if better is not None:
            return ((better, list(spots)),)
    candidates = spots or mention.subject
    found: dict[str, tuple[Label, list[Spot]]] = {}
    barred = False
    for spot in candidates:
        key = (head, spot.term.head)
        if key in compose:
            label = compose[key]
            barred = label is None and not found
            if label is not None:
                found.setdefault(label.name, (label, []))[1].append(spot)
    if found:
        return found.values()
    if barred:
        return ()
    if mention.spec is not None:
        return ((mention.spec, spots),)
    for other in mentions:  # "blunting of the left and obliteration of the right costophrenic angle"
        if other is not mention and other.clause == mention.clause:
            for spot in (*other.spots, *other.subject):
                label = compose.get((head, spot.term.head))
                if label is not None:
                    return ((label, []),)
    return ()


def _place(mention: Mention, label: Label, spots: Sequence[Spot]) -> tuple[tuple[str, ...], float]:
    """Locations of a label and how sure they are: 1 said, less where taken from a neighbour or the default."""
    if label.entry:
        for chosen in (mention.tip, spots):
            if chosen:
                names, _ = _names(label, chosen, 0)
                if names:
                    return names, 1.0
        return label.default[0], 0.8
    if mention.tip:
        names, _ = _names(label, mention.tip, mention.side or _sides(spots))
        if names:
            return names, 1.0
    if spots or mention.side:
        names, hint = _names(
            label, spots, mention.side or (mention.subject_side if not mention.side else 0) or _sides(mention.subject)
        )
        if names:
            return names, 1.0
        side = mention.side or hint
        if side:
            return label.default[side], 1.0
    for model, sure in ((mention.linked, 0.8), (mention.shared, 0.7)):
        if model is not None and not (label.diffuse and model is mention.shared):
            near = _near(model)
            names, hint = _names(label, near, model.side or model.subject_side)
            if names:
                return names, sure
            side = model.side or hint
            if side and not label.diffuse:
                return label.default[side], sure
    if mention.subject:
        names, hint = _names(label, mention.subject, mention.subject_side)
        if names:
            return names, 0.9
        if hint and not label.diffuse:
            return label.default[hint], 0.9
    if mention.subject_side and not label.diffuse:
        return label.default[mention.subject_side], 0.9
    return label.default[0], 0.6


def _near(model: Mention) -> Sequence[Spot]:
    for _ in range(8):
        if model.spots:
            return model.spots
        if model.linked is not None:
            model = model.linked
        elif model.shared is not None:
            model = model.shared
        else:
            break
    return model.subject


def _sides(spots: Sequence[Spot]) -> int:
    side = 0
    for spot in spots:
        side |= spot.side
    return side


def _names(label: Label, spots: Sequence[Spot], side: int) -> tuple[tuple[str, ...], int]:
    """Locations of the places that the label allows, and the side of those it does not."""
    names: dict[str, None] = {}
    hint = 0
    allowed = label.allowed
    firm = any("soft" not in spot.term.flags for spot in spots) if len(spots) > 1 else False
    for spot in spots:
        places = spot.term.places
        own = spot.side or side
        hint |= own
        if (
            places is None
            or (firm and "soft" in spot.term.flags)
            or ("whole" in spot.term.flags and label.category != "nlp")
        ):
            continue
        for name in places[own]:
            if name in allowed:
                names[name] = None
    return tuple(names), hint


def _state(out: list[Statement], mention: Mention, label: Label, spots: Sequence[Spot], frame: Frame) -> None:
    locations, sure = _place(mention, label, spots)
    rules = mention.rules
    if sure < 1:
        rules = [*rules, "grammar neighbour" if sure > 0.6 else _DEFAULT]
    events = mention.events
    if not events:
        _emit(out, mention, label, locations, frame, change=mention.change, sure=sure, rules=rules)
        return
    rest: dict[str, None] = dict.fromkeys(locations)
    whole: Event | None = None
    if len(events) == 1 and events[0].side and not events[0].spots and not mention.side and not _sides(mention.spots):
        mention.side = events[0].side
        for spot in mention.spots:
            spot.side = mention.side
        events[0].side = 0
        locations, sure = _place(mention, label, spots)
        rest = dict.fromkeys(locations)
    for event in events:
        if event.spots or event.side:
            names, hint = _names(label, event.spots, event.side or mention.side)
            if label.entry:
                names = ()
            elif not names:
                side = event.side or hint
                names = tuple(n for n in locations if n in label.default[side]) if side and side != BOTH else ()
                names = names or (_sided(locations, side) if side else ())
                names = names or label.default[side]
            if not names:
                whole = event
                continue
            change = event.term.change or mention.change
            more = [*rules, event.term.rule]
            severity = event.term.label if event.term.category == "severity" else None
            _emit(out, mention, label, names, frame, change=change, sure=sure, rules=more, severity=severity)
            if not (mention.spots or mention.side):
                rest = {}
            for name in names:
                rest.pop(name, None)
        else:
            whole = event
    if rest:
        change = (whole.term.change if whole is not None else "") or mention.change
        more = [*rules, whole.term.rule] if whole is not None else rules
        _emit(out, mention, label, tuple(rest), frame, change=change, sure=sure, rules=more)


def _sided(locations: Sequence[str], side: int) -> tuple[str, ...]:
    word = {1: "right ", 2: "left "}.get(side, "")
    return tuple(name for name in locations if name.startswith(word)) if word else tuple(locations)


def _emit(
    out: list[Statement], mention: Mention, label: Label, locations: tuple[str, ...], frame: Frame, *,
    change: str | None, sure: float, rules: Sequence[str], polarity: str | None = None,
    severity: str | None = None,
) -> None:  # fmt: skip
    said = polarity or mention.polarity
    if change == "resolved" and label.device:
        change = "removed"
    if change in _GONE:
        said = "no"
    elif change is not None and said == "no" and mention.change not in _GONE:
        change = None
    if said == "uncertain":
        sure *= _belief(mention)
    cues = mention.cues
    if mention.hedged:
        cues = [*cues, _HEDGE]
    severity = severity or mention.severity
    flags = mention.term.flags
    if flags and said == "yes":
        if "borderline" in flags:
            severity = severity or "mild"
        elif "upper" in flags:
            said = "no"
    tense = mention.tense
    if tense == "known":
        tense = "historical" if frame.tense != "current" else "current"
    elif tense == "current":
        tense = frame.tense if frame.tense != "historical" or said != "uncertain" else "hypothetical"
    offs = frame.offs
    out.append(
        statement(
            label.name, label.category, locations, _POLARITY[said], _TENSE[tense], change, severity, tuple(cues),
            frame.section, frame.sentence, frame.start, offs[mention.begin], offs[mention.end], tuple(rules), sure,
            tuple(mention.measures),
        )
    )  # fmt: skip


def _belief(mention: Mention) -> float:
    """How far a hedge believes: "probable" more than "may"; "a or b" lies between."""
    rules = " ".join(mention.rules)
    if "context uncertain" not in rules:
        return 0.9
    return 0.85 if "context uncertain.prob" in rules else 0.4


def _normal(out: list[Statement], mention: Mention, ontology: Ontology, frame: Frame) -> None:
    """ "Normal": what it denies at each place, and nlp normal there; denied, nlp abnormal."""
    spots = mention.spots or mention.subject
    side = mention.side or mention.subject_side or _sides(mention.subject)
    change = mention.change or (mention.events[-1].term.change if mention.events else None)
    everywhere: dict[str, None] = {}
    rules = mention.rules
    for spot in spots:
        own = spot.side or side
        places = spot.term.places
        if places is None:
            continue
        locations = places[own]
        everywhere.update(dict.fromkeys(locations))
        if mention.polarity != "yes" or "state" in mention.term.flags:
            continue
        for label in ontology.normal.get(spot.term.head, ()):
            names = tuple(name for name in locations if name in label.allowed) or label.default[own]
            _emit(out, mention, label, names, frame, change=None, sure=1.0, rules=rules, polarity="no")
            if change is not None:
                out[-1] = _with_change(out[-1], change)
    if not spots and side:
        lung = ontology.normal.get("lung")
        places = ontology.places.get("lung")
        if lung and places and mention.polarity == "yes":
            everywhere.update(dict.fromkeys(places[side]))
            _emit(out, mention, lung[0], places[side], frame, change=None, sure=0.8, rules=rules, polarity="no")
    state = ontology.labels.get("normal" if mention.polarity != "no" else "abnormal")
    if everywhere and state is not None and change not in ("improved", "worsened"):
        _emit(out, mention, state, tuple(everywhere), frame, change=change, sure=1.0, rules=rules, polarity="yes")


def _with_change(statement: Statement, change: str) -> Statement:
    return replace(statement, comparison=change)


def _location_change(out: list[Statement], event: Event, frame: Frame) -> None:
    names: dict[str, None] = {}
    firm = any("soft" not in spot.term.flags for spot in event.subject)
    for spot in event.subject:
        if spot.term.places is not None and not (firm and "soft" in spot.term.flags):
            names.update(dict.fromkeys(spot.term.places[spot.side or event.side]))
    if not names:
        return
    offs = frame.offs
    out.append(
        statement(
            "", "", tuple(names), Polarity.YES, _TENSE[frame.tense], event.term.change, None, (), frame.section,
            frame.sentence, frame.start, offs[event.begin], offs[event.end], (event.term.rule,), 1.0, (),
        )
    )  # fmt: skip


def same_finding(statements: list[Statement], text: str) -> list[Statement]:
    """A finding said once with its place and once without is one finding: "left effusion ... the effusion is larger".

    A plural without side keeps both sides, a denial its whole default place.
    """
    placed: dict[str, dict[str, None]] = {}
    unplaced = []
    for k, s in enumerate(statements):
        if s.polarity is Polarity.NO or s.tense is not Tense.CURRENT:
            continue
        if s.rules[-1] != _DEFAULT:
            placed.setdefault(s.attribute, {}).update(dict.fromkeys(s.locations))
        elif len(s.locations) > 1 and text[s.end - 1 : s.end] not in "sS":
            unplaced.append(k)
    for k in unplaced:
        s = statements[k]
        if s.attribute in placed:
            rules = (*s.rules[:-1], "grammar same finding")
            statements[k] = replace(s, locations=tuple(placed[s.attribute]), rules=rules)
    return statements
