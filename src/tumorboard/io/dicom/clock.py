"""DICOM dates and times as points on one patient's clock.

A point is seconds; only differences are ever used, and no date leaves this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tumorboard.io.dicom.header import Header

__all__ = ["DAY_S", "Moment", "date_and_time", "date_time", "time_only"]

DAY_S = 86400.0
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
_DATE_TIME = re.compile(r"(\d{8})(\d{2})(\d{2})?(\d{2})?(?:\.(\d{1,6}))?([+-]\d{4})?")


@dataclass(frozen=True)
class Moment:
    """Seconds since a fixed midnight, and whether the calendar day is known or only the time of day."""

    seconds: float
    dated: bool

    @property
    def of_day(self) -> float:
        """Seconds since the last midnight."""
        return self.seconds % DAY_S


def time_only(header: Header, keyword: str) -> Moment | None:
    """A TM attribute; None when it is absent. DCM104 when it is no time."""
    written = header.text(keyword)
    return Moment(_seconds(header, keyword, written), dated=False) if written else None


def date_and_time(header: Header, date: str, time: str) -> Moment | None:
    """A DA and a TM attribute together; None when either is absent. DCM104 when they are none."""
    day, clock = header.text(date), header.text(time)
    if not day or not clock:
        return None
    return Moment(_day_seconds(header, date, day) + _seconds(header, time, clock), dated=True)


def date_time(header: Header, keyword: str | int, *, written: str | None = None, zone: str = "") -> Moment | None:
    """A DT attribute; None when it is absent or without a time of day. DCM104 when it is none.

    A time zone in the value is turned into the scanner's `zone` (TimezoneOffsetFromUTC) where that is known; without it
    both are taken to be local times, as the standard says.
    """
    written = header.text(keyword) if written is None else written
    if not written or len(written) <= 8:
        return None
    match = _DATE_TIME.fullmatch(written)
    if match is None:
        raise header.impossible(keyword, written, "a date and time YYYYMMDDHHMMSS")
    day, hour, minute, second, fraction, own_zone = match.groups()
    clock = _seconds(header, keyword, f"{hour}{minute or ''}{second or ''}" + (f".{fraction}" if fraction else ""))
    shift = _offset(zone) - _offset(own_zone) if own_zone and re.fullmatch(r"[+-]\d{4}", zone) else 0.0
    return Moment(_day_seconds(header, keyword, day) + clock + shift, dated=True)


def _seconds(header: Header, keyword: str | int, written: str) -> float:
    match = _TIME.fullmatch(written)
    hour, minute, second = (int(part or 0) for part in match.groups()[:3]) if match else (99, 0, 0)
    if match is None or hour > 23 or minute > 59 or second > 60:
        raise header.impossible(keyword, written, "a time HHMMSS.FFFFFF")
    return hour * 3600 + minute * 60 + second + float(f"0.{match.group(4) or 0}")


def _day_seconds(header: Header, keyword: str | int, written: str) -> float:
    try:
        day = datetime.strptime(written.replace(".", ""), "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise header.impossible(keyword, written, "a date YYYYMMDD") from None
    return (day - datetime(1900, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)


def _offset(zone: str) -> float:
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60.0)
