"""When was injected, and which moment is a PET series decay-corrected to?

Of the times in a PET header the acquisition time is per bed, the series time may be that of a later reprocessing, the
content time is when the file was written. QIBA's pseudo-code sorts them out; this is its order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.clock import Moment, date_and_time, date_time, time_only
from tumorboard.io.dicom.header import Header

__all__ = ["acquisition_moments", "frame_duration_s", "injection_moment", "mean_activity_s", "scan_start"]

_GE_SCAN_START = 0x0D  # (0009,xx0D) of GEMS_PETD_01: scan date and time


def injection_moment(header: Header, drug: Header | None, assumed: str | None = None) -> Moment:
    """When the tracer was given: RadiopharmaceuticalStartDateTime, else RadiopharmaceuticalStartTime (a time of day
    without its date). SUV105 when there is neither, or when they disagree about the time of day."""
    if assumed is not None:
        return _assumed(assumed)
    zone = header.text("TimezoneOffsetFromUTC")
    full = date_time(drug, "RadiopharmaceuticalStartDateTime", zone=zone) if drug else None
    clock = time_only(drug, "RadiopharmaceuticalStartTime") if drug else None
    if full is None and clock is None:
        raise TumorboardError(
            codes.SUV_TIME, header.where, found="no RadiopharmaceuticalStart(Date)Time", expected="the injection time"
        )
    if full and clock and abs(full.of_day - clock.of_day) > 1.0:
        raise TumorboardError(
            codes.SUV_TIME,
            header.where,
            found=f"two injection times {abs(full.of_day - clock.of_day):.0f} s apart",
            expected="one",
        )
    return full or clock  # type: ignore[return-value]  # one of them is there


def _assumed(written: str) -> Moment:
    match = re.fullmatch(r"(\d{2}):?(\d{2}):?(\d{2})?", written)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise TumorboardError(
            codes.SUV_OPTION, "SUV options", found=f"assume_injection_time={written!r}", expected="HHMMSS"
        )
    return Moment(int(match[1]) * 3600.0 + int(match[2]) * 60 + int(match[3] or 0), dated=False)


def acquisition_moments(headers: Sequence[Header]) -> list[Moment]:
    """Start of the acquisition of every slice. SUV105 where it is absent."""
    return [_acquisition(header) or _missing(header) for header in headers]


def _acquisition(header: Header) -> Moment | None:
    zone = header.text("TimezoneOffsetFromUTC")
    return date_time(header, "AcquisitionDateTime", zone=zone) or date_and_time(
        header, "AcquisitionDate", "AcquisitionTime"
    )


def _missing(header: Header) -> Moment:
    raise TumorboardError(
        codes.SUV_TIME,
        header.where,
        found="no AcquisitionDate and AcquisitionTime",
        expected="when the slice was taken",
    )


def frame_duration_s(header: Header) -> float:
    """Length of the frame. SUV105 where it is absent."""
    duration_ms = header.number("ActualFrameDuration", default=0.0)
    if duration_ms <= 0:
        raise TumorboardError(
            codes.SUV_TIME, header.where, found="no ActualFrameDuration", expected="the length of the frame"
        )
    return duration_ms / 1000.0


def mean_activity_s(duration_s: float, half_life_s: float) -> float:
    """When within a frame the activity equals its mean over the frame: ln(x / (1 - exp(-x))) / lambda, with
    x = lambda * duration (QIBA pseudo-code); a little before the middle."""
    decay = math.log(2) / half_life_s
    x = decay * duration_s
    return math.log(x / -math.expm1(-x)) / decay if x > 0 else 0.0


def scan_start(headers: Sequence[Header], half_life_s: float, assumed: str | None = None) -> tuple[Moment, str]:
    """The moment that DecayCorrection START refers to, and where it was found.

    The series time if no slice was acquired before it; else the GE scan time (0009,100D); else the first
    acquisition reckoned back by its frame reference time. SUV105 when none of these can be had.
    """
    first = headers[0]
    series = {date_and_time(header, "SeriesDate", "SeriesTime") for header in headers}
    acquired = [_acquisition(header) for header in headers]
    earliest = min((moment for moment in acquired if moment), key=lambda moment: moment.seconds, default=None)
    if assumed == "series" or assumed == "acquisition":
        chosen = next(iter(series)) if assumed == "series" else earliest
        if chosen is None:
            raise TumorboardError(codes.SUV_TIME, first.where, found=f"no {assumed} time", expected="date and time")
        return chosen, f"assumed: {assumed} time"
    if len(series) > 1:
        raise TumorboardError(codes.SUV_TIME, first.where, found="several series times", expected="one series time")
    stated = series.pop()
    if stated and earliest and None not in acquired and stated.seconds <= earliest.seconds:
        return stated, "series time"
    private = date_time(first, 0x0009100D, written=first.private(0x0009, "GEMS_PETD_01", _GE_SCAN_START))
    if private:
        return private, "GE scan time (0009,100D)"
    reckoned = [_reckoned(header, half_life_s) for header in headers]
    if None not in reckoned:
        return min((m for m in reckoned if m), key=lambda moment: moment.seconds), "frame reference time"
    found = "no series time" if stated is None else "no acquisition times" if earliest is None else ""
    raise TumorboardError(
        codes.SUV_TIME,
        first.where,
        found=found or "a series time after the first acquisition, and no frame reference time",
        expected="the start of the scan",
        fix="state which time is the start: assume_scan_start=acquisition (or series)",
    )


def _reckoned(header: Header, half_life_s: float) -> Moment | None:
    """Start of the scan from one slice: its acquisition, minus how far its frame lies behind the start."""
    acquired = _acquisition(header)
    reference_ms = header.number("FrameReferenceTime", default=0.0)
    duration_ms = header.number("ActualFrameDuration", default=0.0)
    if acquired is None or reference_ms <= 0 or duration_ms <= 0 or not math.isfinite(reference_ms):
        return None
    within_s = mean_activity_s(duration_ms / 1000.0, half_life_s)
    return Moment(acquired.seconds + within_s - reference_ms / 1000.0, acquired.dated)
