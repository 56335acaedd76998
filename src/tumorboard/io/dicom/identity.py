"""Which attributes of a DICOM file identify a person, and are filled in.

The list is the direct identifiers of the Basic Application Level Confidentiality Profile (DICOM PS3.15 table E.1-1,
action codes X, Z or D) that de-identified research data should not carry. Values are never shown, only where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tumorboard.io.dicom.header import Header

__all__ = ["Identifying", "identifying_attributes"]

_DIRECT = (
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
    patient_id = _plain(header.text("PatientID"))
    for keyword in _DIRECT:
        if keyword.endswith("Sequence"):
            if header.items(keyword):
                yield Identifying(keyword, same_as_id=False)
            continue
        value = header.text(keyword)
        if not _EMPTY.fullmatch(value.strip()):
            yield Identifying(keyword, same_as_id=bool(patient_id) and _plain(value) == patient_id)


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.casefold())
