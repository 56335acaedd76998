"""Filters that act on everything: counts by centre, survival and the list of patients follow them. The figures of all
patients travel with the page as columns, so ten thousand patients are filtered without asking anybody."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa

from tumorboard.board import summary
from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]

_MOST_LEVELS = 12
"""Variables with more different words than this are no filter."""


def pane(facts: CohortFacts) -> Pane | None:
    cohort = facts.board.cohort
    if len(cohort) < 2:
        return None
    table = cohort.patients
    words: dict[str, list[str | None]] = {"centre": table["centre"].to_pylist(), "sex": table["sex"].to_pylist()}
    for name in summary.clinical_columns(cohort):
        if pa.types.is_floating(table[name].type) and not getattr(cohort.dictionary.get(name), "levels", None):
            continue
        values = [None if cell is None else summary.show_value(cohort, name, cell) for cell in table[name].to_pylist()]
        if 2 <= len({value for value in values if value is not None}) <= _MOST_LEVELS:
            words[name] = values
    place = {patient: number for number, patient in enumerate(cohort.patient_ids)}
    survival: dict[str, list[Any]] = {}
    for row in cohort.rows("outcomes", run_id=EXPERT):
        if row["survival"] is not None:
            column = survival.setdefault(row["endpoint"], [None] * len(place))
            column[place[row["patient_id"]]] = [round(row["survival"]["time_days"], 2), int(row["survival"]["event"])]
        elif row["class_value"] is not None:
            words.setdefault(row["endpoint"], [None] * len(place))[place[row["patient_id"]]] = row["class_value"]
    data = {
        "words": {name: _coded(values) for name, values in words.items() if len(set(values)) > 1},
        "first": ["centre", "sex", *(name for name in words if name in cohort.endpoints())],
        "age": table["age_years"].to_pylist(),
        "survival": survival,
        "rows": [_row(row) for row in facts.rows],
    }
    return Pane("filters", "Choose", {"n": len(cohort)}, data)


def _coded(values: list[str | None]) -> dict[str, Any]:
    """A column of words as numbers and the words, most frequent first; null where nothing is known."""
    levels = [word for word, _ in Counter(value for value in values if value is not None).most_common()]
    number = {word: i for i, word in enumerate(levels)}
    return {"levels": levels, "codes": [None if value is None else number[value] for value in values]}


def _row(row: dict[str, Any]) -> list[Any]:
    """One patient as the list shows them: link, name, exams, lesions, volume, SUVmax, findings of each severity."""
    counts = Counter(finding["severity"] for finding in row["findings"])
    shown = [None if row[key] is None else round(row[key], 3) for key in ("lesions", "volume_ml", "suv_max")]
    found = [counts["error"], counts["warning"], counts["info"]]
    return [row["link"], row["patient_id"], row["picture"], row["exams"], *shown, found]
