"""DICOM attributes in the source that identify a person."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "PHI201",
    "A source whose DICOM headers identify persons",
    why="The tables keep none of it, but the images stay where they are: whoever gets the folder gets the names.",
    fix="de-identify the files before they leave; text burnt into pixels and names of structures are not looked at",
)
EXAMPLE = "PatientName in 312 files, PatientBirthDate in 312"


def find(case: Case) -> Iterator[CheckFinding]:
    for entry in case.cohort.provenance:
        counts = entry.get("identifying") or {}
        if counts:
            told = ", ".join(f"{keyword} in {count}" for keyword, count in sorted(counts.items()))
            yield finding(
                CODE,
                "warning",
                f"source {entry.get('source', '')}",
                found=f"filled in, by number of files: {told}",
                expected="none of the direct identifiers of DICOM PS3.15, table E.1-1",
            )
