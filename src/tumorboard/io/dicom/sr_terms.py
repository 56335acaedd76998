"""Locations, labels and words of a scene graph -> coded terms of a structured report, and back.

SNOMED CT codes are those that DICOM PS3.16 lists (free to use in DICOM); what DICOM has no code for keeps our own name
under a private scheme, and nothing more is claimed.
"""

from __future__ import annotations

import hashlib

from tumorboard.io.dicom.terms import PRIVATE_SCHEME, Code

__all__ = [
    "CHANGE",
    "SEVERITY",
    "location_name",
    "location_term",
    "polarity_of",
    "presence_term",
    "private_term",
    "severity_term",
]

_SITES: dict[str, Code] = {
    "lung": ("39607008", "SCT", "Lung"),
    "hemidiaphragm": ("5798000", "SCT", "Diaphragm"),
    "clavicle": ("51299004", "SCT", "Clavicle"),
    "chest wall": ("78904004", "SCT", "Chest wall"),
    "shoulder": ("16982005", "SCT", "Shoulder region"),
    "arm": ("53120007", "SCT", "Upper limb"),
    "breast": ("76752008", "SCT", "Breast"),
    "trachea": ("44567001", "SCT", "Trachea"),
    "spine": ("421060004", "SCT", "Vertebral column"),
    "aortic arch": ("57034009", "SCT", "Aortic arch"),
    "mediastinum": ("72410000", "SCT", "Mediastinum"),
    "svc": ("48345005", "SCT", "Superior vena cava"),
    "right atrium": ("73829009", "SCT", "Right atrium"),
    "carina": ("28700002", "SCT", "Carina"),
    "abdomen": ("818981001", "SCT", "Abdomen"),
    "neck": ("45048000", "SCT", "Neck"),
}
_SIDES: dict[str, Code] = {"right": ("24028007", "SCT", "Right"), "left": ("7771000", "SCT", "Left")}
_PRESENCE: dict[str, Code] = {
    "yes": ("52101004", "SCT", "Present"),
    "no": ("272519000", "SCT", "Absent"),
    "uncertain": ("373068000", "SCT", "Undetermined"),
}
_DEGREES: dict[str, Code] = {
    "mild": ("255604002", "SCT", "Mild"),
    "moderate": ("6736007", "SCT", "Moderate"),
    "severe": ("24484000", "SCT", "Severe"),
}
SEVERITY: Code = ("246112005", "SCT", "Severity")
CHANGE: Code = ("change", PRIVATE_SCHEME, "Change since the previous exam")


def private_term(label: str) -> Code:
    """Our own code for a name: short, and the same for the same name; the name itself (64 characters) is its
    meaning."""
    plain = " ".join(label.split())
    value = plain if len(plain) <= 16 else hashlib.blake2b(plain.encode(), digest_size=6).hexdigest()
    return (value or "unnamed", PRIVATE_SCHEME, plain[:64] or "unnamed")


def location_term(location: str) -> tuple[Code, Code | None]:
    """(site, side) of a location; ``right atrium`` is a site, not a side of an atrium."""
    if location in _SITES:
        return _SITES[location], None
    side, _, part = location.partition(" ")
    if side in _SIDES and part:
        return _SITES.get(part) or private_term(part), _SIDES[side]
    return private_term(location), None


def location_name(site: Code, side: Code | None) -> str:
    """The location that `location_term` was given."""
    part = next((name for name, code in _SITES.items() if code[:2] == site[:2]), site[2])
    word = next((name for name, code in _SIDES.items() if side and code[:2] == side[:2]), "")
    return f"{word} {part}".strip()


def presence_term(polarity: str) -> Code:
    """Present, absent or undetermined."""
    return _PRESENCE[polarity]


def polarity_of(value: Code) -> str | None:
    """yes, no or uncertain; None for another value."""
    return next((word for word, code in _PRESENCE.items() if code[:2] == value[:2]), None)


def severity_term(degree: str) -> Code:
    """mild, moderate or severe as DICOM codes them; other words under our own."""
    return _DEGREES.get(degree) or private_term(degree)
