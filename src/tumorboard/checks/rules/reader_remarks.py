"""What a reader noticed about images and kept with them."""

import json
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed
from tumorboard.core.errors import define

CODE = define(
    "IMG232",
    "Oddities that the reader of an image's annotations found",
    why="A box beyond its image or a doubled location is kept as published; crops and tables made of it go wrong.",
    fix="`tumorboard explain` with the code named here says what each means and what to do",
)
EXAMPLE = "12 images with CIG105, a box with negative coordinates"


def find(case: Case) -> Iterator[CheckFinding]:
    images: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for row in case.images:
        if '"problems"' not in (row["options"] or ""):
            continue
        for code, count in json.loads(row["options"]).get("problems", {}).items():
            images.setdefault(code, []).append(row["image_id"])
            counts[code] = counts.get(code, 0) + count
    for code, members in sorted(images.items()):
        yield finding(
            CODE,
            "warning",
            f"images: {listed(members, most=5)}",
            found=f"{code} {counts[code]} times in {len(members)} images",
            expected="none (tumorboard explain " + code + ")",
        )
