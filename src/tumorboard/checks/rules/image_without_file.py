"""Images that are only named."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "IMG231",
    "Images that are listed without a file",
    why="Reports and annotations are often released without their images; nothing that reads voxels can run on them.",
    fix="nothing, if only texts and boxes are wanted; otherwise import again with the folder of the images",
)
EXAMPLE = "the X-rays behind a collection of reports"


def find(case: Case) -> Iterator[CheckFinding]:
    bare = [row["image_id"] for row in case.images if not row["path"]]
    if bare:
        yield finding(
            CODE,
            "info",
            f"images: {listed(bare)}",
            found=f"{len(bare)} images without a file",
            expected="a file for each",
        )
