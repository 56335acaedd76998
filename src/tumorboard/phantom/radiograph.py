"""A chest X-ray by projection: line integrals of attenuation through the virtual body, seen by a film.

The path integral of a ray is the sum of three parts: the wall (sampled coarsely), the cavity as its difference from
muscle (sampled finely, staggered in depth), and chords through bones, airways and lung vessels in closed form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.radiograph_body import Chest, add_chords, attenuation_per_mm
from tumorboard.phantom.radiograph_boxes import Shadows, shadows
from tumorboard.phantom.radiograph_view import RayGrid, View
from tumorboard.phantom.render import Painter, paint_all
from tumorboard.phantom.solids import Blob, Tube

__all__ = ["Cavity", "Projection", "project"]

_CONTRAST = {"vertebra": 0.5, "rib": 1.3, "clavicle": 1.3}
"""Vertebrae of the phantom have cortex as thick as a femur's, its ribs are slimmer (8 x 11 mm) than the reference's
(7 x 13 mm, phantom.md): shadows as on real films."""
_STANDARD_LOW = (-168.0, -112.0, -572.0)
_STANDARD_HIGH = (168.0, 118.0, -258.0)


@dataclass(eq=False)
class Cavity:
    """The sampled inside of the chest: places of the samples in the standard body, HU and labels, all (k, j, i)."""

    grid: RayGrid
    painter: Painter
    chest: Chest

    @property
    def hu(self) -> NDArray[np.float32]:
        return self.painter.out

    @property
    def x(self) -> NDArray[np.float32]:
        return self.painter.x

    @property
    def y(self) -> NDArray[np.float32]:
        return self.painter.y

    @property
    def z(self) -> NDArray[np.float32]:
        return self.painter.z

    def numbers(self, *names: str) -> list[int]:
        """Label numbers of structures whose name begins with one of these."""
        return [number for name, number in self.painter.numbers.items() if name.startswith(names)]

    def shadows(self) -> NDArray[np.uint64]:
        """What every ray (rows, columns of the grid) meets: bit n for the label n."""
        from tumorboard.phantom.radiograph_kernels import met

        found: NDArray[np.uint64] = met(self.painter.labels)
        return found


@dataclass(frozen=True, eq=False)
class Projection:
    """What the beam has passed: `path` (rows, columns) is the line integral of attenuation, `shadows` what boxes and
    masks are read from."""

    view: View
    path: NDArray[np.float32]
    shadows: Shadows


Effect = Callable[[Cavity], None]
"""Changes the HU of the cavity's samples: a disease of lung or pleura."""
Extra = tuple[Blob | Tube, float]
"""A thing added in closed form, and its attenuation above what it replaces (1/mm)."""


def project(
    chest: Chest,
    view: View,
    *,
    effects: Sequence[Effect] = (),
    extras: Sequence[Extra] = (),
    fine_mm: float = 1.3,
    vessels: Mapping[str, Tube] | None = None,
) -> Projection:
    """Line integrals of attenuation for every pixel, and the shadows that boxes and masks are read from.

    fine_mm : spacing of rays through the cavity, at the film; the depth step is four times as long. vessels : the lung
    vessels to draw instead of the chest's own.
    """
    path = _wall(chest, view, coarse_mm=3.6 * fine_mm)
    cavity = _cavity(chest, view, fine_mm=fine_mm)
    for effect in effects:
        effect(cavity)
    muscle = attenuation_per_mm(chest.tissues["muscle"].hu)
    along = np.einsum("kji->ji", _attenuation(cavity.hu)) - float(muscle) * cavity.hu.shape[0]
    path += cavity.grid.to_picture((along * cavity.grid.depth_mm[1]).astype(np.float32))
    bones = np.zeros(path.shape)
    _add_bones(bones, chest, view)
    _add_lung_tubes(bones, chest, view, vessels or chest.vessels)
    for shape, weight in extras:
        add_chords(bones, shape, view, weight=weight)
    path += bones.astype(np.float32)
    return Projection(view, np.maximum(path, 0), shadows(chest, view, cavity))


def _attenuation(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `attenuation_per_mm`, without bone (there is none in the cavity)."""
    return np.asarray(np.float32(0.02) * np.maximum(np.float32(0.0), np.float32(1.0) + hu * np.float32(0.001)))


def _wall(chest: Chest, view: View, *, coarse_mm: float) -> NDArray[np.float32]:
    """Skin to ribs, without the cavity: muscle inside, as path integral over the picture."""
    low = np.min([solid.shape.bounds()[0] for solid in chest.outer], axis=0)
    high = np.max([solid.shape.bounds()[1] for solid in chest.outer], axis=0)
    low[2], high[2] = max(low[2], -760.0), min(high[2], -100.0)
    grid = RayGrid.around(view, low, high, step_px=coarse_mm / view.pixel_mm, depth_mm=2.0 * coarse_mm)
    painter = Painter(grid.places(), grid, 2.0 * coarse_mm, what="hu", with_labels=False)
    paint_all(painter, chest.outer, chest.tissues)
    along = _attenuation(painter.out).sum(axis=0) * np.float32(grid.depth_mm[1])
    return grid.to_picture(along)


def _cavity(chest: Chest, view: View, *, fine_mm: float) -> Cavity:
    g = max(chest.build.girth, 0.9)
    low, high = (np.array(corner) * (g, g, 1.0) for corner in (_STANDARD_LOW, _STANDARD_HIGH))
    grid = RayGrid.around(view, low.tolist(), high.tolist(), step_px=fine_mm / view.pixel_mm, depth_mm=4.0 * fine_mm)
    painter = Painter(
        grid.places(),
        grid,
        1.5 * fine_mm * view.scale,
        what="hu",
        with_labels=True,
        background=chest.tissues["muscle"].hu,
    )
    paint_all(painter, chest.inner, chest.tissues)
    return Cavity(grid, painter, chest)


def _add_bones(film: NDArray[np.float64], chest: Chest, view: View) -> None:
    """Every bone as the difference from what it lies in: cortex from muscle, marrow from cortex."""
    around: dict[int, float] = {}
    muscle = attenuation_per_mm(chest.tissues["muscle"].hu)
    for solid in chest.bones:
        own = attenuation_per_mm(chest.tissues[solid.tissue].hu)
        weight = (own - around.get(id(solid.shape), muscle)) * _CONTRAST.get((solid.label or "").split("-")[0], 1.0)
        add_chords(film, solid.shape, view, grow_mm=solid.grow_mm, weight=weight)
        around[id(solid.shape)] = own


def _add_lung_tubes(film: NDArray[np.float64], chest: Chest, view: View, vessels: Mapping[str, Tube]) -> None:
    """Vessels in the lungs (blood for lung), and air for soft tissue in trachea and main bronchi."""
    inside = attenuation_per_mm(chest.tissues["lung-vessel"].hu) - attenuation_per_mm(chest.tissues["lung"].hu)
    for tree in vessels.values():
        add_chords(film, tree, view, weight=inside)
    wide = chest.airways.segments[:, 3] > 4.8
    lumen = Tube(chest.airways.segments[wide])
    soft = attenuation_per_mm(20.0)
    add_chords(film, lumen, view, weight=-soft)
    wall = Tube(chest.airways.segments[~wide])
    if len(wall.segments):
        add_chords(film, wall, view, grow_mm=1.2, weight=0.25 * inside)
        add_chords(film, wall, view, weight=-0.25 * inside)
