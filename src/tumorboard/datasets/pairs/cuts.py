"""`cuts.csv`: the sub-volume of each patient's CT on which a segmentation score is taken.

Columns ``patient, i_low, i_high, j_low, j_high, k_low, k_high``: voxels to remove at the low and the high end of
each axis of the CT array as stored. The images stay whole; the counts are kept in the CT's row of `images`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.datasets import codes
from tumorboard.datasets.tablefile import Sheet, read_sheet, write_csv
from tumorboard.io.images import load_image

__all__ = ["COLUMNS", "FILE_NAME", "Cut", "cut_problem", "read_cuts", "write_cuts"]

FILE_NAME = "cuts.csv"
COLUMNS = ("patient", "i_low", "i_high", "j_low", "j_high", "k_low", "k_high")

Cut = list[list[int]]
"""[[i_low, i_high], [j_low, j_high], [k_low, k_high]]"""


def read_cuts(path: Path) -> dict[str, Cut]:
    """Patient -> cut. LAY103 for another table, LAY104 for a cell that is no count of voxels."""
    sheet = read_sheet(path)
    sheet.require(*COLUMNS)
    cuts: dict[str, Cut] = {}
    for index, row in enumerate(sheet.rows):
        patient = str(row["patient"] or "").strip()
        if not patient or patient in cuts:
            raise TumorboardError(
                codes.TABLE_VALUE, sheet.where(index), found=f"patient {patient!r}", expected="each patient once"
            )
        counts = [_count(sheet, index, row[name.replace("_", " ")]) for name in COLUMNS[1:]]
        cuts[patient] = [counts[0:2], counts[2:4], counts[4:6]]
    return cuts


def write_cuts(path: Path, cuts: Mapping[str, Cut]) -> None:
    """Write the table that `read_cuts` reads."""
    write_csv(path, COLUMNS, [[patient, *(n for ends in cut for n in ends)] for patient, cut in cuts.items()])


def cut_problem(cut: Cut, *, patient: str, ct: Mapping[str, Any], masks: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong in words when the cut removes a part of a mask on the CT's grid; None when all is well.
    LAY108 when the cut leaves nothing of the image."""
    if any(low + high >= size for (low, high), size in zip(cut, ct["shape"], strict=True)):
        raise TumorboardError(
            codes.EVALUATION_CUT, f"patient {patient}", found=f"{cut}", expected=f"less than {ct['shape']} voxels"
        )
    inside = tuple(slice(low, size - high) for (low, high), size in zip(cut, ct["shape"], strict=True))
    for mask in masks:
        array = load_image({**mask, "unit": Unit.LABEL}, None).array != 0
        whole, kept = int(np.count_nonzero(array)), int(np.count_nonzero(array[inside]))
        if kept < whole:
            return f"{mask['image_id']}: the evaluation cut removes {whole - kept} of {whole} voxels of the mask"
    return None


def _count(sheet: Sheet, index: int, cell: Any) -> int:
    text = str(cell).strip() if cell is not None else ""
    if isinstance(cell, float) and cell.is_integer():
        text = str(int(cell))
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise TumorboardError(
            codes.TABLE_VALUE, sheet.where(index), found=repr(text[:40]), expected="a count of voxels, 0 or more"
        )
    return int(text)
