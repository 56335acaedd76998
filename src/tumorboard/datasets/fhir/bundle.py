"""One exam's scene graph -> a FHIR bundle (HL7 FHIR R4 and R5)."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tumorboard.core.tables import EXPERT
from tumorboard.datasets.fhir.lesion import measured_lesion
from tumorboard.datasets.graphs import ExamGraph, sentence_of
from tumorboard.datasets.termcodes import SYSTEMS, TermCodes

__all__ = ["Maker"]

_NAMESPACE = uuid.UUID("8a2f2b0e-52a5-5d0c-9b0f-0c3f1f5f7a10")
_CHEST = "urn:tumorboard:chest"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_PRESENCE = {"yes": ("POS", "Positive"), "no": ("NEG", "Negative"), "uncertain": ("IND", "Indeterminate")}
"""Polarity -> code of the HL7 value set of interpretations: free of licence, unlike SNOMED CT's present and absent."""
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_DX_CLASS = "urn:oid:1.2.840.10008.5.1.4.1.1.1.1"  # Digital X-Ray Image Storage - For Presentation
_SOP_CLASSES = {
    "CT": "urn:oid:1.2.840.10008.5.1.4.1.1.2",
    "PT": "urn:oid:1.2.840.10008.5.1.4.1.1.128",
    "MR": "urn:oid:1.2.840.10008.5.1.4.1.1.4",
}
"""DICOM's image storage classes; X-rays for any other modality."""

Record = dict[str, Any]


def _clean(value: Any) -> Any:
    """Without None, empty texts and empty lists, which FHIR forbids."""
    if isinstance(value, dict):
        found = {k: _clean(v) for k, v in value.items()}
        return {k: v for k, v in found.items() if v not in (None, "", [], {})}
    if isinstance(value, list):
        return [v for v in map(_clean, value) if v not in (None, "", [], {})]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    """A FHIR string: no control characters but tab and line ends, and something else than blanks in it."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", value) if value.strip() else ""


@dataclass(frozen=True)
class Maker:
    """Makes bundles of one FHIR version (``R4`` or ``R5``); `terms` adds codings that the user knows."""

    version: str
    terms: TermCodes

    def bundle(self, exam: ExamGraph, lesions: Sequence[Record] = ()) -> Record:
        """The bundle of one exam, a collection; identifiers depend on the exam's ids alone. `lesions`: measured rows of
        `findings`, an Observation each."""
        exam_id, patient_id = exam.exam["exam_id"], exam.patient["patient_id"]
        patient, study = _url("Patient", patient_id), _url("ImagingStudy", exam_id)
        entries = [(patient, self._patient(exam)), (study, self._study(exam, patient))]
        observations = [
            (
                _url("Observation", exam_id, row["relation_id"], place),
                self._observation(exam, row, place, patient, study),
            )
            for row in exam.current
            for place in row["attributes"]["locations"] or [""]
        ]
        observations += [
            (_url("Observation", exam_id, row["finding_id"]), measured_lesion(row, patient, study)) for row in lesions
        ]
        report = self._report(exam, patient, study, [url for url, _ in observations], lesions)
        entries += [(_url("DiagnosticReport", exam_id), report), *observations]
        listed = [{"fullUrl": url, "resource": _clean(resource)} for url, resource in entries]
        identifier = {"system": "urn:tumorboard:exam", "value": exam_id}
        return {"resourceType": "Bundle", "type": "collection", "identifier": identifier, "entry": listed}

    def _patient(self, exam: ExamGraph) -> Record:
        gender = exam.patient.get("sex")
        return {
            "resourceType": "Patient",
            "identifier": [{"system": "urn:tumorboard:patient", "value": exam.patient["patient_id"]}],
            "gender": gender if gender in ("female", "male") else "unknown",
        }

    def _study(self, exam: ExamGraph, patient: str) -> Record:
        coding = {
            modality: {"system": _DICOM, "code": modality}
            for modality in dict.fromkeys([image["modality"] or "DX" for image in exam.images] or ["DX"])
        }
        coded: dict[str, Any] = coding if self.version == "R4" else {m: {"coding": [c]} for m, c in coding.items()}
        series = [
            {
                "uid": _oid(exam.exam["exam_id"], "series", *([modality] if number else [])),
                "modality": coded[modality],
                "instance": [
                    {
                        "uid": _oid(image["image_id"]),
                        "sopClass": {"system": "urn:ietf:rfc:3986", "code": _SOP_CLASSES.get(modality, _DX_CLASS)},
                        "number": place,
                        "title": image["image_id"],
                    }
                    for place, image in enumerate(
                        (image for image in exam.images if (image["modality"] or "DX") == modality), 1
                    )
                ],
            }
            for number, modality in enumerate(coded if exam.images else [])
        ]
        return {
            "resourceType": "ImagingStudy",
            "identifier": [{"system": "urn:tumorboard:exam", "value": exam.exam["exam_id"]}],
            "status": "available" if exam.images else "unknown",
            "subject": {"reference": patient},
            "modality": list(coded.values()),
            "numberOfSeries": len(series),
            "numberOfInstances": len(exam.images),
            "series": series,
        }

    def _report(
        self, exam: ExamGraph, patient: str, study: str, observations: list[str], lesions: Sequence[Record]
    ) -> Record:
        by_people = all(row["run_id"] == EXPERT for row in [*exam.statements, *lesions])
        conclusion = "\n".join(r["body"] or "" for r in exam.texts if "impression" in (r["section"] or "").casefold())
        record: Record = {
            "resourceType": "DiagnosticReport",
            "identifier": [{"system": "urn:tumorboard:report", "value": exam.exam["exam_id"]}],
            "status": "final" if by_people else "preliminary",
            "category": [{"coding": [{"system": f"{_TERMINOLOGY}/v2-0074", "code": "RAD", "display": "Radiology"}]}],
            "code": {
                "coding": [{"system": "http://loinc.org", "code": "18748-4", "display": "Diagnostic imaging study"}]
            },
            "subject": {"reference": patient},
            "result": [{"reference": url} for url in observations],
            "conclusion": conclusion,
        }
        return record | {"imagingStudy" if self.version == "R4" else "study": [{"reference": study}]}

    def _observation(self, exam: ExamGraph, row: Record, place: str, patient: str, study: str) -> Record:
        a = row["attributes"]
        category, _, label = row["object"].partition("|")
        code, display = _PRESENCE[row["predicate"]]
        value = {
            "coding": [{"system": f"{_TERMINOLOGY}/v3-ObservationInterpretation", "code": code, "display": display}]
        }
        said = [("comparison", a.get("comparison")), ("severity", a.get("severity"))]
        said += [(kind, cue) for kind, cue in a.get("cues") or ()]
        component = [
            {"code": self._concept("qualifier", kind), "valueCodeableConcept": self._concept(kind, word)}
            for kind, word in said
            if word
        ]
        component += [
            self._box(image["image_id"], box)
            for image in exam.images
            for box in exam.boxes[image["image_id"]]
            if box["label"] == place and box["box"] and len(box["box"]) == 4
        ]
        return {
            "resourceType": "Observation",
            "identifier": [{"system": "urn:tumorboard:relation", "value": f"{row['relation_id']}|{place}"}],
            "status": "final" if row["run_id"] == EXPERT else "preliminary",
            "category": [{"coding": [{"system": f"{_TERMINOLOGY}/observation-category", "code": "imaging"}]}],
            "code": self._concept(category or "location", label or "change of this location"),
            "subject": {"reference": patient},
            "bodySite": self._concept("location", place) if place else None,
            "valueCodeableConcept": value,
            "derivedFrom": [{"reference": study}],
            "note": [{"text": sentence_of(row, exam.bodies)}],
            "component": component,
        }

    def _box(self, image_id: str, box: Record) -> Record:
        corners = " ".join(f"{v:g}" for v in box["box"])
        return {
            "code": self._concept("qualifier", "box in source pixels"),
            "valueString": f"{corners} (x1 y1 x2 y2 of image {image_id})",
        }

    def _concept(self, kind: str, label: str) -> Record:
        """A concept by our own name, and the codes the user knows for it."""
        coding = [{"system": f"{_CHEST}:{kind}", "code": " ".join(label.split()), "display": label}]
        coding += [{"system": SYSTEMS[s], "code": code} for s, code in sorted(self.terms.of(label).items())]
        return {"coding": coding, "text": label}


def _url(*parts: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, chr(31).join(parts))}"


def _oid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(_NAMESPACE, chr(31).join(parts)).int}"
