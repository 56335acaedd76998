"""Abdomen and pelvis: liver, spleen, kidneys, stomach, bowel, bladder and what lies round them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.solids import Layer, Loft, Solid, Tube, ball, blob, loft, rotation, tube

__all__ = ["abdomen"]

SIDES = (("left", 1.0), ("right", -1.0))


def abdomen(build: Build) -> Iterator[Solid]:
    """All viscera below the diaphragm."""
    yield from _cavity(build)
    yield from _bowel(build)
    yield from _stomach(build)
    yield from _liver(build)
    yield from _spleen_and_pancreas(build)
    yield from _kidneys(build)
    yield from _pelvic_organs(build)


def _cavity(build: Build) -> Iterator[Solid]:
    shape = _peritoneum(build)
    yield Solid(shape, "visceral-fat", layer=Layer.CAVITY, rough_mm=2.0, rough_scale=0.06, label="abdomen")


def _peritoneum(build: Build) -> Loft:
    g = build.girth
    pot = 12.0 * max(0.0, g - 1.0) / 0.2 if build.male else 0.0
    return loft(
        [
            (-500, 0, -4, 112 * g, 88 * g, 2.5),
            (-550, 0, -6, 122 * g, 86 * g + pot / 2, 2.5),
            (-610, 0, -18 - pot / 2, 120 * g, 70 * g + pot, 2.5),
            (-660, 0, -20 - pot / 2, 108 * g, 64 * g + pot, 2.5),
            (-710, 0, -18, 108 * g, 64 * g + pot / 2, 2.5),
            (-760, 0, -14, 86 * g, 66 * g, 2.5),
            (-810, 0, -2, 66, 70, 2.5),
            (-850, 0, 12, 48, 58, 2.5),
            (-890, 0, 26, 34, 38, 2),
        ],
        step=3.0,
    )


def _liver(build: Build) -> Iterator[Solid]:
    size = ((1.0 if build.male else 0.94) * build.vary("liver", 0.06)) * (0.5 + 0.5 * build.girth)
    lift = 4.0 * (build.bmi - 25) / 5
    low = 0.0
    shape = blob(
        ball((-70, 6, -535 + lift), (70 * size, 80 * size, 76 * size), exponent=2.5),
        ball((-78, 4, -590 + lift + low), (44 * size, 58 * size, 62 * size)),
        ball((2, -40, -530 + lift), (68 * size, 42 * size, 40 * size), turned=rotation(about_y=-12)),
        blend_mm=16,
    )
    under = np.array([[0.55, 0.35, -0.76, 0.55 * 30 + 0.35 * 40 + 0.76 * 585]])
    yield Solid(shape, "liver", layer=Layer.VISCERA, rough_mm=1.5, rough_scale=0.05, planes=under, label="liver")
    portal = tube(
        [(-14, 0, -575, 6.5), (-38, -2, -560, 6), (-66, -6, -545, 4.5), (-92, 0, -535, 3)],
        [(-38, -2, -560, 5), (-20, -30, -538, 4), (12, -42, -528, 3)],
        [(-66, -6, -545, 4), (-84, 30, -560, 2.8)],
        [(-66, -6, -545, 3.6), (-70, -40, -530, 2.6)],
        [(-92, 0, -535, 2.6), (-108, -12, -508, 1.8)],
        [(-70, -2, -548, 3), (-88, 10, -600, 2)],
        smooth=3,
    )
    hepatic = tube(
        [(-25, -2, -488, 6), (-52, -6, -498, 4.5), (-88, 2, -512, 3)],
        [(-25, -2, -488, 5.5), (-46, -30, -505, 3.5)],
        [(-25, -2, -488, 5), (4, -30, -505, 3.5)],
        smooth=3,
    )
    yield Solid(portal, "portal-vein", layer=Layer.VISCERA)
    yield Solid(hepatic, "portal-vein", layer=Layer.VISCERA)
    bladder = blob(ball((-46, -48, -592), (15, 30, 17), turned=rotation(about_x=25)))
    if not build.chance("no-gallbladder", 0.12):
        yield Solid(bladder, "bladder-wall", layer=Layer.LUMEN, grow_mm=1.5)
        yield Solid(bladder, "gallbladder", layer=Layer.LUMEN, label="gallbladder")


def _spleen_and_pancreas(build: Build) -> Iterator[Solid]:
    size = build.vary("spleen", 0.12)
    spleen = blob(
        ball(
            (100 * build.girth, 48, -520), (20 * size, 38 * size, 50 * size), turned=rotation(about_z=-28, about_x=18)
        ),
    )
    yield Solid(spleen, "spleen", layer=Layer.VISCERA, rough_mm=1.5, label="spleen")
    pancreas = tube(
        [(-32, -2, -606, 13), (-14, -10, -592, 10), (14, -16, -578, 9), (48, 6, -562, 9), (80, 28, -548, 7)], smooth=4
    )
    yield Solid(pancreas, "pancreas", layer=Layer.VISCERA, rough_mm=2.5, rough_scale=0.3, label="pancreas")
    for _, side in SIDES:
        gland = tube(
            [(34 * side, 26, -538, 2.5), (40 * side, 36, -552, 3)],
            [(34 * side, 26, -538, 2.5), (46 * side, 28, -554, 2.5)],
        )
        yield Solid(gland, "adrenal", layer=Layer.VISCERA)


def _kidneys(build: Build) -> Iterator[Solid]:
    for name, side in SIDES:
        size = (1.0 if build.male else 0.95) * build.vary(name + "-kidney", 0.05)
        z = -586.0 if side > 0 else -600.0
        centre = np.array([62.0 * side, 40.0, z])
        turn = rotation(about_y=10 * side, about_z=-30 * side)
        shape = blob(ball(centre, (27 * size, 23 * size, 54 * size), exponent=2.5, turned=turn))
        yield Solid(shape, "visceral-fat", layer=Layer.VISCERA, grow_mm=6)
        yield Solid(shape, "kidney-cortex", layer=Layer.VISCERA, rough_mm=0.8, label=f"kidney-{name}")
        medulla = blob(ball(centre, (16 * size, 13 * size, 42 * size), exponent=2.5, turned=turn))
        yield Solid(medulla, "kidney-medulla", layer=Layer.VISCERA, rough_mm=2.5, rough_scale=0.3)
        hilum = blob(ball(centre - np.array([20 * side, 8, 0]), (18, 9, 20), turned=turn))
        yield Solid(hilum, "visceral-fat", layer=Layer.VISCERA)
        pelvis = tube(
            [
                (*(centre - np.array([6 * side, 3, -16])), 4.0),
                (*(centre - np.array([18 * side, 9, 0])), 5.5),
                (*(centre - np.array([6 * side, 3, 18])), 4.0),
            ],
            [(*(centre - np.array([18 * side, 9, 0])), 4.5), (36 * side, 22, z - 40, 2.5)],
        )
        yield Solid(pelvis, "urine", layer=Layer.LUMEN, label="renal-pelvis")
        course = tube(
            [
                (36 * side, 22, z - 40, 2.2),
                (36 * side, 10, -690, 2.2),
                (40 * side, 30, -770, 2.2),
                (24 * side, 26, -846, 2.2),
            ],
            smooth=4,
        )
        yield Solid(course, "muscle", layer=Layer.VESSEL)
        rng = build.rng(name + "-ureter")
        for _ in range(int(rng.integers(1, 4))):
            piece = course.segments[int(rng.integers(0, len(course.segments)))]
            yield Solid(
                Tube(np.array([[*piece, 0, 0, 0, 1.0, 0, 0, 0, 1.0]])), "ureter", layer=Layer.VESSEL, label="ureter"
            )


def _stomach(build: Build) -> Iterator[Solid]:
    full = build.vary("stomach", 0.12)
    path = tube(
        [
            (56, 26, -502, 35 * full),
            (60, 6, -540, 33 * full),
            (48, -34, -580, 24 * full),
            (18, -52, -600, 18),
            (-18, -44, -594, 14),
            (-32, -26, -590, 12),
        ],
        smooth=4,
    )
    yield Solid(path, "stomach-wall", layer=Layer.VISCERA, rough_mm=1.5, label="stomach")
    yield Solid(path, "stomach-content", layer=Layer.VISCERA, grow_mm=-4.5, rough_mm=1.5)
    gas_level = np.array([[0.0, 1.0, 0.0, -22.0]])
    yield Solid(path, "gut-gas", layer=Layer.VISCERA, grow_mm=-5.0, planes=gas_level)


def _bowel(build: Build) -> Iterator[Solid]:
    rng = build.rng("bowel")
    g = build.girth
    for _ in range(7):  # small bowel: coils in the middle of the abdomen
        point = np.array([rng.uniform(-60, 60) * g, rng.uniform(-64, -16) * g, rng.uniform(-790, -640)])
        heading = rng.normal(0, 1, 3)
        coil = []
        for _ in range(11):
            coil.append((*point, rng.uniform(9, 13)))
            pull = (np.array([0.0, -40 * g, -712.0]) - point) / np.array([70 * g, 34 * g, 80])
            heading = 0.55 * heading / np.linalg.norm(heading) + rng.normal(0, 0.5, 3) + 0.35 * pull
            point = point + heading / np.linalg.norm(heading) * 20.0
        coil_tube = tube(coil, smooth=4)
        yield Solid(coil_tube, "visceral-fat", layer=Layer.CAVITY, grow_mm=1.2)
        yield Solid(coil_tube, "bowel-wall", layer=Layer.CAVITY, rough_mm=0.8, label="small-bowel")
        yield Solid(coil_tube, "bowel-content", layer=Layer.CAVITY, grow_mm=-3.0)
        if rng.random() < 0.4:
            yield Solid(
                coil_tube,
                "gut-gas",
                layer=Layer.CAVITY,
                grow_mm=-4.0,
                planes=np.array([[0.0, 1.0, 0.0, coil[5][1] - 4]]),
            )
    frame = np.array(
        [
            (-84 * g, 0, -752, 26),
            (-92 * g, 8, -690, 24),
            (-90 * g, 2, -630, 22),
            (-62 * g, -50 * g, -622, 20),
            (0, -70 * g, -642, 19),
            (58 * g, -62 * g, -622, 19),
            (88 * g, -10, -580, 18),
            (100 * g, 26, -610, 17),
            (98 * g, 18, -680, 16),
            (84 * g, 0, -750, 15),
            (40, -20, -790, 15),
            (14, 14, -776, 15),
            (4, 44, -806, 16),
            (0, 52, -850, 17),
            (0, 40, -905, 9),
        ],
        float,
    )
    colon = tube(frame, smooth=7)
    sizes = 1 + 0.16 * np.sin(np.arange(len(colon.segments) + 1) * 1.25)  # haustra
    colon.segments[:, 3] *= sizes[:-1]
    colon.segments[:, 7] *= sizes[1:]
    yield Solid(colon, "visceral-fat", layer=Layer.CAVITY, grow_mm=2)
    yield Solid(colon, "colon-wall", layer=Layer.CAVITY, label="colon")
    yield Solid(colon, "stool", layer=Layer.CAVITY, grow_mm=-3.0)
    gas = Tube(colon.segments[14:66])
    yield Solid(
        gas,
        "gut-gas",
        layer=Layer.CAVITY,
        grow_mm=-3.5,
        rough_mm=2.5,
        rough_scale=0.06,
        planes=np.array([[0.0, 1.0, 0.0, -44.0 * g]]),
    )


def _pelvic_organs(build: Build) -> Iterator[Solid]:
    rng = build.rng("bladder")
    fill = float(rng.uniform(0.75, 1.3))
    bladder = blob(ball((0, -14, -838 + 18 * (fill - 1)), (38 * fill, 30 * fill, 26 * fill), exponent=2.5))
    yield Solid(bladder, "bladder-wall", layer=Layer.VISCERA, grow_mm=3.0, label="bladder")
    yield Solid(bladder, "bladder-urine", layer=Layer.VISCERA, label="bladder")
    if build.male:
        gland = blob(ball((0, 2, -878), (23, 17, 17)))
        yield Solid(gland, "prostate", layer=Layer.VISCERA, label="prostate")
        groin = blob(ball((0, -62, -925), (30, 34, 58)))
        yield Solid(groin, "skin", layer=Layer.OUTLINE, label="body")
        yield Solid(groin, "fat", layer=Layer.OUTLINE, grow_mm=-3)
        for name, side in SIDES:
            testis = blob(ball((14 * side, -70, -950), (12, 13, 20)))
            yield Solid(testis, "testis", layer=Layer.WALL, label=f"testis-{name}")
    else:
        womb = blob(ball((0, 14, -812), (26, 21, 30), turned=rotation(about_x=35)))
        yield Solid(womb, "uterus", layer=Layer.VISCERA, label="uterus")
