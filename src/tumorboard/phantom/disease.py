"""Head-and-neck disease of one patient: primary, nodes by level, stage from the geometry, course over exams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tumorboard.phantom.lesions import Lesion, make_blob, quantile
from tumorboard.phantom.solids import Blob, ball, blob

__all__ = ["LEVELS", "SITES", "Disease", "ImageTraits", "benign_nodes", "draw_disease", "follow", "n_stage", "t_stage"]

GTVP_ML = ((0.0, 0.15), (0.05, 0.5), (0.25, 3.6), (0.50, 14.4), (0.75, 33.9), (0.95, 108.0), (1.0, 190.0))
"""Quantiles of the volume of primaries (phantom.md 4.1, measured on HN1, n 137)."""
NODE_ML = ((0.0, 0.25), (0.05, 0.5), (0.25, 1.5), (0.50, 3.6), (0.75, 10.0), (0.95, 38.0), (1.0, 70.0))
"""Quantiles of the volume of a patient's largest node; a drawn structure may hold several."""


@dataclass(frozen=True)
class Site:
    """Where primaries of one site stand: share of patients, centre (right-left mirrored), direction out of the lumen,
    chance of nodes relative to the oropharynx, distance from the midline that counts as lateral."""

    share: float
    centre: tuple[float, float, float]
    outward: tuple[float, float, float]
    nodal: float
    hpv: float


SITES: Mapping[str, Site] = {
    "tonsil": Site(0.42, (17, -19, -187), (0.95, -0.2, 0.2), 1.0, 1.0),
    "base of tongue": Site(0.30, (8, -27, -200), (0.35, -0.9, -0.1), 1.05, 0.95),
    "soft palate": Site(0.05, (6, -28, -166), (0.3, -0.5, 0.8), 0.6, 0.2),
    "larynx": Site(0.08, (6, -26, -226), (0.9, -0.4, 0.1), 0.3, 0.05),
    "hypopharynx": Site(0.06, (14, -18, -226), (0.9, 0.2, -0.2), 0.8, 0.06),
    "nasopharynx": Site(0.05, (9, -12, -146), (0.6, 0.6, 0.3), 1.0, 0.1),
    "oral cavity": Site(0.04, (19, -56, -185), (0.8, 0.0, -0.5), 0.5, 0.05),
}

LEVELS: Mapping[str, tuple[float, float, float]] = {
    "I": (30, -44, -213),
    "II": (37, 0, -193),
    "III": (37, -1, -228),
    "IV": (38, 0, -264),
    "V": (57, 24, -236),
    "VII": (15, -3, -164),
}


@dataclass(frozen=True)
class ImageTraits:
    """Three standard normal traits that show in the image of the index lesion and nowhere in the table."""

    necrosis: float
    rim: float
    lobulation: float

    @property
    def score(self) -> float:
        """Standard normal."""
        return float((self.necrosis + self.rim + self.lobulation) / np.sqrt(3.0))


@dataclass(frozen=True)
class Disease:
    """What the patient has: lesions, traits, stage by geometry and as written down."""

    site: str
    side: str
    hpv: bool
    lesions: tuple[Lesion, ...]
    traits: ImageTraits
    t: int
    n: int


def draw_disease(rng: np.random.Generator, *, hpv_share: float, severity: float) -> Disease:
    """Primary and nodes of one patient at the first exam. severity: shift of log volume in SD."""
    names = list(SITES)
    site = names[int(rng.choice(len(names), p=_shares()))]
    side = "left" if rng.random() < 0.5 else "right"
    hpv = bool(rng.random() < hpv_share * SITES[site].hpv)
    traits = ImageTraits(*(float(v) for v in np.clip(rng.standard_normal(3), -3, 3)))
    lesions: list[Lesion] = []
    primary = _primary(rng, site, side, hpv=hpv, severity=severity, traits=traits)
    if rng.random() >= 0.04:  # occult or excised primary: empty GTVp occurs
        lesions.append(primary)
    t = t_stage(primary)
    lesions += _nodes(rng, site, side, hpv=hpv, primary_ml=primary.volume_ml, traits=None if lesions else traits)
    n = n_stage([lesion for lesion in lesions if lesion.kind == "node"], side)
    if not lesions:
        lesions.append(primary)
    return Disease(site, side, hpv, tuple(lesions), traits, t, n)


def follow(rng: np.random.Generator, disease: Disease, *, exam_days: Sequence[float], response: float) -> Disease:
    """The same disease with its course over the exams. `response`: the patient's mean log change of volume
    per 120 days; his lesions share most of it."""
    lesions = [_followed(rng, lesion, exam_days, response) for lesion in disease.lesions]
    lesions += _new_lesions(
        rng, disease.side, hpv=disease.hpv, exam_days=exam_days, response=response, count=len(lesions)
    )
    return replace(disease, lesions=tuple(lesions))


def _shares() -> NDArray[np.float64]:
    shares = np.array([site.share for site in SITES.values()])
    return shares / shares.sum()


def _cdf(z: float) -> float:
    from math import erf

    return 0.5 * (1 + erf(z / np.sqrt(2)))


def _frame(rng: np.random.Generator, outward: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows: long axis (mostly head to foot, along the mucosa), middle axis, short axis (out of the lumen)."""
    short = outward / np.linalg.norm(outward) + rng.normal(0, 0.18, 3)
    short /= np.linalg.norm(short)
    long = np.array([0.0, 0.0, 1.0]) + rng.normal(0, 0.45, 3)
    long -= (long @ short) * short
    long /= np.linalg.norm(long)
    return np.stack([long, np.cross(short, long), short])


def _necrosis(z: float, diameter_mm: float) -> float:
    """Necrotic share: none under 10 mm, in 60 % above 30 mm, more with the trait z."""
    chance = np.interp(diameter_mm, [10, 30, 45], [0.0, 0.6, 0.8])
    u = _cdf(z)
    if u < 1 - chance:
        return 0.0
    return float(0.06 + 0.44 * (u - (1 - chance)) / max(chance, 1e-6))


def _primary(
    rng: np.random.Generator, site: str, side: str, *, hpv: bool, severity: float, traits: ImageTraits
) -> Lesion:
    place = SITES[site]
    shift = severity + (-0.22 if hpv else 0.28) + (-0.5 if site == "larynx" else 0.0)
    z = float(rng.standard_normal()) + shift
    volume = quantile(_cdf(z), GTVP_ML)
    mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    outward = np.array(place.outward) * mirror
    frame = _frame(rng, outward)
    elongation = float(np.clip(rng.normal(0.72 if hpv else 0.66, 0.10), 0.45, 0.95))
    flatness = float(np.clip(rng.normal(0.50, 0.09), 0.28, 0.8)) * min(1.0, elongation / 0.6)
    lobes = int(np.clip(round(6 + 1.8 * traits.lobulation), 1, 11))
    shape, long_axis = make_blob(
        rng, volume_ml=volume, elongation=elongation, flatness=flatness, lobes=lobes, frame=frame
    )
    thickness = _extent(shape, outward)
    centre = np.array(place.centre) * mirror + rng.normal(0, 2.5, 3)
    centre = centre + outward / np.linalg.norm(outward) * min(0.30 * thickness, 11.0)
    uptake = float(np.exp(rng.normal(np.log(12.5 if hpv else 15.0), 0.42)))
    if rng.random() < 0.05:
        uptake = float(rng.uniform(2.5, 5.0))
    return Lesion(
        "P1",
        "primary",
        site,
        side,
        centre,
        shape,
        volume,
        long_axis,
        thickness,
        uptake,
        rim=float(np.exp(0.10 + 0.28 * max(traits.rim, -0.3))),
        necrotic_fraction=_necrosis(traits.necrosis, long_axis),
        hu=float(rng.normal(55, 6)),
        hu_contrast=float(rng.normal(78.6 if hpv else 96.0, 12)),
        rough_mm=float(np.clip(1.6 + 0.6 * traits.lobulation + (0.0 if hpv else 0.5), 0.5, 3.5)),
    )


def _extent(shape: Blob, direction: NDArray[np.float64]) -> float:
    """Width of a blob along a direction, by the support of its parts (mm)."""
    unit = direction / np.linalg.norm(direction)
    turned = shape.parts[:, 6:15].reshape(-1, 3, 3)
    reach = np.linalg.norm(shape.parts[:, 3:6] * (turned @ unit), axis=1)
    along = shape.parts[:, :3] @ unit
    return float((along + reach).max() - (along - reach).min())


def t_stage(primary: Lesion) -> int:
    """T1 up to 20 mm, T2 to 40, T3 above; T4 where a large tumour is deep enough to reach its neighbours."""
    if primary.long_axis_mm > 40 and primary.thickness_mm > 38:
        return 4
    return 1 if primary.long_axis_mm <= 20 else 2 if primary.long_axis_mm <= 40 else 3


def n_stage(nodes: Sequence[Lesion], side: str) -> int:
    """7th edition without letters: N1 one ipsilateral node up to 30 mm; N2 larger, several or contralateral;
    N3 > 60 mm."""
    if not nodes:
        return 0
    largest = max(node.long_axis_mm for node in nodes)
    if largest > 60:
        return 3
    return 1 if len(nodes) == 1 and largest <= 30 and nodes[0].side == side else 2


def _nodes(
    rng: np.random.Generator, site: str, side: str, *, hpv: bool, primary_ml: float, traits: ImageTraits | None
) -> list[Lesion]:
    """Levels as a chain (III given II, IV given III), the other side more often near the midline."""
    factor = SITES[site].nodal * float(np.clip(0.85 + 0.08 * np.log(max(primary_ml, 0.3) / 10), 0.5, 1.15))
    middle = 1.8 if site in ("base of tongue", "soft palate", "nasopharynx") else 0.8
    involved: list[tuple[str, str]] = []
    other = "right" if side == "left" else "left"
    for where, chance in ((side, 1.0), (other, 0.22 * middle)):
        second = rng.random() < min((0.95 if hpv else 0.76) * factor * chance, 0.95)
        third = rng.random() < (0.46 if second else 0.06) * factor * chance
        fourth = rng.random() < (0.26 if third else 0.02) * factor * chance
        extra = {"I": 0.09, "V": 0.05, "VII": 0.14}
        found = [level for level, yes in (("II", second), ("III", third), ("IV", fourth)) if yes]
        found += [level for level, p in extra.items() if rng.random() < p * factor * chance]
        involved += [(where, level) for level in found]
    nodes: list[Lesion] = []
    largest = quantile(_cdf(float(rng.standard_normal()) + (0.15 if hpv else -0.1)), NODE_ML)
    for order, (where, level) in enumerate(involved):
        for copy in range(1 + int(level == "II" and rng.random() < 0.25)):
            share = 1.0 if order == 0 and copy == 0 else float(rng.uniform(0.08, 0.6))
            index = len(nodes) + 1
            nodes.append(
                _node(
                    rng,
                    f"N{index}",
                    where,
                    level,
                    max(0.2, largest * share),
                    hpv=hpv,
                    traits=traits if index == 1 else None,
                    crowd=copy,
                )
            )
    return nodes


def _node(
    rng: np.random.Generator,
    name: str,
    side: str,
    level: str,
    volume_ml: float,
    *,
    hpv: bool,
    traits: ImageTraits | None,
    crowd: int = 0,
) -> Lesion:
    mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
    centre = np.array(LEVELS[level]) * mirror + rng.normal(0, [2.0, 3.0, 6.0]) + np.array([0, 6.0, -14.0]) * crowd
    radius = (3000 * volume_ml / (4 * np.pi)) ** (1 / 3)
    centre[0] += np.sign(centre[0]) * max(0.0, radius - 9) * 0.6
    frame = _frame(rng, np.array([1.0, 0.3, 0.0]) * mirror)
    shape, long_axis = make_blob(
        rng,
        volume_ml=volume_ml,
        elongation=float(rng.uniform(0.68, 0.95)),
        flatness=float(rng.uniform(0.55, 0.85)),
        lobes=int(rng.integers(1, 5)),
        frame=frame,
    )
    z = traits.necrosis if traits else float(rng.standard_normal())
    cystic = long_axis > 12 and rng.random() < (0.36 if hpv else 0.09)
    core = float(rng.uniform(0.35, 0.65)) if cystic else _necrosis(z, long_axis - 6)
    uptake = float(np.exp(rng.normal(np.log(9.5), 0.55)))
    return Lesion(
        name,
        "node",
        f"level {level}",
        side,
        centre,
        shape,
        volume_ml,
        long_axis,
        _extent(shape, mirror * (1, 0, 0)),
        uptake,
        rim=float(np.exp(0.05 + 0.2 * max(traits.rim if traits else rng.standard_normal(), -0.3))),
        necrotic_fraction=core,
        hu=float(rng.normal(56, 6)),
        hu_contrast=float(rng.normal(72 if hpv else 90, 12)),
        rough_mm=float(rng.uniform(0.4, 1.2)),
    )


def benign_nodes(rng: np.random.Generator, exams: int, *, avoid: Sequence[NDArray[np.float64]]) -> list[Lesion]:
    """6-12 ordinary nodes, short axis 4-9 mm, oval, SUV 1-2.5, now and then a reactive hot one; none is ever drawn."""
    found = []
    names = list(LEVELS)
    for index in range(int(rng.integers(6, 13))):
        side = "left" if rng.random() < 0.5 else "right"
        mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0])
        centre = np.array(LEVELS[names[int(rng.choice(6, p=[0.2, 0.35, 0.15, 0.1, 0.17, 0.03]))]]) * mirror
        centre = centre + rng.normal(0, [4, 6, 9])
        short = float(rng.uniform(4, 8.5))
        volume = 4 / 3 * np.pi * (short / 2) ** 2 * (short * 0.8) / 1000
        half = (750 * volume / (np.pi * 0.65 * 0.6)) ** (1 / 3)
        frame = _frame(rng, np.array([1.0, 0.2, 0]) * mirror)
        shape, long_axis = blob(ball((0, 0, 0), (half, 0.65 * half, 0.6 * half), turned=frame)), 2 * half
        hot = rng.random() < 0.06
        uptake = float(rng.uniform(4, 9) if hot else rng.uniform(1.0, 2.5))
        if any(np.linalg.norm(centre - other) < 14 for other in avoid):
            continue
        found.append(
            Lesion(
                f"B{index + 1}",
                "benign node",
                "neck",
                side,
                centre,
                shape,
                volume,
                long_axis,
                short,
                uptake,
                rim=1.0,
                necrotic_fraction=0.0,
                hu=48.0,
                hu_contrast=80.0,
                rough_mm=0.2,
                courses=(1.0,) * exams,
            )
        )
    return found


def _followed(rng: np.random.Generator, lesion: Lesion, exam_days: Sequence[float], response: float) -> Lesion:
    """Volume by exam: one patient's lesions share most of their change; what falls under 0.1 ml or 6 % has vanished."""
    own = float(rng.normal(0, 0.5))
    courses = [1.0]
    for day in list(exam_days)[1:]:
        factor = float(np.exp((response + own) * (day - exam_days[0]) / 120.0))
        gone = factor < 0.06 or lesion.volume_ml * factor < 0.1
        courses.append(0.0 if gone else min(factor, 6.0))
    return lesion.with_courses(courses)


def _new_lesions(
    rng: np.random.Generator, side: str, *, hpv: bool, exam_days: Sequence[float], response: float, count: int
) -> list[Lesion]:
    """Nodes that appear later: in half of the patients who progress, in 8 % of the others."""
    found: list[Lesion] = []
    for exam in range(1, len(exam_days)):
        if rng.random() < (0.5 if response > 0 else 0.08):
            level = str(rng.choice(["II", "III", "IV", "V"]))
            where = side if rng.random() < 0.6 else ("right" if side == "left" else "left")
            node = _node(
                rng, f"N{count + len(found) + 20}", where, level, float(rng.uniform(0.5, 3.0)), hpv=hpv, traits=None
            )
            later = [0.0] * exam + [1.0 + 0.6 * step for step in range(len(exam_days) - exam)]
            found.append(node.with_courses(later))
    return found
