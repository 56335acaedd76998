"""Images without a file, and what readers noticed about annotations."""

from __future__ import annotations

import json

from tumorboard.checks import run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.io.images import load_image


def cohort() -> Cohort:
    common = {"exam_id": "e", "modality": "DX", "role": "image", "unit": "unknown"}
    images = [
        common | {"image_id": "a", "options": json.dumps({"problems": {"CIG105": 2, "CIG103": 1}})},
        common | {"image_id": "b", "options": json.dumps({"problems": {"CIG105": 1}})},
        common | {"image_id": "c"},
    ]
    exams = [{"exam_id": "e", "patient_id": "p", "order": 0}]
    return Cohort.build("named", patients=[{"patient_id": "p"}], exams=exams, images=images, loader=load_image)


def test_a_named_image_is_no_damaged_file() -> None:
    found = run_checks(cohort())
    assert not [f for f in found if f.severity == "error"]
    assert [f.message for f in found if f.code == "IMG231"] == [
        "found 3 images without a file, expected a file for each"
    ]
    assert "IMG214" not in {f.code for f in found}


def test_oddities_are_told_once_per_code() -> None:
    found = [f for f in run_checks(cohort()) if f.code == "IMG232"]
    assert [(f.message.split(",")[0], f.where) for f in found] == [
        ("found CIG103 1 times in 1 images", "images: a"),
        ("found CIG105 3 times in 2 images", "images: a, b"),
    ]
