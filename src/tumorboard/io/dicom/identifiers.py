"""Unique identifiers and dates of objects that we write: the same input gives the same bytes."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pydicom.uid import UID

from tumorboard.io.dicom.header import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["IMPLEMENTATION_UID", "STUDY_KEYWORDS", "copy_patient_and_study", "made_uid"]

_NAMESPACE = uuid.UUID("5a1d7a52-0a8f-5f0e-9d0c-7b1f0c6e4d21")


def made_uid(*parts: object) -> UID:
    """A UID below 2.25 (a UUID as a number, PS3.5 B.2) that depends on `parts` alone."""
    return UID(f"2.25.{uuid.uuid5(_NAMESPACE, chr(31).join(str(part) for part in parts)).int}")


IMPLEMENTATION_UID = made_uid("tumorboard", "implementation")

# Type 2 attributes of the patient and study modules: present, possibly empty.
STUDY_KEYWORDS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
_COPIED_IF_PRESENT = (
    "PatientAge",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "LongitudinalTemporalInformationModified",
    "StudyDescription",
)


def copy_patient_and_study(source: Header, target: Dataset) -> None:
    """Identity of patient and study, as in the series that the new object belongs to."""
    for keyword in STUDY_KEYWORDS:
        setattr(target, keyword, source.text(keyword))
    target.StudyID = target.StudyID[:16]  # some de-identified sets exceed the type's length
    for keyword in _COPIED_IF_PRESENT:
        if source.has(keyword):
            setattr(target, keyword, source.text(keyword))
    if source.has("SpecificCharacterSet"):
        target.SpecificCharacterSet = source.dataset.SpecificCharacterSet
    target.StudyInstanceUID = source.required("StudyInstanceUID")
