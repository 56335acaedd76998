"""What a pane of the cohort's page may ask: the board, and what was kept of each drawn patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tumorboard.board import summary
from tumorboard.board.context import Board, PatientSummary
from tumorboard.core.lesion import RECIST_PAIR
from tumorboard.core.tables import EXPERT

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
                    "lesions": (seen.lesions if seen else 0) or self._marked.get(patient) or (0 if seen else None),
                    "volume_ml": seen.volume_ml if seen else None,
                    "suv_max": seen.suv_max if seen else None,
                    "findings": self.board.checks_of.get(patient, []),
                }
            )
        return made

    @cached_property
    def _marked(self) -> Counter[str]:
        """Patient -> lesions that the expert marked one by one."""
        patient_of = {exam["exam_id"]: patient for patient, exams in self.board.exams_of.items() for exam in exams}
        owner = {
            image["image_id"]: patient_of[exam] for exam, images in self.board.images_of.items() for image in images
        }
        marks = self.board.cohort.rows("findings", run_id=EXPERT, kind=RECIST_PAIR)
        return Counter(owner[row["image_id"]] for row in marks if row["image_id"] in owner)

    @cached_property
    def empty(self) -> list[str]:
        """Columns of the list of patients in which nobody has anything."""
        names = ("picture", "centre", "sex", "age_years", "lesions", "volume_ml", "suv_max", "findings")
        return [name for name in names if not any(row[name] not in (None, [], "") for row in self.rows)]

    @cached_property
    def chunks(self) -> list[list[dict[str, Any]]]:
        """The list of patients in pages."""
        return [self.rows[i : i + PATIENTS_PER_PAGE] for i in range(0, len(self.rows), PATIENTS_PER_PAGE)] or [[]]

    @cached_property
    def links(self) -> list[str]:
        """Addresses of the pages of the list of patients."""
        return ["index.html#patients", *(f"patients-{i}.html" for i in range(2, len(self.chunks) + 1))]
