"""Cohort of marked CT lesions -> DL_info.csv, slices or sub-volumes, pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.datasets import codes
from tumorboard.datasets.deeplesion.numbering import number_cohort
from tumorboard.datasets.deeplesion.records import LesionRecord, lesion_records
from tumorboard.datasets.deeplesion.rows import MANUAL_RUN
from tumorboard.datasets.deeplesion.slices import write_images
from tumorboard.datasets.deeplesion.table import COLUMNS
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.identifiers import write_ids
from tumorboard.datasets.tablefile import write_csv

__all__ = ["BOXES", "PAIRS", "ROW_INDEX", "TABLE", "write"]

TABLE = "DL_info.csv"
ROW_INDEX = "DL_info_row_index.csv"
PAIRS = "dls_pairs.json"
BOXES = "manual_3d_boxes.json"


def write(
    cohort: Cohort,
    out: Path,
    *,
    images: Literal["png", "nifti", "none"] = "png",
    z: Literal["frame", "official"] = "frame",
    context_mm: float = 0.0,
    lossy: bool = False,
) -> None:
    """Write the experts' RECIST pairs as `DL_info.csv` (18 columns, 1-based) with the CT they lie in.

    Rows go by the lesions' own index where all have one, else in table order; `DL_info_row_index.csv` keeps the index.
    SAME_LESION relations become pairs as of the Deep Longitudinal Study (`dls_pairs.json`). Patients whose id is no
    number of six digits get one (`patient_ids.csv`).

    Parameters
    ----------
    images : slices as 16-bit PNG (`Images_png`), sub-volumes as NIfTI (`Images_nifti`), or only the table.
    z : of NIfTI. Slices always run towards the feet. ``frame``: array (column, row, slice), origin such that all
        sub-volumes of a series share a frame; ``official``: array (row, column, slice), origin at the first voxel, as
        DL_save_nifti.py writes it. `CONVENTION.txt` beside the files says which.
    context_mm : give only this much above and below each key slice (more for longer lesions), as published with 30; 0:
        the whole scan.
    lossy : leave out what the table cannot say (masks, other images, exams and images without a marked lesion, other
        findings), and where no split is known put of five patients one into validation and one into test.

    Errors: FIL102 values that are no HU of 16 bits, LAY111 what cannot be said (unless lossy), LAY112, LAY113.
    """
    numbered = number_cohort(cohort, lossy=lossy)
    records = lesion_records(cohort, numbered, context_mm=context_mm)
    if not records:
        raise TumorboardError(
            codes.NOT_WRITABLE, cohort.name, found="no marked lesion", expected="RECIST pairs of the run expert"
        )
    with new_folder(Path(out), cohort) as folder:
        write_csv(folder / TABLE, COLUMNS, [record.cells() for record in records])
        index = [(record.index, record.file_name) for record in records]
        write_csv(folder / ROW_INDEX, ["row_index", "File_name"], index)
        write_ids(folder, numbered.patient_names)
        _write_json(folder / PAIRS, _pairs(cohort, records))
        _write_json(folder / BOXES, _boxes(cohort))
        write_images(cohort, records, folder, images=images, z=z)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    if content:
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _pairs(cohort: Cohort, records: list[LesionRecord]) -> dict[str, Any]:
    """Both directions of every pair, numbered from 0001."""
    known = {record.finding_id: record for record in records}
    found: dict[str, Any] = {}
    for row in cohort.rows("relations", predicate=SAME_LESION, run_id=EXPERT):
        ends = known.get(row["subject"]), known.get(row["object"])
        if ends[0] is None or ends[1] is None or not (ends[0].placed and ends[1].placed):
            continue
        for source, target in (ends, ends[::-1]):
            assert source is not None and target is not None
            found[f"{len(found) + 1:04d}"] = source.pair_end("source") | target.pair_end("target")
    return found


def _boxes(cohort: Cohort) -> dict[str, list[list[float]]]:
    found: dict[str, list[list[float]]] = {}
    for row in cohort.rows("findings", run_id=MANUAL_RUN, kind="box"):
        found.setdefault(row["image_id"], []).append(json.loads(row["attributes"])["voxels"])
    return found
