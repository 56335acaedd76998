"""PET that is not in the unit it is said to be in."""

from collections.abc import Iterator

import numpy as np

from tumorboard.checks.case import Case
from tumorboard.checks.finding import CheckFinding, finding, listed, named
from tumorboard.core.errors import define

CODE = define(
    "IMG202",
    "PET values that cannot be SUV, or several PET units in one cohort",
    why="Bq/ml are thousands of times an SUV; a model trained on both learns which centre forgot to convert.",
    fix="convert with weight, injected dose and times of the original DICOM, or state the unit at import",
)
EXAMPLE = "a PET with a median of 900 and a maximum of 78,000 among others with maxima from 5 to 30"
HIGHEST_BULK_SUV = 60.0
"""99th percentile of a field of view: bladder and brain reach more, a hundredth of all voxels does not."""
HIGHEST_SUV = 1000.0
LOWEST_PEAK_SUV = 0.3


def find(case: Case) -> Iterator[CheckFinding]:
    pets = [row for row in case.images if row["modality"] == "PT" and row["role"] == "image"]
    units = {unit: [row["image_id"] for row in pets if row["unit"] == unit] for unit in {row["unit"] for row in pets}}
    if len(units) > 1:
        shown = [f"{unit} in {len(ids)} ({listed(ids, most=3)})" for unit, ids in sorted(units.items())]
        usual = max(units, key=lambda unit: len(units[unit]))
        where = "images, PET: " + named(image for unit, ids in units.items() if unit != usual for image in ids)
        yield finding(CODE, "error", where, found=f"units {', '.join(shown)}", expected="one unit, SUVbw")
    suv = [
        (row, s)
        for row in pets
        if row["unit"] == "SUVbw" and (s := case.statistics.get(row["image_id"])) is not None and s.percentiles
    ]
    peaks = np.array([s.high for _, s in suv])
    for row, s in suv:
        usual = f"; the median maximum of the cohort is {np.median(peaks):.3g}" if len(suv) > 2 else ""
        bulk = s.percentiles[4]
        if bulk > HIGHEST_BULK_SUV or s.high > HIGHEST_SUV:
            found = f"values up to {s.high:.4g} (99th percentile {bulk:.4g}), as of Bq/ml{usual}"
        elif s.high < LOWEST_PEAK_SUV:
            found = f"no value above {s.high:.3g}, as of a scaled picture{usual}"
        elif s.low < -0.05 * s.high and s.low < -0.5:
            found = f"values down to {s.low:.3g}, as of a normalised picture{usual}"
        else:
            continue
        yield finding(CODE, "error", row["image_id"], found=found, expected="SUVbw")
