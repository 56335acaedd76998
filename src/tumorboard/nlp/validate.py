"""Checks of a lexicon: what an editor of its tables wants to hear before a report is read with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tumorboard.core.chest import CATEGORY_OF, REPORT_LOCATIONS
from tumorboard.core.errors import Code
from tumorboard.nlp import codes
from tumorboard.nlp import kinds as K
from tumorboard.nlp.lexicon import Lexicon

__all__ = ["Remark", "validate"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding about a lexicon, in the house's form."""

    code: Code
    severity: str
    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.code.id} {self.where}: found {self.found}, expected {self.expected}. Fix: {self.code.fix}"


def validate(lexicon: Lexicon) -> tuple[Remark, ...]:
    """All remarks, errors first: duplicates (NLP201), swallowed terms (202), labels without default location (203),
    cycles among parents (204), unknown names (205), spelling variants of nothing (206)."""
    found = [
        *_duplicates(lexicon),
        *_swallowed(lexicon),
        *_without_default(lexicon),
        *_cycles(lexicon),
        *_unknown(lexicon),
        *_useless(lexicon),
    ]
    return tuple(sorted(found, key=lambda r: (r.severity != "error", r.code.id, r.where, r.found)))


def _duplicates(lexicon: Lexicon) -> Iterator[Remark]:
    for words, first, second in lexicon.compiled.clashes:
        yield Remark(
            codes.DUPLICATE_TERM, "warning", second, f"{words!r}, which {first} has with another meaning", "one meaning"
        )


def _swallowed(lexicon: Lexicon) -> Iterator[Remark]:
    """A finding that stands inside a trigger without effect is never found there."""
    terms = lexicon.compiled.terms
    findings = {key for key, term in terms.items() if term.kind == K.FINDING and term.head != "normal"}
    for key, term in terms.items():
        if term.kind != K.SKIP or term.category != "context":
            continue
        for length in range(1, len(key)):
            for start in range(len(key) - length + 1):
                inner = key[start : start + length]
                if inner in findings:
                    said = f"{' '.join(inner)!r} inside the trigger without effect {' '.join(key)!r}"
                    yield Remark(codes.SWALLOWED_TERM, "warning", term.rule, said, "no finding in it")


def _without_default(lexicon: Lexicon) -> Iterator[Remark]:
    for name, label in lexicon.ontology.labels.items():
        if not label.default[0] and label.category != "nlp":
            yield Remark(
                codes.NO_DEFAULT_LOCATION, "error", f"{lexicon.name}/ontology.yaml", f"{name!r} without", "a location"
            )
        outside = [place for place in label.default[0] if place not in label.allowed]
        if outside:
            where = f"{lexicon.name}/ontology.yaml"
            said = f"{name!r} by default at {outside[0]!r}"
            yield Remark(codes.UNKNOWN_LABEL, "error", where, said, "one of its allowed locations")


def _cycles(lexicon: Lexicon) -> Iterator[Remark]:
    parents: Mapping[str, tuple[str, ...]] = {n: label.parents for n, label in lexicon.ontology.labels.items()}
    done: set[str] = set()

    def climb(name: str, path: tuple[str, ...]) -> Iterator[Remark]:
        if name in path:
            ring = " -> ".join([*path[path.index(name) :], name])
            yield Remark(codes.PARENT_CYCLE, "error", f"{lexicon.name}/ontology.yaml", ring, "no way back")
            return
        if name in done:
            return
        for parent in parents.get(name, ()):
            yield from climb(parent, (*path, name))
        done.add(name)

    for name in parents:
        yield from climb(name, ())


def _unknown(lexicon: Lexicon) -> Iterator[Remark]:
    ontology = lexicon.ontology
    where = f"{lexicon.name}/ontology.yaml"
    for name, label in ontology.labels.items():
        for parent in label.parents:
            if parent not in ontology.labels:
                yield Remark(codes.UNKNOWN_LABEL, "error", where, f"parent {parent!r} of {name!r}", "a label")
    if lexicon.name != "chest-xray":
        return
    known = set(REPORT_LOCATIONS)
    for name, label in ontology.labels.items():
        if name not in CATEGORY_OF:
            yield Remark(codes.UNKNOWN_LABEL, "error", where, repr(name), "a label of core.chest.ATTRIBUTES")
        for place in sorted(label.allowed - known):
            yield Remark(codes.UNKNOWN_LABEL, "error", where, f"{place!r} of {name!r}", "a location of core.chest")
    said = {term.spec.name for term in lexicon.compiled.terms.values() if term.spec is not None}
    said |= {label.name for label in ontology.compose.values() if label is not None}
    for name in ontology.labels:
        if name not in said and name not in ("normal", "abnormal"):
            yield Remark(codes.UNKNOWN_LABEL, "warning", where, f"{name!r} without wording", "a row in findings.tsv")


def _useless(lexicon: Lexicon) -> Iterator[Remark]:
    used = {word for key in lexicon.compiled.terms for word in key}
    for variant, word in lexicon.variants.items():
        target = lexicon.compiled.vocabulary.get(word)
        if word not in used and (target is None or target < 9):
            yield Remark(codes.USELESS_VARIANT, "info", "words.tsv", f"{variant!r} for {word!r}", "a word of some term")
