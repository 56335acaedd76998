"""Clinical tables of HECKTOR, whatever their names, as one record per patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets import codes
from tumorboard.datasets.clinical_codes import Decoder, parse_levels, survival_outcome
from tumorboard.datasets.hecktor.fields import (
    ENDPOINT_FIELDS,
    GENDER,
    ID_HEADINGS,
    TREATMENT,
    clinical_fields,
    task_fields,
)
from tumorboard.datasets.hecktor.names import Ids, canonical_id
from tumorboard.datasets.identifiers import ID_TABLE
from tumorboard.datasets.tablefile import Sheet, heading, read_sheet, sheet_names

__all__ = ["CLASS_ENDPOINTS", "Records", "find_tables"]

CLASS_ENDPOINTS = {"hpv": "HPV", "t_stage": "T stage", "n_stage": "N stage"}
"""Clinical variables that are also endpoints: patients column -> endpoint."""

_ENDPOINTS = {heading(name) for f in ENDPOINT_FIELDS for name in f.headings}
_IDS = {heading(name) for name in ID_HEADINGS}


@dataclass
class Records:
    """What the tables say, by patient; copies of a patient are merged, and must agree unless `first_wins`."""

    gender_codes: str = GENDER
    treatment_codes: str = TREATMENT
    first_wins: bool = False
    ids: Ids = field(default_factory=Ids)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: dict[str, dict[str, str]] = field(default_factory=dict)
    tasks: dict[str, set[str]] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        gender = parse_levels(self.gender_codes, option="gender_codes")
        treatment = parse_levels(self.treatment_codes, option="treatment_codes")
        self.clinical = clinical_fields(gender, treatment)
        hints = {"Gender": "--set gender_codes=0=...,1=...", "Treatment": "--set treatment_codes=0=...,1=..."}
        self.decoder = Decoder([*self.clinical, *ENDPOINT_FIELDS, *task_fields()], hints)

    def add_sheet(self, sheet: Sheet) -> None:
        """All rows of a table."""
        known = {heading(name) for f in self.decoder.fields for name in f.headings} | _IDS
        unknown = [column for column in sheet.columns if heading(column) not in known]
        if unknown:
            self.notes.append(f"{sheet.path.name}: columns kept as published only: {', '.join(unknown[:12])}")
        for index, row in enumerate(sheet.rows):
            published_id = next(row[key] for key in _IDS if key in row)
            written = canonical_id(published_id, sheet.where(index))
            if written != str(published_id).strip():
                self.notes.append(f"{sheet.where(index)}: {str(published_id).strip()} read as {written}")
            self.add(self.ids.patient(written, sheet.where(index)), row, sheet.where(index))

    def add(self, patient_id: str, record: Mapping[str, Any], where: str) -> None:
        """One row, keyed by normalised headings."""
        record = {key: cell for key, cell in record.items() if key not in _IDS}
        values, published = self.decoder.decode(record, where)
        tasks = self.tasks.setdefault(patient_id, set())
        tasks |= {name[-1] for name in ("task_1", "task_2", "task_3") if values.pop(name) == "yes"}
        self._merge(patient_id, values, where)
        kept = self.published.setdefault(patient_id, {})
        for key, code in published.items():
            kept.setdefault(key, code)

    def finish(self) -> None:
        """LAY104 for codes without a meaning, LAY105 for copies that disagree."""
        self.decoder.finish()
        if self.conflicts and not self.first_wins:
            raise TumorboardError(
                codes.COPIES_DISAGREE,
                self.conflicts[0].split(":")[0],
                found="; ".join(self.conflicts[:5])
                + (f" and {len(self.conflicts) - 5} more" * (len(self.conflicts) > 5)),
                expected="the same values in every copy of a patient",
            )
        self.notes += [f"first of two copies taken: {conflict}" for conflict in self.conflicts]

    def patient_row(self, patient_id: str, *, tasks: set[str], split: str | None) -> dict[str, Any]:
        """The row of `patients`: every column of every edition, empty where not known."""
        values = self.values.get(patient_id, {})
        published = {k: v for k, v in self.published.get(patient_id, {}).items() if k not in _ENDPOINTS}
        return {
            "patient_id": patient_id,
            "centre": self.ids.centre(patient_id),
            **{f.name: values.get(f.name) for f in self.clinical},
            "tasks": " ".join(sorted(tasks | self.tasks.get(patient_id, set()))) or None,
            "split": split,
            "published": json.dumps(published, sort_keys=True) if published else None,
        }

    def outcome_rows(self, patient_id: str) -> list[dict[str, Any]]:
        """RFS with its event, and the classes of HPV, T and N stage, as far as they are known."""
        values = self.values.get(patient_id, {})
        published = self.published.get(patient_id, {})
        relapse = values.get("relapse")
        rfs = survival_outcome(
            patient_id,
            "RFS",
            event=None if relapse is None else relapse == "yes",
            time_days=values.get("rfs_days"),
            raw=json.dumps({key: published[key] for key in sorted(_ENDPOINTS & published.keys())}),
        )
        classes = [
            {"patient_id": patient_id, "endpoint": endpoint, "run_id": EXPERT, "class_value": values[column]}
            for column, endpoint in CLASS_ENDPOINTS.items()
            if values.get(column) is not None
        ]
        return ([rfs] if rfs else []) + classes

    def _merge(self, patient_id: str, values: Mapping[str, Any], where: str) -> None:
        mine = self.values.setdefault(patient_id, {})
        for name, value in values.items():
            if value is None:
                continue
            if mine.setdefault(name, value) != value:
                self.conflicts.append(f"{patient_id}: {name} {mine[name]} and {value} ({where})")


def find_tables(source: Path, notes: list[str]) -> list[Sheet]:
    """Every CSV or XLSX below `source` (three folders deep) that has a column of patient ids, found by its columns and
    not by its name; of a workbook the sheet `Data`, or the only one. Tables without patients are noted, files that
    are no tables refused (LAY103): leaving one out could lose patients."""
    sheets = []
    for path in _table_files(source):
        names = sheet_names(path) if path.suffix.lower() == ".xlsx" else [""]
        data = next((name for name in names if name.strip().casefold() == "data"), None)
        if len(names) > 1 and data is None:
            notes.append(f"{path.name}: worksheets {names}, none called Data, not read")
            continue
        sheet = read_sheet(path, sheet=data)
        if any(sheet.has(name) for name in ID_HEADINGS):
            sheets.append(sheet)
        else:
            notes.append(f"{path.name}: no column PatientID, not read")
    return sheets


def _table_files(source: Path) -> list[Path]:
    found = [p for depth in ("*", "*/*", "*/*/*") for p in source.glob(depth) if p.suffix.lower() in (".csv", ".xlsx")]
    return sorted(p for p in found if not p.name.startswith((".", "~$")) and p.name != ID_TABLE and p.is_file())
