"""What is wrong with a virtual chest, exam by exam: the plan that pictures and reports are both made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

__all__ = ["DEVICES", "KINDS", "Sign", "grade_word", "plan_course", "plan_signs"]

T = TypeVar("T")
KINDS = (
    "effusion",
    "pneumothorax",
    "consolidation",
    "linear atelectasis",
    "collapse",
    "edema",
    "cardiomegaly",
    "nodule",
    "mass",
    "calcified nodule",
    "hyperinflation",
    "low volumes",
    "reticulation",
    "rib fracture",
    "tortuous aorta",
    "aortic calcium",
    "elevated diaphragm",
)
DEVICES = (
    "endotracheal tube",
    "enteric tube",
    "picc",
    "ij line",
    "chest port",
    "chest tube",
    "pacer",
    "sternotomy wires",
)
_CHANGING = {"effusion", "pneumothorax", "consolidation", "linear atelectasis", "collapse", "edema"}
"""Signs that come, go and change between exams; the others stay as they are (nodules grow)."""


@dataclass(frozen=True)
class Sign:
    """One finding or device of one patient.

    name : unique within the patient. side : left, right or both (midline: both). zone : upper, mid or lower, empty
    where the kind has none. grades : 0 absent, 1 mild, 2 moderate, 3 severe, by exam. size_mm : of nodules and masses,
    by exam. tip : where a device ends. place : random numbers in [0, 1) that fix where exactly it lies.
    """

    name: str
    kind: str
    side: str
    zone: str
    grades: tuple[float, ...]
    size_mm: tuple[float, ...] = ()
    tip: str = ""
    place: tuple[float, float, float] = (0.5, 0.5, 0.5)

    def present(self, exam: int) -> bool:
        return self.grades[exam] > 0


def grade_word(grade: float) -> str:
    """mild, moderate or severe."""
    return "mild" if grade < 1.5 else "moderate" if grade < 2.5 else "severe"


def plan_signs(rng: np.random.Generator, *, age_years: float, exams: int, portable: Sequence[bool]) -> tuple[Sign, ...]:
    """Draw all signs of a patient: about two fifths have none; ill ones one to four, devices in portable exams."""
    if rng.random() < 0.42:
        return ()
    wanted: list[str] = []
    weights = np.array([_prevalence(kind, age_years) for kind in KINDS])
    for _ in range(1 + int(rng.integers(0, 4))):
        place = int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum()))
        wanted.append(KINDS[place])
        weights[place] = 0.0
    for one, other in (("hyperinflation", "low volumes"), ("nodule", "mass"), ("collapse", "consolidation")):
        if one in wanted and other in wanted:
            wanted.remove(other)
    signs = [_draw_sign(rng, kind, n, exams) for n, kind in enumerate(wanted)]
    ill = any(portable)
    for device in DEVICES:
        if rng.random() < _device_share(device, ill=ill, kinds=wanted, age_years=age_years):
            signs.append(_draw_device(rng, device, len(signs), exams, signs))
    return tuple(signs)


def _prevalence(kind: str, age_years: float) -> float:
    old = float(np.clip((age_years - 40) / 30, 0.1, 1.5))
    return {
        "effusion": 1.6,
        "pneumothorax": 0.5,
        "consolidation": 1.5,
        "linear atelectasis": 1.2,
        "collapse": 0.4,
        "edema": 0.9 * old,
        "cardiomegaly": 1.3 * old,
        "nodule": 0.8,
        "mass": 0.35,
        "calcified nodule": 0.6,
        "hyperinflation": 0.7 * old,
        "low volumes": 0.7,
        "reticulation": 0.4 * old,
        "rib fracture": 0.35,
        "tortuous aorta": 0.7 * old,
        "aortic calcium": 0.5 * old,
        "elevated diaphragm": 0.4,
    }[kind]


def _device_share(device: str, *, ill: bool, kinds: Sequence[str], age_years: float) -> float:
    share = {
        "endotracheal tube": 0.30 * ill,
        "enteric tube": 0.30 * ill,
        "picc": 0.12 + 0.1 * ill,
        "ij line": 0.25 * ill,
        "chest port": 0.06,
        "chest tube": 0.04 * ill + 0.5 * ("pneumothorax" in kinds) + 0.15 * ("effusion" in kinds),
        "pacer": 0.10 * (age_years > 60),
        "sternotomy wires": 0.12 * (age_years > 55),
    }[device]
    return float(share)


def _draw_sign(rng: np.random.Generator, kind: str, number: int, exams: int) -> Sign:
    side = _pick(rng, ("left", "right"))
    zone = ""
    if kind in (
        "edema",
        "hyperinflation",
        "low volumes",
        "cardiomegaly",
        "tortuous aorta",
        "aortic calcium",
        "reticulation",
    ) or (kind in ("effusion", "linear atelectasis") and rng.random() < 0.3):
        side = "both"
    if kind in ("consolidation", "nodule", "mass", "calcified nodule"):
        zone = _pick(rng, ("upper", "mid", "lower"), (0.3, 0.3, 0.4))
    elif kind in ("linear atelectasis", "collapse"):
        zone = "lower"
    place = tuple(float(v) for v in rng.random(3))
    sign = Sign(f"{kind} {number}", kind, side, zone, (), place=place)  # type: ignore[arg-type]
    if kind in ("nodule", "mass", "calcified nodule"):
        return _sized(rng, sign, exams)
    first = _pick(rng, (1.0, 2.0, 3.0), (0.5, 0.33, 0.17))
    grades = plan_course(rng, first, exams) if kind in _CHANGING else (first,) * exams
    return replace(sign, grades=grades)


def _sized(rng: np.random.Generator, sign: Sign, exams: int) -> Sign:
    low, high = {"nodule": (7, 28), "mass": (33, 62), "calcified nodule": (4, 9)}[sign.kind]
    size = float(rng.uniform(low, high))
    sizes = [size]
    for _ in range(exams - 1):
        grown = sizes[-1] * (1.0 if sign.kind == "calcified nodule" or rng.random() < 0.55 else _pick(rng, (0.7, 1.35)))
        sizes.append(min(max(grown, 4.0), 80.0))
    rounded = tuple(float(round(s)) for s in sizes)
    return replace(sign, grades=(1.0,) * exams, size_mm=rounded)


def plan_course(rng: np.random.Generator, first: float, exams: int) -> tuple[float, ...]:
    """Grades over exams: appears, vanishes, worsens, improves by a whole grade, or stays."""
    grades = [0.0 if exams > 1 and rng.random() < 0.2 else first]
    for _ in range(exams - 1):
        now = grades[-1]
        if now == 0:
            now = _pick(rng, (0.0, 1.0, 2.0), (0.35, 0.4, 0.25))
        else:
            step = _pick(rng, (-9.0, -1.0, 0.0, 1.0), (0.18, 0.24, 0.34, 0.24))
            now = min(max(now + step, 0.0), 3.0)
        grades.append(now)
    if not any(grades):
        grades[-1] = first
    return tuple(grades)


_TIPS: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "endotracheal tube": (("trachea",), (1.0,)),
    "enteric tube": (("stomach", "oesophagus"), (0.9, 0.1)),
    "picc": (("svc", "cavoatrial junction", "right atrium"), (0.55, 0.3, 0.15)),
    "ij line": (("svc", "cavoatrial junction", "right atrium"), (0.6, 0.3, 0.1)),
    "chest port": (("svc", "cavoatrial junction"), (0.6, 0.4)),
}


def _pick(rng: np.random.Generator, choices: Sequence[T], shares: Sequence[float] | None = None) -> T:
    """One of them, by their shares (which add up to 1)."""
    if shares is None:
        return choices[int(rng.random() * len(choices))]
    left = rng.random()
    for choice, share in zip(choices, shares, strict=True):
        left -= share
        if left < 0:
            return choice
    return choices[-1]


def _draw_device(rng: np.random.Generator, device: str, number: int, exams: int, signs: Sequence[Sign]) -> Sign:
    side = "both"
    if device in ("picc", "ij line", "chest port"):
        side = "right" if rng.random() < (0.6 if device == "picc" else 0.85) else "left"
    elif device == "pacer":
        side = "left" if rng.random() < 0.85 else "right"
    elif device == "chest tube":
        pleural = [s.side for s in signs if s.kind in ("pneumothorax", "effusion") and s.side != "both"]
        side = pleural[0] if pleural else _pick(rng, ("left", "right"))
    tip = _pick(rng, *_TIPS[device]) if device in _TIPS else ""
    grades = [1.0] * exams
    if device not in ("pacer", "sternotomy wires", "chest port") and exams > 1:
        placed = int(rng.integers(0, exams)) if rng.random() < 0.5 else 0
        removed = int(rng.integers(placed + 1, exams + 1)) if rng.random() < 0.5 else exams
        grades = [float(placed <= n < removed) for n in range(exams)]
    place = tuple(float(v) for v in rng.random(3))
    return Sign(f"{device} {number}", device, side, "", tuple(grades), tip=tip, place=place)  # type: ignore[arg-type]
