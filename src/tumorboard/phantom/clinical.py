"""The clinical table of one patient, and what of it gets written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tumorboard.core.variables import Kind, Variable
from tumorboard.phantom.scanner import Protocol

__all__ = ["DICTIONARY", "Clinical", "Person", "draw_clinical", "draw_person", "recorded"]


@dataclass(frozen=True)
class Person:
    """Sex, age and body."""

    sex: str
    age_years: float
    height_mm: float
    weight_kg: float

    @property
    def bmi(self) -> float:
        return self.weight_kg / (self.height_mm / 1000) ** 2


@dataclass(frozen=True)
class Clinical:
    """The complete truth of the table; `recorded` says what is on file."""

    pack_years: float
    alcohol: bool
    ecog: int
    t_stage: int
    n_stage: int
    chemotherapy: bool


def draw_person(rng: np.random.Generator, *, hpv: bool, site: str) -> Person:
    """Age by disease (HPV+ 59.6, HPV- 64.3, larynx 66.9, nasopharynx 52), 80 % men, height 173.6 ± 9 cm, BMI 27.8."""
    mean = {"larynx": 66.9, "nasopharynx": 52.0}.get(site, 59.6 if hpv else 64.3)
    age = float(np.clip(rng.normal(mean, 10.3), 24, 92))
    sex = "male" if rng.random() < (0.83 if hpv else 0.76) else "female"
    height = float(rng.normal(1755 if sex == "male" else 1625, 70))
    bmi = float(np.clip(np.exp(rng.normal(np.log(27.2), 0.18)), 17, 45))
    return Person(sex, round(age, 1), height, round(bmi * (height / 1000) ** 2, 1))


def draw_clinical(rng: np.random.Generator, person: Person, *, hpv: bool, t: int, n: int) -> Clinical:
    """Habits, performance, stage as written down (10 % clinical disagreement with the geometry) and treatment."""
    never = rng.random() < (0.33 if hpv else 0.08)
    packs = 0.0 if never else float(np.clip(rng.gamma(1.6, 11.0 if hpv else 26.0), 1, 130))
    alcohol = bool(rng.random() < (0.35 if never else 0.62))
    fitness = rng.standard_normal() - 0.035 * (person.age_years - 60) + (0.3 if hpv else -0.25)
    ecog = 0 if fitness > -0.22 else 1 if fitness > -1.45 else 2 if fitness > -2.3 else 3
    t_written = int(np.clip(t + rng.choice([-1, 1]), 1, 4)) if rng.random() < 0.10 else t
    n_written = int(np.clip(n + rng.choice([-1, 1]), 0, 3)) if rng.random() < 0.10 else n
    push = 0.7 * (t_written >= 3) + 0.8 * (n_written >= 2) - 0.06 * (person.age_years - 62) - 0.6 * (ecog >= 2) - 0.3
    chemo = bool(rng.random() < 1 / (1 + np.exp(-push)))
    return Clinical(round(packs, 1), alcohol, ecog, t_written, n_written, chemo)


def recorded(
    rng: np.random.Generator, clinical: Clinical, person: Person, protocol: Protocol, *, site: str
) -> dict[str, Any]:
    """The row of `patients` beyond the keys: empty cells by the centre's habits, more where nobody asks
    (ECOG and habits of the fit and never-smokers)."""
    missing = dict(protocol.missing or {})
    gone = {name: bool(rng.random() < missing.get(name, 0.0)) for name in sorted(missing)}
    return {
        "weight_kg": None if gone.get("weight_kg") else person.weight_kg,
        "site": site,
        "tobacco": None if gone.get("tobacco") else clinical.pack_years > 0,
        "pack_years": None if gone.get("tobacco") or rng.random() < 0.15 else clinical.pack_years,
        "alcohol": None if gone.get("alcohol") else clinical.alcohol,
        "performance_status": None if gone.get("performance_status") else float(clinical.ecog),
        "t_stage": f"T{clinical.t_stage}",
        "n_stage": f"N{clinical.n_stage}",
        "treatment": None if rng.random() < 0.024 else "chemoradiation" if clinical.chemotherapy else "radiotherapy",
    }


_NOTE = "virtual patients; see docs/explanation/virtual-patients.md"
DICTIONARY = (
    Variable("weight_kg", Kind.NUMERIC, unit="kg", note=_NOTE, baseline=True),
    Variable("site", Kind.CATEGORICAL, note=_NOTE, baseline=True),
    Variable(
        "tobacco",
        Kind.BOOLEAN,
        levels={"False": "never smoked", "True": "smokes or has smoked"},
        note=_NOTE,
        baseline=True,
    ),
    Variable("pack_years", Kind.NUMERIC, unit="pack-years", note=_NOTE, baseline=True),
    Variable("alcohol", Kind.BOOLEAN, levels={"False": "no", "True": "regularly"}, note=_NOTE, baseline=True),
    Variable(
        "performance_status", Kind.ORDINAL, levels={str(n): f"ECOG {n}" for n in range(5)}, note=_NOTE, baseline=True
    ),
    Variable(
        "t_stage", Kind.ORDINAL, levels={f"T{n}": f"T{n}, 7th edition" for n in range(1, 5)}, note=_NOTE, baseline=True
    ),
    Variable(
        "n_stage", Kind.ORDINAL, levels={f"N{n}": f"N{n}, 7th edition" for n in range(4)}, note=_NOTE, baseline=True
    ),
    Variable(
        "treatment",
        Kind.CATEGORICAL,
        note=_NOTE,
        baseline=True,
        levels={"radiotherapy": "radiotherapy alone", "chemoradiation": "with chemotherapy"},
    ),
)
