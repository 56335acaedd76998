"""The sentences of a virtual report: what an author says of each sign, of its change and absence, and what else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tumorboard.core.chest import CATEGORY_OF
from tumorboard.phantom.chest_plan import DEVICES, Sign
from tumorboard.phantom.chest_truth import change_of, locations_of
from tumorboard.phantom.report_frames import (
    ADVICE,
    CHANGED,
    DENIED,
    DEVICE_CHANGED,
    DOUBTED,
    NORMAL_IMPRESSIONS,
    PRESENT,
)
from tumorboard.phantom.report_grammar import Said, Sentence, noun_phrase, pick, say, severity_word
from tumorboard.phantom.report_phrases import HISTORIES, NEGATIVES, NORMALS, NOUNS, QUESTIONS, WHOLE

__all__ = ["advice", "conclusion", "denial", "history", "normal", "sign_sentences"]

Stream = Random
_MISLY = {"small": "mildly", "tiny": "minimally", "slight": "slightly", "mild": "mildly", "minimal": "minimally"}
_ORDINALS = ("fourth", "fifth", "6th", "seventh", "8th")
_BOTH = ("right", "left")


def sign_sentences(rng: Stream, sign: Sign, exam: int, masked: Stream | None) -> list[Sentence]:
    """What is said of one sign; empty where there is nothing to say (absent and never seen before)."""
    change = change_of(sign, exam)
    if not sign.present(exam) and change not in ("resolved", "removed"):
        return []
    if sign.kind in DEVICES:
        return [_device(rng, sign, change, masked)]
    if sign.kind not in NOUNS:
        return [_clause(rng, sign, exam, change, masked)]
    if change is not None and (change in ("resolved", "new") or rng.random() < 0.8):
        found = [_changed(rng, sign, exam, change, masked)]
    elif change is None and sign.grades[exam] <= 1 and sign.place[2] < 0.12:
        return [_doubted(rng, sign, exam, masked)]
    else:
        found = [_present(rng, sign, exam, masked)]
    if sign.kind == "consolidation" and sign.present(exam) and rng.random() < 0.3:
        found = [_with_guess(rng, found[0])]
    return found


def _present(rng: Stream, sign: Sign, exam: int, masked: Stream | None) -> Sentence:
    phrase = noun_phrase(rng, sign, exam)
    return say(pick(rng, PRESENT).format(**phrase.forms()), [phrase.said], masked=masked)


def _doubted(rng: Stream, sign: Sign, exam: int, masked: Stream | None) -> Sentence:
    phrase = noun_phrase(rng, sign, exam)
    return say(pick(rng, DOUBTED).format(**phrase.forms()), [replace(phrase.said, polarity="uncertain")], masked=masked)


def _changed(rng: Stream, sign: Sign, exam: int, change: str, masked: Stream | None) -> Sentence:
    sized = bool(sign.size_mm) and change in ("worsened", "improved")
    phrase = noun_phrase(rng, sign, exam, graded=change not in ("resolved",) and not sized)
    frame = pick(rng, CHANGED[change])
    said = replace(phrase.said, comparison=change)
    if change == "resolved":
        said = replace(said, polarity="no", severity=None)
    text = frame.format(**phrase.forms())
    if sized and rng.random() < 0.6:
        now, before = sign.size_mm[exam], sign.size_mm[exam - 1]
        text = f"{phrase.forms()['the']} now measures {now:.0f} mm, previously {before:.0f} mm"
        said = replace(said, measures=(("long_axis_mm", now), ("previous_long_axis_mm", before)))
    return say(text, [said], masked=masked)


def _with_guess(rng: Stream, sentence: Sentence) -> Sentence:
    """The same sentence with what it may mean."""
    words = pick(
        rng,
        (
            ", which may represent pneumonia",
            ", possibly pneumonia",
            ", concerning for pneumonia",
            ", suspicious for pneumonia",
        ),
    )
    text = sentence.text.removesuffix(".") + words + "."
    end = len(text) - 1
    first = sentence.said[0]
    guess = Said(
        "pneumonia", CATEGORY_OF["pneumonia"], first.locations, polarity="uncertain", mention=1, sign=first.sign
    )
    return Sentence(text, (*sentence.mentions, (end - len("pneumonia"), end)), (*sentence.said, guess))


def _clause(rng: Stream, sign: Sign, exam: int, change: str | None, masked: Stream | None) -> Sentence:
    """Heart, aorta, volumes, diaphragm, ribs: clauses of their own."""
    template, attribute = pick(rng, WHOLE[sign.kind])
    adjective, grade = severity_word(rng, sign, exam)
    named = "{sev}" in template or "{sevly}" in template
    adverb = _MISLY.get(adjective, f"{adjective}ly" if adjective else "")
    nth = _ORDINALS[int(len(_ORDINALS) * sign.place[0])]
    text = template.format(sev=adjective, sevly=adverb, side=sign.side, nth=nth)
    said = Said(
        attribute,
        CATEGORY_OF[attribute],
        locations_of(sign),
        severity=(grade or None) if named else None,
        sign=sign.name,
    )
    if change == "no change" and rng.random() < 0.35:
        text, said = text + pick(rng, (", unchanged", ", stable")), replace(said, comparison="no change")
    return say(text, [said], masked=masked)


def _device(rng: Stream, sign: Sign, change: str | None, masked: Stream | None) -> Sentence:
    key = f"{sign.kind}:{sign.tip}" if f"{sign.kind}:{sign.tip}" in WHOLE else sign.kind
    template, attribute = pick(rng, WHOLE[key])
    said = Said(attribute, CATEGORY_OF[attribute], locations_of(sign), sign=sign.name)
    side = "" if sign.side == "both" else sign.side
    if change == "removed":
        noun = template[template.index("[") + 1 : template.index("]")]
        text = pick(rng, DEVICE_CHANGED["removed"]).format(side=side, noun=noun)
        return say(text, [replace(said, polarity="no", comparison="removed", locations=_default(sign))], masked=masked)
    tip = {"svc": pick(rng, ("SVC", "mid SVC", "superior vena cava"))}.get(sign.tip, sign.tip)
    text = template.format(side=side, tip=tip, mm=f"{3.0 + 3.5 * sign.place[0]:.1f}")
    if change == "no change" and rng.random() < 0.6:
        text, said = text + pick(rng, (", unchanged", ", unchanged from before")), replace(said, comparison="no change")
    elif change == "new":
        text, said = _newly(rng, text), replace(said, comparison="new")
    return say(text, [said], masked=masked)


def _newly(rng: Stream, text: str) -> str:
    return text + str(pick(rng, (", new since the prior exam", ", newly placed", ", which is new")))


_DEFAULTS = {
    "picc": ("svc",),
    "ij line": ("svc",),
    "chest port": ("svc",),
    "enteric tube": ("abdomen",),
}
"""Where a line belongs of which no tip is named (it is gone)."""


def _default(sign: Sign) -> tuple[str, ...]:
    return _DEFAULTS.get(sign.kind, locations_of(sign))


def denial(rng: Stream, names: Sequence[str], masked: Stream | None) -> Sentence:
    """One negation over one or more findings."""
    words, said = [], []
    for n, name in enumerate(names):
        attribute, place, forms = NEGATIVES[name]
        words.append(f"[{pick(rng, forms)}]")
        locations = (place,) if place == "abdomen" else tuple(f"{side} {place}" for side in _BOTH)
        said.append(Said(attribute, CATEGORY_OF[attribute], locations, polarity="no", mention=n))
    if len(words) == 1:
        joined = words[0]
    elif len(words) == 2:
        joined = f"{words[0]} or {words[1]}"
    else:
        joined = ", ".join(words[:-1]) + pick(rng, (", or ", " or ")) + words[-1]
    return say(pick(rng, DENIED).format(list=joined), said, masked=masked)


def normal(rng: Stream, region: str, *, side: str = "") -> Sentence:
    """A normal statement about heart, mediastinum, hila, both lungs or one, and what it denies by convention."""
    text = pick(rng, NORMALS[region]).format(side=side)
    where: dict[str, tuple[str, ...]] = {
        "heart": ("cardiac silhouette",),
        "mediastinum": ("mediastinum",),
        "hila": ("right hilar structures", "left hilar structures"),
        "lungs": ("right lung", "left lung"),
        "one lung": (f"{side} lung",),
    }
    said = [Said("normal", "nlp", where[region])]
    if "not enlarged" in text:
        said = []
    for attribute in _DENIED_BY[region]:
        denied = Said(attribute, CATEGORY_OF[attribute], where[region], polarity="no", implied=bool(said))
        said.append(denied)
    return say(text, said)


_DENIED_BY = {
    "heart": ("enlarged cardiac silhouette",),
    "mediastinum": ("mediastinal widening",),
    "hila": ("enlarged hilum",),
    "lungs": ("lung opacity",),
    "one lung": ("lung opacity",),
}
"""What a normal region has not, by convention."""


def conclusion(rng: Stream, masked: Stream | None) -> Sentence:
    """That there is nothing: the chest is normal, or no abnormality is seen in lungs, heart and mediastinum."""
    text = pick(rng, NORMAL_IMPRESSIONS)
    where = ("right lung", "left lung", "cardiac silhouette", "mediastinum")
    said = Said("normal", "nlp", where, implied=True)
    if text.startswith("[no "):
        said = Said("abnormal", "nlp", where, polarity="no", implied=True)
    return say(text, [said], masked=masked)


def history(rng: Stream) -> Sentence:
    """What the indication says: a past disease or a question, never this exam."""
    asked = rng.random() < 0.55
    text, attribute, place = pick(rng, QUESTIONS if asked else HISTORIES)
    locations = (place,) if place == "cardiac silhouette" else tuple(f"{side} {place}" for side in _BOTH)
    said = Said(
        attribute,
        CATEGORY_OF[attribute],
        locations,
        polarity="uncertain" if asked else "yes",
        tense="hypothetical" if asked else "historical",
    )
    return say(text, [said])


def advice(rng: Stream, sign: Sign) -> Sentence:
    """A recommendation: it names the finding under a condition and states nothing new."""
    noun, attribute = pick(rng, NOUNS[sign.kind])
    said = Said(
        attribute, CATEGORY_OF[attribute], _anywhere(sign), tense="hypothetical", polarity="uncertain", sign=sign.name
    )
    return say(pick(rng, ADVICE).format(noun=noun), [said])


def _anywhere(sign: Sign) -> tuple[str, ...]:
    """Both sides' default place: advice names none."""
    place = "costophrenic angle" if sign.kind == "effusion" else "lung"
    return tuple(f"{side} {place}" for side in _BOTH)
