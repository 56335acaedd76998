"""One patient's build: the individual sizes and habits that the anatomy is drawn with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np

__all__ = ["Build"]


@dataclass(frozen=True)
class Build:
    """Sex, age, stature and weight, and a stream of numbers for everything individual.

    Every individual trait has a name, and its number depends on the name and the patient's `entropy` alone: adding a
    structure to the anatomy changes no other structure of any patient.
    """

    sex: str
    age_years: float
    height_mm: float
    weight_kg: float
    entropy: int
    arms_up: bool = False

    # ---- chance by name -----------------------------------------------------------------------------
    def rng(self, trait: str) -> np.random.Generator:
        """A stream that belongs to one trait of this patient."""
        return np.random.default_rng([self.entropy, crc32(trait.encode())])

    def vary(self, trait: str, sd: float) -> float:
        """A factor about 1, normal with the given SD, kept within 2.5 SD."""
        return 1.0 + sd * float(np.clip(self.rng(trait).standard_normal(), -2.5, 2.5))

    def chance(self, trait: str, probability: float) -> bool:
        return bool(self.rng(trait).random() < probability)

    # ---- body ---------------------------------------------------------------------------------------
    @property
    def male(self) -> bool:
        return self.sex == "male"

    @property
    def bmi(self) -> float:
        return self.weight_kg / (self.height_mm / 1000) ** 2

    @property
    def girth(self) -> float:
        """Scale of trunk width and depth: (BMI / 25)^.5, the muscular part of it."""
        return float(np.clip((self.bmi / 25.0) ** 0.35, 0.85, 1.25))

    def fat_mm(self, thin: float, thick: float) -> float:
        """Thickness of a layer of fat that goes from `thin` (BMI 18) to `thick` (BMI 35); women 20 % more."""
        share = float(np.clip((self.bmi - 18.0) / 17.0, 0.0, 1.3))
        return (thin + share * (thick - thin)) * (1.0 if self.male else 1.2)

    # ---- head and neck ------------------------------------------------------------------------------
    @cached_property
    def airway_scale(self) -> float:
        return (1.05 if self.male else 0.92) * self.vary("airway", 0.10)

    @cached_property
    def face_scale(self) -> float:
        return (1.0 if self.male else 0.96) * self.vary("face", 0.025)

    @cached_property
    def face_fat_mm(self) -> float:
        return self.fat_mm(2.5, 7.0)

    @cached_property
    def skull_table_mm(self) -> float:
        return 6.5 * self.vary("skull", 0.1)

    @cached_property
    def atrophy_mm(self) -> float:
        return max(0.0, 0.02 * (self.age_years - 55)) * self.vary("atrophy", 0.3)

    @cached_property
    def ventricle_scale(self) -> float:
        return (0.9 + 0.012 * max(0.0, self.age_years - 50)) * self.vary("ventricle", 0.15)

    @cached_property
    def gland_scale(self) -> float:
        return (1.0 if self.male else 0.94) * self.vary("glands", 0.05) * (self.bmi / 26) ** 0.15

    @cached_property
    def tonsil_scale(self) -> float:
        return float(np.clip(1.05 - 0.004 * (self.age_years - 60), 0.8, 1.25)) * self.vary("tonsils", 0.08)

    @cached_property
    def hot_heart(self) -> bool:
        """Myocardial uptake: absent in 36-41 % of fasting patients (phantom.md 3)."""
        return self.chance("hot-heart", 0.6)

    @cached_property
    def teeth(self) -> tuple[tuple[float, bool], ...]:
        """(angle along the arch, upper jaw) of the teeth that are left; the old and smokers keep fewer."""
        keep = float(np.clip(1.25 - 0.008 * self.age_years + 0.15 * self.rng("teeth").standard_normal(), 0.0, 1.0))
        left = self.rng("tooth").random((2, 14)) < keep
        angles = np.linspace(-1.75, 1.75, 14)
        return tuple((float(a), upper) for u, upper in enumerate((True, False)) for a in angles[left[u]])

    @cached_property
    def fillings(self) -> tuple[tuple[float, bool], ...]:
        """Teeth with metal: about half of the patients have some (phantom.md 2)."""
        molars = [tooth for tooth in self.teeth if abs(tooth[0]) > 0.8]
        if not molars or not self.chance("metal", 0.55):
            return ()
        count = 1 + int(self.rng("fillings").integers(0, min(5, len(molars))))
        picked = self.rng("filled").permutation(len(molars))[:count]
        return tuple(molars[i] for i in sorted(picked))
