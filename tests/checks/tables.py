"""A clean clinical table, made up with known laws, and ways to plant one fault in it."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np

from tumorboard.checks import CheckFinding, run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.naming import DAYS_PER
from tumorboard.core.variables import Kind, Variable

__all__ = ["clean_columns", "codes_of", "cohort_of", "outcomes_of"]


def clean_columns(patients: int = 240, *, seed: int = 7) -> dict[str, list[Any]]:
    """Columns of a plausible head-and-neck table: nothing in it should be remarkable."""
    rng = np.random.default_rng(seed)
    start = [datetime.date(2012, 1, 1) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 1500, patients)]
    death = np.ceil(rng.weibull(1.1, patients) * 2000) + 20
    end = np.ceil(rng.uniform(400, 2600, patients))
    relapse = np.ceil(rng.weibull(0.9, patients) * 2500) + 15
    dead = death <= end
    followed = np.minimum(death, end)
    relapsed = relapse < followed
    return {
        "patient_id": [f"P-{i:04d}" for i in range(1, patients + 1)],
        "centre": [f"Hospital {c}" for c in rng.choice(["A", "B", "C"], patients)],
        "sex": rng.choice(["female", "male"], patients).tolist(),
        "age_years": np.round(rng.normal(62, 9, patients), 1).tolist(),
        "Site": rng.choice(["oropharynx", "larynx", "oral cavity"], patients).tolist(),
        "T stage": rng.choice(["T1", "T2", "T3", "T4a"], patients).tolist(),
        "N stage": rng.choice(["N0", "N1", "N2b", "N3"], patients).tolist(),
        "Haemoglobin (g/dl)": np.round(rng.normal(13.5, 1.4, patients), 1).tolist(),
        "Weight (kg)": np.round(rng.normal(74, 12, patients), 1).tolist(),
        "Start of radiotherapy": start,
        "Date of last contact": [s + datetime.timedelta(days=int(f)) for s, f in zip(start, followed, strict=True)],
        "Vital status": np.where(dead, "Dead", "Alive").tolist(),
        "os_days": followed.tolist(),
        "os_event": dead.astype(float).tolist(),
        "rfs_days": np.minimum(relapse, followed).tolist(),
        "rfs_event": (relapsed | dead).astype(float).tolist(),
    }


def outcomes_of(columns: dict[str, list[Any]], endpoint: str, *, unit: str = "days") -> list[dict[str, Any]]:
    """Outcome rows from the columns `<endpoint>_days` and `<endpoint>_event`, which are taken away."""
    times, events = columns.pop(f"{endpoint}_days"), columns.pop(f"{endpoint}_event")
    rows = []
    for patient, time, event in zip(columns["patient_id"], times, events, strict=True):
        days = time * DAYS_PER[unit]
        whole = days > 0
        rows.append(
            {
                "patient_id": patient,
                "endpoint": endpoint.upper(),
                "run_id": "expert",
                "survival": {"event": bool(event), "time_days": days} if whole else None,
                "raw": None if whole else f'{{"time": "{time}"}}',
                "problem": None if whole else f"time {days:g} days to the event is not above 0",
            }
        )
    return rows


def cohort_of(
    columns: dict[str, list[Any]],
    *,
    variables: tuple[Variable, ...] = (),
    declared: bool = False,
    name: str = "made up",
) -> Cohort:
    """The columns as a cohort; `declared`: OS and RFS as endpoints instead of columns."""
    columns = dict(columns)
    outcomes = []
    if declared:
        outcomes = outcomes_of(columns, "os") + outcomes_of(columns, "rfs")
    kinds = {datetime.date: Kind.DATE, float: Kind.NUMERIC, str: Kind.TEXT, bool: Kind.BOOLEAN}
    said = {variable.name: variable for variable in variables}
    dictionary = []
    for column, values in columns.items():
        first = next((v for v in values if v is not None), "")
        if column != "patient_id":
            dictionary.append(said.get(column) or Variable(column, kinds.get(type(first), Kind.TEXT)))
    return Cohort.build(name, dictionary=dictionary, patients=columns, outcomes=outcomes)


def codes_of(cohort: Cohort, code: str, **options: Any) -> list[CheckFinding]:
    """Findings of one code."""
    return [finding for finding in run_checks(cohort, **options) if finding.code == code]
