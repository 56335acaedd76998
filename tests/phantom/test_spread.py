"""Distant lesions of whole-body PET/CT patients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.phantom.cohort import draw_patients, make_cohort
from tumorboard.phantom.spread import METASTASIS, spread


def test_a_third_comes_without_any_lesion() -> None:
    """Of 14 patients with a chance of 1/3 each: 1 to 9, but for one seed in 200 (binomial)."""
    found = [spread(patient) for patient in draw_patients(14, seed=5)]
    free = sum(all(lesion.courses[0] == 0 for lesion in patient.disease.lesions) for patient in found)
    assert 1 <= free <= 9
    settings = {lesion.setting for p in found for lesion in p.disease.lesions if lesion.kind == METASTASIS}
    assert settings <= {"hot organ", "cold on CT", "hot organ cold on CT", ""}
    assert {word for setting in settings for word in setting.split(" ")} >= {"hot", "cold"}


def test_lesions_are_drawn_in_the_mask_and_on_pet(tmp_path: Path) -> None:
    """A metastasis in the mask takes up more than the tissue of its surroundings, and has its truth as a finding."""
    chosen = {"region": "whole-body", "exams": 1, "spacing_mm": 8.0, "dose": False, "spread": True}
    cohort = make_cohort(tmp_path / "cohort", patients=3, seed=3, **chosen)  # type: ignore[arg-type]
    rows = [row for row in cohort.rows("findings", run_id="expert") if row["label"] == METASTASIS]
    assert rows
    for image in cohort.rows("images", role="mask"):
        assert image["labels"][3] == METASTASIS
        values = set(np.unique(cohort.image(image["image_id"]).array).tolist())
        mine = {row["value"] for row in cohort.rows("findings", run_id="expert", image_id=image["image_id"])}
        assert values - {0} == mine
    hot = [row["measurements"]["suv_max"] for row in rows]
    assert np.median(hot) > 2.5
    with pytest.raises(TumorboardError) as error:
        make_cohort(tmp_path / "other", patients=1, region="head-neck", spread=True)
    assert error.value.code.id == "PHA101"
