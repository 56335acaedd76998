"""Maps that may be given to another model as a prior: each made by a network that has not seen the patient."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Role
from tumorboard.tasks.anomaly import codes

__all__ = ["learnt_from", "prior_maps"]


def prior_maps(cohort: Cohort, run_id: str) -> dict[str, str]:
    """Image ids of the maps of the run `run_id` by exam.

    The run says how it came about: out of fold (`tumorboard benchmark --task anomaly`, `anomaly.nested`), or with the
    patients that its model was trained on. ANO106 for a map of a patient whom the model has seen, or of whom the run
    does not say.
    """
    inputs = _inputs(cohort, run_id)
    patient_of = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    found = {}
    for row in cohort.rows("images", role=str(Role.MAP), run_id=run_id):
        patient = patient_of[row["exam_id"]]
        teachers = _teachers(inputs, patient)
        if teachers is None or patient in teachers:
            raise TumorboardError(
                codes.IN_FOLD,
                f"run {run_id}, exam {row['exam_id']}",
                found="a map made in fold",
                expected="out of fold",
            )
        found[row["exam_id"]] = row["image_id"]
    return found


def learnt_from(cohort: Cohort, run_id: str, patient_id: str) -> frozenset[str]:
    """The patients that the network behind a patient's map of the run may have been trained on. ANO106 where the run
    does not say."""
    teachers = _teachers(_inputs(cohort, run_id), patient_id)
    if teachers is None:
        raise TumorboardError(
            codes.IN_FOLD, f"run {run_id}, patient {patient_id}", found="no word of who was learnt from", expected="one"
        )
    return teachers


def _inputs(cohort: Cohort, run_id: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(cohort.row("runs", run_id=run_id)["inputs"] or "{}")
    return found


def _teachers(inputs: Mapping[str, Any], patient: str) -> frozenset[str] | None:
    """Patients that the patient's map was learnt from; None where the run does not say."""
    if patient in inputs.get("learnt_from", {}):
        return frozenset(inputs["learnt_from"][patient])
    fold_of = inputs.get("fold_of", {}) if inputs.get("out_of_fold") else {}
    if patient in fold_of:
        return frozenset(other for other, fold in fold_of.items() if fold != fold_of[patient])
    return frozenset(inputs["trained_on"]) if inputs.get("trained_on") else None
