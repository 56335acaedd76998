"""Voxel values of a mask that are no labels."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "IMG207",
    "A mask with values that are no labels",
    why="0.9999 is left by interpolation or scaling and equals no label; 255 or 3 is counted as tumour by one program "
    "and ignored by the next.",
    fix="map the values to the labels explicitly; resample masks by nearest neighbour",
)
EXAMPLE = "values 0, 1, 2 and 3 where the labels are 1 GTVp, 2 GTVn; 0 and 255; 0.9999"


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        s = case.statistics.get(row["image_id"])
        if row["role"] != "mask" or s is None or not s.values:
            continue
        labels = {0.0, *(float(value) for value in row["labels"] or {})}
        where = f"{row['patient_id']}: {row['image_id']}"
        broken = [value for value in s.values if value != int(value)]
        stray = [value for value in s.values if value not in labels and value not in broken]
        if broken or s.more_values:
            shown = listed((f"{value:.6g}" for value in broken), most=5) or "more than 20 different values"
            yield finding(CODE, "error", where, found=f"values {shown}", expected="whole numbers, one per label")
        elif stray and row["labels"]:
            shown = listed(f"{value:g} in {s.values[value]} voxels" for value in stray)
            known = listed(f"{value} {name}" for value, name in row["labels"].items())
            yield finding(CODE, "error", where, found=f"value {shown}", expected=f"0, {known}")
        elif not row["labels"] and max(s.values) > 1 and set(s.values) <= {0.0, max(s.values)}:
            found = f"values 0 and {max(s.values):g}, and no labels"
            yield finding(CODE, "warning", where, found=found, expected="labels that say what the value means")
