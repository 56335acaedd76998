"""DL_info.csv, whole or in parts -> columns of numbers. Here, and only here, 1-based pixels become 0-based."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.deeplesion import codes
from tumorboard.datasets.tablefile import MAX_TABLE_BYTES

__all__ = [
    "COLUMNS",
    "SPLITS",
    "UNKNOWN_LABEL",
    "UNKNOWN_TYPE",
    "WHOLE_ROWS",
    "LesionTable",
    "concatenate",
    "read_lesions",
    "read_row_index",
]

WHOLE_ROWS = 32_735
"""Rows of the published DL_info.csv: in a table of that many, the row number is the lesion's index."""

SPLITS = {1: "train", 2: "validation", 3: "test"}
UNKNOWN_TYPE = -1
UNKNOWN_LABEL = "lesion"
BOX_MARGIN_PX = 5.0
"""Published boxes are the extremes of the four ends and this margin."""

_WHOLE = ("Patient_index", "Study_index", "Series_ID", "Key_slice_index", "Coarse_lesion_type", "Possibly_noisy",
          "Train_Val_Test")  # fmt: skip
_VECTORS = {
    "Measurement_coordinates": 8,
    "Bounding_boxes": 4,
    "Lesion_diameters_Pixel_": 2,
    "Normalized_lesion_location": 3,
    "Slice_range": 2,
    "Spacing_mm_px_": 3,
    "Image_size": 2,
    "DICOM_windows": 2,
}
_MAY_BE_MISSING = {"Normalized_lesion_location", "Spacing_mm_px_", "DICOM_windows"}
_TEXTS = ("File_name", "Patient_gender")

COLUMNS = (
    "File_name", "Patient_index", "Study_index", "Series_ID", "Key_slice_index", "Measurement_coordinates",
    "Bounding_boxes", "Lesion_diameters_Pixel_", "Normalized_lesion_location", "Coarse_lesion_type", "Possibly_noisy",
    "Slice_range", "Spacing_mm_px_", "Image_size", "DICOM_windows", "Patient_gender", "Patient_age", "Train_Val_Test",
)  # fmt: skip
"""The 18 columns, in the published order."""


@dataclass(frozen=True, eq=False)
class LesionTable:
    """n lesions in table order. Pixels are 0-based, x (column) then y (row), the centre of the first pixel at 0; slice
    numbers stay as published (1-based, in the names of the files)."""

    file_name: NDArray[Any]
    """(n,) text, PPPPPP_SS_RR_NNN.png."""
    patient: NDArray[np.int64]
    study: NDArray[np.int64]
    series: NDArray[np.int64]
    key_slice: NDArray[np.int64]
    ends_px: NDArray[np.float64]
    """(n, 4, 2): both ends of the long axis, then of the short one; may lie outside the image."""
    box_px: NDArray[np.float64]
    """(n, 4): x1, y1, x2, y2, cut at the image's edges."""
    diameters_px: NDArray[np.float64]
    """(n, 2): long, short, in pixels."""
    location: NDArray[np.float64]
    """(n, 3): relative place, 0 to 1, z grows towards the feet; NaN where missing."""
    type_number: NDArray[np.int64]
    """(n,): 1 to 8, or `UNKNOWN_TYPE`, which is no class."""
    noisy: NDArray[np.bool_]
    slice_range: NDArray[np.int64]
    """(n, 2): first and last slice given, both included."""
    spacing_mm: NDArray[np.float64]
    """(n, 3): x, y, interval between slices; as published, so perhaps NaN, 0 or negative."""
    image_size_px: NDArray[np.int64]
    """(n, 2)."""
    window_hu: NDArray[np.float64]
    """(n, 2): low, high."""
    sex: NDArray[Any]
    """(n,): F, M or None."""
    age_years: NDArray[np.float64]
    """(n,): as published (0 and 157 occur); NaN where missing."""
    split: NDArray[np.int64]
    """(n,): 1 train, 2 validation, 3 test."""
    lesion_index: NDArray[np.int64]
    """(n,): 0-based row in the whole DL_info.csv; -1 where it is not known."""

    def __len__(self) -> int:
        return len(self.file_name)

    def take(self, rows: NDArray[Any]) -> LesionTable:
        """These rows (numbers or a mask); what a row says of itself stays with it."""
        return LesionTable(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    @property
    def series_name(self) -> NDArray[Any]:
        """(n,) folder of the slice: PPPPPP_SS_RR."""
        return np.array([name.rpartition("_")[0] for name in self.file_name], dtype=object)

    @property
    def label(self) -> list[str]:
        """Type in words; `UNKNOWN_LABEL` where there is none."""
        return [LESION_TYPES[number - 1] if number > 0 else UNKNOWN_LABEL for number in self.type_number.tolist()]

    @property
    def diameters_mm(self) -> NDArray[np.float64]:
        """(n, 2): long, short; NaN where the pixel's size is not known."""
        x = self.spacing_mm[:, :1]
        with np.errstate(invalid="ignore"):
            return np.where(x > 0, self.diameters_px * x, np.nan)

    @property
    def centre_px(self) -> NDArray[np.float64]:
        """(n, 2): mean of the four ends, not the centre of the box."""
        return np.asarray(self.ends_px.mean(axis=1))


def read_lesions(path: Path) -> LesionTable:
    """The lesions of one table (.csv or .csv.gz), without their index in the whole one (see `read_row_index`).

    Errors: DPL101 missing columns, DPL102 a cell that is not of its column, LAY103 no readable table.
    """
    table = _parsed(path)
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise TumorboardError(
            codes.TABLE_COLUMNS, path, found=f"no column {', '.join(missing)}", expected="the 18 columns of DL_info.csv"
        )
    whole = {name: _whole(table, name, path) for name in _WHOLE}
    vector = {name: _vector(table, name, width, path) for name, width in _VECTORS.items()}
    size = vector["Image_size"]
    ends = vector["Measurement_coordinates"].reshape(-1, 4, 2) - 1.0
    edges = np.concatenate([size, size], axis=1) - 0.5
    lesions = LesionTable(
        file_name=_text(table, "File_name"),
        patient=whole["Patient_index"],
        study=whole["Study_index"],
        series=whole["Series_ID"],
        key_slice=whole["Key_slice_index"],
        ends_px=ends,
        box_px=np.clip(vector["Bounding_boxes"] - 1.0, -0.5, edges),
        diameters_px=vector["Lesion_diameters_Pixel_"],
        location=vector["Normalized_lesion_location"],
        type_number=whole["Coarse_lesion_type"],
        noisy=whole["Possibly_noisy"] == 1,
        slice_range=_integers(vector["Slice_range"], "Slice_range", path),
        spacing_mm=vector["Spacing_mm_px_"],
        image_size_px=_integers(size, "Image_size", path),
        window_hu=vector["DICOM_windows"],
        sex=_text(table, "Patient_gender"),
        age_years=table["Patient_age"].to_numpy(),
        split=whole["Train_Val_Test"],
        lesion_index=np.full(table.num_rows, -1, np.int64),
    )
    _require_codes(lesions, path)
    return lesions


def read_row_index(path: Path) -> dict[str, list[int]]:
    """File name -> rows of its lesions in the whole DL_info.csv, in that order (columns `row_index`, `File_name`)."""
    table = _parsed(path)
    if not {"row_index", "File_name"} <= set(table.column_names):
        raise TumorboardError(
            codes.INDEX_TABLE, path, found=f"columns {table.column_names}", expected="row_index, File_name"
        )
    try:
        rows = table["row_index"].cast(pa.int64()).to_pylist()
    except pa.ArrowInvalid as error:
        raise TumorboardError(codes.INDEX_TABLE, path, found=str(error), expected="row numbers") from error
    if None in rows or len(set(rows)) < len(rows) or min(rows, default=0) < 0:
        raise TumorboardError(
            codes.INDEX_TABLE, path, found="empty, negative or doubled row numbers", expected="each row once"
        )
    found: dict[str, list[int]] = {}
    for row, name in sorted(zip(rows, table["File_name"].to_pylist(), strict=True)):
        found.setdefault(name, []).append(row)
    return found


def concatenate(parts: Sequence[tuple[Path, LesionTable]]) -> LesionTable:
    """One table of several, in their order. DPL103 when a lesion is in two of them."""
    seen: dict[tuple[str, bytes], Path] = {}
    for path, part in parts:
        keys = {(name, ends.tobytes()) for name, ends in zip(part.file_name, part.ends_px, strict=True)}
        for key in keys:
            if key in seen:
                raise TumorboardError(
                    codes.ROWS_TWICE, f"{seen[key].name} and {path.name}", found=f"{key[0]} in both", expected="in one"
                )
        seen |= dict.fromkeys(keys, path)
    columns = {f.name: np.concatenate([getattr(part, f.name) for _, part in parts]) for f in fields(LesionTable)}
    return LesionTable(**columns)


def with_index(lesions: LesionTable, rows: dict[str, list[int]], where: Path) -> LesionTable:
    """The lesions with their index: the n-th lesion of a slice is the n-th row of its name. DPL104 when a slice has
    another number of lesions than rows; slices that the table of rows does not name keep what they have."""
    index = lesions.lesion_index.copy()
    met: dict[str, int] = {}
    for place, name in enumerate(lesions.file_name):
        if name in rows:
            met[name] = met.get(name, 0) + 1
            if met[name] <= len(rows[name]):
                index[place] = rows[name][met[name] - 1]
    wrong = [name for name, count in met.items() if count != len(rows[name])]
    if wrong:
        name = wrong[0]
        raise TumorboardError(
            codes.INDEX_TABLE, where, found=f"{len(rows[name])} rows of {name}", expected=f"{met[name]}, as lesions"
        )
    return replace(lesions, lesion_index=index)


# ---- cells ----------------------------------------------------------------------------------------------
def _parsed(path: Path) -> pa.Table:
    compression = "gzip" if path.name.lower().endswith(".gz") else None
    types = dict.fromkeys([*_TEXTS, *_VECTORS], pa.string()) | dict.fromkeys([*_WHOLE, "Patient_age"], pa.float64())
    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            data = stream.read(MAX_TABLE_BYTES + 1)
        if len(data) > MAX_TABLE_BYTES:
            raise TumorboardError(
                layout_codes.TABLE_FORM, path, found=f"more than {MAX_TABLE_BYTES} bytes", expected="a table of lesions"
            )
        return pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(block_size=2**22),
            convert_options=pa_csv.ConvertOptions(column_types=types, strings_can_be_null=True),
        ).combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowKeyError, UnicodeDecodeError, OSError, EOFError) as error:
        raise TumorboardError(layout_codes.TABLE_FORM, path, found=str(error)[:200], expected="a CSV table") from error


def _text(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(table[name].to_numpy(), dtype=object)


def _whole(table: pa.Table, name: str, path: Path) -> NDArray[np.int64]:
    return _integers(table[name].to_numpy(), name, path)


def _integers(values: NDArray[np.float64], name: str, path: Path) -> NDArray[np.int64]:
    """(n, ...) as whole numbers; DPL102 for fractions and numbers beyond 32 bits."""
    with np.errstate(invalid="ignore"):
        good = (values == np.trunc(values)) & (np.abs(values) < 2**31)
    if not good.all():
        row = int(np.argwhere(~good)[0][0])
        raise _cell(path, name, row, f"{values[row]}", "a whole number")
    return np.asarray(values, np.int64)


def _vector(table: pa.Table, name: str, width: int, path: Path) -> NDArray[np.float64]:
    """(n, width) of a column of lists such as "12.5, 30"; empty cells are NaN where they may be."""
    cells = table[name]
    if cells.null_count and name not in _MAY_BE_MISSING:
        raise _cell(path, name, int(pc.index(pc.is_null(cells), True).as_py()), "an empty cell", f"{width} numbers")
    cells = pc.fill_null(cells, ",".join(["nan"] * width)).combine_chunks()
    cells = cells.combine_chunks() if isinstance(cells, pa.ChunkedArray) else cells
    parts = pc.split_pattern(cells, ",")
    wrong = pc.not_equal(pc.list_value_length(parts), width)
    if pc.any(wrong).as_py():
        row = int(pc.index(wrong, True).as_py())
        raise _cell(path, name, row, repr(cells[row].as_py()), f"{width} numbers")
    try:
        numbers = pc.cast(pc.ascii_trim_whitespace(parts.flatten()), pa.float64()).to_numpy().reshape(-1, width)
    except pa.ArrowInvalid as error:
        raise TumorboardError(codes.TABLE_CELL, f"{path}, {name}", found=str(error), expected="numbers") from error
    if name not in _MAY_BE_MISSING and not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise _cell(path, name, row, repr(cells[row].as_py()), f"{width} finite numbers")
    return np.asarray(numbers)


def _require_codes(lesions: LesionTable, path: Path) -> None:
    """DPL102 for a type, split or slice that cannot be."""
    first, last = lesions.slice_range.T
    rules = (
        ("Coarse_lesion_type", lesions.type_number, np.isin(lesions.type_number, (-1, *range(1, 9))), "1 to 8, or -1"),
        ("Train_Val_Test", lesions.split, np.isin(lesions.split, tuple(SPLITS)), "1, 2 or 3"),
        ("Key_slice_index", lesions.key_slice, (first <= lesions.key_slice) & (lesions.key_slice <= last),
         "a slice of Slice_range"),
        ("Slice_range", first, first >= 1, "slices from 1"),
        ("Image_size", lesions.image_size_px[:, 0], (lesions.image_size_px > 0).all(axis=1), "sizes above 0"),
    )  # fmt: skip
    for name, values, good, expected in rules:
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise _cell(path, name, row, str(values[row]), expected)
    named = np.array([bool(name) for name in lesions.file_name])
    if not named.all():
        raise _cell(path, "File_name", int(np.flatnonzero(~named)[0]), "an empty cell", "PPPPPP_SS_RR_NNN.png")


def _cell(path: Path, column: str, row: int, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.TABLE_CELL, f"{path}, row {row + 2}, {column}", found=found, expected=expected)
