"""Panes of lesions over time, prognosis and classes: what they say of rows made by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tumorboard.board.build import build_board
from tumorboard.core.cohort import Cohort

CURVE = {"curve_days": [100.0, 365.25, 1000.0], "curve_survival": [0.9, 0.6, 0.3]}


def followed() -> Cohort:
    """Patient A: one lesion of 40, 20 and 27 mm; a model's curve and class. Two more patients with lower risks."""
    marks = [
        {
            "finding_id": f"f{n}", "image_id": f"i{n}", "run_id": "expert", "kind": "RECIST pair", "label": "liver",
            "points_mm": [0.0] * 12, "measurements": {"long_axis_mm": size, "short_axis_mm": size / 2, "suv_max": 7.5},
            "attributes": json.dumps({"side": "right"}),
        }
        for n, size in enumerate((40.0, 20.0, 27.0))
    ]  # fmt: skip
    outcomes = [
        {"patient_id": name, "endpoint": "OS", "run_id": "ridge", "score": score, **CURVE}
        for name, score in (("A", 0.9), ("B", 0.1), ("C", 0.2))
    ]
    told = {"confidence": 0.8, "answered": True, "set": ["negative", "positive"], "moved": {"age_years": -0.7}}
    outcomes += [
        {"patient_id": "A", "endpoint": "HPV", "run_id": "forest", "class_value": "positive", "score": 0.7,
         "probabilities": {"positive": 0.7, "negative": 0.3}, "raw": json.dumps(told)},
        {"patient_id": "B", "endpoint": "HPV", "run_id": "forest", "problem": "CLS103 patient B: found unsure"},
        {"patient_id": "A", "endpoint": "HPV", "run_id": "expert", "class_value": "negative"},
        {"patient_id": "A", "endpoint": "OS", "run_id": "expert", "survival": {"event": True, "time_days": 500.0}},
    ]  # fmt: skip
    return Cohort.build(
        "followed",
        patients=[{"patient_id": name} for name in "ABC"],
        exams=[{"exam_id": f"e{n}", "patient_id": "A", "day": 60.0 * n, "order": n, "kind": "CT"} for n in range(3)],
        images=[
            {"image_id": f"i{n}", "exam_id": f"e{n}", "modality": "CT", "role": "image", "unit": "HU"} for n in range(3)
        ],
        findings=marks,
        relations=[
            {"relation_id": f"r{n}", "subject": f"f{n}", "predicate": "same lesion", "object": f"f{n + 1}",
             "run_id": "expert"}
            for n in range(2)
        ],
        outcomes=outcomes,
        runs=[{"run_id": "ridge", "task": "prognosis"}, {"run_id": "forest", "task": "classification"}],
    )  # fmt: skip


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("board") / "board"
    build_board(followed(), folder)
    found = {}
    for path in sorted(Path(folder / "patients").glob("*.html")):
        text = path.read_text(encoding="utf-8")
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", text, flags=re.S)
        assert heading is not None
        found[heading.group(1).strip()] = text
    return found


def section(page: str, name: str) -> str:
    found = re.search(rf'<section[^>]*id="{name}".*?</section>', page, flags=re.S)
    return re.sub(r"\s+", " ", found.group(0)) if found else ""


def test_lesions_over_time(pages) -> None:
    text = section(pages["A"], "response")
    assert "<dd>PR</dd>" in text
    assert "<dd>PD</dd>" in text
    assert "27.0 mm, 7.0 mm above the smallest sum 20.0 mm (+35 %)" in text
    assert '20.0 <span class="quiet">-50 %</span>' in text
    assert "right" in text and "7.5" in text
    assert 'class="sum-line"' in text
    assert not section(pages["B"], "response")


def test_prognosis(pages) -> None:
    text = section(pages["A"], "prognosis")
    assert "60 %" in text  # free of the event at one year
    assert 'high <span class="quiet">higher than 83 %</span>' in text  # above two, and half of itself, of three
    assert "low" in section(pages["B"], "prognosis")
    assert 'class="seen-at"' in text


def test_classes(pages) -> None:
    text = section(pages["A"], "classes")
    assert '<strong>positive</strong> <span class="quiet">surer than 80 %</span>' in text
    assert "negative, positive" in text and "told otherwise" in text and "-0.70" in text
    assert "no answer" in section(pages["B"], "classes") and "CLS103" in section(pages["B"], "classes")
    assert not section(pages["C"], "classes")
