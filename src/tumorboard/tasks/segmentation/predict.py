"""A trained model on new exams: masks on the CT grid, with measurements, and maps of doubt where they are wanted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti, write_nifti
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.bycase import answers_by_case, kept_model
from tumorboard.tasks.features.measure import measure_mask
from tumorboard.tasks.features.spread import add_sides
from tumorboard.tasks.result import TaskResult
from tumorboard.tasks.segmentation import codes
from tumorboard.tasks.segmentation.cases import Case, CaseVolumes, find_cases, load_case
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.plausible import refuse_broken
from tumorboard.tasks.segmentation.postprocess import apply_rules
from tumorboard.tasks.segmentation.preprocess import Prepared
from tumorboard.tasks.segmentation.prior import FROM_MAPS
from tumorboard.tasks.segmentation.prior_maps import with_available_maps
from tumorboard.tasks.segmentation.region import Region, find_region
from tumorboard.tasks.segmentation.rows import map_row, mask_id, mask_path, mask_row, run_row, write_mask
from tumorboard.tasks.segmentation.settle import Answering

SMALLEST_LISTED_ML = 0.1
"""Predicted pieces below it get no finding of their own: an unsure network leaves thousands of single voxels."""
NO_MAP = "answered without the map of abnormal uptake that the model was trained with"

__all__ = [
    "SMALLEST_LISTED_ML",
    "Answer",
    "answer_case",
    "measured_rows",
    "predict",
    "predict_prepared",
    "predict_volumes",
]


@dataclass(frozen=True)
class Answer:
    """Label map (uint8) on the grid of the CT; probability of the most probable structure on the part of that grid that
    holds all labels (None without any); doubt on the whole grid, where it is wanted; the region that was looked at;
    what was otherwise than the model expects."""

    labels: Volume
    certainty: Volume | None
    doubt: Volume | None
    region: Region
    remarks: tuple[str, ...] = ()


def predict(
    run: Path,
    cohort: Cohort,
    *,
    out: Path | None = None,
    run_id: str | None = None,
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
) -> TaskResult:
    """Predict every exam of `cohort` with the model in the folder `run`.

    Parameters
    ----------
    out : for the masks; default ``run/predictions``.
    run_id : name of the run in the cohort; default the folder's name.
    map : where exams are answered (an executor's ``map``).

    Returns rows of runs, images (masks; maps of doubt where the model's setting `uncertainty` wants them) and findings;
    a lesion's `score` is the mean probability of its name in it. An exam that cannot be predicted (SGM101 without CT or
    PET unless the network learnt to do without, UNT101 with a PET not in SUVbw, SGM103, SGM107, unreadable files) gets
    no mask; the run's `metrics` name it under ``refused``, and its error is raised where no exam could be predicted.

    A model with a prior from maps takes those of the run `prior_run` of `cohort`. An exam without one is answered
    without, and ``remarks`` say so, if the model learnt to do without (`prior_dropout`), else refused (SGM109).
    Errors: SGM104, ENG103, ENG104 for the model; ANO106 for maps made in fold.
    """
    model = kept_model(SegmentationModel.load, run)
    name = run_id or run.resolve().name
    folder = (out or run / "predictions").resolve()
    rows: dict[str, list[dict[str, Any]]] = {"images": [], "findings": []}
    refused: list[TumorboardError] = []
    remarks: dict[str, str] = {}
    cases = find_cases(cohort, labelled=False, refused=refused, one_is_enough=learnt_to_do_without(model))
    cases = with_available_maps(cohort, cases, model.config)
    answer = partial(_exam, run_id=name, folder=folder)
    for case, found in answers_by_case(
        answer, cases, load=SegmentationModel.load, run=run, cohort=cohort, map=map, progress=progress
    ):
        if isinstance(found, TumorboardError):
            refused.append(found)
            continue
        images, findings, said = found
        rows["images"] += images
        rows["findings"] += findings
        if said:
            remarks[case.case_id] = "; ".join(said)
    if refused and not rows["images"]:
        raise refused[0]
    rows["runs"] = [
        run_row(
            name,
            kind="model",
            config=model.config.model_dump(mode="json"),
            inputs={"trained_on": model.facts.get("patients", [])},
            metrics={"refused": {error.where: str(error) for error in refused}, "remarks": remarks},
        )
    ]
    return TaskResult([], rows)


def _exam(
    model: SegmentationModel, cohort: Cohort, case: Case, *, run_id: str, folder: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], tuple[str, ...]]:
    """Answer one exam and write what was found: rows of images and findings, and remarks."""
    volumes = load_case(cohort, case)
    may_lack = model.config.prior_dropout > 0
    found = answer_case(model, volumes, where=f"exam {case.case_id}", may_lack_prior=may_lack)
    structures = model.preprocessing.structures
    images = _written(found, cohort, case, folder, run_id, structures)
    findings = measured_rows(cohort, case, found.labels, run_id, structures, certainty=found.certainty)
    return images, findings, found.remarks


def learnt_to_do_without(model: SegmentationModel) -> bool:
    """Whether CT or PET was now and then left out in training, so that an exam with one of them can be predicted."""
    return float(getattr(model.config, "modality_dropout", 0.0)) > 0


def predict_volumes(model: SegmentationModel, volumes: CaseVolumes, *, where: str = "exam") -> Volume:
    """Label map (uint8) on the grid of the CT. SGM107 for images that show nothing, SGM109 without the map that the
    model wants."""
    return answer_case(model, volumes, where=where).labels


def predict_prepared(model: SegmentationModel, prepared: Prepared) -> Volume:
    """As `predict_volumes`, of an exam that is on the working grid already."""
    probabilities, _ = _answered(model, prepared)
    return model.preprocessing.inverse(probabilities, prepared, sharp=True)


def answer_case(
    model: SegmentationModel, volumes: CaseVolumes, *, where: str = "exam", may_lack_prior: bool = False
) -> Answer:
    """Labels, certainty and (with the setting `uncertainty`) doubt of an exam. SGM107 for images that show nothing,
    SGM109 without the map that the model wants, unless it `may_lack_prior`: then a remark says that it did.

    Doubt is the entropy of the mean probabilities of members and mirrors over its highest value: 0 decided, 1 level;
    0 outside the region that was looked at.
    """
    refuse_broken(volumes, where=where)
    lacking = model.preprocessing.prior in FROM_MAPS and volumes.prior is None
    if lacking and not may_lack_prior:
        raise TumorboardError(
            codes.NO_PRIOR, where, found="no map", expected=f"a map of the run {model.config.prior_run!r}"
        )
    prepared = model.preprocessing.forward(volumes)
    probabilities, region = _answered(model, prepared)
    labels = model.preprocessing.inverse(probabilities, prepared, sharp=True)
    box = model.preprocessing.reach(probabilities, prepared)
    certainty = (
        None if box is None else _on(prepared.native.crop(*box), np.clip(probabilities.max(axis=0), 0, 1), prepared)
    )
    doubt = _on(prepared.native, _entropy(probabilities), prepared) if model.config.uncertainty else None
    remarks = (region.remark, NO_MAP if lacking else "")
    return Answer(labels, certainty, doubt, region, tuple(remark for remark in remarks if remark))


def _answered(model: SegmentationModel, prepared: Prepared) -> tuple[NDArray[np.float32], Region]:
    """Sharpened probabilities on the whole working grid, 0 outside the model's region, pieces that are no lesions taken
    out."""
    answering = Answering.of(model)
    edges_mm = prepared.working.spacing_mm
    region = find_region(prepared.inputs, edges_mm, answering.region, ct_window_hu=model.preprocessing.ct_window_hu)
    inputs = np.ascontiguousarray(prepared.inputs[(slice(None), *region.slices)])
    part = dataclasses.replace(prepared, inputs=inputs, target=None, working=prepared.working.crop(*region.box))
    sharp = model.preprocessing.sharpened(model.probabilities(part), part)
    inside = apply_rules(sharp, inputs, edges_mm, answering.rules)
    if region.name == "whole":
        return inside, region
    whole = np.zeros((len(inside), *prepared.inputs.shape[1:]), np.float32)
    whole[(slice(None), *region.slices)] = inside
    return whole, region


def _entropy(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of background and structures, over log(classes): 0 to 1."""
    total = np.zeros(probabilities.shape[1:], np.float32)
    for share in (1 - probabilities.sum(axis=0), *probabilities):
        kept = np.clip(share, 1e-7, 1)
        total -= kept * np.log(kept)
    return np.clip(total / np.float32(np.log(len(probabilities) + 1)), 0, 1)


def _on(grid: Geometry, map_: NDArray[np.float32], prepared: Prepared) -> Volume:
    volume = Volume(np.ascontiguousarray(map_), prepared.working.affine, Unit.PROBABILITY)
    return resample_to(volume, grid, method="linear", fill=0.0)


def _written(
    found: Answer, cohort: Cohort, case: Case, folder: Path, run_id: str, structures: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Write mask and map of doubt; their rows."""
    path = mask_path(folder, case, run_id)
    write_mask(found.labels, ((0, 0, 0), found.labels.shape), found.labels.geometry, path)
    like = cohort.geometry(case.frame_id)
    rows = [mask_row(path, case, run_id, structures, like=like)]
    if found.doubt is not None:
        beside = path.with_name(path.name.replace(".nii.gz", ".doubt.nii.gz"))
        stored = np.rint(found.doubt.array * 255).astype(np.uint8)
        write_nifti(Volume((stored / np.float32(255)).astype(np.float32), like.affine, Unit.FRACTION), beside)
        rows.append(map_row(beside, case, run_id, like=like))
    return rows


def measured_rows(
    cohort: Cohort,
    case: Case,
    mask: Volume | Path,
    run_id: str,
    structures: tuple[str, ...],
    *,
    components: bool = True,
    certainty: Volume | None = None,
) -> list[dict[str, Any]]:
    """Rows of `findings` for a predicted mask, given as a volume or a written file: measurements of every lesion, the
    gap to the nearest other one, its side, and with `certainty` (on the mask's grid or a part) its mean as score."""
    labels = read_nifti(mask, unit=Unit.LABEL) if isinstance(mask, Path) else mask
    names = dict(enumerate(structures, start=1))
    rows = measure_mask(
        labels,
        cohort.image(case.pet_id) if case.pet_id else None,
        labels=names,
        image_id=mask_id(case, run_id),
        run_id=run_id,
        components=components,
        smallest_ml=SMALLEST_LISTED_ML,
        surface=components,
        certainty=certainty,
    )
    if components:
        add_sides(rows, cohort.image(case.ct_id) if case.ct_id else None)
    return rows
