"""From a sign to words: noun phrases with side, zone and degree, and sentences whose mentions are marked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tumorboard.core.chest import CATEGORY_OF
from tumorboard.phantom.chest_plan import Sign, grade_word
from tumorboard.phantom.chest_truth import locations_of
from tumorboard.phantom.report_phrases import DEGREES, NOUNS

__all__ = ["Said", "Sentence", "noun_phrase", "pick", "say", "severity_word"]

_COUNTED = (
    "effusion",
    "collection",
    "pneumothorax",
    "PTX",
    "opacity",
    "density",
    "infiltrate",
    "nodule",
    "mass",
    "granuloma",
)
_PLURALS = {"opacity": "opacities", "density": "densities", "mass": "masses", "pneumothorax": "pneumothoraces"}
_SCALE = {"effusion": "amount", "pneumothorax": "size"}


@dataclass(frozen=True)
class Said:
    """One statement of a sentence; `mention` is the number of its bracketed words. implied : it follows from the words
    by convention (clear lungs deny opacity)."""

    attribute: str
    category: str
    locations: tuple[str, ...]
    polarity: str = "yes"
    tense: str = "current"
    comparison: str | None = None
    severity: str | None = None
    measures: tuple[tuple[str, float], ...] = ()
    mention: int = 0
    implied: bool = False
    sign: str = ""


@dataclass(frozen=True)
class Sentence:
    """Words without markup, the mentions as (start, end), and what is said."""

    text: str
    mentions: tuple[tuple[int, int], ...]
    said: tuple[Said, ...] = field(default=())


@dataclass(frozen=True)
class _Phrase:
    """A noun phrase in its forms, and the statement that it makes when it is there."""

    bare: str
    counted: bool
    plural: bool
    said: Said

    def forms(self) -> dict[str, str]:
        article = ""
        if self.counted and not self.plural:
            article = "an " if re.sub(r"[\[\]]", "", self.bare)[0].lower() in "aeiou" else "a "
        return {
            "bare": self.bare,
            "np": article + self.bare,
            "the": "the " + self.bare,
            "is": "are" if self.plural else "is",
            "has": "have" if self.plural else "has",
            "was": "were" if self.plural else "was",
        }


def pick(rng: Random, choices: Sequence[Any]) -> Any:
    """One of them, all alike."""
    return choices[int(rng.random() * len(choices))]


def severity_word(rng: Random, sign: Sign, exam: int) -> tuple[str, str]:
    """(adjective, grade) of a sign; both empty for kinds without a degree, and now and then where it goes unsaid."""
    if sign.size_mm or rng.random() < 0.15:
        return "", ""
    grade = grade_word(sign.grades[exam])
    return str(pick(rng, DEGREES[_SCALE.get(sign.kind, "degree")][grade])), grade


def noun_phrase(rng: Random, sign: Sign, exam: int, *, graded: bool = True, placed: bool = True) -> _Phrase:
    """A noun phrase for one sign at one exam. graded : may name the degree or size. placed : names side and zone."""
    noun, attribute = pick(rng, NOUNS[sign.kind])
    before, after, locations = _place(rng, sign) if placed else ("", "", locations_of(sign))
    adjective, grade = severity_word(rng, sign, exam) if graded else ("", "")
    measures: tuple[tuple[str, float], ...] = ()
    if sign.size_mm and graded and rng.random() < 0.8:
        words, after, measures = _sized(rng, sign.size_mm[exam], after)
        adjective = words or adjective
    last = noun.split()[-1]
    counted = last in _COUNTED
    plural = noun.endswith(("opacities", "markings"))
    if sign.side == "both" and counted:
        noun, plural = noun[: -len(last)] + _PLURALS.get(last, last + "s"), True
    parts = [adjective, before, f"[{noun}]", after]
    said = Said(attribute, CATEGORY_OF[attribute], locations, severity=grade or None, measures=measures, sign=sign.name)
    return _Phrase(" ".join(part for part in parts if part), counted, plural, said)


def _sized(rng: Random, size: float, after: str) -> tuple[str, str, tuple[tuple[str, float], ...]]:
    form = int(4 * rng.random())
    if form == 0:
        return f"{size:.0f} mm", after, (("long_axis_mm", size),)
    if form == 1:
        return f"{size / 10:.1f} cm", after, (("long_axis_mm", size),)
    if form == 2:
        return "", f"{after} measuring {size:.0f} mm".strip(), (("long_axis_mm", size),)
    short = max(1.0, round(0.8 * size))
    return f"{size:.0f} x {short:.0f} mm", after, (("long_axis_mm", size), ("short_axis_mm", short))


def _place(rng: Random, sign: Sign) -> tuple[str, str, tuple[str, ...]]:
    """(words before the noun, words after it, locations): the place in one of many forms."""
    side = sign.side
    choices: tuple[tuple[str, str], ...]
    if sign.kind == "effusion":
        choices = _BOTH_PLEURA if side == "both" else _ONE_PLEURA
    elif sign.kind == "pneumothorax":
        if sign.grades and max(sign.grades) <= 1.0 and rng.random() < 0.5:
            before, after = pick(rng, (("{side} apical", ""), ("", "at the {side} apex")))
            return before.format(side=side), after.format(side=side), (f"{side} apical zone",)
        choices = (("{side}", ""), ("{side}-sided", ""), ("", "on the {side}"))
    elif sign.zone:
        key = "both" if side == "both" else side
        choices = _ZONES[sign.zone] + (_OWN_ZONES.get((sign.zone, key), ()) if key != "both" else ())
        if key == "both":
            choices = _BOTH_BASES
    else:
        choices = (("bilateral", ""), ("", ""), ("", "in both lungs"), ("diffuse", ""))
    before, after = pick(rng, choices)
    return before.format(side=side), after.format(side=side), locations_of(sign)


_ONE_PLEURA = (
    ("{side}", ""),
    ("{side}-sided", ""),
    ("", "on the {side}"),
    ("", "in the {side} pleural space"),
    ("{side}", ""),
)
_BOTH_PLEURA = (("bilateral", ""), ("", "on both sides"), ("", "bilaterally"))
_BOTH_BASES = (("bibasilar", ""), ("bilateral lower lobe", ""), ("", "at both lung bases"), ("", "at the lung bases"))
_ZONES: dict[str, tuple[tuple[str, str], ...]] = {
    "upper": (
        ("{side} upper lobe", ""),
        ("{side} upper lung", ""),
        ("", "in the {side} upper lobe"),
        ("", "in the {side} upper lung zone"),
        ("", "within the {side} upper lung"),
    ),
    "mid": (
        ("{side} mid lung", ""),
        ("", "in the {side} mid lung zone"),
        ("", "in the {side} mid lung"),
        ("{side} midlung", ""),
    ),
    "lower": (
        ("{side} lower lobe", ""),
        ("{side} basilar", ""),
        ("{side} basal", ""),
        ("", "at the {side} lung base"),
        ("", "at the {side} base"),
        ("", "in the {side} lower lobe"),
        ("", "in the {side} lower lung zone"),
    ),
}
_OWN_ZONES: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("mid", "right"): (("right middle lobe", ""), ("", "in the right middle lobe")),
    ("mid", "left"): (("lingular", ""), ("", "in the lingula")),
    ("lower", "left"): (("left retrocardiac", ""), ("retrocardiac", "")),
}

_MARK = re.compile(r"~([^~]+)~")


def say(template: str, said: Sequence[Said], *, masked: Random | None = None) -> Sentence:
    """A filled template as a sentence: mentions cut out of their brackets, first letter large, full stop at the end.

    masked : a stream that decides which words between tildes become XXXX; None keeps them all.
    """
    text = template
    if "~" in text:
        text = _MARK.sub(lambda m: "XXXX" if masked is not None and masked.random() < 0.35 else m.group(1), text)
    text = " ".join(text.split()).replace(" ,", ",")
    plain, mentions = "", []
    for n, piece in enumerate(text.split("[")):
        if n == 0:
            plain = piece
            continue
        mention, _, rest = piece.partition("]")
        mentions.append((len(plain), len(plain) + len(mention)))
        plain += mention + rest
    if not plain.endswith("."):
        plain += "."
    return Sentence(plain[0].upper() + plain[1:], tuple(mentions), tuple(said))
