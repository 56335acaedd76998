"""What a pane of the cohort's page may ask: the board, and what was kept of each drawn patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tumorboard.board import summary
from tumorboard.board.context import Board, PatientSummary

__all__ = ["PATIENTS_PER_PAGE", "CohortFacts", "Plot"]

PATIENTS_PER_PAGE = 100


@dataclass(frozen=True)
class Plot:
    """A plot in the folder `plots`, as `<name>-light.svg` and `<name>-dark.svg`."""

    name: str
    title: str
    section: str


@dataclass(frozen=True)
class CohortFacts:
    """The cohort for its panes. `drawn`: patients whose images were read already (all of them in an export)."""

    board: Board
    drawn: Mapping[str, PatientSummary]
    plots: Sequence[Plot] = ()

    @cached_property
    def groups(self) -> list[summary.FindingGroup]:
        """Data findings by code."""
        return summary.group_findings(self.board.findings)

    @cached_property
    def centres(self) -> list[summary.CentreRow]:
        return summary.centre_rows(self.board.cohort)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """One row per patient for the list of patients, in the cohort's order."""
        made = []
        for patient, record in self.board.records.items():
            seen = self.drawn.get(patient)
            made.append(
                {
                    **{key: record[key] for key in ("patient_id", "centre", "sex", "age_years")},
                    "link": f"patients/{self.board.names[patient]}.html",
                    "picture": seen.thumbnail if seen else None,
                    "exams": len(self.board.exams_of.get(patient, [])),
                    "lesions": seen.lesions if seen else None,
                    "volume_ml": seen.volume_ml if seen else None,
                    "suv_max": seen.suv_max if seen else None,
                    "findings": self.board.checks_of.get(patient, []),
                }
            )
        return made

    @cached_property
    def chunks(self) -> list[list[dict[str, Any]]]:
        """The list of patients in pages."""
        return [self.rows[i : i + PATIENTS_PER_PAGE] for i in range(0, len(self.rows), PATIENTS_PER_PAGE)] or [[]]

    @cached_property
    def links(self) -> list[str]:
        """Addresses of the pages of the list of patients."""
        return ["index.html#patients", *(f"patients-{i}.html" for i in range(2, len(self.chunks) + 1))]
