"""The worst cases as pictures: the slice through the largest disagreement, with both contours, on CT and PET."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role
from tumorboard.core.volume import Volume
from tumorboard.io.files import atomic_file
from tumorboard.io.images import load_image
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.result import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Failure", "gallery", "worst_exams"]

INK = "#1d2733"
TRUTH, FOUND = "#7CFC6A", "#ff8c1a"
_HALF_MM = 90.0
_CT_WINDOW_HU = (-160.0, 240.0)
_SUV_SHOWN = 10.0


@dataclass(frozen=True, eq=False)
class Failure:
    """One axial slice of an exam: CT and PET (None: absent) as (x, y) with x to the patient's left and y to the back,
    the masks there, pixel edges in mm, and the exam's figures."""

    patient_id: str
    exam_id: str
    label: str
    dice: float
    truth_ml: float
    found_ml: float
    ct: NDArray[np.float32] | None
    pet: NDArray[np.float32] | None
    truth: NDArray[np.bool_]
    found: NDArray[np.bool_]
    pixel_mm: tuple[float, float]


def gallery(
    cohort: Cohort,
    run_id: str,
    cases: Sequence[Mapping[str, Any]],
    folder: Path,
    *,
    count: int = 6,
    reference: str = EXPERT,
    answers: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[Picture, ...]:
    """Write the `count` exams with the lowest Dice of a run as one PNG below `folder`.

    `cohort` with the reference's masks, and the run's unless `answers` gives its row of `images` for every exam;
    `cases`: rows per exam, metric and label (`Evaluation.cases`). An exam with several structures is shown at its worst
    one. No picture when nothing is scored.
    """
    if answers is None:
        answers = {row["exam_id"]: row for row in cohort.rows("images", role=Role.MASK, run_id=run_id)}
    failures = [
        failure
        for case in worst_exams(cases, count)
        if (failure := _failure(cohort, answers.get(case["exam_id"]), case, reference=reference)) is not None
    ]
    if not failures:
        return ()
    path = folder / "worst-cases.png"
    with atomic_file(path) as temporary:
        _figure(failures).savefig(temporary, format="png", dpi=110, metadata={"Software": None})
    said = "; ".join(
        f"{f.patient_id}, {f.label}: Dice {f.dice:.2f}, drawn {f.truth_ml:.1f} ml, predicted {f.found_ml:.1f} ml"
        for f in failures
    )
    alt = f"CT and PET slices through the largest disagreement in the {len(failures)} worst exams of {run_id}: {said}."
    return (Picture(path, f"Worst cases of {run_id}", alt),)


def worst_exams(cases: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """The Dice rows of the `count` exams with the lowest one, worst first; each exam once, undefined ones never."""
    rows = [row for row in cases if row["metric"] == "dice" and row["value"] is not None]
    chosen: dict[str, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: (row["value"], str(row["exam_id"]), str(row["label"]))):
        chosen.setdefault(row["exam_id"], row)
    return list(chosen.values())[:count]


def _failure(
    cohort: Cohort, answer: Mapping[str, Any] | None, case: Mapping[str, Any], *, reference: str
) -> Failure | None:
    drawn = cohort.rows("images", role=Role.MASK, exam_id=case["exam_id"], run_id=reference)
    if not drawn:
        return None
    truth = _inside(cohort, drawn[0], case["label"])
    found = truth.with_array(np.zeros_like(truth.array)) if answer is None else _inside(cohort, answer, case["label"])
    if not truth.geometry.same_grid(found.geometry):
        return None
    differ = (truth.array != found.array).sum(axis=(0, 1))
    level = int(np.argmax(differ if differ.any() else truth.array.sum(axis=(0, 1))))
    box = _box_round(truth.array[:, :, level] | found.array[:, :, level], truth.spacing_mm)
    images = {row["modality"]: row for row in cohort.rows("images", role=Role.IMAGE, exam_id=case["exam_id"])}
    low, high = (box[0].start, box[1].start, level), (box[0].stop, box[1].stop, level + 1)
    place = truth.crop(low, high).geometry
    slices = {}
    for modality in (Modality.CT, Modality.PT):
        row = images.get(modality)
        volume = None if row is None else cohort.image(row["image_id"]).astype(np.float32)
        shown = None if volume is None else resample_to(volume, place, method="linear", allow_empty=True)
        slices[modality] = None if shown is None else shown.array[:, :, 0]
    voxel_ml = truth.voxel_volume_ml
    return Failure(
        case["patient_id"],
        case["exam_id"],
        case["label"],
        float(case["value"]),
        float(truth.array.sum() * voxel_ml),
        float(found.array.sum() * voxel_ml),
        slices[Modality.CT],
        slices[Modality.PT],
        truth.array[(*box, level)] > 0,
        found.array[(*box, level)] > 0,
        (float(truth.spacing_mm[0]), float(truth.spacing_mm[1])),
    )


def _inside(cohort: Cohort, row: Mapping[str, Any], label: str) -> Volume:
    """A structure of a mask as 0 and 1, with x to the left, y to the back, z up."""
    mask = (cohort.loader or load_image)(row, cohort.root)
    values = [value for value, name in (row["labels"] or {}).items() if name == label]
    return mask.with_array(np.isin(mask.array, values).astype(np.uint8)).reorient("LPS")


def _box_round(inside: NDArray[Any], spacing_mm: NDArray[np.float64]) -> tuple[slice, slice]:
    """A square of 180 mm round the middle of the masks, inside the slice."""
    middle = ndimage.center_of_mass(inside) if inside.any() else [n / 2 for n in inside.shape]
    found = []
    for size, centre, edge_mm in zip(inside.shape, middle, spacing_mm[:2], strict=True):
        half = round(_HALF_MM / float(edge_mm))
        start = int(np.clip(round(centre) - half, 0, max(size - 2 * half, 0)))
        found.append(slice(start, min(start + 2 * half, size)))
    return found[0], found[1]


def _figure(failures: Sequence[Failure]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.3 * len(failures), 5.0), layout="constrained", facecolor="white")
    axes = figure.subplots(2, len(failures), squeeze=False)
    for column, failure in enumerate(failures):
        views = ((failure.ct, "gray", *_CT_WINDOW_HU), (failure.pet, "gray_r", 0.0, _SUV_SHOWN))
        for row, (values, colours, low, high) in enumerate(views):
            axis = axes[row, column]
            axis.set_axis_off()
            size = [n * mm for n, mm in zip(failure.truth.shape, failure.pixel_mm, strict=True)]
            extent = (0.0, size[0], size[1], 0.0)
            if values is None:
                blank = np.full(failure.truth.shape, low, np.float32)
                axis.imshow(blank.T, cmap=colours, vmin=low, vmax=high, extent=extent)
                axis.text(size[0] / 2, size[1] / 2, "absent", ha="center", color=INK)
            else:
                axis.imshow(values.T, cmap=colours, vmin=low, vmax=high, extent=extent)
            for mask, colour in ((failure.truth, TRUTH), (failure.found, FOUND)):
                _outline(axis, mask, failure.pixel_mm, colour)
        title = (
            f"{failure.patient_id}, {failure.label}\nDice {failure.dice:.2f}\n"
            f"{failure.truth_ml:.1f} ml, predicted {failure.found_ml:.1f} ml"
        )
        axes[0, column].set_title(title, fontsize=8, color=INK)
    figure.supxlabel("drawn: green; predicted: orange. Above CT, below PET (SUV 0 to 10)", fontsize=8, color=INK)
    return figure


def _outline(axis: Any, mask: NDArray[np.bool_], pixel_mm: tuple[float, float], colour: str) -> None:
    if not mask.any() or min(mask.shape) < 2:
        return
    x, y = ((np.arange(n) + 0.5) * mm for n, mm in zip(mask.shape, pixel_mm, strict=True))
    axis.contour(x, y, mask.T.astype(float), levels=[0.5], colors=[colour], linewidths=1.2)
