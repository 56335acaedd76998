"""Masks of a run -> DICOM SEG or RTSTRUCT, each on the series that it was made on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tumorboard.core.cohort import Cohort, PatientView
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role, Unit
from tumorboard.datasets import codes
from tumorboard.datasets.dicom.writer import derived_series, on_series, study_identity
from tumorboard.datasets.export import new_folder
from tumorboard.datasets.identifiers import file_names, write_ids
from tumorboard.datasets.tablefile import write_csv
from tumorboard.io.dicom import codes as dicom_codes
from tumorboard.io.dicom.identity import without_identity
from tumorboard.io.dicom.rtstruct_write import write_structures
from tumorboard.io.dicom.scan import dicom_files
from tumorboard.io.dicom.seg_write import write_segmentation
from tumorboard.io.dicom.series import Series, arrange_series, load_headers
from tumorboard.io.images import image_path

__all__ = ["DERIVED_TABLE", "write_segmentations", "write_structure_sets"]

_ARRANGEMENT = ("select", "allow_shear", "allow_incomplete", "slice_step_mm")
DERIVED_TABLE = "derived_series.csv"
"""Which DICOM series in an export are conversions of images that came without one."""


def write_segmentations(
    cohort: Cohort,
    out: Path,
    *,
    run_id: str = EXPERT,
    derived: bool = True,
    without_image: Literal["error", "skip"] = "error",
    identity: Literal["remove", "keep"] = "remove",
) -> None:
    """Write every mask of a run as `<ID>/<mask>.SEG.dcm`, referring to its source series.

    Parameters
    ----------
    run_id : whose masks; ``expert`` for those of people.
    derived : where the cohort's image did not come from DICOM, write it as a derived series beside the mask (listed in
        `derived_series.csv`); DCM141 otherwise.
    without_image : ``error`` (LAY111) or ``skip`` masks that refer to no image.
    identity : ``remove`` what identifies the patient and the study in the source's headers (all but the UIDs that tie a
        mask to its series; PatientID becomes the cohort's id), or ``keep`` it, for an archive that is to file the mask.

    Errors also: RTS101 no mask of that run, LAY112, SEG103, SEG105.
    """
    _export(cohort, Path(out), _Choice(run_id, derived, without_image, identity, "SEG"), write_segmentation)


def write_structure_sets(
    cohort: Cohort,
    out: Path,
    *,
    run_id: str = EXPERT,
    derived: bool = True,
    without_image: Literal["error", "skip"] = "error",
    identity: Literal["remove", "keep"] = "remove",
    holes: Literal["keyhole", "separate"] = "keyhole",
) -> None:
    """Write every mask of a run as `<ID>/<mask>.RTSTRUCT.dcm`, referring to its source series.

    `holes` as in `io.dicom.rtstruct_write.write_structures`; other parameters and errors as in `write_segmentations`.
    """

    def write_one(mask: Any, path: Path, **keywords: Any) -> None:
        label = keywords.pop("series_description")
        write_structures(mask, path, label=label, holes=holes, **keywords)

    _export(cohort, Path(out), _Choice(run_id, derived, without_image, identity, "RTSTRUCT"), write_one)


@dataclass(frozen=True)
class _Choice:
    """What is exported, and how."""

    run_id: str
    derived: bool
    without_image: str
    identity: str
    word: str


def _export(cohort: Cohort, out: Path, choice: _Choice, write_one: Callable[..., None]) -> None:
    run_id = choice.run_id
    masks = cohort.rows("images", run_id=run_id, role=str(Role.MASK))
    if not masks:
        known = sorted({row["run_id"] for row in cohort.rows("images", role=str(Role.MASK))})
        raise TumorboardError(
            dicom_codes.RT_STRUCTURE, f"run {run_id}", found="no masks", expected=f"a run among {known}"
        )
    names = file_names(cohort.patient_ids, allowed=r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
    with new_folder(out, cohort) as folder:
        conversions: list[tuple[str, str]] = []
        for patient_id, written in names.items():
            view = cohort.patient(patient_id)
            sources = _Sources(view, written, folder, choice, conversions)
            for number, row in enumerate(_usable(view, choice), 900):
                series = sources.series(row["reference_image_id"])
                mask = on_series(cohort.image(row["image_id"]), series)
                write_one(
                    mask,
                    folder / written / f"{row['image_id']}.{choice.word}.dcm",
                    source=series,
                    labels=row["labels"] or {},
                    series_description=run_id,
                    manual=run_id == EXPERT,
                    algorithm=run_id,
                    series_number=number,
                )
        if conversions:
            write_csv(folder / DERIVED_TABLE, ["image_id", "folder"], conversions)
        write_ids(folder, names)


def _usable(view: PatientView, choice: _Choice) -> Iterator[Mapping[str, Any]]:
    for row in view.images(run_id=choice.run_id, role=str(Role.MASK)):
        if row["reference_image_id"] is not None:
            yield row
        elif choice.without_image == "error":
            raise TumorboardError(
                codes.NOT_WRITABLE, row["image_id"], found="a mask that refers to no image", expected="its image"
            )


class _Sources:
    """The DICOM series of a patient's images: where they came from, or a derived one that is written here."""

    def __init__(
        self, view: PatientView, written: str, folder: Path, choice: _Choice, conversions: list[tuple[str, str]]
    ) -> None:
        self._view, self._written, self._folder = view, written, folder
        self._choice, self._conversions = choice, conversions
        self._known: dict[str, Series] = {}

    def series(self, image_id: str) -> Series:
        """The series of an image, headers only."""
        if image_id not in self._known:
            row = self._view.cohort.row("images", image_id=image_id)
            self._known[image_id] = self._own(row) if row["format"] == "dicom-series" else self._convert(row)
        return self._known[image_id]

    def _own(self, row: Mapping[str, Any]) -> Series:
        read = json.loads(row["options"] or "{}").get("read", {})
        root = image_path(row, self._view.cohort.root)
        paths = [root / name for name in read["files"]] if read.get("files") else dicom_files(root)
        headers = load_headers(paths, series_uid=read.get("series_uid"))
        if self._choice.identity == "remove":
            headers = [without_identity(header, patient_id=self._written) for header in headers]
        stated = {key: read[key] for key in _ARRANGEMENT if key in read}
        return arrange_series(headers, unit=Unit.UNKNOWN, **stated)

    def _convert(self, row: Mapping[str, Any]) -> Series:
        if not self._choice.derived:
            raise TumorboardError(
                dicom_codes.SOURCE_SERIES, row["image_id"], found=f"an image from {row['format']}", expected="a series"
            )
        exam = self._view.cohort.row("exams", exam_id=row["exam_id"])
        study = study_identity(self._view, exam, self._written)
        target = self._folder / self._written / f"{row['image_id']}.derived"
        self._conversions.append((row["image_id"], target.relative_to(self._folder).as_posix()))
        volume = self._view.cohort.image(row["image_id"])
        return derived_series(volume, target, study=study, name=row["image_id"], number=len(self._known) + 1)
