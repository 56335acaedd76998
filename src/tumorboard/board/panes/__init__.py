"""Panes: the parts of a page, one file each. A page is a list of them; a pane that has nothing to say is left out.

A pane `NAME` is three files of that name: `panes/NAME.py` with `pane(facts) -> Pane | None` (what it says, as plain
values), `templates/panes/NAME.html` (`v` are its values) and, where it moves, `static/panes/NAME.js`, which calls
`Tumorboard.pane("NAME", (root, data) => ...)` (`data` is the pane's `data`). To add one, write the files and the name
in the list below, in the place where it shall stand.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["COHORT_PANES", "PATIENT_PANES", "Pane", "panes_of"]

PATIENT_PANES = (
    "facts",
    "timeline",
    "xray",
    "viewer",
    "exams",
    "response",
    "marked",
    "similar",
    "corrections",
    "prognosis",
    "classes",
    "predicted",
    "pictures",
    "patient_scores",
    "quality",
    "origin",
)
"""Of the patient's page, from the top. `pane(patient: PatientFacts)`."""

COHORT_PANES = (
    "numbers",
    "filters",
    "outcomes",
    "models",
    "scores",
    "comparison",
    "worst",
    "task_pictures",
    "checks",
    "who",
    "lesion_map",
    "embedding",
    "patients",
    "history",
)
"""Of the cohort's page, from the top. `pane(cohort: CohortFacts)`."""


@dataclass(frozen=True)
class Pane:
    """One part of a page. `title` is its heading and its name among the links at the top of the page (empty: neither).
    `values` reach the template as `v`; `data` (JSON values) reaches the script."""

    name: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None


def panes_of(names: tuple[str, ...], facts: Any) -> Iterator[Pane]:
    """The panes of a page that have something to say, in order."""
    for name in names:
        made = importlib.import_module(f"tumorboard.board.panes.{name}").pane(facts)
        if made is not None:
            yield made
