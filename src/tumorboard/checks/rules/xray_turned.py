"""An X-ray that does not lie as radiographs are hung."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "XRY201",
    "An X-ray that is turned, upside down or a negative",
    why="Boxes, sides and every model that learnt from upright images are wrong on it; the file itself says nothing.",
    fix="turn the image and its masks alike, or let `tumorboard predict` turn it (it says so in the run)",
)
EXAMPLE = "a chest lying on its side: the drawing of a chest fits with 0.74 after a quarter turn, with 0.53 as it is"
CLEARLY_BETTER = 0.05
"""By how much the correlation of another turn must exceed that of the picture as it is."""
_CLEAR_AT_ONCE = 0.10


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        statistics = case.statistics.get(row["image_id"])
        look = statistics.look if statistics is not None else None
        if look is None or look.is_lateral or look.margin < CLEARLY_BETTER:
            continue
        yield finding(
            CODE,
            "error" if look.margin >= _CLEAR_AT_ONCE else "warning",
            f"{row['patient_id']}: {row['image_id']}",
            found=f"a chest that fits {look.score:.2f} when {look.best.words()}, {look.scores[0, 0]:.2f} as it is",
            expected="head up, the patient's right on the left, bone bright",
        )
