"""The table beside a folder of X-rays: which column says what, by the names in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.tablefile import read_sheet

__all__ = ["ImageEntry", "read_entries"]

_NAMES = {
    "image": ("image", "image index", "filename", "file name", "file", "image id", "dicom id", "path"),
    "mask": ("mask", "mask file", "mask path"),
    "patient": ("patientid", "patient id", "patient", "subject id", "subject"),
    "exam": ("study id", "studyid", "exam id", "exam", "study"),
    "order": ("follow up #", "order", "studyorder", "study order", "exam order"),
    "day": ("day", "days", "offset days", "offset"),
    "view": ("view", "view position", "viewpoint", "viewposition", "projection"),
    "sex": ("sex", "gender", "patient gender", "patient sex"),
    "age": ("age", "age years", "patient age"),
    "column_mm": ("column spacing mm", "spacing x mm", "pixel spacing mm", "originalimagepixelspacing[x"),
    "row_mm": ("row spacing mm", "spacing y mm", "pixel spacing mm", "y]"),
    "columns": ("original width", "originalimage[width", "orig width"),
    "rows": ("original height", "height]", "orig height"),
}
_SEX = {"m": "male", "male": "male", "f": "female", "female": "female"}


@dataclass(frozen=True)
class ImageEntry:
    """One row of the table: who, when, how. `spacing_mm` holds for a picture of `spaced_size` pixels (columns, rows),
    or for the picture as it is."""

    patient: str = ""
    exam: str = ""
    mask: str = ""
    view: str = ""
    sex: str | None = None
    age_years: float | None = None
    day: float | None = None
    order: float | None = None
    spacing_mm: tuple[float, float] | None = None
    spaced_size: tuple[float, float] | None = None


def read_entries(path: Path) -> dict[str, ImageEntry]:
    """File name without folder and suffix -> its row. LAY103 without a column of file names or with a name twice,
    LAY104 for a cell that is no number where one is expected."""
    sheet = read_sheet(path)
    column = {key: next((name for name in names if sheet.has(name)), None) for key, names in _NAMES.items()}
    if column["image"] is None:
        expected = f"one of {', '.join(_NAMES['image'])}"
        raise TumorboardError(codes.TABLE_FORM, path, found=f"columns {list(sheet.columns)[:12]}", expected=expected)
    found: dict[str, ImageEntry] = {}
    for index, row in enumerate(sheet.rows):
        cells = {key: str(row.get(name) or "").strip() if name else "" for key, name in column.items()}
        stem = PurePosixPath(cells["image"].replace("\\", "/")).stem
        if not stem or stem in found:
            problem = "no file name" if not stem else f"{stem!r} again"
            raise TumorboardError(codes.TABLE_FORM, sheet.where(index), found=problem, expected="each image once")
        found[stem] = _entry(cells, sheet.where(index))
    return found


def _entry(cells: Mapping[str, str], where: str) -> ImageEntry:
    number = {key: _number(cells[key], f"{where}, {key}") for key in ("age", "day", "order", "columns", "rows")}
    spacing = [_number(cells[key], f"{where}, {key}") for key in ("column_mm", "row_mm")]
    known = all(value is not None and value > 0 for value in spacing)
    sized = None not in (number["columns"], number["rows"])
    return ImageEntry(
        patient=_identifier(cells["patient"]),
        exam=_identifier(cells["exam"]),
        mask=cells["mask"],
        view=cells["view"],
        sex=_SEX.get(cells["sex"].casefold()),
        age_years=number["age"],
        day=number["day"],
        order=number["order"],
        spacing_mm=(spacing[0], spacing[1]) if known else None,  # type: ignore[arg-type]
        spaced_size=(number["columns"], number["rows"]) if sized else None,  # type: ignore[arg-type]
    )


def _number(text: Any, where: str) -> float | None:
    if not text:
        return None
    try:
        value = float(str(text).rstrip("Yy"))  # 057Y of older tables
    except ValueError:
        raise TumorboardError(codes.TABLE_VALUE, where, found=repr(text), expected="a number") from None
    return value if abs(value) < 1e6 else None


def _identifier(text: str) -> str:
    """``13.0`` of a spreadsheet is 13."""
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text
