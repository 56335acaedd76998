"""Neck: larynx, thyroid, great vessels, muscles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.solids import Layer, Solid, ball, blob, rotation, tube

__all__ = ["neck"]

SIDES = (("left", 1.0), ("right", -1.0))


def neck(build: Build) -> Iterator[Solid]:
    """All solids between the skull base and the thoracic inlet, spine excepted."""
    yield from _fat_planes(build)
    yield from _muscles(build)
    yield from _larynx(build)
    yield from _thyroid(build)
    yield from _vessels(build)


def _fat_planes(build: Build) -> Iterator[Solid]:
    """The neck is fat first; muscles, vessels and viscera leave their planes in it."""
    for _, side in SIDES:
        carotid_space = tube(
            [(30 * side, 6, -165, 9), (32 * side, 4, -205, 12), (34 * side, 6, -250, 13), (36 * side, 4, -290, 15)],
            smooth=3,
        )
        yield Solid(carotid_space, "fat", layer=Layer.CAVITY, rough_mm=2.5, rough_scale=0.2)
        posterior = tube([(48 * side, 26, -200, 8), (54 * side, 30, -250, 12), (66 * side, 26, -290, 16)], smooth=3)
        yield Solid(posterior, "fat", layer=Layer.CAVITY, rough_mm=2.5, rough_scale=0.2)
        submental = blob(ball((26 * side, -46, -210), (13, 18, 9)))
        yield Solid(submental, "fat", layer=Layer.CAVITY, rough_mm=2)
    yield Solid(blob(ball((0, -34, -222), (9, 6, 10))), "fat", layer=Layer.CAVITY)


def _muscles(build: Build) -> Iterator[Solid]:
    thick = 1.08 if build.male else 0.92
    for name, side in SIDES:
        size = thick * build.vary(name + "-neck-muscles", 0.04)
        paths = {
            "sternomastoid": (
                [
                    (55, 24, -158, 7),
                    (50, 14, -195, 9.5),
                    (42, -4, -235, 10),
                    (28, -25, -275, 8.5),
                    (14, -50, -308, 5.5),
                ],
                (1.0, 1.35, 1.0),
            ),
            "trapezius": ([(10, 62, -170, 4), (24, 60, -215, 6), (48, 52, -268, 9), (98, 34, -299, 10)], (1, 1, 1)),
            "semispinalis": (
                [(15, 52, -150, 12), (17, 46, -200, 14), (20, 56, -265, 15), (24, 82, -330, 16)],
                (1, 1, 1),
            ),
            "splenius": ([(36, 42, -160, 9), (33, 44, -205, 10), (27, 58, -260, 9)], (1, 1, 1)),
            "levator": ([(30, 16, -170, 5), (38, 24, -215, 8), (54, 48, -280, 9), (70, 74, -325, 7)], (1, 1, 1)),
            "scalene": ([(21, 10, -190, 5), (29, 12, -235, 8), (42, 12, -285, 9), (55, 14, -305, 7)], (1, 1, 1)),
            "longus": ([(6, -4, -150, 4.5), (8, -4, -200, 5), (9, 1, -260, 5), (9, 14, -300, 4)], (1.2, 0.9, 1)),
            "strap": ([(10, -38, -222, 3), (13, -36, -250, 3.5), (14, -46, -300, 3.5)], (1.8, 1.0, 1.0)),
            "digastric": ([(47, 18, -160, 5), (36, -22, -208, 4.5), (10, -72, -214, 4.5)], (1, 1, 1)),
        }
        for muscle, (points, stretch) in paths.items():
            path = [(x * side, y, z, r * size) for x, y, z, r in points]
            tissue = "fatty-muscle" if muscle in ("semispinalis", "splenius") else "muscle"
            yield Solid(tube(path, smooth=4, stretch=stretch), "fat", layer=Layer.MUSCLE, grow_mm=1.4)
            yield Solid(tube(path, smooth=4, stretch=stretch), tissue, layer=Layer.MUSCLE, rough_mm=0.7, label="muscle")


def _larynx(build: Build) -> Iterator[Solid]:
    hard = "cartilage" if build.age_years < 45 else "face-bone"
    body = blob(ball((0, -24, -228), (13, 14, 15)), ball((0, -22, -240), (14, 14, 9)), blend_mm=6)
    yield Solid(body, "larynx", layer=Layer.VISCERA, label="larynx")
    hyoid = tube(
        [(-21, -16, -213, 2), (-15, -34, -216, 2.6), (0, -41, -217, 3.4), (15, -34, -216, 2.6), (21, -16, -213, 2)],
        smooth=4,
    )
    yield Solid(hyoid, "face-bone", layer=Layer.BONE, label="hyoid")
    front = -43 if build.male else -39
    for _, side in SIDES:
        plate = tube(
            [(1 * side, front, -229, 1.5), (10 * side, -30, -228, 1.7), (20 * side, -12, -226, 1.9)],
            smooth=3,
            stretch=(1.0, 1.0, 6.0),
        )
        yield Solid(plate, "cartilage", layer=Layer.BONE, label="thyroid-cartilage")
        edge = tube([(20 * side, -12, -212, 1.8), (20 * side, -12, -243, 1.8)])
        yield Solid(edge, hard, layer=Layer.BONE, label="thyroid-cartilage")
        cord = blob(ball((3.6 * side, -25, -237), (2.6, 10, 3.2), turned=rotation(about_z=8 * side)))
        yield Solid(cord, "vocal-cord", layer=Layer.LUMEN, label="vocal-cord")
    angles = np.linspace(0, 2 * np.pi, 13)
    ring = tube(
        [(12 * np.sin(a), -20 + 12 * np.cos(a), -248 + 4 * np.cos(a), 2.0 + 1.2 * np.cos(a / 2) ** 2) for a in angles],
        stretch=(1.0, 1.0, 1.7),
    )
    yield Solid(ring, "cartilage", layer=Layer.BONE, label="cricoid")


def _thyroid(build: Build) -> Iterator[Solid]:
    for name, side in SIDES:
        size = build.vary(name + "-thyroid", 0.08)
        lobe = blob(ball((16.5 * side, -19, -263), (7.5 * size, 9 * size, 22 * size)))
        yield Solid(lobe, "thyroid", layer=Layer.VISCERA, rough_mm=0.8, label="thyroid")
    isthmus = blob(ball((0, -31, -266), (14, 3, 7)))
    yield Solid(isthmus, "thyroid", layer=Layer.VISCERA, label="thyroid")


def _vessels(build: Build) -> Iterator[Solid]:
    for _, side in SIDES:
        wide = 1.15 if side < 0 else 0.95  # the right jugular is the larger one
        carotid = tube(
            [
                (16 * side, -12, -306, 4),
                (23 * side, -10, -265, 3.5),
                (26 * side, -6, -222, 3.6),
                (26 * side, -6, -205, 4.2),
                (27 * side, 2, -175, 2.8),
                (24 * side, -2, -148, 2.6),
            ],
            smooth=4,
        )
        external = tube([(26 * side, -8, -205, 2.6), (30 * side, -18, -190, 2.2), (42 * side, -6, -165, 2.0)], smooth=3)
        jugular = tube(
            [
                (30 * side, -20, -306, 6),
                (33 * side, -8, -262, 6 * wide),
                (35 * side, 0, -222, 6 * wide),
                (34 * side, 6, -190, 5 * wide),
                (29 * side, 8, -152, 4),
            ],
            smooth=4,
        )
        yield Solid(carotid, "artery", layer=Layer.VESSEL, label="carotid")
        yield Solid(external, "artery", layer=Layer.VESSEL, label="carotid")
        yield Solid(jugular, "blood", layer=Layer.VESSEL, label="jugular")
        vertebral = tube([(17 * side, 12, -180, 1.8), (17 * side, 14, -265, 2.0), (20 * side, 0, -300, 2.2)])
        yield Solid(vertebral, "artery", layer=Layer.VESSEL)
        if build.age_years > 55 and build.chance(f"carotid-calcium{side}", 0.5):
            speck = blob(ball((28 * side, -6, -206), (1.6, 1.6, 3.0)))
            yield Solid(speck, "calcium", layer=Layer.METAL)
