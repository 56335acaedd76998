"""An X-ray in which little can be told apart, or with a broad border."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "XRY203",
    "An X-ray that is washed out, empty, or has a broad uniform border",
    why="What exposure or processing has taken away no model can find; a border shifts every box drawn by proportion.",
    fix="fetch the image again from the archive with its full depth; crop borders, masks and boxes alike",
)
EXAMPLE = "fine detail at 0.6 % of the grey range where other images have 1 to 5 %; a border over 17 % of the picture"
LEAST_DETAIL = 0.010
BROAD_BORDER = 0.15


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        statistics = case.statistics.get(row["image_id"])
        look = statistics.look if statistics is not None else None
        if look is None:
            continue
        where = f"{row['patient_id']}: {row['image_id']}"
        if look.detail < LEAST_DETAIL:
            found = f"fine detail at {100 * look.detail:.2f} % of the grey range"
            yield finding(CODE, "warning", where, found=found, expected=f"{100 * LEAST_DETAIL:g} % or more")
        elif look.border > BROAD_BORDER:
            found = f"a uniform border over {100 * look.border:.0f} % of the picture"
            yield finding(CODE, "info", where, found=found, expected="little border, or none")
