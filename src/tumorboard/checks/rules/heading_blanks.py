"""Headings with invisible differences."""

import re
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "TAB212",
    "Headings with blanks at an end, or two in a row",
    why='`table["M"]` does not find the heading "M "; the error comes late or the column is left out.',
    fix="nothing to do here: the reader took the blanks away and recorded the heading as published",
)
EXAMPLE = '"M " and "Histology "'


def find(case: Case) -> Iterator[CheckFinding]:
    for name, column in case.variables.items():
        published = re.match(r"(['\"])(.*)\1 in ", column.variable.source)
        heading = published.group(2) if published else name
        if heading != heading.strip() or "  " in heading:
            yield finding(
                CODE,
                "info",
                f"patients.{name}",
                found=f"the heading {heading!r}",
                expected="no blank at an end or twice",
            )
