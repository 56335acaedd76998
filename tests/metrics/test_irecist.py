"""iRECIST: the rows of the published table of time point responses (Seymour et al. 2017), and courses over time."""

from __future__ import annotations

import pytest

from tumorboard.metrics.irecist import IResponse, Visit, irecist
from tumorboard.metrics.response import NonTarget, Response, overall_response

CR, PR, SD, PD, NE = Response.CR, Response.PR, Response.SD, Response.PD, Response.NE
UPD, CPD = IResponse.UNCONFIRMED, IResponse.CONFIRMED
GONE, THERE, GROWN = NonTarget.CR, NonTarget.PRESENT, NonTarget.PD


def visit(target, non_target=THERE, sum_mm=None, other_mm=None, new=None, big=()) -> Visit:
    overall = overall_response(target, non_target, new=False)
    return Visit(target, non_target, overall, sum_mm, other_mm, new or {}, frozenset(big))


@pytest.mark.parametrize(
    ("target", "non_target", "new", "expected"),
    [
        (CR, GONE, {}, IResponse.CR),
        (CR, THERE, {}, IResponse.PR),
        (PR, THERE, {}, IResponse.PR),
        (SD, THERE, {}, IResponse.SD),
        (SD, GROWN, {}, UPD),
        (CR, GROWN, {}, UPD),
        (PD, THERE, {}, UPD),
        (PD, GONE, {}, UPD),
        (PD, GROWN, {}, UPD),
        (PD, GROWN, {"n": 12.0}, UPD),
        (SD, THERE, {"n": 12.0}, UPD),
        (NE, THERE, {}, IResponse.NE),
        (None, THERE, {}, IResponse.PRESENT),
    ],
)
def test_without_earlier_progression(target, non_target, new, expected) -> None:
    assert irecist([visit(target, non_target, new=new)]) == [expected]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        # targets progressed: 5 mm more confirm, less does not
        (visit(PD, sum_mm=60), visit(PD, sum_mm=65), CPD),
        (visit(PD, sum_mm=60), visit(PD, sum_mm=64.9), UPD),
        (visit(PD, sum_mm=60), visit(PD, sum_mm=55), UPD),
        # non-targets progressed: any growth confirms, unequivocal or not
        (visit(SD, GROWN, other_mm=30), visit(SD, GROWN, other_mm=31), CPD),
        (visit(SD, GROWN, other_mm=30), visit(SD, THERE, other_mm=30.5), CPD),
        (visit(SD, GROWN, other_mm=30), visit(SD, GROWN, other_mm=30), UPD),
        # a new lesion: 5 mm, or any growth of a small one, or one more
        (visit(SD, new={"n": 12.0}, big="n"), visit(SD, new={"n": 17.0}, big="n"), CPD),
        (visit(SD, new={"n": 12.0}, big="n"), visit(SD, new={"n": 16.0}, big="n"), UPD),
        (visit(SD, new={"n": 6.0}), visit(SD, new={"n": 7.0}), CPD),
        (visit(SD, new={"n": 6.0}), visit(SD, new={"n": 6.0}), UPD),
        (visit(SD, new={"n": 6.0}), visit(SD, new={"n": 6.0, "m": 6.0}), CPD),
        # progression of something that had not progressed before
        (visit(PD, sum_mm=60), visit(PD, sum_mm=60, new={"n": 8.0}), CPD),
        (visit(SD, GROWN, other_mm=30), visit(PD, GROWN, sum_mm=70, other_mm=30), CPD),
        (visit(SD, new={"n": 12.0}, big="n"), visit(SD, GROWN, new={"n": 12.0}, big="n"), CPD),
        # both had progressed, neither grows
        (visit(PD, GROWN, sum_mm=60, other_mm=30), visit(PD, GROWN, sum_mm=62, other_mm=30), UPD),
        # shrinkage resets the bar
        (visit(PD, sum_mm=60), visit(SD, sum_mm=50), IResponse.SD),
        (visit(PD, sum_mm=60), visit(PR, sum_mm=30), IResponse.PR),
        (visit(SD, new={"n": 12.0}, big="n"), visit(PR, new={"n": 12.0}, big="n"), IResponse.PR),
        (visit(SD, new={"n": 12.0}, big="n"), visit(SD), IResponse.SD),
    ],
)
def test_after_unconfirmed_progression(first, second, expected) -> None:
    assert irecist([first, second]) == [UPD, expected]


def test_growth_adds_up_over_visits() -> None:
    """4 mm and then 2 mm more are 6 mm (frequently asked questions of the EORTC's RECIST group)."""
    sizes = (12.0, 16.0, 18.0)
    course = [visit(SD, new={"n": size}, big="n") for size in sizes]
    assert irecist(course) == [UPD, UPD, CPD]


def test_after_a_reset_progression_is_unconfirmed_again() -> None:
    course = [visit(PD, sum_mm=60), visit(PR, sum_mm=30), visit(PD, sum_mm=45), visit(PD, sum_mm=50)]
    assert irecist(course) == [UPD, IResponse.PR, UPD, CPD]


def test_what_cannot_be_assessed_keeps_progression_open() -> None:
    course = [visit(PD, sum_mm=60), visit(NE), visit(PD, sum_mm=66)]
    assert irecist(course) == [UPD, IResponse.NE, CPD]


def test_confirmed_progression_stays() -> None:
    course = [visit(PD, sum_mm=60), visit(PD, sum_mm=70), visit(PR, sum_mm=20)]
    assert irecist(course) == [UPD, CPD, CPD]


def test_an_old_new_lesion_keeps_from_complete_response() -> None:
    course = [visit(SD, new={"n": 12.0}, big="n"), visit(CR, GONE, sum_mm=0, new={"n": 9.0}, big="n")]
    assert irecist(course) == [UPD, IResponse.PR]
