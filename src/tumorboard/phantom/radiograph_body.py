"""The chest as an X-ray beam meets it: which solids are sampled along the rays, which are projected in closed form.

Wall, limbs and breasts are smooth and are sampled coarsely; lungs, diaphragm, heart and vessels finely, as differences
from muscle; bones, airways and lung vessels are tubes and blobs whose chords are added in closed form.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.build import Build
from tumorboard.phantom.radiograph_view import View
from tumorboard.phantom.skeleton import skeleton
from tumorboard.phantom.solids import Blob, Layer, Loft, Shape, Solid, Tube, ball, blob, tube
from tumorboard.phantom.thorax import heart_parts, lung, thorax, vessel_tree
from tumorboard.phantom.tissue import TissueValues
from tumorboard.phantom.trunk import trunk

__all__ = ["Chest", "ChestBuild", "add_chords", "attenuation_per_mm", "moved"]

SIDES = (("left", 1.0), ("right", -1.0))
WATER_PER_MM = 0.02
"""Linear attenuation of water at about 60 keV, the mean energy behind a chest at 110-125 kV; the beam is taken as
monoenergetic (no hardening)."""
BONE_EXCESS = 1.8
"""Bone attenuates more at 60 keV than its HU (near 75 keV) say: dense cortex 2.9 times as much as water."""
_TOP_MM, _BOTTOM_MM = -180.0, -640.0
_ELSEWHERE = ("diaphragm", "abdomen", "trachea", "oesophagus")
_HEART = ("heart", "myocardium")


def attenuation_per_mm(hu: float) -> float:
    """Linear attenuation (1/mm) of tissue of this HU."""
    return WATER_PER_MM * max(0.0, 1.0 + (BONE_EXCESS if hu > 150 else 1.0) * hu / 1000.0)


@dataclass(frozen=True)
class ChestBuild(Build):
    """A build whose organs disease has changed. factors : multiplies named traits (``heart``, ``aorta``). lift_mm : of
    the left and right dome above the reference. shift_mm : of the mediastinum to the left. unfolded_aorta : how far
    (mm) an aorta grown too long bends out."""

    factors: tuple[tuple[str, float], ...] = ()
    lift_mm: tuple[float, float] = (0.0, 0.0)
    shift_mm: float = 0.0
    unfolded_aorta: float = 0.0

    def vary(self, trait: str, sd: float) -> float:
        return super().vary(trait, sd) * dict(self.factors).get(trait, 1.0)


def moved(shape: Shape, by: Sequence[float]) -> Shape:
    """`shape` shifted by (x, y, z) mm."""
    shift = np.asarray(by, float)
    if isinstance(shape, Blob):
        parts = shape.parts.copy()
        parts[:, :3] += shift
        return replace(shape, parts=parts)
    if isinstance(shape, Tube):
        segments = shape.segments.copy()
        segments[:, :3] += shift
        segments[:, 4:7] += shift
        return replace(shape, segments=segments)
    rows = shape.rows.copy()
    rows[:, :2] += shift[:2]
    return replace(shape, z_low=shape.z_low + shift[2], rows=rows)


def _unfolded(shape: Tube, by_mm: float) -> Tube:
    """An aorta grown too long: the arch higher, its knob and the descending part further left, the ascending right."""
    segments = shape.segments.copy()
    for x, y, z in ((0, 1, 2), (4, 5, 6)):
        high, back = segments[:, z], segments[:, y] > 0
        chest = np.clip((high + 540.0) / 40.0, 0, 1)
        segments[:, x] += chest * by_mm * np.where(back, 1.0, -0.4)
        segments[:, z] += 0.5 * by_mm * np.clip((high + 360.0) / 30.0, 0, 1)
    return replace(shape, segments=segments)


def _split_cava(solid: Solid, shape: Shape, shift_mm: float) -> Iterator[Solid]:
    """The superior vena cava apart from the veins of neck, arms and belly."""
    assert isinstance(shape, Tube)
    x, z = shape.segments[:, [0, 4]].mean(axis=1), shape.segments[:, [2, 6]].mean(axis=1)
    superior = (z < -321) & (z > -404) & (np.abs(x - shift_mm + 25) < 6)
    yield replace(solid, shape=Tube(shape.segments[superior]), label="svc")
    yield replace(solid, shape=Tube(shape.segments[~superior]), label="veins")


@dataclass(frozen=True, eq=False)
class Chest:
    """All solids of one chest, sorted by how they are projected."""

    build: ChestBuild
    tissues: Mapping[str, TissueValues]

    @cached_property
    def lungs(self) -> dict[str, Loft]:
        return {name: lung(self.build, side) for name, side in SIDES}

    @cached_property
    def outer(self) -> list[Solid]:
        """Wall, limbs, breasts: what lies round the cavity."""
        shown = []
        for solid in trunk(self.build):
            if solid.layer == Layer.OUTLINE and solid.tissue == "fat" and solid.grow_mm < 0:
                continue  # the skin is drawn as fat: 2 mm of it make no shadow
            if solid.shape.bounds()[1][2] > _BOTTOM_MM:
                tissue = "fat" if solid.tissue == "skin" else solid.tissue
                shown.append(replace(solid, tissue=tissue, rough_mm=0.0, label=None))
        for _, side in SIDES:  # trapezius: the slope from neck to shoulder
            slope = tube([(26 * side, 42, -225, 26), (80 * side, 40, -285, 34), (150 * side, 30, -318, 38)], smooth=3)
            shown += [
                Solid(slope, "fat", layer=Layer.OUTLINE, grow_mm=self.build.fat_mm(2, 8)),
                Solid(slope, "muscle", layer=Layer.WALL),
            ]
        return sorted(shown, key=lambda solid: solid.layer)

    @cached_property
    def inner(self) -> list[Solid]:
        """What differs from muscle inside the wall, in painting order."""
        return sorted(self._inner(), key=lambda solid: solid.layer)

    @cached_property
    def viscera(self) -> list[Solid]:
        """The reference thorax of this build."""
        return list(thorax(self.build))

    def _inner(self) -> Iterator[Solid]:
        shapes: dict[int, Shape] = {}  # solids that share a shape go on sharing it
        for solid in self.viscera:
            if solid.layer == Layer.CAVITY or solid.label in ("lung-left", "lung-right"):
                if solid.tissue != "muscle":
                    yield solid
            elif solid.label in _ELSEWHERE or solid.tissue in ("lung-vessel", "cartilage", "calcium"):
                continue
            else:
                shape = shapes.setdefault(id(solid.shape), self._placed(solid))
                if solid.label == "vena-cava":
                    yield from _split_cava(solid, shape, self.build.shift_mm)
                else:
                    yield replace(solid, shape=shape)
        for name, side in SIDES:
            yield Solid(self.dome(name, side), "muscle", layer=Layer.LUNG, label=f"abdomen-{name}")
        atrium = Solid(blob(heart_parts(self.build)[0]["right atrium"]), "heart-cavity", label="heart")
        yield replace(atrium, shape=self._placed(atrium), label="right-atrium")
        yield from self._gas()

    def _placed(self, solid: Solid) -> Shape:
        """Where a part of the mediastinum lies: shifted by disease, the heart 5 mm further left than lying down,
        the fat narrower (in a standing patient heart and vessels make the border)."""
        aside = 5.0 if solid.label in _HEART or solid.tissue == "heart-cavity" else 0.0
        shape = moved(solid.shape, (self.build.shift_mm + aside, 0.0, 0.0))
        if solid.label == "mediastinum" and isinstance(shape, Loft):
            rows = shape.rows.copy()
            rows[:, 2] *= 0.64
            shape = replace(shape, rows=rows)
        if solid.label == "aorta" and isinstance(shape, Tube) and self.build.unfolded_aorta:
            shape = _unfolded(shape, self.build.unfolded_aorta)
        return shape

    def dome(self, name: str, side: float) -> Blob:
        """The space below one hemidiaphragm."""
        g = self.build.girth
        wide, top = (0.95, -466.0) if side > 0 else (1.0, -452.0)
        top += self.build.lift_mm[0 if side > 0 else 1]
        high = 118.0
        return blob(ball((70 * side * g, 4, top - high), (78 * g * wide, 97 * g, high), exponent=2.5))

    def _gas(self) -> Iterator[Solid]:
        """Gas below the left dome: the stomach's bubble with its fluid level, loops of colon."""
        rng = self.build.rng("chest-gas")
        top = -466.0 + self.build.lift_mm[0]
        size = rng.uniform(0.6, 1.15)
        centre = np.array([rng.uniform(48, 72), rng.uniform(-10, 20), top - 16 - 20 * size])
        level = np.array([[0.0, 0.0, -1.0, -(centre[2] - rng.uniform(-4, 10))]])
        bubble = blob(ball(centre, np.array([30, 28, 20]) * size))
        if rng.random() < 0.75:
            yield Solid(bubble, "gut-gas", layer=Layer.LUMEN, planes=level)
        for _ in range(int(rng.integers(1, 7))):
            at = (rng.uniform(-95, 105), rng.uniform(-60, -10), top - rng.uniform(45, 130))
            loop = ball(at, rng.uniform(8, 17, 3))
            yield Solid(blob(loop), "gut-gas", layer=Layer.LUMEN, rough_mm=3.0, rough_scale=0.2)

    @cached_property
    def bones(self) -> list[Solid]:
        """Bones, discs and cartilage near the film's field, every cover before its content."""
        found = []
        for solid in sorted(skeleton(self.build), key=lambda solid: solid.layer):
            low, high = solid.shape.bounds()
            if high[2] > _BOTTOM_MM and low[2] < _TOP_MM and solid.layer in (Layer.BONE, Layer.MARROW):
                thin = isinstance(solid.shape, Blob) and solid.label != "sternum"
                if thin and solid.layer == Layer.MARROW:  # vertebral bodies: 0.4 mm of dense cortex, seen end on
                    solid = replace(solid, grow_mm=0.2)
                found.append(solid)
        return found

    @cached_property
    def vessels(self) -> dict[str, Tube]:
        """Pulmonary arteries and veins of each side."""
        arteries = [solid.shape for solid in self.viscera if solid.tissue == "lung-vessel"]
        trees = {}
        for (name, side), tree in zip(SIDES, arteries, strict=True):
            assert isinstance(tree, Tube)
            veins = vessel_tree(self.build, f"veins-{name}", side)
            thin = veins.segments[:, 3] < 3.6  # their trunks run with the arteries'
            trees[name] = Tube(np.vstack([tree.segments, veins.segments[thin]]))
        return trees

    @cached_property
    def airways(self) -> Tube:
        """Trachea from the larynx and bronchi."""
        tree = next(s.shape for s in self.viscera if s.label == "trachea")
        assert isinstance(tree, Tube)
        segments = tree.segments.copy()
        shift = self.build.shift_mm * np.clip((-segments[:, [2, 6]] - 280) / 70, 0, 1)
        segments[:, [0, 4]] += shift
        first = segments[0]
        neck = tube([(0, -22, -236, 0.75 * first[3]), (0, -19, -255, 0.95 * first[3]), tuple(first[:4])])
        return Tube(np.vstack([neck.segments, segments]))

    @cached_property
    def carina(self) -> NDArray[np.float64]:
        """Where the trachea divides (standard mm)."""
        return np.array([1.0 + self.build.shift_mm, 12.0, -358.0])

    def solid_labelled(self, label: str) -> list[Solid]:
        return [solid for solid in self.inner if solid.label == label]


def add_chords(
    film: NDArray[np.float64], shape: Shape, view: View, *, grow_mm: float = 0.0, weight: float = 1.0
) -> None:
    """Add weight times the path length (real mm) through a tube or an upright blob to `film`."""
    from tumorboard.phantom import radiograph_kernels as kernels

    if isinstance(shape, Tube):
        ends, slant, run, stretch = _on_film(shape, view, grow_mm)
        if not len(ends):
            return
        kernels.add_tube(film, ends, stretch[0], stretch[2], stretch[1], slant, run, weight)
        return
    if isinstance(shape, Blob):
        centre = view.project(shape.parts[:, :3])
        radii = np.maximum(shape.parts[:, 3:6] + grow_mm, 0.05)
        if view.projection == "LATERAL":
            radii = radii[:, [1, 0, 2]]
        parts = np.column_stack(
            [
                centre[:, :2],
                radii[:, 0] * centre[:, 2],
                radii[:, 2] * centre[:, 2],
                radii[:, 1] / view.scale,
                shape.parts[:, 15],
            ]
        )
        kernels.add_blobs(film, parts, weight)
        return
    raise TypeError("lofts are sampled along the rays")


def _on_film(
    shape: Tube, view: View, grow_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], tuple[float, float, float]]:
    """Pieces of a tube on the picture: ends in pixels, slant times mm per pixel, run, stretch (across, deep, down)."""
    segments = shape.segments
    first, second = view.project(segments[:, :3]), view.project(segments[:, 4:7])
    grow = grow_mm / min(shape.stretch)
    radius0 = np.maximum(segments[:, 3] + grow, 0.02) * first[:, 2]
    radius1 = np.maximum(segments[:, 7] + grow, 0.02) * second[:, 2]
    ends = np.column_stack([first[:, :2], radius0, second[:, :2], radius1])
    columns, rows = view.size
    reach = np.maximum(radius0, radius1) * 1.4 + 2
    shown = (np.maximum(first[:, 0], second[:, 0]) > -reach) & (np.minimum(first[:, 0], second[:, 0]) < columns + reach)
    shown &= (np.maximum(first[:, 1], second[:, 1]) > -reach) & (np.minimum(first[:, 1], second[:, 1]) < rows + reach)
    axis = segments[:, 4:7] - segments[:, :3]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True) + 1e-9
    along = np.abs((axis * view.towards_ray(axis)).sum(axis=1))
    slant = np.minimum(1.0 / np.sqrt(np.maximum(1.0 - along**2, 1e-6)), 1.6)
    mm_per_pixel = 1.0 / (first[:, 2] * view.scale)
    run = _runs(first[:, :2], second[:, :2])
    stretch = shape.stretch if view.projection != "LATERAL" else (shape.stretch[1], shape.stretch[0], shape.stretch[2])
    return ends[shown], (slant * mm_per_pixel)[shown], run[shown], stretch


def _runs(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the run each piece belongs to: a new one begins where the path jumps or turns back on itself."""
    heading = second - first
    jumps = np.linalg.norm(first[1:] - second[:-1], axis=1) > 0.5
    number, begun = 0, heading[0]
    runs = np.zeros(len(first), np.int64)
    for n in range(1, len(first)):
        if jumps[n - 1] or float(heading[n] @ begun) < 0:
            number, begun = number + 1, heading[n]
        runs[n] = number
    return runs
