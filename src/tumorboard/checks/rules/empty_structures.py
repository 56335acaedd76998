"""Structures that are not there."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG208",
    "A structure without a voxel",
    why="Patients without primary (or without nodes) exist; metrics need a stated result for them.",
    fix="nothing, if the patient has none; otherwise the contour was lost in conversion",
)
EXAMPLE = "no GTVn in a patient without nodal disease; a GTVn in a patient staged N0 is no contradiction"


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        s = case.statistics.get(row["image_id"])
        if row["role"] != "mask" or s is None or not s.values:
            continue
        where = f"{row['patient_id']}: {row['image_id']}"
        if s.high <= 0:
            yield finding(CODE, "info", where, found="an empty mask", expected="a contour, if the patient has a tumour")
            continue
        empty = [name for value, name in (row["labels"] or {}).items() if not s.values.get(float(value))]
        if empty:
            yield finding(CODE, "info", where, found=f"no voxel of {', '.join(empty)}", expected="it, if there is any")
