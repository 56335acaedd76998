"""Patient ids as file names: which are safe, and a table that brings the others back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.tablefile import read_sheet, write_csv

__all__ = [
    "ID_TABLE",
    "Original",
    "file_names",
    "natural_key",
    "read_ids",
    "read_originals",
    "require_safe",
    "write_ids",
]

ID_TABLE = "patient_ids.csv"
"""Columns `written`, `patient_id` (and `centre`, in layouts where the id says it): written beside the files when an
id could not be a file name as it is."""

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def require_safe(patient_id: object, where: str) -> str:
    """The id as text without blanks at its ends; LAY106 unless it is a plain file name."""
    text = str(patient_id).strip() if patient_id is not None else ""
    if not _SAFE.fullmatch(text) or text.endswith("."):
        raise TumorboardError(
            codes.PATIENT_ID, where, found=repr(text[:60]), expected="1 to 128 letters, digits, '.', '-' or '_'"
        )
    return text


def file_names(patient_ids: Iterable[str], *, allowed: str = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}") -> dict[str, str]:
    """patient id -> a name that matches `allowed`: the id itself where it does, else a made one that no other
    patient has (compared without case, as some file systems do)."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    ids = list(patient_ids)
    for patient_id in ids:
        if re.fullmatch(allowed, patient_id) and patient_id.casefold() not in taken:
            names[patient_id] = patient_id
            taken.add(patient_id.casefold())
    for patient_id in ids:
        if patient_id in names:
            continue
        stem = re.sub(r"[^A-Za-z0-9]+", "-", patient_id).strip("-")[:80] or "patient"
        number = 1
        while f"{stem}-{number}".casefold() in taken:
            number += 1
        names[patient_id] = f"{stem}-{number}"
        taken.add(names[patient_id].casefold())
    return names


@dataclass(frozen=True)
class Original:
    """Who a written name was: the patient's id and, where the table says it, the centre."""

    patient_id: str
    centre: str | None = None


def write_ids(folder: Path, names: Mapping[str, str], *, centres: Mapping[str, str | None] | None = None) -> None:
    """Write the table of ids (patient id -> written name), if any id was changed or `centres` are to be kept."""
    if centres is not None:
        rows = sorted((written, patient_id, centres.get(patient_id)) for patient_id, written in names.items())
        write_csv(folder / ID_TABLE, ["written", "patient_id", "centre"], rows)
    elif any(written != patient_id for patient_id, written in names.items()):
        write_csv(folder / ID_TABLE, ["written", "patient_id"], sorted((w, p) for p, w in names.items()))


def read_ids(folder: Path) -> dict[str, str]:
    """Written name -> patient id, from the table in `folder`; empty when there is none. Errors as `read_originals`."""
    return {written: who.patient_id for written, who in read_originals(folder).items()}


def read_originals(folder: Path) -> dict[str, Original]:
    """Written name -> who it was, from the table in `folder`; empty when there is none.
    LAY106 when two written names mean one patient or the other way round."""
    path = folder / ID_TABLE
    if not path.is_file():
        return {}
    sheet = read_sheet(path)
    sheet.require("written", "patient_id")
    found: dict[str, Original] = {}
    known: set[str] = set()
    for index, row in enumerate(sheet.rows):
        written = require_safe(row["written"], sheet.where(index))
        patient_id = str(row["patient id"] or "").strip()
        if not patient_id or written in found or patient_id in known:
            raise TumorboardError(
                codes.PATIENT_ID,
                sheet.where(index),
                found=f"{written!r} for {patient_id!r}",
                expected="every name and every id once",
            )
        known.add(patient_id)
        found[written] = Original(patient_id, row.get("centre"))
    return found


def natural_key(text: str) -> list[tuple[int, int | str]]:
    """Sort key that puts `P2` before `P10`."""
    return [(0, int(part)) if part.isdigit() else (1, part.casefold()) for part in re.split(r"(\d+)", text) if part]
