"""DeepLesion, whole or in parts -> one Cohort."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import import_entry
from tumorboard.datasets.deeplesion import codes, rows
from tumorboard.datasets.deeplesion.companions import LesionTags, read_boxes, read_companion, read_pairs, read_tags
from tumorboard.datasets.deeplesion.names import require_names
from tumorboard.datasets.deeplesion.table import (
    COLUMNS,
    WHOLE_ROWS,
    LesionTable,
    concatenate,
    read_lesions,
    read_row_index,
    with_index,
)
from tumorboard.datasets.deeplesion.volumes import IMAGE_FOLDERS, Slices, SubVolume, find_slices, plan_volumes
from tumorboard.datasets.identifiers import read_ids
from tumorboard.io.confine import confined
from tumorboard.io.images import load_image

__all__ = ["read", "read_table"]

_NOTE = "official split of the patient; not a covariate"
_HEAD_BYTES = 4096


def read(
    source: Path,
    *,
    name: str | None = None,
    tables: str = "",
    index: Literal["auto", "row", "none"] = "auto",
    images: Path | None = None,
    convention: str = "auto",
    order: Literal["study", "age"] = "study",
    floor_hu: float | None = None,
    companions: bool = True,
) -> Cohort:
    """Read DL_info.csv or parts of it, and what lies beside it.

    Parameters
    ----------
    source : the folder with the tables, or one table (`.csv`, `.csv.gz`).
    tables : names of the tables to read, with commas; default: every one with the 18 columns.
    index : how a lesion gets its index, the row number in the whole table, which companion sets go by: ``auto`` (from a
        table with `row_index` and `File_name`; else the row number in a table of 32,735 rows; else unknown), ``row``
        (the row number in any case) or ``none``.
    images : folder of slices or NIfTI sub-volumes; default: `Images_png` or `Images_nifti` beside the tables, if there.
    convention : z order of NIfTI sub-volumes: ``auto`` (by header), ``official``, ``reversed``, ``exclusive`` or
        ``frame`` (`datasets.deeplesion.nifti`).
    order : exams by study number, or by age and then study number; neither is a date.
    floor_hu : raise what is darker (padding outside the field of view) to this; default: leave it.
    companions : read LesaNet's labels, DLS pairs and manual 3-D boxes (JSON) that lie in the source.

    Noisy lesions are kept and flagged; a type of -1 becomes the label `lesion`, which is no class. Errors: LAY101,
    LAY103, DPL101 to DPL108.
    """
    source = Path(source).resolve()
    folder = source if source.is_dir() else source.parent
    lesions, notes = read_table(source, tables=tables, index=index)
    require_names(lesions)
    usual = next((folder / place for place in IMAGE_FOLDERS if (folder / place).is_dir()), None)
    slices = find_slices(images or usual, convention=convention)
    ids = read_ids(folder)
    notes += slices.notes
    volumes, owner = plan_volumes(lesions, slices)
    notes += _image_notes(lesions, volumes, slices)
    order_of = rows.study_order(lesions, order=order)
    told = _companions(folder, lesions, volumes, order_of, notes) if companions and source.is_dir() else _Told()
    entry = import_entry(
        "deeplesion", source, notes=notes, tables=tables, index=index, images=images, convention=convention,
        order=order, floor_hu=floor_hu, companions=companions,
    )  # fmt: skip
    findings = rows.finding_rows(lesions, volumes, owner, told.tags) + told.boxes
    return Cohort.build(
        name or folder.name,
        dictionary=[Variable("split", Kind.TEXT, note=_NOTE)],
        provenance=[entry],
        loader=load_image,
        patients=rows.patient_rows(lesions, ids=ids),
        exams=rows.exam_rows(order_of, ids=ids),
        images=rows.image_rows(volumes, lesions, floor_hu=floor_hu, ids=ids),
        findings=findings,
        relations=told.relations,
        runs=[{"run_id": rows.MANUAL_RUN, "kind": "expert"}] if told.boxes else [],
    )


def read_table(
    source: Path, *, tables: str = "", index: Literal["auto", "row", "none"] = "auto"
) -> tuple[LesionTable, list[str]]:
    """The lesions of all tables, in their order, with their index as far as it is known; and notes."""
    notes: list[str] = []
    paths, row_tables = _tables(Path(source), tables)
    parts = [(path, read_lesions(path)) for path in paths]
    lesions = concatenate(parts)
    whole = len(parts) == 1 and len(lesions) == WHOLE_ROWS
    if index == "row" or (index == "auto" and not row_tables and whole):
        if len(parts) > 1:
            raise TumorboardError(
                codes.INDEX_TABLE, source, found=f"{len(parts)} tables", expected="one table for index=row"
            )
        lesions = replace(lesions, lesion_index=np.arange(len(lesions)))
    elif index == "auto":
        for path in row_tables:
            lesions = with_index(lesions, read_row_index(path), path)
    unknown = int((lesions.lesion_index < 0).sum())
    if unknown:
        notes.append(f"{unknown} lesions without their row number in the whole table: labels by row cannot be joined")
    if lesions.noisy.any():
        notes.append(f"{int(lesions.noisy.sum())} lesions are marked as possibly noisy; they are kept and flagged")
    return lesions, notes


class _Told:
    """What companion sets add."""

    def __init__(self) -> None:
        self.tags: dict[int, LesionTags] = {}
        self.relations: list[dict[str, Any]] = []
        self.boxes: list[dict[str, Any]] = []


def _companions(
    folder: Path,
    lesions: LesionTable,
    volumes: list[SubVolume],
    order_of: dict[tuple[int, int], int],
    notes: list[str],
) -> _Told:
    told = _Told()
    split_of = dict(zip(lesions.lesion_index.tolist(), lesions.split.tolist(), strict=True))
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith(".") or not path.name.endswith((".json", ".json.gz")):
            continue
        found = read_companion(path)
        if found is None:
            notes.append(f"{path.name}: no companion set, left out")
            continue
        kind, content = found
        if kind == "pairs":
            relations, lost = rows.pair_rows(read_pairs(content, path), lesions, order_of)
            known = {row["relation_id"] for row in told.relations}
            told.relations += [row for row in relations if row["relation_id"] not in known]
            notes += [f"{path.name}: {lost} pairs with a lesion that is not in the table"] if lost else []
        elif kind == "boxes":
            boxes, absent = rows.box_rows(read_boxes(content, path), volumes)
            told.boxes += boxes
            notes += [f"{path.name}: {absent} sub-volumes that are not in the table"] if absent else []
        else:
            tags = read_tags(kind, content, path)
            _require_splits(tags, split_of, path)
            for lesion, words in tags.items():
                before = told.tags[lesion].tags if lesion in told.tags else {}
                told.tags[lesion] = LesionTags({**before, **words.tags})
            joined = sum(lesion in split_of for lesion in tags)
            notes.append(f"{path.name}: labels of {joined} lesions joined by row number, {len(tags) - joined} not here")
    return told


def _require_splits(tags: dict[int, LesionTags], split_of: dict[int, int], where: Path) -> None:
    """DPL104 where a companion set says another split than the row that its number points to: numbers are off."""
    wrong = [index for index, words in tags.items() if index in split_of and split_of[index] not in words.splits]
    if wrong:
        raise TumorboardError(
            codes.INDEX_TABLE,
            where,
            found=f"lesion {wrong[0]} in split {split_of[wrong[0]]}",
            expected=f"one of {tags[wrong[0]].splits}, as the companion set says",
        )


def _tables(source: Path, wanted: str) -> tuple[list[Path], list[Path]]:
    """Tables of lesions and tables of row numbers, by heading."""
    if source.is_file():
        return [source], [path for path in _csv_files(source.parent) if _columns(path) >= {"row_index", "File_name"}]
    if not source.is_dir():
        raise TumorboardError(layout_codes.LAYOUT_NOT_FOUND, source, found="no such folder", expected="DL_info.csv")
    found = _csv_files(source)
    heads = {path: _columns(path) for path in found}
    lesions = [path for path in found if heads[path] >= set(COLUMNS)]
    if wanted:
        lesions = [confined(source, name.strip()) for name in wanted.split(",")]
    if not lesions:
        raise TumorboardError(
            layout_codes.LAYOUT_NOT_FOUND, source, found="no table with the 18 columns", expected="DL_info.csv"
        )
    return lesions, [path for path in found if heads[path] >= {"row_index", "File_name"}]


def _csv_files(folder: Path) -> list[Path]:
    named = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(path for path in named if path.name.lower().endswith((".csv", ".csv.gz")))


def _columns(path: Path) -> set[str]:
    """Names in the heading; empty where it cannot be read."""
    compression = "gzip" if path.name.lower().endswith(".gz") else None
    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            head = stream.read(_HEAD_BYTES).decode("utf-8-sig", errors="replace")
    except (OSError, pa.ArrowInvalid):
        return set()
    return {cell.strip().strip('"') for cell in head.partition("\n")[0].split(",")}


def _image_notes(lesions: LesionTable, volumes: list[SubVolume], slices: Slices) -> list[str]:
    notes = []
    unplaced = sum(not volume.placed for volume in volumes)
    if unplaced:
        notes.append(f"{codes.NO_SPACING.id}: {unplaced} sub-volumes without a usable spacing or slice interval")
    spacings: dict[str, set[float]] = {}
    for volume in volumes:
        spacings.setdefault(volume.name.series_name, set()).add(volume.spacing_mm[2])
    several = [name for name, found in spacings.items() if len(found) > 1]
    if several:
        notes.append(f"series with more than one slice interval (frames differ along z): {', '.join(several[:5])}")
    missing = sum(volume.part is None for volume in volumes)
    if slices.parts and missing:
        notes.append(f"{missing} of {len(volumes)} sub-volumes have no slices here")
    unknown = len(set(slices.parts) - set(lesions.series_name.tolist()))
    if unknown:
        notes.append(f"{unknown} series have slices but no row in the table, hence no spacing: left out")
    return notes
