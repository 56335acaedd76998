"""Distant lesions of a PET/CT patient: in bone, liver, lung, nodes, soft tissue and in organs that are hot themselves.

Every third patient comes in remission, without any lesion: whole bodies that are normal. Half of the lesions that CT
could show have the density of the tissue round them (cold on CT). Shares and uptake are choices (phantom.md, 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.ct_places import PLACES, BodyMap, Place, pick_place
from tumorboard.phantom.lesions import Lesion, make_blob
from tumorboard.phantom.patient import VirtualPatient
from tumorboard.phantom.solids import Layer, rotation
from tumorboard.phantom.tissue import TissueValues, draw_tissues

__all__ = ["HOT_ORGANS", "METASTASIS", "spread"]

METASTASIS = "metastasis"
HOT_ORGANS = ("heart", "kidney", "liver")
_REMISSION = 1 / 3
_SHARES: Mapping[str, float] = {
    "bone": 0.18,
    "liver": 0.16,
    "kidney": 0.14,
    "heart": 0.08,
    "lung": 0.14,
    "mediastinum": 0.12,
    "soft tissue": 0.10,
    "abdomen": 0.08,
}
_PLACES: Mapping[str, tuple[Place, ...]] = {**PLACES, "heart": (Place(("heart",), 1.0, room=0.5),)}
_TISSUE: Mapping[str, str] = {
    "bone": "marrow",
    "liver": "liver",
    "kidney": "kidney-cortex",
    "heart": "myocardium",
    "lung": "lung",
    "mediastinum": "visceral-fat",
    "soft tissue": "muscle",
    "abdomen": "visceral-fat",
}
_SHOWN_HU: Mapping[str, float] = {"bone": 60.0, "lung": 30.0}
_DENSE_ALIKE = ("bone", "liver", "kidney", "heart", "soft tissue")


def spread(patient: VirtualPatient) -> VirtualPatient:
    """The patient with one to five distant lesions besides the disease of head and neck, or in remission."""
    rng = patient.rng("lesions")
    exams = len(patient.exam_days)
    disease = patient.disease
    if rng.random() < _REMISSION:
        gone = tuple(lesion.with_courses([0.0] * exams) for lesion in disease.lesions)
        return replace(patient, disease=replace(disease, lesions=gone))
    person = patient.person
    entropy = int(patient.rng("build").integers(1 << 62))
    arms_up = patient.protocol.arms_up
    build = Build(person.sex, person.age_years, person.height_mm, person.weight_kg, entropy, arms_up=arms_up)
    body = BodyMap(build)
    tissues = draw_tissues(patient.rng("tissue"), age_years=person.age_years, bmi=build.bmi, contrast=0.0)
    found: list[Lesion] = []
    wanted = 1 + min(int(rng.poisson(1.6)), 4)
    organs = list(_SHARES)
    for _ in range(4 * wanted):
        organ = str(rng.choice(organs, p=np.array(list(_SHARES.values())) / sum(_SHARES.values())))
        lesion = _lesion(rng, organ, body, tissues, name=f"M{len(found) + 1}", exams=exams)
        if lesion is None or any(np.linalg.norm(lesion.centre - other.centre) < 40 for other in found):
            continue
        found.append(lesion)
        if len(found) == wanted:
            break
    return replace(patient, disease=replace(disease, lesions=(*disease.lesions, *found)))


def _lesion(
    rng: np.random.Generator,
    organ: str,
    body: BodyMap,
    tissues: Mapping[str, TissueValues],
    *,
    name: str,
    exams: int,
) -> Lesion | None:
    """One lesion in an organ, None where it has no room; the numbers drawn do not depend on that."""
    diameter = float(np.exp(rng.uniform(np.log(9), np.log(34))))
    elongation, flatness = float(rng.uniform(0.7, 0.95)), float(rng.uniform(0.65, 0.9))
    turn = rotation(about_x=rng.uniform(-25, 25), about_y=rng.uniform(-25, 25), about_z=rng.uniform(0, 360))
    volume = float(np.pi / 6 * diameter**3 * elongation * flatness / 1000)
    lobes = int(rng.integers(0, 3))
    shape, long_axis = make_blob(
        rng, volume_ml=volume, elongation=elongation, flatness=flatness, lobes=lobes, frame=turn
    )
    alike = bool(rng.random() < 0.5) and organ in _DENSE_ALIKE
    own = tissues[_TISSUE[organ]]
    times = float(rng.uniform(2.0, 4.0))
    uptake = own.suv * times if organ in HOT_ORGANS else float(np.exp(rng.normal(np.log(7.5), 0.45)))
    pick = float(rng.random())
    for place in pick_place(rng, _PLACES[organ]):
        points, _, _ = body.candidates(place, diameter / 2)
        if not len(points):
            continue
        centre = points[int(pick * len(points))]
        hu = own.hu if alike else _SHOWN_HU.get(organ, 48.0)
        return Lesion(
            name,
            METASTASIS,
            organ,
            "left" if centre[0] > 0 else "right",
            centre,
            shape,
            volume,
            long_axis,
            diameter * flatness,
            uptake,
            rim=1.0,
            necrotic_fraction=0.0,
            hu=hu,
            hu_contrast=hu if alike else hu + 35.0,
            rough_mm=float(rng.uniform(0.3, 0.9)),
            courses=(1.0,) * exams,
            layer=Layer.INNER + 1,
            setting=" ".join(["hot organ"] * (organ in HOT_ORGANS) + ["cold on CT"] * alike),
        )
    return None
