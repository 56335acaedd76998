"""Which attributes of a DICOM file identify a person, and are filled in; and headers without them.

The list is the direct identifiers of the Basic Application Level Confidentiality Profile (DICOM PS3.15 table E.1-1,
action codes X, Z or D) that de-identified research data should not carry. Values are never shown, only where they are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom.tag import Tag

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom.header import Header

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["DIRECT", "Identifying", "count_identifying", "identifying_attributes", "without_identity"]

DIRECT = (
    "PatientName",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "PatientMotherBirthName",
    "PatientBirthName",
    "OtherPatientIDs",
    "OtherPatientNames",
    "MilitaryRank",
    "EthnicGroup",
    "Occupation",
    "PatientComments",
    "ResponsiblePerson",
    "CountryOfResidence",
    "RegionOfResidence",
    "PatientReligiousPreference",
    "MedicalRecordLocator",
    "AccessionNumber",
    "ReferringPhysicianName",
    "ReferringPhysicianAddress",
    "ReferringPhysicianTelephoneNumbers",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "OperatorsName",
    "PhysiciansOfRecord",
    "RequestingPhysician",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "DeviceSerialNumber",
    "AdmissionID",
    "IssuerOfPatientID",
    "RequestAttributesSequence",
    "OtherPatientIDsSequence",
)
_BY_TAG = {Tag(keyword): keyword for keyword in DIRECT}
_EMPTY = re.compile(r"(anon(ymi[sz]ed)?|unknown|none|n/?a|removed|deidentified|xxx*|0*)?\^*", re.IGNORECASE)


@dataclass(frozen=True)
class Identifying:
    """One attribute that is filled in: its keyword, and whether its value equals the patient's research id."""

    keyword: str
    same_as_id: bool


def identifying_attributes(header: Header) -> Iterator[Identifying]:
    """The identifying attributes of a file that hold something other than a placeholder.

    A PatientName that merely repeats the PatientID (as many archives write it) is given with `same_as_id`. A file that
    states PatientIdentityRemoved is looked at all the same.
    """
    present = header.dataset.keys()
    found = [keyword for tag, keyword in _BY_TAG.items() if tag in present]
    patient_id = _plain(header.text("PatientID")) if found else ""
    for keyword in found:
        try:
            if keyword.endswith("Sequence"):
                if header.items(keyword):
                    yield Identifying(keyword, same_as_id=False)
                continue
            value = header.text(keyword)
        except TumorboardError:  # something stands there, whatever it is
            yield Identifying(keyword, same_as_id=False)
            continue
        if not _EMPTY.fullmatch(value.strip()):
            yield Identifying(keyword, same_as_id=bool(patient_id) and _plain(value) == patient_id)


def count_identifying(headers: Iterable[Header]) -> dict[str, int]:
    """Attribute that identifies a person -> number of headers in which it is filled in; a PatientName that repeats the
    PatientID is not counted."""
    found = Counter(one.keyword for header in headers for one in identifying_attributes(header) if not one.same_as_id)
    return dict(sorted(found.items()))


_METHOD = "DICOM PS3.15 Basic Profile, UIDs and acquisition retained"
_KEPT_GROUPS = (0x0020, 0x0028, 0x3004, 0x5200)
"""Place and order, form of the pixels, frames of a dose, functional groups."""
_KEPT = ("SOPClassUID", "SOPInstanceUID", "ImageType", "Modality", "SliceThickness", "SpacingBetweenSlices")
_KEPT_TYPES = frozenset(["UI", "CS", "IS", "DS", "US", "SS", "UL", "SL", "SV", "UV", "FL", "FD", "AT", "SQ"])
"""Numbers, coded strings and UIDs: what can hold a name, a text, a date or a time is not among them."""


def without_identity(header: Header, *, patient_id: str) -> Header:
    """What an object made from an image needs of the image's header, under another patient id and nothing else.

    Only attributes that place the pixels and the UIDs that tie the object to its image pass, and of those only numbers,
    coded strings and UIDs, at every depth: stricter than the list of attributes in PS3.15, with its Retain UIDs Option
    (113110). Dates, descriptions, private elements and everything about the person stay behind.
    """
    from pydicom.dataset import Dataset

    kept = Dataset()
    for element in header.dataset:
        if element.tag.group in _KEPT_GROUPS or element.keyword in _KEPT:
            _keep(element, kept)
    kept.file_meta = getattr(header.dataset, "file_meta", None)
    kept.PatientName, kept.PatientID = f"{patient_id}^"[:64], patient_id[:64]
    kept.PatientIdentityRemoved, kept.DeidentificationMethod = "YES", _METHOD
    kept.LongitudinalTemporalInformationModified = "REMOVED"
    return Header(kept, header.where)


def _keep(element: Any, target: Dataset) -> None:
    """Put an element of a plain type into `target`; of a sequence, what is plain in its items."""
    from pydicom.dataset import Dataset

    if element.VR not in _KEPT_TYPES or element.tag.is_private:
        return
    if element.VR != "SQ":
        target.add_new(element.tag, element.VR, element.value)
        return
    items = []
    for item in element.value:
        inner = Dataset()
        for child in item:
            _keep(child, inner)
        items.append(inner)
    target.add_new(element.tag, "SQ", items)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
