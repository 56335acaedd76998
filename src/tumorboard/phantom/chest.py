"""Virtual patients of a chest clinic: who they are, how their X-rays are taken, and the pictures with their truth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np

from tumorboard.phantom.chest_devices import lead_wires
from tumorboard.phantom.chest_findings import apply_to_build, effects_of, extras_of, vessels_of
from tumorboard.phantom.chest_plan import Sign, plan_signs
from tumorboard.phantom.clinical import Person
from tumorboard.phantom.frame import STANDARD_HEIGHT_MM
from tumorboard.phantom.radiograph import project
from tumorboard.phantom.radiograph_body import Chest, ChestBuild
from tumorboard.phantom.radiograph_boxes import boxes, lung_masks
from tumorboard.phantom.radiograph_film import Film, develop
from tumorboard.phantom.radiograph_picture import Radiograph
from tumorboard.phantom.radiograph_view import View
from tumorboard.phantom.tissue import draw_tissues

__all__ = ["CLINICS", "ChestExam", "ChestPatient", "draw_chest_patient", "render", "take"]

CLINICS = ("XA", "XB", "XC")
"""Virtual clinics: each has machines of its own."""


@dataclass(frozen=True)
class ChestExam:
    """One X-ray examination: when, and how the patient stood or lay."""

    exam_id: str
    order: int
    day: float
    projection: str


@dataclass(frozen=True)
class ChestPatient:
    """One virtual patient of a chest clinic. Depends on seed and index alone."""

    patient_id: str
    seed: int
    index: int
    clinic: str
    person: Person
    exams: tuple[ChestExam, ...]
    signs: tuple[Sign, ...] = ()

    def rng(self, purpose: str, exam: int = 0) -> np.random.Generator:
        """The random numbers of one purpose: independent of every other."""
        key = (self.index, crc32(purpose.encode()), exam)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))


def draw_chest_patient(seed: int, index: int, *, exams: int = 2) -> ChestPatient:
    """Patient `index` of the clinic of this seed."""
    blank = ChestPatient("", seed, index, "", Person("male", 0, 0, 0), ())
    rng = blank.rng("person")
    sex = "male" if rng.random() < 0.53 else "female"
    age = float(np.clip(rng.normal(58, 17), 18, 95))
    height = float(rng.normal(1755 if sex == "male" else 1625, 70))
    bmi = float(np.clip(np.exp(rng.normal(np.log(26.3), 0.18)), 16.5, 45))
    person = Person(sex, round(age), round(height), round(bmi * (height / 1000) ** 2, 1))
    clinic = CLINICS[int(rng.integers(len(CLINICS)))]
    patient_id = f"X{index:05d}"
    sick = rng.random()
    count = 1 + int(rng.integers(0, exams)) if exams > 1 else 1
    days = np.concatenate([[0.0], np.cumsum(np.ceil(rng.gamma(1.1, 60.0, count - 1)) + 1)])
    taken = tuple(
        ChestExam(f"{patient_id}.{n}", n, float(day), "AP" if rng.random() < 0.15 + 0.45 * (sick > 0.5) else "PA")
        for n, day in enumerate(days)
    )
    signs = plan_signs(
        blank.rng("signs"), age_years=age, exams=len(taken), portable=[exam.projection == "AP" for exam in taken]
    )
    return ChestPatient(patient_id, seed, index, clinic, person, taken, signs)


def render(seed: int, size: int = 512) -> Radiograph:
    """One picture of one patient, for training and tests: `take` of patient `seed`'s first exam."""
    patient = draw_chest_patient(7, seed, exams=1)
    return take(patient, 0, size=size)


def take(patient: ChestPatient, exam: int, *, size: int = 512, repeat: int = 0, lateral: bool = False) -> Radiograph:
    """The X-ray of one exam, `size` pixels along its longer side. Depends on patient, exam and size alone.

    repeat : 1 for a second exposure of the same exam, positioned anew. lateral : from the side; without boxes.
    """
    rng = patient.rng("view", exam + 100 * repeat)
    projection = patient.exams[exam].projection
    lift = float(rng.normal(-2, 7) if projection == "PA" else rng.normal(14, 9))
    person = patient.person
    build = ChestBuild(
        person.sex,
        person.age_years,
        person.height_mm,
        person.weight_kg,
        int(patient.rng("build").integers(1 << 62)),
        arms_up=lateral,
        lift_mm=(lift, lift),
    )
    build = apply_to_build(build, patient.signs, exam)
    tissues = draw_tissues(patient.rng("tissue"), age_years=person.age_years, bmi=person.bmi, contrast=0.0)
    chest = Chest(build, tissues)
    view = _view(patient, build, projection, size, rng)
    if lateral:
        view = replace(
            view, projection="LATERAL", half_depth_mm=view.half_depth_mm * 1.3, centre_mm=(0.0, view.centre_mm[1])
        )
    # samples of the cavity: one and a half to two pixels apart, whatever the size
    extras = extras_of(chest, patient.signs, exam)
    if projection == "AP" and rng.random() < 0.5:
        extras += lead_wires(chest, patient.rng("leads", exam + 100 * repeat))
    shown = project(
        chest,
        view,
        effects=effects_of(patient.signs, exam, supine=projection == "AP"),
        extras=extras,
        vessels=vessels_of(chest, patient.signs, exam),
        fine_mm=max(1.3, 1.7 * view.pixel_mm),
    )
    film = _film(patient, projection, view, rng)
    grey = develop(shown.path, film, patient.rng("noise", exam + 100 * repeat), pixel_mm=view.pixel_mm)
    image = np.round(grey * 255).astype(np.uint8)
    if lateral:
        return Radiograph(image, {}, {}, view.pixel_mm, "LL")
    return Radiograph(image, boxes(shown.shadows), lung_masks(shown.shadows), view.pixel_mm, projection)


def _view(patient: ChestPatient, build: ChestBuild, projection: str, size: int, rng: np.random.Generator) -> View:
    """Positioning: portable (AP) exams are closer, more turned and tilted, and less well centred."""
    portable = projection == "AP"
    scale = STANDARD_HEIGHT_MM / build.height_mm
    own = patient.rng("pose")
    warp = np.column_stack([own.uniform(2.5, 5.5, 3), 1 / own.uniform(38, 60, 3), own.uniform(0, 64, (3, 3))])
    focus = float(rng.uniform(1000, 1300) if portable else rng.uniform(1780, 1850))
    half_depth = (112 * build.girth + build.fat_mm(4, 20)) / scale
    grow = focus / (focus - half_depth)
    lungs_wide, lungs_high = 268 * 0.94 * build.girth / scale * grow, 232 / scale * grow
    wide = lungs_wide / float(rng.uniform(0.76, 0.95))
    high = lungs_high / float(rng.uniform(0.60, 0.82))
    shape = float(np.clip(high / wide, 0.8, 1.22))
    if rng.random() < 0.5:
        shape = 1.0
    field = max(wide, high / shape)
    field_mm = (field, field * shape)
    return View(
        projection="AP" if portable else "PA",
        focus_film_mm=focus,
        film_gap_mm=float(rng.uniform(5, 25)),
        centre_mm=(float(rng.normal(0, 9 if portable else 5)), float(-388 / scale + rng.normal(0, 10))),
        field_mm=field_mm,
        pixel_mm=max(field_mm) / size,
        half_depth_mm=half_depth,
        height_mm=build.height_mm,
        turn=float(rng.normal(0, 4.0 if portable else 1.8)),
        tilt=float(rng.normal(4, 5) if portable else rng.normal(0, 2)),
        roll=float(rng.normal(0, 2.5 if portable else 1.0)),
        warp=warp,
    )


_PROCESSING = {"XA": (4.0, 1.1, 1.0), "XB": (3.0, 0.7, 0.9), "XC": (3.6, 1.8, 0.85)}
"""Contrast, boost and gamma of each clinic's machine."""


def _film(patient: ChestPatient, projection: str, view: View, rng: np.random.Generator) -> Film:
    contrast, boost, gamma = _PROCESSING[patient.clinic]
    portable = projection == "AP"
    columns, rows = view.size
    margins = (0, 0, 0, 0)
    if rng.random() < 0.3:
        most = rng.uniform(0.0, 0.035, 4) * (rng.random(4) < 0.6)
        a, b, c, d = (int(m * n) for m, n in zip(most, (columns, rows, columns, rows), strict=True))
        margins = (a, b, c, d)
    dim = rng.random() < 0.45  # stored with room at both ends of the scale
    left_marker = rng.random() < 0.6
    height = max(7, round(rng.uniform(0.03, 0.05) * rows))
    across = rng.uniform(0.86, 0.92) if left_marker else rng.uniform(0.03, 0.09)
    return Film(
        scatter=float(rng.uniform(0.5, 0.9) if portable else rng.uniform(0.25, 0.5)),
        quanta=float(rng.uniform(2500, 6000) if portable else rng.uniform(7000, 16000)),
        blur_px=float(rng.uniform(0.8, 1.2) * (1.15 if portable else 0.9) / view.pixel_mm),
        low=float(rng.uniform(0.1, 1.5)),
        high=float(rng.uniform(97.5, 99.8)),
        contrast=float(contrast * rng.uniform(0.85, 1.15)),
        boost=float(boost * rng.uniform(0.7, 1.3)),
        gamma=float(gamma * rng.uniform(0.85, 1.2)),
        floor=float(rng.uniform(0, 0.2)) * dim,
        ceiling=1.0 - float(rng.uniform(0, 0.35)) * dim,
        margin_px=margins,
        marker="L" if left_marker else "R",
        marker_at=(float(across), float(rng.uniform(0.03, 0.12))),
        marker_height_px=height,
    )
