"""Disease in the 3-D chest before it is projected: changes of the build, of lung and pleura, and things added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.chest_devices import device_tubes
from tumorboard.phantom.chest_plan import DEVICES, Sign
from tumorboard.phantom.radiograph import Cavity, Effect, Extra
from tumorboard.phantom.radiograph_body import SIDES, Chest, ChestBuild, attenuation_per_mm
from tumorboard.phantom.solids import Blob, Loft, Tube, ball, blob, tube

__all__ = ["apply_to_build", "effects_of", "extras_of", "vessels_of"]

_SIGN = dict(SIDES)
Array = NDArray[Any]
_ZONE_Z = {"apical": -285.0, "upper": -325.0, "mid": -378.0, "lower": -436.0}


def _sides(sign: Sign) -> tuple[str, ...]:
    return ("left", "right") if sign.side == "both" else (sign.side,)


# ---- shape of the body ------------------------------------------------------------------------------------------


def apply_to_build(build: ChestBuild, signs: Sequence[Sign], exam: int) -> ChestBuild:
    """The build with everything that disease does to the shape of organs."""
    left, right = build.lift_mm
    factors, shift, aorta = dict(build.factors), build.shift_mm, build.unfolded_aorta
    for sign in signs:
        grade = sign.grades[exam]
        if grade <= 0:
            continue
        if sign.kind == "cardiomegaly":
            factors["heart"] = factors.get("heart", 1.0) * (1.10 + 0.09 * grade)
        elif sign.kind == "tortuous aorta":
            factors["aorta"], aorta = 1.05 + 0.05 * grade, 5.0 + 4.0 * grade
        elif sign.kind == "hyperinflation":
            left, right = left - 7.0 * grade, right - 7.0 * grade
        elif sign.kind == "low volumes":
            left, right = left + 8.0 + 8.0 * grade, right + 8.0 + 8.0 * grade
        elif sign.kind in ("elevated diaphragm", "collapse"):
            rise = (12.0 + 9.0 * grade) if sign.kind == "elevated diaphragm" else 5.0 * grade
            left, right = left + rise * (sign.side == "left"), right + rise * (sign.side == "right")
            if sign.kind == "collapse":
                shift += 4.0 * grade * _SIGN[sign.side]
        elif sign.kind == "pneumothorax" and grade > 2.5:
            shift -= 9.0 * _SIGN[sign.side]
    return replace(
        build, factors=tuple(sorted(factors.items())), lift_mm=(left, right), shift_mm=shift, unfolded_aorta=aorta
    )


# ---- lung and pleura --------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Lung:
    """The samples of one lung as flat arrays, with where they lie between the middle (0) and the pleura (1)."""

    cavity: Cavity
    side: str

    def __post_init__(self) -> None:
        numbers = self.cavity.numbers(f"lung-{self.side}")
        labels = self.cavity.painter.labels
        self.index = np.flatnonzero(labels.ravel() == numbers[0]) if numbers else np.zeros(0, np.int64)
        self.x, self.y, self.z = (a.ravel()[self.index] for a in (self.cavity.x, self.cavity.y, self.cavity.z))
        self.rho = _rho(self.cavity.chest.lungs[self.side], self.x, self.y, self.z)
        self.outward = _SIGN[self.side]

    @property
    def hu(self) -> NDArray[np.float32]:
        return self.cavity.hu.ravel()[self.index]

    def put(self, hu: Array) -> None:
        self.cavity.hu.reshape(-1)[self.index] = hu

    def mix(self, weight: Array, hu: float | Array) -> None:
        """Move HU towards a value by a weight of 0 to 1."""
        old = self.hu
        self.put((old + weight * (hu - old)).astype(np.float32))


def _rho(shape: Loft, x: Array, y: Array, z: Array) -> Array:
    """Relative distance from the lung's axis: 1 at the pleura."""
    at = np.clip((z - shape.z_low) / shape.step, 0, len(shape.rows) - 1)
    station = np.arange(len(shape.rows))
    cx, cy, a, b = (np.interp(at, station, shape.rows[:, n]).astype(np.float32) for n in range(4))
    u, v = np.abs(x - cx) / a, np.abs(y - cy) / b
    return np.asarray((u**2.5 + v**2.5) ** 0.4)


def _ripples(seed: str, x: Array, y: Array, z: Array, *, wave_mm: float) -> Array:
    """A smooth random field of about unit SD: six plane waves of this length."""
    rng = np.random.default_rng(crc32(seed.encode()))
    total = np.zeros(x.shape, np.float32)
    for _ in range(6):
        k = rng.standard_normal(3)
        k *= 2 * np.pi / (wave_mm * rng.uniform(0.7, 1.4)) / np.linalg.norm(k)
        total += np.sin(k[0] * x + k[1] * y + k[2] * z + rng.uniform(0, 6.28)).astype(np.float32)
    return total / np.float32(np.sqrt(3.0))


def effects_of(signs: Sequence[Sign], exam: int, *, supine: bool) -> list[Effect]:
    """What the signs of this exam do to lung and pleura."""
    makers: dict[str, Callable[..., None]] = {
        "effusion": partial(_effusion, supine=supine),
        "pneumothorax": _pneumothorax,
        "consolidation": _consolidation,
        "collapse": _collapse,
        "edema": _edema,
        "reticulation": _reticulation,
        "hyperinflation": _hyperinflation,
    }
    return [
        partial(makers[sign.kind], sign=sign, grade=sign.grades[exam])
        for sign in signs
        if sign.kind in makers and sign.present(exam)
    ]


def _effusion(cavity: Cavity, *, sign: Sign, grade: float, supine: bool) -> None:
    """Free fluid: a level with a meniscus that climbs the pleura; lying down, half of it is a veil behind the lung."""
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        lift = cavity.chest.build.lift_mm[0 if side == "left" else 1]
        level = np.interp(grade, [0, 1, 2, 3], [-500, -472, -432, -375]) + 0.6 * lift
        surface = level - 10 + 42 * np.clip(lung.rho, 0, 1) ** 5
        if supine:
            surface = surface - 14
        fluid = 1 / (1 + np.exp(np.clip((lung.z - surface) / 1.5, -30, 30)))
        lung.mix(fluid, 8.0)
        if supine:
            back = np.clip((lung.y - 10) / 60, 0, 1) * np.clip((-330 - lung.z) / 60, 0, 1)
            lung.mix(0.14 * grade * back, 8.0)
        lung.mix(0.10 * grade * np.clip((level + 40 - lung.z) / 50, 0, 1), -300.0)  # compressed lung above it


def _pneumothorax(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    """Air between the pleurae, widest at the apex; a thin line of visceral pleura; the lung within a little denser."""
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        limit, top = _collapsed(grade, lung.z)
        free = (lung.rho > limit) | (lung.z > top)
        near = np.minimum(np.abs(lung.rho - limit) * 60.0, np.where(lung.z > top - 6, np.abs(lung.z - top), 99.0))
        hu = lung.hu + 35.0 * grade
        hu[near < 1.2] = -250.0
        hu[free & (near >= 1.2)] = -1000.0
        lung.put(hu)


def _collapsed(grade: float, z: Array) -> tuple[Array, float]:
    """Where the pleura of a partly collapsed lung is: relative radius by height, and its top."""
    high = np.clip((z + 500.0) / 220.0, 0, 1)
    return 1.0 - grade * (0.03 + 0.10 * high), -268.0 - 11.0 * grade


def _consolidation(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    """Airspace disease of one zone: patchy edges, density from half to nearly full."""
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        centre = _point(cavity.chest, sign, side)
        reach = np.array([24.0, 30.0, 20.0]) * (0.75 + 0.25 * grade)
        r = np.sqrt(sum(((a - c) / s) ** 2 for a, c, s in zip((lung.x, lung.y, lung.z), centre, reach, strict=True)))
        ragged = 0.28 * _ripples(sign.name, lung.x, lung.y, lung.z, wave_mm=22.0)
        weight = 1 / (1 + np.exp(np.clip((r - 1 + ragged) * 7, -30, 30)))
        lung.mix(weight * (0.42 + 0.16 * grade), -20.0)


def _collapse(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    """A lower lobe that has lost its air: a dense wedge by the spine, above the dome."""
    lung = _Lung(cavity, sign.side)
    across = lung.x * lung.outward
    edge = 46.0 + 9.0 * grade - 0.35 * (lung.z + 470.0)
    weight = 1 / (1 + np.exp(np.clip((across - edge) / 4, -30, 30))) * np.clip((lung.y + 25) / 25, 0, 1)
    weight = weight * np.clip((-385.0 - lung.z) / 25, 0, 1)
    lung.mix(weight * (0.55 + 0.13 * grade), 10.0)


def _edema(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    """Haze round the hila and at the bases, with thickened septa."""
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        far = np.sqrt((lung.x - 38 * lung.outward) ** 2 + (0.7 * (lung.y - 10)) ** 2 + (lung.z + 385) ** 2)
        haze = 42.0 * grade * np.exp(-((far / 75.0) ** 2)) + 16.0 * grade * np.clip((-360 - lung.z) / 80, 0, 1)
        septa = np.maximum(_ripples("septa" + sign.name, lung.x, lung.y, lung.z, wave_mm=9.0), 0)
        lung.put(lung.hu + haze + 30.0 * grade * septa * (lung.rho > 0.5))


def _reticulation(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    """A net of lines, most of it at the bases and under the pleura."""
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        share = np.clip((-350 - lung.z) / 90, 0.1, 1) * np.clip((lung.rho - 0.35) / 0.4, 0, 1)
        lines = np.abs(_ripples("net" + sign.name, lung.x, lung.y, lung.z, wave_mm=13.0)) < 0.35
        lung.put(lung.hu + share * (30.0 + 240.0 * lines) * (0.5 + 0.35 * grade))


def _hyperinflation(cavity: Cavity, *, sign: Sign, grade: float) -> None:
    for side in _sides(sign):
        lung = _Lung(cavity, side)
        lung.put(np.maximum(lung.hu - 18.0 * grade, -985.0))


# ---- things added -----------------------------------------------------------------------------------------------


def _point(chest: Chest, sign: Sign, side: str) -> NDArray[np.float64]:
    """Where in its zone a sign lies: inside the lung, beside heart and spine, above the dome."""
    shape = chest.lungs[side]
    z = _ZONE_Z[sign.zone or "lower"] + 22.0 * (sign.place[0] - 0.5)
    cx, cy, a, b, _ = shape.section(z)
    outward = _SIGN[side]
    x = cx + outward * a * (0.05 + 0.62 * sign.place[1])
    y = cy + b * (sign.place[2] - 0.5) * 0.9
    return np.array([x, y, z])


def extras_of(chest: Chest, signs: Sequence[Sign], exam: int) -> list[Extra]:
    """Nodules, plates, fractures, calcium and devices of this exam, with their attenuation above what they replace."""
    found: list[Extra] = []
    lung = attenuation_per_mm(chest.tissues["lung"].hu)
    for sign in signs:
        if not sign.present(exam):
            continue
        if sign.kind in ("nodule", "mass", "calcified nodule"):
            hu = 900.0 if sign.kind == "calcified nodule" else 35.0
            found.append((_ball_of(chest, sign, exam), attenuation_per_mm(hu) - lung))
        elif sign.kind == "linear atelectasis":
            found += [(_plate(chest, sign, side), 0.75 * (0.0205 - lung)) for side in _sides(sign)]
        elif sign.kind == "rib fracture":
            found += _fracture(chest, sign)
        elif sign.kind == "aortic calcium":
            found += _calcium(chest)
        elif sign.kind in DEVICES:
            found += device_tubes(chest, sign)
    return found


def _ball_of(chest: Chest, sign: Sign, exam: int) -> Blob:
    """A nodule: three balls whose joint long axis is its size."""
    centre = _point(chest, sign, sign.side)
    half = sign.size_mm[exam] / 2 * chest.build.height_mm**-1 * 1750.0
    rng = np.random.default_rng(crc32(sign.name.encode()) + int(1e6 * sign.place[0]))
    parts = [ball(centre, half * np.array([1.0, 0.9, 0.92]))]
    if half > 4:
        for _ in range(2):
            away = rng.standard_normal(3) * (1, 0.3, 1)
            parts.append(ball(centre + away / np.linalg.norm(away) * half * 0.3, half * rng.uniform(0.62, 0.7)))
    return blob(*parts)


def _plate(chest: Chest, sign: Sign, side: str) -> Tube:
    """A band of collapsed lung above the dome, seen edge on."""
    lift = chest.build.lift_mm[0 if side == "left" else 1]
    outward = _SIGN[side]
    z = (-452.0 if side == "right" else -463.0) + lift + 9 + 14 * sign.place[0]
    x, length, fall = 50 + 20 * sign.place[1], 38 + 22 * sign.place[2], 12 * (sign.place[1] - 0.5)
    thick = 0.9 + 0.5 * max(sign.grades)
    ends = [
        (x * outward, 0, z, thick),
        ((x + length / 2) * outward, 0, z + fall / 2 + 1.5, thick),
        ((x + length) * outward, 0, z + fall, thick),
    ]
    return tube(ends, smooth=3, stretch=(1.0, 9.0, 1.0))


def _fracture(chest: Chest, sign: Sign) -> list[Extra]:
    """A gap across a lateral rib and its displaced end beside it."""
    ribs = [b.shape for b in chest.bones if b.label == "rib" and isinstance(b.shape, Tube)]
    side = _SIGN[sign.side]
    mine = [r for r in ribs if np.sign(r.segments[:, 0].mean()) == side]
    rib = mine[2 * (4 + int(4 * sign.place[0])) % len(mine)]
    lateral = int(np.argmax(rib.segments[:, 0] * side)) - 3
    row = rib.segments[max(lateral, 1)]
    at, heading = row[:3], row[4:7] - row[:3]
    heading = heading / np.linalg.norm(heading)
    gap = tube([(*(at - 1.6 * heading), row[3]), (*(at + 1.6 * heading), row[3])], stretch=(0.9, 0.9, 1.35))
    off = np.array([0.0, 0.0, -5.0])
    step = tube([(*(at + off), row[3] * 0.8), (*(at + off + 9 * heading), row[3] * 0.8)], stretch=(0.9, 0.9, 1.35))
    return [(gap, -0.012), (step, 0.012)]


def _calcium(chest: Chest) -> list[Extra]:
    """A thin rim along the outer wall of the arch."""
    aorta = chest.solid_labelled("aorta")[0].shape
    assert isinstance(aorta, Tube)
    top = int(np.argmax(aorta.segments[:40, 2]))
    rim = aorta.segments[top : top + 6]
    path = [(r[0] + r[3] * 0.9, r[1], r[2] + r[3] * 0.35, 0.9) for r in rim]
    return [(tube(path, smooth=2, stretch=(1.0, 3.0, 1.0)), 0.03)]


def vessels_of(chest: Chest, signs: Sequence[Sign], exam: int) -> Mapping[str, Tube]:
    """The lung vessels of this exam: wider in congestion, fewer in emphysema, none in free air."""
    trees = dict(chest.vessels)
    for sign in signs:
        grade = sign.grades[exam]
        if grade <= 0:
            continue
        for side in _sides(sign) if sign.kind in ("edema", "hyperinflation", "pneumothorax") else ():
            segments = trees[side].segments.copy()
            if sign.kind == "pneumothorax":
                limit, top = _collapsed(grade, segments[:, 6])
                rho = _rho(chest.lungs[side], *segments[:, 4:7].T)
                segments = segments[(rho < limit) & (segments[:, 6] < top)]
            else:
                segments[:, [3, 7]] *= 1.0 + (0.14 if sign.kind == "edema" else -0.08) * grade
            trees[side] = Tube(segments)
    return trees
