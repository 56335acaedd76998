"""Image features of every patient as one table, and as clinical variables that any model can use.

Features of masks that a person drew are said to be so; features of predicted masks are taken only where the masks were
predicted out of fold, since a network draws its own training patients too well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable
from tumorboard.core.volume import Volume
from tumorboard.ops.components import connected_parts
from tumorboard.tasks.features import codes
from tumorboard.tasks.features.blocks import IMAGE_FEATURE
from tumorboard.tasks.features.modalities import BaselineImages, baseline_images

__all__ = ["FeatureTable", "add_features", "extract_features", "features_of_mask", "patient_features"]

OUT_OF_FOLD = "out_of_fold"
"""Key in a run's `inputs` that says its masks were predicted for patients that it was not trained on."""
_SHAPE = ("sphericity", "hull_volume_density", "surface_to_volume_per_mm", "elongation", "flatness")
_INTENSITY = ("maximum", "mean", "median", "p10", "p90", "coefficient_of_variation", "skewness", "global_peak")
_TEXTURE = (
    "histogram_entropy",
    "glcm_correlation",
    "glcm_contrast",
    "glcm_inverse_difference",
    "glrlm_run_nonuniformity_normalised",
    "glrlm_run_percentage",
    "glszm_zone_percentage",
    "glszm_short_zone",
)


@dataclass(frozen=True)
class FeatureTable:
    """`values` (patients, features), NaN where a modality is missing; `needs`: the modalities of each feature;
    `source`: whose masks were measured, in words."""

    patient_ids: tuple[str, ...]
    names: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]]
    values: NDArray[np.float64]
    source: str


def extract_features(
    cohort: Cohort,
    *,
    masks: str = EXPERT,
    in_fold: bool = False,
    texture: bool = True,
    map: Callable[..., Iterable[Any]] = map,
) -> FeatureTable:
    """Features of the baseline images of every patient.

    Parameters
    ----------
    masks : run whose masks are measured; of another run than ``expert`` its row in `runs` must say that they were
        predicted out of fold (FEA101), unless `in_fold` says that it is known and accepted.
    texture : whether texture is counted too (three quarters of the time).
    map : where patients are measured (an executor's ``map``).
    """
    source = _source(cohort, masks, in_fold=in_fold)
    jobs = baseline_images(cohort, masks=masks)
    rows = list(map(_with_texture if texture else _without_texture, jobs))
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    values = np.array([[row.get(name, np.nan) for name in names] for row in rows], float).reshape(len(rows), len(names))
    values[~np.isfinite(values)] = np.nan
    needs = {name: _needs(name) for name in names}
    return FeatureTable(tuple(job.patient_id for job in jobs), names, needs, values, source)


def add_features(cohort: Cohort, table: FeatureTable) -> Cohort:
    """The cohort with one numeric variable per feature, marked as baseline, whose source says whose masks they are
    of; a model then uses them like any clinical variable, fitted inside its fold."""
    place = {patient: n for n, patient in enumerate(table.patient_ids)}
    order = [place[patient] for patient in cohort.patient_ids]
    patients = cohort.patients
    for column, name in enumerate(table.names):
        array = pa.array(table.values[order, column], from_pandas=True)
        if name in patients.column_names:
            patients = patients.drop_columns([name])
        patients = patients.append_column(name, array)
    variables = [
        Variable(name, Kind.NUMERIC, unit=_unit(name), source=table.source, note=IMAGE_FEATURE, baseline=True)
        for name in table.names
    ]
    return cohort.replace_tables(patients=patients).with_dictionary(variables)


def patient_features(images: BaselineImages, *, texture: bool = True) -> dict[str, float]:
    """Features of one patient: geometry of the mask; shape of the index lesion (the largest primary, else the largest
    node); uptake, density, dose and texture in it. Nothing without a mask, or for an empty one."""
    if not images.has("mask"):
        return {}
    return features_of_mask(
        images.load("mask"), images, labels=dict(images.rows["mask"]["labels"] or {}), texture=texture
    )


def features_of_mask(
    mask: Volume, images: BaselineImages, *, labels: Mapping[int, str], texture: bool = True
) -> dict[str, float]:
    """`patient_features` of a mask that is at hand, such as one just predicted."""
    from tumorboard.tasks.features.geometry import NODES, geometry_features, midline_mm
    from tumorboard.tasks.features.measure import measure_mask

    pet, ct, dose = (images.load(name) if images.has(name) else None for name in ("PET", "CT", "dose"))
    rows = measure_mask(mask, pet, labels=labels, image_id="mask", run_id="")
    parts = [row for row in rows if row["component"]]
    if not parts:
        return {}
    index = max(parts, key=lambda row: (row["label"] not in NODES, row["measurements"]["volume_ml"]))
    midline = None if ct is None else midline_mm(ct, np.asarray(index["points_mm"]))
    found = {f"mask_{k}": v for k, v in geometry_features(mask, rows, midline=midline).items()}
    whole = [row["measurements"] for row in rows if not row["component"] and "suv_max" in row["measurements"]]
    if whole:
        found["pet_mtv_ml"] = sum(figures["mtv_ml"] for figures in whole)
        found["pet_tlg_ml"] = sum(figures["tlg_ml"] for figures in whole)
        found["pet_highest_suv"] = max(figures["suv_max"] for figures in whole)
    found |= _of_lesion(mask, index, {"pet": pet, "ct": ct, "dose": dose}, texture=texture)
    return found


def _with_texture(images: BaselineImages) -> dict[str, float]:
    return patient_features(images)


def _without_texture(images: BaselineImages) -> dict[str, float]:
    return patient_features(images, texture=False)


def _of_lesion(mask: Volume, lesion: Mapping[str, Any], scans: Mapping[str, Any], *, texture: bool) -> dict[str, float]:
    """Shape once, and the values of each scan in the lesion."""
    from tumorboard.metrics.radiomics.profile import profile_features
    from tumorboard.ops.resample import resample_to
    from tumorboard.tasks.features.radiomics import radiomics

    part = _only(mask, lesion)
    found: dict[str, float] = {}
    shape: dict[str, float] = {}
    for name, scan in scans.items():
        if scan is None:
            continue
        try:
            features = radiomics(scan, part, texture=texture and name != "dose")
        except TumorboardError as error:
            if error.code is not codes.NOTHING_TO_MEASURE:
                raise
            continue  # too small for the grid, or outside this scan: it has no value there
        if not shape:
            shape = {f"mask_index_{key}": features[f"shape_{key}"] for key in _SHAPE}
        found |= {f"{name}_{k}": features[f"intensity_{k}"] for k in _INTENSITY if f"intensity_{k}" in features}
        if texture:
            found |= {f"{name}_{k}": features[k] for k in _TEXTURE if k in features}
        if name != "dose":
            values = resample_to(scan, part.geometry, method="linear", anti_alias=False)
            shifted = values.array + (1000.0 if name == "ct" else 0.0)  # air is the zero of density
            found |= {f"{name}_{k}": v for k, v in profile_features(shifted, part.array > 0, part.spacing_mm).items()}
    return shape | found


def _only(mask: Volume, lesion: Mapping[str, Any]) -> Volume:
    """The lesion alone, cut out of its mask with a margin of two voxels."""
    corners = mask.geometry.to_index(np.asarray(lesion["box"], float).reshape(2, 3))
    low = np.maximum(np.rint(corners.min(axis=0)).astype(int) - 2, 0)
    high = np.minimum(np.rint(corners.max(axis=0)).astype(int) + 3, mask.shape)
    part = mask.crop(low.tolist(), high.tolist())
    parts, _ = connected_parts(part.array == lesion["value"])
    largest = int(np.argmax(np.bincount(parts.ravel())[1:])) + 1
    return part.with_array((parts == largest).astype(np.uint8))


def _source(cohort: Cohort, masks: str, *, in_fold: bool) -> str:
    if masks == EXPERT:
        return "expert masks"
    run = cohort.row("runs", run_id=masks)
    if json.loads(run["inputs"] or "{}").get(OUT_OF_FOLD) or run["kind"] == "baseline":
        return f"masks of {masks}, out of fold"
    if not in_fold:
        raise TumorboardError(
            codes.MASK_TRAINED_ON, f"{cohort.name}, run {masks}", found="no word of folds", expected="out of fold"
        )
    return f"masks of {masks}, perhaps of its own training patients"


def _needs(name: str) -> tuple[str, ...]:
    return {"pet": ("PET", "mask"), "ct": ("CT", "mask"), "dose": ("dose", "mask")}.get(name.split("_")[0], ("mask",))


def _unit(name: str) -> str:
    for ending, unit in (("_ml", "ml"), ("_mm", "mm"), ("_suv", "SUV")):
        if name.endswith(ending):
            return unit
    return ""
