"""Marked lesions without a type."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define
from tumorboard.core.lesion import LESION_TYPES

CODE = define(
    "DPL202",
    "Marked lesions without a type",
    why="An unknown type is neither a class of its own nor a negative of the others; counted so it teaches nonsense.",
    fix="train and score types only on lesions whose label is one of the eight",
)
EXAMPLE = "all lesions of DeepLesion's training split have the type -1, which means unknown"


def find(case: Case) -> Iterator[CheckFinding]:
    unknown = sum(row["label"] not in LESION_TYPES for row in case.marked_lesions)
    if unknown:
        yield finding(
            CODE,
            "info",
            "findings.label",
            found=f"{unknown} of {len(case.marked_lesions)} marked lesions without one of the eight types",
            expected="a type, where types are learned or scored",
        )
