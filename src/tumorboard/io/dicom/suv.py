"""SUV body weight from a PET header, as a table of vendor cases.

    SUVbw = activity concentration [Bq/ml] * weight [g] / injected activity [Bq], decayed to the time that the
    image is decay-corrected to.

Sources: DICOM PS3.3 C.8.9.1 (PET series), C.8.9.4 (PET image); QIBA "SUV vendor-neutral pseudo-code" (happy path and
robust version); Philips private group 7053; GE private group 0009. Every value that is not in the header is an
error; an `assume_*` option may state it, and is recorded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.clock import DAY_S, Moment
from tumorboard.io.dicom.header import Header
from tumorboard.io.dicom.nuclides import plausible_half_life
from tumorboard.io.dicom.pet_times import (
    acquisition_moments,
    frame_duration_s,
    injection_moment,
    mean_activity_s,
    scan_start,
)

__all__ = ["SuvAssumptions", "SuvRecipe", "philips_activity", "suv_recipe"]

WEIGHT_KG = (1.0, 400.0)
DOSE_BQ = (1e6, 2e10)
"""1 MBq (neonates, long-lived tracers) to 20 GBq (none is injected above that); MBq in place of Bq falls below."""
LONGEST_HALF_LIVES = 12.0
_CORRECTIONS = ("START", "ADMIN", "NONE")


@dataclass(frozen=True)
class SuvAssumptions:
    """What the caller states in place of (or against) the header. Empty: the header alone."""

    assume_weight_kg: float | None = None
    assume_dose_bq: float | None = None
    assume_half_life_s: float | None = None
    assume_injection_time: str | None = None
    """``HHMMSS`` on the day of the scan."""
    assume_scan_start: Literal["series", "acquisition"] | None = None
    """Which time the image is decay-corrected to when the header's times disagree (START)."""
    assume_decay_correction: Literal["START", "ADMIN", "NONE"] | None = None
    assume_corrected: bool = False
    """Attenuation (and decay) correction was done although CorrectedImage does not say so."""
    assume_midnight: bool = False
    """The injection was before the midnight that preceded the scan."""
    assume_same_day: bool = False
    """Injection and scan were on one day; only the dates disagree."""

    @classmethod
    def of(cls, options: Mapping[str, Any] | SuvAssumptions | None) -> SuvAssumptions:
        """From plain options. SUV111 for unknown names and impossible values."""
        if isinstance(options, SuvAssumptions):
            return options
        given = dict(options or {})
        known = {f.name for f in fields(cls)}
        if set(given) - known:
            raise _option(f"{sorted(set(given) - known)}", f"options among {sorted(known)}")
        made = cls(**given)
        for name in ("assume_weight_kg", "assume_dose_bq", "assume_half_life_s"):
            value = getattr(made, name)
            if value is not None and not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise _option(f"{name}={value!r}", "a finite number above 0")
        if made.assume_scan_start not in (None, "series", "acquisition"):
            raise _option(f"assume_scan_start={made.assume_scan_start!r}", "series or acquisition")
        if made.assume_decay_correction not in (None, *_CORRECTIONS):
            raise _option(f"assume_decay_correction={made.assume_decay_correction!r}", ", ".join(_CORRECTIONS))
        return made

    def used(self) -> dict[str, Any]:
        """The assumptions that were made, for the record."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False)}


@dataclass(frozen=True)
class SuvRecipe:
    """How stored (rescaled) values become SUVbw, and from what."""

    case: str
    factors: NDArray[np.float64]
    """One factor per slice: SUVbw = rescaled value * factor."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Weight, dose, half-life, decay time, assumptions; durations only, no dates."""


def suv_recipe(headers: Sequence[Header], assumptions: SuvAssumptions | None = None) -> SuvRecipe:
    """The factor of every slice of one PET series, given in any order.

    Cases: GML of type BW -> 1; CNTS -> the Philips SUV factor, or the Philips activity factor and then as BQML;
    BQML -> weight / decayed dose with DecayCorrection START (dose decayed from injection to the start of the scan),
    ADMIN (dose as injected) or NONE (dose decayed to each slice's own frame).

    Errors: SUV101 to SUV111, DCM103, DCM104.
    """
    assumptions = assumptions or SuvAssumptions()
    first = headers[0]
    units = {header.text("Units").upper() for header in headers}
    if len(units) > 1:
        raise TumorboardError(
            codes.SUV_UNITS, first.where, found=f"units {sorted(units)} in one series", expected="one"
        )
    unit = units.pop() or first.required("Units")
    _require_corrected(headers, assumptions)
    if unit == "GML":
        return _already_suv(headers, assumptions)
    if unit == "CNTS":
        return _philips(headers, assumptions)
    if unit == "BQML":
        return _from_activity(headers, np.ones(len(headers)), "BQML", assumptions)
    raise TumorboardError(codes.SUV_UNITS, first.where, found=f"Units {unit}", expected="BQML, GML or (Philips) CNTS")


def _already_suv(headers: Sequence[Header], assumptions: SuvAssumptions) -> SuvRecipe:
    kinds = {header.text("SUVType").upper() or "BW" for header in headers}
    if kinds != {"BW"}:
        raise TumorboardError(
            codes.SUV_UNITS,
            headers[0].where,
            found=f"Units GML of SUVType {', '.join(sorted(kinds))}",
            expected="SUVType BW, or none (which means BW)",
        )
    return SuvRecipe("GML", np.ones(len(headers)), {"assumed": assumptions.used()})


def _philips(headers: Sequence[Header], assumptions: SuvAssumptions) -> SuvRecipe:
    suv = np.array([_philips_factor(header, 0x00) for header in headers])
    if (suv > 0).all():
        facts = {"suv_factor": float(suv[0]), "assumed": assumptions.used()}
        return SuvRecipe("CNTS, Philips SUV factor (7053,1000)", suv, facts)
    activity = philips_activity(headers)
    return _from_activity(headers, activity, "CNTS, Philips activity factor (7053,1009)", assumptions)


def philips_activity(headers: Sequence[Header]) -> NDArray[np.float64]:
    """Per slice, Bq/ml per count. SUV110 when a slice lacks the factor."""
    activity = np.array([_philips_factor(header, 0x09) for header in headers])
    if not (activity > 0).all():
        raise TumorboardError(
            codes.SUV_PHILIPS,
            headers[0].where,
            found="Units CNTS without SUV factor (7053,1000) and activity factor (7053,1009)",
            expected="one of the two above 0 in every slice",
        )
    return activity


def _philips_factor(header: Header, element: int) -> float:
    """A private factor; 0 when it is absent, which is also how Philips writes "none"."""
    written = header.private(0x7053, "Philips PET Private Group", element)
    if not written and "philips" in header.text("Manufacturer").lower():
        written = header.text(0x70531000 + element)
    try:
        value = float(written or 0)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise TumorboardError(
            codes.SUV_PHILIPS, header.where, found=f"(7053,10{element:02X}) {written!r}", expected="a number"
        )
    return value


def _from_activity(
    headers: Sequence[Header], to_bqml: NDArray[np.float64], case: str, assumptions: SuvAssumptions
) -> SuvRecipe:
    first = headers[0]
    drug = first.item("RadiopharmaceuticalInformationSequence")
    weight_kg = _weight(headers, assumptions)
    dose_bq = _dose(first, drug, assumptions)
    correction = _decay_correction(headers, assumptions)
    facts = {"decay_correction": correction, "weight_kg": weight_kg, "dose_bq": dose_bq}
    decay_s = np.zeros(len(headers))
    if correction != "ADMIN":
        half_life_s = _half_life(first, drug, assumptions)
        injection = injection_moment(first, drug, assumptions.assume_injection_time)
        if correction == "START":
            start, source = scan_start(headers, half_life_s, assumptions.assume_scan_start)
            decay_s[:] = _elapsed(injection, start, first, half_life_s, assumptions)
            facts["scan_start"] = source
        else:
            for index, (header, moment) in enumerate(zip(headers, acquisition_moments(headers), strict=True)):
                elapsed = _elapsed(injection, moment, header, half_life_s, assumptions)
                decay_s[index] = elapsed + mean_activity_s(frame_duration_s(header), half_life_s)
        facts |= {"half_life_s": half_life_s, "decay_s": [float(decay_s.min()), float(decay_s.max())]}
        dose_bq = dose_bq * 2.0 ** (-decay_s / half_life_s)
    factors = to_bqml * weight_kg * 1000.0 / dose_bq
    return SuvRecipe(f"{case}, {correction}", factors, {**facts, "assumed": assumptions.used()})


def _elapsed(injection: Moment, scan: Moment, header: Header, half_life_s: float, assumptions: SuvAssumptions) -> float:
    """Seconds from injection to scan, never silently across midnight or through a shifted date."""
    if injection.dated and scan.dated and not assumptions.assume_same_day:
        elapsed = scan.seconds - injection.seconds
    else:
        elapsed = scan.of_day - injection.of_day
        if elapsed < 0 and assumptions.assume_midnight:
            elapsed += DAY_S
    if elapsed < 0:
        raise TumorboardError(
            codes.SUV_MIDNIGHT,
            header.where,
            found=f"the scan {-elapsed:.0f} s before the injection",
            expected="an injection before the scan",
        )
    if elapsed > LONGEST_HALF_LIVES * half_life_s:
        raise TumorboardError(
            codes.SUV_DELAY,
            header.where,
            found=f"{elapsed:.0f} s from injection to scan ({elapsed / half_life_s:.1f} half-lives)",
            expected=f"at most {LONGEST_HALF_LIVES:.0f} half-lives",
        )
    return elapsed


def _weight(headers: Sequence[Header], assumptions: SuvAssumptions) -> float:
    if assumptions.assume_weight_kg is not None:
        return float(assumptions.assume_weight_kg)
    weights = {header.number("PatientWeight", default=0.0) for header in headers}
    low, high = WEIGHT_KG
    if len(weights) > 1 or not low <= min(weights) <= high:
        shown = ", ".join(f"{weight:g}" for weight in sorted(weights))
        raise TumorboardError(
            codes.SUV_WEIGHT,
            headers[0].where,
            found=f"PatientWeight {shown} kg" if weights != {0.0} else "no PatientWeight",
            expected=f"one weight from {low:g} to {high:g} kg",
        )
    return weights.pop()


def _dose(header: Header, drug: Header | None, assumptions: SuvAssumptions) -> float:
    if assumptions.assume_dose_bq is not None:
        return float(assumptions.assume_dose_bq)
    dose = drug.number("RadionuclideTotalDose", default=0.0) if drug else 0.0
    low, high = DOSE_BQ
    if not low <= dose <= high:
        hint = " (as MBq it would be plausible)" if low <= dose * 1e6 <= high else ""
        raise TumorboardError(
            codes.SUV_DOSE,
            header.where,
            found=f"RadionuclideTotalDose {dose:g} Bq{hint}" if dose else "no RadionuclideTotalDose",
            expected=f"{low:g} to {high:g} Bq",
        )
    return dose


def _half_life(header: Header, drug: Header | None, assumptions: SuvAssumptions) -> float:
    if assumptions.assume_half_life_s is not None:
        return float(assumptions.assume_half_life_s)
    stated = drug.number("RadionuclideHalfLife", default=0.0) if drug else 0.0
    return plausible_half_life(stated, header, drug)


def _decay_correction(headers: Sequence[Header], assumptions: SuvAssumptions) -> str:
    if assumptions.assume_decay_correction is not None:
        return assumptions.assume_decay_correction
    stated = {header.text("DecayCorrection").upper() for header in headers}
    if len(stated) > 1 or not stated <= set(_CORRECTIONS):
        raise TumorboardError(
            codes.SUV_DECAY,
            headers[0].where,
            found=f"DecayCorrection {', '.join(sorted(stated)) or 'absent'!r}",
            expected=" or ".join(_CORRECTIONS),
        )
    return stated.pop()


def _require_corrected(headers: Sequence[Header], assumptions: SuvAssumptions) -> None:
    if assumptions.assume_corrected:
        return
    for header in headers:
        done = set(header.text("CorrectedImage").upper().split("\\"))
        wanted = {"ATTN"} if header.text("DecayCorrection").upper() == "NONE" else {"ATTN", "DECY"}
        if not wanted <= done:
            raise TumorboardError(
                codes.SUV_CORRECTED,
                header.where,
                found=f"CorrectedImage {sorted(done - {''})}",
                expected=f"{sorted(wanted)} among the corrections",
            )


def _option(found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.SUV_OPTION, "SUV options", found=found, expected=expected)
