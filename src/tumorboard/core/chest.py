"""Names of chest radiography: anatomical locations and what can be said of them (Chest ImaGenome's published
vocabulary, Wu et al. 2021). Orders are the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "ATTRIBUTES",
    "BOX_LOCATIONS",
    "CATEGORY_OF",
    "CHANGES",
    "LOCATIONS",
    "PART_OF",
    "PUBLISHED_CHANGES",
    "REPORT_LOCATIONS",
    "TEXT_LOCATIONS",
]

LOCATIONS: tuple[str, ...] = (
    "right lung",
    "right upper lung zone",
    "right mid lung zone",
    "right lower lung zone",
    "right hilar structures",
    "right apical zone",
    "right costophrenic angle",
    "right hemidiaphragm",
    "left lung",
    "left upper lung zone",
    "left mid lung zone",
    "left lower lung zone",
    "left hilar structures",
    "left apical zone",
    "left costophrenic angle",
    "left hemidiaphragm",
    "trachea",
    "spine",
    "right clavicle",
    "left clavicle",
    "aortic arch",
    "mediastinum",
    "upper mediastinum",
    "svc",
    "cardiac silhouette",
    "cavoatrial junction",
    "right atrium",
    "carina",
    "abdomen",
)
"""The 29 locations that have a box and that reports speak of."""

_BOX_ONLY = (
    "left cardiac silhouette",
    "right cardiac silhouette",
    "left cardiophrenic angle",
    "right cardiophrenic angle",
    "descending aorta",
    "left upper abdomen",
    "right upper abdomen",
)
BOX_LOCATIONS: tuple[str, ...] = LOCATIONS + _BOX_ONLY
"""The 36 locations that the published box pipeline knows."""

TEXT_LOCATIONS: tuple[str, ...] = (
    "neck",
    "left chest wall",
    "right chest wall",
    "left shoulder",
    "right shoulder",
    "left arm",
    "right arm",
    "left breast",
    "right breast",
)
"""The 9 locations that reports speak of and that have no box."""

REPORT_LOCATIONS: tuple[str, ...] = LOCATIONS + TEXT_LOCATIONS
"""The 38 locations that reports speak of."""

_LUNG = ("upper lung zone", "mid lung zone", "lower lung zone", "hilar structures", "costophrenic angle")
PART_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {f"{side} {part}": (f"{side} lung",) for side in ("right", "left") for part in _LUNG}
    | {f"{side} apical zone": (f"{side} upper lung zone",) for side in ("right", "left")}
    | {f"{side} cardiac silhouette": ("cardiac silhouette",) for side in ("right", "left")}
    | {f"{side} upper abdomen": ("abdomen",) for side in ("right", "left")}
    | {
        "upper mediastinum": ("mediastinum",),
        "aortic arch": ("upper mediastinum",),
        "svc": ("upper mediastinum",),
        "descending aorta": ("mediastinum",),
        "cardiac silhouette": ("mediastinum",),
        "right atrium": ("cardiac silhouette",),
        "cavoatrial junction": ("mediastinum",),
    }
)
"""The wholes of which a location is a direct part. The published table lacks the hila (lungs), the aortic arch and the
svc (mediastinum), which its users add."""

ATTRIBUTES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anatomicalfinding": (
            "lung opacity",
            "airspace opacity",
            "consolidation",
            "infiltration",
            "atelectasis",
            "linear/patchy atelectasis",
            "lobar/segmental collapse",
            "pulmonary edema/hazy opacity",
            "vascular congestion",
            "vascular redistribution",
            "increased reticular markings/ild pattern",
            "pleural effusion",
            "costophrenic angle blunting",
            "pleural/parenchymal scarring",
            "bronchiectasis",
            "enlarged cardiac silhouette",
            "mediastinal displacement",
            "mediastinal widening",
            "enlarged hilum",
            "tortuous aorta",
            "vascular calcification",
            "pneumomediastinum",
            "pneumothorax",
            "hydropneumothorax",
            "lung lesion",
            "mass/nodule (not otherwise specified)",
            "multiple masses/nodules",
            "calcified nodule",
            "superior mediastinal mass/enlargement",
            "rib fracture",
            "clavicle fracture",
            "spinal fracture",
            "hyperaeration",
            "cyst/bullae",
            "elevated hemidiaphragm",
            "diaphragmatic eventration (benign)",
            "sub-diaphragmatic air",
            "subcutaneous air",
            "hernia",
            "scoliosis",
            "spinal degenerative changes",
            "shoulder osteoarthritis",
            "bone lesion",
        ),
        "disease": (
            "pneumonia",
            "fluid overload/heart failure",
            "copd/emphysema",
            "granulomatous disease",
            "interstitial lung disease",
            "goiter",
            "lung cancer",
            "aspiration",
            "alveolar hemorrhage",
            "pericardial effusion",
        ),
        "technicalassessment": ("low lung volumes", "rotated", "artifact", "breast/nipple shadows", "skin fold"),
        "tubesandlines": (
            "chest tube",
            "mediastinal drain",
            "pigtail catheter",
            "endotracheal tube",
            "tracheostomy tube",
            "picc",
            "ij line",
            "chest port",
            "subclavian line",
            "swan-ganz catheter",
            "intra-aortic balloon pump",
            "enteric tube",
        ),
        "device": (
            "sternotomy wires",
            "cabg grafts",
            "aortic graft/repair",
            "prosthetic valve",
            "cardiac pacer and wires",
        ),
        "nlp": ("normal", "abnormal"),
        "texture": ("opacity", "alveolar", "interstitial", "calcified", "lucency"),
        "severity": ("hedge", "mild", "moderate", "severe"),
        "temporal": ("acute", "chronic"),
        "comparison": ("improved", "worsened", "no change"),
        "laterality": ("left", "right", "bilateral"),
    }
)
"""Labels of each category, as in ``category|yes|label``."""

CATEGORY_OF: Mapping[str, str] = MappingProxyType(
    {label: category for category, labels in ATTRIBUTES.items() for label in labels}
)
"""Category of each label."""

PUBLISHED_CHANGES: tuple[str, ...] = ATTRIBUTES["comparison"]
"""The three words of comparison of the published layout."""

CHANGES: tuple[str, ...] = (*PUBLISHED_CHANGES, "new", "resolved", "removed")
"""The words of comparison kept inside: the last three are mapped on export."""
