"""The same image file under two patients."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "IMG212",
    "The same image under two patients, or twice under one",
    why="Byte-identical scans of two patients are one patient (or a copying mistake) and straddle every split.",
    fix="find out whose scan it is, and remove the other",
)
EXAMPLE = "the same checksum of the CT of patients 17 and 71"


def find(case: Case) -> Iterator[CheckFinding]:
    by_sum: dict[str, list[dict]] = {}
    for row in case.images:
        if row["sha256"] and row["role"] != "mask":
            by_sum.setdefault(row["sha256"], []).append(row)
    for rows in by_sum.values():
        patients = list(dict.fromkeys(row["patient_id"] for row in rows))
        if len(patients) > 1:
            where = f"patients {named(patients)}: {named(row['image_id'] for row in rows)}"
            yield finding(CODE, "error", where, found="byte-identical images", expected="a scan of its own for each")
        elif len(rows) > 1:
            where = f"{patients[0]}: {named(row['image_id'] for row in rows)}"
            yield finding(CODE, "info", where, found="the same file twice", expected="each image once")
