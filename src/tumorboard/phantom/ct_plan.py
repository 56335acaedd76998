"""One virtual patient followed by CT, complete before a voxel is drawn: body, exams, lesions, courses, response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tumorboard.core.lesion import LESION_TYPES
from tumorboard.phantom.build import Build
from tumorboard.phantom.clinical import Person
from tumorboard.phantom.ct_lesions import KINDS, CtLesion, draw_shape
from tumorboard.phantom.ct_places import PLACES, BodyMap, pick_place
from tumorboard.phantom.frame import STANDARD_HEIGHT_MM
from tumorboard.phantom.patient import stream
from tumorboard.phantom.solids import ball, blob

__all__ = ["LEAST_MM", "CtPatient", "draw_ct_patient", "joined_at"]

CLINICS = ("TA", "TB", "TC", "TD")
_FIRST = {"CR": 0.06, "PR": 0.32, "SD": 0.34, "PD": 0.28}
_NEXT = {
    "CR": {"CR": 0.6, "PD": 0.4},
    "PR": {"PR": 0.5, "CR": 0.15, "PD": 0.35},
    "SD": {"SD": 0.5, "PR": 0.2, "PD": 0.3},
    "PD": {"PD": 1.0},
}
"""Chances of the planted response by the one before. From progression there is no way back: later exams are compared
with the smallest sum so far."""
_MOST_MM = 105.0
LEAST_MM = 3.0
"""Smaller lesions are not there to be seen."""


@dataclass(frozen=True, eq=False)
class CtPatient:
    """Everything that is true of one patient. responses: planted RECIST response of each exam after the first, as the
    whole body would show it."""

    patient_id: str
    index: int
    seed: int
    clinic: str
    person: Person
    exam_days: tuple[float, ...]
    responses: tuple[str, ...]
    lesions: tuple[CtLesion, ...]

    def rng(self, name: str, exam: int = 0) -> np.random.Generator:
        """A stream of random numbers of its own for each purpose and exam."""
        return stream(self.seed, self.index, name, exam)

    def build(self, *, arms_up: bool = True) -> Build:
        """The body that the anatomy is drawn with."""
        p = self.person
        entropy = int(self.rng("build").integers(1 << 62))
        return Build(p.sex, p.age_years, p.height_mm, p.weight_kg, entropy, arms_up=arms_up)

    @property
    def scale(self) -> float:
        """Standard-body millimetres per real millimetre."""
        return STANDARD_HEIGHT_MM / self.person.height_mm


def draw_ct_patient(seed: int, index: int, *, exams: int) -> CtPatient:
    """Patient `index` of the cohort of this seed, with this many exams."""
    rng = stream(seed, index, "case")
    person = _person(stream(seed, index, "person"))
    days = (0.0, *(float(d) for d in np.cumsum(np.round(stream(seed, index, "follow").uniform(40, 170, exams - 1)))))
    patient = CtPatient(
        f"L-{index + 1:03d}",
        index,
        seed,
        str(rng.choice(CLINICS)),
        person,
        days,
        _responses(rng, exams - 1),
        (),
    )
    lesions = tuple(_lesions(patient))
    states = enumerate(patient.responses, start=1)
    return replace(patient, lesions=lesions, responses=tuple(_told(state, n, lesions) for n, state in states))


def _told(state: str, exam: int, lesions: Sequence[CtLesion]) -> str:
    """A partial response in which every lesion has vanished is a complete one."""
    left = any(lesion.long_axis_mm * lesion.factors[exam] >= LEAST_MM for lesion in lesions)
    return "CR" if state == "PR" and not left else state


def _person(rng: np.random.Generator) -> Person:
    """Age 62 ± 12, 55 % men, height 175 / 163 ± 7 cm, BMI 26.5."""
    sex = "male" if rng.random() < 0.55 else "female"
    age = float(np.clip(rng.normal(62, 12), 21, 90))
    height = float(rng.normal(1755 if sex == "male" else 1630, 68))
    bmi = float(np.clip(np.exp(rng.normal(np.log(26.5), 0.16)), 17.5, 40))
    return Person(sex, round(age, 1), height, round(bmi * (height / 1000) ** 2, 1))


def _responses(rng: np.random.Generator, count: int) -> tuple[str, ...]:
    states: list[str] = []
    for _ in range(count):
        chances = _NEXT[states[-1]] if states else _FIRST
        states.append(str(rng.choice(list(chances), p=list(chances.values()))))
    return tuple(states)


# ---- lesions ----------------------------------------------------------------------------------------------------


def _lesions(patient: CtPatient) -> list[CtLesion]:
    """Two to eight lesions at the first exam, those that appear with progression, now and then a pair that splits or
    merges."""
    rng = patient.rng("lesions")
    body = BodyMap(patient.build())
    count = 2 + int(min(rng.geometric(0.3) - 1, 6))
    made: list[CtLesion] = []
    for kind in _kinds(rng, count):
        _add(patient, rng, body, made, kind, long_mm=KINDS[kind].draw_long_mm(rng), first=0)
    pair = _pair_event(patient.responses)
    if pair and rng.random() < 0.35:
        _add_pair(patient, rng, body, made, event=pair)
    for exam, state in enumerate(patient.responses, start=1):
        grown = [f.long_axis_mm * (f.factors[exam] - min(f.factors[:exam])) for f in made if f.factors[0] > 0]
        if state == "PD" and (sum(grown) < 12 or rng.random() < 0.45):
            for kind in _kinds(rng, 1 + int(rng.random() < 0.4)):
                long_mm = float(np.clip(KINDS[kind].draw_long_mm(rng), 9, 30))
                _add(patient, rng, body, made, kind, long_mm=long_mm, first=exam)
    return made


def _kinds(rng: np.random.Generator, count: int) -> list[str]:
    """Types at random; the rare ones come more often than in DeepLesion (share to the power .7)."""
    shares = np.array([KINDS[kind].share ** 0.7 for kind in LESION_TYPES])
    return [LESION_TYPES[int(i)] for i in rng.choice(len(LESION_TYPES), count, p=shares / shares.sum())]


def _factors(rng: np.random.Generator, responses: Sequence[str], long_mm: float, first: int) -> tuple[float, ...]:
    """Linear size by exam. Every lesion follows its patient's response with a margin, so that the response is true of
    any choice of targets: 30 % and 20 % are never near (docs/adr/0124)."""
    factors = [0.0] * first + [1.0]
    for state in responses[first:]:
        seen = [f for f in factors[first:] if f > 0]
        last, nadir = factors[-1], min(seen)
        if state == "CR" or last == 0.0:
            factors.append(0.0)
        elif state == "PR":
            gone = long_mm * last < 14 and rng.random() < 0.15
            factors.append(0.0 if gone else min(float(rng.uniform(0.40, 0.62)), 1.08 * nadir))
        elif state == "SD":
            factors.append(min(float(rng.uniform(0.88, 1.05)), 1.06 * nadir))
        else:
            factors.append(max(last, min(last * float(rng.uniform(1.32, 1.7)), _MOST_MM / long_mm)))
    return tuple(factors)


def _add(
    patient: CtPatient,
    rng: np.random.Generator,
    body: BodyMap,
    made: list[CtLesion],
    kind: str,
    *,
    long_mm: float,
    first: int,
) -> None:
    """Find a place for one lesion and add it; nothing is added where the body has no room left."""
    factors = _factors(rng, patient.responses, long_mm, first)
    scale = patient.scale
    for place in pick_place(rng, PLACES[kind]):
        points, room, label = body.candidates(place, 0.5 * long_mm * scale)
        for at in rng.permutation(len(points))[:60]:
            most_mm = 2.6 * (room[at] + 3.0) / max(place.room, 0.25) / scale
            size = max(min(long_mm, most_mm), 4.0)
            centre = points[at] + rng.uniform(-2.0, 2.0, 3)
            if _free(centre, 0.5 * size * max(factors) * scale, made, scale):
                node = bool(rng.random() < KINDS[kind].node)
                made.append(
                    _make(patient, rng, made, kind, body.name(label[at]), centre, size, factors=factors, node=node)
                )
                return


def _free(centre: np.ndarray, radius: float, made: Sequence[CtLesion], scale: float) -> bool:
    """Whether a ball (standard mm) keeps clear of all lesions at their largest."""
    for other in made:
        reach = 0.5 * other.long_axis_mm * max(other.factors) * scale
        if np.linalg.norm(centre - other.centre) < radius + reach + 5.0:
            return False
    return True


def _make(
    patient: CtPatient,
    rng: np.random.Generator,
    made: Sequence[CtLesion],
    kind: str,
    organ: str,
    centre: np.ndarray,
    long_mm: float,
    *,
    factors: tuple[float, ...],
    node: bool,
) -> CtLesion:
    looks = KINDS[kind].looks
    look = str(rng.choice(list(looks), p=list(looks.values())))
    if organ == "spleen":
        look = "solid"
    number = len(made) + 1
    return CtLesion(
        number=number,
        kind=kind,
        organ=organ,
        look=look,
        node=node and organ not in ("pancreas", "spleen", "uterus", "prostate"),
        centre=centre,
        shape=draw_shape(rng, kind, long_mm),
        long_axis_mm=long_mm,
        factors=factors,
        shift_hu=float(rng.normal(0, 8)),
        contrast_share=float(rng.uniform(0.2, 1.0)),
        drawn_as=f"{patient.seed}.{patient.patient_id}.{number}",
    )


# ---- pairs that split or merge ----------------------------------------------------------------------------------


def _pair_event(responses: Sequence[str]) -> str | None:
    """What two close lesions would do: part as they shrink, or run into each other as they grow."""
    first = next((state for state in responses if state in ("PR", "PD")), None)
    if first is None or "CR" in responses[: responses.index(first)]:
        return None
    return "split" if first == "PR" else "merge"


def _add_pair(patient: CtPatient, rng: np.random.Generator, body: BodyMap, made: list[CtLesion], *, event: str) -> None:
    """Two balls whose centres stay where they are: of radius r at distance 1.5 r (one body, two when they shrink to
    under .65) or 2.35 r (two bodies, one when they grow by over 1.3)."""
    kind = str(rng.choice(["liver", "lung", "abdomen"]))
    radius = float(rng.uniform(10, 14))
    apart = radius * (1.5 if event == "split" else 2.35)
    before = len(made)
    _add(patient, rng, body, made, kind, long_mm=apart + 2 * radius, first=0)
    if len(made) == before:
        return
    host = made.pop()
    factors = tuple(host.factors)
    if 0.0 in factors or host.long_axis_mm < apart + 2 * radius - 1:
        return  # no room here for two
    direction = rng.normal(size=3) * (1.0, 1.0, 0.35)
    direction *= 0.5 * apart * patient.scale / np.linalg.norm(direction)
    for sign, partner in ((1.0, before + 2), (-1.0, before + 1)):
        number = len(made) + 1
        ratios = np.array([1.0, 1.0, rng.uniform(0.92, 1.0)])
        made.append(
            replace(
                host,
                number=number,
                centre=host.centre + sign * direction,
                shape=blob(ball((0, 0, 0), radius * ratios)),
                long_axis_mm=2 * radius,
                node=False,
                look="solid" if kind != "liver" else "hypodense",
                partner=partner,
                event=event,
                drawn_as=f"{patient.seed}.{patient.patient_id}.{number}",
            )
        )


def joined_at(lesion: CtLesion, partner: CtLesion, exam: int, *, scale: float) -> bool:
    """Whether two partners are one body at this exam (balls, so their distance tells)."""
    apart = float(np.linalg.norm(lesion.centre - partner.centre)) / scale
    radii = 0.5 * (lesion.long_axis_mm * lesion.factors[exam] + partner.long_axis_mm * partner.factors[exam])
    return lesion.factors[exam] > 0 and partner.factors[exam] > 0 and apart < 0.94 * radii
