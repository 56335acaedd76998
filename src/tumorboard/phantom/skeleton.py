"""Skeleton of the trunk: spine, ribs, shoulder girdle, arms, pelvis, thighs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.frame import SPINE, spine_y
from tumorboard.phantom.solids import Layer, Loft, Solid, Tube, ball, blob, loft, rotation, tube

__all__ = ["rib_cage", "skeleton"]

SIDES = (("left", 1.0), ("right", -1.0))


def rib_cage(build: Build) -> Loft:
    """Surface on which the ribs run: the chest wall between skin and pleura."""
    g = build.girth
    return loft(
        [
            (-270, 0, 34, 40, 36, 2),
            (-290, 0, 26, 66, 46, 2),
            (-310, 0, 18, 88 * g, 64, 2.5),
            (-340, 0, 12, 112 * g, 84 * g, 2.5),
            (-380, 0, 8, 128 * g, 96 * g, 2.5),
            (-430, 0, 7, 138 * g, 104 * g, 2.5),
            (-480, 0, 8, 141 * g, 106 * g, 2.5),
            (-530, 0, 8, 140 * g, 104 * g, 2.5),
            (-580, 0, 10, 136 * g, 98 * g, 2.5),
            (-640, 0, 8, 132 * g, 92 * g, 2.5),
        ],
        step=4.0,
    )


def skeleton(build: Build) -> Iterator[Solid]:
    """Bones and discs below the skull, with the spinal canal."""
    yield from _spine(build)
    yield from _ribs_and_sternum(build)
    yield from _shoulders(build)
    yield from _pelvis(build)
    yield from _thighs(build)


def _long_bone(shape: Tube, *, cortex_mm: float, marrow: str, label: str) -> Iterator[Solid]:
    yield Solid(shape, "cortical-bone", layer=Layer.BONE, label=label)
    yield Solid(shape, marrow, layer=Layer.MARROW, grow_mm=-cortex_mm)


def _spine(build: Build) -> Iterator[Solid]:
    for index, v in enumerate(SPINE):
        size = (1.0 if build.male else 0.93) * build.vary(f"vertebra-{v.name}", 0.03)
        wide, deep, half = v.half_width * size, v.half_depth * size, v.half_height
        if v.name != "C1":
            body = blob(ball((0, v.y, v.z), (wide, deep, half), exponent=3))
            below = SPINE[index + 1] if index + 1 < len(SPINE) else None
            z_disc = (v.z + below.z) / 2 if below else v.z - half - 5
            disc = blob(
                ball(
                    (0, spine_y(z_disc), z_disc), (wide * 0.96, deep * 0.96, abs(z_disc - v.z) - half + 1.5), exponent=3
                )
            )
            yield Solid(disc, "disc", layer=Layer.BONE, label="disc")
            yield Solid(body, "cortical-bone", layer=Layer.BONE, grow_mm=0.6, label=f"vertebra-{v.name}")
            yield Solid(body, "marrow", layer=Layer.MARROW, grow_mm=-1.0)
        if v.name == "C2":
            dens = tube([(0, 4, -174, 5.5), (0, 1, -157, 4.8)])
            yield from _long_bone(dens, cortex_mm=1.5, marrow="marrow", label="vertebra-C2")
        yield from _arch(v, wide, deep, size)
    path = [(0.0, spine_y(z) + _canal_offset(z), z) for z in np.arange(-152.0, -760.0, -16.0)]
    canal = tube([(x, y, z, 8.5) for x, y, z in path], stretch=(1.2, 1.0, 1.0))
    yield Solid(canal, "fat", layer=Layer.CANAL, grow_mm=0.0)
    yield Solid(canal, "csf", layer=Layer.CANAL, grow_mm=-1.5)
    cord = tube([(x, y, z, 5.0 if z > -300 else 4.2) for x, y, z in path if z > -590], stretch=(1.25, 1.0, 1.0))
    yield Solid(cord, "cord", layer=Layer.INNER, label="spinal-cord")


def _canal_offset(z: float) -> float:
    return float(np.interp(-z, [150, 200, 300, 500, 700, 760], [16, 17.5, 20, 25, 28, 26]))


def _arch(v, wide: float, deep: float, size: float) -> Iterator[Solid]:
    back = v.y + _canal_offset(v.z)
    reach = float(np.interp(-v.z, [160, 200, 285, 430, 600, 720], [12, 22, 42, 50, 44, 40]))
    drop = float(np.interp(-v.z, [200, 285, 430, 600], [4, 14, 26, 8]))
    spread = float(np.interp(-v.z, [160, 200, 285, 560, 640], [34, 24, 34, 22, 38])) * size
    thick = 3.2 + 1.8 * (-v.z - 160) / 560
    ring = [(wide * 0.75, v.y + deep * 0.8), (13.5, back - 2), (9, back + 9), (0, back + 12.5)]
    pieces = []
    for side in (1.0, -1.0):
        pieces.append([(x * side, y, v.z, thick) for x, y in ring])
        pieces.append(
            [
                (13 * side, back - 3, v.z, thick),
                (spread * side, back - 2 if v.z < -280 else back - 12, v.z - 2, thick * 0.8),
            ]
        )
        pieces.append([(14 * side, back + 1, v.z + 7, thick), (14 * side, back + 1, v.z - 9, thick)])
    if v.name == "C1":
        pieces.append([(18.0, 2, v.z, 5), (10, -6, v.z, 3.4), (-10, -6, v.z, 3.4), (-18, 2, v.z, 5)])
    else:
        pieces.append([(0, back + 12, v.z, thick), (0, back + 12 + reach * 0.75, v.z - drop, thick * 0.9)])
    arch = tube(*pieces, stretch=(1.0, 1.0, 1.35))
    yield Solid(arch, "cortical-bone", layer=Layer.BONE, label=f"vertebra-{v.name}")
    yield Solid(arch, "marrow", layer=Layer.MARROW, grow_mm=-1.7)


def _ribs_and_sternum(build: Build) -> Iterator[Solid]:
    cage = rib_cage(build)
    fall = (14, 34, 52, 66, 78, 88, 96, 98, 92, 80, 56, 40)
    reach = (2.75, 2.78, 2.8, 2.8, 2.8, 2.78, 2.72, 2.6, 2.45, 2.25, 1.6, 1.15)
    for number in range(12):
        v = SPINE[7 + number]
        for name, side in SIDES:
            drop = fall[number] * build.vary(f"rib-{number}-{name}", 0.04)
            path = [(16.0 * side, v.y + 8.0, v.z + 6, 3.4), (30.0 * side, v.y + 22.0, v.z + 4, 3.6)]
            start = 0.42 if number else 0.8
            for angle in np.linspace(start, reach[number], 13):
                share = (angle - start) / (reach[number] - start)
                z = v.z - drop * share**1.15
                cx, cy, a, b, _ = cage.section(z)
                path.append((cx + side * a * np.sin(angle), cy + b * np.cos(angle), z, 4.2))
            bone = tube(path, smooth=2, stretch=(0.9, 0.9, 1.35))
            yield Solid(bone, "cortical-bone", layer=Layer.BONE, label="rib")
            yield Solid(bone, "marrow", layer=Layer.MARROW, grow_mm=-1.3)
            if number < 10:
                tip = path[-1]
                end = (15.0 * side, _sternum_y(tip[2] + 6), max(tip[2] + 8 + 3 * number, -452.0))
                middle = ((tip[0] + end[0]) / 2, min(tip[1], end[1]) + 1.0, min(tip[2], end[2]) - 3.0)
                cartilage = tube([(*tip[:3], 4.4), (*middle, 4.4), (*end, 4.4)], smooth=4, stretch=(1.0, 0.9, 1.35))
                yield Solid(cartilage, "cartilage", layer=Layer.BONE, label="costal-cartilage")
    plates = blob(
        ball((0, _sternum_y(-332), -332), (27, 6.5, 25), exponent=3, turned=rotation(about_x=-18)),
        ball((0, _sternum_y(-402), -402), (17, 6, 54), exponent=3, turned=rotation(about_x=-7)),
        blend_mm=3,
    )
    yield Solid(plates, "cortical-bone", layer=Layer.BONE, label="sternum")
    yield Solid(plates, "marrow", layer=Layer.MARROW, grow_mm=-1.5)


def _sternum_y(z: float) -> float:
    return float(np.interp(-z, [305, 335, 400, 455, 520], [-56, -74, -92, -98, -96]))


def _shoulders(build: Build) -> Iterator[Solid]:
    up = build.arms_up
    for name, side in SIDES:
        k = build.vary(name + "-clavicle", 0.03)
        lift = 26.0 if up else 0.0
        clavicle = tube(
            [
                (18 * side, -58, -312, 8),
                (50 * side, -60, -306, 6),
                (95 * side, -32, -298 + lift * 0.4, 5.5),
                (140 * side * k, -2, -298 + lift * 0.8, 6),
                (160 * side * k, 8, -300 + lift, 6),
            ],
            smooth=4,
        )
        yield from _long_bone(clavicle, cortex_mm=1.9, marrow="marrow", label="clavicle")
        blade = tube(
            [
                (150 * side, 40, -330 + lift, 3),
                (120 * side, 84, -350 + lift, 2.6),
                (98 * side, 108, -390, 2.4),
                (96 * side, 112, -440, 2.6),
            ],
            [(150 * side, 40, -330 + lift, 4), (138 * side, 78, -385, 3), (112 * side, 108, -452, 2.6)],
            [(120 * side, 84, -345 + lift, 2.2), (128 * side, 84, -400, 2.2), (112 * side, 106, -446, 2.2)],
            [(108 * side, 98, -370, 2.0), (124 * side, 88, -410, 2.0)],
            stretch=(1.5, 1.0, 1.5),
            smooth=3,
        )
        yield Solid(blade, "cortical-bone", layer=Layer.BONE, label="scapula")
        ridge = tube(
            [(88 * side, 110, -362, 4), (130 * side, 82, -325 + lift, 5), (168 * side, 36, -303 + lift, 6)], smooth=3
        )
        yield from _long_bone(ridge, cortex_mm=1.6, marrow="marrow", label="scapula")
        glenoid = tube([(146 * side, 40, -322 + lift, 9), (148 * side, 38, -344 + lift, 9)])
        yield from _long_bone(glenoid, cortex_mm=1.8, marrow="marrow", label="scapula")
        head = (176 * side, 30, -330 + lift)
        if up:
            shaft = [
                (*head, 22),
                (192 * side, 22, -285, 13),
                (205 * side, 5, -200, 11),
                (190 * side, -18, -80, 11),
                (172 * side, -26, 0, 13),
            ]
        else:
            shaft = [
                (*head, 22),
                (197 * side, 34, -358, 15),
                (208 * side, 40, -420, 11),
                (222 * side, 46, -600, 11),
                (226 * side, 46, -640, 15),
            ]
        yield from _long_bone(tube(shaft, smooth=3), cortex_mm=3.2, marrow="fatty-marrow", label="humerus")


def _pelvis(build: Build) -> Iterator[Solid]:
    flare = 1.0 if build.male else 1.05
    sacrum = blob(
        ball((0, 46, -752), (40, 20, 20), exponent=2.5),
        ball((0, 66, -790), (27, 14, 26)),
        ball((0, 76, -835), (10, 7, 22)),
        blend_mm=12,
    )
    yield Solid(sacrum, "cortical-bone", layer=Layer.BONE, label="sacrum")
    yield Solid(sacrum, "marrow", layer=Layer.MARROW, grow_mm=-1.6)
    for _name, side in SIDES:
        turn = rotation(about_y=-24 * side, about_z=30 * side)
        wing = blob(ball((96 * side * flare, 28, -738), (6, 56, 62), exponent=2.5, turned=turn))
        yield Solid(wing, "cortical-bone", layer=Layer.BONE, rough_mm=1.0, label="hip-bone")
        yield Solid(wing, "marrow", layer=Layer.MARROW, grow_mm=-1.8)
        column = tube(
            [(56 * side, 52, -752, 12), (78 * side, 40, -785, 13), (88 * side, 14, -812, 15)],
            [
                (88 * side, 18, -815, 15),
                (76 * side, 34, -850, 13),
                (62 * side, 42, -895, 12),
                (48 * side, 14, -903, 8),
                (22 * side, -34, -882, 8),
                (5 * side, -52, -862, 10),
            ],
            [
                (88 * side, -4, -815, 13),
                (60 * side, -34, -828, 9),
                (30 * side, -52, -842, 8),
                (5 * side, -54, -850, 10),
            ],
            [(100 * side, 2, -765, 8), (92 * side, -4, -810, 14)],
            smooth=4,
        )
        yield Solid(column, "cortical-bone", layer=Layer.BONE, label="hip-bone")
        yield Solid(column, "marrow", layer=Layer.MARROW, grow_mm=-2.0)
        socket = blob(ball((90 * side * flare, 4, -835), 28))
        yield Solid(
            socket,
            "cortical-bone",
            layer=Layer.BONE,
            label="hip-bone",
            planes=np.array([[0.8 * side, -0.1, -0.6, 0.8 * 90 * flare + 0.6 * 835 - 0.4 + 4]]),
        )
        yield Solid(socket, "cartilage", layer=Layer.BONE, grow_mm=-3.0)


def _thighs(build: Build) -> Iterator[Solid]:
    size = 1.0 if build.male else 0.92
    flare = 1.0 if build.male else 1.05
    for _, side in SIDES:
        ball_x = 90 * side * flare
        bone = tube(
            [(ball_x, 4, -835, 23.5 * size), (ball_x + 4 * side, 4, -837, 22 * size)],
            [(ball_x + 8 * side, 5, -840, 17 * size), (ball_x + 34 * side, 10, -862, 16 * size)],
            [
                (ball_x + 40 * side, 16, -848, 15 * size),
                (ball_x + 38 * side, 12, -880, 18 * size),
                (ball_x + 34 * side, 6, -930, 15 * size),
                (ball_x + 22 * side, 0, -1100, 13.5 * size),
            ],
        )
        yield from _long_bone(bone, cortex_mm=2.6, marrow="fatty-marrow", label="femur")
        shaft = tube([(ball_x + 33 * side, 6, -935, 13 * size), (ball_x + 22 * side, 0, -1100, 12.5 * size)])
        yield Solid(shaft, "cortical-bone", layer=Layer.MARROW)
        yield Solid(shaft, "fatty-marrow", layer=Layer.CANAL, grow_mm=-5.5)
