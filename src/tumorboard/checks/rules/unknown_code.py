"""Values that the data dictionary does not know."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tumorboard.checks.case import Case, Column, level_text
from tumorboard.checks.finding import CheckFinding, finding, listed, named
from tumorboard.core.errors import define

CODE = define(
    "TAB205",
    "Codes that the data dictionary does not know",
    why="A code without a meaning is a new level, a typing mistake or another code book; a model cannot tell which.",
    fix="ask the source what the code means, and add it to `levels` or to `missing`",
)
EXAMPLE = "gender 2 where the dictionary has 0 female, 1 male"


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        levels = column.variable.levels
        if not levels or column.is_date:
            continue
        allowed = {*levels, *levels.values(), *column.variable.missing}
        allowed |= {_number(code) for code in allowed}
        if {level.casefold() for level in levels} <= {"false", "true"}:
            allowed |= {"0", "1"}  # how a column of booleans reads as numbers
        unknown = {
            text: n for value, n in column.counts.items() if (text := level_text(value)) not in allowed
            and _number(text) not in allowed
        }  # fmt: skip
        if unknown:
            shown = [f"{code!r} in {n} patients" for code, n in unknown.items()]
            yield finding(
                CODE,
                "error",
                f"patients.{name}: {named(case.ids[_who(column, unknown)])}",
                found=listed(shown, most=6),
                expected=f"one of {listed(levels, most=15)}",
            )
    for row in case.unusable_outcomes:
        if "not among" in (row["problem"] or ""):
            yield finding(
                CODE,
                "error",
                f"outcomes.{row['endpoint']}, patient {row['patient_id']}",
                found=row["problem"],
                expected="a value that the schema names",
            )


def _who(column: Column, unknown: dict[str, int]) -> NDArray[np.int64]:
    texts = [level_text(value) if known else "" for value, known in zip(column.values, column.known, strict=True)]
    return np.flatnonzero([text in unknown for text in texts])


def _number(code: str) -> str:
    try:
        return f"{float(code):g}"
    except ValueError:
        return code
