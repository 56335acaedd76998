"""Tumours and nodes: shapes on the mucosa and in the neck's levels, uptake, necrosis, change over time.

Shapes are made before anything is drawn: volume, long axis and stage come from them, so tables and images agree.
Distributions follow phantom.md, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.solids import Blob, Layer, Solid, ball
from tumorboard.phantom.tissue import TissueValues

__all__ = ["Lesion", "blob_distance", "lesion_solids", "lesion_tissues", "make_blob", "measure_blob", "quantile"]


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion at the first exam, and its course.

    centre : standard-body mm. shape : blob about the origin, real mm, of exactly `volume_ml`. courses : volume as a
    share of `volume_ml`, by exam; 0 where it is not there. uptake : true activity of the viable part (SUV before blur).
    rim : activity of the outer layer against the inside. Benign nodes have kind ``benign node`` and no mask.
    """

    name: str
    kind: str
    site: str
    side: str
    centre: NDArray[np.float64]
    shape: Blob
    volume_ml: float
    long_axis_mm: float
    thickness_mm: float
    uptake: float
    rim: float
    necrotic_fraction: float
    hu: float
    hu_contrast: float
    rough_mm: float
    courses: tuple[float, ...] = (1.0,)
    layer: int = Layer.LESION
    setting: str = ""
    """What makes it easy or hard to see: ``hot organ``, ``cold on CT``."""

    @property
    def malignant(self) -> bool:
        return self.kind != "benign node"

    def volume_at(self, exam: int) -> float:
        return self.volume_ml * self.courses[exam]

    def with_courses(self, courses: Sequence[float]) -> Lesion:
        return replace(self, courses=tuple(float(c) for c in courses))


def quantile(u: float, table: Sequence[tuple[float, float]]) -> float:
    """Value at probability u, by log-linear interpolation of a published quantile table."""
    p, v = zip(*table, strict=True)
    return float(np.exp(np.interp(u, p, np.log(v))))


def blob_distance(points: NDArray[np.float64], shape: Blob) -> NDArray[np.float64]:
    """Signed distance of points (n, 3) to a blob of ellipsoids: the definition that the compiled painter shares."""
    best = None
    for part in shape.parts:
        local = (points - part[:3]) @ part[6:15].reshape(3, 3).T
        u = local / part[3:6]
        rho = np.linalg.norm(u, axis=1)
        gradient = np.linalg.norm(u / part[3:6], axis=1)
        d = np.where(rho < 1e-4, -part[3:6].min(), rho * (rho - 1) / np.maximum(gradient, 1e-12))
        if best is None:
            best = d
            continue
        h = np.maximum(shape.blend_mm - np.abs(best - d), 0)
        best = np.minimum(best, d) - (h * h / (4 * shape.blend_mm) if shape.blend_mm > 0 else 0)
    return best


_DIRECTIONS = np.random.default_rng(5).normal(size=(48, 3))
_DIRECTIONS /= np.linalg.norm(_DIRECTIONS, axis=1)[:, None]


def measure_blob(shape: Blob, *, cells: int = 12) -> tuple[float, float]:
    """Volume (ml) and longest diameter (mm) of a blob, by sampling its box with `cells` points a side."""
    low, high = shape.bounds()
    step = (high - low) / cells
    axes = [low[a] + (np.arange(cells) + 0.5) * step[a] for a in range(3)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    inside = points[blob_distance(points, shape) < 0]
    if not len(inside):
        return 0.0, 0.0
    reach = inside @ _DIRECTIONS.T
    return float(len(inside) * np.prod(step)) / 1000.0, float((reach.max(0) - reach.min(0)).max() + step.mean())


def make_blob(
    rng: np.random.Generator,
    *,
    volume_ml: float,
    elongation: float,
    flatness: float,
    lobes: int,
    frame: NDArray[np.float64],
) -> tuple[Blob, float]:
    """A lobed body of the given volume about the origin, and its long axis in mm.

    frame (3, 3): rows are the directions of the long, middle and short axis. `lobes` bumps stand off the
    main ellipsoid.
    """
    axes = np.array([1.0, elongation, flatness])
    main = ball((0, 0, 0), axes * 0.76, turned=frame)
    parts = [main]
    for _ in range(lobes):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        spot = (direction * axes * rng.uniform(0.65, 1.0)) @ frame
        size = float(rng.uniform(0.22, 0.46)) * np.array([1.0, rng.uniform(0.7, 1), rng.uniform(0.6, 1)])
        parts.append(ball(spot, np.maximum(size * (0.55 + 0.45 * flatness), 0.12), turned=frame))
    unit = Blob(np.stack(parts), 0.12)
    volume, long_axis = measure_blob(unit)
    factor = (volume_ml / volume) ** (1 / 3)
    scaled = unit.parts.copy()
    scaled[:, :6] *= factor
    return Blob(scaled, 0.12 * factor), long_axis * factor


def _placed(shape: Blob, centre: NDArray[np.float64], factor: float) -> Blob:
    parts = shape.parts.copy()
    parts[:, :6] *= factor
    parts[:, :3] += centre
    return Blob(parts, shape.blend_mm * factor)


def lesion_solids(
    lesion: Lesion, exam: int, *, scale: float, drawn_grow_mm: float, drawn_rough_mm: float
) -> list[Solid]:
    """The lesion as it is at one exam: the whole, its inside and its necrotic core. `scale`: standard mm per
    real mm."""
    share = lesion.courses[exam]
    if share <= 0:
        return []
    size = share ** (1 / 3) * scale
    name = f"lesion:{lesion.name}"
    whole = _placed(lesion.shape, lesion.centre, size)
    radius = (3000 * lesion.volume_at(exam) / (4 * np.pi)) ** (1 / 3) * scale
    rough = min(lesion.rough_mm, 0.10 * radius) * scale
    waves = 4.0 / max(
        0.5 * radius, 3.0
    )  # tile cells per mm: relief of about half a radius, which leaves the volume alone
    label = name if lesion.malignant else None
    solids = [
        Solid(
            whole,
            name,
            layer=lesion.layer,
            rough_mm=rough,
            rough_scale=waves,
            label=label,
            drawn_grow_mm=drawn_grow_mm * scale,
            drawn_rough_mm=drawn_rough_mm * scale,
        )
    ]
    if lesion.rim > 1.0:
        solids.append(
            Solid(
                _placed(lesion.shape, lesion.centre, 0.74 * size),
                f"{name}:inside",
                layer=lesion.layer,
                rough_mm=1.3 * rough,
                rough_scale=waves,
            )
        )
    if lesion.necrotic_fraction > 0.02:
        core = _placed(lesion.shape, lesion.centre, lesion.necrotic_fraction ** (1 / 3) * size)
        solids.append(Solid(core, f"{name}:core", layer=lesion.layer, rough_mm=1.2 * rough, rough_scale=waves))
    return solids


def lesion_tissues(lesion: Lesion, *, contrast: float) -> dict[str, TissueValues]:
    """Tissue values that the lesion's solids refer to."""
    name = f"lesion:{lesion.name}"
    hu = lesion.hu + contrast * (lesion.hu_contrast - lesion.hu)
    radius = (3000 * lesion.volume_ml / (4 * np.pi)) ** (1 / 3)
    scale = 4.0 / max(0.8 * radius, 6.0)
    spread = 0.30 if lesion.malignant else 0.05
    inside = lesion.uptake / max(lesion.rim, 1.0)
    return {
        name: TissueValues(hu, lesion.uptake, 7.0, spread * lesion.uptake, scale, 0.0),
        f"{name}:inside": TissueValues(hu - 3, inside, 7.0, spread * inside, scale, 0.0),
        f"{name}:core": TissueValues(12.0 + 0.1 * (hu - 50), 1.3, 4.0, 0.2, scale, 0.0),
    }
