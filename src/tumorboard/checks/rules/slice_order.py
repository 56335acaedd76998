"""CTs whose slices look reversed, wrongly spaced or without order by the body-part scores of a run."""

import json
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.bodypart import BODY_PART
from tumorboard.core.errors import define

CODE = define(
    "IMG233",
    "Slices that do not run as the affine says",
    why="A reversed or wrongly spaced stack makes every z, length and volume wrong, and looks sound by itself.",
    fix="look at the CT beside its DICOM (position and interval of slices); correct the affine, or leave it out",
)
EXAMPLE = (
    "a CT that begins at the thighs where its affine says head (needs a run of `tumorboard predict --task bodypart`)"
)


def find(case: Case) -> Iterator[CheckFinding]:
    odd: dict[tuple[str, str], list[str]] = {}
    for row in case.cohort.rows("findings", kind=BODY_PART):
        for flag in json.loads(row["attributes"] or "{}").get("flags", []):
            ratio = dict(row["measurements"] or {}).get("spacing_ratio")
            told = f" ({ratio:.2f} mm of body per stated mm)" if flag == "wrong spacing" and ratio else ""
            odd.setdefault((row["run_id"], flag), []).append(row["image_id"] + told)
    for (run, flag), images in sorted(odd.items()):
        yield finding(
            CODE,
            "warning",
            f"images: {listed(images, most=5)}",
            found=f"slices that run {run} calls {flag}",
            expected="body parts from head to feet, at the distances that the affine states",
        )
