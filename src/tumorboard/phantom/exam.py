"""One exam of one virtual patient: its images, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.phantom.body import body_solids
from tumorboard.phantom.build import Build
from tumorboard.phantom.disease import benign_nodes
from tumorboard.phantom.imaging import acquire_ct, acquire_pet
from tumorboard.phantom.lesions import Lesion, lesion_solids, lesion_tissues
from tumorboard.phantom.patient import VirtualPatient
from tumorboard.phantom.render import Pose, Rendering, render
from tumorboard.phantom.scanner import ct_grid, pet_grid
from tumorboard.phantom.solids import Solid
from tumorboard.phantom.tissue import TissueValues, draw_tissues

__all__ = ["LABELS", "TRUTH", "ExamImages", "ImagingOptions", "image_rows", "scan"]

LABELS = {1: "GTVp", 2: "GTVn"}
METASTASES = {3: "metastasis"}
"""Further values of the masks of a cohort with distant lesions."""
TRUTH = "truth"
"""The run of what nobody saw: the planted signal, complete stages, anatomy."""

_HALF_LIFE_MIN = 109.77
_VALUES = {"P": 1, "M": 3}
"""Value in the mask by the first letter of a lesion's name; nodes 2."""


@dataclass(frozen=True)
class ImagingOptions:
    """region: ``head-neck`` or ``whole-body``. spacing_mm: no voxel edge is shorter (None: the protocols' own grids).
    organs: write the organ label map too. dose: plan a dose for the centres' share of patients. quirks: the
    centres' own faults (Bq/ml, a stray label), declared where they can be. spread: patients may have distant
    lesions."""

    region: str = "head-neck"
    spacing_mm: float | None = 3.0
    organs: bool = False
    dose: bool = True
    quirks: bool = False
    spread: bool = False

    @property
    def labels(self) -> Mapping[int, str]:
        """Values of the expert's mask."""
        return LABELS | METASTASES if self.spread else LABELS


@dataclass(frozen=True, eq=False)
class ExamImages:
    """What one exam shows: volumes by kind (CT, PT, mask, organs, dose), facts about the PET, lesions as measured."""

    volumes: Mapping[str, Volume]
    organ_names: Mapping[int, str]
    facts: Mapping[str, Any]
    lesions: Sequence[Mapping[str, Any]]


def scan(patient: VirtualPatient, exam: int, options: ImagingOptions) -> ExamImages:
    """Scan one exam. Depends on the patient, the exam and the options alone."""
    protocol, person = patient.protocol, patient.person
    at = patient.rng("exam", exam)
    contrast = float(at.uniform(0.75, 1.25)) if at.random() < protocol.contrast_share else 0.0
    table = (float(at.normal(0, 5)), float(at.normal(0, 8)), float(at.uniform(-900, 300)))
    place = {"region": options.region, "height_mm": person.height_mm, "table_mm": table, "least_mm": options.spacing_mm}
    ct_place, pet_place = ct_grid(protocol, at, **place), pet_grid(protocol, at, **place)
    ct_pose, pet_pose = _poses(patient, exam, table)
    build = Build(
        person.sex,
        person.age_years,
        person.height_mm,
        person.weight_kg,
        int(patient.rng("build").integers(1 << 62)),
        arms_up=protocol.arms_up,
    )
    solids, tissues = _contents(patient, exam, build, contrast)
    drawn = render(solids, ct_place, ct_pose, tissues=tissues, what="hu", with_labels=True)
    couch = table[1] + 125.0 * person.height_mm / 1750
    ct = acquire_ct(drawn.values, ct_place, protocol, patient.rng("ct", exam), couch_mm=couch)
    uptake = render(solids, pet_place, pet_pose, tissues=tissues, what="suv").values
    suv = acquire_pet(
        uptake, pet_place, protocol, patient.rng("pet", exam), liver_suv=tissues["liver"].suv, bmi=person.bmi
    )
    organs, mask, per_lesion = _labels(drawn)
    volumes = {
        "CT": Volume(ct, ct_place.affine, Unit.HU),
        "PT": Volume(suv, pet_place.affine, Unit.SUVBW),
        "mask": Volume(mask, ct_place.affine, Unit.LABEL),
    }
    if options.organs:
        volumes["organs"] = Volume(organs, ct_place.affine, Unit.LABEL)
    if options.dose and exam == 0 and patient.rng("dose").random() < protocol.dose_map_share:
        from tumorboard.phantom.dose import plan_dose

        volumes["dose"] = plan_dose(mask, ct_place, ct_pose, stage=patient.disease.t)
    lesions = _measured(patient, exam, drawn, per_lesion, volumes)
    facts = _pet_facts(patient, exam)
    if options.quirks:
        volumes, facts = _with_quirks(volumes, facts, patient, exam)
    turned = {kind: _oriented(volume, protocol.orientation) for kind, volume in volumes.items()}
    names = {number: name for number, name in drawn.names.items() if not name.startswith("lesion:")}
    return ExamImages(turned, names, facts, lesions)


def _poses(patient: VirtualPatient, exam: int, table: tuple[float, float, float]) -> tuple[Pose, Pose]:
    """The body in the CT and, moved a little, in the PET: head turned by 1-3 degrees, millimetres of shift,
    free breathing."""
    own = patient.rng("pose")
    rng = patient.rng("pose", exam + 1)
    warp = np.column_stack([own.uniform(3.5, 6.5, 3), 1 / own.uniform(38, 60, 3), own.uniform(0, 64, (3, 3))])
    warp[:, 2:] += rng.normal(0, 0.05, (3, 3))
    turn, tilt, yaw = float(rng.normal(0, 2.5)), float(rng.normal(0, 2.0)), float(rng.normal(0, 1.2))
    moved = tuple(float(t + d) for t, d in zip(table, rng.normal(0, 1.2, 3), strict=True))
    common = {"height_mm": patient.person.height_mm, "warp": warp, "yaw": yaw}
    ct = Pose(table, turn=turn, tilt=tilt, breath_mm=float(rng.normal(0, 3)), **common)
    pet = Pose(
        moved,
        turn=turn + float(rng.normal(0, 1.0)),
        tilt=tilt + float(rng.normal(0, 0.6)),
        breath_mm=float(rng.normal(6, 4)),
        **common,
    )
    return ct, pet


def _contents(
    patient: VirtualPatient, exam: int, build: Build, contrast: float
) -> tuple[list[Solid], dict[str, TissueValues]]:
    """All solids in painting order and the values of their tissues."""
    scale = 1750.0 / patient.person.height_mm
    tissues = draw_tissues(patient.rng("tissue"), age_years=patient.person.age_years, bmi=build.bmi, contrast=contrast)
    lesions: list[Solid] = []
    rng = patient.rng("tissue", exam + 1)
    ordinary = benign_nodes(
        patient.rng("benign"), len(patient.exam_days), avoid=[x.centre for x in patient.disease.lesions]
    )
    for lesion in (*patient.disease.lesions, *ordinary):
        lesions += lesion_solids(
            lesion,
            exam,
            scale=scale,
            drawn_grow_mm=patient.protocol.drawn_grow_mm,
            drawn_rough_mm=float(rng.uniform(0.5, 1.0)),
        )
        tissues |= lesion_tissues(lesion, contrast=contrast)
    return body_solids(build, lesions=lesions), tissues


def _labels(drawn: Rendering) -> tuple[NDArray[np.uint8], NDArray[np.uint8], dict[str, int]]:
    """Organ map without lesions, the expert's mask (1 primary, 2 nodes), and the label of each lesion."""
    to_mask, to_organ = np.zeros(256, np.uint8), np.arange(256, dtype=np.uint8)
    numbers = {}
    for number, name in drawn.names.items():
        if name.startswith("lesion:"):
            numbers[name.removeprefix("lesion:")] = number
            to_mask[number] = _VALUES.get(name[7], 2)
            to_organ[number] = 0
    return to_organ[drawn.labels], to_mask[drawn.labels], numbers


def _measured(
    patient: VirtualPatient, exam: int, drawn: Rendering, numbers: Mapping[str, int], volumes: Mapping[str, Volume]
) -> list[dict[str, Any]]:
    """What can be measured of every lesion that is in the mask: place, box, volume, SUV of the PET resampled to it."""
    from scipy import ndimage

    pet, grid = volumes["PT"], volumes["CT"].geometry
    boxes = ndimage.find_objects(drawn.labels)
    found = []
    for lesion in patient.disease.lesions:
        number = numbers.get(lesion.name)
        box = boxes[number - 1] if number is not None and number <= len(boxes) else None
        if lesion.courses[exam] <= 0 or box is None:
            continue
        index = np.argwhere(drawn.labels[box] == number) + [s.start for s in box]
        world = grid.to_world(index)
        at = pet.geometry.to_index(world).T
        suv = ndimage.map_coordinates(pet.array, at, order=1, mode="constant", cval=np.nan)
        inside = np.isfinite(suv)
        found.append(
            {
                "lesion": lesion,
                "centroid_mm": world.mean(axis=0).tolist(),
                "box_mm": [*world.min(axis=0).tolist(), *world.max(axis=0).tolist()],
                "measurements": {
                    "volume_ml": float(len(index) * grid.voxel_volume_ml),
                    **(
                        {"suv_max": float(suv[inside].max()), "suv_mean": float(suv[inside].mean())}
                        if inside.any()
                        else {}
                    ),
                },
            }
        )
    return found


def _pet_facts(patient: VirtualPatient, exam: int) -> dict[str, Any]:
    """Weight, injected dose and uptake time: what SUV is computed from."""
    protocol, weight = patient.protocol, patient.person.weight_kg
    at = patient.rng("dose", exam + 1)
    dose = protocol.dose_mbq_per_kg * weight or protocol.dose_mbq
    return {
        "weight_kg": weight,
        "injected_dose_mbq": round(float(dose * at.uniform(0.93, 1.07)), 1),
        "uptake_min": round(float(protocol.uptake_min + at.normal(0, 6)), 0),
    }


def bqml_factor(facts: Mapping[str, Any]) -> float:
    """Bq/ml per SUV: dose decayed to the scan, over body weight in grams."""
    decayed = facts["injected_dose_mbq"] * 1e6 * 0.5 ** (facts["uptake_min"] / _HALF_LIFE_MIN)
    return decayed / (facts["weight_kg"] * 1000.0)


def _with_quirks(
    volumes: dict[str, Volume], facts: dict[str, Any], patient: VirtualPatient, exam: int
) -> tuple[dict[str, Volume], dict[str, Any]]:
    protocol, at = patient.protocol, patient.rng("exam", exam + 100)
    if at.random() < protocol.bqml_share:
        pet = volumes["PT"]
        volumes = {**volumes, "PT": pet.with_array(pet.array * np.float32(bqml_factor(facts)), Unit.BQML)}
    if at.random() < protocol.stray_label_share:
        mask = volumes["mask"].array.copy()
        corner = np.argwhere(mask == 0)[0]
        mask[tuple(corner)] = 3
        volumes = {**volumes, "mask": volumes["mask"].with_array(mask)}
    return volumes, facts


def _oriented(volume: Volume, orientation: str) -> Volume:
    """The same voxels stored as the centre stores them (grids are made in LPS order)."""
    for axis, letter in enumerate(orientation):
        if letter != "LPS"[axis]:
            volume = volume.flip(axis)
    return volume


def image_rows(
    images: ExamImages, folder: Path, exam_id: str, labels: Mapping[int, str] = LABELS
) -> list[dict[str, Any]]:
    """Write the volumes below `folder` and describe them as rows of `images`."""
    rows = []
    kinds = {
        "CT": (Modality.CT, Role.IMAGE),
        "PT": (Modality.PT, Role.IMAGE),
        "mask": (Modality.SEG, Role.MASK),
        "organs": (Modality.SEG, Role.MASK),
        "dose": (Modality.RTDOSE, Role.DOSE),
    }
    for kind, volume in images.volumes.items():
        modality, role = kinds[kind]
        path = folder / f"{exam_id}.{kind}.nii.gz"
        write_nifti(volume, path)
        row = describe_image(
            path,
            image_id=f"{exam_id}.{kind}",
            exam_id=exam_id,
            modality=modality,
            role=role,
            unit=volume.unit,
            options={"facts": dict(images.facts)} if kind == "PT" else None,
        )
        if role == Role.MASK:
            row |= {
                "run_id": EXPERT if kind == "mask" else TRUTH,
                "reference_image_id": f"{exam_id}.CT",
                "labels": dict(labels) if kind == "mask" else dict(images.organ_names),
            }
        rows.append(row)
    return rows


def finding_rows(images: ExamImages, exam_id: str) -> list[dict[str, Any]]:
    """One expert finding per lesion in the mask, and its hidden truth as a finding of the run ``truth``."""
    rows = []
    for found in images.lesions:
        lesion: Lesion = found["lesion"]
        value = _VALUES.get(lesion.name[0], 2)
        common = {
            "image_id": f"{exam_id}.mask",
            "kind": "mask label",
            "label": (LABELS | METASTASES)[value],
            "value": value,
            "points_mm": found["centroid_mm"],
            "box": found["box_mm"],
        }
        rows.append(
            {
                "finding_id": f"{exam_id}.{lesion.name}",
                "run_id": EXPERT,
                "measurements": found["measurements"],
                "attributes": json.dumps({"site": lesion.site, "side": lesion.side}, sort_keys=True),
                **common,
            }
        )
        rows.append(
            {
                "finding_id": f"{exam_id}.{lesion.name}.truth",
                "run_id": TRUTH,
                "measurements": {
                    "uptake_suv": lesion.uptake,
                    "necrotic_fraction": lesion.necrotic_fraction,
                    "rim_ratio": lesion.rim,
                    "long_axis_mm": lesion.long_axis_mm,
                    "volume_ml": lesion.volume_at(exam_number(exam_id)),
                },
                "attributes": json.dumps(_truth(lesion), sort_keys=True),
                **common,
            }
        )
    return rows


def _truth(lesion: Lesion) -> dict[str, Any]:
    facts: dict[str, Any] = {"lesion": lesion.name, "courses": list(lesion.courses)}
    return facts | {"setting": lesion.setting} if lesion.setting else facts


def exam_number(exam_id: str) -> int:
    """Order of the exam, from its id."""
    return int(exam_id.rpartition(".")[2])
