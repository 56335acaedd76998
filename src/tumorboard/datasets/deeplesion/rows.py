"""Lesions, sub-volumes and companion values -> rows of a cohort."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.lesion import LONG_AXIS_MM, RECIST_PAIR, SAME_LESION, SHORT_AXIS_MM
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets.deeplesion import codes
from tumorboard.datasets.deeplesion.companions import DlsLesion, DlsPair, LesionTags
from tumorboard.datasets.deeplesion.names import SubVolumeName
from tumorboard.datasets.deeplesion.nifti import layer_affine
from tumorboard.datasets.deeplesion.table import SPLITS, UNKNOWN_TYPE, LesionTable
from tumorboard.datasets.deeplesion.volumes import SubVolume
from tumorboard.io.files import sha256_of
from tumorboard.io.slice_stack import stack_affine

__all__ = [
    "MANUAL_RUN",
    "OLDEST_YEARS",
    "Order",
    "box_rows",
    "exam_rows",
    "finding_ids",
    "finding_rows",
    "image_rows",
    "pair_rows",
    "patient_rows",
    "study_order",
]

Order = Literal["study", "age"]
MANUAL_RUN = "manual-3d"
OLDEST_YEARS = 115.0
_SEX = {"F": "female", "M": "male"}
_SAME_PLACE_PX = 0.25
"""Coordinates of pairs are rounded to a tenth: their centre is within 0.05 of the table's."""


def patient_name(number: int, ids: Mapping[str, str]) -> str:
    """Six digits, or the id that a table of ids gives them."""
    return ids.get(f"{number:06d}", f"{number:06d}")


def exam_name(patient: int, study: int, ids: Mapping[str, str]) -> str:
    return f"{patient_name(patient, ids)}_{study:02d}"


def patient_rows(lesions: LesionTable, *, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per patient: sex, age at the first study with an age somebody can have (else the first published one, so
    that checks see it), and the official split (empty where rows disagree)."""
    rows = {}
    for patient, mine in _grouped(lesions.patient).items():
        mine = sorted(mine, key=lambda row: lesions.study[row])
        ages = [float(age) for age in lesions.age_years[mine] if np.isfinite(age)]
        able = [age for age in ages if 0 < age <= OLDEST_YEARS]
        splits = {int(split) for split in lesions.split[mine]}
        sexes = {_SEX.get(sex) for sex in lesions.sex[mine] if sex}
        rows[patient] = {
            "patient_id": patient_name(patient, ids),
            "sex": sexes.pop() if len(sexes) == 1 else None,
            "age_years": next(iter(able or ages), None),
            "split": SPLITS[splits.pop()] if len(splits) == 1 else None,
        }
    return list(rows.values())


def study_order(lesions: LesionTable, *, order: Order) -> dict[tuple[int, int], int]:
    """(patient, study) -> place among the patient's studies, from 0.

    The study number is not strictly in time and there are no dates: studies go by their number, or by age first and
    number second (a study without a possible age keeps its neighbour's).
    """
    found: dict[tuple[int, int], int] = {}
    for patient, mine in _grouped(lesions.patient).items():
        ages = {int(lesions.study[row]): float(lesions.age_years[row]) for row in mine}
        studies = sorted(ages)
        if order == "age":
            known, last = {}, 0.0
            for study in studies:
                last = ages[study] if 0 < ages[study] <= OLDEST_YEARS else last
                known[study] = last
            studies.sort(key=known.__getitem__)
        found |= {(patient, study): at for at, study in enumerate(studies)}
    return found


def exam_rows(order_of: Mapping[tuple[int, int], int], *, ids: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per study, in the order of `study_order`."""
    return [
        {
            "exam_id": exam_name(patient, study, ids),
            "patient_id": patient_name(patient, ids),
            "order": at,
            "kind": "CT",
        }
        for (patient, study), at in order_of.items()
    ]


def image_rows(
    volumes: Sequence[SubVolume], lesions: LesionTable, *, floor_hu: float | None, ids: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One row per sub-volume; without a place in mm (DPL105 in `problem`) where spacing or interval are not known."""
    facts = {name: rows[0] for name, rows in _grouped(lesions.series_name).items()}
    rows = []
    for volume in volumes:
        first, last, part = volume.name.first, volume.name.last, volume.part
        lesion = facts[volume.name.series_name]
        age = float(lesions.age_years[lesion])
        said: dict[str, Any] = {"series": int(lesions.series[lesion]), "first_slice": first, "last_slice": last}
        if not volume.placed:
            said["spacing_mm"] = [edge if math.isfinite(edge) else None for edge in volume.spacing_mm]
        said["age_years"] = age if math.isfinite(age) else None
        options: dict[str, Any] = {"frame": "series", "deeplesion": said}
        affine = stack_affine(volume.spacing_mm, first=first) if volume.placed else None
        row: dict[str, Any] = {}
        if part is not None and affine is not None:
            if part.format == "slice-stack":
                floor = {} if floor_hu is None else {"floor_hu": floor_hu}
                options["read"] = {**part.read, "first": first, "last": last, "spacing_mm": volume.spacing_mm, **floor}
            else:
                affine = layer_affine(part.read["convention"], volume.spacing_mm, first=first, last=last)
                options["read"] = {"affine": affine.ravel().tolist()}
                options["deeplesion"]["convention"] = part.read["convention"]
                row["sha256"] = sha256_of(part.path)
            row |= {"format": part.format, "path": str(part.path.resolve())}
        columns, lines = volume.size_px
        if part is not None and part.format != "slice-stack" and part.read["convention"] in ("official", "exclusive"):
            columns, lines = lines, columns
        rows.append(
            row
            | {
                "image_id": str(volume.name),
                "exam_id": exam_name(int(lesions.patient[lesion]), int(lesions.study[lesion]), ids),
                "modality": str(Modality.CT),
                "role": str(Role.IMAGE),
                "unit": str(Unit.HU),
                "shape": [columns, lines, last - first + 1],
                "affine": None if affine is None else affine.ravel().tolist(),
                "options": json.dumps(options, sort_keys=True),
                "problem": None if volume.placed else codes.NO_SPACING.id,
            }
        )
    return rows


def finding_ids(lesions: LesionTable) -> list[str]:
    """Slice and place among the lesions of that slice, from 1: the same in a partial and in the whole table."""
    met: dict[str, int] = {}
    ids = []
    for name in lesions.file_name:
        met[name] = met.get(name, 0) + 1
        ids.append(f"{name.removesuffix('.png')}.{met[name]}")
    return ids


def finding_rows(
    lesions: LesionTable, volumes: Sequence[SubVolume], owner: NDArray[np.int64], tags: Mapping[int, LesionTags]
) -> list[dict[str, Any]]:
    """One RECIST pair per lesion. Without spacing and interval it has no place in mm, and keeps `ends_px`."""
    points = places_mm(lesions.ends_px.reshape(-1, 8), lesions)
    boxes = boxes_mm(lesions.box_px, lesions.key_slice, lesions.spacing_mm)
    lengths = lesions.diameters_mm
    rows = []
    for at, (finding_id, label) in enumerate(zip(finding_ids(lesions), lesions.label, strict=True)):
        volume = volumes[owner[at]]
        index = int(lesions.lesion_index[at])
        told: dict[str, Any] = {
            "series": int(lesions.series[at]),
            "key_slice": int(lesions.key_slice[at]),
            "noisy": bool(lesions.noisy[at]),
            "split": SPLITS[int(lesions.split[at])],
        }
        if index >= 0:
            told["lesion_index"] = index
            if index in tags:
                told |= {name: list(words) for name, words in tags[index].tags.items()}
        if lesions.type_number[at] != UNKNOWN_TYPE:
            told["type_source"] = "DL_info"
        if np.isfinite(lesions.location[at]).all():
            told["relative_location"] = lesions.location[at].tolist()
        if np.isfinite(lesions.window_hu[at]).all():
            told["window_hu"] = lesions.window_hu[at].tolist()
        if not volume.placed:
            told["ends_px"] = lesions.ends_px[at].ravel().tolist()
        long, short = lengths[at].tolist()
        rows.append(
            {
                "finding_id": finding_id,
                "image_id": str(volume.name),
                "run_id": EXPERT,
                "kind": RECIST_PAIR,
                "label": label,
                "points_mm": points[at].tolist() if volume.placed else None,
                "box": boxes[at].tolist() if volume.placed else None,
                "measurements": {LONG_AXIS_MM: long, SHORT_AXIS_MM: short} if np.isfinite(long) else None,
                "attributes": json.dumps(told, sort_keys=True),
            }
        )
    return rows


def places_mm(pixels: NDArray[np.float64], lesions: LesionTable) -> NDArray[np.float64]:
    """(n, 8) pixels x, y of four points on the key slice -> (n, 12) x, y, z in RAS mm of the series' frame."""
    sx, sy, sz = lesions.spacing_mm.T
    places = np.empty((len(lesions), 4, 3))
    places[..., 0] = -pixels[:, 0::2] * sx[:, None]
    places[..., 1] = -pixels[:, 1::2] * sy[:, None]
    places[..., 2] = -(lesions.key_slice * sz)[:, None]
    return places.reshape(len(lesions), 12)


def boxes_mm(
    box_px: NDArray[np.float64], key_slice: NDArray[np.int64], spacing_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(n, 4) x1, y1, x2, y2 on the key slice -> (n, 6) low corner, high corner in RAS mm; as thick as the interval."""
    sx, sy, sz = spacing_mm.T
    x1, y1, x2, y2 = box_px.T
    low = (-x2 * sx, -y2 * sy, -(key_slice + 0.5) * sz)
    high = (-x1 * sx, -y1 * sy, -(key_slice - 0.5) * sz)
    return np.stack([*low, *high], axis=1)


def pair_rows(
    pairs: Sequence[DlsPair], lesions: LesionTable, order_of: Mapping[tuple[int, int], int]
) -> tuple[list[dict[str, Any]], int]:
    """SAME_LESION relations, one per undirected pair, the earlier study (`study_order`) first; and how many pairs have
    a lesion that is not in the table. A lesion is found by its slice and the mean of its four ends."""
    on_slice: dict[str, list[int]] = _grouped(lesions.file_name)
    centres, ids = lesions.centre_px, finding_ids(lesions)

    def find(end: DlsLesion) -> int | None:
        rows = on_slice.get(end.slice.file_name, [])
        near = [row for row in rows if np.abs(centres[row] - end.ends_px.mean(axis=0)).max() <= _SAME_PLACE_PX]
        return near[0] if len(near) == 1 else None

    def time(row: int) -> tuple[int, str]:
        return order_of[int(lesions.patient[row]), int(lesions.study[row])], ids[row]

    found: dict[tuple[int, int], DlsPair] = {}
    lost = 0
    for pair in pairs:
        a, b = find(pair.source), find(pair.target)
        if a is None or b is None or a == b:
            lost += 1
        else:
            found.setdefault((a, b) if time(a) < time(b) else (b, a), pair)
    rows = [
        {
            "relation_id": f"same.{ids[a]}.{ids[b]}",
            "subject": ids[a],
            "predicate": SAME_LESION,
            "object": ids[b],
            "run_id": EXPERT,
            "attributes": json.dumps({"source": "DLS", "pair": pair.pair_id}),
        }
        for (a, b), pair in found.items()
    ]
    return rows, lost


def box_rows(
    boxes: Mapping[SubVolumeName, NDArray[np.float64]], volumes: Sequence[SubVolume]
) -> tuple[list[dict[str, Any]], int]:
    """The 3-D boxes of the sub-volumes that are here (run `manual-3d`), from outer edge to outer edge of their voxels;
    and how many sub-volumes are not here."""
    known = {volume.name: volume for volume in volumes}
    rows, absent = [], 0
    for name, listed in boxes.items():
        volume = known.get(name)
        if volume is None or not volume.placed:
            absent += 1
            continue
        sx, sy, sz = volume.spacing_mm
        for number, (x1, y1, s1, x2, y2, s2) in enumerate(listed.tolist(), 1):
            low = [-(x2 + 0.5) * sx, -(y2 + 0.5) * sy, -(s2 + 0.5) * sz]
            high = [-(x1 - 0.5) * sx, -(y1 - 0.5) * sy, -(s1 - 0.5) * sz]
            rows.append(
                {
                    "finding_id": f"{MANUAL_RUN}.{name}.{number}",
                    "image_id": str(name),
                    "run_id": MANUAL_RUN,
                    "kind": "box",
                    "label": "lesion",
                    "box": low + high,
                    "attributes": json.dumps({"voxels": [x1, y1, s1, x2, y2, s2]}),
                }
            )
    return rows, absent


def _grouped(keys: NDArray[Any]) -> dict[Any, list[int]]:
    """Key -> rows, keys in the order of first appearance."""
    found: dict[Any, list[int]] = {}
    for row, key in enumerate(keys.tolist()):
        found.setdefault(key, []).append(row)
    return found
