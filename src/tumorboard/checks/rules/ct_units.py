"""CT that is not in Hounsfield units."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG203",
    "CT values that cannot be Hounsfield units",
    why="Without the rescale intercept water is 1024 instead of 0; windows and thresholds then show something else.",
    fix="apply RescaleSlope and RescaleIntercept of the original, or state the true unit at import",
)
EXAMPLE = "a CT from 0 to 4095; a CT scaled to 0..1; padding of -3024 outside the circle of reconstruction"
_AIR = -1024.0
_PAD = -1100.0


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        s = case.statistics.get(row["image_id"])
        if row["modality"] != "CT" or row["role"] != "image" or row["unit"] != "HU" or s is None or not s.percentiles:
            continue
        p1, _, median, _, _, p999 = s.percentiles
        if s.high - s.low < 50:
            yield finding(CODE, "error", row["image_id"], found=f"{s.low:g} to {s.high:g}, as scaled", expected="HU")
        elif s.low >= -20 and s.high > 700:
            found = f"nothing below {s.low:g} (median {median:g}), as without the rescale intercept"
            yield finding(CODE, "error", row["image_id"], found=found, expected="fat at -100 and air at -1000 HU")
        elif p999 > 4000:
            found = f"a thousandth of the voxels above {p999:g}"
            yield finding(
                CODE, "warning", row["image_id"], found=found, expected="bone below 2000, metal below 4000 HU"
            )
        elif s.low < _PAD:
            found = f"values down to {s.low:g} (1st percentile {p1:g})"
            yield finding(
                CODE, "info", row["image_id"], found=found, expected=f"nothing below {_AIR:g}; clip before use"
            )
