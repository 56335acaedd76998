"""Report text to scene graph, in one pass and without chance."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.nlp import kinds as K
from tumorboard.nlp.grammar import HANDLERS
from tumorboard.nlp.layout import MAY_END, Headings, Section, Sentence, cut
from tumorboard.nlp.lexicon import Lexicon, load_lexicon
from tumorboard.nlp.parse import Parse
from tumorboard.nlp.resolution import Frame, resolve, same_finding
from tumorboard.nlp.spans import Context
from tumorboard.nlp.terms import Term
from tumorboard.nlp.tokens import lower, offsets, split

__all__ = ["Reader"]

_PHRASE = Term(K.FINDING, "phrase", "phrase", "phrase")

ITEMS = 4_000
"""Items of one sentence that are read together; a longer "sentence" is read in pieces."""


class _Page:
    """A text cut into tokens: `ids` by the vocabulary, `offs` first characters."""

    __slots__ = ("ids", "low", "offs", "places", "stops", "text", "tokens", "words")

    def __init__(self, text: str, low: str, tokens: list[str], ids: list[int], offs: list[int]) -> None:
        self.text, self.low, self.tokens, self.ids, self.offs = text, low, tokens, ids, offs
        self.places = [k for k, word in enumerate(ids) if word > 1]  # tokens that are not blank
        self.words = [word for word in ids if word > 1]
        self.stops = [k for k, word in enumerate(ids) if word in MAY_END]

    def cut(self, section: Section) -> list[tuple[int, int]]:
        """Token ranges of the section's sentences."""
        first, last = bisect_left(self.offs, section.start), bisect_left(self.offs, section.end)
        stops = self.stops[bisect_left(self.stops, first) : bisect_left(self.stops, last)]
        return cut(self.text, self.tokens, self.ids, self.offs, stops, first=first, last=last)


class Reader:
    """Reads radiology reports with one lexicon.

    Parameters
    ----------
    lexicon : name of a lexicon of the package (``chest-xray``), a folder, or a loaded `Lexicon`.

    The same text gives the same graph in any process; nothing is learnt or kept between reports.
    """

    def __init__(self, lexicon: str | Path | Lexicon = "chest-xray") -> None:
        self.lexicon = lexicon if isinstance(lexicon, Lexicon) else load_lexicon(lexicon)
        self._headings = Headings(self.lexicon.sections)
        self._vocabulary = self.lexicon.compiled.vocabulary
        self._root = self.lexicon.compiled.root

    def sections(self, text: str) -> tuple[Section, ...]:
        """Sections of a report, with the characters of their bodies."""
        return self._headings.sections(lower(text))

    def sentences(self, text: str) -> tuple[Sentence, ...]:
        """Sentences of a report, sections apart."""
        page = self._page(text)
        offs = page.offs
        return tuple(
            Sentence(offs[begin], offs[end])
            for section in self._headings.sections(page.low)
            for begin, end in page.cut(section)
        )

    def read(self, text: str, *, exam_id: str = "") -> SceneGraph:
        """The statements of a report in the order of its text; see `core.scenegraph`. No closure."""
        page = self._page(text)
        statements: list[Statement] = []
        parse = Parse()
        parse.tokens = page.tokens
        for section in self._headings.sections(page.low):
            if section.read:
                for begin, end in page.cut(section):
                    statements += self._sentence(page, section, begin, end, parse)
        return SceneGraph(exam_id, tuple(same_finding(statements, text)), self.lexicon.stamp)

    def context_of(self, sentence: str, start: int, end: int) -> Context:
        """What a sentence says of the phrase at characters `start` to `end`, whatever the phrase is."""
        page = self._page(sentence)
        tokens, offs = page.tokens, page.offs
        first = max(bisect_left(offs, start + 1) - 1, 0)
        last = bisect_left(offs, end)
        pieces = cut(sentence, tokens, page.ids, offs, page.stops, first=0, last=len(tokens))
        begin = max((a for a, _ in pieces if a <= first), default=0)
        stop = min((b for _, b in pieces if b >= last), default=len(tokens))
        before, after = self._match(page, begin, first), self._match(page, last, stop)
        kinds = [*before[0], K.FINDING, *after[0]]
        terms = [*before[1], _PHRASE, *after[1]]
        parse = Parse()
        parse.tokens = tokens
        parse.run(
            kinds, terms, [*before[2], first, *after[2]], [*before[3], last, *after[3]], stop=stop, handlers=HANDLERS
        )
        found = next((m for m in parse.mentions if m.term is _PHRASE and m.begin == first), None)
        if found is None:
            return Context(Polarity.YES, Tense.CURRENT, "patient", ())
        family = any("family" in rule for rule in found.rules)
        gone = [event.term.rule for event in found.events if event.term.change == "resolved"]
        found.rules += gone
        polarity = Polarity.NO if gone or found.change == "resolved" else Polarity(found.polarity)
        tense = Tense.HISTORICAL if found.tense == "known" else Tense(found.tense)
        return Context(polarity, tense, "family" if family else "patient", tuple(found.rules[1:]))

    def _sentence(self, page: _Page, section: Section, begin: int, end: int, parse: Parse) -> list[Statement]:
        kinds, terms, begins, ends = self._match(page, begin, end)
        if not kinds:
            return []
        asked = section.tense == "current" and page.tokens[end - 1] == "?"
        start = page.offs[begin]
        sentence = page.text[start : page.offs[end]]
        frame = Frame(section.name, sentence, start, page.offs, "hypothetical" if asked else section.tense)
        if len(kinds) <= ITEMS:
            parse.run(kinds, terms, begins, ends, stop=end, handlers=HANDLERS)
            return resolve(parse.mentions, parse.changes, ontology=self.lexicon.ontology, frame=frame)
        out: list[Statement] = []
        for k in range(0, len(kinds), ITEMS):
            piece = slice(k, k + ITEMS)
            parse.run(kinds[piece], terms[piece], begins[piece], ends[piece], stop=end, handlers=HANDLERS)
            out += resolve(parse.mentions, parse.changes, ontology=self.lexicon.ontology, frame=frame)
        return out

    def _page(self, text: str) -> _Page:
        low = lower(text)
        tokens = split(low)
        return _Page(text, low, tokens, list(map(self._vocabulary.__getitem__, tokens)), offsets(tokens))

    def _match(self, page: _Page, begin: int, end: int) -> Items:
        """Items among tokens `begin` to `end`: leftmost longest wordings, blanks and hyphens skipped."""
        places = page.places
        words = page.words
        root = self._root
        found: list[Term] = []
        begins: list[int] = []
        ends: list[int] = []
        i = bisect_left(places, begin)
        n = bisect_left(places, end, i)
        while i < n:
            node = root[words[i]]
            if node is None:
                i += 1
                continue
            best, following = node
            stop = j = i + 1
            while following is not None and j < n:
                node = following.get(words[j])
                if node is None:
                    break
                j += 1
                if node[0] is not None:
                    best = node[0]
                    stop = j
                following = node[1]
            if best is not None and best.kind:
                found.append(best)
                begins.append(places[i])
                ends.append(places[stop - 1] + 1)
            i = stop
        return [term.kind for term in found], found, begins, ends


Items = tuple[list[int], list[Term], list[int], list[int]]
