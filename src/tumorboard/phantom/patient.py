"""One virtual patient, complete before a voxel is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.phantom.clinical import Clinical, Person, draw_clinical, draw_person, recorded
from tumorboard.phantom.disease import Disease, draw_disease, follow
from tumorboard.phantom.outcomes import Course, Signal, draw_course, signal, table_score
from tumorboard.phantom.scanner import CENTRES, Protocol

__all__ = ["VirtualPatient", "draw_patient", "stream"]

_STREAMS = (
    "case",
    "person",
    "clinical",
    "record",
    "course",
    "build",
    "tissue",
    "exam",
    "ct",
    "pet",
    "pose",
    "dose",
    "follow",
    "benign",
    "lesions",
    "places",
)


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """Everything that is true of one patient, and what the centre wrote down of it."""

    patient_id: str
    index: int
    seed: int
    protocol: Protocol
    person: Person
    disease: Disease
    clinical: Clinical
    record: dict[str, Any]
    hpv_known: bool
    signal: Signal
    known_table_eta: float
    """The table's part of eta as far as the recorded HPV status lets anybody know it."""
    course: Course
    exam_days: tuple[float, ...]

    def rng(self, name: str, exam: int = 0) -> np.random.Generator:
        return stream(self.seed, self.index, name, exam)


def stream(seed: int, index: int, name: str, exam: int = 0) -> np.random.Generator:
    """The random numbers of one purpose of one patient: independent of every other, whoever asks first."""
    key = (index, _STREAMS.index(name), exam)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


def centre_of(seed: int, index: int, centres: Sequence[str]) -> str:
    """Centres in shuffled rounds: every round holds each entry of `centres` once, so counts stay even and
    the order tells nothing."""
    turn, place = divmod(index, len(centres))
    order = np.random.default_rng([seed, 91, turn]).permutation(len(centres))
    return centres[int(order[place])]


def draw_patient(
    seed: int, index: int, *, centres: Sequence[str], number: int, exams: int, followed: float
) -> VirtualPatient:
    """Patient `index` of the cohort of this seed; `number` is the running number within its centre."""
    protocol = CENTRES[centre_of(seed, index, centres)]
    case = stream(seed, index, "case")
    disease = draw_disease(case, hpv_share=protocol.hpv_share, severity=protocol.severity)
    person = draw_person(stream(seed, index, "person"), hpv=disease.hpv, site=disease.site)
    clinical = draw_clinical(stream(seed, index, "clinical"), person, hpv=disease.hpv, t=disease.t, n=disease.n)
    record_rng = stream(seed, index, "record")
    hpv_known = bool(record_rng.random() < protocol.hpv_known * (1.0 if _oropharynx(disease.site) else 0.3))
    facts = {
        "age_years": person.age_years,
        "ecog": clinical.ecog,
        "pack_years": clinical.pack_years,
        "t_stage": clinical.t_stage,
        "n_stage": clinical.n_stage,
    }
    planted, known = (
        signal(
            table_score(hpv=hpv, **facts), image=disease.traits.score, hpv=disease.hpv, necrosis=disease.traits.necrosis
        )
        for hpv in (disease.hpv, disease.hpv if hpv_known else None)
    )
    later = stream(seed, index, "follow")
    planned = exams if later.random() < followed else 1
    days = (0.0, *(float(round(later.uniform(140, 210) * step)) for step in range(1, planned)))
    response = float(-1.2 + 0.6 * planted.eta + later.normal(0, 0.7))  # who recurs early responds badly
    return VirtualPatient(
        patient_id=f"{protocol.name}-{number:03d}",
        index=index,
        seed=seed,
        protocol=protocol,
        person=person,
        disease=follow(later, disease, exam_days=days, response=response),
        clinical=clinical,
        record=recorded(record_rng, clinical, person, protocol, site=disease.site),
        hpv_known=hpv_known,
        signal=planted,
        known_table_eta=known.table,
        course=draw_course(
            stream(seed, index, "course"),
            eta=planted.eta,
            age_years=person.age_years,
            follow_up_years=protocol.follow_up_years,
        ),
        exam_days=days,
    )


def _oropharynx(site: str) -> bool:
    return site in ("tonsil", "base of tongue", "soft palate")
