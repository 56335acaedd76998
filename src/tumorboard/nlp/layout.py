"""Sections and sentences with exact offsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumorboard.nlp.tokens import NEWLINE, NUMBER, SPACE, STOPS

__all__ = ["MAY_END", "Headings", "Section", "Sentence", "cut"]

MAY_END = frozenset({NEWLINE, *STOPS.values()})
"""Identifiers of tokens that may end a sentence."""

_ABBREVIATIONS = frozenset(
    [
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "vs",
        "approx",
        "st",
        "fig",
        "cf",
        "resp",
        "ca",
        "eg",
        "ie",
        "etc",
        "pt",
        "inc",
        "dept",
        "ext",
        "esp",
        "min",
        "max",
        "avg",
        "mos",
        "wks",
        "yrs",
        "hr",
        "hrs",
    ]
)
_NOT_AT_END = frozenset(
    ["dr", "mr", "mrs", "ms", "prof", "vs", "approx", "st", "fig", "cf", "resp", "ca", "eg", "ie", "pt"]
)
_GOES_ON = frozenset(
    [
        "of",
        "the",
        "and",
        "or",
        "with",
        "a",
        "an",
        "in",
        "at",
        "to",
        "for",
        "no",
        "without",
        "is",
        "are",
        "was",
        "were",
        "on",
        "from",
        "by",
        "right",
        "left",
        "new",
        "than",
        "as",
        "its",
        "this",
    ]
)
_WRAPPED = 55  # a line this long was broken to fit the page, not to end a sentence


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report: `start` and `end` are characters of its body, without the heading."""

    name: str
    start: int
    end: int
    tense: str = "current"
    read: bool = True


@dataclass(frozen=True, slots=True)
class Sentence:
    """Characters of a sentence."""

    start: int
    end: int


_LONGEST = 48  # characters a heading may have


class Headings:
    """The headings of a lexicon, ready to find."""

    def __init__(self, sections: Iterable[Mapping[str, Any]]) -> None:
        self._of: dict[str, Mapping[str, Any]] = {}
        for entry in sections:
            for heading in entry["headings"]:
                self._of[str(heading)] = entry
        self._bare = tuple(h for h, e in self._of.items() if e.get("bare"))

    def sections(self, low: str) -> tuple[Section, ...]:
        """Sections of a text in small letters; what stands before the first heading has no name."""
        found: dict[int, tuple[int, str]] = {}
        at = low.find(":")
        while at >= 0:
            near = at - _LONGEST if at > _LONGEST else 0
            rfind = low.rfind
            begin = 1 + max(rfind("\n", near, at), rfind(".", near, at), rfind(":", near, at), rfind("]", near, at))
            heading = low[begin:at].strip() if begin or not near else ""
            if heading and (heading in self._of or self._known(heading)):
                found[low.index(heading, begin)] = (at + 1, heading)
            at = low.find(":", at + 1)
        if "\n" in low:
            self._lines(low, found)
        if not found:
            return (Section("", 0, len(low)),)
        starts = sorted(found)
        out = [Section("", 0, starts[0])] if low[: starts[0]].strip() else []
        for start, following in zip(starts, [*starts[1:], len(low)], strict=True):
            body, heading = found[start]
            entry = self._of[" ".join(heading.split())]
            out.append(
                Section(entry["name"], body, following, str(entry.get("tense", "current")), entry.get("read", True))
            )
        return tuple(_without_findings_heading(out, low))

    def _known(self, heading: str) -> bool:
        return heading in self._of or " ".join(heading.split()) in self._of

    def _lines(self, low: str, found: dict[int, tuple[int, str]]) -> None:
        """Headings alone on a line, and those that need no colon."""
        position = 0
        for line in low.split("\n"):
            words = line.strip()
            if words and len(words) < _LONGEST:
                begin = position + line.index(words[0])
                if begin not in found:
                    if self._known(words):
                        found[begin] = (position + len(line), words)
                    elif words.startswith(self._bare):
                        heading = next(h for h in self._bare if words.startswith(h))
                        rest = words[len(heading) :]
                        if not rest[:1].isalpha():
                            found[begin] = (position + len(line), heading)
            position += len(line) + 1


_END = re.compile(r"\S\s*?\n|[^\d\W]{2}[.]\s|\][.]\s")


def _without_findings_heading(sections: list[Section], low: str) -> list[Section]:
    """A preamble before "findings" is no finding; without such a heading, the last preamble ends with its sentence."""
    names = [section.name for section in sections]
    if "findings" in names:
        first = sections[0]
        if first.name == "" and names.index("findings") > 0:
            sections[0] = Section("", first.start, first.end, "hypothetical")
        return sections
    last = max((k for k, s in enumerate(sections) if s.name in _PREAMBLE), default=None)
    if last is None or any(s.name not in _PREAMBLE for s in sections[last + 1 :]):
        return sections
    section = sections[last]
    match = _END.search(low, section.start, section.end)
    if match is None:
        return sections
    cut_at = match.end()
    body = Section("", cut_at, section.end)
    ended = Section(section.name, section.start, cut_at, section.tense, section.read)
    return [*sections[:last], ended, body, *sections[last + 1 :]]


_PREAMBLE = frozenset({"indication", "history", "comparison", "technique"})


def cut(
    text: str, tokens: Sequence[str], ids: Sequence[int], offs: Sequence[int], stops: Sequence[int], *,
    first: int, last: int,
) -> list[tuple[int, int]]:  # fmt: skip
    """Sentences among tokens `first` to `last` as token ranges, blanks and list numbers at the edges left out; `stops`
    are the tokens there that may end one."""
    out: list[tuple[int, int]] = []
    begin = first
    number = 1  # of the list item expected next
    for k in stops:
        if k < begin:
            continue
        token = tokens[k]
        if token in (".", ")"):
            item = _list_item(text, tokens, ids, offs, k, begin=begin, last=last, expected=number)
            if item is not None:
                start, number = item
                _add(out, tokens, ids, begin, start)
                begin = k + 1
                continue
            if token == ")" or not _ends(text, tokens, ids, offs, k, last):
                continue
        elif ids[k] == NEWLINE:
            if not _breaks(text, tokens, ids, offs, k, begin=begin, last=last):
                continue
        elif token == "?" and not (
            k > begin and ids[k - 1] > NUMBER and (k + 1 >= last or ids[k + 1] in (SPACE, NEWLINE))
        ):
            continue
        _add(out, tokens, ids, begin, k + 1)
        begin = k + 1
    _add(out, tokens, ids, begin, last)
    return out


def _add(out: list[tuple[int, int]], tokens: Sequence[str], ids: Sequence[int], begin: int, end: int) -> None:
    while begin < end and (ids[begin] in (SPACE, NEWLINE) or tokens[begin] in "*•.):"):
        begin += 1
    while end > begin and ids[end - 1] in (SPACE, NEWLINE):
        end -= 1
    if begin < end:
        out.append((begin, end))


def _list_item(
    text: str, tokens: Sequence[str], ids: Sequence[int], offs: Sequence[int], k: int, *, begin: int, last: int,
    expected: int,
) -> tuple[int, int] | None:  # fmt: skip
    """Where the item's number starts and the number after it, when the stop at `k` belongs to a numbered list."""
    if k == begin or k + 1 >= last:
        return None
    token = tokens[k - 1]
    lettered = len(token) == 1 and token.isalpha()
    if not lettered and not (ids[k - 1] == NUMBER and token.isdigit() and len(token) <= 2):
        return None
    first = begin
    while first < k - 1 and ids[first] in (SPACE, NEWLINE):
        first += 1
    at_start = first == k - 1
    if lettered:
        line = (k >= 2 and ids[k - 2] == NEWLINE) or at_start
        return (k - 1, expected) if line and token not in "rl" and ids[k + 1] == SPACE else None
    value = int(token)
    if at_start:
        return k - 1, value + 1
    if value == expected and expected > 1 and ids[k - 2] in (SPACE, NEWLINE) and ids[k + 1] == SPACE:
        return k - 1, value + 1
    return None


def _ends(text: str, tokens: Sequence[str], ids: Sequence[int], offs: Sequence[int], k: int, last: int) -> bool:
    """Whether the full stop at `k` ends a sentence."""
    if k + 1 >= last:
        return True
    before = tokens[k - 1] if k else ""
    after = k + 1
    if ids[after] not in (SPACE, NEWLINE):
        return len(before) >= 3 and tokens[after].isalpha() and len(tokens[after]) > 1 and before not in _ABBREVIATIONS
    following = after + 1
    capital = following < last and text[offs[following]].isupper()
    if before in _NOT_AT_END:
        return False
    if before == "no" and following < last and ids[following] == NUMBER:
        return False
    if len(before) == 1 and before.isalpha():
        clock = k >= 3 and tokens[k - 2] == "." and tokens[k - 3] in "ap" and before == "m"
        return clock and capital
    return before not in _ABBREVIATIONS or capital


def _breaks(
    text: str, tokens: Sequence[str], ids: Sequence[int], offs: Sequence[int], k: int, *, begin: int, last: int
) -> bool:
    """Whether the line end at `k` ends a sentence: blank line, list, or a short line before a capital."""
    if tokens[k].count("\n") > 1:
        return True
    if k + 1 >= last or k == begin:
        return False
    following = tokens[k + 1]
    if following in "-*•" or (ids[k + 1] == NUMBER and k + 2 < last and tokens[k + 2] in ".)"):
        return True
    if not text[offs[k + 1]].isupper():
        return False
    j = k - 1
    while j > begin and ids[j] == SPACE:
        j -= 1
    if tokens[j] in _GOES_ON or tokens[j] in ",/":
        return False
    line = offs[k] - max(text.rfind("\n", 0, offs[k]) + 1, 0)
    return line < _WRAPPED or tokens[j] in ":;"
