"""Head: skull, brain, face, jaws, salivary glands, mouth and pharynx."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tumorboard.phantom.build import Build
from tumorboard.phantom.solids import Blob, Layer, Solid, ball, blob, loft, rotation, tube

__all__ = ["airway", "cranial_cavity", "head"]

SIDES = (("left", 1.0), ("right", -1.0))


def head(build: Build) -> Iterator[Solid]:
    """All solids above the hyoid."""
    yield from _outline(build)
    yield from _skull(build)
    yield from _brain(build)
    yield from _face(build)
    yield from _jaws(build)
    yield from _glands_and_muscles(build)
    yield from _mouth_and_pharynx(build)


def cranial_cavity() -> Blob:
    """Inner surface of the skull: hemispheres, temporal lobes, posterior fossa."""
    return blob(
        ball((0, -4, -73), (66, 84, 60)),
        ball((40, -14, -114), (23, 34, 21)),
        ball((-40, -14, -114), (23, 34, 21)),
        ball((0, 40, -124), (50, 38, 33)),
        blend_mm=14,
    )


def airway(build: Build) -> tuple[tuple[float, ...], ...]:
    """Stations of the air column from the choanae to the trachea."""
    wide = build.airway_scale
    rows = (
        (-133, 0, -20, 9, 7, 2.5),
        (-145, 0, -18, 13, 10, 2.5),
        (-158, 0, -14, 12, 7, 2.5),
        (-166, 0, -11, 11, 4, 2),
        (-180, 0, -13, 12, 6.5, 2.5),
        (-195, 0, -14, 13, 7, 2.5),
        (-206, 0, -15, 13, 7.5, 2.5),
        (-215, 0, -18, 10, 7, 2.5),
        (-225, 0, -21, 6.5, 8, 2),
        (-233, 0, -23, 4, 9.5, 2),
        (-237, 0, -23, 2.2, 9.5, 2),
        (-242, 0, -22, 5.5, 9, 2),
        (-252, 0, -20, 8.5, 8.5, 2),
        (-275, 0, -14, 8.8, 8.5, 2),
    )
    return tuple((z, cx, cy, a * wide, b * wide, n) for z, cx, cy, a, b, n in rows)


def _outline(build: Build) -> Iterator[Solid]:
    face = build.face_scale
    shape = blob(
        ball((0, -4, -85), (77, 97, 85)),
        ball((0, 20, -138), (66, 66, 58)),
        ball((0, -50 * face, -150), (58, 52 * face, 76), exponent=2.5),
        ball((0, -78 * face, -205), (30, 24, 24)),
        blend_mm=22,
    )
    nose = blob(ball((0, -107 * face, -138), (13, 17, 22)), ball((0, -100 * face, -118), (7, 12, 24)), blend_mm=12)
    yield Solid(shape, "skin", layer=Layer.OUTLINE, rough_mm=1.5, rough_scale=0.05, label="body")
    yield Solid(nose, "skin", layer=Layer.OUTLINE, label="body")
    yield Solid(shape, "fat", layer=Layer.OUTLINE, grow_mm=-2.2, rough_mm=1.0)
    yield Solid(shape, "muscle", layer=Layer.WALL, grow_mm=-2.5 - build.face_fat_mm, rough_mm=2.5, rough_scale=0.1)
    for _, side in SIDES:
        ear = tube(
            [(79 * side, 8, -98, 2.6), (83 * side, 20, -105, 2.8), (83 * side, 22, -128, 2.6), (77 * side, 6, -152, 3)],
            smooth=3,
            stretch=(1.0, 1.6, 1.0),
        )
        yield Solid(ear, "skin", layer=Layer.OUTLINE, label="body")
        buccal = blob(ball((44 * side, -62, -170), (9, 16, 22)))
        yield Solid(buccal, "fat", layer=Layer.CAVITY, rough_mm=2)
        yield Solid(blob(ball((30 * side, -12, -170), (7, 12, 26))), "fat", layer=Layer.CAVITY, rough_mm=2)


def _skull(build: Build) -> Iterator[Solid]:
    cavity = cranial_cavity()
    table = build.skull_table_mm
    yield Solid(cavity, "skull-bone", layer=Layer.BONE, grow_mm=table, rough_mm=0.8, rough_scale=0.08, label="skull")
    yield Solid(cavity, "marrow", layer=Layer.MARROW, grow_mm=table - 2.0, rough_mm=0.7)
    yield Solid(cavity, "skull-bone", layer=Layer.MARROW, grow_mm=2.0)
    yield Solid(cavity, "csf", layer=Layer.CANAL, label="brain-space")
    base = blob(
        ball((0, -24, -128), (22, 20, 13), exponent=3),
        ball((0, 0, -138), (12, 14, 12)),
        ball((0, 12, -149), (9, 6, 9)),
        blend_mm=8,
    )
    yield Solid(base, "face-bone", layer=Layer.INNER, label="skull")
    for name, side in SIDES:
        petrous = blob(ball((37 * side, 9, -134), (27, 9, 9), turned=rotation(about_z=-40 * side)))
        yield Solid(petrous, "petrous", layer=Layer.INNER, rough_mm=1.5, label="skull")
        mastoid = blob(ball((54 * side, 24, -146), (11, 14, 19)))
        yield Solid(mastoid, "skull-bone", layer=Layer.INNER, label="skull")
        yield Solid(mastoid, "mastoid", layer=Layer.INNER, grow_mm=-2.5, label="skull")
        canal = tube([(78 * side, 8, -133, 3.5), (60 * side, 6, -132, 3.2), (45 * side, 5, -131, 4.0)])
        yield Solid(canal, "air", layer=Layer.INNER)
        sphenoid = blob(ball((8 * side, -28, -126), (6.5, 12, 8.5 * build.vary(name + "-sphenoid", 0.12))))
        yield Solid(sphenoid, "air", layer=Layer.INNER)
        frontal = blob(ball((13 * side, -83, -92), (11, 5, 11 * build.vary(name + "-frontal", 0.25))))
        yield Solid(frontal, "air", layer=Layer.INNER)


def _brain(build: Build) -> Iterator[Solid]:
    cavity = cranial_cavity()
    atrophy = build.atrophy_mm
    yield Solid(
        cavity,
        "grey-matter",
        layer=Layer.BRAIN,
        grow_mm=-1.2 - atrophy,
        rough_mm=1.3 + atrophy / 2,
        rough_scale=0.42,
        label="brain",
    )
    yield Solid(cavity, "white-matter", layer=Layer.BRAIN, grow_mm=-9.0 - atrophy, rough_mm=5.5, rough_scale=0.33)
    fissure = blob(ball((0, -10, -52), (1.2, 74, 40), exponent=3))
    yield Solid(fissure, "csf", layer=Layer.BRAIN, rough_mm=0.4)
    wide = build.ventricle_scale
    for name, side in SIDES:
        lateral = tube(
            [
                (9 * side, -38, -68, 5 * wide),
                (10 * side, -10, -60, 5 * wide),
                (17 * side, 25, -66, 6 * wide),
                (25 * side, 18, -88, 4 * wide),
            ],
            smooth=4,
        )
        caudate = blob(ball((15 * side, -24, -70), (5, 15, 9)), ball((24 * side, -12, -80), (7, 15, 10)), blend_mm=4)
        yield Solid(caudate, "deep-grey", layer=Layer.BRAIN)
        yield Solid(blob(ball((11 * side, 8, -82), (8, 13, 9))), "deep-grey", layer=Layer.BRAIN)
        yield Solid(lateral, "csf", layer=Layer.BRAIN)
        lobe = blob(ball((22 * side, 46, -128), (24, 27, 20 * build.vary(name + "-cerebellum", 0.03))))
        yield Solid(lobe, "csf", layer=Layer.BRAIN, grow_mm=2.0, label="brain")
        yield Solid(lobe, "cerebellum", layer=Layer.BRAIN, label="cerebellum", rough_mm=0.8, rough_scale=0.5)
    stem = tube([(0, 4, -98, 12), (0, 3, -118, 14), (0, 12, -138, 8.5), (0, 19, -156, 6.5)], smooth=3)
    yield Solid(stem, "csf", layer=Layer.BRAIN, grow_mm=2.5)
    yield Solid(stem, "brainstem", layer=Layer.BRAIN, label="brain")


def _face(build: Build) -> Iterator[Solid]:
    deep = build.face_scale
    maxilla = blob(ball((0, -68 * deep, -143), (38, 27, 24), exponent=2.5))
    yield Solid(maxilla, "face-bone", layer=Layer.BONE, rough_mm=1.5, label="skull")
    cavity = blob(ball((0, -66 * deep, -138), (12, 36, 21), exponent=2.5))
    yield Solid(cavity, "air", layer=Layer.MARROW, label="airway")
    septum = blob(ball((0.8, -64 * deep, -136), (1.3, 33, 20), exponent=3))
    yield Solid(septum, "cartilage", layer=Layer.CANAL)
    for name, side in SIDES:
        size = build.vary(name + "-face", 0.05)
        sinus = blob(ball((26 * side, -62 * deep, -140), (11.5 * size, 15 * size, 15 * size), exponent=2.5))
        yield Solid(sinus, "air", layer=Layer.MARROW, label="airway")
        if build.chance(name + "-sinusitis", 0.15):
            fluid = np.array([[0.0, 0.0, 1.0, -146.0]])
            yield Solid(sinus, "mucosa", layer=Layer.MARROW, planes=fluid)
        concha = tube([(6 * side, -88 * deep, -147, 3.2), (6.5 * side, -62 * deep, -148, 4), (6 * side, -40, -147, 3)])
        yield Solid(concha, "nasal-mucosa", layer=Layer.CANAL)
        middle = tube([(6 * side, -80 * deep, -133, 2.2), (6 * side, -48, -134, 2.8)])
        yield Solid(middle, "nasal-mucosa", layer=Layer.CANAL)
        ethmoid = blob(ball((9 * side, -62 * deep, -116), (7, 22, 10), exponent=3))
        yield Solid(ethmoid, "mastoid", layer=Layer.MARROW, label="airway")
        orbit = blob(
            ball((33 * side, -74 * deep, -113), (18, 17, 16)),
            ball((22 * side, -52 * deep, -113), (9, 18, 9)),
            blend_mm=8,
        )
        yield Solid(
            orbit,
            "skull-bone",
            layer=Layer.BONE,
            grow_mm=2.2,
            label="skull",
            planes=np.array([[0.0, -1.0, 0.0, 84.0 * deep]]),
        )
        yield Solid(orbit, "fat", layer=Layer.MARROW)
        globe = blob(ball((33 * side, -82 * deep, -113), 12.0 * build.vary("globe", 0.03)))
        yield Solid(globe, "eye", layer=Layer.CANAL, label="eye")
        yield Solid(blob(ball((33 * side, -91 * deep, -113), (4.5, 2.2, 4.5))), "lens", layer=Layer.CANAL)
        nerve = tube([(32 * side, -70 * deep, -113, 2.2), (14 * side, -42, -113, 2.2)])
        yield Solid(nerve, "white-matter", layer=Layer.CANAL)
        for dx, dz in ((11, 0), (-10, 0), (0, 10), (0, -10)):
            strip = tube(
                [
                    ((33 + dx) * side, -80 * deep, -113 + dz, 1.8),
                    ((28 + dx * 0.8) * side, -66, -113 + dz * 0.8, 2.4),
                    (15 * side, -44, -113 + dz * 0.2, 1.5),
                ],
            )
            yield Solid(strip, "eye-muscle", layer=Layer.CANAL)
        arch = tube(
            [
                (40 * side, -76 * deep, -130, 5),
                (58 * side, -56, -131, 4),
                (66 * side, -30, -130, 3),
                (66 * side, -4, -129, 3),
            ],
            smooth=3,
        )
        yield Solid(arch, "skull-bone", layer=Layer.BONE, label="skull")
        plates = tube([(15 * side, -34, -136, 3), (17 * side, -32, -164, 2.2)], stretch=(1.0, 2.0, 1.0))
        yield Solid(plates, "face-bone", layer=Layer.BONE, label="skull")


def _jaws(build: Build) -> Iterator[Solid]:
    deep = build.face_scale
    palate = blob(ball((0, -66 * deep, -160), (24, 26, 2.6), exponent=3))
    yield Solid(palate, "face-bone", layer=Layer.MARROW, label="skull")
    ridge = [(24 * deep * np.sin(a), (-66 - 26 * np.cos(a)) * deep, -165.0, 5.0) for a in np.linspace(-1.9, 1.9, 15)]
    yield Solid(tube(ridge), "face-bone", layer=Layer.BONE, label="skull")
    for name, side in SIDES:
        wide = build.vary(name + "-jaw", 0.02)
        body = tube(
            [
                (0, -90 * deep, -206, 6.5),
                (18 * side, -84 * deep, -205, 6),
                (35 * side * wide, -60, -202, 6),
                (45 * side * wide, -30, -196, 6),
            ],
            smooth=4,
            stretch=(1.0, 1.0, 2.1),
        )
        ramus = tube(
            [(45 * side * wide, -26, -192, 5), (49 * side * wide, -20, -170, 4.4), (51 * side * wide, -14, -152, 3.6)],
            smooth=3,
            stretch=(1.0, 2.6, 1.0),
        )
        condyle = tube([(50 * side * wide, -10, -154, 4.5), (51 * side, -6, -139, 5.5)])
        for part in (body, ramus, condyle):
            yield Solid(part, "cortical-bone", layer=Layer.BONE, label="mandible")
            yield Solid(part, "marrow", layer=Layer.MARROW, grow_mm=-2.3)
    for angle, upper in build.teeth:
        reach = 27.0 if upper else 25.0
        x, y = 0.92 * reach * np.sin(angle), (-66 - reach * np.cos(angle)) * deep
        z = -173.0 if upper else -186.0
        size = (4.4, 4.4, 8.5) if abs(angle) > 0.9 else (3.4, 3.4, 9.0)
        yield Solid(blob(ball((x, y, z), size, exponent=3)), "tooth", layer=Layer.INNER, label="teeth")
    for angle, upper in build.fillings:
        x, y = 0.92 * 26 * np.sin(angle), (-66 - 26 * np.cos(angle)) * deep
        z = -177.0 if upper else -182.0
        yield Solid(blob(ball((x, y, z), (3.6, 3.6, 3.6))), "metal", layer=Layer.METAL, label="dental-metal")


def _glands_and_muscles(build: Build) -> Iterator[Solid]:
    for name, side in SIDES:
        size = build.vary(name + "-glands", 0.04) * build.gland_scale
        parotid = blob(
            ball((59 * side, 6, -172), (9.5 * size, 19 * size, 27 * size)),
            ball((47 * side, 10, -172), (11 * size, 10 * size, 17 * size)),
            blend_mm=8,
        )
        yield Solid(parotid, "parotid", layer=Layer.VISCERA, rough_mm=1.4, label="parotid")
        lower = blob(ball((33 * side, -36, -211), (9.5 * size, 15.5 * size, 12.5 * size)))
        yield Solid(lower, "submandibular", layer=Layer.VISCERA, rough_mm=1.0, label="submandibular-gland")
        under = blob(ball((15 * side, -62 * build.face_scale, -198), (5, 13, 5)))
        yield Solid(under, "sublingual", layer=Layer.VISCERA, label="sublingual-gland")
        for centre, radii in (
            ((58, -27, -175), (6.5, 17, 28)),
            ((36, -16, -172), (6.5, 12, 24)),
            ((38, -18, -146), (14, 13, 8)),
            ((69, -22, -100), (4.5, 34, 34)),
        ):
            x, y, z = centre
            yield Solid(blob(ball((x * side, y, z), radii)), "muscle", layer=Layer.MUSCLE, rough_mm=0.8)


def _mouth_and_pharynx(build: Build) -> Iterator[Solid]:
    deep = build.face_scale
    tongue = blob(
        ball((0, -56 * deep, -182), (23, 27, 16)),
        ball((0, -36, -190), (20, 15, 21)),
        blend_mm=14,
    )
    yield Solid(tongue, "fat", layer=Layer.VISCERA, grow_mm=1.5)
    yield Solid(tongue, "tongue", layer=Layer.VISCERA, label="tongue")
    septum = blob(ball((0, -46, -188), (1.4, 26, 12)))
    yield Solid(septum, "fatty-muscle", layer=Layer.VISCERA)
    floor = blob(ball((0, -58 * deep, -204), (19, 24, 8)))
    yield Solid(floor, "muscle", layer=Layer.VISCERA, label="tongue")
    column = loft(airway(build), step=1.5)
    yield Solid(column, "muscle", layer=Layer.MUSCLE, grow_mm=5.0)
    yield Solid(column, "mucosa", layer=Layer.VISCERA, grow_mm=3.0, label="pharynx")
    palate = blob(
        ball((0, -32, -164), (17, 11, 4), turned=rotation(about_x=20)), ball((0, -20, -173), (6, 4, 9)), blend_mm=6
    )
    lingual = blob(ball((0, -24, -201), (13, 4, 8)))
    slit = blob(ball((0, -60 * deep, -164.5), (18, 22, 1.8)))
    yield Solid(slit, "air", layer=Layer.LUMEN, label="airway")
    yield Solid(column, "air", layer=Layer.LUMEN, rough_mm=0.5, label="airway")
    yield Solid(palate, "soft-palate", layer=Layer.LUMEN, label="soft-palate")
    yield Solid(lingual, "lingual-tonsil", layer=Layer.LUMEN, rough_mm=0.7, label="lingual-tonsil")
    for name, side in SIDES:
        size = build.tonsil_scale * build.vary(name + "-tonsil", 0.08)
        tonsil = blob(ball((16.5 * side, -18, -186), (5.5 * size, 7.5 * size, 12 * size)))
        yield Solid(tonsil, "tonsil", layer=Layer.LUMEN, rough_mm=0.8, label="tonsil")
    epiglottis = blob(ball((0, -26, -210), (10, 1.8, 12), turned=rotation(about_x=-15)))
    yield Solid(epiglottis, "mucosa", layer=Layer.LUMEN)
