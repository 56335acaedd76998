"""Which series a folder holds: headers only, whatever the files are called."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.io import codes as io_codes
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import is_dicom, read_header
from tumorboard.io.dicom.header import Header, walk_items
from tumorboard.io.dicom.identity import DIRECT, count_identifying
from tumorboard.io.inflate import is_gzip
from tumorboard.io.remarks import Remark

__all__ = ["Scan", "SeriesEntry", "dicom_files", "scan_folder"]

_TAGS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "Modality",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "FrameOfReferenceUID",
    "PatientID",
    "ImageType",
    "SeriesNumber",
    "StudyDate",
    "StudyTime",
    "SeriesDescription",
    "DirectoryRecordSequence",
)
_DIRECTORY = "1.2.840.10008.1.3.10"
THREADS = 2


@dataclass(frozen=True)
class SeriesEntry:
    """One series as found: identity and files, nothing read beyond the header."""

    series_uid: str
    study_uid: str
    patient_id: str
    modality: str
    sop_class_uid: str
    frame_of_reference_uid: str
    description: str
    number: str
    image_type: str
    study_date: str
    """Date and time of the study, to order the exams of a patient; not to be kept."""
    study_time: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Scan:
    """What a folder holds: series in the order of their UIDs, and the files that are in none, each with its reason."""

    series: tuple[SeriesEntry, ...]
    skipped: tuple[Remark, ...]
    identifying: Mapping[str, int] = field(default_factory=dict)
    """Attribute that identifies a person -> number of files in which it is filled in."""


def dicom_files(root: Path, skipped: list[Remark] | None = None) -> list[Path]:
    """DICOM files below a folder (or the one file), each real file once, in a stable order.

    Links are followed only to files inside `root`; what is passed over is told in `skipped`. FIL101 when `root`
    does not exist.
    """
    root = Path(root)
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise TumorboardError(io_codes.FILE_MISSING, root, found="no such folder", expected="DICOM files")
    notes = skipped if skipped is not None else []
    found = []
    for path in _confined(root.resolve(), notes):
        try:
            dicom = is_dicom(path) or (is_gzip(path) and path.name.lower().endswith(".dcm.gz"))
        except OSError as error:
            notes.append(_remark(io_codes.FILE_MISSING, path, f"{error.strerror or error}", "a readable file"))
            continue
        if dicom:
            found.append(path)
        else:
            notes.append(_remark(codes.NOT_DICOM, path, "no DICOM mark", "a DICOM file", severity="info"))
    return found


def scan_folder(root: Path) -> Scan:
    """All series below `root`, grouped by SeriesInstanceUID. Files that are no DICOM, or cannot be read, are told
    in `skipped`, not stumbled over; entries of a DICOMDIR that leave the folder or lead nowhere as well."""
    skipped: list[Remark] = []
    paths = dicom_files(root, skipped)

    def load(path: Path) -> Header | TumorboardError:
        try:
            return read_header(path, tags=(*_TAGS, *DIRECT))
        except TumorboardError as error:
            return error

    groups: dict[str, list[Header]] = {}
    loaded: list[Header] = []
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        for path, header in zip(paths, pool.map(load, paths), strict=True):
            try:
                if isinstance(header, TumorboardError):
                    raise header
                if _is_directory(header):
                    skipped.extend(_directory_remarks(header, path))
                    continue
                loaded.append(header)
                groups.setdefault(header.required("SeriesInstanceUID"), []).append(header)
            except TumorboardError as error:
                skipped.append(Remark.from_error(error))
    entries = []
    for uid, headers in sorted(groups.items()):
        try:
            entries.append(_entry(uid, headers))
        except TumorboardError as error:
            skipped.append(Remark.from_error(error))
    return Scan(tuple(entries), tuple(skipped), count_identifying(loaded))


def _entry(uid: str, headers: list[Header]) -> SeriesEntry:
    first = headers[0]
    for keyword in ("StudyInstanceUID", "PatientID", "Modality"):
        values = {header.text(keyword) for header in headers}
        if len(values) > 1:
            raise TumorboardError(
                codes.MIXED_SERIES,
                first.where,
                found=f"{len(values)} values of {keyword} in one series",
                expected="one",
            )
    return SeriesEntry(
        uid,
        first.required("StudyInstanceUID"),
        first.text("PatientID"),
        first.required("Modality"),
        first.text("SOPClassUID"),
        first.text("FrameOfReferenceUID"),
        first.text("SeriesDescription"),
        first.text("SeriesNumber"),
        first.text("ImageType"),
        first.text("StudyDate"),
        first.text("StudyTime"),
        tuple(Path(header.where) for header in headers),
    )


def _confined(root: Path, notes: list[Remark]) -> Iterator[Path]:
    """Files below `root` in a stable order; links only where they end inside, every real file once."""
    seen: set[Path] = set()
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in list(folders):
            place = Path(folder, name)
            if place.is_symlink() and not place.resolve().is_relative_to(root):
                notes.append(
                    _remark(codes.REFERENCE_OUTSIDE, place, "a link out of the folder", f"links inside {root}")
                )
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_symlink():
                target = path.resolve()
                if not target.is_relative_to(root):
                    notes.append(
                        _remark(codes.REFERENCE_OUTSIDE, path, "a link out of the folder", f"links inside {root}")
                    )
                    continue
                path = target
            if path.is_file() and path not in seen:
                seen.add(path)
                yield path


def _is_directory(header: Header) -> bool:
    meta = getattr(header.dataset, "file_meta", None)
    return meta is not None and str(meta.get("MediaStorageSOPClassUID") or "") == _DIRECTORY


def _directory_remarks(header: Header, path: Path) -> list[Remark]:
    """What is wrong with a DICOMDIR's references. The folder is walked anyway: none of them is ever opened."""
    root = path.parent.resolve()
    remarks = []
    for record in walk_items(header, "DirectoryRecordSequence"):
        parts = [part for part in record.text("ReferencedFileID").split("\\") if part]
        if not parts:
            continue
        target = root.joinpath(*parts).resolve()
        shown = "/".join(parts)[:80]
        if not target.is_relative_to(root):
            remarks.append(_remark(codes.REFERENCE_OUTSIDE, path, f"an entry {shown!r}", f"files below {root}"))
        elif not target.is_file():
            remarks.append(_remark(io_codes.FILE_MISSING, path, f"an entry {shown!r} without its file", "the file"))
    return remarks


def _remark(code, where, found, expected, severity="error") -> Remark:  # type: ignore[no-untyped-def]
    return Remark.of(code, where, severity=severity, found=found, expected=expected)
