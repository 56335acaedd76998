"""What a report says, one statement at a time, and all of it together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Polarity", "SceneGraph", "Statement", "Tense"]


class Polarity(StrEnum):
    """Whether the finding is there. Doubt is a state of its own; published graphs have only yes and no."""

    YES = "yes"
    NO = "no"
    UNCERTAIN = "uncertain"


class Tense(StrEnum):
    """When the statement holds; only `CURRENT` ones describe this exam."""

    CURRENT = "current"
    HISTORICAL = "historical"
    HYPOTHETICAL = "hypothetical"  # condition, question, advice: "if pain persists", "rule out"


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing said of one or more locations, with its evidence.

    Parameters
    ----------
    attribute, category : a label and its category of `core.chest.ATTRIBUTES` (another lexicon brings its own). Empty
        attribute: a change of the location itself, as in "the heart size is unchanged".
    locations : names as in `core.chest.REPORT_LOCATIONS`; named in the text, or the label's default ones.
    polarity, tense : independent of each other and of `comparison`.
    comparison : one of `core.chest.CHANGES`, or None.
    severity : mild, moderate, severe, or None.
    cues : further cues as ``(category, label)``: texture, temporal, severity|hedge.
    section : name of the section the sentence stands in.
    sentence : the sentence as written; `sentence_start` its first character in the report.
    start, end : characters of the attribute's mention (of the location's, without attribute) in the report.
    rules : identifiers of the lexicon entries and rules that led here, in order of use.
    confidence : 1 for a plain statement; lower where a rule had to guess (default location, far side word).
    measures : sizes in mm and SUV as the report gives them, by name with unit: ``long_axis_mm`` ...
    """

    attribute: str
    category: str
    locations: tuple[str, ...]
    polarity: Polarity = Polarity.YES
    tense: Tense = Tense.CURRENT
    comparison: str | None = None
    severity: str | None = None
    cues: tuple[tuple[str, str], ...] = ()
    section: str = ""
    sentence: str = ""
    sentence_start: int = 0
    start: int = 0
    end: int = 0
    rules: tuple[str, ...] = ()
    confidence: float = 1.0
    measures: tuple[tuple[str, float], ...] = ()

    def triples(self) -> Iterator[tuple[str, str, Polarity]]:
        """(location, attribute, polarity) of each location."""
        for location in self.locations:
            yield location, self.attribute, self.polarity


@dataclass(frozen=True)
class SceneGraph:
    """All statements of one exam's report, in the order of the text.

    `lexicon` names the lexicon and its version with hash (stamped in every output).
    """

    exam_id: str
    statements: tuple[Statement, ...] = ()
    lexicon: str = ""
    meta: tuple[tuple[str, str], ...] = field(default=())

    def __iter__(self) -> Iterator[Statement]:
        return iter(self.statements)

    def __len__(self) -> int:
        return len(self.statements)

    @property
    def current(self) -> tuple[Statement, ...]:
        """The statements about this exam (no history, no conditions)."""
        return tuple(s for s in self.statements if s.tense is Tense.CURRENT)

    def with_statements(self, statements: Iterable[Statement]) -> SceneGraph:
        return SceneGraph(self.exam_id, tuple(statements), self.lexicon, self.meta)
