"""Lesions of the trunk in CT: the eight coarse types, their sizes and shapes, looks, and what they are painted with.

Sizes, short-to-long ratios and shares follow phantom.md 4.2 (measured on the typed part of DeepLesion); looks and
values are choices near common CT values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.lesions import make_blob, quantile
from tumorboard.phantom.solids import Blob, Layer, Solid, rotation
from tumorboard.phantom.tissue import TissueValues

__all__ = ["KINDS", "CtLesion", "Kind", "draw_shape", "lesion_solids", "lesion_values", "placed"]


@dataclass(frozen=True)
class Kind:
    """One coarse type: how often, long axis (mm at 5, 25, 50, 75 and 95 %), ratio of short to long axis, looks and
    their chances, and whether it may be a lymph node."""

    share: float
    long_mm: tuple[float, float, float, float, float]
    short_to_long: float
    looks: Mapping[str, float]
    node: float = 0.0

    def draw_long_mm(self, rng: np.random.Generator) -> float:
        q5, q25, q50, q75, q95 = self.long_mm
        table = ((0, 0.85 * q5), (0.05, q5), (0.25, q25), (0.5, q50), (0.75, q75), (0.95, q95), (1, 1.3 * q95))
        return float(np.clip(quantile(float(rng.random()), table), 4.0, 100.0))


KINDS: Mapping[str, Kind] = {
    "bone": Kind(0.025, (6, 10, 15, 22, 34), 0.75, {"lytic": 0.55, "sclerotic": 0.45}),
    "abdomen": Kind(0.222, (8, 14, 21, 33, 65), 0.73, {"solid": 0.8, "necrotic": 0.2}, node=0.6),
    "mediastinum": Kind(0.170, (9, 13, 18, 26, 46), 0.71, {"solid": 0.85, "necrotic": 0.15}, node=0.85),
    "liver": Kind(0.131, (7, 13, 23, 39, 81), 0.81, {"hypodense": 0.7, "cyst": 0.18, "enhancing": 0.12}),
    "lung": Kind(0.244, (3, 7, 13, 21, 56), 0.77, {"solid": 0.82, "ground glass": 0.12, "cavity": 0.06}),
    "kidney": Kind(0.050, (6, 14, 19, 30, 64), 0.85, {"cyst": 0.55, "solid": 0.45}),
    "soft tissue": Kind(0.069, (9, 15, 21, 31, 52), 0.69, {"solid": 0.85, "necrotic": 0.15}, node=0.3),
    "pelvis": Kind(0.088, (10, 15, 23, 39, 78), 0.70, {"solid": 0.75, "necrotic": 0.25}, node=0.5),
}
"""Coarse types with their shares among typed lesions of DeepLesion."""


@dataclass(frozen=True, eq=False)
class CtLesion:
    """One lesion and its course. number: its value in masks. centre: standard-body mm. shape: blob about the
    origin, real mm, at factor 1. factors: linear size by exam, 0 where it is not there. partner, event: the lesion it
    merges with (or split from) and ``merge`` or ``split``. drawn_as: its name in the noise, own to patient and lesion.
    """

    number: int
    kind: str
    organ: str
    look: str
    node: bool
    centre: NDArray[np.float64]
    shape: Blob
    long_axis_mm: float
    factors: tuple[float, ...]
    shift_hu: float
    contrast_share: float
    drawn_as: str
    partner: int | None = None
    event: str | None = None

    def with_factors(self, factors: tuple[float, ...]) -> CtLesion:
        return replace(self, factors=factors)


def draw_shape(rng: np.random.Generator, kind: str, long_mm: float) -> Blob:
    """A body about the origin whose longest diameter is about `long_mm`: larger ones have more lobes."""
    ratio = float(np.clip(rng.normal(KINDS[kind].short_to_long + 0.03, 0.10), 0.45, 0.98))
    flat = float(np.clip(ratio * rng.uniform(0.85, 1.05), 0.4, 0.98))
    lobes = int(rng.integers(0, 2 + min(3, int(long_mm / 18))))
    turn = rotation(about_x=rng.uniform(-25, 25), about_y=rng.uniform(-25, 25), about_z=rng.uniform(0, 360))
    shape, made = make_blob(rng, volume_ml=1.0, elongation=ratio, flatness=flat, lobes=lobes, frame=turn)
    return _scaled(shape, long_mm / made)


def _scaled(shape: Blob, factor: float) -> Blob:
    parts = shape.parts.copy()
    parts[:, :6] *= factor
    return Blob(parts, shape.blend_mm * factor)


def placed(lesion: CtLesion, exam: int, *, scale: float, inside: float = 1.0) -> Blob:
    """The lesion in the standard body at one exam. scale: standard mm per real mm; inside: share of its size."""
    shape = _scaled(lesion.shape, lesion.factors[exam] * scale * inside)
    shape.parts[:, :3] += lesion.centre
    return shape


def lesion_solids(
    lesion: CtLesion, exam: int, *, scale: float, joined: CtLesion | None = None
) -> tuple[Solid, list[Solid]]:
    """The solid that is the lesion's truth, then all that is painted for it. `joined`: its partner, when the two
    touch and are one at this exam."""
    name = _tissue(lesion)
    radius = 0.5 * lesion.long_axis_mm * lesion.factors[exam] * scale
    shape = placed(lesion, exam, scale=scale)
    if joined is not None:
        other = placed(joined, exam, scale=scale)
        shape = Blob(np.vstack([shape.parts, other.parts]), shape.blend_mm)
    relief = {"rough_mm": min(0.07 * radius, 1.6), "rough_scale": 4.0 / max(0.5 * radius, 3.0)}
    whole = Solid(shape, name, layer=Layer.INNER + 1, label=lesion.drawn_as, **relief)  # type: ignore[arg-type]
    painted = [whole]
    if lesion.look in ("necrotic", "cavity") and radius > 6 * scale:
        core = placed(lesion, exam, scale=scale, inside=0.6)
        painted.append(Solid(core, f"{name}:core", layer=Layer.INNER + 1, **relief))  # type: ignore[arg-type]
    return whole, painted


def _tissue(lesion: CtLesion) -> str:
    return f"lesion:{lesion.drawn_as}"


def lesion_values(lesion: CtLesion, tissues: Mapping[str, TissueValues], *, contrast: float) -> dict[str, TissueValues]:
    """HU of the lesion and its core in this contrast phase, relative to the organ it lies in."""
    c, strong = contrast, lesion.contrast_share
    liver = tissues["liver"].hu
    own = {
        "lytic": 45 + 30 * c * strong,
        "sclerotic": 560 + 260 * strong,
        "hypodense": liver - (16 + 34 * c) * (0.6 + 0.4 * strong),
        "cyst": 7.0,
        "enhancing": liver + (45 * c - 8) * (0.5 + 0.5 * strong),
        "ground glass": -620 + 170 * strong,
        "cavity": 25 + 25 * c * strong,
    }.get(lesion.look)
    if own is None:  # solid and necrotic: like other soft tissue, set off from the organ round it
        own = 42 + 55 * c * (0.55 + 0.45 * strong)
        if lesion.organ in ("body", "muscle", "gluteus", "psoas"):
            own = tissues["muscle"].hu + (18 + 30 * c) * (0.6 + 0.6 * strong)
        elif lesion.organ in ("spleen", "pancreas"):
            own = tissues[lesion.organ].hu - (15 + 20 * c) * (0.6 + 0.4 * strong)
    own += lesion.shift_hu * (0.4 if lesion.look == "cyst" else 4.0 if lesion.look == "ground glass" else 1.0)
    texture = {"sclerotic": 110.0, "ground glass": 55.0, "cyst": 2.0}.get(lesion.look, 9.0)
    cells = 4.0 / max(0.35 * lesion.long_axis_mm, 5.0)
    core = -930.0 if lesion.look == "cavity" else 12.0 + 0.15 * (own - 50)
    return {
        _tissue(lesion): TissueValues(own, 0.0, texture, 0.0, cells, 0.0),
        f"{_tissue(lesion)}:core": TissueValues(core, 0.0, 5.0, 0.0, cells, 0.0),
    }
