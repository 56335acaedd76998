"""Names of HECKTOR: patient ids, centres, files and folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.identifiers import ID_TABLE, Original, read_originals, require_safe

__all__ = ["SUFFIXES", "FileName", "Ids", "canonical_id", "centre_of", "parse_file"]

SUFFIXES = {
    "ct": "CT",
    "pt": "PT",
    "ctplanning": "CTplan",
    "rtdose": "dose",
    "dosimetry_ct": "CTplan",  # announced for 2025, never shipped under this name
    "radiotherapy_dosemaps": "dose",
    "": "mask",
}
"""What stands after ``__`` in a file name -> kind of image."""

_CENTRE_ID = re.compile(r"([A-Za-z]+)[-_](\d+)")
_TASK = re.compile(r"task[\s_-]*([123])(?![0-9])", re.IGNORECASE)


@dataclass(frozen=True)
class FileName:
    """One image file: patient, kind of image, its task folder (or empty), ``testing`` if the folder says so."""

    path: Path
    patient_id: str
    kind: str
    task: str
    split: str


def canonical_id(published: object, where: str) -> str:
    """The one spelling of a patient's id: ``MDA_001`` and ``mda-001`` are ``MDA-001``. LAY106 for an unusable id."""
    text = require_safe(published, where)
    known = _CENTRE_ID.fullmatch(text)
    return f"{known[1].upper()}-{known[2]}" if known else text


def centre_of(patient_id: str) -> str | None:
    """The centre that the id's prefix names (never CenterID, whose codes are unpublished); None without a prefix."""
    known = _CENTRE_ID.fullmatch(patient_id)
    return known[1].upper() if known else None


@dataclass(frozen=True)
class Ids:
    """Published id -> patient id, through the table of ids if the folder has one (written by our writer for ids that
    HECKTOR's file names could not say)."""

    table: Mapping[str, Original] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Path) -> Ids:
        return cls({canonical_id(written, ID_TABLE): who for written, who in read_originals(source).items()})

    def patient(self, published: object, where: str) -> str:
        written = canonical_id(published, where)
        return self.table[written].patient_id if written in self.table else written

    def centre(self, patient_id: str) -> str | None:
        known = next((who for who in self.table.values() if who.patient_id == patient_id), None)
        return known.centre if known else centre_of(patient_id)


def parse_file(path: Path, suffix: str, source: Path, ids: Ids) -> FileName:
    """What the name and place of an image file say. LAY102 when what stands after ``__`` is not known."""
    stem = path.name[: -len(suffix)]
    published, _, role = stem.partition("__")
    kind = SUFFIXES.get(role.casefold())
    if kind is None or (not role and "__" in stem):
        known = ", ".join(f"<ID>__{word}" for word in ("CT", "PT", "CTPlanning", "RTDOSE"))
        raise TumorboardError(codes.FILE_ROLE, path, found=f"{role!r} after the id", expected=f"{known} or <ID> alone")
    folders = path.relative_to(source.parent).parts[:-1]
    task = next((m[1] for part in reversed(folders) if (m := _TASK.search(part))), "")
    words = {word for part in folders for word in re.split(r"[\s_-]+", part.casefold())}
    split = "testing" if words & {"imagests", "labelsts", "testing"} else ""
    return FileName(path, ids.patient(published, str(path)), kind, task, split)
