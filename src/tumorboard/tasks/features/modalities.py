"""Which modalities a patient has at baseline: the first exam's CT, PET, dose and masks, and clinical data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort, ImageLoader
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume

__all__ = ["CLINICAL", "MODALITIES", "BaselineImages", "baseline_images"]

CLINICAL = "clinical"
MODALITIES = (CLINICAL, "PET", "CT", "dose", "mask")
"""What a model may be given, in the order of the tables."""

_KINDS = {
    "PET": (Modality.PT, Role.IMAGE, Unit.SUVBW),
    "CT": (Modality.CT, Role.IMAGE, Unit.HU),
    "dose": (Modality.RTDOSE, Role.DOSE, Unit.GY),
}


@dataclass(frozen=True)
class BaselineImages:
    """Rows of one patient's images before treatment, by modality; small enough to cross to another process."""

    patient_id: str
    rows: Mapping[str, Mapping[str, Any]]
    loader: ImageLoader | None
    root: Path | None

    def has(self, modality: str) -> bool:
        return modality in self.rows

    def load(self, modality: str) -> Volume:
        """The volume. KeyError for a modality that is not there."""
        row = self.rows[modality]
        if self.loader is None:
            raise ValueError("a cohort without an image loader")
        return self.loader(row, self.root)

    def without(self, modalities: Sequence[str]) -> BaselineImages:
        """As if these had never been acquired."""
        kept = {name: row for name, row in self.rows.items() if name not in modalities}
        return BaselineImages(self.patient_id, kept, self.loader, self.root)


def baseline_images(
    cohort: Cohort, *, masks: str = EXPERT, patient_ids: Sequence[str] | None = None
) -> list[BaselineImages]:
    """Of every patient (table order, or `patient_ids`) the images of the first exam: the first of each modality whose
    unit is the analysis's own (SUV, HU, Gy; a PET in Bq/ml is as good as absent), and the mask of the run `masks`.

    Later exams are never used: what they show is known only after treatment.
    """
    wanted = list(cohort.patient_ids if patient_ids is None else patient_ids)
    first: dict[str, tuple[Any, str]] = {}
    for exam in cohort.rows("exams"):
        key = (exam["order"] if exam["order"] is not None else 0, exam["exam_id"])
        if exam["patient_id"] not in first or key < first[exam["patient_id"]]:
            first[exam["patient_id"]] = key
    patient_of = {key[1]: patient for patient, key in first.items()}
    found: dict[str, dict[str, Mapping[str, Any]]] = {patient: {} for patient in wanted}
    for row in sorted(cohort.rows("images"), key=lambda r: r["image_id"]):
        patient = patient_of.get(row["exam_id"])
        if patient in found and not row["problem"]:
            kind = _kind_of(row, masks)
            if kind is not None:
                found[patient].setdefault(kind, row)
    return [BaselineImages(patient, found[patient], cohort.loader, cohort.root) for patient in wanted]


def _kind_of(row: Mapping[str, Any], masks: str) -> str | None:
    if row["role"] == Role.MASK:
        return "mask" if row["run_id"] == masks else None
    for name, (modality, role, unit) in _KINDS.items():
        if row["modality"] == modality and row["role"] == role and row["unit"] == unit:
            return name
    return None
