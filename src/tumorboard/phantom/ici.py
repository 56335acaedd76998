"""Virtual patients with lung cancer before immunotherapy: traits, table, planted hazard, progression and death.

eta = SD (sqrt(s_T) T + sqrt(s_I) I + sqrt(s_X) X), shares s of its variance: T performance, neutrophils, albumin and
PD-L1; I size and density of the tumour, which only the CT shows; X density times PD-L1. LDH follows the size and CRP
the density, so each modality tells something of the other. Progression has a hazard of exp(eta), death after it one of
exp(0.4 eta): overall survival is never shorter than progression-free survival. All rates are our choice, of the order
of published ones (docs/adr/0176).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tumorboard.core.variables import Kind, Variable
from tumorboard.phantom.outcomes import DAYS_PER_YEAR, harrell

__all__ = ["ETA_SD", "ICI_DICTIONARY", "SHARES", "IciPatient", "draw_ici_patient", "ici_ceilings", "ici_scores"]

Floats = NDArray[np.float64]
ETA_SD = 1.8
SHARES: Mapping[str, float] = {"table": 0.25, "image": 0.25, "interaction": 0.50}
"""Shares of the variance of eta."""
_MONTH_DAYS = DAYS_PER_YEAR / 12
_EDGES_MONTHS = np.array([0.0, 3.0, 12.0])
_PROGRESSION_PER_MONTH = np.array([0.075, 0.055, 0.035])
_DEATH_PER_MONTH, _AFTER_PER_MONTH, _AFTER_ETA = 0.008, 0.06, 0.4
_LDH_SIZE, _CRP_DENSITY, _SMOKE_EMPHYSEMA = 0.6, 0.6, 0.6
"""Correlations of a table's variable with what the image shows."""
_ECOG = np.array([0.45, 0.45, 0.10])
_ECOG_MEAN = float((_ECOG * np.arange(3)).sum())
_ECOG_SD = float(np.sqrt((_ECOG * (np.arange(3) - _ECOG_MEAN) ** 2).sum()))
_GONE = {"pdl1_percent": 0.10, "ldh_u_l": 0.10, "crp_mg_l": 0.15, "pack_years": 0.15, "albumin_g_l": 0.03, "nlr": 0.03}
"""Shares of patients in whom a variable was not recorded."""
_WEIGHTS = {"ecog": 0.5, "nlr": 0.5, "albumin": -0.5, "pdl1": -0.5}


@dataclass(frozen=True)
class IciPatient:
    """One virtual patient. `traits`: standard normal numbers, the tumour's `size`, `density` and `emphysema` among
    them; `record`: the row of `patients`, gaps included; `scores` as `ici_scores` names them."""

    patient_id: str
    centre: str
    sex: str
    age_years: float
    traits: Mapping[str, float]
    record: Mapping[str, Any]
    scores: Mapping[str, float]
    pfs: tuple[bool, float]
    os: tuple[bool, float]
    entropy: tuple[int, int]


def draw_ici_patient(seed: int, index: int) -> IciPatient:
    """Patient `index` of a seed, whoever else is drawn."""
    rng = np.random.default_rng([seed, index, 173])
    names = ("size", "density", "emphysema", "nlr", "albumin", "pdl1", "tmb")
    traits = {name: float(np.clip(z, -2.6, 2.6)) for name, z in zip(names, rng.standard_normal(7), strict=True)}
    follow = {"ldh": ("size", _LDH_SIZE), "crp": ("density", _CRP_DENSITY), "smoke": ("emphysema", _SMOKE_EMPHYSEMA)}
    for name, (source, r) in follow.items():
        traits[name] = r * traits[source] + float(np.sqrt(1 - r * r) * rng.standard_normal())
    ecog = int(rng.choice(3, p=_ECOG))
    traits["ecog"] = (ecog - _ECOG_MEAN) / _ECOG_SD
    sex = "male" if rng.random() < 0.62 else "female"
    age = round(float(np.clip(rng.normal(65, 9), 35, 90)), 1)
    record, known = _recorded(rng, traits, ecog)
    scores = ici_scores(traits, known)
    pfs, os = _course(rng, scores["truth"], age)
    centre = ("IA", "IB", "IC")[int(rng.integers(3))]
    return IciPatient(f"ici-{index:04d}", centre, sex, age, traits, record, scores, pfs, os, (seed, index))


def ici_scores(traits: Mapping[str, float], known: Mapping[str, bool]) -> dict[str, float]:
    """Log hazards of progression that a reader of a part could state at best: ``truth`` all of it, ``truth-additive``
    without the interaction, ``truth-image`` the CT alone, ``truth-table`` the complete table alone, ``truth-known`` the
    table with its gaps. What the table says of the image (LDH, CRP) counts as its expectation."""

    def eta(table: float, size: float, density: float, pdl1: float, *, together: bool = True) -> float:
        x = -density * pdl1 if together else 0.0
        image = (size + density) / np.sqrt(2)
        parts = {"table": table, "image": image, "interaction": x}
        return float(ETA_SD * sum(np.sqrt(SHARES[name]) * value for name, value in parts.items()))

    def table(seen: Mapping[str, bool]) -> float:
        return sum(weight * traits[name] for name, weight in _WEIGHTS.items() if seen.get(name, True))

    everything = dict.fromkeys(known, True)
    size, density, pdl1 = traits["size"], traits["density"], traits["pdl1"]
    guessed = {}
    for name, seen in (("truth-table", everything), ("truth-known", known)):
        of_size = _LDH_SIZE * traits["ldh"] * seen.get("ldh", True)
        of_density = _CRP_DENSITY * traits["crp"] * seen.get("crp", True)
        guessed[name] = eta(table(seen), of_size, of_density, pdl1 * seen.get("pdl1", True))
    return {
        "truth": eta(table(everything), size, density, pdl1),
        "truth-additive": eta(table(everything), size, density, pdl1, together=False),
        "truth-image": eta(0.0, size, density, 0.0),
        **guessed,
    }


def _recorded(
    rng: np.random.Generator, traits: Mapping[str, float], ecog: int
) -> tuple[dict[str, Any], dict[str, bool]]:
    """The row of `patients` beyond the keys, with gaps; and which traits it tells."""
    from scipy.special import ndtr

    record: dict[str, Any] = {
        "ecog": float(ecog),
        "pdl1_percent": float(np.round(100 * ndtr(traits["pdl1"]))),
        "nlr": float(np.round(np.exp(1.3 + 0.5 * traits["nlr"]), 2)),
        "albumin_g_l": float(np.round(38 + 4.5 * traits["albumin"], 1)),
        "ldh_u_l": float(np.round(np.exp(5.4 + 0.35 * traits["ldh"]))),
        "crp_mg_l": float(np.round(np.exp(2.3 + 0.9 * traits["crp"]), 1)),
        "pack_years": float(np.round(max(0.0, 30 + 18 * traits["smoke"]))),
        "tmb_per_mb": float(np.round(np.exp(1.9 + 0.7 * traits["tmb"]), 1)),
        "histology": str(rng.choice(["adenocarcinoma", "squamous", "other"], p=[0.6, 0.3, 0.1])),
        "stage": str(rng.choice(["III", "IV"], p=[0.2, 0.8])),
        "line": str(rng.choice(["first", "later"], p=[0.55, 0.45])),
    }
    gone = {name: bool(rng.random() < share) for name, share in _GONE.items()}
    record |= {name: None for name, lost in gone.items() if lost}
    return record, {name.split("_")[0]: not lost for name, lost in gone.items()}


def _course(rng: np.random.Generator, eta: float, age: float) -> tuple[tuple[bool, float], tuple[bool, float]]:
    drawn = [np.array([x]) for x in (*rng.exponential(size=3), rng.weibull(1.5), rng.uniform(12, 48))]
    (pfs_event, pfs_days), (os_event, os_days) = _times(np.array([eta]), np.array([age]), *drawn)
    return (bool(pfs_event[0]), float(pfs_days[0])), (bool(os_event[0]), float(os_days[0]))


def _times(
    eta: Floats, age: Floats, first: Floats, other: Floats, after: Floats, lost: Floats, cut: Floats
) -> tuple[tuple[NDArray[np.bool_], Floats], tuple[NDArray[np.bool_], Floats]]:
    """(event, days) of PFS and of OS, from unit exponentials, a unit Weibull and the months of follow-up."""
    widths = np.append(np.diff(_EDGES_MONTHS), np.inf)
    cumulative = np.concatenate([[0.0], np.cumsum(_PROGRESSION_PER_MONTH[:-1] * widths[:-1])])
    target = first / np.exp(eta)
    piece = np.searchsorted(cumulative, target, side="right") - 1
    progression = _EDGES_MONTHS[piece] + (target - cumulative[piece]) / _PROGRESSION_PER_MONTH[piece]
    without = other / (_DEATH_PER_MONTH * 1.4 ** ((age - 65) / 10))
    death = np.minimum(without, progression + after / (_AFTER_PER_MONTH * np.exp(_AFTER_ETA * eta)))
    censor = np.minimum(60 * lost, cut)
    found = []
    for months in (np.minimum(progression, death), death):
        days = np.maximum(1.0, np.round(np.minimum(months, censor) * _MONTH_DAYS))
        found.append((months <= censor, days))
    return found[0], found[1]


def ici_ceilings(
    scores: Mapping[str, ArrayLike], *, eta: ArrayLike, age_years: ArrayLike, seed: int, repeats: int = 20
) -> dict[str, dict[str, float]]:
    """C-index of each score for PFS and OS, mean over `repeats` redrawn follow-ups of the same patients: endpoint ->
    score -> value. A model above the ceiling of what it was given, by more than sampling, has seen a leak."""
    rng = np.random.default_rng([seed, 77])
    true, age = np.asarray(eta, float), np.asarray(age_years, float)
    found: dict[str, dict[str, list[float]]] = {"PFS": {n: [] for n in scores}, "OS": {n: [] for n in scores}}
    for _ in range(repeats):
        drawn = (*rng.exponential(size=(3, len(true))), rng.weibull(1.5, len(true)), rng.uniform(12, 48, len(true)))
        for endpoint, (event, days) in zip(("PFS", "OS"), _times(true, age, *drawn), strict=True):
            for name, score in scores.items():
                found[endpoint][name].append(harrell(event, days, np.asarray(score, float)))
    return {end: {n: float(np.nanmean(c)) for n, c in values.items()} for end, values in found.items()}


_NOTE = "virtual patients; see docs/explanation/masked-learning.md"


def _number(name: str, unit: str) -> Variable:
    return Variable(name, Kind.NUMERIC, unit=unit, note=_NOTE, baseline=True)


def _levels(name: str, *levels: str, kind: Kind = Kind.CATEGORICAL) -> Variable:
    return Variable(name, kind, levels={level: level for level in levels}, note=_NOTE, baseline=True)


ICI_DICTIONARY = (
    Variable("ecog", Kind.ORDINAL, levels={str(n): f"ECOG {n}" for n in range(5)}, note=_NOTE, baseline=True),
    _number("pdl1_percent", "%"),
    _number("nlr", ""),
    _number("albumin_g_l", "g/l"),
    _number("ldh_u_l", "U/l"),
    _number("crp_mg_l", "mg/l"),
    _number("pack_years", "pack-years"),
    _number("tmb_per_mb", "mutations/Mb"),
    _levels("histology", "adenocarcinoma", "squamous", "other"),
    _levels("stage", "III", "IV", kind=Kind.ORDINAL),
    _levels("line", "first", "later"),
)
