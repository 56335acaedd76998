"""Codes of labels and locations in UMLS, RadLex and SNOMED CT: a table that the user fills; empty unless known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.tablefile import read_sheet

__all__ = ["SYSTEMS", "TermCodes", "read_term_codes"]

SYSTEMS = {
    "cui": "http://www.nlm.nih.gov/research/umls",
    "radlex": "http://radlex.org",
    "snomed": "http://snomed.info/sct",
}
"""Column of the table -> the URI by which FHIR and RDF know the system."""


@dataclass(frozen=True)
class TermCodes:
    """Label or location -> its codes by system (columns `cui`, `radlex`, `snomed`)."""

    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def of(self, label: str) -> Mapping[str, str]:
        """The known codes of a label, by system; empty when there are none."""
        return self.table.get(label, {})

    def cui(self, label: str) -> str:
        """The UMLS concept, or an empty text."""
        return self.of(label).get("cui", "")


def read_term_codes(path: Path) -> TermCodes:
    """The table ``label,cui,radlex,snomed`` (CSV or XLSX; any of the last three columns may be absent or empty).
    LAY103 no table, LAY104 a label twice."""
    sheet = read_sheet(Path(path))
    sheet.require("label")
    table: dict[str, dict[str, str]] = {}
    for index, row in enumerate(sheet.rows):
        label = str(row["label"] or "").strip()
        if not label or label in table:
            raise TumorboardError(
                codes.TABLE_VALUE, sheet.where(index), found=f"label {label!r}", expected="every label once"
            )
        table[label] = {system: str(row[system]).strip() for system in SYSTEMS if row.get(system) not in (None, "")}
    return TermCodes(table)
