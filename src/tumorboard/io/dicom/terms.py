"""Names of structures -> coded terms for DICOM SEG and RTSTRUCT. A small table; what is not in it is said so.

SNOMED CT and DCM codes from DICOM PS3.16 (CID 7151, 7159, 9534); anatomy from CID 7151 to 7155.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Term", "term_for"]

Code = tuple[str, str, str]
"""Value, scheme, meaning."""

ALTERED: Code = ("49755003", "SCT", "Morphologically Altered Structure")
ANATOMICAL: Code = ("91723000", "SCT", "Anatomical Structure")
SPATIAL: Code = ("309825002", "SCT", "Spatial and Relational Concept")
LYMPH_NODE: Code = ("59441001", "SCT", "Lymph Node")
PRIVATE_SCHEME = "99TUMORBOARD"


@dataclass(frozen=True)
class Term:
    """What a segment is, in codes: category, type, where in the body, and the RT target it is."""

    category: Code
    type: Code
    region: Code | None = None
    target: Code | None = None
    interpreted_type: str = ""
    """RT ROI interpreted type: GTV, ORGAN or nothing."""
    colour: tuple[int, int, int] = (200, 200, 200)
    """Recommended display colour, sRGB."""


_PRIMARY = Term(
    ALTERED, ("372087000", "SCT", "Neoplasm, Primary"), None, ("130052", "DCM", "GTV Primary"), "GTV", (220, 50, 32)
)
_NODAL = Term(
    ALTERED,
    ("14799000", "SCT", "Neoplasm, Secondary"),
    LYMPH_NODE,
    ("130051", "DCM", "GTV Nodal"),
    "GTV",
    (0, 114, 178),
)
_TUMOUR = Term(ALTERED, ("108369006", "SCT", "Neoplasm"), None, None, "GTV", (230, 159, 0))
_LESION = Term(ALTERED, ("52988006", "SCT", "Lesion"), None, None, "", (230, 159, 0))


def _organ(value: str, meaning: str, colour: tuple[int, int, int]) -> Term:
    return Term(ANATOMICAL, (value, "SCT", meaning), None, None, "ORGAN", colour)


_TERMS = {
    "gtvp": _PRIMARY,
    "gtvprimary": _PRIMARY,
    "primarytumor": _PRIMARY,
    "gtvn": _NODAL,
    "gtvnodal": _NODAL,
    "gtv": _TUMOUR,
    "gtvmass": _TUMOUR,
    "gtvmassct": _TUMOUR,
    "gtvmasspet": _TUMOUR,
    "tumor": _TUMOUR,
    "mass": _TUMOUR,
    "lesion": _LESION,
    "liver": _organ("10200004", "Liver", (166, 97, 26)),
    "spleen": _organ("78961009", "Spleen", (128, 0, 128)),
    "kidney": _organ("64033007", "Kidney", (190, 120, 90)),
    "lung": _organ("39607008", "Lung", (120, 180, 220)),
    "heart": _organ("80891009", "Heart", (180, 60, 90)),
    "brain": _organ("12738006", "Brain", (230, 200, 180)),
}


def term_for(label: str) -> Term:
    """The coded term of a structure's name. A name outside the table keeps itself under a private scheme, as a
    spatial concept: nothing is claimed about what it is."""
    key = re.sub(r"[^a-z0-9]", "", label.casefold()).replace("tumour", "tumor")
    known = _TERMS.get(key)
    if known:
        return known
    value = re.sub(r"[^A-Za-z0-9_.-]", "_", label)[:16] or "structure"
    return Term(SPATIAL, (value, PRIVATE_SCHEME, label[:64]))
