"""Virtual centres: scanner classes, protocols and habits (phantom.md, section 6; shaped by real ones, none is one)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tumorboard.core.geometry import Geometry

__all__ = ["CENTRES", "Protocol", "ct_grid", "pet_grid"]


@dataclass(frozen=True)
class Protocol:
    """How one centre scans, draws and codes. VA and VH filter their PET to the EARL-1 standard (7 mm in all).

    Lengths in mm. `dose_mbq_per_kg` or, where that is 0, `dose_mbq` for everybody. `orientation`: direction
    in which the voxel
    indices grow. `drawn_grow_mm`: how generous the centre's contours are. `hpv_known`, `missing`: share of
    patients whose
    value is on file / is not, by variable. `severity`: shift of tumour size in SD of its logarithm (case mix).
    """

    name: str
    scanner: str
    ct_spacing_mm: tuple[float, float]
    ct_field_mm: float
    ct_noise_hu: float
    ct_kernel_fwhm_mm: float
    padding_hu: int | None
    pet_spacing_mm: tuple[float, float]
    pet_fwhm_mm: float
    pet_noise: float
    dose_mbq_per_kg: float
    dose_mbq: float
    uptake_min: float
    contrast_share: float
    orientation: str
    arms_up: bool = False
    edge_overshoot: float = 0.0
    oblique_degrees: float = 0.0
    bqml_share: float = 0.0
    stray_label_share: float = 0.0
    drawn_grow_mm: float = 0.0
    neck_only: bool = False
    whole_body: bool = False
    hpv_known: float = 0.8
    hpv_share: float = 0.7
    severity: float = 0.0
    dose_map_share: float = 0.5
    follow_up_years: float = 8.0
    missing: Mapping[str, float] | None = None


def _p(name: str, scanner: str, **values: object) -> Protocol:
    return Protocol(name, scanner, **values)  # type: ignore[arg-type]


CENTRES: dict[str, Protocol] = {
    p.name: p
    for p in (
        _p(
            "VA",
            "time-of-flight, 2010s",
            ct_spacing_mm=(0.98, 3.27),
            ct_field_mm=500,
            ct_noise_hu=7.0,
            ct_kernel_fwhm_mm=2.4,
            padding_hu=None,
            pet_spacing_mm=(3.91, 3.27),
            pet_fwhm_mm=7.0,
            pet_noise=0.10,
            dose_mbq_per_kg=3.5,
            dose_mbq=0,
            uptake_min=60,
            contrast_share=0.0,
            orientation="LPS",
            hpv_known=0.9,
            hpv_share=0.72,
            missing={"tobacco": 0.03, "alcohol": 0.10, "performance_status": 0.05, "weight_kg": 0.0},
        ),
        _p(
            "VB",
            "early PET/CT",
            ct_spacing_mm=(0.98, 3.27),
            ct_field_mm=500,
            ct_noise_hu=9.5,
            ct_kernel_fwhm_mm=2.0,
            padding_hu=-2000,
            pet_spacing_mm=(5.47, 3.27),
            pet_fwhm_mm=7.5,
            pet_noise=0.14,
            dose_mbq_per_kg=0,
            dose_mbq=580,
            uptake_min=90,
            contrast_share=0.0,
            orientation="LPS",
            hpv_known=0.4,
            hpv_share=0.55,
            severity=-0.25,
            follow_up_years=11.0,
            missing={"tobacco": 0.6, "alcohol": 0.6, "performance_status": 0.8, "weight_kg": 0.1},
        ),
        _p(
            "VC",
            "full-body time-of-flight",
            ct_spacing_mm=(1.17, 4.0),
            ct_field_mm=600,
            ct_noise_hu=8.0,
            ct_kernel_fwhm_mm=2.8,
            padding_hu=-1024,
            pet_spacing_mm=(4.0, 4.0),
            pet_fwhm_mm=8.0,
            pet_noise=0.12,
            dose_mbq_per_kg=0,
            dose_mbq=325,
            uptake_min=90,
            contrast_share=1.0,
            orientation="RAS",
            bqml_share=0.1,
            hpv_known=0.6,
            hpv_share=0.6,
            missing={"tobacco": 0.35, "alcohol": 0.35, "performance_status": 0.5, "weight_kg": 0.05},
        ),
        _p(
            "VD",
            "point-spread modelling",
            ct_spacing_mm=(1.37, 2.0),
            ct_field_mm=700,
            ct_noise_hu=11.0,
            ct_kernel_fwhm_mm=2.2,
            padding_hu=-1024,
            pet_spacing_mm=(4.07, 3.0),
            pet_fwhm_mm=4.8,
            pet_noise=0.09,
            dose_mbq_per_kg=3.0,
            dose_mbq=0,
            uptake_min=60,
            contrast_share=0.0,
            orientation="LPI",
            edge_overshoot=0.10,
            hpv_known=0.85,
            hpv_share=0.75,
            severity=0.2,
            missing={"tobacco": 0.02, "alcohol": 0.2, "performance_status": 0.02, "weight_kg": 0.0},
        ),
        _p(
            "VE",
            "digital detectors",
            ct_spacing_mm=(0.98, 1.5),
            ct_field_mm=500,
            ct_noise_hu=12.5,
            ct_kernel_fwhm_mm=1.8,
            padding_hu=None,
            pet_spacing_mm=(1.65, 2.0),
            pet_fwhm_mm=4.2,
            pet_noise=0.08,
            dose_mbq_per_kg=2.0,
            dose_mbq=0,
            uptake_min=75,
            contrast_share=1.0,
            orientation="RAS",
            bqml_share=1.0,
            hpv_known=0.95,
            hpv_share=0.65,
            severity=-0.1,
            missing={"tobacco": 0.01, "alcohol": 0.05, "performance_status": 0.01, "weight_kg": 0.0},
        ),
        _p(
            "VF",
            "several scanners",
            ct_spacing_mm=(0.98, 2.5),
            ct_field_mm=480,
            ct_noise_hu=6.0,
            ct_kernel_fwhm_mm=3.0,
            padding_hu=-3024,
            pet_spacing_mm=(4.3, 3.27),
            pet_fwhm_mm=6.5,
            pet_noise=0.11,
            dose_mbq_per_kg=0,
            dose_mbq=370,
            uptake_min=75,
            contrast_share=0.6,
            orientation="LPS",
            oblique_degrees=2.0,
            stray_label_share=0.1,
            drawn_grow_mm=-1.0,
            hpv_known=0.5,
            hpv_share=0.5,
            severity=0.3,
            missing={"tobacco": 0.3, "alcohol": 0.5, "performance_status": 0.4, "weight_kg": 0.2},
        ),
        _p(
            "VG",
            "small field of view",
            ct_spacing_mm=(0.49, 1.0),
            ct_field_mm=250,
            ct_noise_hu=14.0,
            ct_kernel_fwhm_mm=1.6,
            padding_hu=None,
            pet_spacing_mm=(3.65, 3.27),
            pet_fwhm_mm=6.5,
            pet_noise=0.15,
            dose_mbq_per_kg=4.0,
            dose_mbq=0,
            uptake_min=60,
            contrast_share=1.0,
            orientation="LAS",
            neck_only=True,
            hpv_known=0.1,
            hpv_share=0.6,
            dose_map_share=0.2,
            missing={"tobacco": 0.9, "alcohol": 0.9, "performance_status": 0.9, "weight_kg": 0.3},
        ),
        _p(
            "VH",
            "whole body",
            ct_spacing_mm=(1.52, 5.0),
            ct_field_mm=780,
            ct_noise_hu=10.0,
            ct_kernel_fwhm_mm=2.6,
            padding_hu=-1000,
            pet_spacing_mm=(4.07, 5.0),
            pet_fwhm_mm=7.0,
            pet_noise=0.13,
            dose_mbq_per_kg=0,
            dose_mbq=300,
            uptake_min=60,
            contrast_share=0.0,
            orientation="RPS",
            arms_up=True,
            drawn_grow_mm=2.0,
            whole_body=True,
            hpv_known=0.7,
            hpv_share=0.7,
            severity=0.1,
            missing={"tobacco": 0.2, "alcohol": 0.3, "performance_status": 0.3, "weight_kg": 0.05},
        ),
    )
}

_MARGIN_TOP_MM = 18.0
_REACH_MM = {"head-neck": 335.0, "whole-body": 1015.0}
_NECK_START_MM = -96.0


def _extent(protocol: Protocol, region: str, height_mm: float) -> tuple[float, float]:
    """Highest and lowest point scanned, in mm from the vertex of this patient."""
    s = height_mm / 1750.0
    reach = _REACH_MM["whole-body" if protocol.whole_body else region] * s
    if protocol.neck_only and region == "head-neck":
        return _NECK_START_MM * s, -reach
    return _MARGIN_TOP_MM, -reach


def _grid(
    *,
    field_mm: float,
    spacing: tuple[float, float],
    top: float,
    bottom: float,
    table_mm: tuple[float, float, float],
    oblique: float,
) -> Geometry:
    in_plane, slice_mm = spacing
    n = max(round(field_mm / in_plane), 8)
    nk = max(round((top - bottom) / slice_mm), 4)
    c, s = np.cos(np.radians(oblique)), np.sin(np.radians(oblique))
    direction = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    size = np.array([n * in_plane, n * in_plane, nk * slice_mm])
    middle = np.array([0.0, 0.0, table_mm[2] + (top + bottom) / 2])
    first = middle - direction @ (size / 2 - np.array([in_plane, in_plane, slice_mm]) / 2)
    return Geometry.from_lps(
        (n, n, nk), spacing_mm=(in_plane, in_plane, slice_mm), origin_mm=first, direction=direction
    )


def _coarse(spacing: tuple[float, float], least_mm: float | None) -> tuple[float, float]:
    return spacing if least_mm is None else (max(spacing[0], least_mm), max(spacing[1], least_mm))


def ct_grid(
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    region: str,
    height_mm: float,
    table_mm: tuple[float, float, float],
    least_mm: float | None,
) -> Geometry:
    """The CT's grid in LPS order, centred on the gantry (x = y = 0); no voxel edge under `least_mm` when given."""
    top, bottom = _extent(protocol, region, height_mm)
    field_mm = protocol.ct_field_mm * (1.0 if protocol.oblique_degrees == 0 else float(rng.choice([0.75, 0.9, 1.0])))
    return _grid(
        field_mm=field_mm,
        spacing=_coarse(protocol.ct_spacing_mm, least_mm),
        top=top + float(rng.uniform(-6, 12)),
        bottom=bottom + float(rng.uniform(-15, 15)),
        table_mm=table_mm,
        oblique=protocol.oblique_degrees,
    )


def pet_grid(
    protocol: Protocol,
    rng: np.random.Generator,
    *,
    region: str,
    height_mm: float,
    table_mm: tuple[float, float, float],
    least_mm: float | None,
) -> Geometry:
    """The PET's grid in LPS order: its own field, which overlaps the CT's and never equals it."""
    top, bottom = _extent(protocol, region, height_mm)
    if protocol.neck_only:
        top = _MARGIN_TOP_MM
    return _grid(
        field_mm=600.0 if protocol.ct_field_mm >= 500 else 500.0,
        spacing=_coarse(protocol.pet_spacing_mm, least_mm),
        top=top + float(rng.uniform(-9, 9)),
        bottom=bottom + float(rng.uniform(-20, 12)),
        table_mm=table_mm,
        oblique=0.0,
    )
