"""Scans whose spacing or slice interval nobody knows."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "DPL203",
    "Slices of a scan without a usable spacing or interval, or with two",
    why="Lengths along the body, volumes and distances between lesions cannot be had; a guess would look like a fact.",
    fix="look the interval up in the DICOM headers; until then such lesions take part in nothing that needs mm",
)
EXAMPLE = "an interval of NaN, 0 or -5 mm; one series with intervals of 1 and 5 mm"


def find(case: Case) -> Iterator[CheckFinding]:
    named = [row for row in case.images if case.option(row, "deeplesion")]
    unknown = [row["image_id"] for row in named if row["affine"] is None]
    if unknown:
        yield finding(
            CODE,
            "warning",
            f"images: {listed(unknown)}",
            found=f"{len(unknown)} sub-volumes without a place in mm",
            expected="a spacing and an interval above 0",
        )
    intervals: dict[tuple[str, int], set[float]] = {}
    for row in named:
        if row["affine"] is not None:
            series = row["exam_id"], int(case.option(row, "deeplesion")["series"])
            intervals.setdefault(series, set()).add(round(abs(row["affine"][10]), 4))
    for (exam, number), found in intervals.items():
        if len(found) > 1:
            yield finding(
                CODE,
                "warning",
                f"{exam}, series {number}",
                found=f"slice intervals of {' and '.join(f'{mm:g}' for mm in sorted(found))} mm in one series",
                expected="one; z of its sub-volumes cannot be compared",
            )
