"""Responses under immunotherapy: progression counts once it is confirmed (iRECIST, after Seymour et al. 2017).

The words of RECIST 1.1 get an i; progression is unconfirmed (iUPD) when it is first seen and confirmed (iCPD) at the
next assessment: by further growth of what had progressed, or by progression of something else. Where tumours
shrink instead, the bar is reset. Times between assessments (four to eight weeks) are not judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tumorboard.metrics.response import NonTarget, Response

__all__ = ["IResponse", "Visit", "irecist"]

_FURTHER_MM = 5.0
_TARGET, _NON_TARGET, _NEW = "target", "non-target", "new"
_SLACK_MM = 1e-9


class IResponse(StrEnum):
    """Response of one assessment."""

    CR = "iCR"
    PR = "iPR"
    SD = "iSD"
    UNCONFIRMED = "iUPD"
    CONFIRMED = "iCPD"
    NE = "NE"
    PRESENT = "non-iCR/non-iUPD"


@dataclass(frozen=True)
class Visit:
    """One assessment after the baseline, judged by RECIST 1.1.

    `target`, `non_target`: None where there are none. `response`: overall, new lesions left out. `sum_mm`, `other_mm`:
    of target and of non-target lesions, None where not measured. `new`: every new lesion at this visit (also if seen
    before) and its diameter in mm, 0 for one that is too small to measure. `measurable`: those of them that are
    large enough to be followed by 5 mm; any growth of the others counts.
    """

    target: Response | None
    non_target: NonTarget | None
    response: Response
    sum_mm: float | None = None
    other_mm: float | None = None
    new: Mapping[str, float] = field(default_factory=dict)
    measurable: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Pending:
    """What had progressed when progression was first seen, and how large it was then."""

    parts: frozenset[str]
    first: Visit
    measurable: frozenset[str]


def irecist(visits: Sequence[Visit]) -> list[IResponse]:
    """The response of each visit, in time.

    Growth since the first unconfirmed progression adds up over visits. A new lesion that stays as it is keeps iUPD
    while targets are stable; with iPR or iCR of the targets, or once it is gone, the bar is reset. After iCPD all is
    iCPD.
    """
    found: list[IResponse] = []
    pending: _Pending | None = None
    known: set[str] = set()
    for visit in visits:
        if IResponse.CONFIRMED in found:
            found.append(IResponse.CONFIRMED)
            continue
        now = _progressing(visit, known)
        known |= set(visit.new)
        if pending is not None and _confirmed(visit, now, pending):
            answer = IResponse.CONFIRMED
        elif now or (pending is not None and _stays(visit, pending)):
            answer = IResponse.UNCONFIRMED
            pending = pending or _Pending(frozenset(now), visit, visit.measurable)
        else:
            answer = _without_progression(visit)
            if answer is not IResponse.NE:
                pending = None
        found.append(answer)
    return found


def _progressing(visit: Visit, known: set[str]) -> set[str]:
    """The parts that meet RECIST's progression at this visit; of new lesions, those never seen before."""
    parts = set()
    if visit.target is Response.PD:
        parts.add(_TARGET)
    if visit.non_target is NonTarget.PD:
        parts.add(_NON_TARGET)
    if set(visit.new) - known:
        parts.add(_NEW)
    return parts


def _confirmed(visit: Visit, now: set[str], pending: _Pending) -> bool:
    first = pending.first
    if now - pending.parts:  # what had not progressed before
        return True
    if _TARGET in pending.parts and _grown(first.sum_mm, visit.sum_mm, _FURTHER_MM):
        return True
    if _NON_TARGET in pending.parts and _grown(first.other_mm, visit.other_mm, 0.0):
        return True
    return _NEW in pending.parts and (_NEW in now or _new_grown(visit, pending))


def _new_grown(visit: Visit, pending: _Pending) -> bool:
    before, after = pending.first.new, visit.new
    followed = [name for name in pending.measurable if name in before]
    sums = [sum(one.get(name, 0.0) for name in followed) for one in (before, after)]
    others = [name for name in before if name not in pending.measurable]
    return _grown(sums[0], sums[1], _FURTHER_MM) or any(_grown(before[n], after.get(n), 0.0) for n in others)


def _grown(before: float | None, after: float | None, least: float) -> bool:
    """By `least` mm or more; by anything where `least` is 0."""
    if before is None or after is None:
        return False
    return after - before >= least - _SLACK_MM if least else after - before > _SLACK_MM


def _stays(visit: Visit, pending: _Pending) -> bool:
    """Nothing progresses anew, yet a new lesion is still there and the targets have not responded."""
    here = _NEW in pending.parts and bool(visit.new)
    return here and visit.target not in (Response.CR, Response.PR)


def _without_progression(visit: Visit) -> IResponse:
    answer = {
        Response.CR: IResponse.CR,
        Response.PR: IResponse.PR,
        Response.SD: IResponse.SD,
        Response.NE: IResponse.NE,
        Response.PRESENT: IResponse.PRESENT,
    }[visit.response]
    if answer is IResponse.CR and visit.new:  # an earlier new lesion is still there
        return IResponse.PR
    return answer
