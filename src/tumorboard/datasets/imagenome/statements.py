"""`attributes` of the scene graphs of one study -> its texts and statements.

The published form repeats a sentence at every location it speaks of; here it is one row per statement with all its
locations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tumorboard.core.chest import BOX_LOCATIONS, REPORT_LOCATIONS
from tumorboard.datasets.imagenome import codes
from tumorboard.datasets.imagenome.problems import Problems
from tumorboard.datasets.imagenome.words import HEDGE, is_published, split_attribute, split_cue

__all__ = ["CUES", "LISTS", "Study"]

CUES = ("comparison", "temporal", "severity", "texture")
LISTS = (
    "phrases",
    "phrase_IDs",
    "sections",
    "attributes",
    "attributes_ids",
    *(f"{category}_cues" for category in CUES),
)
"""The parallel lists of an entry: one slot per sentence."""
_KNOWN_LOCATIONS = frozenset((*BOX_LOCATIONS, *REPORT_LOCATIONS, "unknown"))

Sentence = tuple[str, str, str]
"""Section, phrase id, words."""


@dataclass(frozen=True, slots=True)
class _Slot:
    sentence: Sentence
    attributes: tuple[tuple[str, str], ...]
    cues: tuple[tuple[str, ...], ...]


@dataclass
class _Said:
    """One statement under way: its locations, those that the sentence does not name, and the one image that says it."""

    locations: list[str] = field(default_factory=list)
    unnamed: list[str] = field(default_factory=list)
    image_id: str | None = None


@dataclass
class Study:
    """The texts and statements of one study, collected over its images."""

    exam_id: str
    run_id: str
    hedge: str = "uncertain"
    sentences: dict[Sentence, int] = field(default_factory=dict)
    said: dict[tuple[Any, ...], _Said] = field(default_factory=dict)
    reason: str = ""
    images: int = 0

    def add(self, graph: Mapping[str, Any], image_id: str, where: str, problems: Problems) -> list[str]:
        """Take in the statements of one image's graph; returns the order of its locations. A statement that an earlier
        image of the study lacks is noted (CIG113) and kept with this image."""
        entries = graph.get("attributes")
        if not isinstance(entries, list):
            problems.add(codes.GRAPH_FORM, where, "no list of attributes")
            return []
        if isinstance(graph.get("reason_for_exam"), str) and not self.reason:
            self.reason = graph["reason_for_exam"]
        first, order, news = self.images == 0, [], 0
        for entry in entries:
            if not isinstance(entry, Mapping) or not isinstance(entry.get("bbox_name"), str):
                problems.add(codes.GRAPH_FORM, where, "an attribute entry without bbox_name")
                continue
            location = entry["bbox_name"]
            if location not in _KNOWN_LOCATIONS:
                problems.add(codes.WORDS_UNKNOWN, where, f"location {location!r}")
            order.append(location)
            named = entry.get(location) is not False
            for slot in _slots(entry, f"{where}, {location}", problems):
                news += self._take(slot, location, named, None if first else image_id)
        if news:
            problems.add(codes.GRAPHS_DISAGREE, where, f"{news} statements of this image alone")
        self.images += 1
        return order

    def _take(self, slot: _Slot, location: str, named: bool, image_id: str | None) -> int:  # noqa: FBT001
        self.sentences.setdefault(slot.sentence, len(self.sentences))
        news = 0
        for attribute in slot.attributes or (("", ""),):
            key: tuple[Any, ...] = (slot.sentence, attribute, slot.cues)
            known = self.said.get(key)
            if image_id is not None:
                if known is not None and location in known.locations:
                    continue
                key, news = (*key, image_id), news + 1
                known = self.said.get(key)
            if known is None:
                known = self.said[key] = _Said(image_id=image_id)
            if location not in known.locations:
                known.locations.append(location)
                if not named:
                    known.unnamed.append(location)
        return news

    # ---- rows ---------------------------------------------------------------------------------------
    def texts(self) -> tuple[list[dict[str, Any]], dict[Sentence, tuple[str, int, int]]]:
        """Rows of `texts`, one per section, sentences by number and a line each; and where each sentence stands."""
        sections: dict[str, list[Sentence]] = {}
        for sentence in sorted(self.sentences, key=lambda s: (_number(s[1]), self.sentences[s])):
            sections.setdefault(sentence[0], []).append(sentence)
        rows, places = [], {}
        if self.reason:
            rows.append(self._text("reason for exam", self.reason))
        for section, members in sections.items():
            at, parts = 0, []
            row = self._text(section, "")
            for sentence in members:
                places[sentence] = (row["text_id"], at, at + len(sentence[2]))
                at += len(sentence[2]) + 1
                parts.append(sentence[2])
            rows.append(row | {"body": "\n".join(parts)})
        return rows, places

    def _text(self, section: str, body: str) -> dict[str, Any]:
        return {
            "text_id": f"{self.run_id}.{self.exam_id}.{section or 'report'}",
            "exam_id": self.exam_id,
            "section": section,
            "body": body,
        }

    def statements(self, places: Mapping[Sentence, tuple[str, int, int]]) -> list[dict[str, Any]]:
        """Rows of `relations` (attributes as a dictionary), in the order of the text."""
        rank = {sentence: n for n, sentence in enumerate(places)}
        ordered = sorted(self.said.items(), key=lambda item: rank[item[0][0]])
        return [
            self._row(number, sentence, attribute, cues, said, places[sentence])
            for number, ((sentence, attribute, cues, *_), said) in enumerate(ordered)
        ]

    def _row(
        self,
        number: int,
        sentence: Sentence,
        attribute: tuple[str, str],
        cues: tuple[tuple[str, ...], ...],
        said: _Said,
        place: tuple[str, int, int],
    ) -> dict[str, Any]:
        category, polarity, label = split_attribute(attribute[0]) if attribute[0] else ("", "yes", "")
        text_id, start, end = place
        a: dict[str, Any] = {"locations": said.locations, "tense": "current", "comparison": None, "severity": None}
        listed = [(c, split_cue(cue, c)) for c, cues_of in zip(CUES, cues, strict=True) for cue in cues_of]
        changes = [label for c, label in listed if c == "comparison"]
        degrees = [label for c, label in listed if c == "severity"]
        a["comparison"] = changes[0] if len(changes) == 1 else None
        plain = [d for d in degrees if d != HEDGE]
        a["severity"] = plain[0] if len(plain) == 1 else None
        single = {c for c, labels in (("comparison", changes), ("severity", degrees)) if len(labels) == 1 and a[c]}
        a["cues"] = [[c, label] for c, label in listed if c not in single]
        a["section"], a["sentence"], a["rules"] = sentence[0], [start, end], []
        prefix, sign, phrase = sentence[1].partition("|")
        a["phrase"] = phrase if sign and prefix == self.exam_id else sentence[1]
        if sign and prefix != self.exam_id:
            a["phrase_id"] = sentence[1]
        if attribute[1]:
            a["cui"] = attribute[1]
        if said.unnamed:
            a["default"] = said.unnamed
        if said.image_id:
            a["image"] = said.image_id
        if polarity == "yes" and HEDGE in degrees and category != "nlp" and self.hedge == "uncertain":
            polarity = "uncertain"
        return {
            "relation_id": f"{self.run_id}.{self.exam_id}.{number}",
            "subject": self.exam_id,
            "predicate": polarity,
            "object": f"{category}|{label}",
            "run_id": self.run_id,
            "text_id": text_id,
            "start": start,
            "end": end,
            "confidence": None,
            "attributes": a,
        }


def _number(phrase_id: str) -> int:
    tail = phrase_id.rpartition("|")[2]
    return int(tail) if tail.isdecimal() and len(tail) < 10 else 10**9


def _slots(entry: Mapping[str, Any], where: str, problems: Problems) -> Iterator[_Slot]:
    """The sentences of one location; short lists end in empty slots (CIG102)."""
    lists = []
    for name in LISTS:
        value = entry.get(name)
        lists.append(value if isinstance(value, list) else [])
    lengths = [len(values) for values in lists]
    count = max(lengths)
    if min(lengths) != count:
        problems.add(codes.LISTS_UNEQUAL, where, ", ".join(f"{n} {v}" for n, v in zip(LISTS, lengths, strict=True)))
        lists = [[*values, *[None] * (count - len(values))] for values in lists]
    for phrase, phrase_id, section, attributes, ids, *cues in zip(*lists, strict=True):
        labels, cuis = _words(attributes), _words(ids)
        if len(cuis) < len(labels):
            cuis = (*cuis, *[""] * (len(labels) - len(cuis)))
        for label in labels:
            if not is_published(label):
                problems.add(codes.WORDS_UNKNOWN, where, repr(label)[:80])
        slot_cues = (_words(cues[0]), _words(cues[1]), _words(cues[2]), _words(cues[3]))
        if len(slot_cues[0]) > 1:
            problems.add(codes.CUES_CONTRADICT, where, ", ".join(slot_cues[0]))
        yield _Slot(
            (_text(section), _text(phrase_id), _text(phrase)), tuple(zip(labels, cuis, strict=False)), slot_cues
        )


def _words(values: Any) -> tuple[str, ...]:
    if not values:
        return ()
    if isinstance(values, list):
        for value in values:
            if not isinstance(value, str):
                return tuple(v if isinstance(v, str) else json.dumps(v) for v in values)
        return tuple(values)
    return (values,) if isinstance(values, str) else (json.dumps(values),)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
