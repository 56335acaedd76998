"""What stored numbers mean: rescale per slice, padding, and the factor to the unit asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.slices import functional_group
from tumorboard.io.dicom.suv import SuvAssumptions, philips_activity, suv_recipe

__all__ = ["Rescale", "padding_range", "rescale_of", "unit_factors"]


@dataclass(frozen=True)
class Rescale:
    """value = stored * slope + intercept."""

    slope: float
    intercept: float

    @property
    def is_whole(self) -> bool:
        """Whether whole stored numbers stay whole."""
        return self.slope == int(self.slope) and self.intercept == int(self.intercept)

    def times(self, factor: float) -> Rescale:
        return replace(self, slope=self.slope * factor, intercept=self.intercept * factor)


def rescale_of(header: Header, frame: int = 0) -> Rescale:
    """Slope and intercept of a slice or frame. DCM103 where CT or PET lacks them (other modalities: stored values),
    DCM104 for a slope of 0, DCM131 for a CT whose RescaleType is not HU."""
    source = _value_transformation(header, frame)
    measured = header.text("Modality") in ("CT", "PT")
    if not measured and not source.has("RescaleSlope"):
        return Rescale(1.0, 0.0)
    slope, intercept = source.number("RescaleSlope"), source.number("RescaleIntercept")
    if slope == 0:
        raise source.impossible("RescaleSlope", "0", "a number other than 0")
    kind = source.text("RescaleType").upper()
    if header.text("Modality") == "CT" and kind not in ("", "US", "HU"):  # US: unspecified, as GDCM writes
        raise TumorboardError(codes.UNIT_CASE, header.where, found=f"RescaleType {kind}", expected="HU")
    return Rescale(slope, intercept)


def _value_transformation(header: Header, frame: int) -> Header:
    frames = header.items("PerFrameFunctionalGroupsSequence")
    if not frames:
        return header
    shared = header.item("SharedFunctionalGroupsSequence")
    return functional_group("PixelValueTransformationSequence", frames[frame], shared)


def padding_range(header: Header) -> tuple[int, int] | None:
    """Stored values that stand for "no measurement here"; None when the header declares none."""
    if not header.has("PixelPaddingValue"):
        return None
    value = int(header.number("PixelPaddingValue"))
    limit = int(header.number("PixelPaddingRangeLimit", default=float(value)))
    return min(value, limit), max(value, limit)


def unit_factors(
    headers: Sequence[Header], unit: Unit, suv: Mapping[str, Any] | None = None
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Per slice, what rescaled values are to be multiplied with to be in `unit`, and how that was found out.

    DCM131 when the modality or the header's units do not lead to `unit`; SUV101 to SUV111 for SUVbw.
    """
    modality = headers[0].required("Modality")
    ones = np.ones(len(headers))
    if unit is Unit.UNKNOWN or (modality, unit) == ("CT", Unit.HU):
        return ones, {}
    if modality == "PT" and unit is Unit.SUVBW:
        recipe = suv_recipe(headers, SuvAssumptions.of(suv))
        return recipe.factors, {"suv": {"case": recipe.case, **recipe.facts}}
    if modality == "PT" and unit in (Unit.BQML, Unit.CNTS):
        stated = {header.text("Units").upper() for header in headers}
        if stated == ({"BQML"} if unit is Unit.BQML else {"CNTS"}):
            return ones, {}
        if unit is Unit.BQML and stated == {"CNTS"}:
            return philips_activity(headers), {"activity": "Philips activity factor (7053,1009)"}
        raise TumorboardError(
            codes.UNIT_CASE,
            headers[0].where,
            found=f"Units {', '.join(sorted(stated)) or 'absent'}",
            expected=str(unit),
        )
    raise TumorboardError(
        codes.UNIT_CASE, headers[0].where, found=f"modality {modality}", expected=f"one that is measured in {unit}"
    )
