"""How a patient is scanned by CT at one exam: machine, part of the body, series, and how the body lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom import kernels
from tumorboard.phantom.ct_plan import CLINICS, CtPatient
from tumorboard.phantom.noise import noise_tile
from tumorboard.phantom.render import Pose
from tumorboard.phantom.scanner import CENTRES, Protocol

__all__ = ["FIELDS", "CtExam", "Series", "place_in", "plan_exam"]

FIELDS = {
    "neck to pelvis": (-215.0, -905.0),
    "chest": (-258.0, -575.0),
    "chest and abdomen": (-258.0, -725.0),
    "abdomen": (-440.0, -725.0),
    "abdomen and pelvis": (-440.0, -905.0),
}
"""Upper and lower end of what is scanned, standard-body mm."""

_MACHINES: dict[str, Protocol] = {
    "TA": replace(CENTRES["VA"], name="TA", ct_noise_hu=8.0, padding_hu=None),
    "TB": replace(CENTRES["VB"], name="TB", ct_noise_hu=10.0, padding_hu=-2000),
    "TC": replace(CENTRES["VC"], name="TC", ct_noise_hu=8.0, padding_hu=-1024, orientation="RAS"),
    "TD": replace(CENTRES["VD"], name="TD", ct_noise_hu=11.0, padding_hu=-1024, orientation="LAS"),
}
_CONTRAST = {"TA": 0.7, "TB": 0.35, "TC": 0.85, "TD": 0.6}
_INTERVALS = {"TA": (5.0, 2.5), "TB": (5.0, 5.0), "TC": (4.0, 2.0), "TD": (5.0, 1.0)}
"""Usual and finer slice interval (mm) of each clinic's machine."""
_LONGEST_FINE_MM = 370.0
"""Longer fields are kept in thick slices only, as clinics did for want of disk."""


@dataclass(frozen=True, eq=False)
class Series:
    """One reconstruction: its grid in LPS order, the machine with this kernel's noise, and its number."""

    number: int
    grid: Geometry
    machine: Protocol


@dataclass(frozen=True, eq=False)
class CtExam:
    """One exam as it was scanned; `pose` is the body's, the same for all series."""

    number: int
    field: str
    pose: Pose
    arms_up: bool
    contrast: float
    series: tuple[Series, ...]


def plan_exam(patient: CtPatient, exam: int, *, least_mm: float | None) -> CtExam:
    """Machine (the patient's clinic in three of four exams), field, position, contrast, slices. Two series in about one
    exam of four: the second has thin slices round one lesion, or thick ones where the first was thin. `least_mm`: no
    pixel is smaller; slice intervals stay as the machine has them."""
    rng = patient.rng("exam", exam)
    clinic = patient.clinic if rng.random() < 0.75 else str(rng.choice(CLINICS))
    machine = _MACHINES[clinic]
    field = _field(patient, exam, rng)
    contrast = float(rng.uniform(0.75, 1.25)) if rng.random() < _CONTRAST[clinic] else 0.0
    pose = _pose(patient, exam, rng)
    arms_up = bool(rng.random() < 0.88)
    top, bottom = (z + float(rng.normal(0, 12)) for z in FIELDS[field])
    width = float(np.clip(2 * 165.0 * patient.build().girth / patient.scale * rng.uniform(1.02, 1.25), 320, 500))
    usual, fine = _INTERVALS[clinic]
    interval = fine if rng.random() < 0.35 and top - bottom < _LONGEST_FINE_MM else usual
    series = [_series(patient, pose, machine, 1, (top, bottom), width, interval, least_mm)]
    if rng.random() < 0.25:
        if interval < 2:
            series.append(_series(patient, pose, machine, 2, (top, bottom), width, 5.0, least_mm))
        else:
            ends = _close_up(patient, exam, rng, (top, bottom))
            if ends is not None:
                series.append(_series(patient, pose, machine, 2, ends, width, 1.0, least_mm))
    return CtExam(exam, field, pose, arms_up, contrast, tuple(series))


def _present(patient: CtPatient, exam: int) -> list[float]:
    """Heights of the lesions that are there at the exam; of all where none is."""
    there = [float(x.centre[2]) for x in patient.lesions if x.factors[exam] > 0]
    return there or [float(x.centre[2]) for x in patient.lesions] or [-500.0]


def _field(patient: CtPatient, exam: int, rng: np.random.Generator) -> str:
    """Mostly the smallest field that holds every lesion of the patient, sometimes another with at least one."""
    heights = _present(patient, exam)

    def held(name: str) -> int:
        top, bottom = FIELDS[name]
        return sum(bottom + 25 < z < top - 25 for z in heights)

    names = sorted(FIELDS, key=lambda name: FIELDS[name][0] - FIELDS[name][1])
    whole = next((name for name in names if held(name) == len(heights)), "neck to pelvis")
    others = [name for name in names if held(name)]
    if rng.random() < 0.6 or not others:
        return whole
    return others[int(rng.integers(len(others)))]


def _pose(patient: CtPatient, exam: int, rng: np.random.Generator) -> Pose:
    """The body warped as it is for this patient, a little otherwise at each exam; table anywhere; another breath."""
    own = patient.rng("pose")
    warp = np.column_stack([own.uniform(4.0, 7.0, 3), 1 / own.uniform(38, 60, 3), own.uniform(0, 64, (3, 3))])
    warp[:, 2:] += rng.normal(0, 0.5, (3, 3))
    table = (float(rng.normal(0, 7)), float(rng.normal(0, 12)), float(rng.uniform(-900, 300)))
    return Pose(
        table,
        patient.person.height_mm,
        warp,
        turn=float(rng.normal(0, 4)),
        tilt=float(rng.normal(0, 3)),
        yaw=float(rng.normal(0, 2.0)),
        breath_mm=float(rng.normal(0, 8)),
    )


def _close_up(
    patient: CtPatient, exam: int, rng: np.random.Generator, ends: tuple[float, float]
) -> tuple[float, float] | None:
    """30 to 50 mm above and below one lesion that lies in the field."""
    inside = [z for z in _present(patient, exam) if ends[1] + 20 < z < ends[0] - 20]
    if not inside:
        return None
    z, reach = inside[int(rng.integers(len(inside)))], float(rng.uniform(30, 50))
    return min(z + reach, ends[0]), max(z - reach, ends[1])


def _series(
    patient: CtPatient,
    pose: Pose,
    machine: Protocol,
    number: int,
    ends: Sequence[float],
    width_mm: float,
    interval: float,
    least_mm: float | None,
) -> Series:
    pixel = max(width_mm / 512, least_mm or 0.0)
    n = max(8, round(width_mm / pixel))
    top, bottom = (pose.table_mm[2] + z / patient.scale for z in ends)
    slices = max(6, round((top - bottom) / interval))
    first = (-(n - 1) / 2 * pixel, -(n - 1) / 2 * pixel, bottom + interval / 2)
    grid = Geometry.from_lps((n, n, slices), spacing_mm=(pixel, pixel, interval), origin_mm=first)
    # Thinner slices are noisier; larger pixels average noise away (both with the square root, phantom.md 2).
    noise = machine.ct_noise_hu * float(np.sqrt(4.0 / interval)) * min(1.0, (1.6 / pixel) ** 0.5)
    sharp = 0.85 if interval < 2 else 1.0
    kernel = replace(machine, ct_noise_hu=noise, ct_kernel_fwhm_mm=machine.ct_kernel_fwhm_mm * sharp)
    return Series(number, grid, kernel)


def place_in(pose: Pose, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scanner position (LPS mm) of points (n, 3) of the standard body: the pose's smooth warp is inverted by
    fixed-point steps, which halve the error or better, since it shifts neighbours by much less than their distance."""
    one, steps = np.ones(3, np.int64), np.ones(3, np.int64)
    tile, bends = noise_tile(), pose.bends()
    unit = np.eye(3)
    posed = np.array(points, float)
    for n, wanted in enumerate(points):
        at = posed[n]
        for _ in range(14):
            x, y, z = kernels.body_places(np.column_stack([unit, at]), one, steps, tile, pose.warp, bends)
            miss = wanted - (x[0, 0, 0], y[0, 0, 0], z[0, 0, 0])
            at = at + miss
            if np.abs(miss).max() < 1e-3:
                break
        posed[n] = at
    here = pose.matrix(Geometry.from_lps((1, 1, 1), spacing_mm=(1, 1, 1), origin_mm=(0, 0, 0)))
    return (posed - here[:, 3]) @ np.linalg.inv(here[:, :3]).T
