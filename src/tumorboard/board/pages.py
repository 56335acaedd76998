"""Templates filled with what is known; the only file that writes HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from tumorboard import __version__
from tumorboard.board import summary
from tumorboard.board.exam import ExamPage
from tumorboard.board.lesions import Lesion
from tumorboard.board.pictures import CT_WINDOW_HU
from tumorboard.board.runs import HIDDEN, RunStyle, baseline_names, pretty_json
from tumorboard.board.scoreboard import Ranking, rank_scores
from tumorboard.core.cohort import Cohort
from tumorboard.core.registry import tasks
from tumorboard.core.tables import EXPERT

__all__ = ["LESIONS_SHOWN", "PATIENTS_PER_PAGE", "Plot", "Writer", "plain_finding"]

PATIENTS_PER_PAGE = 100
LESIONS_SHOWN = 6
"""Largest lesions listed per run and label; the smaller ones are counted and summed."""
FINDINGS_SHOWN = 50
"""Findings listed per code; the others are counted."""


@dataclass(frozen=True)
class Plot:
    """A plot in the folder `plots`, as `<name>-light.svg` and `<name>-dark.svg`."""

    name: str
    title: str
    section: str


@dataclass(frozen=True)
class TaskScores:
    """What stands about one task: the rankings to read first, and the others."""

    title: str
    first: list[Ranking]
    further: list[Ranking]


def plain_finding(finding: Any) -> dict[str, str]:
    """code, severity, where, message and fix of a check finding (an object or a dictionary), as text."""
    get = finding.get if isinstance(finding, Mapping) else partial(getattr, finding)
    return {key: str(get(key)) for key in ("code", "severity", "where", "message", "fix")}


@dataclass(frozen=True)
class Writer:
    """Fills the templates of one board."""

    cohort: Cohort
    out: Path
    names: Mapping[str, str]
    styles: Sequence[RunStyle]
    scores: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, str]]
    drawn: Mapping[str, Sequence[ExamPage]]

    # ---- pages --------------------------------------------------------------------------------------
    def write_patients(self) -> None:
        """One page per patient, linked to its neighbours."""
        ids = self.cohort.patient_ids
        template = self._templates.get_template("patient.html")
        findings = summary.findings_by_patient(self.cohort, self.findings)
        hidden = {run["run_id"] for run in self.cohort.rows("runs", kind=HIDDEN)}
        outcomes = [row for row in self.cohort.rows("outcomes") if row["run_id"] not in hidden]
        by_patient = _grouped(outcomes, "patient_id")
        images = _grouped(self.cohort.rows("images"), "exam_id")
        exams = _grouped(self.cohort.rows("exams"), "patient_id")
        scores = _grouped([row for row in self.scores if row.get("subset") in self.names], "subset")
        for number, record in enumerate(self.cohort.rows("patients")):
            patient = record["patient_id"]
            pages = {exam.exam_id: exam for exam in self.drawn[patient]}
            ordered = sorted(exams.get(patient, []), key=lambda exam: (exam["order"] or 0, exam["exam_id"]))
            text = template.render(
                root="../",
                patient=patient,
                facts=self._facts(record),
                outcomes=by_patient.get(patient, []),
                exams=[(exam, pages[exam["exam_id"]], images.get(exam["exam_id"], [])) for exam in ordered],
                folder=f"../pictures/{self.names[patient]}",
                findings=findings.get(patient, []),
                rankings=rank_scores(scores.get(patient, []), baselines=baseline_names()),
                previous=self._link(ids[number - 1]) if number else None,
                next=self._link(ids[number + 1]) if number + 1 < len(ids) else None,
                position=(number + 1, len(ids)),
            )
            (self.out / "patients" / f"{self.names[patient]}.html").write_text(text, encoding="utf-8")

    def write_cohort(self, plots: Sequence[Plot]) -> None:
        """The cohort's page, and further pages of the patient list when it is long."""
        rows = self._patient_rows()
        chunks = [rows[i : i + PATIENTS_PER_PAGE] for i in range(0, len(rows), PATIENTS_PER_PAGE)] or [[]]
        links = ["index.html#patients", *(f"patients-{i}.html" for i in range(2, len(chunks) + 1))]
        cohort = self.cohort
        sizes = {name: table.num_rows for name, table in cohort.tables.items()}
        text = self._templates.get_template("cohort.html").render(
            root="",
            sizes=sizes,
            lesions=sum(len(e.lesions.get(EXPERT, [])) for pages in self.drawn.values() for e in pages),
            rankings=self._rankings(),
            groups=summary.group_findings(self.findings),
            centres=summary.centre_rows(cohort),
            known=summary.known_by_centre(cohort),
            classes=summary.class_counts(cohort),
            plots=plots,
            rows=chunks[0],
            chunk=(1, len(chunks)),
            links=links,
            runs=cohort.rows("runs"),
            provenance=cohort.provenance,
        )
        (self.out / "index.html").write_text(text, encoding="utf-8")
        further = self._templates.get_template("patients.html")
        for number, chunk in enumerate(chunks[1:], start=2):
            text = further.render(root="", rows=chunk, chunk=(number, len(chunks)), links=links)
            (self.out / f"patients-{number}.html").write_text(text, encoding="utf-8")

    # ---- what stands on them ------------------------------------------------------------------------
    def _rankings(self) -> list[TaskScores]:
        """Rankings over the cohort by task; those of the task's first metric over everybody come first."""
        rows = [row for row in self.scores if row.get("subset") not in self.names]
        found: dict[str, list[Ranking]] = {}
        for ranking in rank_scores(rows, baselines=baseline_names()):
            found.setdefault(ranking.task, []).append(ranking)
        made = []
        for task, rankings in found.items():
            spec = tasks().get(task)
            leading = spec.metrics[0] if spec and spec.metrics else rankings[0].metric
            first = [r for r in rankings if r.metric == leading and r.subset in ("", "all")] or rankings[:1]
            made.append(TaskScores(spec.title if spec else task, first, [r for r in rankings if r not in first]))
        return made

    def _facts(self, record: Mapping[str, Any]) -> list[tuple[str, str]]:
        facts = [
            ("Centre", record["centre"] or ""),
            ("Sex", record["sex"] or ""),
            ("Age", "" if record["age_years"] is None else f"{record['age_years']:g} years"),
        ]
        columns = summary.clinical_columns(self.cohort)
        return facts + [(name, summary.show_value(self.cohort, name, record[name])) for name in columns]

    def _patient_rows(self) -> list[dict[str, Any]]:
        findings = summary.findings_by_patient(self.cohort, self.findings)
        rows = []
        for record in self.cohort.rows("patients"):
            patient = record["patient_id"]
            exams = self.drawn[patient]
            lesions = [lesion for exam in exams for lesion in exam.lesions.get(EXPERT, [])]
            uptake = [lesion.suv_max for lesion in lesions if lesion.suv_max is not None]
            picture = next(((i, e.thumbnail) for i, e in enumerate(exams) if e.thumbnail), None)
            rows.append(
                {
                    **{key: record[key] for key in ("patient_id", "centre", "sex", "age_years")},
                    "link": self._link(patient, prefix="patients/")[1],
                    "picture": f"pictures/{self.names[patient]}/{picture[0]}/{picture[1]}" if picture else None,
                    "exams": len(exams),
                    "lesions": len(lesions),
                    "volume_ml": sum(lesion.volume_ml for lesion in lesions),
                    "suv_max": max(uptake, default=None),
                    "findings": findings.get(patient, []),
                }
            )
        return rows

    def _link(self, patient: str, *, prefix: str = "") -> tuple[str, str]:
        return patient, f"{prefix}{self.names[patient]}.html"

    @cached_property
    def _looks(self) -> dict[str, RunStyle]:
        return {style.run_id: style for style in self.styles}

    @cached_property
    def _templates(self) -> Any:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        environment = Environment(
            loader=PackageLoader("tumorboard.board"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(number=show_number, pretty=pretty_json)
        environment.globals.update(
            cohort=self.cohort,
            synthetic=summary.is_synthetic(self.cohort),
            styles=self.styles,
            looks=self._looks,
            lesion_blocks=lesion_blocks,
            version=__version__,
            window=CT_WINDOW_HU,
            findings_shown=FINDINGS_SHOWN,
        )
        return environment


def show_number(value: float | None, digits: int = 3) -> str:
    """A figure to `digits` significant digits, without exponents; a dash when there is none."""
    if value is None:
        return "–"
    if value != value:
        return "not a number"
    decimals = max(0, digits - len(str(int(abs(value)))))
    return f"{value:.{decimals}f}" if abs(value) >= 1 else f"{value:.{digits - 1}f}"


def lesion_blocks(lesions: Sequence[Lesion]) -> list[tuple[str, list[Lesion], list[Lesion], Lesion]]:
    """Per label: its name, the largest lesions, the others, and all of them as one."""
    blocks = []
    for label in dict.fromkeys(lesion.label for lesion in lesions):
        mine = [lesion for lesion in lesions if lesion.label == label]
        blocks.append((label, mine[:LESIONS_SHOWN], mine[LESIONS_SHOWN:], _together(label, mine)))
    return blocks


def _together(label: str, lesions: Sequence[Lesion]) -> Lesion:
    volume_ml = sum(lesion.volume_ml for lesion in lesions)
    tlg = [lesion.tlg_ml for lesion in lesions]
    highest = [lesion.suv_max for lesion in lesions if lesion.suv_max is not None]
    known = [t for t in tlg if t is not None]
    mean = sum(known) / volume_ml if len(known) == len(tlg) and volume_ml else None
    return Lesion(label, 0, volume_ml, (0.0, 0.0, 0.0), max(highest, default=None), mean)


def _grouped(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups
