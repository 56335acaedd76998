"""Chest: lungs with their vessels, airways, heart, great vessels, oesophagus."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.frame import spine_y
from tumorboard.phantom.solids import Layer, Loft, Solid, Tube, ball, blob, loft, tube

__all__ = ["heart_parts", "lung", "thorax", "vessel_tree"]

SIDES = (("left", 1.0), ("right", -1.0))
_HEART_AXIS = np.array([0.66, -0.52, -0.54])


def thorax(build: Build) -> Iterator[Solid]:
    """All viscera between the thoracic inlet and the diaphragm."""
    yield from _lungs(build)
    yield from _mediastinum(build)
    yield from _heart(build)
    yield from _great_vessels(build)
    yield from _airways(build)


def lung(build: Build, side: float) -> Loft:
    """Pleural surface of one lung, down to the costophrenic recess (side: 1 left, -1 right)."""
    g = 0.94 * build.girth
    rows = [
        (-266, 40, 32, 8, 10, 2),
        (-282, 44, 30, 24, 28, 2),
        (-305, 52, 24, 36, 46, 2.5),
        (-340, 64 * g, 16, 49 * g, 68 * g, 2.5),
        (-380, 74 * g, 12, 58 * g, 82 * g, 2.5),
        (-430, 80 * g, 12, 62 * g, 91 * g, 2.5),
        (-480, 81 * g, 14, 62 * g, 92 * g, 2.5),
        (-520, 81 * g, 18, 60 * g, 86 * g, 2.5),
        (-548, 82 * g, 26, 54 * g, 72 * g, 2.5),
    ]
    return loft([(z, cx * side, cy, a, b, n) for z, cx, cy, a, b, n in rows], step=3.0)


def _lungs(build: Build) -> Iterator[Solid]:
    for name, side in SIDES:
        shape = lung(build, side)
        yield Solid(shape, "muscle", layer=Layer.CAVITY, grow_mm=3.0)
        yield Solid(shape, "fat", layer=Layer.CAVITY, grow_mm=1.2)
        yield Solid(shape, "lung", layer=Layer.LUNG, label=f"lung-{name}")
        yield Solid(vessel_tree(build, name, side), "lung-vessel", layer=Layer.LUNG)
    # Diaphragm: everything below the domes is abdomen, painted as fat; viscera follow.
    lift = 4.0 * (build.bmi - 25) / 5
    for _, side, top, wide in (("right", -1.0, -452.0, 1.0), ("left", 1.0, -466.0, 0.95)):
        g = build.girth
        dome = blob(ball((70 * side * g, 4, top + lift - 104), (70 * g * wide, 93 * g, 104), exponent=2.5))
        above = np.array([[0.0, 0.0, -1.0, 548.0]])
        yield Solid(dome, "muscle", layer=Layer.LUNG, grow_mm=2.2, planes=above, label="diaphragm")
        yield Solid(dome, "visceral-fat", layer=Layer.LUNG, planes=above, label="abdomen")


def vessel_tree(build: Build, name: str, side: float) -> Tube:
    """Pulmonary vessels: five generations of branching, about 0.8 in calibre, from the hilum to near the pleura."""
    rng = build.rng(f"lung-vessels-{name}")
    hilum = np.array([34.0 * side, 10.0, -376.0])
    shape = lung(build, side)
    segments: list[list[float]] = []
    heads = [
        (hilum, _unit(np.array([0.55 * side, dy, dz])), 4.6, 46.0)
        for dy, dz in ((-0.4, 0.75), (0.35, 0.7), (-0.75, 0.1), (0.55, 0.05), (-0.45, -0.7), (0.25, -0.85), (0.8, -0.5))
    ]
    for generation in range(6):
        following = []
        for start, direction, radius, length in heads:
            end = start + direction * length * rng.uniform(0.75, 1.2)
            if _outside(shape, end, margin=4.0):
                end = start + direction * length * 0.45
                if _outside(shape, end, margin=2.0):
                    continue
            segments.append([*start, radius, *end, radius * 0.82])
            if generation < 5:
                for _ in range(2 if generation else 3):
                    turned = _unit(direction + rng.normal(0, 0.55, 3))
                    following.append((end, turned, radius * rng.uniform(0.62, 0.82), length * rng.uniform(0.62, 0.85)))
        heads = following
    return Tube(np.array(segments))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / float(vector @ vector) ** 0.5


def _outside(shape: Loft, point: np.ndarray, *, margin: float) -> bool:
    x, y, z = point.tolist()
    if not shape.z_low + margin < z < shape.z_low + shape.step * (len(shape.rows) - 1) - margin:
        return True
    cx, cy, a, b, n = shape.section(z).tolist()
    return bool(abs((x - cx) / (a - margin)) ** n + abs((y - cy) / (b - margin)) ** n > 1)


def _mediastinum(build: Build) -> Iterator[Solid]:
    column = loft(
        [
            (-285, 0, 10, 28, 40, 2.5),
            (-310, 0, 0, 34, 58, 2.5),
            (-350, 4, 0, 30, 76, 2.5),
            (-390, 6, -4, 32, 84, 2.5),
            (-440, 8, -4, 34, 90, 2.5),
            (-490, 8, -4, 36, 92, 2.5),
            (-530, 8, 0, 40, 90, 2.5),
        ],
        step=3.0,
    )
    yield Solid(column, "visceral-fat", layer=Layer.LUNG, rough_mm=2.0, rough_scale=0.08, label="mediastinum")
    gullet = tube(
        [
            (2, spine_y(z) - np.interp(-z, [250, 330, 420, 500], [14, 19, 26, 32]), z, 6.5)
            for z in range(-250, -490, -20)
        ],
        stretch=(1.2, 0.85, 1.0),
    )
    yield Solid(gullet, "oesophagus", layer=Layer.VISCERA, label="oesophagus")
    if build.chance("gullet-air", 0.3):
        yield Solid(gullet, "air", layer=Layer.LUMEN, grow_mm=-4.0)


def heart_parts(build: Build) -> tuple[dict[str, np.ndarray], float]:
    """The balls that the heart is blended from, by name, and its size (1: an average man's)."""
    size = (1.0 if build.male else 0.92) * build.vary("heart", 0.05)
    turn = _frame(_HEART_AXIS)
    at = partial(_in_heart, size)
    parts = {
        "left": ball(at(38, -40, -440), (50 * size, 35 * size, 35 * size), turned=turn),
        "right": ball(
            at(4, -58, -436), (48 * size, 26 * size, 34 * size), turned=_frame(np.array([0.86, -0.2, -0.45]))
        ),
        "right atrium": ball(at(-26, -28, -426), np.array([22, 26, 34]) * size),
        "left atrium": ball(at(8, 6, -408), np.array([34, 19, 25]) * size),
        "root": ball(at(4, -34, -396), np.array([30, 28, 20]) * size),
    }
    return parts, size


def _in_heart(size: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    """A place in the heart of an average man, in one of this size."""
    return (14 + (x - 14) * size, -28 + (y + 28) * size, -425 + (z + 425) * size)


def _heart(build: Build) -> Iterator[Solid]:
    parts, size = heart_parts(build)
    left, right, atrium_right, atrium_left, root = parts.values()
    axis = _HEART_AXIS
    whole = blob(left, right, atrium_right, atrium_left, root, blend_mm=14)
    yield Solid(whole, "visceral-fat", layer=Layer.LUNG, grow_mm=5.0, rough_mm=2.0, rough_scale=0.1, label="heart")
    yield Solid(
        whole, "myocardium" if build.hot_heart else "cold-myocardium", layer=Layer.VISCERA, label="heart", on_pet=False
    )
    yield Solid(
        blob(right, atrium_right, atrium_left, root, blend_mm=10), "heart-cavity", layer=Layer.VISCERA, grow_mm=-2.5
    )
    muscle = blob(left)
    yield Solid(
        muscle,
        "myocardium" if build.hot_heart else "cold-myocardium",
        layer=Layer.VISCERA,
        label="myocardium",
        planes=np.array([[*(-axis), float(-axis @ left[:3]) + 34 * size]]),
    )
    yield Solid(muscle, "heart-cavity", layer=Layer.VISCERA, grow_mm=-10.0 * size)
    if build.age_years > 58 and build.chance("coronary", 0.5):
        line = tube([(*_in_heart(size, 30, -68, -402), 1.6), (*_in_heart(size, 52, -76, -424), 1.4)])
        yield Solid(line, "calcium", layer=Layer.METAL)


def _frame(axis: np.ndarray) -> np.ndarray:
    """World-to-local matrix whose first axis is `axis`."""
    first = _unit(axis)
    second = _unit(np.cross((0.0, 0.0, 1.0), first))
    return np.stack([first, second, np.cross(first, second)])


def _great_vessels(build: Build) -> Iterator[Solid]:
    wide = (1.0 if build.male else 0.92) * (1 + 0.035 * (build.age_years - 60) / 10) * build.vary("aorta", 0.08)
    aorta = tube(
        [
            (4, -34, -404, 15.5 * wide),
            (-12, -36, -372, 15.5 * wide),
            (-6, -22, -342, 14.5 * wide),
            (8, 4, -330, 13.5 * wide),
            (22, 26, -342, 12.5 * wide),
            (26, 40, -372, 12.3 * wide),
            (25, 44, -420, 12.2 * wide),
            (20, 42, -470, 12 * wide),
            (10, 34, -520, 11.5 * wide),
            (6, 20, -575, 10 * wide),
            (5, 8, -640, 9 * wide),
            (4, 4, -676, 8.5 * wide),
        ],
        [
            (4, 4, -676, 6),
            (28, 14, -730, 5.5),
            (52, -8, -795, 5),
            (64, -48, -850, 4.5),
            (72, -42, -930, 4),
            (80, -20, -1100, 4),
        ],
        [
            (4, 4, -676, 6),
            (-28, 14, -730, 5.5),
            (-52, -8, -795, 5),
            (-64, -48, -850, 4.5),
            (-72, -42, -930, 4),
            (-80, -20, -1100, 4),
        ],
        smooth=4,
    )
    yield Solid(aorta, "artery", layer=Layer.VESSEL, label="aorta")
    if build.age_years > 55:
        rng = build.rng("aortic-calcium")
        for _ in range(int(rng.integers(0, 3 + int((build.age_years - 55) / 5)))):
            row = aorta.segments[int(rng.integers(8, 36))]
            angle = rng.uniform(0, 2 * np.pi)
            spot = row[:3] + np.array([np.cos(angle), np.sin(angle), 0]) * row[3] * 0.95
            yield Solid(blob(ball(spot, rng.uniform(1.2, 2.8, 3))), "calcium", layer=Layer.METAL)
    branches = tube(
        [(-6, -12, -330, 6), (-14, -12, -312, 5.5), (-18, -12, -306, 4)],
        [(-14, -12, -312, 4.5), (-46, -4, -286, 4), (-92, -20, -300, 4)],
        [(8, -4, -328, 4.5), (16, -12, -306, 4)],
        [(18, 10, -326, 5), (32, 6, -296, 4.5), (60, 0, -284, 4), (96, -20, -302, 4)],
        smooth=3,
    )
    yield Solid(branches, "artery", layer=Layer.VESSEL, label="arch-branches")
    cava = tube(
        [(-24, -30, -322, 8.5), (-26, -24, -360, 9.5), (-26, -20, -402, 10)],
        [(-24, -30, -322, 7.5), (-30, -22, -304, 6.5), (-52, -22, -296, 6), (-95, -32, -304, 5.5)],
        [(-24, -30, -322, 7), (6, -42, -318, 7), (30, -24, -304, 6.5), (56, -24, -296, 6), (95, -32, -304, 5.5)],
        [(-24, -14, -448, 12), (-24, -4, -480, 12), (-26, 8, -530, 12), (-24, 14, -600, 11), (-20, 12, -676, 10.5)],
        [(-20, 12, -676, 8), (30, 22, -735, 7), (58, -2, -800, 6), (58, -48, -856, 5.5), (66, -38, -1100, 5)],
        [(-20, 12, -676, 8), (-34, 20, -735, 7), (-58, -2, -800, 6), (-58, -48, -856, 5.5), (-66, -38, -1100, 5)],
        smooth=3,
    )
    yield Solid(cava, "blood", layer=Layer.VESSEL, label="vena-cava")
    lungs = tube(
        [(16, -52, -402, 13), (14, -40, -382, 13.5), (12, -18, -370, 12)],
        [(12, -18, -370, 11), (-14, -10, -374, 10.5), (-40, 6, -380, 8)],
        [(12, -18, -370, 11), (34, 4, -368, 10), (42, 16, -376, 8)],
        smooth=3,
    )
    yield Solid(lungs, "blood", layer=Layer.VESSEL, label="pulmonary-artery")
    veins = tube([(0, 6, -408, 6), (-40, 10, -402, 5)], [(14, 6, -406, 6), (44, 12, -400, 5)])
    yield Solid(veins, "blood", layer=Layer.VESSEL, label="pulmonary-vein")


def _airways(build: Build) -> Iterator[Solid]:
    r = 9.0 if build.male else 7.6
    tree = tube(
        [(0, -14, -272, r), (0, -4, -300, r), (1, 6, -330, r), (1, 12, -358, r)],
        [
            (1, 12, -358, r * 0.85),
            (-14, 13, -378, r * 0.8),
            (-30, 14, -392, 5.5),
            (-44, 18, -420, 4),
            (-52, 28, -455, 3),
        ],
        [(1, 12, -358, r * 0.8), (22, 14, -374, r * 0.72), (40, 16, -386, 5), (52, 22, -415, 3.8), (58, 32, -450, 3)],
        [(-20, 13, -383, 5), (-42, 8, -376, 3.8), (-56, -6, -352, 2.8)],
        [(40, 16, -386, 4.5), (56, 2, -372, 3.5), (62, -16, -352, 2.6)],
        [(-36, 15, -402, 3.5), (-54, -20, -424, 2.8)],
        [(46, 18, -400, 3.2), (66, -22, -420, 2.6)],
        smooth=3,
    )
    yield Solid(tree, "cartilage", layer=Layer.VESSEL, grow_mm=1.3)
    yield Solid(tree, "air", layer=Layer.VESSEL, label="trachea")
