"""Response of measured lesions to treatment by RECIST 1.1: numbers in, CR, PR, SD, PD or NE out.

After Eisenhauer et al., Eur J Cancer 2009; 45: 228. A reader's judgement (unequivocal progression, what cannot be
assessed, whether a lesion is new) is an input; sums, smallest sums, thresholds and tables are counted here. Comparisons
with 30 %, 20 %, 5, 10 and 15 mm hold at equality, whatever binary fractions make of the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "Assessment",
    "Candidate",
    "Lesion",
    "NonTarget",
    "Response",
    "Rules",
    "Seen",
    "Sight",
    "assess",
    "best_response",
    "choose_targets",
    "is_measurable",
    "overall_response",
]


class Response(StrEnum):
    CR = "CR"
    PR = "PR"
    SD = "SD"
    PD = "PD"
    NE = "NE"
    PRESENT = "non-CR/non-PD"
    """Of patients (and parts) without targets: neither gone nor progressing."""


class NonTarget(StrEnum):
    CR, PRESENT, PD, NE = "CR", "non-CR/non-PD", "PD", "NE"


class Seen(StrEnum):
    MEASURED = "measured"
    TOO_SMALL = "too small to measure"
    """There, but faint: counts 5 mm. A lesion that can be measured keeps its value, below 5 mm too."""
    ABSENT = "absent"
    NOT_ASSESSED = "not assessed"


@dataclass(frozen=True)
class Rules:
    """The numbers of RECIST 1.1, and one of ours: `non_target_growth`, the share by which the sum of the measured
    non-targets must grow above its least (and 5 mm) to be called progression; None leaves that to the reader."""

    response_share: float = 0.30
    progression_share: float = 0.20
    progression_mm: float = 5.0
    too_small_mm: float = 5.0
    measurable_mm: float = 10.0
    measurable_node_mm: float = 15.0
    normal_node_mm: float = 10.0
    thick_slices_mm: float = 5.0
    most_targets: int = 5
    most_per_organ: int = 2
    non_target_growth: float | None = None


RECIST_11 = Rules()


@dataclass(frozen=True)
class Sight:
    """A lesion at one exam. `diameter_mm`: long axis, of a node the short one; parts of a split lesion added; None
    where nothing is measured. `progression`: a reader calls it unequivocal progression."""

    seen: Seen
    diameter_mm: float | None = None
    progression: bool = False

    def value_mm(self, rules: Rules) -> float | None:
        """What it adds to a sum; None when it was not assessed."""
        if self.seen is Seen.NOT_ASSESSED:
            return None
        if self.seen is Seen.ABSENT:
            return 0.0
        return rules.too_small_mm if self.seen is Seen.TOO_SMALL or self.diameter_mm is None else self.diameter_mm


@dataclass(frozen=True)
class Lesion:
    """A lesion of the baseline exam, with one sight per exam in time order."""

    name: str
    node: bool
    target: bool
    sights: tuple[Sight, ...]


@dataclass(frozen=True)
class Candidate:
    """A lesion at baseline that may become a target. `parts`: lesions that it counts as (two that merge later);
    `asked`: what a reader said, None when nobody did."""

    name: str
    organ: str
    node: bool
    long_axis_mm: float
    short_axis_mm: float | None = None
    slice_mm: float | None = None
    parts: int = 1
    asked: bool | None = None

    @property
    def diameter_mm(self) -> float:
        return (self.short_axis_mm or 0.0) if self.node else self.long_axis_mm


@dataclass(frozen=True)
class Assessment:
    """One exam against baseline and nadir. `sum_mm`, `change_share` (of baseline), `above_nadir_mm`: None when a target
    was not assessed (or there is none); `least_mm`: sum of those that were. `why`: what decided, in words."""

    sum_mm: float | None
    least_mm: float
    baseline_mm: float | None
    nadir_mm: float | None
    target: Response | None
    non_target: NonTarget | None
    new: tuple[str, ...]
    response: Response
    why: str

    @property
    def change_share(self) -> float | None:
        if self.sum_mm is None or not self.baseline_mm:
            return None
        return (self.sum_mm - self.baseline_mm) / self.baseline_mm

    @property
    def above_nadir_mm(self) -> float | None:
        return None if self.sum_mm is None or self.nadir_mm is None else self.sum_mm - self.nadir_mm


# ---- baseline -----------------------------------------------------------------------------------------------------


def is_measurable(lesion: Candidate, rules: Rules = RECIST_11) -> bool:
    """Whether a lesion can be a target: 10 mm long axis (twice the slice interval if that is above 5 mm), of a node
    15 mm short axis."""
    least = rules.measurable_node_mm if lesion.node else rules.measurable_mm
    if lesion.slice_mm is not None and not lesion.node and lesion.slice_mm > rules.thick_slices_mm + 1e-6:
        least = max(least, 2 * lesion.slice_mm)
    return _reaches(lesion.diameter_mm, least)


def choose_targets(candidates: Iterable[Candidate], rules: Rules = RECIST_11) -> frozenset[str]:
    """Names of the targets: those a reader asked for, whatever they measure here; where nobody asked, the measurable
    ones that nobody refused, by falling diameter (of equals by name), up to five in all and two per organ. All nodes
    are one organ."""
    listed = sorted(candidates, key=lambda one: (-one.diameter_mm, one.name))
    asked = frozenset(one.name for one in listed if one.asked)
    if asked:
        return asked
    chosen: list[str] = []
    total, organs = 0, dict[str, int]()
    for one in listed:
        organ = "lymph node" if one.node else one.organ
        fits = total + one.parts <= rules.most_targets and organs.get(organ, 0) + one.parts <= rules.most_per_organ
        if fits and one.asked is None and is_measurable(one, rules):
            chosen.append(one.name)
            total += one.parts
            organs[organ] = organs.get(organ, 0) + one.parts
    return frozenset(chosen)


# ---- one exam after the other -------------------------------------------------------------------------------------


def assess(
    lesions: Sequence[Lesion], new: Sequence[Sequence[str]], rules: Rules = RECIST_11, *, exams: int | None = None
) -> list[Assessment]:
    """Every exam after the baseline (the first), in time order. `new`: names of the new lesions seen at each exam (of
    the baseline too: none). `exams`: their number, needed when there is no lesion at baseline. ValueError when lengths
    differ."""
    count = exams if exams is not None else len(new)
    if len(new) != count or any(len(one.sights) != count for one in lesions):
        raise ValueError("one list of new lesions, and one sight of every lesion, for each exam")
    targets = [one for one in lesions if one.target]
    others = [one for one in lesions if not one.target]
    sums = [_sum(targets, exam, rules) for exam in range(count)]
    found: list[Assessment] = []
    was_complete = False
    for exam in range(1, count):
        known = [total for total, _ in sums[:exam] if total is not None]
        nadir = min(known, default=None) if targets else None
        baseline = sums[0][0] if targets else None
        target, reason = _target(targets, exam, sums[exam], baseline, nadir, rules, was_complete=was_complete)
        non_target = _non_target(others, exam, rules)
        fresh = tuple(new[exam])
        response = overall_response(target, non_target, new=bool(fresh))
        why = _why(reason, non_target, fresh, response)
        total, least = sums[exam]
        found.append(Assessment(total, least, baseline, nadir, target, non_target, fresh, response, why))
        if response is not Response.NE:
            was_complete = response is Response.CR
    return found


def _sum(targets: Sequence[Lesion], exam: int, rules: Rules) -> tuple[float | None, float]:
    """Sum of the targets (None when one was not assessed, or there is none), and of those that were."""
    values = [one.sights[exam].value_mm(rules) for one in targets]
    known = [value for value in values if value is not None]
    return (sum(known) if values and len(known) == len(values) else None), sum(known)


def _target(
    targets: Sequence[Lesion],
    exam: int,
    sums: tuple[float | None, float],
    baseline: float | None,
    nadir: float | None,
    rules: Rules,
    *,
    was_complete: bool,
) -> tuple[Response | None, str]:
    if not targets:
        return None, "no targets"
    total, least = sums
    if baseline is None or nadir is None:
        return Response.NE, "a target was not measured at baseline"
    if total is not None and all(_gone(one, exam, rules) for one in targets):
        nodes = total > 0
        return Response.CR, "targets gone" + (", nodes under 10 mm short axis" if nodes else "")
    grown = least - nadir
    if _reaches(grown, rules.progression_share * nadir) and _reaches(grown, rules.progression_mm):
        share = f" (+{100 * grown / nadir:.0f} %)" if nadir else ""
        part = "" if total is not None else ", already without the targets not assessed"
        return Response.PD, f"{least:.1f} mm, {grown:.1f} mm above the smallest sum {nadir:.1f} mm{share}{part}"
    if was_complete and any((one.sights[exam].value_mm(rules) or 0) > 0 for one in targets if not one.node):
        return Response.PD, "a target came back after complete response"
    if total is None:
        missing = ", ".join(one.name for one in targets if one.sights[exam].seen is Seen.NOT_ASSESSED)
        return Response.NE, f"not assessed: {missing}"
    change = f"{total:.1f} mm, {100 * (total - baseline) / baseline:+.0f} % of baseline {baseline:.1f} mm"
    if _reaches(baseline - total, rules.response_share * baseline):
        return Response.PR, change
    return Response.SD, change


def _gone(one: Lesion, exam: int, rules: Rules) -> bool:
    value = one.sights[exam].value_mm(rules)
    if value is None:
        return False
    return not _reaches(value, rules.normal_node_mm) if one.node else value == 0


def _non_target(others: Sequence[Lesion], exam: int, rules: Rules) -> NonTarget | None:
    if not others:
        return None
    if any(one.sights[exam].progression for one in others) or _others_grown(others, exam, rules):
        return NonTarget.PD
    if any(one.sights[exam].seen is Seen.NOT_ASSESSED for one in others):
        return NonTarget.NE
    return NonTarget.CR if all(_other_gone(one, exam, rules) for one in others) else NonTarget.PRESENT


def _other_gone(one: Lesion, exam: int, rules: Rules) -> bool:
    sight = one.sights[exam]
    if sight.seen is Seen.ABSENT:
        return True
    return one.node and sight.diameter_mm is not None and not _reaches(sight.diameter_mm, rules.normal_node_mm)


def _others_grown(others: Sequence[Lesion], exam: int, rules: Rules) -> bool:
    if rules.non_target_growth is None:
        return False
    sums = [_sum(others, one, rules) for one in range(exam + 1)]
    known = [total for total, _ in sums[:-1] if total is not None]
    if not known:
        return False
    grown = sums[-1][1] - min(known)
    return _reaches(grown, rules.non_target_growth * min(known)) and _reaches(grown, rules.progression_mm)


def overall_response(target: Response | None, non_target: NonTarget | None, *, new: bool) -> Response:
    """Targets, non-targets and new lesions of one exam as one response (tables 1 and 2 of RECIST 1.1). None: the
    patient has none of that kind; with neither, nothing can be assessed (NE) unless a lesion is new."""
    if new or target is Response.PD or non_target is NonTarget.PD:
        return Response.PD
    if target is None:
        return Response.NE if non_target is None else Response(non_target.value)
    if target is Response.CR:
        return Response.CR if non_target in (None, NonTarget.CR) else Response.PR
    return target


def _why(reason: str, non_target: NonTarget | None, new: Sequence[str], response: Response) -> str:
    parts = [f"new: {', '.join(new)}"] if new else []
    parts.append(reason)
    if non_target is not None and (response in (Response.CR, Response.PR) or non_target is NonTarget.PD or not reason):
        parts.append(f"non-targets {non_target.value}")
    return "; ".join(part for part in parts if part)


# ---- the course as one word ---------------------------------------------------------------------------------------


def best_response(
    responses: Sequence[Response],
    days: Sequence[float | None],
    *,
    confirm_days: float | None = None,
    least_stable_days: float = 0.0,
) -> Response:
    """Best response up to the first progression. `days` of each exam since baseline.

    With `confirm_days`, CR and PR count only when a later exam, at least that long after, says the same or better with
    nothing worse between; what is not confirmed counts as SD. SD counts from `least_stable_days` on. ValueError when a
    rule needs days that are not known.
    """
    until: list[tuple[Response, float | None]] = []
    for response, day in zip(responses, days, strict=True):
        until.append((response, day))
        if response is Response.PD:
            break
    if (confirm_days is not None or least_stable_days > 0) and any(day is None for _, day in until):
        raise ValueError("confirmation and least duration need the day of every exam")
    ranked = (Response.CR, Response.PR) if confirm_days is not None else ()
    for wanted in ranked:
        if _confirmed(until, wanted, confirm_days or 0.0):
            return wanted
    plain = [response for response, _ in until]
    if confirm_days is None:
        for wanted in (Response.CR, Response.PR):
            if wanted in plain:
                return wanted
    steady = (Response.CR, Response.PR, Response.SD, Response.PRESENT)
    for response, day in until:
        if response in steady and (day is None or _reaches(day, least_stable_days)):
            return Response.PRESENT if response is Response.PRESENT else Response.SD
    return Response.PD if Response.PD in plain else Response.NE


def _confirmed(course: Sequence[tuple[Response, float | None]], wanted: Response, wait: float) -> bool:
    good = {Response.CR} if wanted is Response.CR else {Response.CR, Response.PR}
    for place, (response, day) in enumerate(course):
        if response not in good:
            continue
        for later, later_day in course[place + 1 :]:
            if later in good and _reaches((later_day or 0.0) - (day or 0.0), wait):
                return True
            if later not in good and later is not Response.NE:
                break
    return False


def _reaches(value: float, least: float) -> bool:
    """value >= least, with a slack for binary fractions: 70.0 is 30 % below 100, and 28.8 - 24.0 is 20 % of 24."""
    return value >= least - 1e-9 * max(1.0, abs(least))
