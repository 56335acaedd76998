"""Trunk: skin, fat, muscular wall, shoulders, arms and thighs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.solids import Layer, Loft, Solid, ball, blob, loft, tube

__all__ = ["trunk", "trunk_skin"]

SIDES = (("left", 1.0), ("right", -1.0))
Station = tuple[float, float, float, float, float, float]


def _stations(build: Build, *, fat: bool) -> list[Station]:
    """Sections of the trunk (z, cx, cy, half width, half depth, exponent): the muscular wall, or the skin over it."""
    g = build.girth
    neck = build.fat_mm(2.5, 9) if fat else 0.0
    chest = build.fat_mm(4, 20) if fat else 0.0
    belly = build.fat_mm(8, 34) if fat else 0.0
    hip = build.fat_mm(10, 30) * (1.0 if build.male else 1.25) if fat else 0.0
    male = build.male
    shoulder = 1.0 if male else 0.92
    pot = 12.0 * max(0.0, g - 1.0) / 0.2 if male else 0.0
    waist = 126 * g if male else 116 * g
    rows = [
        (-150, 0, 18, 50, 52, 2.5, neck),
        (-180, 0, 13, 53, 57, 2.5, neck),
        (-215, 0, 11, 56, 59, 2.5, neck),
        (-245, 0, 12, 58, 58, 2.5, neck),
        (-268, 0, 15, 67, 60, 2.5, neck),
        (-286, 0, 18, 96 * shoulder, 66, 2, neck),
        (-304, 0, 18, 142 * shoulder, 79, 2, (neck + chest) / 2),
        (-325, 0, 22, 164 * shoulder, 92, 2.5, chest),
        (-360, 0, 16, 160 * shoulder * g, 104 * g, 2.5, chest),
        (-400, 0, 12, 156 * g * shoulder, 112 * g, 2.5, chest),
        (-450, 0, 10, 152 * g, 115 * g, 2.5, chest),
        (-500, 0, 9, 150 * g, 115 * g, 2.5, chest),
        (-550, 0, 8, 146 * g, 110 * g + pot / 2, 2.5, (chest + belly) / 2),
        (-610, 0, 6 - pot / 2, 138 * g, 102 * g + pot, 2.5, belly),
        (-660, 0, 4 - pot / 2, waist * 1.05, 98 * g + pot, 2.5, belly),
        (-710, 0, 6, 140 * g, 98 * g + pot / 2, 2.5, belly),
        (-770, 0, 10, 154 * g, 98 * g, 2.5, hip),
        (-830, 0, 14, 160 * g, 98 * g, 2.5, hip),
        (-880, 0, 16, 158 * g, 92 * g, 2.5, hip),
        (-925, 0, 18, 150 * g, 86 * g, 2.5, hip),
    ]
    out = []
    for z, cx, cy, a, b, n, layer in rows:
        back = 0.4 * layer if z < -560 else 0.0
        out.append((float(z), float(cx), cy - back / 2, a + layer, b + layer - back / 2, n))
    return out


def trunk_skin(build: Build) -> Loft:
    """Outer surface from the upper neck to the perineum."""
    return loft(_stations(build, fat=True), step=3.0)


def trunk(build: Build) -> Iterator[Solid]:
    """Fat and muscle of neck, chest, abdomen, hips, arms and thighs; the cavities come later."""
    skin = trunk_skin(build)
    wall = loft(_stations(build, fat=False), step=3.0)
    yield Solid(skin, "skin", layer=Layer.OUTLINE, rough_mm=2.0, rough_scale=0.03, label="body")
    yield Solid(skin, "fat", layer=Layer.OUTLINE, grow_mm=-2.2, rough_mm=2.0, rough_scale=0.03)
    yield Solid(wall, "muscle", layer=Layer.WALL, grow_mm=-2.2, rough_mm=2.0, rough_scale=0.06)
    yield from _shoulders(build)
    yield from _back(build)
    yield from _thighs(build)
    if not build.male:
        for name, side in SIDES:
            size = build.vary(name + "-breast", 0.06) * (build.bmi / 25) ** 0.7
            breast = blob(ball((84 * side, -90 * build.girth, -440), (62 * size, 48 * size, 68 * size)))
            yield Solid(breast, "skin", layer=Layer.OUTLINE, label="body")
            yield Solid(breast, "fat", layer=Layer.OUTLINE, grow_mm=-2.0)
            gland = blob(ball((84 * side, -118 * build.girth, -440), (36 * size, 15 * size, 38 * size)))
            yield Solid(gland, "gland", layer=Layer.WALL, rough_mm=5, rough_scale=0.15)


def _limb(path: list[tuple[float, float, float, float]], *, fat_mm: float) -> Iterator[Solid]:
    outer = tube([(x, y, z, r + fat_mm) for x, y, z, r in path], smooth=4)
    inner = tube(path, smooth=4)
    yield Solid(outer, "skin", layer=Layer.OUTLINE, label="body")
    yield Solid(outer, "fat", layer=Layer.OUTLINE, grow_mm=-2.0)
    yield Solid(inner, "muscle", layer=Layer.WALL, rough_mm=1.5, rough_scale=0.08)


def _shoulders(build: Build) -> Iterator[Solid]:
    fat = build.fat_mm(3, 12)
    strong = 1.0 if build.male else 0.87
    for _, side in SIDES:
        if build.arms_up:
            path = [
                (150, 30, -350, 50),
                (178, 26, -305, 48),
                (198, 18, -250, 46),
                (203, 2, -180, 42),
                (190, -18, -80, 38),
                (172, -26, 5, 36),
            ]
        else:
            path = [
                (150, 28, -340, 44),
                (184, 30, -338, 46),
                (205, 38, -385, 47),
                (214, 42, -450, 44),
                (222, 46, -600, 40),
                (226, 46, -645, 38),
            ]
        yield from _limb([(x * side, y, z, r * strong) for x, y, z, r in path], fat_mm=fat)
        for x, y, z, r in ((112, -72, -360, 16), (118, -30, -330, 14)):
            seam = tube([(x * side, y, z, r * 0.35), (x * side * 0.8, y + 4, z - 50, r * 0.25)])
            yield Solid(seam, "fat", layer=Layer.CAVITY, rough_mm=2)
        axilla = blob(ball((146 * side, 20, -388), (20, 30, 34)))
        yield Solid(axilla, "fat", layer=Layer.CAVITY, rough_mm=4, rough_scale=0.1)


def _back(build: Build) -> Iterator[Solid]:
    for _, side in SIDES:
        erector = tube(
            [
                (24 * side, 98, -330, 13),
                (28 * side, 104, -430, 15),
                (30 * side, 98, -520, 18),
                (34 * side, 80, -620, 23),
                (34 * side, 80, -700, 21),
                (26 * side, 90, -780, 12),
            ],
            smooth=4,
        )
        yield Solid(erector, "fat", layer=Layer.MUSCLE, grow_mm=1.6)
        yield Solid(erector, "fatty-muscle", layer=Layer.MUSCLE, label="muscle")
        psoas = tube(
            [
                (28 * side, 38, -575, 8),
                (40 * side, 30, -640, 19),
                (50 * side, 16, -720, 21),
                (68 * side, -20, -810, 17),
                (88 * side, -10, -890, 14),
            ],
            smooth=4,
        )
        yield Solid(psoas, "muscle", layer=Layer.VISCERA, label="psoas")
        iliacus = blob(ball((86 * side, 12, -748), (15, 38, 48)))
        yield Solid(iliacus, "muscle", layer=Layer.MUSCLE, label="muscle")
        gluteus = blob(
            ball((84 * side, 74, -830), (60, 36, 78)), ball((118 * side, 40, -780), (30, 44, 50)), blend_mm=10
        )
        yield Solid(gluteus, "fat", layer=Layer.MUSCLE, grow_mm=3.0)
        yield Solid(gluteus, "fatty-muscle", layer=Layer.MUSCLE, rough_mm=2.5, label="gluteus")


def _thighs(build: Build) -> Iterator[Solid]:
    fat = build.fat_mm(7, 22) * (1.0 if build.male else 1.3)
    g = build.girth
    for _, side in SIDES:
        path = [(84, 10, -880, 76 * g), (92, 6, -960, 74 * g), (98, 2, -1100, 64 * g)]
        yield from _limb([(x * side, y, z, r) for x, y, z, r in path], fat_mm=fat)
        for angle in (0.4, 2.0, 3.6, 5.2):
            x0, y0 = 100 + 34 * np.cos(angle), 6 + 34 * np.sin(angle)
            seam = tube([(x0 * side, y0, -900, 2.5), ((x0 + 6) * side, y0, -1100, 2.0)])
            yield Solid(seam, "fat", layer=Layer.CAVITY, rough_mm=1.5)
