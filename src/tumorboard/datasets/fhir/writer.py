"""Scene graphs -> FHIR bundles, a file per exam."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets import codes
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.fhir.bundle import Maker
from tumorboard.datasets.fhir.lesion import lesions_of
from tumorboard.datasets.graphs import exam_graphs
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.datasets.termcodes import TermCodes, read_term_codes

__all__ = ["write"]


def write(
    cohort: Cohort,
    out: Path,
    *,
    version: Literal["R4", "R5"] = "R4",
    run: str = "",
    boxes: str = "",
    lesions: str = EXPERT,
    terms: Path | None = None,
) -> None:
    """Write one bundle `<exam>.json` per exam with statements or measured lesions.

    Parameters
    ----------
    version : of FHIR.
    run, boxes : runs of the statements and of the boxes (default: the only one, else ``expert``).
    lesions : run of the measured lesions.
    terms : CSV ``label,cui,radlex,snomed`` whose codes are added to ours as further codings.

    A report of the run ``expert`` is final, any other preliminary; dates are left out, since a cohort has none.
    History and conditions are no Observations. Errors: LAY111 neither statement nor lesion, LAY112, LAY113.
    """
    maker = Maker(version, read_term_codes(terms) if terms else TermCodes())
    names = file_names(cohort.exams["exam_id"].to_pylist())
    count, measured = 0, lesions_of(cohort, cohort.exams["exam_id"].to_pylist(), run=lesions)
    with new_folder(Path(out), cohort) as folder:
        for exam in exam_graphs(cohort, run=run, boxes=boxes):
            mine = measured.get(exam.exam["exam_id"], [])
            if exam.current or mine:
                path = folder / f"{names[exam.exam['exam_id']]}.json"
                text = json.dumps(maker.bundle(exam, mine), indent=1, ensure_ascii=False)
                path.write_text(text + "\n", encoding="utf-8")
                count += 1
        if not count:
            raise TumorboardError(
                codes.NOT_WRITABLE,
                cohort.name,
                found="no statement and no lesion",
                expected="exams with statements or measured lesions",
            )
        write_ids(folder, names)
