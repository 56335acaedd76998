"""Two readers that any engine must beat, fitted on nothing: keywords alone, and keywords with a window of negation
after Chapman et al. 2001 (NegEx, J Biomed Inform 34:301), both at each label's default places."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement
from tumorboard.tasks.scenegraph.reading import Report
from tumorboard.tasks.scenegraph.statements import SCORED_NOT

__all__ = ["BASELINES", "Keywords", "baseline_graphs", "keyword_graph", "keywords_of", "window_graph"]

WINDOW = 60
"""Characters before the term in which a trigger denies it."""
_TRIGGER = re.compile(
    r"\b(?:no|not|without|denies|negative for|free of|absence of|absent|ruled out|resolved|clear of)\b", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.;\n]")


@dataclass(frozen=True)
class Keywords:
    """Wordings of labels; where each label is when no place is said; its category."""

    labels: Mapping[str, str]
    places: Mapping[str, tuple[str, ...]]
    categories: Mapping[str, str]

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """(label, start, end) of every wording that stands for itself, the longest where several begin or overlap."""
        plain = "".join(c if len(c) == 1 else "?" for c in map(str.lower, text.replace("\n", " ")))
        whole: list[tuple[int, int, str]] = []
        for last, wording in self._automaton.iter(plain) if self.labels else ():
            start, end = last + 1 - len(wording), last + 1
            if not (plain[max(start - 1, 0) : start].isalnum() or plain[end : end + 1].isalnum()):
                whole.append((start, -end, wording))
        found: list[tuple[str, int, int]] = []
        for start, end, wording in sorted(whole):
            if not found or start >= found[-1][2]:
                found.append((self.labels[wording], start, -end))
        return found

    @cached_property
    def _automaton(self) -> Any:
        import ahocorasick

        automaton = ahocorasick.Automaton()
        for wording in self.labels:
            automaton.add_word(wording, wording)
        automaton.make_automaton()
        return automaton


@cache
def keywords_of(lexicon: str = "chest-xray") -> Keywords:
    """The keywords of a lexicon: the wordings of its findings and its labels' own names, without any rule, at the
    default places of no side."""
    from tumorboard.nlp import load_lexicon
    from tumorboard.nlp.expand import expand

    read = load_lexicon(lexicon)
    known = {name: label for name, label in read.ontology.labels.items() if label.category != SCORED_NOT}
    wordings = {name.lower(): name for name in known}
    for row in read.rows:
        if row.label in known and row.category == known[row.label].category and not row.flags:
            for surface in expand(row.surface, read.macros):
                wordings.setdefault(" ".join(surface.lower().split()), row.label)
    wordings.pop("", None)
    return Keywords(
        wordings,
        {name: label.default[0] for name, label in known.items()},
        {n: label.category for n, label in known.items()},
    )


def keyword_graph(report: Report, keywords: Keywords) -> SceneGraph:
    """Every keyword is a finding that is there."""
    return _graph(report, keywords, lambda text, start: Polarity.YES)


def window_graph(report: Report, keywords: Keywords) -> SceneGraph:
    """A keyword after a word of negation, within a window of the same sentence, is absent."""

    def polarity(text: str, start: int) -> Polarity:
        before = text[max(start - WINDOW, 0) : start]
        before = before[max((m.end() for m in _SENTENCE_END.finditer(before)), default=0) :]
        return Polarity.NO if _TRIGGER.search(before) else Polarity.YES

    return _graph(report, keywords, polarity)


def _graph(report: Report, keywords: Keywords, polarity: Callable[[str, int], Polarity]) -> SceneGraph:
    statements = []
    for label, start, end in keywords.find(report.text):
        first = max((m.end() for m in _SENTENCE_END.finditer(report.text, 0, start)), default=0)
        first += len(report.text[first:start]) - len(report.text[first:start].lstrip())
        stop = _SENTENCE_END.search(report.text, end)
        statements.append(
            Statement(
                attribute=label,
                category=keywords.categories[label],
                locations=keywords.places[label],
                polarity=polarity(report.text, start),
                sentence=report.text[first : stop.end() if stop else len(report.text)],
                sentence_start=first,
                start=start,
                end=end,
                rules=("keyword",),
            )
        )
    return SceneGraph(report.exam_id, tuple(statements), lexicon="keywords")


BASELINES: Mapping[str, Callable[[Report, Keywords], SceneGraph]] = {
    "keywords": keyword_graph,
    "negation-window": window_graph,
}


def baseline_graphs(name: str, reports: Sequence[Report], *, lexicon: str) -> list[tuple[Report, SceneGraph]]:
    """Every report with the graph of one of `BASELINES`."""
    keywords = keywords_of(lexicon)
    return [(report, BASELINES[name](report, keywords)) for report in reports]
