"""Ids that differ only in how they are written."""

import re
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "PAT201",
    "Patient ids that differ only in case, blanks, dashes, underscores or leading zeros",
    why="The same patient under two spellings straddles a split: a model is then tested on a patient it has seen.",
    fix="merge the two if they are one patient, or rename one if they are not",
)
EXAMPLE = "MDA-001 and MDA_001 in two task folders of one release"


def find(case: Case) -> Iterator[CheckFinding]:
    spelled: dict[str, list[str]] = {}
    for patient in case.ids:
        spelled.setdefault(plain_id(patient), []).append(patient)
    for alike in spelled.values():
        if len(alike) > 1:
            yield finding(
                CODE,
                "warning",
                f"patients: {named(alike)}",
                found=f"{len(alike)} ids that differ only in writing",
                expected="one way of writing an id",
            )


def plain_id(patient: str) -> str:
    """An id without what may be spelled in several ways: equal for ids that are probably one patient's."""
    plain = re.sub(r"[\W_]+", "-", patient.strip().lower()).strip("-")
    return re.sub(r"(?<!\d)0+(?=\d)", "", plain)
