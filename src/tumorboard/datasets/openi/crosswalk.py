"""Open-i's codes (`Opacity/lung/base/left`) -> labels and locations of chest radiography: our judgement, as a table.

A lobe is not a zone: a lower lobe reaches the mid zone. Compare locations leniently where these are the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tumorboard.core.chest import CATEGORY_OF

__all__ = ["Coded", "read_code", "split_codes"]

_EMPTY = ("normal", "no indexing")
_SEVERITY = {
    "mild": "mild",
    "small": "mild",
    "borderline": "mild",
    "moderate": "moderate",
    "severe": "severe",
    "large": "severe",
}
_ZONES = {
    "base": "lower lung zone",
    "lower lobe": "lower lung zone",
    "middle lobe": "mid lung zone",
    "lingula": "mid lung zone",
    "upper lobe": "upper lung zone",
    "apex": "apical zone",
    "hilum": "hilar structures",
    "costophrenic angle": "costophrenic angle",
}
_PLACES = {"retrocardiac": "left lower lung zone", "paratracheal": "upper mediastinum"}

# heading (any of the qualifiers, if some are named) -> label; the first that fits counts
_HEADINGS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("cardiomegaly", (), "enlarged cardiac silhouette"),
    ("cardiac shadow", ("enlarged",), "enlarged cardiac silhouette"),
    ("pulmonary atelectasis", (), "atelectasis"),
    ("opacity", (), "lung opacity"),
    ("density", (), "lung opacity"),
    ("airspace disease", (), "airspace opacity"),
    ("infiltrate", (), "infiltration"),
    ("consolidation", (), "consolidation"),
    ("pulmonary edema", (), "pulmonary edema/hazy opacity"),
    ("pulmonary congestion", (), "vascular congestion"),
    ("pleural effusion", (), "pleural effusion"),
    ("costophrenic angle", ("blunted",), "costophrenic angle blunting"),
    ("pneumothorax", (), "pneumothorax"),
    ("hydropneumothorax", (), "hydropneumothorax"),
    ("nodule", ("multiple",), "multiple masses/nodules"),
    ("nodule", (), "mass/nodule (not otherwise specified)"),
    ("mass", ("multiple",), "multiple masses/nodules"),
    ("mass", (), "mass/nodule (not otherwise specified)"),
    ("calcified granuloma", (), "calcified nodule"),
    ("granulomatous disease", (), "granulomatous disease"),
    ("cicatrix", (), "pleural/parenchymal scarring"),
    ("thickening", ("pleura",), "pleural/parenchymal scarring"),
    ("emphysema", (), "copd/emphysema"),
    ("pulmonary emphysema", (), "copd/emphysema"),
    ("pulmonary disease, chronic obstructive", (), "copd/emphysema"),
    ("lung", ("hyperdistention",), "hyperaeration"),
    ("lung", ("hypoinflation",), "low lung volumes"),
    ("aorta", ("tortuous",), "tortuous aorta"),
    ("aorta, thoracic", ("tortuous",), "tortuous aorta"),
    ("atherosclerosis", ("aorta", "aorta, thoracic"), "vascular calcification"),
    ("calcinosis", ("aorta", "aorta, thoracic"), "vascular calcification"),
    ("diaphragm", ("elevated",), "elevated hemidiaphragm"),
    ("diaphragmatic eventration", (), "diaphragmatic eventration (benign)"),
    ("hernia, hiatal", (), "hernia"),
    ("scoliosis", (), "scoliosis"),
    ("spine", ("degenerative",), "spinal degenerative changes"),
    ("thoracic vertebrae", ("degenerative",), "spinal degenerative changes"),
    ("osteophyte", (), "spinal degenerative changes"),
    ("spondylosis", (), "spinal degenerative changes"),
    ("fractures, bone", ("ribs",), "rib fracture"),
    ("fractures, bone", ("clavicle",), "clavicle fracture"),
    ("fractures, bone", ("thoracic vertebrae", "lumbar vertebrae", "spine"), "spinal fracture"),
    ("pneumonia", (), "pneumonia"),
)

# label -> where it is without a zone: a place on each side said, or one place
_SIDED = {
    "pleural effusion": "costophrenic angle",
    "costophrenic angle blunting": "costophrenic angle",
    "elevated hemidiaphragm": "hemidiaphragm",
    "diaphragmatic eventration (benign)": "hemidiaphragm",
    "rib fracture": "chest wall",
    "clavicle fracture": "clavicle",
}
_SINGLE = {
    "enlarged cardiac silhouette": "cardiac silhouette",
    "tortuous aorta": "aortic arch",
    "vascular calcification": "aortic arch",
    "hernia": "abdomen",
    "scoliosis": "spine",
    "spinal degenerative changes": "spine",
    "spinal fracture": "spine",
}


@dataclass(frozen=True)
class Coded:
    """What one code says: label, category, locations and severity."""

    label: str
    category: str
    locations: tuple[str, ...]
    severity: str | None


def split_codes(text: str) -> list[str]:
    """The codes of one cell or element: separated by semicolons; `normal` and `No Indexing` are none."""
    codes = [code.strip() for code in (text or "").split(";")]
    return [code for code in codes if code and code.casefold() not in _EMPTY]


def read_code(code: str) -> Coded | None:
    """The finding that a code names; None where the crosswalk has no label for it."""
    heading, *qualifiers = [part.strip().casefold() for part in code.split("/")]
    for known, needed, label in _HEADINGS:
        if heading == known and (not needed or any(word in qualifiers for word in needed)):
            severity = next((_SEVERITY[word] for word in qualifiers if word in _SEVERITY), None)
            return Coded(label, CATEGORY_OF[label], _locations(label, qualifiers), severity)
    return None


def _locations(label: str, qualifiers: list[str]) -> tuple[str, ...]:
    if label in _SINGLE:
        return (_SINGLE[label],)
    sides = [side for side in ("right", "left") if side in qualifiers or "bilateral" in qualifiers] or ["right", "left"]
    sided: Callable[[str], list[str]] = lambda place: [f"{side} {place}" for side in sides]  # noqa: E731
    if label in _SIDED:
        return tuple(sided(_SIDED[label]))
    places = [place for word in qualifiers if word in _PLACES for place in (_PLACES[word],)]
    zones = [word for word in qualifiers if word in _ZONES]
    for word in zones:
        # The lingula is on the left, the middle lobe on the right, whatever side is said.
        own = {"lingula": ["left"], "middle lobe": ["right"]}.get(word)
        places += [f"{side} {_ZONES[word]}" for side in own] if own else sided(_ZONES[word])
    return tuple(dict.fromkeys(places or sided("lung")))
