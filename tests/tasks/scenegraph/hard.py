"""The hard sentences (tests/golden/hard_sentences.tsv) and how an engine's statements are judged by them.

The form of the file: docs/explanation/reading-reports.md.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumorboard.core.chest import CATEGORY_OF, CHANGES, REPORT_LOCATIONS
from tumorboard.core.scenegraph import Polarity, Statement, Tense

GOLDEN = Path(__file__).parents[2] / "golden"
ANY, NONE = "~", "none"
POLARITIES = {str(p) for p in Polarity}


@dataclass(frozen=True)
class Item:
    """One expected statement, alternatives resolved: any of `places` with all its members, any of `attributes` ..."""

    places: tuple[frozenset[str], ...]
    attributes: tuple[str, ...]
    polarities: tuple[str, ...]
    comparisons: tuple[str, ...]
    severity: str
    optional: bool
    words: str

    def names(self, location: str, attribute: str, polarity: str) -> bool:
        """Whether the triple is one that this item speaks of."""
        return self.has_place(location) and self.has_attribute(attribute) and self.has_polarity(polarity)

    def has_place(self, location: str) -> bool:
        return any("*" in place or location in place for place in self.places)

    def has_attribute(self, attribute: str) -> bool:
        return "*" in self.attributes or attribute in self.attributes

    def has_polarity(self, polarity: str) -> bool:
        return bool({polarity, ANY, "*"} & set(self.polarities))

    def has_comparison(self, comparison: str | None) -> bool:
        return ANY in self.comparisons or "*" in self.comparisons or (comparison or NONE) in self.comparisons


@dataclass(frozen=True)
class Hard:
    """One line of the suite."""

    id: str
    trap: int
    text: str
    expected: tuple[Item, ...]
    not_current: tuple[tuple[str, str, bool], ...]
    absent: tuple[Item, ...]
    report: tuple[Item, ...]


def load(path: Path = GOLDEN / "hard_sentences.tsv") -> list[Hard]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [
            Hard(
                row["id"],
                int(row["trap"]),
                row["text"].replace("\\n", "\n"),
                _items(row["expected"]),
                tuple(_apart(word) for word in row["not_current"].split(";") if word),
                _items(row["absent"]),
                _items(row["report"]),
            )
            for row in rows
        ]


def _items(text: str) -> tuple[Item, ...]:
    return tuple(_item(part) for part in text.split(";") if part)


def _item(text: str) -> Item:
    fields = [*text.removeprefix("?").split("|"), "", ""][:5]
    places, attributes, polarities, comparisons, severity = fields
    return Item(
        tuple(frozenset(name for one in place.split(" + ") for name in _sides(one)) for place in places.split(" or ")),
        tuple(attributes.split(" or ")),
        tuple(polarities.split(" or ")),
        tuple(comparisons.split(" or ")) if comparisons else (NONE,),
        severity,
        text.startswith("?"),
        text,
    )


def _sides(place: str) -> tuple[str, ...]:
    rest = place.removeprefix("both ")
    return (place,) if rest == place else (f"right {rest}", f"left {rest}")


def _apart(word: str) -> tuple[str, str, bool]:
    attribute, tense = word.removeprefix("?").split("|")
    return attribute, tense, word.startswith("?")


def names_outside_the_vocabulary(hard: Hard) -> list[str]:
    """Names that no engine could ever give."""
    wrong = []
    for item in (*hard.expected, *hard.absent, *hard.report):
        wrong += [place for places in item.places for place in places if place not in {*REPORT_LOCATIONS, "*"}]
        wrong += [name for name in item.attributes if name not in {*CATEGORY_OF, "*", ""}]
        wrong += [name for name in item.polarities if name not in POLARITIES | {ANY, "*"}]
        wrong += [name for name in item.comparisons if name not in {*CHANGES, ANY, NONE, "*"}]
        wrong += [item.severity] if item.severity not in {"", "mild", "moderate", "severe"} else []
    wrong += [name for name, _, _ in hard.not_current if name not in CATEGORY_OF]
    return wrong + [tense for _, tense, _ in hard.not_current if tense not in {"historical", "hypothetical", ANY}]


def faults(hard: Hard, statements: Sequence[Statement]) -> list[str]:
    """What is wrong with an engine's direct statements about one text; empty when all is as a reader expects."""
    current = [s for s in statements if s.tense is Tense.CURRENT and s.category != "nlp"]
    said = [(place, s) for s in current for place in s.locations or ("",)]
    found = [f"missing {item.words}" for item in hard.expected if not item.optional and not _is_said(item, said)]
    for place, s in said:
        triple = (place, s.attribute, str(s.polarity))
        fitting = [item for item in hard.expected if item.names(*triple)]
        if not fitting:
            found.append(f"unexpected {'|'.join(triple)}|{s.comparison or ''}")
        elif s.comparison is not None and not any(item.has_comparison(s.comparison) for item in fitting):
            found.append(f"unexpected change {'|'.join(triple)}|{s.comparison}")
        for item in hard.absent:
            named = item.names(*triple)
            if named and (item.comparisons == (NONE,) or item.has_comparison(s.comparison)):
                found.append(f"must not be said: {'|'.join(triple)} ({item.words})")
    apart = {(s.attribute, str(s.tense)) for s in statements if s.tense is not Tense.CURRENT}
    for attribute, tense, optional in hard.not_current:
        if not optional and not any(a == attribute and tense in (t, ANY) for a, t in apart):
            found.append(f"not listed apart: {attribute}|{tense}")
    return list(dict.fromkeys(found))


def report_faults(items: Iterable[Item], triples: Iterable[tuple[str, str, str]]) -> list[str]:
    """Items of `report` that do not hold among the (location, attribute, polarity) of the closed report level."""
    known = set(triples)
    return [
        f"at report level: {item.words}"
        for item in items
        if not any(
            all(any((place, a, p) in known for a in item.attributes for p in item.polarities) for place in places)
            for places in item.places
        )
    ]


def _is_said(item: Item, said: Sequence[tuple[str, Statement]]) -> bool:
    """Whether one statement of each place of one alternative carries all that is asked."""

    def fits(s: Statement) -> bool:
        return (
            item.has_attribute(s.attribute)
            and item.has_polarity(str(s.polarity))
            and item.has_comparison(s.comparison)
            and item.severity in ("", s.severity)
        )

    places_said = {place for place, s in said if fits(s)}
    return any(places <= places_said or ("*" in places and bool(places_said)) for places in item.places)
