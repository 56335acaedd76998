"""What the name of a clinical column, or one of its levels, says: time, unit, event, date, age, group.

Only words are read here, never values; whoever uses this states that a name was believed, or tests it against
the values. Shared by the drafts of table schemas and by the checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "DAYS_PER",
    "EndpointColumns",
    "endpoint_of",
    "event_meaning",
    "indicator_polarity",
    "is_age",
    "is_date",
    "is_duration",
    "is_group",
    "means_missing",
    "pair_endpoints",
    "stated_time_unit",
    "words",
]

DAYS_PER = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
"""Length of the time units in days (a month is a twelfth of a Julian year)."""

_UNITS = {
    **dict.fromkeys(["day", "days"], "days"),
    **dict.fromkeys(["week", "weeks", "wk", "wks"], "weeks"),
    **dict.fromkeys(["month", "months", "mo", "mos", "mths"], "months"),
    **dict.fromkeys(["year", "years", "yr", "yrs"], "years"),
}
_ENDPOINTS = (  # first match wins: words that must all be there -> endpoint
    (("os",), "OS"),
    (("overall", "survival"), "OS"),
    (("pfs",), "PFS"),
    (("progression", "free"), "PFS"),
    (("rfs",), "RFS"),
    (("recurrence", "free"), "RFS"),
    (("relapse", "free"), "RFS"),
    (("metastatic", "free"), "RFS"),
    (("dfs",), "DFS"),
    (("dfi",), "DFS"),
    (("disease", "free"), "DFS"),
    (("efs",), "EFS"),
    (("event", "free"), "EFS"),
    (("dss",), "DSS"),
    (("disease", "specific"), "DSS"),
    (("locoregional",), "LRR"),
    (("loco", "regional"), "LRR"),
    (("local", "recurrence"), "LR"),
    (("local", "failure"), "LR"),
    (("distant",), "DM"),
    (("metastases",), "DM"),
    (("death",), "OS"),
    (("dead",), "OS"),
    (("deceased",), "OS"),
    (("survival",), "OS"),
    (("relapse",), "RFS"),
    (("recurrence",), "RFS"),
    (("progression",), "PFS"),
)
_DURATION = {"time", "survival", "duration", "interval", "days", "months", "years", "weeks", "followup", "length"}
_DURATION |= {"os", "pfs", "rfs", "dfs", "efs", "dss", "dfi", "fu"}
_FOLLOW = _DURATION - {"time", "days", "months", "years", "weeks", "duration", "interval", "length"} | {
    "death", "recurrence", "relapse", "progression", "event", "last", "follow", "local", "locoregional", "regional",
    "distant", "failure", "metastases", "metastasis", "censoring", "free", "control",
}  # fmt: skip
_NOT_DURATION = {"date", "status", "event", "censor", "censored", "age", "year", "pack", "comment", "cause"}
_NOT_FOLLOW = {"treatment", "tube", "imaging", "image", "scan", "ct", "pet", "surgery", "between", "smoking", "quit"}
_EVENT = {"event", "events", "dead", "death", "died", "deceased", "recurrence", "relapse", "progression", "progressed"}
_EVENT |= {"status", "recurred", "relapsed", "deadstatus", "metastasis", "metastases", "failure", "vital"}
_CENSOR = {"censor", "censored", "censoring", "cens", "alive", "living", "survivor"}
_NOT_INDICATOR = {
    "date",
    "days",
    "months",
    "years",
    "time",
    "cause",
    "site",
    "location",
    "free",
    "hpv",
    "p16",
    "smoking",
}
_NOT_INDICATOR |= {"mutation", "performance", "somatic", "marital", "msi", "mgmt", "muscle", "translocation", "ecog"}
_NOT_INDICATOR |= {"resection", "receptor", "stage", "node", "nodal", "distal"}
_GROUP = {"centre", "center", "cohort", "institution", "hospital", "study", "affiliation", "source", "centreid"}
_GROUP |= {"centerid", "dataset", "institute"}
_TRUE_WORDS = {"1", "1.0", "yes", "y", "true", "t", "dead", "died", "death", "deceased", "progressed", "progress"}
_TRUE_WORDS |= {
    "progression",
    "event",
    "recurred",
    "recurrence",
    "relapse",
    "relapsed",
    "d",
    "checked",
    "present",
    "dod",
}
_FALSE_WORDS = {"0", "0.0", "no", "n", "false", "f", "alive", "living", "censored", "not progressed", "no event"}
_FALSE_WORDS |= {"no recurrence", "ned", "awd", "disease free", "unchecked", "absent", "none"}
_MISSING = {
    "", "na", "n/a", "nan", "null", "none given", "not available", "not applicable", "not collected", "not recorded",
    "not recorded in database", "not known", "not tested", "not done", "not assessed", "not reported", "unknown", "unk",
    "missing", "no data", "nd", "?", "-", "--", ".", "[]", "[not available]", "#n/a", "#value!", "#ref!", "#div/0!",
    "not specified", "unspecified", "not stated", "undetermined", "inconnu", "unbekannt",
}  # fmt: skip


def words(name: str) -> list[str]:
    """The lower-case words of a name: split at blanks, punctuation and CamelCase."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][A-Za-z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    spaced = spaced.replace("follow-up", "followup").replace("Follow up", "followup").replace("follow_up", "followup")
    return [word for word in re.split(r"[^A-Za-z0-9%]+", spaced.lower()) if word]


def stated_time_unit(name: str) -> str | None:
    """``days``, ``weeks``, ``months`` or ``years`` where a name says so."""
    listed = words(name)
    found = set() if "pack" in listed else {_UNITS[word] for word in listed if word in _UNITS}
    return found.pop() if len(found) == 1 else None


def is_age(name: str) -> bool:
    """Whether a name speaks of an age (of the patient)."""
    listed = words(name)
    return "age" in listed and not {"group", "stage", "band", "category"} & set(listed)


def is_date(name: str) -> bool:
    """Whether a name speaks of a date."""
    listed = words(name)
    starts = {"start", "started", "begin"} & set(listed) and not {"bw", "bmi", "dose", "year", "time"} & set(listed)
    last = "last" in listed and bool({"fu", "followup", "contact", "seen", "alive"} & set(listed))
    return (
        "date" in listed or listed[-1:] == ["dob"] or bool(starts and len(listed) <= 3) or (last and not _timed(listed))
    )


def is_duration(name: str) -> bool:
    """Whether a name speaks of a follow-up time: to an event, to the last contact, of survival."""
    listed = set(words(name))
    if listed & {
        "date",
        "status",
        "censor",
        "censored",
        "censoring",
        "cens",
        "age",
        "pack",
        "cause",
        "median",
    } or is_date(name):
        return False
    if "year" in listed and not {"duration", "followup"} & listed:
        return False
    if listed & _NOT_FOLLOW or {"height", "weight", "dose"} & listed:
        return False
    if "event" in listed and not listed & set(_UNITS):
        return False
    return bool(listed & _DURATION) and bool(listed & _FOLLOW)


def is_group(name: str) -> bool:
    """Whether a name speaks of where a patient comes from: centre, cohort, study."""
    return bool(set(words(name)) & _GROUP) and not is_date(name)


def indicator_polarity(name: str) -> Literal["event", "censored"] | None:
    """What "1" or "yes" should mean in a yes/no column of that name; None when it speaks of neither."""
    listed = set(words(name))
    if is_date(name) or is_duration(name) or listed & {"days", "months", "modality"}:
        return None
    if listed & _CENSOR and listed & _EVENT - {"status"}:
        return "event"  # "Alive or Dead": the levels speak for themselves
    if listed & _CENSOR:
        return "censored"
    if listed & _NOT_INDICATOR and "event" not in listed:
        return None
    return "event" if listed & _EVENT else None


def endpoint_of(name: str) -> str | None:
    """The usual short name of the endpoint that a column belongs to: OS, PFS, RFS, DFS, DSS, LR, LRR, DM ..."""
    listed = set(words(name))
    for needed, endpoint in _ENDPOINTS:
        if set(needed) <= listed:
            return endpoint
    if listed & {"deadstatus", "vital", "followup", "fu"} or listed == {"status"} or {"last", "information"} <= listed:
        return "OS"
    return None


def event_meaning(level: str) -> bool | None:
    """Whether a level says that an event happened; None when it does not say. ``1:DECEASED`` and the like speak
    by their word."""
    text = level.strip().lower()
    coded = re.fullmatch(r"\d+\s*[:=]\s*(.+)", text)
    text = coded.group(1) if coded else text
    if text in _TRUE_WORDS or text.startswith(("deceased", "dead")):
        return True
    if text in _FALSE_WORDS or text.startswith(("alive", "living", "not progress", "no ")):
        return False
    return None


def means_missing(level: str) -> bool:
    """Whether a cell says in words that the value is not known."""
    return level.strip().lower() in _MISSING


@dataclass(frozen=True)
class EndpointColumns:
    """A time column and the event column that its name points to."""

    endpoint: str
    time: str
    event: str


def pair_endpoints(names: Iterable[str]) -> list[EndpointColumns]:
    """Time columns beside their event columns, matched by what is left of the names without the words for time
    and event, else by the endpoint both speak of. Proposals only: a name proves nothing."""
    listed = list(names)
    events = [name for name in listed if indicator_polarity(name)]
    pairs = []
    for time in (name for name in listed if is_duration(name)):
        rest = _rest(time)
        same = [name for name in events if _rest(name) == rest]
        kin = [name for name in events if endpoint_of(name) == endpoint_of(time) is not None]
        if chosen := (same or kin):
            pairs.append(EndpointColumns(endpoint_of(time) or time, time, chosen[0]))
    return pairs


def _rest(name: str) -> frozenset[str]:
    noise = _NOT_DURATION | {"time", "to", "in", "event", "events", "status", "of", "the", "is", "duration"}
    return frozenset(set(words(name)) - noise - set(_UNITS))


def _timed(listed: list[str]) -> bool:
    return bool({"days", "months", "years", "weeks", "information"} & set(listed))
