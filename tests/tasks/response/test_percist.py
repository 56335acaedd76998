"""Metabolic response of virtual PET/CT patients with two exams."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.tasks.response.percist import PERCIST, metabolic_rows, respond_metabolically

AFFINE = np.diag([4.0, 4, 4, 1])


def pet_cohort(*levels, height_m=None, liver=True):
    """A lesion of 20 mm radius at these uptakes by exam, beside a liver of uptake 2."""
    places = np.stack(np.meshgrid(*[np.arange(40)] * 3, indexing="ij"), axis=-1) * 4.0
    lesion = np.linalg.norm(places - [40, 80, 80], axis=-1) <= 20
    organ = np.linalg.norm(places - [120, 80, 80], axis=-1) <= 28
    arrays = {"m": lesion + 2 * (organ & liver)} | {
        f"p{n}": np.where(lesion, level, np.where(organ, 2.0, 0.5)) for n, level in enumerate(levels)
    }
    grid = {"shape": [40, 40, 40], "affine": AFFINE.ravel().tolist()}
    images = []
    for n in range(len(levels)):
        images.append({"image_id": f"p{n}", "exam_id": f"e{n}", "modality": "PT", "role": "image", "unit": "SUVbw"})
        labels = {1: "GTVp", 2: "liver"} if liver else {1: "GTVp"}
        images.append(
            {"image_id": f"m{n}", "exam_id": f"e{n}", "modality": "SEG", "role": "mask", "unit": "label",
             "run_id": "expert", "labels": labels}
        )  # fmt: skip

    def load(row, root):
        array = arrays["m" if row["image_id"].startswith("m") else row["image_id"]]
        unit = Unit.LABEL if row["image_id"].startswith("m") else Unit.SUVBW
        return Volume(array.astype(np.uint8 if unit is Unit.LABEL else np.float32), AFFINE, unit)

    return Cohort.build(
        "t",
        patients=[{"patient_id": "P", "sex": "male", "weight_kg": 80.0, "height_m": height_m}],
        exams=[{"exam_id": f"e{n}", "patient_id": "P", "day": 60.0 * n, "order": n} for n in range(len(levels))],
        images=[row | grid for row in images],
        loader=load,
    )


def test_two_exams() -> None:
    (found,) = respond_metabolically(pet_cohort(10.0, 6.0, 14.0))
    assert [exam["response"] for exam in found["exams"]] == [None, "PMR", "PMD"]
    assert [exam["peak"] for exam in found["exams"]] == pytest.approx([10, 6, 14], rel=1e-4)
    assert found["exams"][0]["liver_mean"] == pytest.approx(2)
    assert found["unit"] == "SUV"
    rows = metabolic_rows([found], "r")
    assert [row["endpoint"] for row in rows] == [f"{PERCIST}, exam 1", f"{PERCIST}, exam 2"]
    assert json.loads(rows[0]["raw"])["unit"] == "SUV"


def test_lean_mass_where_the_height_is_known_and_a_problem_where_it_must_be() -> None:
    (found,) = respond_metabolically(pet_cohort(10.0, 6.0, height_m=1.8))
    assert found["unit"] == "SUL"
    assert found["exams"][0]["peak"] == pytest.approx(10 * 61.73 / 80, rel=1e-3)
    (refused,) = respond_metabolically(pet_cohort(10.0, 6.0), lean=True)
    assert refused["problem"].startswith("RSP105 patient P")


def test_the_liver_decides_what_is_measurable_and_gone() -> None:
    assert respond_metabolically(pet_cohort(2.5, 1.0))[0]["exams"][1]["response"] == "NE"
    assert respond_metabolically(pet_cohort(10.0, 1.5))[0]["exams"][1]["response"] == "CMR"
    (bare,) = respond_metabolically(pet_cohort(2.5, 1.0, liver=False))
    assert bare["exams"][1]["response"] == "PMR"
    assert bare["exams"][1]["why"].endswith("no liver to compare with")
    assert respond_metabolically(pet_cohort(10.0)) == []
