"""HECKTOR's containers: one case, or a release of many, from its published layout to its submission files.

A model folder holds one run folder per need: `rfs` (from `tumorboard train prognosis`), `hpv` (`tumorboard train
classification`), `segmentation`. With a segmentation run the masks it predicts are measured; without one (or without
PET or CT) predictions rest on the clinical record alone. An expert mask in the input is never used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.volume import Volume
from tumorboard.datasets.hecktor.case import find_cases
from tumorboard.datasets.hecktor.reader import read
from tumorboard.datasets.hecktor.submission import write_hpv, write_mask, write_predictions, write_rfs, write_stage
from tumorboard.tasks.challenge import codes

__all__ = ["EDITIONS", "TASKS", "Answer", "answer"]

EDITIONS: Mapping[str, tuple[str, ...]] = {
    "hecktor2022": ("segmentation", "rfs"),
    "hecktor2025": ("segmentation", "rfs", "hpv"),
    "hecktor2026": ("all", "segmentation", "stage", "rfs"),
}
TASKS = ("segmentation", "rfs", "hpv", "stage", "all")
_RUN = "challenge"
_VALUES = {"GTVp": 1, "GTVn": 2}
_HORIZON_DAYS = 1826.25


@dataclass(frozen=True)
class Answer:
    """What was written, and what each patient's answer rests on. `notes` in words."""

    files: tuple[Path, ...]
    patients: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass
class _Job:
    """A case on its way: cohort, models, and the masks once they are predicted."""

    edition: str
    cohort: Cohort
    model: Path
    out: Path
    notes: list[str]
    one_case: bool
    rfs_means: str
    masks: dict[str, Volume] | None = None

    def run(self, name: str) -> Path:
        folder = self.model / name
        if not folder.is_dir():
            raise TumorboardError(
                codes.NO_MODEL, self.model, found=f"no folder {name}", expected=f"a trained run in {name}"
            )
        return folder


def answer(
    edition: str, task: str, source: Path, out: Path, *, model: Path, rfs_means: str = "", container: bool | None = None
) -> Answer:
    """Answer every case below `source` and write the submission below `out`.

    Parameters
    ----------
    edition, task : of `EDITIONS`; CHG102 for a task the edition does not have.
    source : a Grand Challenge case, a folder of cases, or a release.
    model : folder with the run folders ``rfs``, ``hpv``, ``segmentation``; CHG101 when the one needed is not there.
    rfs_means : ``risk`` (higher fails earlier) or ``days``; default risk, and days for 2026, whose README asks for days
        while its template says risk.
    container : whether outputs are the container's (one case) or a table of many; default by what `source` is.

    Errors: what the reader says of broken inputs, CHG103 for a case without an answer, ENG and model codes.
    """
    tasks = EDITIONS.get(edition)
    if tasks is None or task not in tasks:
        allowed = ", ".join(tasks or EDITIONS)
        raise TumorboardError(codes.NOT_IN_EDITION, edition, found=repr(task), expected=allowed)
    source, out = Path(source), Path(out)
    cohort = read(source)
    one_case = find_cases(source) == [source] if container is None else container
    means = rfs_means or ("days" if edition == "hecktor2026" else "risk")
    job = _Job(edition, cohort, Path(model), out, [], one_case, means)
    wanted = ("segmentation", "stage", "rfs") if task == "all" else (task,)
    files: list[Path] = []
    for name in wanted:
        files += _STEPS[name](job)
    return Answer(tuple(files), tuple(cohort.patient_ids), tuple(job.notes))


def _segment(job: _Job) -> list[Path]:
    masks = _masks(job, required=True)
    files = []
    for patient, mask in masks.items():
        if job.one_case:
            files.append(write_mask(job.out, mask, edition=job.edition.removeprefix("hecktor")))
        else:
            from tumorboard.io.nifti import write_nifti

            files.append(job.out / f"{patient}.nii.gz")
            write_nifti(mask, files[-1])
    return files


def _rfs(job: _Job) -> list[Path]:
    if job.rfs_means not in ("risk", "days"):
        raise TumorboardError(codes.NOT_IN_EDITION, "rfs_means", found=repr(job.rfs_means), expected="risk or days")
    from tumorboard.tasks.prognosis.predict import predict

    found = predict(job.run("rfs"), _measured(job), run_id=_RUN)
    values: dict[str, float] = {}
    for row in _answered(found.rows, "RFS"):
        values[row["patient_id"]] = row["score"] if job.rfs_means == "risk" else _mean_days(row)
        job.notes.append(f"{row['patient_id']}: RFS from {', '.join(json.loads(row['raw'])['modalities'])}")
    direction = "higher" if job.rfs_means == "risk" else "lower"
    job.notes.append(f"RFS in {job.rfs_means}: {direction} means earlier recurrence")
    if job.one_case:
        return [write_rfs(job.out, next(iter(values.values())))]
    return [write_predictions(job.out, values, name="rfs.csv")]


def _hpv(job: _Job) -> list[Path]:
    from tumorboard.core.registry import resolve, tasks

    spec = tasks().get("classification")
    if spec is None or spec.predict is None:
        raise TumorboardError(codes.NO_MODEL, "hpv", found="no task classification", expected="it installed")
    found = resolve(spec.predict)(job.run("hpv"), _without_label(_measured(job)), run_id=_RUN)
    values = {row["patient_id"]: _is_positive(row) for row in _answered(found.rows, "HPV")}
    if job.one_case:
        return [write_hpv(job.out, next(iter(values.values())))]
    return [write_predictions(job.out, {patient: int(value) for patient, value in values.items()}, name="hpv.csv")]


def _stage(job: _Job) -> list[Path]:
    """Stages (7th edition) by the geometry of the predicted mask. T4 is never said: a mask does not show invasion."""
    from tumorboard.tasks.classification.staging import stage_of

    stages: dict[str, tuple[str, str]] = {}
    for patient, mask in _masks(job, required=True).items():
        said = stage_of(_geometry(job.cohort, patient, mask), edition=7)
        t, n = said["T stage"].value, said["N stage"].value
        job.notes += [f"{patient}: {stage.open}" for stage in said.values() if stage.open]
        if t is None:
            job.notes.append(f"{patient}: T1 is written, since the task knows no T0")
        stages[patient] = t or "T1", (n or "N0")[:2]
    if job.one_case:
        return [write_stage(job.out, stage) for stage in next(iter(stages.values()))]
    return [
        write_predictions(job.out, {p: s[n] for p, s in stages.items()}, name=f"{name}-stage.csv")
        for n, name in enumerate("tn")
    ]


_STEPS: Mapping[str, Callable[[_Job], list[Path]]] = {
    "segmentation": _segment,
    "rfs": _rfs,
    "hpv": _hpv,
    "stage": _stage,
}


def _masks(job: _Job, *, required: bool) -> dict[str, Volume]:
    """Predicted masks by patient; CHG103 when `required` and a patient gets none."""
    if job.masks is None:
        from tumorboard.tasks.segmentation.cases import find_cases as exams_to_segment
        from tumorboard.tasks.segmentation.cases import load_case
        from tumorboard.tasks.segmentation.model import SegmentationModel
        from tumorboard.tasks.segmentation.predict import learnt_to_do_without, predict_volumes

        model = SegmentationModel.load(job.run("segmentation"))
        values = _values_of(model.preprocessing.structures)
        refused: list[TumorboardError] = []
        patient_of = {row["exam_id"]: row["patient_id"] for row in job.cohort.rows("exams")}
        job.masks = {}
        alone = learnt_to_do_without(model)
        for case in exams_to_segment(job.cohort, labelled=False, refused=refused, one_is_enough=alone):
            if not case.ct_id:
                job.notes.append(f"{case.case_id}: no CT, and the mask is wanted on its grid")
                continue
            try:
                found = predict_volumes(model, load_case(job.cohort, case), where=f"exam {case.case_id}")
                job.masks[patient_of[case.case_id]] = found.with_array(values[found.array])
            except TumorboardError as error:
                refused.append(error)
        job.notes += [str(error) for error in refused]
    missing = [patient for patient in job.cohort.patient_ids if patient not in job.masks]
    if required and missing:
        raise TumorboardError(
            codes.NO_ANSWER, missing[0], found="; ".join(job.notes[-1:]) or "no CT and PET", expected="a mask"
        )
    return job.masks


def _values_of(structures: tuple[str, ...]) -> NDArray[np.uint8]:
    """Value in the challenge for every value of the model's masks: by name, whatever order it was trained in. CHG104
    for a structure that the challenge does not have."""
    strange = [name for name in structures if name not in _VALUES]
    if strange:
        raise TumorboardError(codes.STRUCTURE, "segmentation", found=repr(strange[0]), expected=", ".join(_VALUES))
    return np.array([0, *(_VALUES[name] for name in structures)], np.uint8)


def _measured(job: _Job) -> Cohort:
    """The cohort with features of the predicted masks, where a segmentation run and images are there."""
    from tumorboard.tasks.features.modalities import baseline_images
    from tumorboard.tasks.features.table import FeatureTable, add_features, features_of_mask

    if not (job.model / "segmentation").is_dir():
        job.notes.append("no segmentation run: no image features")
        return job.cohort
    masks = _masks(job, required=False)
    rows = {
        images.patient_id: features_of_mask(masks[images.patient_id], images, labels={1: "GTVp", 2: "GTVn"})
        for images in baseline_images(job.cohort)
        if images.patient_id in masks
    }
    names = tuple(dict.fromkeys(name for row in rows.values() for name in row))
    if not names:
        return job.cohort
    ids = tuple(job.cohort.patient_ids)
    values = np.array([[rows.get(patient, {}).get(name, np.nan) for name in names] for patient in ids], float)
    return add_features(job.cohort, FeatureTable(ids, names, {}, values, "masks predicted for this submission"))


def _geometry(cohort: Cohort, patient: str, mask: Volume) -> dict[str, float]:
    from tumorboard.tasks.features.geometry import geometry_features, midline_mm
    from tumorboard.tasks.features.measure import measure_mask
    from tumorboard.tasks.features.modalities import baseline_images

    rows = measure_mask(mask, None, labels={1: "GTVp", 2: "GTVn"}, image_id="mask", run_id=_RUN)
    images = baseline_images(cohort, patient_ids=[patient])[0]
    midline = None
    if rows and images.has("CT"):
        midline = midline_mm(images.load("CT"), np.asarray(rows[0]["points_mm"]))
    return geometry_features(mask, rows, midline=midline)


def _answered(rows: Mapping[str, list[dict[str, Any]]], endpoint: str) -> list[dict[str, Any]]:
    """The predicted rows of an endpoint; CHG103 when one is an abstention, or the model does not know the endpoint."""
    mine = [row for row in rows["outcomes"] if row["endpoint"] == endpoint]
    refused = json.loads(rows["runs"][0].get("metrics") or "{}").get("refused", {})
    silent = [row for row in mine if row.get("score") is None and not row.get("probabilities")]
    if silent or not mine:
        where = silent[0]["patient_id"] if silent else "the model"
        why = refused.get(f"{where}, {endpoint}", silent[0].get("problem") if silent else f"no endpoint {endpoint}")
        raise TumorboardError(codes.NO_ANSWER, where, found=str(why), expected=f"a prediction of {endpoint}")
    return mine


def _is_positive(row: Mapping[str, Any]) -> bool:
    """Positive when the class that was said is; for an abstention of a sure-only model, the more probable class."""
    said = row.get("class_value")
    if said is None:
        probabilities = dict(row["probabilities"])
        said = max(probabilities, key=lambda name: probabilities[name])
    return str(said).casefold() in ("positive", "1", "yes", "true")


def _without_label(cohort: Cohort) -> Cohort:
    """HPV is what is asked: were it in the record, it must not be read."""
    if "hpv" not in cohort.patients.column_names:
        return cohort
    return cohort.replace_tables(patients=cohort.patients.drop_columns(["hpv"]))


def _mean_days(row: Mapping[str, Any]) -> float:
    """Mean event-free days within five years: the area under the curve, flat where it ends earlier."""
    days = np.r_[0.0, np.asarray(row["curve_days"], float)]
    curve = np.r_[1.0, np.asarray(row["curve_survival"], float)]
    kept = days <= _HORIZON_DAYS
    days, curve = np.r_[days[kept], _HORIZON_DAYS], np.r_[curve[kept], curve[kept][-1]]
    return float(np.trapezoid(curve, days))
