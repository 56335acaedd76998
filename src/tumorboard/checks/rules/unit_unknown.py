"""Images whose unit nobody stated."""

from collections.abc import Iterator

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, named
from tumorboard.core.errors import define

CODE = define(
    "IMG214",
    "Images whose unit is not known",
    why="SUV and Bq/ml differ by a factor of thousands, HU and grey levels by a shift; analyses refuse to guess.",
    fix="state the unit at import, from the DICOM tags or the publication",
)
EXAMPLE = "a PET imported with the unit unknown"


def find(case: Case) -> Iterator[CheckFinding]:
    unknown = [row for row in case.images if row["unit"] == "unknown" and row["role"] != "mask" and row["path"]]
    for modality in sorted({row["modality"] for row in unknown}):
        images = [row["image_id"] for row in unknown if row["modality"] == modality]
        yield finding(
            CODE,
            "warning",
            f"images {modality}: {named(images)}",
            found=f"{len(images)} images in an unknown unit",
            expected="a stated unit",
        )
