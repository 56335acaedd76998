"""Rules on outcomes: silent on a clean table, loud on the same table with one fault planted under another name."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tables import clean_columns, codes_of, cohort_of

from tumorboard.core.cohort import Cohort


@pytest.mark.parametrize("declared", [False, True])
def test_events_at_time_zero(declared: bool) -> None:
    columns = clean_columns()
    columns["rfs_days"][4], columns["rfs_event"][4] = -12.0, 1.0
    (found,) = codes_of(cohort_of(columns, declared=declared), "OUT201")
    assert found.severity == "error" and found.where.endswith(": P-0005")


def test_outcomes_that_cannot_be_used() -> None:
    row = {"patient_id": "a", "endpoint": "OS", "run_id": "expert", "raw": "{}", "problem": "time not known"}
    cohort = Cohort.build("c", patients=[{"patient_id": "a"}], outcomes=[row])
    (found,) = codes_of(cohort, "OUT202")
    assert found.where == "outcomes.OS: a"


@pytest.mark.parametrize("declared", [False, True])
def test_relapse_after_death(declared: bool) -> None:
    columns = clean_columns()
    row = next(i for i in range(240) if columns["os_event"][i] == 1.0)
    columns["rfs_days"][row], columns["rfs_event"][row] = columns["os_days"][row] + 100, 1.0
    (found,) = codes_of(cohort_of(columns, declared=declared), "OUT203")
    assert found.severity == "error" and columns["patient_id"][row] in found.where


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize(("factor", "severity"), [(365.25 / 12, "error"), (12 / 365.25, "error"), (365.25, "error")])
def test_one_centre_in_another_unit(declared: bool, factor: float, severity: str) -> None:
    columns = clean_columns()
    inside = [c == "Hospital C" for c in columns["centre"]]
    columns["os_days"] = [d * factor if i else d for d, i in zip(columns["os_days"], inside, strict=True)]
    found = codes_of(cohort_of(columns, declared=declared), "OUT204")
    assert [f.severity for f in found] == [severity] and "Hospital C" in found[0].where


def test_centres_of_different_prognosis_are_no_unit_mix() -> None:
    columns = clean_columns()
    inside = [c == "Hospital C" for c in columns["centre"]]
    columns["os_days"] = [max(1.0, d / 5) if i else d for d, i in zip(columns["os_days"], inside, strict=True)]
    assert codes_of(cohort_of(columns), "OUT204") == []


@pytest.mark.parametrize("declared", [False, True])
def test_a_time_known_for_the_dead_alone(declared: bool) -> None:
    columns = clean_columns()
    columns["os_days"] = [d if e == 1.0 else None for d, e in zip(columns["os_days"], columns["os_event"], strict=True)]
    if declared:
        keep = [i for i, d in enumerate(columns["os_days"]) if d is not None]
        plain = dict(columns)
        plain.pop("os_days"), plain.pop("os_event"), plain.pop("rfs_days"), plain.pop("rfs_event")
        rows = [
            {"patient_id": columns["patient_id"][i], "endpoint": "OS", "run_id": "expert",
             "survival": {"event": True, "time_days": columns["os_days"][i]}} for i in keep
        ]  # fmt: skip
        cohort = Cohort.build("c", patients=plain, outcomes=rows)
    else:
        cohort = cohort_of(columns)
    (found,) = codes_of(cohort, "OUT205")
    assert found.severity == "warning"


@pytest.mark.parametrize(
    ("heading", "flip"),
    [("OS censoring", False), ("censored_os", False), ("os alive flag censor", False), ("Death indicator", True)],
)
def test_an_indicator_that_says_the_opposite_of_its_name(heading: str, flip: bool) -> None:
    columns = clean_columns()
    dead = columns.pop("os_event")
    columns[heading] = [1 - e if flip else e for e in dead]
    assert [f.where for f in codes_of(cohort_of(columns), "OUT206")] == [f"patients.{heading}"]
    columns[heading] = [e if flip else 1 - e for e in dead]
    assert codes_of(cohort_of(columns), "OUT206") == []


def test_an_indicator_is_tested_by_time_where_nothing_says_who_died() -> None:
    rng = np.random.default_rng(2)
    event = rng.random(200) < 0.4
    time = np.where(event, rng.uniform(10, 700, 200), rng.uniform(650, 2000, 200))
    columns = {
        "patient_id": [f"q{i}" for i in range(200)],
        "overall survival (days)": time.tolist(),
        "overall survival censored": event.astype(float).tolist(),
    }
    (found,) = codes_of(cohort_of(columns), "OUT206")
    assert "later in" in found.message
    columns["overall survival censored"] = (1.0 - event).tolist()
    assert codes_of(cohort_of(columns), "OUT206") == []
