"""Faults on request: what goes wrong in real cohorts, planted in a virtual one, so that the checks can be tested.

Each is planted after the cohort is made, in its tables or in the bytes of its files, and touches as few
patients as it can.
The registry `FAULTS` names them; `plant` adds them and writes into the provenance what was done to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import sha256_of
from tumorboard.io.images import image_path
from tumorboard.io.nifti import write_nifti
from tumorboard.phantom import codes

__all__ = ["FAULTS", "Fault", "plant"]

Rows = list[dict[str, Any]]
Change = tuple[Cohort, list[str]]


@dataclass(frozen=True)
class Fault:
    """One kind of fault: its name, what it is, and the function that plants it.

    `plant(cohort, rng)` returns the faulty cohort and the patients it touched.
    """

    name: str
    summary: str
    plant: Callable[[Cohort, np.random.Generator], Change]


FAULTS: dict[str, Fault] = {}


def _fault(name: str, summary: str) -> Callable[[Callable[[Cohort, np.random.Generator], Change]], Any]:
    def register(function: Callable[[Cohort, np.random.Generator], Change]) -> Any:
        FAULTS[name] = Fault(name, summary, function)
        return function

    return register


def plant(cohort: Cohort, names: Sequence[str], *, seed: int) -> Cohort:
    """`cohort` with these faults, one after the other; PHA101 for an unknown name, PHA102 where one has no place."""
    for order, name in enumerate(names):
        if name not in FAULTS:
            raise TumorboardError(
                codes.UNKNOWN_NAME, "faults", found=repr(name), expected=f"a fault among {', '.join(FAULTS)}"
            )
        cohort, touched = FAULTS[name].plant(cohort, np.random.default_rng([seed, 401, order]))
        if not touched:
            raise TumorboardError(
                codes.FAULT_NEEDS, cohort.name, found=f"no place for {name!r}", expected=FAULTS[name].summary
            )
        cohort = cohort.with_provenance({"fault": name, "summary": FAULTS[name].summary, "patients": touched})
    return cohort


# ---- helpers ------------------------------------------------------------------------------------------------


def _patient_of(image: Mapping[str, Any]) -> str:
    return str(image["exam_id"]).rpartition(".")[0]


def _images(cohort: Cohort, *, modality: str, role: str) -> Rows:
    found = [row for row in cohort.rows("images", modality=modality, role=role) if row["run_id"] in (None, EXPERT)]
    return [row for row in found if not str(row["exam_id"]).startswith("truth")]


def _pick(rows: Rows, rng: np.random.Generator, count: int = 1) -> Rows:
    count = min(count, len(rows))
    return [rows[i] for i in sorted(rng.permutation(len(rows))[:count])]


def _with_images(cohort: Cohort, changed: Rows) -> Cohort:
    by_id = {row["image_id"]: row for row in changed}
    return cohort.replace_tables(images=[by_id.get(row["image_id"], row) for row in cohort.rows("images")])


def _rewrite(cohort: Cohort, row: dict[str, Any], volume: Volume, **columns: Any) -> dict[str, Any]:
    """Write other voxels (or another affine) in an image's place; grid and checksum of the row follow the file."""
    path = image_path(row, cohort.root)
    write_nifti(volume, path)
    return {
        **row,
        "shape": list(volume.shape),
        "affine": volume.affine.ravel().tolist(),
        "sha256": sha256_of(path),
        **columns,
    }


def _change_voxels(
    cohort: Cohort,
    rng: np.random.Generator,
    *,
    modality: str,
    role: str,
    count: int,
    change: Callable[[Volume], Volume],
    **columns: Any,
) -> Change:
    rows = _pick(_images(cohort, modality=modality, role=role), rng, count)
    changed = [_rewrite(cohort, row, change(cohort.image(row["image_id"])), **columns) for row in rows]
    return _with_images(cohort, changed), [_patient_of(row) for row in rows]


def _change_survival(cohort: Cohort, rows: Rows, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    keys = {(row["patient_id"], row["endpoint"], row["run_id"]) for row in rows}
    touched, table = [], []
    for row in cohort.rows("outcomes"):
        if (row["patient_id"], row["endpoint"], row["run_id"]) in keys:
            row = change(row)
            touched.append(str(row["patient_id"]))
        table.append(row)
    return cohort.replace_tables(outcomes=table), touched


# ---- images -------------------------------------------------------------------------------------------------


@_fault("pet-units", "a PET in Bq/ml stands among SUV and says SUV")
def _pet_units(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.PT,
        role=Role.IMAGE,
        count=1,
        change=lambda v: v.with_array((v.array * 3100.0).astype(np.float32)),
    )


@_fault("pet-implausible", "a PET ten times too cold: SUV computed with the weight in the wrong unit")
def _pet_cold(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.PT,
        role=Role.IMAGE,
        count=1,
        change=lambda v: v.with_array((v.array / 1000.0).astype(np.float32)),
    )


@_fault("ct-implausible", "a CT without its rescale intercept: air at 24 instead of -1000")
def _ct_raw(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.CT,
        role=Role.IMAGE,
        count=1,
        change=lambda v: v.with_array((v.array + 1024).astype(np.int16)),
    )


@_fault("stray-label", "a mask with voxels of a label that nobody declared (3)")
def _stray_label(cohort: Cohort, rng: np.random.Generator) -> Change:
    def change(volume: Volume) -> Volume:
        array = volume.array.copy()
        middle = [n // 2 for n in array.shape]
        array[middle[0], middle[1], middle[2] : middle[2] + 2] = 3
        return volume.with_array(array)

    return _change_voxels(cohort, rng, modality=Modality.SEG, role=Role.MASK, count=1, change=change)


@_fault("fractional-label", "a mask stored as floats: 0.9999 instead of 1")
def _fractional_label(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.SEG,
        role=Role.MASK,
        count=1,
        change=lambda v: v.with_array(v.array.astype(np.float32) * np.float32(0.9999)),
    )


@_fault("mask-off-grid", "a mask with fewer slices than its CT")
def _mask_off_grid(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.SEG,
        role=Role.MASK,
        count=1,
        change=lambda v: v.crop((0, 0, 0), (v.shape[0], v.shape[1], v.shape[2] - 3)),
        reference_image_id=None,
        problem="COH106",
    )


@_fault("empty-mask", "a mask without a voxel")
def _empty_mask(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.SEG,
        role=Role.MASK,
        count=1,
        change=lambda v: v.with_array(np.zeros_like(v.array)),
    )


@_fault("shifted-affine", "a mask with the CT's shape and an origin 30 mm away")
def _shifted_affine(cohort: Cohort, rng: np.random.Generator) -> Change:
    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += (0.0, 0.0, 30.0)
        return Volume(volume.array, affine, volume.unit)

    return _change_voxels(
        cohort,
        rng,
        modality=Modality.SEG,
        role=Role.MASK,
        count=1,
        change=change,
        reference_image_id=None,
        problem="COH106",
    )


@_fault("sheared-affine", "a CT (and its mask) whose axes are not at right angles")
def _sheared_affine(cohort: Cohort, rng: np.random.Generator) -> Change:
    ct = _pick(_images(cohort, modality=Modality.CT, role=Role.IMAGE), rng)[0]
    changed = []
    for row in cohort.rows("images", exam_id=ct["exam_id"]):
        if row["image_id"] != ct["image_id"] and row["reference_image_id"] != ct["image_id"]:
            continue
        volume = cohort.image(row["image_id"])
        affine = volume.affine.copy()
        affine[:3, 2] += 0.12 * affine[:3, 1]
        changed.append(_rewrite(cohort, row, Volume(volume.array, affine, volume.unit)))
    return _with_images(cohort, changed), [_patient_of(ct)]


@_fault("flipped-orientation", "a PET whose voxels were stored backwards along the body while its affine was kept")
def _flipped(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_voxels(
        cohort,
        rng,
        modality=Modality.PT,
        role=Role.IMAGE,
        count=1,
        change=lambda v: v.with_array(np.ascontiguousarray(np.flip(v.array, 2))),
    )


@_fault("no-overlap", "a PET that lies 900 mm away from its CT")
def _no_overlap(cohort: Cohort, rng: np.random.Generator) -> Change:
    def change(volume: Volume) -> Volume:
        affine = volume.affine.copy()
        affine[:3, 3] += (0.0, 0.0, 900.0)
        return Volume(volume.array, affine, volume.unit)

    return _change_voxels(cohort, rng, modality=Modality.PT, role=Role.IMAGE, count=1, change=change)


# ---- patients -----------------------------------------------------------------------------------------------


def _copied(cohort: Cohort, source: str, target: str, *, images: bool) -> Cohort:
    """`cohort` with one patient more: the rows (and files) of `source` under the id `target`."""
    part = cohort.subset([source])
    swap = {source: target}
    for exam in part.exams["exam_id"].to_pylist():
        swap[exam] = target + exam.removeprefix(source)
    new: dict[str, Rows] = {}
    for table in ("patients", "exams", "outcomes", *(("images",) if images else ())):
        new[table] = [
            {key: swap.get(value, value) if isinstance(value, str) else value for key, value in row.items()}
            for row in part.rows(table)
        ]
    for row in new.get("images", []):
        for key in ("image_id", "reference_image_id"):
            row[key] = None if row[key] is None else target + row[key].removeprefix(source)
    return cohort.replace_tables(**{table: cohort.rows(table) + rows for table, rows in new.items()})


@_fault("duplicate-patient", "one patient twice, with the same images and values, under two ids")
def _duplicate(cohort: Cohort, rng: np.random.Generator) -> Change:
    source = cohort.patient_ids[int(rng.integers(len(cohort)))]
    target = f"{source.rpartition('-')[0]}-9{int(rng.integers(10, 99))}"
    return _copied(cohort, source, target, images=True), [source, target]


@_fault("similar-ids", "two ids that differ by - and _ alone")
def _similar_ids(cohort: Cohort, rng: np.random.Generator) -> Change:
    source = cohort.patient_ids[int(rng.integers(len(cohort)))]
    target = source.replace("-", "_")
    return _copied(cohort, source, target, images=False), [source, target]


def _change_patients(cohort: Cohort, ids: Sequence[str], **columns: Any) -> Change:
    rows = [{**row, **columns} if row["patient_id"] in ids else row for row in cohort.rows("patients")]
    return cohort.replace_tables(patients=rows), list(ids)


@_fault("impossible-age", "an age of 163 years")
def _impossible_age(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_patients(cohort, [cohort.patient_ids[int(rng.integers(len(cohort)))]], age_years=163.0)


@_fault("unknown-code", "a value that the data dictionary does not know (T9)")
def _unknown_code(cohort: Cohort, rng: np.random.Generator) -> Change:
    return _change_patients(cohort, [cohort.patient_ids[int(rng.integers(len(cohort)))]], t_stage="T9")


@_fault("label-leak", "a column `grading` that gives the HPV status away")
def _label_leak(cohort: Cohort, rng: np.random.Generator) -> Change:
    status = {row["patient_id"]: row["class_value"] for row in cohort.rows("outcomes", endpoint="HPV", run_id=EXPERT)}
    if len(set(status.values())) < 2:
        return cohort, []
    grades = rng.choice(["G1", "G2", "G3"], len(cohort))
    rows = [
        {**row, "grading": "HPV associated" if status.get(row["patient_id"]) == "positive" else str(grade)}
        for row, grade in zip(cohort.rows("patients"), grades, strict=True)
    ]
    return cohort.replace_tables(patients=rows), sorted(status)


# ---- outcomes -----------------------------------------------------------------------------------------------


@_fault("time-not-positive", "a recurrence dated at the start of treatment: 0 days")
def _time_not_positive(cohort: Cohort, rng: np.random.Generator) -> Change:
    rows = [r for r in cohort.rows("outcomes", endpoint="RFS", run_id=EXPERT) if r["survival"]]

    def change(row: dict[str, Any]) -> dict[str, Any]:
        # An event at day 0 cannot be a survival time; the published cells stay in `raw` (adr/0004).
        return {**row, "survival": None, "raw": '{"Relapse": 1, "RFS": 0}', "problem": "COH104"}

    return _change_survival(cohort, _pick(rows, rng), change)


@_fault("rfs-after-os", "a recurrence-free time longer than the time to death")
def _rfs_after_os(cohort: Cohort, rng: np.random.Generator) -> Change:
    dead = {
        r["patient_id"]: r["survival"]["time_days"]
        for r in cohort.rows("outcomes", endpoint="OS", run_id=EXPERT)
        if r["survival"] and r["survival"]["event"]
    }
    rows = [
        r for r in cohort.rows("outcomes", endpoint="RFS", run_id=EXPERT) if r["patient_id"] in dead and r["survival"]
    ]

    def change(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "survival": {**row["survival"], "time_days": dead[row["patient_id"]] + 200.0}}

    return _change_survival(cohort, _pick(rows, rng), change)


@_fault("months-among-days", "one centre's times in months while the others' are in days")
def _months(cohort: Cohort, rng: np.random.Generator) -> Change:
    centre_of = {row["patient_id"]: row["centre"] for row in cohort.rows("patients")}
    centres = sorted(set(centre_of.values()))
    if len(centres) < 2:
        return cohort, []
    chosen = centres[int(rng.integers(len(centres)))]
    rows = [r for r in cohort.rows("outcomes", run_id=EXPERT) if r["survival"] and centre_of[r["patient_id"]] == chosen]

    def change(row: dict[str, Any]) -> dict[str, Any]:
        days = row["survival"]["time_days"]
        return {**row, "survival": {**row["survival"], "time_days": round(days / 30.44, 1) or 0.1}}

    faulty, touched = _change_survival(cohort, rows, change)
    return faulty, sorted(set(touched))


@_fault("unit-unknown", "a PET whose unit nobody states")
def _unit_unknown(cohort: Cohort, rng: np.random.Generator) -> Change:
    row = _pick(_images(cohort, modality=Modality.PT, role=Role.IMAGE), rng)[0]
    return _with_images(cohort, [{**row, "unit": str(Unit.UNKNOWN)}]), [_patient_of(row)]
