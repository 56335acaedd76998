"""Storage orientations that a few patients have alone."""

from collections import Counter
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.checks.image_statistics import grid
from tumorboard.core.errors import define

CODE = define(
    "IMG210",
    "Images stored in another axis order than most",
    why="Legal, but programs that look at spacing alone train on mirrored patients.",
    fix="nothing, if everything reads the affine; otherwise reorient all to one order",
)
EXAMPLE = "three images stored RAS among 97 stored LPS"


def find(case: Case) -> Iterator[CheckFinding]:
    for kind in sorted({(row["modality"], row["role"]) for row in case.images}):
        stored = {
            row["image_id"]: g.axis_codes
            for row in case.images
            if (row["modality"], row["role"]) == kind and (g := grid(row)) is not None
        }
        counts = Counter(stored.values())
        if len(counts) < 2:
            continue
        usual, most = counts.most_common(1)[0]
        rare = [image for image, codes in stored.items() if codes != usual]
        yield finding(
            CODE,
            "info",
            f"images {kind[0]} {kind[1]}: {named(rare)}",
            found=", ".join(f"{n} stored {codes}" for codes, n in counts.most_common()),
            expected=f"one order, such as {usual} of {most}",
        )
