"""CheXmask's tables (Gaggion et al. 2024): run-length coded masks of lungs and heart."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import Progress
from tumorboard.datasets.chest_masks import codes
from tumorboard.datasets.chest_masks.boxes import Box, BoxRows
from tumorboard.io.inflate import is_gzip

__all__ = ["box_of_runs", "read"]

_MASKS = {"Left Lung": "left lung", "Right Lung": "right lung", "Heart": "cardiac silhouette"}
_QUALITY = "Dice RCA (Mean)"
_KNOWN = {*_MASKS, "Landmarks", _QUALITY, "Dice RCA (Max)", "Height", "Width", ""}
_LONGEST_CELL = 2**24
_MOST_PIXELS = 2**28


def read(
    source: Path,
    *,
    onto: Path | None = None,
    run: str = "chexmask",
    image_column: str = "",
    least_quality: float = 0.0,
    progress: Progress | None = None,
) -> Cohort:
    """Add the boxes of a CheXmask table to the X-rays of a cohort.

    Parameters
    ----------
    source : CSV or CSV.gz at original resolution.
    onto : the cohort with the X-rays; rows are matched by file name without folder and suffix.
    run : name of the run that the boxes belong to.
    image_column : column of the image's name; default: the first column that is none of the published others.
    least_quality : rows with a lower "Dice RCA (Mean)" are left out.

    Errors: LAY101 no row of a known image, LAY103 no such table, CXM101 runs that are none, CXM102 another size.
    """
    rows = BoxRows.onto(onto, run)
    poor = 0
    for done, (name, cells, where) in enumerate(_records(Path(source), image_column), start=1):
        if progress and done % 1000 == 0:
            progress(done, done)
        image = rows.image(name)
        if image is None:
            continue
        quality = _number(cells.get(_QUALITY), where)
        if quality is not None and quality < least_quality:
            poor += 1
            continue
        size = [_number(cells.get(key), where) for key in ("Height", "Width")]
        if None in size:
            raise TumorboardError(codes.MASKS_FORM, where, found="no Height or Width", expected="both")
        height, width = (int(value or 0) for value in size)
        rows.require_size(image, height, width, where)
        boxes = {
            location: box
            for column, location in _MASKS.items()
            if (box := box_of_runs(cells.get(column) or "", height, width, where=f"{where}, {column}")) is not None
        }
        rows.add(image, boxes, score=quality)
    if poor:
        rows.notes.append(f"{poor} rows below {_QUALITY} {least_quality:g} left out")
    return rows.finish("chexmask", Path(source), run=run, image_column=image_column, least_quality=least_quality)


def box_of_runs(text: str, height: int, width: int, *, where: str) -> Box | None:
    """Box (pixel edges) of a mask given as "start length start length ...", starts counted from 1, row after row. None
    for no runs; CXM101 for runs that are none or leave the picture."""
    try:
        numbers = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        numbers = np.array([0])
    if not len(numbers):
        return None
    first, length = numbers[::2] - 1, numbers[1::2]
    size = height * width
    if (
        len(numbers) % 2
        or size > _MOST_PIXELS
        or (first < 0).any()
        or (length < 1).any()
        or (first + length > size).any()
    ):
        raise TumorboardError(
            codes.MASKS_FORM, where, found=repr(text[:40]), expected=f"runs within {height} x {width}"
        )
    last = first + length - 1
    whole = (first // width != last // width).any()  # a run over the end of a row covers both ends
    x1, x2 = (0, width) if whole else (int((first % width).min()), int((last % width).max()) + 1)
    return float(x1), float((first // width).min()), float(x2), float((last // width).max() + 1)


def _records(path: Path, image_column: str) -> Iterator[tuple[str, Mapping[str, str], str]]:
    """(image name, cells, where) row by row; nothing but the current row is held."""
    if not path.is_file():
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, path, found="no such file", expected="a CheXmask table")
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        with _opened(path) as file:
            reader = csv.DictReader(file, strict=True)
            columns = [str(column) for column in reader.fieldnames or []]
            key = image_column or next((c for c in columns if c not in _KNOWN and not c.startswith("Unnamed")), "")
            lacking = [column for column in (key, *_MASKS, "Height", "Width") if column not in columns]
            if lacking:
                raise TumorboardError(
                    layout_codes.TABLE_FORM, path, found=f"columns {columns[:10]}", expected=f"also {lacking}"
                )
            for cells in reader:
                yield str(cells[key] or ""), cells, f"{path.name}, row {reader.line_num}"
    except (csv.Error, UnicodeDecodeError, EOFError, OSError) as error:
        raise TumorboardError(layout_codes.TABLE_FORM, path, found=str(error)[:120], expected="UTF-8 CSV") from error
    finally:
        csv.field_size_limit(before)


def _opened(path: Path) -> TextIO:
    if is_gzip(path):
        return gzip.open(path, "rt", encoding="utf-8", newline="")  # row by row: no bound is needed but a cell's
    return path.open(encoding="utf-8-sig", newline="")


def _number(text: str | None, where: str) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value < 1e6:
        raise TumorboardError(layout_codes.TABLE_VALUE, where, found=repr(text), expected="a number of 0 or more")
    return value
