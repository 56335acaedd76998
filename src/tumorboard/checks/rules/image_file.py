"""What an image file says of itself."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG201",
    "An image with voxels that are not numbers",
    why="One NaN makes every mean, loss and gradient of a patch NaN.",
    fix="state what they stand for (`nan_as` in the image's read options), or repair the file",
)
EXAMPLE = "NaN outside the circle of reconstruction; damaged and misplaced files are reported under their own codes"


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        statistics = case.statistics.get(row["image_id"])
        if statistics is None:
            continue
        for remark in statistics.remarks:
            yield CheckFinding(
                remark.code.id,
                remark.severity,
                row["image_id"],
                f"{remark.code.title}: found {remark.found}, expected {remark.expected} ({remark.where})",
                remark.fix,
            )
        if statistics.not_finite:
            yield finding(
                CODE, "warning", row["image_id"], found=f"{statistics.not_finite:,} voxels", expected="finite numbers"
            )
