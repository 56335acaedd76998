"""PET nuclides: half-lives, and how headers name them.

Half-lives: Decay Data Evaluation Project (LNHB, Table of Radionuclides). Codes: DICOM CID 4020, as SNOMED CT and in
the older SRT form that scanners still write.
"""

from __future__ import annotations

import re

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.header import Header

__all__ = ["HALF_LIFE_S", "nuclide_of", "plausible_half_life"]

HALF_LIFE_S = {
    "C-11": 1221.8,
    "N-13": 597.9,
    "O-15": 122.24,
    "F-18": 6586.2,
    "Cu-64": 45723.6,
    "Ga-68": 4062.6,
    "Br-76": 58320.0,
    "Rb-82": 75.45,
    "Y-86": 53064.0,
    "Zr-89": 282276.0,
    "I-124": 360806.4,
}

_CODES = {
    "40565003": "C-11",
    "C-105A1": "C-11",
    "21576001": "N-13",
    "C-107A1": "N-13",
    "129504001": "O-15",
    "C-B1038": "O-15",
    "77004003": "F-18",
    "C-111A1": "F-18",
    "3932008": "Cu-64",
    "C-127A2": "Cu-64",
    "35337001": "Ga-68",
    "C-131A3": "Ga-68",
    "79523006": "Br-76",
    "C-113A2": "Br-76",
    "79197006": "Rb-82",
    "C-159A2": "Rb-82",
    "10738001": "Y-86",
    "C-162A3": "Y-86",
    "63360001": "Zr-89",
    "C-168A4": "Zr-89",
    "40937006": "I-124",
    "C-114A5": "I-124",
}
_ELEMENTS = {
    "carbon": "C",
    "nitrogen": "N",
    "oxygen": "O",
    "fluorine": "F",
    "fluor": "F",
    "copper": "Cu",
    "gallium": "Ga",
    "bromine": "Br",
    "rubidium": "Rb",
    "yttrium": "Y",
    "zirconium": "Zr",
    "iodine": "I",
}
_TOLERANCE = 0.03
"""Vendors write 6588 for 18F and 4080 for 68Ga; another nuclide is off by far more."""
_PLAUSIBLE_S = (60.0, 1e6)


def nuclide_of(drug: Header | None) -> str | None:
    """The nuclide of a radiopharmaceutical, e.g. ``F-18``; None when the header does not say it in a known way."""
    code = drug.item("RadionuclideCodeSequence") if drug else None
    if code is None:
        return None
    known = _CODES.get(code.text("CodeValue").upper())
    if known:
        return known
    meaning = code.text("CodeMeaning").lower()
    word = re.search(r"[a-z]{1,12}", re.sub(r"\^?\d+m?\^?", " ", meaning))
    mass = re.search(r"\d+", meaning)
    if not word or not mass:
        return None
    symbol = _ELEMENTS.get(word.group(), word.group().capitalize())
    name = f"{symbol}-{mass.group()}"
    return name if name in HALF_LIFE_S else None


def plausible_half_life(stated_s: float, header: Header, drug: Header | None) -> float:
    """The stated half-life if it is that of the stated nuclide (within 3 %); SUV104 otherwise."""
    nuclide = nuclide_of(drug)
    known_s = HALF_LIFE_S.get(nuclide or "")
    right = (
        abs(stated_s - known_s) <= _TOLERANCE * known_s if known_s else _PLAUSIBLE_S[0] <= stated_s <= _PLAUSIBLE_S[1]
    )
    if right:
        return stated_s
    expected = f"{known_s:g} s ({nuclide})" if known_s else f"{_PLAUSIBLE_S[0]:g} to {_PLAUSIBLE_S[1]:g} s"
    raise TumorboardError(
        codes.SUV_HALF_LIFE,
        header.where,
        found=f"RadionuclideHalfLife {stated_s:g} s" if stated_s else "no RadionuclideHalfLife",
        expected=expected,
        fix=f"state it: assume_half_life_s={known_s:g}" if known_s else None,
    )
