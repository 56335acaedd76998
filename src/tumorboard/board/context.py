"""What a pane may ask: the cohort's rows, grouped once, and one patient's share of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tumorboard.board import summary
from tumorboard.board.crops import Crop
from tumorboard.board.exam import ExamPage
from tumorboard.board.lesion_plots import PointMap, place_map, plane_map
from tumorboard.board.lesions import Lesion
from tumorboard.board.marked import MarkedLesions, marked_lesions
from tumorboard.board.names import page_names
from tumorboard.board.runs import HIDDEN, RunStyle, run_styles
from tumorboard.board.similar import LesionVectors, lesion_vectors
from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT

__all__ = ["Board", "ExamFacts", "PatientFacts", "PatientSummary"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PatientSummary:
    """What the cohort's page keeps of a drawn patient; the outlines stay on the patient's own page."""

    exams: int
    lesions: int
    volume_ml: float
    suv_max: float | None
    thumbnail: str | None
    hot: list[Lesion] = field(default_factory=list)
    """Lesions of the expert with uptake."""

    @classmethod
    def of(cls, exams: Sequence[ExamPage], folder: str) -> PatientSummary:
        """`folder`: where the patient's pictures lie, from the cohort's page."""
        lesions = [lesion for exam in exams for lesion in exam.lesions.get(EXPERT, [])]
        hot = [lesion for lesion in lesions if lesion.suv_max is not None]
        first = next(((i, exam.thumbnail) for i, exam in enumerate(exams) if exam.thumbnail), None)
        return cls(
            exams=len(exams),
            lesions=len(lesions),
            volume_ml=sum(lesion.volume_ml for lesion in lesions),
            suv_max=max((lesion.suv_max or 0.0 for lesion in hot), default=None),
            thumbnail=f"{folder}/{first[0]}/{first[1]}" if first else None,
            hot=hot,
        )


@dataclass(frozen=True)
class ExamFacts:
    """One exam of one patient: its row, what was drawn of it, and its images."""

    number: int
    row: Row
    page: ExamPage
    images: Sequence[Row]

    @property
    def exam_id(self) -> str:
        return str(self.row["exam_id"])

    @property
    def title(self) -> str:
        """Kind and day, as a reader names it."""
        day = "" if self.row["day"] is None else f", day {self.row['day']:g}"
        return f"{self.row['kind'] or 'Exam'} {self.number + 1}{day}"


@dataclass(frozen=True)
class Board:
    """A cohort with everything that pages say about it. `mode` is ``server`` or ``static`` (files).

    `scores` : rows with run, task, metric, label, subset, value, low, high, n; a row whose subset is a patient's id
    belongs to that patient. `findings` : of the data checks; `checked` whether they were run. `pictures` : of
    benchmarks, as dictionaries with file (from the root of the pages), title, alt, patient_id and task.
    """

    cohort: Cohort
    scores: Sequence[Row] = ()
    findings: Sequence[Mapping[str, str]] = ()
    pictures: Sequence[Mapping[str, str]] = ()
    mode: str = "static"
    checked: bool = True

    @cached_property
    def names(self) -> dict[str, str]:
        """Patient -> name of the page."""
        return page_names(self.cohort.patient_ids)

    @cached_property
    def styles(self) -> list[RunStyle]:
        return run_styles(self.cohort)

    @cached_property
    def looks(self) -> dict[str, RunStyle]:
        return {style.run_id: style for style in self.styles}

    @cached_property
    def runs(self) -> dict[str, Row]:
        return {run["run_id"]: run for run in self.cohort.rows("runs")}

    @cached_property
    def hidden(self) -> frozenset[str]:
        """Runs that hold what a virtual patient really is: nobody's reading, not shown."""
        return frozenset(run_id for run_id, run in self.runs.items() if run["kind"] == HIDDEN)

    @cached_property
    def checks_of(self) -> dict[str, list[Mapping[str, str]]]:
        """Patient -> data findings that name them."""
        return summary.findings_by_patient(self.cohort, self.findings)

    @cached_property
    def exams_of(self) -> dict[str, list[Row]]:
        """Patient -> exams in time order."""
        groups = _grouped(self.cohort.rows("exams"), "patient_id")
        for rows in groups.values():
            rows.sort(key=lambda exam: (exam["order"] or 0, exam["exam_id"]))
        return groups

    @cached_property
    def images_of(self) -> dict[str, list[Row]]:
        """Exam -> images."""
        return _grouped(self.cohort.rows("images"), "exam_id")

    @cached_property
    def outcomes_of(self) -> dict[str, list[Row]]:
        """Patient -> outcomes of everybody but the hidden truth."""
        return _grouped(self._seen("outcomes"), "patient_id")

    @cached_property
    def risks_of(self) -> dict[tuple[str, str], list[float]]:
        """(endpoint, run) -> foretold risks of all patients with a curve, sorted."""
        found: dict[tuple[str, str], list[float]] = {}
        for row in self._seen("outcomes"):
            if row["score"] is not None and row["curve_days"]:
                found.setdefault((row["endpoint"], row["run_id"]), []).append(row["score"])
        return {key: sorted(risks) for key, risks in found.items()}

    @cached_property
    def findings_of(self) -> dict[str, list[Row]]:
        """Image -> findings of everybody but the hidden truth."""
        return _grouped(self._seen("findings"), "image_id")

    @cached_property
    def texts_of(self) -> dict[str, list[Row]]:
        """Exam -> texts."""
        return _grouped(self.cohort.rows("texts"), "exam_id")

    @cached_property
    def relations_of(self) -> dict[str, list[Row]]:
        """Subject -> relations of everybody but the hidden truth."""
        return _grouped(self._seen("relations"), "subject")

    @cached_property
    def scores_of(self) -> dict[str, list[Row]]:
        """Patient -> their own scores."""
        return _grouped([row for row in self.scores if row.get("subset") in self.names], "subset")

    @cached_property
    def records(self) -> dict[str, Row]:
        return {row["patient_id"]: row for row in self.cohort.rows("patients")}

    @cached_property
    def patient_of_page(self) -> dict[str, str]:
        """Name of a page -> patient."""
        return {name: patient for patient, name in self.names.items()}

    @cached_property
    def similar(self) -> LesionVectors | None:
        """The marked lesions, ready to be compared; None unless two patients have some."""
        return lesion_vectors(self.cohort)

    @cached_property
    def marked(self) -> MarkedLesions:
        """The lesions that the expert marked, as columns."""
        return marked_lesions(self.cohort)

    @cached_property
    def place_map(self) -> PointMap | None:
        """Where in the body they lie."""
        return place_map(self.marked)

    @cached_property
    def plane_map(self) -> PointMap | None:
        """Their vectors in the plane."""
        return None if self.similar is None else plane_map(self.similar)

    @cached_property
    def pictured(self) -> frozenset[int]:
        """Rows of `similar` of which a crop is drawn."""
        if self.similar is None:
            return frozenset()
        found = self.similar
        return frozenset(
            found.rows_of[patient][crop.number] for patient in found.rows_of for crop in self.crops(patient)
        )

    def crops(self, patient_id: str) -> list[Crop]:
        """Crops of the patient's marked lesions that are to be drawn."""
        if self.similar is None or self.cohort.loader is None:
            return []
        exams = self.exams_of.get(patient_id, [])
        images = {row["image_id"]: row for exam in exams for row in self.images_of.get(exam["exam_id"], ())}
        return list(self.similar.crops(patient_id, images))

    def _seen(self, table: str) -> list[Row]:
        return [row for row in self.cohort.rows(table) if row["run_id"] not in self.hidden]

    def patient(self, patient_id: str, drawn: Sequence[ExamPage]) -> PatientFacts:
        """One patient; `drawn`: what was drawn of the exams, in time order."""
        rows = self.exams_of.get(patient_id, [])
        exams = [
            ExamFacts(number, row, page, self.images_of.get(row["exam_id"], []))
            for number, (row, page) in enumerate(zip(rows, drawn, strict=True))
        ]
        return PatientFacts(self, patient_id, exams)


@dataclass(frozen=True)
class PatientFacts:
    """One patient's rows, for the panes of the patient's page."""

    board: Board
    patient_id: str
    exams: Sequence[ExamFacts]

    @property
    def cohort(self) -> Cohort:
        return self.board.cohort

    @property
    def page(self) -> str:
        """Name of the page, of the folder of pictures, and the first part of every key."""
        return self.board.names[self.patient_id]

    @property
    def folder(self) -> str:
        """The patient's pictures, from the page."""
        return f"../pictures/{self.page}"

    @property
    def record(self) -> Row:
        return self.board.records[self.patient_id]

    @property
    def outcomes(self) -> Sequence[Row]:
        return self.board.outcomes_of.get(self.patient_id, [])

    @property
    def checks(self) -> Sequence[Mapping[str, str]]:
        return self.board.checks_of.get(self.patient_id, [])

    @property
    def scores(self) -> Sequence[Row]:
        return self.board.scores_of.get(self.patient_id, [])

    @property
    def pictures(self) -> Sequence[Mapping[str, str]]:
        return [picture for picture in self.board.pictures if picture["patient_id"] == self.patient_id]

    @cached_property
    def findings(self) -> list[Row]:
        """Findings in all images of all exams, in time order."""
        images = [image for exam in self.exams for image in exam.images]
        return [finding for image in images for finding in self.board.findings_of.get(image["image_id"], [])]

    @cached_property
    def relations(self) -> list[Row]:
        """Relations whose subject is an exam or a finding of this patient."""
        subjects = [exam.exam_id for exam in self.exams] + [finding["finding_id"] for finding in self.findings]
        return [row for subject in subjects for row in self.board.relations_of.get(subject, [])]

    def texts(self, exam_id: str) -> Sequence[Row]:
        return self.board.texts_of.get(exam_id, [])


def _grouped(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
