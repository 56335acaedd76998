"""The clinical variables of HECKTOR: headings of every edition, codes and what they mean.

Codes: the data dictionary of the 2025 workbook (gender 0 = female, 1 = male; treatment 0 = radiotherapy, 1 =
chemoradiation), the 2022 page (HPV 0 = -, 1 = +; gender M/F). Teams have used others (gender 2 = female, treatment
1 = radiotherapy): those are options of the reader, never a guess. Stages: AJCC/UICC 7th edition; sub-stages a, b, c
belong to their stage.
"""

from __future__ import annotations

from collections.abc import Mapping

from tumorboard.core.variables import Kind, Variable
from tumorboard.datasets.clinical_codes import MISSING, Field

__all__ = [
    "ENDPOINT_FIELDS",
    "GENDER",
    "ID_HEADINGS",
    "NO_YES",
    "STAGES",
    "TREATMENT",
    "clinical_fields",
    "task_fields",
]

BASELINE = frozenset(
    ("sex", "age_years", "weight_kg", "tobacco", "alcohol", "performance_status", "treatment", "surgery")
    + ("chemotherapy", "t_stage", "n_stage", "m_stage", "hpv")
)
"""What is known before treatment: models may predict from it."""

ID_HEADINGS = ("PatientID", "Patient ID", "Patient")
GENDER = "0=female,1=male,F=female,M=male"
TREATMENT = "0=radiotherapy,1=chemoradiation"
NO_YES = {"0": "no", "1": "yes"}
STAGES = {
    "t_stage": {f"T{n}": f"T{n}" for n in range(5)} | {str(n): f"T{n}" for n in range(5)},
    "n_stage": {f"N{n}": f"N{n}" for n in range(4)} | {str(n): f"N{n}" for n in range(4)},
    "m_stage": {f"M{n}": f"M{n}" for n in range(2)} | {str(n): f"M{n}" for n in range(2)},
}


def _variable(name: str, kind: Kind, levels: Mapping[str, str] | None = None, *, unit: str = "", note: str = ""):
    return Variable(
        name, kind, unit=unit, levels=dict(levels or {}), missing=MISSING, source="HECKTOR", note=note,
        baseline=name in BASELINE,
    )  # fmt: skip


def _stage(name: str, substages: Mapping[str, str]) -> Variable:
    letter = name[0].upper()
    levels = dict(STAGES[name])
    for stage, letters in substages.items():
        for sub in letters:
            levels |= {f"{stage}{sub}": f"{letter}{stage}", f"{letter}{stage}{sub}": f"{letter}{stage}"}
    levels |= {"X": f"{letter}X", f"{letter}X": f"{letter}X"}
    return _variable(name, Kind.ORDINAL, levels, note="AJCC/UICC 7th edition; sub-stages joined to their stage")


def clinical_fields(gender: Mapping[str, str], treatment: Mapping[str, str]) -> list[Field]:
    """All clinical variables of all editions, with the codes of gender and treatment as stated."""
    official = "2025 data dictionary; other codes only by the reader's option"
    return [
        Field(_variable("sex", Kind.CATEGORICAL, gender, note=official), ("Gender", "Sex")),
        Field(_variable("age_years", Kind.NUMERIC, unit="years"), ("Age",)),
        Field(_variable("weight_kg", Kind.NUMERIC, unit="kg"), ("Weight",)),
        Field(_variable("tobacco", Kind.CATEGORICAL, NO_YES), ("Tobacco Consumption", "Tobacco")),
        Field(_variable("alcohol", Kind.CATEGORICAL, NO_YES), ("Alcohol Consumption", "Alcohol")),
        Field(
            _variable("performance_status", Kind.ORDINAL, {str(n): str(n) for n in range(5)}, note="ECOG"),
            ("Performance Status",),
        ),
        Field(_variable("treatment", Kind.CATEGORICAL, treatment, note=official), ("Treatment",)),
        Field(_variable("surgery", Kind.CATEGORICAL, NO_YES), ("Surgery",)),
        Field(_variable("chemotherapy", Kind.CATEGORICAL, NO_YES), ("Chemotherapy",)),
        Field(_stage("t_stage", {"1": "ab", "2": "ab", "3": "ab", "4": "ab"}), ("T-stage",)),
        Field(_stage("n_stage", {"1": "abc", "2": "abc", "3": "abc"}), ("N-stage",)),
        Field(_stage("m_stage", {}), ("M-stage",)),
        Field(
            _variable("hpv", Kind.CATEGORICAL, {"0": "negative", "1": "positive"}, note="polarity as stated in 2022"),
            ("HPV Status", "HPV status (0=-, 1=+)", "HPV"),
        ),
        Field(
            _variable("centre_code", Kind.TEXT, note="not the centre: its codes are unpublished; see `centre`"),
            ("CenterID", "Center ID"),
        ),
    ]


def task_fields() -> list[Field]:
    """Flags of the tasks a patient takes part in."""
    return [Field(_variable(f"task_{n}", Kind.BOOLEAN, NO_YES), (f"Task {n}",)) for n in (1, 2, 3)]


ENDPOINT_FIELDS = [
    Field(_variable("relapse", Kind.BOOLEAN, NO_YES), ("Relapse",)),
    Field(_variable("rfs_days", Kind.NUMERIC, unit="days"), ("RFS",)),
]
"""Recurrence-free survival: days from the end of radiotherapy, and whether the recurrence was seen."""
