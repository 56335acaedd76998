"""Rows of a lexicon to the trie of word identifiers that the matcher walks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tumorboard.nlp import kinds as K
from tumorboard.nlp.expand import expand
from tumorboard.nlp.ontology import Ontology
from tumorboard.nlp.terms import BOTH, LEFT, RIGHT, Term
from tumorboard.nlp.tokens import FIRST, NUMBER, STOPS, Vocabulary, lower, split

__all__ = ["Compiled", "Node", "TermRow", "compile_terms", "words_of"]

KINDS = {
    "place": K.PLACE,
    "side": K.SIDE,
    "zone": K.ZONE,
    "severity": K.SEVERITY,
    "texture": K.TEXTURE,
    "temporal": K.TEMPORAL,
    "comparison": K.CHANGE,
    "verb": K.VERB,
    "preposition": K.PREPOSITION,
    "direction": K.DIRECTION,
    "entry": K.ENTRY,
    "and": K.AND,
    "or": K.OR,
    "comma": K.COMMA,
    "with": K.WITH,
    "break": K.BREAK,
    "except": K.EXCEPT,
    "tip": K.TIP,
    "pronoun": K.PRONOUN,
    "other_side": K.OTHER_SIDE,
    "same_side": K.SAME_SIDE,
    "article": K.ARTICLE,
    "link": K.LINK,
    "colon": K.COLON,
    "there": K.THERE,
    "measure": K.NUMBER,
    "skip": K.SKIP,
}
"""Category of a row to its part in the sentence; every other category is a finding's."""

_SIDES = {"right": RIGHT, "left": LEFT, "both": BOTH}


class TermRow(Protocol):
    """What is needed of a row."""

    @property
    def surface(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def flags(self) -> frozenset[str]: ...
    @property
    def where(self) -> str: ...


Node = list[Any]
"""A place in the trie: the term that ends here or None, and the words that lead on ({identifier: node} or None)."""


@dataclass
class Compiled:
    """`vocabulary` gives identifiers, `root[identifier]` the trie node of a first word (None where no term begins).

    `terms` holds every wording with its term; `clashes` pairs of places that gave one wording two meanings.
    """

    vocabulary: Vocabulary
    root: list[Node | None]
    terms: dict[tuple[str, ...], Term] = field(default_factory=dict)
    clashes: list[tuple[str, str, str]] = field(default_factory=list)


def words_of(surface: str) -> list[str]:
    """Words of a wording as the matcher sees them: no blanks, no hyphens."""
    return [token for token in split(lower(surface)) if not token.isspace() and token not in "-‐‑"]


def compile_terms(
    rows: Iterable[TermRow],
    *,
    variants: Mapping[str, str],
    triggers: Iterable[Mapping[str, Any]],
    macros: Mapping[str, str],
    ontology: Ontology,
) -> Compiled:
    """Expand all wordings, fold spelling variants and plurals, build the trie. Of two meanings the later row wins."""
    out = Compiled(Vocabulary(), [])
    source: dict[tuple[str, ...], str] = {}

    def add(surface: str, term: Term, where: str) -> None:
        key = tuple(variants.get(word, word) for word in words_of(surface))
        if not key:
            return
        old = out.terms.get(key)
        if old is not None and (old.kind, old.label, old.side) != (term.kind, term.label, term.side):
            out.clashes.append((" ".join(key), source[key], where))
        out.terms[key] = term
        source[key] = where

    for row in rows:
        base = _term(row, ontology)
        for surface in expand(row.surface, macros):
            add(surface, _named(base, surface), row.where)
    for trigger in triggers:
        base = _trigger(trigger)
        for group in trigger["words"]:
            for surface in expand(str(group), macros):
                add(surface, _named(base, surface), f"trigger {trigger['id']}")
    for mark, kind, category in (("(", K.PREPOSITION, "preposition"), (")", K.COMMA, "comma")):
        add(mark, Term(kind, "bracket", category, ""), "bracket")
    _fill(out, variants)
    return out


def _named(t: Term, surface: str) -> Term:
    name = f"{t.rule}:{surface}" if t.rule else surface
    return Term(
        t.kind, t.label, t.category, name, t.flags, t.side, t.places, t.spec, t.head, t.effect, t.change, surface
    )


def _term(row: TermRow, ontology: Ontology) -> Term:
    kind = KINDS.get(row.category, K.FINDING)
    common: dict[str, Any] = {"kind": kind, "label": row.label, "category": row.category}
    common |= {"flags": row.flags, "rule": row.category}
    if kind is K.PLACE:
        side = next((_SIDES[flag] for flag in sorted(row.flags) if flag in _SIDES), 0)
        return Term(**common, places=ontology.places[row.label], side=side, head=row.label)
    if kind is K.ZONE:
        return Term(**common, places=ontology.places[row.label], head=row.label)
    if kind is K.SIDE:
        return Term(**common, side=_SIDES[row.label])
    if kind is K.CHANGE:
        return Term(**common, change=row.label)
    if kind is K.FINDING:
        head = row.label.removeprefix("head:")
        if row.category == "normal":
            return Term(**common, head="normal")
        if row.category == "abnormal":
            return Term(**common, head="normal", effect="no")
        if row.label.startswith("head:"):
            if head not in ontology.heads:
                raise KeyError(f"{row.where}: head word {head!r} has no entry under compose")
            return Term(**common, head=head, spec=ontology.compose.get((head, "*")))
        if row.label not in ontology.labels:
            raise KeyError(f"{row.where}: label {row.label!r} is not in the ontology")
        return Term(**common, head=row.label if row.label in ontology.heads else "", spec=ontology.labels[row.label])
    return Term(**common)


def _trigger(trigger: Mapping[str, Any]) -> Term:
    effect = str(trigger["effect"])
    acting = K.FORWARD if trigger["direction"] == "forward" else K.BACKWARD
    kind = K.SKIP if effect == "none" else acting
    flags = frozenset([str(trigger.get("scope", "clause"))])
    return Term(kind, trigger["id"], "context", f"context {trigger['id']}", flags, effect=effect)


def _fill(out: Compiled, variants: Mapping[str, str]) -> None:
    vocabulary = out.vocabulary
    vocabulary[" "] = 0
    vocabulary.update(STOPS)
    singular: dict[str, str] = {}
    keep = {variant for variant, word in variants.items() if variant == word}
    known = {word for key in out.terms for word in key}
    for word in sorted(known):
        if word.isalpha() and len(word) > 3:
            for plural in _plurals(word):
                if plural in known and plural not in keep and plural != word:
                    singular[plural] = word
    folded: dict[tuple[str, ...], Term] = {}
    for key, term in out.terms.items():
        one = tuple(singular.get(word, word) for word in key)
        old = folded.setdefault(one, term)
        if (old.kind, old.label, old.side) != (term.kind, term.label, term.side):
            out.clashes.append((" ".join(key), f"its singular ({old.rule})", term.rule))
    out.terms = folded
    for key in out.terms:
        for word in key:
            if word != "num":
                vocabulary.setdefault(word, len(vocabulary) + FIRST)
    for plural, word in singular.items():
        vocabulary[plural] = vocabulary[word]
    for variant, word in variants.items():
        word = singular.get(word, word)
        if word in vocabulary and variant != word:
            vocabulary[variant] = vocabulary[word]
    for word in [w for w in vocabulary if w.isalpha() and len(w) > 3]:
        for plural in _plurals(word):
            vocabulary.setdefault(plural, vocabulary[word])
    size = max(vocabulary.values(), default=0) + 1
    out.root = [None] * size
    for key, term in out.terms.items():
        ids = [NUMBER if word == "num" else vocabulary[word] for word in key]
        node = out.root[ids[0]]
        if node is None:
            node = out.root[ids[0]] = [None, None]
        for identifier in ids[1:]:
            if node[1] is None:
                node[1] = {}
            node = node[1].setdefault(identifier, [None, None])
        node[0] = term


def _plurals(word: str) -> tuple[str, ...]:
    if word.endswith(("s", "sh", "ch")) and not word.endswith(("is", "us")):
        return (word + "es",)
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word[:-1] + "ies",)
    if word.endswith("is"):
        return (word[:-2] + "es",)
    if word.endswith("x"):
        return (word + "es", word[:-1] + "ces")
    if word.endswith("us"):
        return (word[:-2] + "i", word + "es")
    if word.endswith("um"):
        return (word + "s", word[:-2] + "a")
    return (word + "s",)
