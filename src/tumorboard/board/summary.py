"""The cohort in tables: who is here, by centre; what is known and what is missing; what the checks found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import look_up
from tumorboard.core.tables import EXPERT, TABLES

__all__ = [
    "CentreRow",
    "FindingGroup",
    "Known",
    "centre_rows",
    "class_counts",
    "findings_by_patient",
    "group_findings",
    "is_synthetic",
    "known_by_centre",
    "show_value",
]

NO_CENTRE = "centre not stated"
_SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class CentreRow:
    """One centre: patients, sexes, ages (median, lowest, highest), and events / patients of every time endpoint."""

    centre: str
    patients: int
    female: int
    male: int
    age: tuple[float, float, float] | None
    events: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Known:
    """How many patients of each centre have a value of one variable."""

    name: str
    kind: str
    counts: dict[str, tuple[int, int]]
    """centre -> (known, patients)"""


@dataclass(frozen=True)
class FindingGroup:
    """All findings of one code."""

    code: str
    severity: str
    title: str
    why: str
    findings: list[dict[str, str]]


def is_synthetic(cohort: Cohort) -> bool:
    """Whether any step of the cohort's history says that its patients are virtual."""
    return any(
        entry.get("synthetic") or any(str(value).startswith("SYNTHETIC") for value in entry.values())
        for entry in cohort.provenance
    )


def _centre_of(cohort: Cohort) -> dict[str, str]:
    columns = cohort.patients.select(["patient_id", "centre"]).to_pydict()
    return {p: c or NO_CENTRE for p, c in zip(columns["patient_id"], columns["centre"], strict=True)}


def centre_rows(cohort: Cohort) -> list[CentreRow]:
    """One row per centre, largest first, and a last one for all when there is more than one centre."""
    centre_of = _centre_of(cohort)
    patients = cohort.rows("patients")
    outcomes = [row for row in cohort.rows("outcomes", run_id=EXPERT) if row["survival"] is not None]

    def one(name: str, members: set[str]) -> CentreRow:
        rows = [row for row in patients if row["patient_id"] in members]
        ages = [row["age_years"] for row in rows if row["age_years"] is not None]
        events: dict[str, tuple[int, int]] = {}
        for row in outcomes:
            if row["patient_id"] in members:
                k, n = events.get(row["endpoint"], (0, 0))
                events[row["endpoint"]] = (k + row["survival"]["event"], n + 1)
        sexes = Counter(row["sex"] for row in rows)
        age = (median(ages), min(ages), max(ages)) if ages else None
        return CentreRow(name, len(rows), sexes["female"], sexes["male"], age, events)

    sizes = Counter(centre_of.values())
    made = [one(c, {p for p, centre in centre_of.items() if centre == c}) for c, _ in sizes.most_common()]
    return [*made, one("all", set(centre_of))] if len(made) > 1 else made


def known_by_centre(cohort: Cohort) -> list[Known]:
    """Missingness: every clinical variable, kind of image and endpoint, by centre."""
    centre_of = _centre_of(cohort)
    sizes = Counter(centre_of.values())

    def row(name: str, kind: str, patients: Iterable[str]) -> Known:
        counts = Counter(centre_of[patient] for patient in patients)
        return Known(name, kind, {centre: (counts[centre], n) for centre, n in sizes.most_common()})

    patient_of = {e["exam_id"]: e["patient_id"] for e in cohort.rows("exams")}
    images: dict[str, set[str]] = {}
    for image in cohort.images.select(["exam_id", "modality", "role", "run_id"]).to_pylist():
        if image["run_id"] not in (None, EXPERT):
            continue
        name = f"{image['modality']} {image['role']}".replace("SEG mask", "expert mask")
        images.setdefault(name, set()).add(patient_of[image["exam_id"]])
    known = [row(name, "image", patients) for name, patients in sorted(images.items())]
    table = cohort.patients
    for column in table.column_names:
        if column not in ("patient_id", "centre"):
            cells = zip(table["patient_id"].to_pylist(), table[column].to_pylist(), strict=True)
            known.append(row(column, "variable", (p for p, cell in cells if cell is not None)))
    for endpoint in cohort.endpoints():
        usable = (
            o["patient_id"]
            for o in cohort.rows("outcomes", endpoint=endpoint, run_id=EXPERT)
            if o["survival"] is not None or o["class_value"] is not None
        )
        known.append(row(endpoint, "outcome", usable))
    return known


def class_counts(cohort: Cohort) -> dict[str, dict[str, int]]:
    """Endpoint with class values -> value -> patients, most frequent first."""
    counts: dict[str, Counter[str]] = {}
    for row in cohort.rows("outcomes", run_id=EXPERT):
        if row["class_value"] is not None:
            counts.setdefault(row["endpoint"], Counter())[row["class_value"]] += 1
    return {endpoint: dict(counter.most_common()) for endpoint, counter in counts.items()}


def show_value(cohort: Cohort, column: str, value: Any) -> str:
    """A clinical value in words, by the data dictionary, with its unit."""
    if value is None:
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    variable = cohort.dictionary.get(column)
    if variable is None:
        return text
    meaning = variable.levels.get(text)
    if meaning and meaning != text:
        return f"{meaning} ({text})"
    return f"{text} {variable.unit}".strip()


def clinical_columns(cohort: Cohort) -> list[str]:
    """Columns of `patients` beyond the fixed ones."""
    return [name for name in cohort.patients.column_names if name not in TABLES["patients"].schema.names]


def group_findings(findings: Sequence[Mapping[str, str]]) -> list[FindingGroup]:
    """Findings by code, errors first, then by how often they occur."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for finding in findings:
        groups.setdefault((finding["code"], finding["severity"]), []).append(dict(finding))
    ordered = sorted(groups.items(), key=lambda g: (_SEVERITIES.index(g[0][1]), -len(g[1]), g[0][0]))
    made = []
    for (code, severity), rows in ordered:
        page = look_up(code)
        made.append(FindingGroup(code, severity, page.title if page else code, page.why if page else "", rows))
    return made


def findings_by_patient(cohort: Cohort, findings: Sequence[Mapping[str, str]]) -> dict[str, list[Mapping[str, str]]]:
    """Patient -> findings whose `where` names the patient, or one of the patient's exams or images."""
    known = set(cohort.patient_ids)
    spaced = [patient for patient in known if re.search(r"[\s,;:()'\"]", patient)]
    found: dict[str, list[Mapping[str, str]]] = {}
    for finding in findings:
        where = finding["where"]
        named = {patient for patient in spaced if patient in where}
        for word in re.split(r"[\s,;:()'\"]+", where):
            parts = word.split(".")
            named |= {".".join(parts[:i]) for i in range(1, len(parts) + 1)} & known
        for patient in named:
            found.setdefault(patient, []).append(finding)
    return found
