"""A DICOM structured report of template 1500 -> boxes and statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.sr_terms import CHANGE, SEVERITY, location_name, polarity_of
from tumorboard.io.dicom.terms import Code

__all__ = ["SrFinding", "SrReport", "read_report"]

_GROUP = ("125007", "DCM")
_TRACKING, _FINDING, _CATEGORY, _SITE, _SIDE = (
    ("112039", "DCM"),
    ("121071", "DCM"),
    ("276214006", "SCT"),
    ("363698007", "SCT"),
    ("272741003", "SCT"),
)
_DEVICE = ("121007", "DCM")
_CLASSES = ("1.2.840.10008.5.1.4.1.1.88.22", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.34")
_DEPTH = 12


@dataclass(frozen=True)
class SrFinding:
    """One measurement group; `image_uid` is the SOP instance that its region lies on, `box` its bounding box in
    pixels."""

    identifier: str
    locations: tuple[str, ...]
    label: str
    category: str
    polarity: str | None
    comparison: str | None
    severity: str | None
    cues: tuple[tuple[str, str], ...]
    image_uid: str
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class SrReport:
    """One report: whose, on which images (SOP instances), made by people or by a program."""

    patient_id: str
    study_uid: str
    study_date: str
    study_time: str
    description: str
    sex: str
    by_people: bool
    image_uids: tuple[str, ...]
    findings: tuple[SrFinding, ...]


def read_report(path: Path) -> SrReport:
    """Read a report. DCM101, DCM102, DCM104 as for any file; SRD101 when it is no SR or has no measurement group."""
    header = read_header(path)
    if header.text("SOPClassUID") not in _CLASSES:
        raise _form(path, f"SOP class {header.text('SOPClassUID') or 'none'}", "a structured report")
    findings = tuple(_finding(group, path) for group in _walk(header, _GROUP, path))
    if not findings:
        raise _form(path, "no measurement group", "imaging measurements of template 1500")
    images = [
        item.text("ReferencedSOPInstanceUID")
        for study in header.items("CurrentRequestedProcedureEvidenceSequence")
        for series in study.items("ReferencedSeriesSequence")
        for item in series.items("ReferencedSOPSequence")
    ]
    observers = [_concept(item, "ConceptCodeSequence") for item in header.items("ContentSequence")]
    return SrReport(
        header.text("PatientID"),
        header.text("StudyInstanceUID"),
        header.text("StudyDate"),
        header.text("StudyTime"),
        header.text("SeriesDescription"),
        {"F": "female", "M": "male"}.get(header.text("PatientSex"), ""),
        not any(code[:2] == _DEVICE for code in observers),
        tuple(dict.fromkeys(images)),
        findings,
    )


def _form(path: Path, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.SR_FORM, path, found=found, expected=expected)


def _walk(item: Header, name: tuple[str, str], path: Path, depth: int = 0) -> Iterator[Header]:
    """The content items of this name, whatever they lie in."""
    if depth > _DEPTH:
        raise _form(path, f"content nested more than {_DEPTH} deep", "template 1500")
    for child in item.items("ContentSequence"):
        if _concept(child, "ConceptNameCodeSequence")[:2] == name:
            yield child
        else:
            yield from _walk(child, name, path, depth + 1)


def _concept(item: Header, keyword: str) -> Code:
    listed = item.items(keyword) if keyword in item.dataset else []
    if not listed:
        return ("", "", "")
    code = listed[0]
    value = code.text("CodeValue") or code.text("LongCodeValue") or code.text("URNCodeValue")
    return (value, code.text("CodingSchemeDesignator"), code.text("CodeMeaning"))


def _finding(group: Header, path: Path) -> SrFinding:
    identifier = label = category = image_uid = ""
    locations: list[str] = []
    polarity = comparison = severity = None
    cues: list[tuple[str, str]] = []
    box: tuple[float, float, float, float] | None = None
    for item in group.items("ContentSequence"):
        name, kind = _concept(item, "ConceptNameCodeSequence"), item.text("ValueType")
        value = _concept(item, "ConceptCodeSequence")
        if name[:2] == _TRACKING:
            identifier = item.text("TextValue")
        elif name[:2] == _FINDING:
            label = value[2]
        elif name[:2] == _CATEGORY:
            category = value[2]
        elif name[:2] == _SITE:
            sides = [_concept(i, "ConceptCodeSequence") for i in _walk(item, _SIDE, path)]
            locations.append(location_name(value, sides[0] if sides else None))
        elif kind == "SCOORD":
            box = _bounds(item, path)
            images = [i for i in item.items("ContentSequence") for i in i.items("ReferencedSOPSequence")]
            image_uid = images[0].text("ReferencedSOPInstanceUID") if images else ""
        elif kind == "CODE" and name[:2] == CHANGE[:2]:
            comparison = value[2]
        elif kind == "CODE" and name[:2] == SEVERITY[:2]:
            severity = value[2].casefold()
        elif kind == "CODE" and label and name[2] == label and polarity is None:
            polarity = polarity_of(value)
        elif kind == "CODE":
            cues.append((name[2], value[2]))
    return SrFinding(
        identifier, tuple(locations), label, category, polarity, comparison, severity, tuple(cues), image_uid, box
    )


def _bounds(item: Header, path: Path) -> tuple[float, float, float, float]:
    points = np.asarray(item.numbers("GraphicData"), float)
    if len(points) < 4 or len(points) % 2 or not np.isfinite(points).all():
        raise _form(path, f"{len(points)} graphic numbers", "pairs of column and row")
    low, high = points.reshape(-1, 2).min(0), points.reshape(-1, 2).max(0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
