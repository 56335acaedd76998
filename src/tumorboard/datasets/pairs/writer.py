"""Cohort -> folder of CT, PET and mask files per patient."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role
from tumorboard.datasets import codes
from tumorboard.datasets.assembly import choice
from tumorboard.datasets.export import export_nifti, new_folder, rows_by_patient
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.datasets.pairs.cuts import FILE_NAME as CUTS
from tumorboard.datasets.pairs.cuts import Cut, write_cuts
from tumorboard.datasets.pairs.names import WORDS

__all__ = ["write"]

_WORDS = {Modality.CT: "CT", Modality.PT: "PET", Modality.RTDOSE: "RTDOSE"}

# A flat name ends in role words: an id that does so itself would be cut short when read.
_WRITABLE = rf"(?i:(?!(.*[._-])?({'|'.join(WORDS)})$))[A-Za-z0-9]([A-Za-z0-9._-]{{0,98}}[A-Za-z0-9])?"


def write(cohort: Cohort, out: Path, *, style: str = "folders") -> None:
    """Write CT, PET, dose and the experts' masks of every exam as `.nii.gz`.

    `style` is ``folders`` (`<ID>/CT_image.nii.gz`, with a sub-folder per exam where a patient has several) or
    ``flat`` (`<ID>_CT_image.nii.gz`). Evaluation cuts go to `cuts.csv`, ids that cannot be file names to
    `patient_ids.csv`. Clinical values, outcomes and findings have no place in this layout.

    Errors: LAY111 for several images of a kind in an exam, or several exams in a flat folder; LAY112 when `out`
    is not empty.
    """
    style = choice("style", style, ["folders", "flat"])
    names = file_names(cohort.patient_ids, allowed=_WRITABLE)
    with new_folder(out, cohort) as folder:
        cuts: dict[str, Cut] = {}
        for patient in rows_by_patient(cohort):
            patient_id, written = patient.patient_id, names[patient.patient_id]
            exams = [exam["exam_id"] for exam in patient.exams]
            if style == "flat" and len(exams) > 1:
                raise TumorboardError(
                    codes.NOT_WRITABLE,
                    f"patient {patient_id}",
                    found=f"{len(exams)} exams",
                    expected="one (style=flat)",
                )
            for order, exam_id in enumerate(exams):
                place = folder / written / f"exam-{order}" if len(exams) > 1 else folder / written
                for row, name in _file_names(patient.images_of(exam_id)):
                    target = folder / f"{written}_{name}" if style == "flat" else place / name
                    export_nifti(cohort, row, target)
                    cut = json.loads(row["options"] or "{}").get("evaluation_cut")
                    if cut:
                        cuts[written] = cut
        if cuts:
            write_cuts(folder / CUTS, cuts)
        write_ids(folder, names)


def _file_names(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], str]]:
    """Every row with its file name; LAY111 when two rows of an exam would take one name."""
    named = [(row, _file_name(row, rows)) for row in rows if row["modality"] in {*_WORDS, Modality.SEG}]
    names = [name for _, name in named]
    for row, name in named:
        if names.count(name) > 1:
            raise TumorboardError(
                codes.NOT_WRITABLE, row["image_id"], found=f"{names.count(name)} images called {name}", expected="one"
            )
    return named


def _file_name(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    if row["role"] != Role.MASK:
        word = "CTplanning" if row["image_id"].endswith(".CTplan") else _WORDS[row["modality"]]
        return f"{word}.nii.gz" if word in ("RTDOSE", "CTplanning") else f"{word}_image.nii.gz"
    reference = next((other for other in rows if other["image_id"] == row["reference_image_id"]), None)
    structures = set((row["labels"] or {}).values())
    word = _WORDS[reference["modality"]] + "_" if reference else ""
    structure = f"{structures.pop()}_" if structures in ({"GTVp"}, {"GTVn"}) else ""
    return f"{word}{structure}mask.nii.gz"
