"""Maps that may be given to another model as a prior: each made by a network that has not seen the patient."""

from __future__ import annotations

import json

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Role
from tumorboard.tasks.anomaly import codes

__all__ = ["prior_maps"]


def prior_maps(cohort: Cohort, run_id: str) -> dict[str, str]:
    """Image ids of the maps of the run `run_id` by exam.

    The run says how it came about: out of fold (`tumorboard benchmark --task anomaly`), or with the patients that its
    model was trained on. ANO106 for a map of a patient whom the model has seen, or of whom the run does not say.
    """
    inputs = json.loads(cohort.row("runs", run_id=run_id)["inputs"] or "{}")
    fold_of = inputs.get("fold_of", {}) if inputs.get("out_of_fold") else {}
    trained_on = set(inputs.get("trained_on", []))
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    found = {}
    for row in cohort.rows("images", role=str(Role.MAP), run_id=run_id):
        patient = patient_of[row["exam_id"]]
        known = patient in fold_of or (bool(trained_on) and patient not in trained_on)
        if not known:
            raise TumorboardError(
                codes.IN_FOLD,
                f"run {run_id}, exam {row['exam_id']}",
                found="a map made in fold",
                expected="out of fold",
            )
        found[row["exam_id"]] = row["image_id"]
    return found
