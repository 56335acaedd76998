"""What the checks say of marked lesions: doubt, type, interval, ages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tumorboard.checks import CheckFinding, run_checks
from tumorboard.core.cohort import Cohort


def cohort(*, ages=(50.0, 52.0), intervals=(5.0, 5.0), labels=("liver", "liver"), noisy=(False, False)) -> Cohort:
    """One patient with two studies, a lesion each."""
    images: list[dict[str, Any]] = []
    findings = []
    for at, (age, interval) in enumerate(zip(ages, intervals, strict=True)):
        image_id = f"000001_0{at + 1}_01_001-020"
        affine = [-0.8, 0, 0, 0, 0, -0.8, 0, 0, 0, 0, -(interval or 1), -(interval or 1), 0, 0, 0, 1]
        told = {"series": 1, "first_slice": 1, "last_slice": 20, "age_years": age}
        images.append(
            {
                "image_id": image_id,
                "exam_id": f"000001_0{at + 1}",
                "modality": "CT",
                "role": "image",
                "unit": "HU",
                "shape": [512, 512, 20],
                "affine": affine if interval else None,
                "options": json.dumps({"frame": "series", "deeplesion": told}),
            }
        )
        findings.append(
            {
                "finding_id": f"lesion-{at}",
                "image_id": image_id,
                "run_id": "expert",
                "kind": "RECIST pair",
                "label": labels[at],
                "attributes": json.dumps({"noisy": noisy[at], "split": "test"}),
            }
        )
    return Cohort.build(
        "lesions",
        patients=[{"patient_id": "000001"}],
        exams=[{"exam_id": f"000001_0{n + 1}", "patient_id": "000001", "order": n} for n in range(2)],
        images=images,
        findings=findings,
    )


def found(made: Cohort) -> list[CheckFinding]:
    return [finding for finding in run_checks(made) if finding.code != "IMG231"]


def test_plain_lesions_are_fine() -> None:
    assert found(cohort()) == []


@pytest.mark.parametrize(
    ("changed", "code", "severity", "word"),
    [
        ({"noisy": (True, False)}, "DPL201", "info", "1 of 2 lesions (1 test)"),
        ({"labels": ("lesion", "lung")}, "DPL202", "info", "1 of 2 marked lesions"),
        ({"intervals": (None, 5.0)}, "DPL203", "warning", "1 sub-volumes without a place"),
        ({"ages": (None, 60.0)}, "DPL204", "info", "without an age"),
        ({"ages": (0.0, 60.0)}, "DPL204", "warning", "an age of 0"),
        ({"ages": (157.0, 60.0)}, "DPL204", "warning", "above 115"),
        ({"ages": (61.0, 60.0)}, "DPL204", "warning", "lower age"),
    ],
)
def test_each_oddity_is_told_once(changed: dict[str, Any], code: str, severity: str, word: str) -> None:
    (one,) = found(cohort(**changed))
    assert (one.code, one.severity) == (code, severity)
    assert word in one.message


def test_two_intervals_of_one_series_are_told() -> None:
    made = cohort(intervals=(5.0, 1.0))
    images = [{**row, "exam_id": "000001_01"} for row in made.rows("images")]
    (one,) = found(made.replace_tables(images=images))
    assert (one.code, one.where) == ("DPL203", "000001_01, series 1")
    assert "1 and 5 mm" in one.message


def test_two_series_that_begin_with_slice_1_are_no_leftover_crop() -> None:
    made = cohort()
    images = [{**row, "exam_id": "000001_01"} for row in made.rows("images")]
    images[0]["shape"] = [512, 512, 9]
    assert found(made.replace_tables(images=images)) == []
