"""What tissues look like: HU without and with venous contrast, FDG uptake, texture, and how patients vary.

Values follow phantom.md, sections 2 and 3 (measured on open CT and PET/CT, ICRP, published normal uptake);
those it marks as recalled are defaults, not measurements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["TISSUES", "Tissue", "TissueValues", "draw_tissues"]


@dataclass(frozen=True)
class Tissue:
    """Population values. `hu`, `hu_contrast`, `suv`: means; `hu_sd`, `suv_cv`: between patients;
    `hu_texture` (SD in HU), `suv_texture` (relative SD), `cells_per_mm`: within one organ."""

    hu: float
    hu_contrast: float
    suv: float
    hu_sd: float = 3.0
    suv_cv: float = 0.2
    hu_texture: float = 0.0
    suv_texture: float = 0.0
    cells_per_mm: float = 0.3
    slope_y: float = 0.0
    """Change of HU per mm towards the back (blood and collapse in the lung's dependent part)."""


@dataclass(frozen=True)
class TissueValues:
    """One tissue of one patient, in one contrast phase."""

    hu: float
    suv: float
    hu_texture: float
    suv_texture: float
    cells_per_mm: float
    slope_y: float


T = Tissue
TISSUES: Mapping[str, Tissue] = {
    "air": T(-1000, -1000, 0.0, hu_sd=0, suv_cv=0),
    "skin": T(10, 25, 0.5),
    "fat": T(-100, -98, 0.30, hu_sd=4, suv_cv=0.3, hu_texture=12, suv_texture=0.15, cells_per_mm=0.25),
    "visceral-fat": T(-96, -93, 0.40, hu_sd=5, suv_cv=0.3, hu_texture=14, suv_texture=0.2),
    "muscle": T(46, 62, 0.67, hu_sd=6, suv_cv=0.22, hu_texture=10, suv_texture=0.15),
    "fatty-muscle": T(30, 45, 0.65, hu_sd=9, suv_cv=0.22, hu_texture=22, suv_texture=0.15, cells_per_mm=0.5),
    "blood": T(42, 155, 1.6, hu_sd=4, suv_cv=0.18),
    "artery": T(42, 165, 1.6, hu_sd=4, suv_cv=0.18),
    "calcium": T(600, 600, 0.8, hu_sd=150),
    "lung": T(-840, -825, 0.5, hu_sd=28, suv_cv=0.3, hu_texture=28, suv_texture=0.2, cells_per_mm=0.4, slope_y=0.22),
    "bronchus-wall": T(-80, -40, 0.7, hu_sd=20),
    "lung-vessel": T(35, 140, 1.4, hu_sd=6),
    "grey-matter": T(40, 46, 10.0, hu_sd=1.5, suv_cv=0.2, hu_texture=3, suv_texture=0.12),
    "white-matter": T(27, 31, 3.6, hu_sd=1.5, suv_cv=0.2, hu_texture=2, suv_texture=0.08),
    "deep-grey": T(38, 44, 9.5, hu_sd=1.5, suv_cv=0.2),
    "cerebellum": T(37, 44, 8.0, hu_sd=1.5, suv_cv=0.27, hu_texture=4, suv_texture=0.12, cells_per_mm=0.6),
    "brainstem": T(32, 37, 5.0, hu_sd=1.5, suv_cv=0.2),
    "csf": T(8, 8, 0.4, hu_sd=2),
    "cord": T(34, 38, 2.1, hu_sd=2, suv_cv=0.2),
    "eye": T(12, 12, 0.4, hu_sd=3),
    "lens": T(75, 75, 0.4),
    "eye-muscle": T(45, 65, 4.0, suv_cv=0.45),
    "nasal-mucosa": T(38, 80, 1.6, suv_cv=0.3, hu_texture=12),
    "mucosa": T(42, 80, 1.5, suv_cv=0.25, hu_texture=8),
    "soft-palate": T(42, 70, 2.9, suv_cv=0.3),
    "tonsil": T(50, 92, 3.45, suv_cv=0.40, suv_texture=0.1),
    "lingual-tonsil": T(48, 88, 3.1, suv_cv=0.34),
    "sublingual": T(40, 75, 3.3, suv_cv=0.45),
    "parotid": T(20, 50, 1.9, hu_sd=14, suv_cv=0.3, hu_texture=18, cells_per_mm=0.5),
    "submandibular": T(52, 95, 2.1, hu_sd=8, suv_cv=0.25, hu_texture=8),
    "tongue": T(48, 64, 1.4, suv_cv=0.25, hu_texture=14, cells_per_mm=0.5),
    "thyroid": T(100, 180, 1.3, hu_sd=15, suv_cv=0.3, hu_texture=8),
    "vocal-cord": T(50, 75, 1.9, suv_cv=0.35),
    "larynx": T(35, 60, 1.1, suv_cv=0.2, hu_texture=12),
    "cartilage": T(112, 115, 0.6, hu_sd=14, hu_texture=40, cells_per_mm=0.5),
    "disc": T(80, 82, 0.6, hu_sd=8),
    "node": T(48, 85, 1.6, hu_sd=5, suv_cv=0.25),
    "cortical-bone": T(1050, 1055, 0.7, hu_sd=90, hu_texture=60, cells_per_mm=0.6),
    "skull-bone": T(900, 905, 0.7, hu_sd=90, hu_texture=70, cells_per_mm=0.6),
    "marrow": T(185, 200, 1.25, hu_sd=28, suv_cv=0.22, hu_texture=35, suv_texture=0.12, cells_per_mm=0.5),
    "face-bone": T(420, 425, 0.8, hu_sd=60, hu_texture=120, cells_per_mm=0.6),
    "fatty-marrow": T(40, 45, 0.7, hu_sd=25, suv_cv=0.25, hu_texture=35, cells_per_mm=0.5),
    "mastoid": T(-150, -150, 0.4, hu_sd=60, hu_texture=330, cells_per_mm=0.9),
    "petrous": T(1150, 1150, 0.6, hu_sd=80, hu_texture=180, cells_per_mm=0.5),
    "tooth": T(1900, 1900, 0.3, hu_sd=120, hu_texture=200, cells_per_mm=0.8),
    "metal": T(6000, 6000, 0.3, hu_sd=800),
    "myocardium": T(44, 110, 7.0, suv_cv=0.6, suv_texture=0.25, cells_per_mm=0.06),
    "cold-myocardium": T(44, 110, 1.5, suv_cv=0.2),
    "heart-cavity": T(42, 160, 1.6, hu_sd=4, suv_cv=0.18),
    "oesophagus": T(38, 62, 1.5, suv_cv=0.3, suv_texture=0.2),
    "gut-gas": T(-900, -900, 0.5, hu_sd=40),
    "liver": T(54, 105, 1.95, hu_sd=8, suv_cv=0.20, hu_texture=5, suv_texture=0.06),
    "portal-vein": T(40, 160, 1.8, hu_sd=4),
    "gallbladder": T(6, 8, 0.9, hu_sd=4),
    "spleen": T(46, 120, 1.7, hu_sd=5, suv_cv=0.18, hu_texture=4, suv_texture=0.05),
    "pancreas": T(36, 95, 1.5, hu_sd=7, hu_texture=16, cells_per_mm=0.6),
    "adrenal": T(20, 60, 1.6, hu_sd=8),
    "stomach-wall": T(40, 80, 2.0, suv_cv=0.3, suv_texture=0.15),
    "stomach-content": T(18, 18, 0.8, hu_sd=10, hu_texture=14),
    "bowel-wall": T(36, 85, 1.7, suv_cv=0.3, suv_texture=0.35, cells_per_mm=0.1),
    "bowel-content": T(15, 18, 1.1, hu_sd=8, hu_texture=14, suv_texture=0.3, cells_per_mm=0.2),
    "colon-wall": T(34, 75, 2.0, suv_cv=0.45, suv_texture=0.55, cells_per_mm=0.06),
    "stool": T(25, 25, 1.3, suv_cv=0.45, hu_sd=15, hu_texture=160, suv_texture=0.5, cells_per_mm=0.35),
    "kidney-cortex": T(34, 185, 2.9, suv_cv=0.2, hu_sd=4),
    "kidney-medulla": T(30, 150, 3.2, suv_cv=0.25, hu_sd=4),
    "urine": T(10, 14, 14.0, hu_sd=4, suv_cv=0.5),
    "ureter": T(20, 30, 9.0, suv_cv=0.5),
    "bladder-wall": T(35, 60, 2.0, suv_cv=0.3),
    "bladder-urine": T(6, 8, 26.0, hu_sd=4, suv_cv=0.5),
    "prostate": T(40, 65, 1.9, suv_cv=0.25),
    "uterus": T(50, 90, 2.2, suv_cv=0.35),
    "gland": T(25, 40, 0.8, suv_cv=0.3, hu_texture=25),
    "testis": T(30, 45, 2.6, suv_cv=0.23),
}


def draw_tissues(rng: np.random.Generator, *, age_years: float, bmi: float, contrast: float) -> dict[str, TissueValues]:
    """One patient's tissues. contrast: 0 none, 1 a typical venous phase (0.75-1.25 is the timing's spread).

    Marrow loses 2.5 HU per year of age; tonsil and sublingual uptake falls with age (r -.51 and -.70); brain
    uptake falls slowly; glands turn to fat; heavy patients have hotter liver and blood per gram of weight.
    """
    values = {}
    liver_like = rng.standard_normal()  # liver and blood follow one plasma clearance
    brain_like = rng.standard_normal()
    years = (age_years - 62.0) / 11.6
    shared = {
        "liver": liver_like,
        "blood": liver_like,
        "artery": liver_like,
        "heart-cavity": liver_like,
        "grey-matter": brain_like,
        "white-matter": brain_like,
        "deep-grey": brain_like,
    }
    by_age = {"tonsil": -0.51, "lingual-tonsil": -0.45, "sublingual": -0.70, "grey-matter": -0.3, "cerebellum": -0.3}
    for name, tissue in TISSUES.items():
        shift = rng.standard_normal()
        uptake = shared.get(name, rng.standard_normal())
        if name in by_age:
            r = by_age[name]
            uptake = r * years + np.sqrt(1 - r * r) * uptake
        hu = tissue.hu + contrast * (tissue.hu_contrast - tissue.hu) + tissue.hu_sd * shift
        if name == "marrow":
            hu -= 2.5 * (age_years - 60)
        if name == "parotid":
            hu -= 8 * years
        if name == "liver" and rng.random() < 0.2:
            hu -= rng.uniform(8, 45)  # fatty liver
        sigma = np.sqrt(np.log1p(tissue.suv_cv**2))
        suv = tissue.suv * float(np.exp(sigma * uptake - sigma**2 / 2))
        if name in ("liver", "blood", "artery", "heart-cavity", "spleen"):
            suv *= (bmi / 27) ** 0.3
        values[name] = TissueValues(
            float(hu), float(suv), tissue.hu_texture, tissue.suv_texture * suv, tissue.cells_per_mm, tissue.slope_y
        )
    return values
