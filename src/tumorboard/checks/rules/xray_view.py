"""An X-ray that is no frontal chest."""

import json
from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding
from tumorboard.core.errors import define

CODE = define(
    "XRY202",
    "An X-ray that is not a frontal chest, or hardly looks like one",
    why="Locations of a frontal chest placed on a lateral view or another part of the body are nonsense.",
    fix="leave the image out of what needs frontal chests; correct the stated view where it is wrong",
)
EXAMPLE = "a lateral view among frontal ones: the drawing of a frontal chest fits with 0.31 in no turn better"
LOWEST_FIT = 0.45
LATERAL = ("LL", "RL", "LAT", "LATERAL", "LLD", "RLD", "L", "LEFT LATERAL", "RIGHT LATERAL")


def find(case: Case) -> Iterator[CheckFinding]:
    for row in case.images:
        if row["modality"] != "DX" or row["role"] != "image":
            continue
        projection = json.loads(row["options"] or "{}").get("projection", {})
        where = f"{row['patient_id']}: {row['image_id']}"
        view = str(projection.get("view") or "").strip()
        if view.upper() in LATERAL or projection.get("lateral"):
            yield finding(
                CODE, "info", where, found=f"a lateral view ({view or 'by its orientation'})", expected="PA or AP"
            )
            continue
        statistics = case.statistics.get(row["image_id"])
        look = statistics.look if statistics is not None else None
        if look is not None and look.is_lateral:
            found = (
                f"a picture that a view from the side fits with {look.lateral:.2f}, a frontal one with {look.score:.2f}"
            )
            yield finding(CODE, "warning", where, found=found, expected="a frontal chest")
        elif look is not None and look.score < LOWEST_FIT:
            yield finding(
                CODE,
                "warning",
                where,
                found=f"a picture that a frontal chest fits with {look.score:.2f} in its best turn",
                expected=f"{LOWEST_FIT} or more",
            )
