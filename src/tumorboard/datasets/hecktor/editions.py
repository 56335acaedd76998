"""What each edition of HECKTOR can say: kinds of image, clinical columns, endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["EDITIONS", "TASK_KINDS", "Edition"]

TASK_KINDS = {
    "1": frozenset({"CT", "PT", "mask"}),
    "2": frozenset({"CT", "PT", "mask", "CTplan", "dose"}),
    "3": frozenset({"CT", "PT"}),
}
"""Task folder of 2025 -> kinds of image in it."""

_COMMON = {
    "centre_code": "CenterID",
    "age_years": "Age",
    "sex": "Gender",
    "tobacco": "Tobacco Consumption",
    "alcohol": "Alcohol Consumption",
    "performance_status": "Performance Status",
    "treatment": "Treatment",
}


@dataclass(frozen=True)
class Edition:
    """One published layout. `columns`: patients column -> published heading, in order."""

    name: str
    kinds: frozenset[str]
    columns: Mapping[str, str]
    survival: bool = True


EDITIONS = {
    edition.name: edition
    for edition in (
        Edition(
            "2022",
            frozenset({"CT", "PT", "mask"}),
            {
                "centre_code": "CenterID",
                "sex": "Gender",
                "age_years": "Age",
                "weight_kg": "Weight",
                "tobacco": "Tobacco",
                "alcohol": "Alcohol",
                "performance_status": "Performance status",
                "hpv": "HPV status (0=-, 1=+)",
                "surgery": "Surgery",
                "chemotherapy": "Chemotherapy",
            },
        ),
        Edition(
            "2025-announced",
            frozenset({"CT", "PT", "mask", "CTplan", "dose"}),
            {**_COMMON, "m_stage": "M-stage", "hpv": "HPV Status"},
        ),
        Edition(
            "2025",
            frozenset({"CT", "PT", "mask", "CTplan", "dose"}),
            {**_COMMON, "m_stage": "M-stage", "hpv": "HPV Status"},
        ),
        Edition(
            "2025-all",
            frozenset({"CT", "PT", "mask", "dose"}),
            {**_COMMON, "t_stage": "T-stage", "n_stage": "N-stage", "m_stage": "M-stage", "hpv": "HPV Status"},
        ),
        Edition(
            "2026",
            frozenset({"CT", "PT", "mask"}),
            {**_COMMON, "t_stage": "T-stage", "n_stage": "N-stage", "hpv": "HPV Status"},
        ),
        Edition(
            "case",
            frozenset({"CT", "PT", "CTplan", "dose"}),
            {**_COMMON, "m_stage": "M-stage", "hpv": "HPV Status"},
            survival=False,
        ),
    )
}
