"""What a run of a cohort says of its exams, and what a reference is able to say at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tumorboard.core.chest import PUBLISHED_CHANGES
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, Statement, Tense
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.rows import is_change, is_statement, statement_of

__all__ = ["SCORED_NOT", "Change", "RunStatements", "Terms", "statements_of_run", "terms_of"]

Change = tuple[str, str, str]
"""(location, attribute, word)."""
SCORED_NOT = "nlp"
"""The category normal/abnormal says nothing of its own."""
_PUBLISHED = {"new": "worsened", "resolved": "improved", "removed": ""}
"""Our further words of change in the published three."""


@dataclass
class RunStatements:
    """What one run says of each exam: statements in the order of the rows, the texts they stand in, and changes
    (location, attribute, word) by exam, with the sources of each (text, graphs)."""

    run_id: str
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)
    changes: dict[str, dict[Change, set[str]]] = field(default_factory=dict)

    @property
    def exams(self) -> set[str]:
        return set(self.statements) | set(self.changes)


def statements_of_run(cohort: Cohort, run_id: str) -> RunStatements:
    """The statements and changes of a run. What a closure added is left out: scoring closes both sides itself."""
    found = RunStatements(run_id)
    bodies = dict(zip(cohort.texts["text_id"].to_pylist(), cohort.texts["body"].to_pylist(), strict=True))
    for row in cohort.rows("relations", run_id=run_id):
        if is_change(row):
            change, source = _change_of(row)
            found.changes.setdefault(row["subject"], {}).setdefault(change, set()).add(source)
        elif is_statement(row) and '"derived_from"' not in (row["attributes"] or ""):
            found.statements.setdefault(row["subject"], []).append(statement_of(row, bodies))
            found.texts.setdefault(row["subject"], []).append(row["text_id"] or "")
    return found


def _change_of(row: Mapping[str, Any]) -> tuple[Change, str]:
    """The change and its source. SCG112 when the row does not say what changed."""
    try:
        said = json.loads(row["attributes"] or "")
        return (str(said["location"]), str(said["attribute"]), row["predicate"]), str(said.get("source") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        where = f"relations, {row.get('relation_id')}"
        found = f"{type(error).__name__}: {error}"
        raise TumorboardError(
            codes.STATEMENT_UNREADABLE, where, found=found, expected="a JSON object with location and attribute"
        ) from error


@dataclass(frozen=True)
class Terms:
    """What a reference is able to say; a prediction is scored in these terms, since the rest has no answer.

    `uncertain`: keep, yes or no. `denies`: whether it says what is absent (tags of findings do not). `sentences`:
    whether it says where a statement stands. `published`: whether it knows the three published words of change alone
    (then new counts as worsened, resolved as improved, removed not at all). `text_alone`: whether its changes are all
    from text.
    """

    uncertain: str
    denies: bool
    sentences: bool
    published: bool
    text_alone: bool

    def polarity(self, polarity: Polarity) -> str | None:
        """The polarity in these terms; None where the reference has no word for it."""
        said = self.uncertain if polarity is Polarity.UNCERTAIN and self.uncertain != "keep" else str(polarity)
        return said if self.denies or said != Polarity.NO else None

    def change(self, change: Change, sources: set[str]) -> Change | None:
        """The change in these terms; None where the reference has no word for it."""
        location, attribute, word = change
        said = _PUBLISHED.get(word, word) if self.published else word
        return (location, attribute, said) if said and not (self.text_alone and sources == {"graphs"}) else None


def terms_of(reference: RunStatements, *, uncertain: str = "auto") -> Terms:
    """The terms of a reference. `uncertain` ``auto``: doubt counts as yes, as in published files, unless the reference
    has doubt of its own; ``keep``, ``yes`` and ``no`` say it outright."""
    known = {s.polarity for listed in reference.statements.values() for s in listed if s.tense is Tense.CURRENT}
    changes = [(word, sources) for of in reference.changes.values() for (_, _, word), sources in of.items()]
    doubt = "keep" if Polarity.UNCERTAIN in known else "yes"
    return Terms(
        uncertain=doubt if uncertain == "auto" else uncertain,
        denies=Polarity.NO in known,
        sentences=any(text for texts in reference.texts.values() for text in texts),
        published=all(word in PUBLISHED_CHANGES for word, _ in changes),
        text_alone=all(sources == {"text"} for _, sources in changes),
    )
