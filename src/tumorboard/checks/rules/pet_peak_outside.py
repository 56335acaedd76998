"""The hottest place of the PET is not the tumour."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "IMG205",
    "The PET maximum lies outside the expert's mask",
    why="Bladder, brain or vessels are often hotter than the tumour: thresholds relative to the image maximum "
    "then draw those, and a fixed SUV threshold fails too.",
    fix="take the maximum inside the mask or a marked region; check that mask and PET belong together",
)
EXAMPLE = "45.7 in the bladder against 3.6 in the tumour"


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        s = case.statistics.get(row["image_id"])
        if s is None or s.uptake is None or s.uptake.outside_max <= s.uptake.inside_max:
            continue
        inside, outside = s.uptake.inside_max, s.uptake.outside_max
        yield finding(
            CODE,
            "warning" if outside > 2 * inside else "info",
            f"{row['patient_id']}: {row['image_id']}",
            found=f"{outside:.1f} {row['unit']} outside (at {s.uptake.outside_at_mm} mm RAS"
            f"{', touching the mask' if s.uptake.touching else ''}) and {inside:.1f} inside",
            expected="the maximum in the tumour",
        )
