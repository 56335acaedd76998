"""Words for "not known" that were left in as if they were values."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define
from tumorboard.core.naming import means_missing

CODE = define(
    "TAB202",
    'Words for "not known" left in as a level',
    why='A model takes "Not collected" for a property of the patient; it is one of the hospital.',
    fix="list the words under `missing` in the schema (of the whole table, or of the column)",
)
EXAMPLE = '"Not collected", "N/A", "unknown" or "[]" beside real levels'


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        if not column.is_text:
            continue
        words = {level: n for level, n in column.counts.items() if means_missing(level)}
        meant = {code: word for code, word in column.variable.levels.items() if means_missing(word)}
        words |= {f"{code} ({word})": column.counts[code] for code, word in meant.items() if column.counts[code]}
        if words and len(words) < len(column.counts):
            shown = [f"{word!r} in {n}" for word, n in sorted(words.items(), key=lambda item: -item[1])]
            yield finding(
                CODE, "info", f"patients.{name}", found=f"{listed(shown, most=6)} patients", expected="an empty cell"
            )
    for endpoint, values in case.class_endpoints.items():
        words = sorted({v for v in values if v is not None and means_missing(v)})
        if words:
            count = sum(v in words for v in values)
            yield finding(
                CODE,
                "warning",
                f"outcomes.{endpoint}",
                found=f"{words} as the class of {count} patients",
                expected="no class where it is not known",
            )
