"""Which predicted mask answers which reference mask: by exam and grid, or by file name."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets.nnunet.spec import DatasetSpec
from tumorboard.io.images import FORMATS
from tumorboard.metrics import codes

__all__ = ["MaskPair", "pair_with_folder", "pair_with_run", "reference_masks"]

Row = dict[str, Any]


@dataclass(frozen=True)
class MaskPair:
    """One exam to score: row of its reference mask, row of the predicted mask (None: there is none), and the
    voxels to cut off at both ends of each axis before scoring."""

    patient_id: str
    exam_id: str
    reference: Row
    prediction: Row | None
    cut: tuple[tuple[int, int], ...] | None


def reference_masks(cohort: Cohort, run_id: str) -> dict[str, list[Row]]:
    """Exam -> masks of the run, those on a CT first. MET109 when the run has none."""
    modality = {row["image_id"]: row["modality"] for row in cohort.rows("images", role=Role.IMAGE)}
    masks: dict[str, list[Row]] = defaultdict(list)
    for row in cohort.rows("images", role=Role.MASK, run_id=run_id):
        masks[row["exam_id"]].append(row)
    if not masks:
        raise TumorboardError(
            codes.PREDICTION_UNKNOWN, f"{cohort.name}, run {run_id}", found="no mask", expected="masks of this run"
        )
    for rows in masks.values():
        rows.sort(key=lambda row: modality.get(row["reference_image_id"]) != Modality.CT)
    return dict(masks)


def pair_with_run(cohort: Cohort, prediction: str, *, reference: str) -> list[MaskPair]:
    """Every exam that the reference has a mask of, with the run's mask of the same image, or of the same grid.

    Errors: MET109 when a run has no mask at all; GEO102 (at scoring) when the exam's masks share no grid.
    """
    predicted = reference_masks(cohort, prediction)
    pairs = []
    for exam_id, references in reference_masks(cohort, reference).items():
        answer = next(iter(predicted.get(exam_id, [])), None)
        truth = references[0]
        for row in predicted.get(exam_id, []):
            same = [r for r in references if _same_place(r, row)]
            if same:
                answer, truth = row, same[0]
                break
        pairs.append(_pair(cohort, exam_id, truth, answer))
    return pairs


def _same_place(reference: Row, prediction: Row) -> bool:
    if reference["reference_image_id"] and reference["reference_image_id"] == prediction["reference_image_id"]:
        return True
    return (reference["shape"], reference["affine"]) == (prediction["shape"], prediction["affine"])


def pair_with_folder(cohort: Cohort, folder: Path, *, reference: str) -> tuple[list[MaskPair], list[str]]:
    """Every exam that the reference has a mask of, with the file named after it; and the names of files that
    answer no exam.

    A file may bear the id of the patient, the exam, the mask or the image below the mask; ``_`` and ``-`` are the same.
    Values mean what they mean in the reference, or what an nnU-Net `dataset.json` in the folder says. Errors: MET109
    when no file fits, MET108 when two files fit one exam.
    """
    files: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")):
        suffix = _suffix(path)
        if suffix and path.is_file():
            files[_plain(path.name[: -len(suffix)])].append(path)
    labels = DatasetSpec.read(folder).labels if (folder / "dataset.json").is_file() else None
    masks = reference_masks(cohort, reference)
    names = _names_of_exams(cohort, masks)
    pairs, used = [], set()
    for exam_id, references in masks.items():
        fitting = [path for name in names[exam_id] for path in files.get(name, [])]
        if len(fitting) > 1:
            found = " and ".join(str(path.relative_to(folder)) for path in fitting[:3])
            raise TumorboardError(codes.TABLE_REPEATED, f"exam {exam_id}", found=found, expected="one file")
        used.update(fitting)
        row = _row_of_file(fitting[0], labels or references[0]["labels"] or {}) if fitting else None
        pairs.append(_pair(cohort, exam_id, references[0], row))
    if not used:
        found = f"{sum(map(len, files.values()))} images, none named after an exam"
        expected = f"files such as {masks and next(iter(names.values()))[0]}.nii.gz"
        raise TumorboardError(codes.PREDICTION_UNKNOWN, folder, found=found, expected=expected)
    unused = [str(path.relative_to(folder)) for listed in files.values() for path in listed if path not in used]
    return pairs, sorted(unused)


def _suffix(path: Path) -> str | None:
    name = path.name.lower()
    return next((s for s in sorted(FORMATS, key=len, reverse=True) if name.endswith(s)), None)


def _plain(name: str) -> str:
    return name.replace("_", "-").casefold()


def _names_of_exams(cohort: Cohort, masks: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """Exam -> names a file may bear; the patient's id only where it means one exam."""
    patient = {row["exam_id"]: row["patient_id"] for row in cohort.rows("exams")}
    exams_of: dict[str, int] = defaultdict(int)
    for exam_id in masks:
        exams_of[patient[exam_id]] += 1
    names = {}
    for exam_id, rows in masks.items():
        listed = [exam_id, *(row["image_id"] for row in rows), *(row["reference_image_id"] or "" for row in rows)]
        if exams_of[patient[exam_id]] == 1:
            listed.insert(0, patient[exam_id])
        names[exam_id] = list(dict.fromkeys(_plain(name) for name in listed if name))
    return names


def _row_of_file(path: Path, labels: Mapping[int, str]) -> Row:
    """What `load_image` needs, and the names of the values."""
    suffix = _suffix(path) or ""
    return {
        "image_id": path.name,
        "format": FORMATS[suffix],
        "path": str(path.resolve()),
        "unit": str(Unit.LABEL),
        "options": None,
        "labels": dict(labels),
    }


def _pair(cohort: Cohort, exam_id: str, reference: Row, prediction: Row | None) -> MaskPair:
    patient_id = cohort.row("exams", exam_id=exam_id)["patient_id"]
    cut = None
    if reference["reference_image_id"]:
        options = cohort.row("images", image_id=reference["reference_image_id"])["options"]
        cut = json.loads(options or "{}").get("evaluation_cut")
    return MaskPair(
        patient_id, exam_id, reference, prediction, None if cut is None else tuple((int(a), int(b)) for a, b in cut)
    )
