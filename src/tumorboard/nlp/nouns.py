"""Words of noun groups: findings, places, sides, sizes and what stands beside them."""

from __future__ import annotations

from tumorboard.nlp import joints as J
from tumorboard.nlp import kinds as K
from tumorboard.nlp.lookahead import finding_follows, list_is_closed, place_follows
from tumorboard.nlp.measures import number, sizes_mm
from tumorboard.nlp.mention import Mention, Spot
from tumorboard.nlp.parse import Parse
from tumorboard.nlp.terms import BOTH, Term

__all__ = ["cue", "finding", "measure", "other_side", "place", "same_side", "severity", "side", "zone"]

LOOK_BACK = 32
"""Findings looked back on in one sentence, and kept in one list: bounds the cost of endless sentences."""
NEAR = 9
"""Tokens, blanks counted, over which a bare "not" reaches."""


def finding(p: Parse, i: int, t: Term) -> None:
    """A finding, device or head word: takes what waits before it, and joins the list it stands in."""
    if t.flags and "adjective" in t.flags and finding_follows(p, i):
        quality = "quality" in t.flags
        p.cues.append(("quality", t.head) if quality else ("texture", "calcified" if t.head else "opacity"))
        return
    mention = Mention(t, p.begins[i], p.ends[i])
    mention.clause = p.clause_number
    mention.sentence = p.sentence
    device = t.spec is not None and t.spec.device
    _scopes(p, i, t, mention)
    _modifiers(p, mention)
    _join(p, i, t, mention)
    mention.subject = p.subject
    mention.subject_side = p.subject_side
    if not p.subject and p.old_subject and not mention.spots and t.category in ("head", "normal", "abnormal"):
        other = mention.side or p.subject_side
        mention.subject = [Spot(s.term, other or s.side, s.begin, s.end) for s in p.old_subject]
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
    p.conn = J.NONE
    p.prep = 0
    p.opened = False
    p.event = p.unused = None


def _scopes(p: Parse, i: int, t: Term, mention: Mention) -> None:
    """Polarity and tense from the scopes open here."""
    neg = p.neg
    if neg is not None:
        device = t.spec is not None and t.spec.device
        far = "near" in neg.flags and mention.begin - p.neg_end > NEAR
        if far or (p.weak and (device or p.severity is not None or p.change is not None)):
            p.neg = neg = None
    if t.head == "normal":
        _normal(p, i, t, mention)
    elif neg is not None:
        mention.polarity = "no"
        mention.rules.append(neg.rule)
    elif p.unc is not None:
        mention.polarity = "uncertain"
        mention.hedged = True
        mention.rules.append(p.unc.rule)
    tense = p.tense or p.sent_tense
    if tense is None:
        return
    if "next" in tense.flags:
        p.tense = None
        if t.spec is not None and t.spec.lasting:
            return  # "prior sternotomy" is still there
    mention.tense = "historical" if tense.effect == "family" else tense.effect
    mention.rules.append(tense.rule)


def _join(p: Parse, i: int, t: Term, mention: Mention) -> None:
    """Its place in the list of findings: what it shares with the one before, or what it explains."""
    conn = p.conn
    mention.linked = p.linked
    if conn in (J.OTHER, J.WITH) or not p.group:
        follows = conn == J.WITH or (conn == J.OTHER and p.verb)
        if p.linked is None and follows and p.neg is None and p.clause and not mention.own:
            mention.linked = p.clause[-1]
        p.group = [mention]
        return
    before = p.group[-1]
    if not mention.own and conn in (J.AND, J.OR) and before.own and before.polarity == mention.polarity:
        mention.shared = before
    if conn == J.AND and before.change and mention.change is None and mention.severity is None:
        mention.change = before.change
    listed = conn == J.OR or (conn == J.COMMA and list_is_closed(p, i))
    if listed and p.neg is None and before.change == "no change" and mention.change is None:
        mention.change = before.change
    elif conn == J.OR and mention.polarity != "no" and before.polarity != "no" and t.head != "normal":
        _either(p, before, mention)
    p.group = [*p.group[-LOOK_BACK:], mention] if len(p.group) > LOOK_BACK else [*p.group, mention]


def _either(p: Parse, before: Mention, mention: Mention) -> None:
    """ "a or b", "a versus b": both in doubt, and both where the finding lies that they would explain."""
    earlier = p.clause[-2] if len(p.clause) > 1 and p.clause[-1] is before else None
    explained = earlier if earlier is not None and (earlier.spots or earlier.side) else None
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
        for change, spots, side, severity in p.backlog:
            copy = Mention(mention.term, mention.begin, mention.end)
            copy.spec, copy.polarity, copy.tense, copy.hedged = (
                mention.spec, mention.polarity, mention.tense, mention.hedged,
            )  # fmt: skip
            copy.rules.extend(mention.rules[1:])
            copy.sentence = p.sentence
            if not spots:
                spots = [Spot(spot.term, side, spot.begin, spot.end) for spot in p.spots]
            copy.spots, copy.side, copy.own = spots, side, True
            copy.severity = severity.label if severity is not None else None
            put_change(copy, change, p)
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
        put_change(mention, p.change, p)
        p.change = None
    elif p.sticky is not None:
        put_change(mention, p.sticky, p)


def _same_place_other_side(p: Parse, mention: Mention) -> None:
    """ "Left hemidiaphragm raised. The right is normal.": the place of the sentence before."""
    model = p.last or p.previous
    side = mention.side or p.subject_side
    if model is not None and side:
        mention.spots = [Spot(s.term, side, s.begin, s.end) for s in model.spots or model.subject if not s.term.side]


def put_change(mention: Mention, term: Term | None, p: Parse) -> None:
    if term is None or (p.neg is not None and mention.polarity == "no"):
        return
    mention.rules.append(term.rule)
    mention.change = term.change
    if term.change in ("resolved", "removed"):
        mention.polarity = "no"


def place(p: Parse, i: int, t: Term) -> None:
    """A place waits for its finding; it takes the side before it, or that of the place it is joined to."""
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
    if not side and p.conn in (J.AND, J.OR, J.COMMA) and i and p.kinds[i - 1] in (K.AND, K.OR, K.COMMA, K.ZONE):
        before = (
            p.spots[-1] if p.spots else (p.group[-1].spots[-1] if p.opened and p.group and p.group[-1].spots else None)
        )
        if before is not None:
            side = before.side
    p.spots.append(Spot(t, side, p.begins[i], p.ends[i]))


def zone(p: Parse, i: int, t: Term) -> None:
    """ "Upper", "mid", "lower": a place when a lobe or zone follows."""
    following = p.kinds[i + 1 : i + 3]
    if len(following) == 2 and following[0] == K.SIDE and following[1] == K.PLACE and p.terms[i + 2].head == "lung":
        p.zone = t  # "mid right lung"
        return
    if place_follows(p, i):
        place(p, i, t)


def side(p: Parse, i: int, t: Term) -> None:
    """A side waits for its noun; two joined sides are both."""
    if p.side and i >= 2 and p.kinds[i - 1] in (K.AND, K.OR, K.COMMA) and p.kinds[i - 2] == K.SIDE:
        p.side |= t.side
    else:
        if p.side:
            p.flush(K.AND)
        p.side = t.side
    p.side_from = p.ends[i]


def other_side(p: Parse, i: int, t: Term) -> None:
    """ "The other side": opposite of the last side said."""
    model = p.last or p.previous
    side = _side_of(model)
    if side in (1, 2):
        p.side = BOTH ^ side
        p.side_from = p.ends[i]


def same_side(p: Parse, i: int, t: Term) -> None:
    """ "That side": the last side said."""
    for model in (*p.mentions[: -LOOK_BACK - 1 : -1], p.previous):
        side = _side_of(model)
        if side:
            p.side = side
            p.side_from = p.ends[i]
            if p.clause and model is not None and p.clause[-1] is not model and not p.clause[-1].spots:
                p.clause[-1].linked = model
            return


def _side_of(mention: Mention | None) -> int:
    """Side of a finding, or of the one that it lies with."""
    for _ in range(4):
        if mention is None:
            return 0
        side = mention.side
        for spot in mention.spots:
            side |= spot.side
        if side:
            return side
        mention = mention.linked or mention.shared
    return 0


def severity(p: Parse, i: int, t: Term) -> None:
    """A degree waits for its finding, ends a negation, or belongs to the exam before."""
    if p.tense is not None and "next" in p.tense.flags and p.clause:
        for mention in p.group or p.clause:
            mention.prior_severity = t.label
            mention.before = 0.0
        p.tense = p.unused = None
        return
    if p.severity is not None and p.side and not p.clause and not p.prep:
        p.backlog.append((p.change, p.spots, p.side, p.severity))  # "small right and moderate left effusions"
        p.spots, p.side = [], 0
    p.assertive(i)
    p.severity = t


def measure(p: Parse, i: int, t: Term) -> None:
    """Sizes: of the finding before, or of the one that follows; "formerly 20 mm" is the size before."""
    if t.label == "suv":
        value = number(p.tokens[p.begins[i] : p.ends[i]])
        mention = p.clause[-1] if p.clause else p.previous
        if value is not None and mention is not None:
            mention.measures = [*mention.measures, ("suv_max", value)]
        return
    axes = sizes_mm(p.tokens[p.begins[i] : p.ends[i]])
    if not axes:
        return
    if i + 1 < p.n and p.kinds[i + 1] == K.DIRECTION and p.last_device is not None:
        p.last_device.measures = [*p.last_device.measures, ("tip_to_landmark_mm", axes[0])]
        return
    earlier = p.tense is not None and "next" in p.tense.flags
    later = p.terms[i + 1] if i + 1 < p.n else None
    sized = bool(p.clause) and any(name == "long_axis_mm" for name, _ in p.clause[-1].measures)
    earlier = earlier or (
        sized and i > 0 and p.kinds[i - 1] == K.VERB and p.terms[i - 1].surface in ("was", "were", "had been")
    )
    if later is not None and later.effect == "historical" and later.kind != K.FINDING:
        earlier = True
        p.skip_to = i + 2
    targets = list(p.group or p.clause) if p.clause else []
    if not targets and p.last is not None and earlier:
        targets = [p.last]
    if targets and (p.conn != J.NONE or p.verb or earlier or not finding_follows(p, i)):
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


def cue(p: Parse, i: int, t: Term) -> None:
    """Texture and age wait for their finding."""
    p.cues.append((t.category, t.label))
