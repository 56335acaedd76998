"""Marked lesions that their publishers doubt."""

from collections import Counter
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "DPL201",
    "Marked lesions that are possibly noisy",
    why="Published scores leave these lesions out: counts and denominators differ by them.",
    fix="leave them out where a published score is repeated (attribute `noisy`), and say so",
)
EXAMPLE = "2 lesions of validation and 15 of test are marked as possibly noisy in DeepLesion"


def find(case: Case) -> Iterator[CheckFinding]:
    noisy = [row for row in case.marked_lesions if row["attributes"].get("noisy") is True]
    if noisy:
        splits = Counter(str(row["attributes"].get("split", "no split")) for row in noisy)
        yield finding(
            CODE,
            "info",
            "findings: " + listed([row["finding_id"] for row in noisy]),
            found=f"{len(noisy)} of {len(case.marked_lesions)} lesions "
            f"({', '.join(f'{n} {split}' for split, n in sorted(splits.items()))})",
            expected="a decision whether they count",
        )
