"""One CR or DX image -> Volume: brighter is denser, and the header's word on how the patient lies is in the affine.

Projection images have no position in space (DICOM PS3.3 C.8.4, C.8.11): the pixel spacing holds at the detector, and
`PatientOrientation` alone says which way rows and columns run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.pixels import pixel_form, stored_frames
from tumorboard.io.radiograph import frontal_affine

__all__ = ["MODALITIES", "RadiographFacts", "radiograph_facts", "read_dicom_radiograph"]

MODALITIES = ("CR", "DX", "RG")
_AXES = {"R": (0, 1.0), "L": (0, -1.0), "A": (1, 1.0), "P": (1, -1.0), "H": (2, 1.0), "F": (2, -1.0)}
"""First letter of a direction in PatientOrientation -> axis and sign in RAS."""
_LATERAL_VIEWS = ("LL", "RL", "LLD", "RLD", "LATERAL", "LAT")


@dataclass(frozen=True)
class RadiographFacts:
    """What the header says. `view` as written; `orientation` as written (empty: not said); `spacing_mm` between columns
    and rows at the detector (or calibrated, which `spacing_source` tells); `inverted`: stored as MONOCHROME1."""

    unit: Unit
    geometry: Geometry
    view: str
    orientation: str
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    inverted: bool

    @property
    def is_lateral(self) -> bool:
        """Whether the header says that the patient was seen from the side."""
        seen_along_x = abs(self.geometry.affine[:3, :2]).max(axis=1)[0] == 0
        return self.view.upper() in _LATERAL_VIEWS or bool(seen_along_x)


def radiograph_facts(path: Path) -> RadiographFacts:
    """Facts of one CR or DX file, without its pixels. DCM103, DCM104, DCM108, DCM110, DCM131 for another modality."""
    return _facts(read_header(path))


def read_dicom_radiograph(path: Path, *, unit: Unit) -> Volume:
    """Stored values (columns, rows, 1), turned round where the file is MONOCHROME1; no window is applied.

    `unit` is grey8 or grey16 as `radiograph_facts` tells it. Errors: as there, and those of the pixel decoders.
    """
    header = read_header(path, pixels=True)
    facts = _facts(header)
    if facts.unit is not unit:
        raise TumorboardError(codes.UNIT_CASE, path, found=str(facts.unit), expected=str(unit))
    form = pixel_form(header)
    frames = list(stored_frames(header))
    stored = frames[0].astype(np.int32)
    lowest = -(2 ** (form.bits_stored - 1)) if form.signed else 0
    values = stored - lowest
    if facts.inverted:
        values = 2**form.bits_stored - 1 - values
    kept = values.astype(np.uint8 if unit is Unit.GREY8 else np.uint16)
    return Volume(np.ascontiguousarray(kept.T)[:, :, None], facts.geometry.affine, unit)


def _facts(header: Header) -> RadiographFacts:
    modality = header.required("Modality")
    if modality not in MODALITIES:
        raise TumorboardError(
            codes.UNIT_CASE, header.where, found=f"modality {modality}", expected=" or ".join(MODALITIES)
        )
    form = pixel_form(header)
    if form.frames != 1 or form.bits_stored > 16:
        raise TumorboardError(
            codes.PIXELS_FORM,
            header.where,
            found=f"{form.frames} frames of {form.bits_stored} bits",
            expected="one frame of at most 16 bits",
        )
    photometric = header.required("PhotometricInterpretation").upper()
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise TumorboardError(codes.PIXELS_FORM, header.where, found=photometric, expected="MONOCHROME1 or MONOCHROME2")
    spacing_mm, source = _spacing(header)
    orientation = header.text("PatientOrientation").upper()
    geometry = Geometry((form.columns, form.rows, 1), _affine(header, orientation, spacing_mm))
    unit = Unit.GREY8 if form.bits_stored <= 8 else Unit.GREY16
    view = header.text("ViewPosition").upper()
    return RadiographFacts(unit, geometry, view, orientation, spacing_mm, source, photometric == "MONOCHROME1")


def _spacing(header: Header) -> tuple[tuple[float, float] | None, str]:
    """Between columns and rows (DICOM writes rows first), and the attribute that says it."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        if header.has(keyword):
            row, column = header.numbers(keyword, count=2)
            if min(row, column) <= 0:
                raise header.impossible(keyword, f"{row}, {column}", "two lengths above 0")
            return (column, row), keyword
    return None, ""


def _affine(header: Header, orientation: str, spacing_mm: tuple[float, float] | None) -> NDArray[np.float64]:
    """Columns along the first direction of PatientOrientation, rows along the second; as it is hung when not said."""
    if not orientation:
        return frontal_affine(spacing_mm)
    letters = [part[:1] for part in orientation.split("\\")]
    known = [_AXES.get(letter) for letter in letters]
    if len(known) != 2 or known[0] is None or known[1] is None or known[0][0] == known[1][0]:
        raise header.impossible("PatientOrientation", orientation, "two directions such as L\\F")
    lengths = spacing_mm or (1.0, 1.0)
    affine = np.zeros((4, 4))
    for place, (axis, sign) in enumerate(part for part in known if part is not None):
        affine[axis, place] = sign * lengths[place]
    affine[next(axis for axis in range(3) if not affine[axis, :2].any()), 2] = 1.0
    affine[3, 3] = 1.0
    return affine
