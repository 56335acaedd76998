"""RECIST 1.1 arithmetic: every boundary case of the standard's page, the tables, and what must always hold."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumorboard.metrics.growth import axes_volume_ml, growth
from tumorboard.metrics.response import (
    Candidate,
    Lesion,
    NonTarget,
    Response,
    Rules,
    Seen,
    Sight,
    assess,
    best_response,
    choose_targets,
    is_measurable,
    overall_response,
)

CR, PR, SD, PD, NE = Response.CR, Response.PR, Response.SD, Response.PD, Response.NE
GONE, MISSED, FAINT = Sight(Seen.ABSENT), Sight(Seen.NOT_ASSESSED), Sight(Seen.TOO_SMALL)


def sight(value) -> Sight:
    return value if isinstance(value, Sight) else Sight(Seen.MEASURED, float(value))


def lesion(*values, name="a", node=False, target=True) -> Lesion:
    return Lesion(name, node, target, tuple(sight(value) for value in values))


def course(*lesions, new=None):
    exams = len(lesions[0].sights)
    return assess(lesions, new or [()] * exams)


@pytest.mark.parametrize(
    "sums,expected",
    [
        ((100, 70), PR),  # exactly 30 %
        ((100, 70.1), SD),
        ((25, 30), PD),  # exactly 20 % and exactly 5 mm
        ((24, 28.8), SD),  # 20 %, but 4.8 mm
        ((10, 12), SD),  # 20 %, but 2 mm
        ((100, 105), SD),  # 5 mm, but 5 %
        ((100, 50, 62), PD),  # 24 % above nadir, though 38 % below baseline
        ((100, 50, 59), PR),  # 18 % above nadir
        ((100, 120, 100), SD),  # nadir is the baseline
        ((0.3, 0.21), PR),  # 0.3 - 0.21 is 0.09 only nearly, in binary
        ((14.1, 9.87), PR),
        ((33.3, 39.96), PD),
        ((100, 0), CR),
    ],
)
def test_boundaries_of_one_lesion(sums, expected) -> None:
    assert course(lesion(*sums))[-1].response is expected


def test_ten_times_a_tenth_is_one() -> None:
    """Sums of decimal fractions: 3 x 33.4 = 100.2 and 3 x 23.38 = 70.14 = 70 %."""
    parts = [lesion(33.4, 23.38, name=name) for name in "abc"]
    assert course(*parts)[-1].response is PR
    grown = [lesion(8.1, 9.72, name=name) for name in "abcd"]  # 32.4 to 38.88: 20 %, 6.48 mm
    assert course(*grown)[-1].response is PD


def test_nodes_under_ten_millimetres_are_gone_but_count() -> None:
    both = course(lesion(30, GONE), lesion(18, 9.9, name="n", node=True))[-1]
    assert (both.response, both.sum_mm) == (CR, 9.9)
    still = course(lesion(30, GONE), lesion(18, 10, name="n", node=True))[-1]
    assert still.response is PR
    other = course(lesion(30, GONE), lesion(12, 9, name="n", node=True, target=False))[-1]
    assert (other.non_target, other.response) == (NonTarget.CR, CR)
    larger = course(lesion(30, GONE), lesion(12, 11, name="n", node=True, target=False))[-1]
    assert (larger.non_target, larger.response) == (NonTarget.PRESENT, PR)


def test_too_small_is_five_gone_is_nothing_and_small_values_are_kept() -> None:
    assert course(lesion(20, FAINT))[-1].sum_mm == 5
    assert course(lesion(20, GONE))[-1].sum_mm == 0
    assert course(lesion(20, 3.2))[-1].sum_mm == 3.2


def test_not_assessed_is_ne_unless_progression_is_certain() -> None:
    a, b = lesion(40, 44), lesion(30, MISSED, name="b")
    assert course(a, b)[-1].response is NE
    assert course(a, b)[-1].sum_mm is None
    sure = course(lesion(40, 84), b)[-1]  # 84 alone is 20 % above 70
    assert sure.response is PD
    later = course(lesion(40, 20, 20), lesion(30, MISSED, 30, name="b"))
    assert [one.response for one in later] == [NE, SD]
    assert later[1].nadir_mm == 70  # an incomplete sum is no nadir


def test_what_came_back() -> None:
    """After complete response any return is progression; after partial response it is added to the sum."""
    assert course(lesion(20, GONE, 3))[-1].response is PD
    assert course(lesion(20, GONE, 3), lesion(50, 30, 30, name="b"))[-1].response is PR


def test_new_lesions_and_unequivocal_progression_outrank_everything() -> None:
    gone = lesion(40, GONE)
    assert course(gone, new=[(), ("x",)])[-1].response is PD
    worse = lesion(8, Sight(Seen.MEASURED, 30.0, progression=True), name="o", target=False)
    assert course(gone, worse)[-1].response is PD
    assert course(lesion(100, 50), new=[(), ("x",)])[-1].why.startswith("new: x")


def test_growth_of_non_targets_counts_when_asked() -> None:
    pair = [lesion(40, 40), lesion(9, 20, name="o", target=False)]
    assert assess(pair, [(), ()])[-1].response is SD
    assert assess(pair, [(), ()], Rules(non_target_growth=0.73))[-1].response is PD
    assert assess(pair, [(), ()], Rules(non_target_growth=1.5))[-1].response is SD


TABLE = [  # targets, non-targets, new, response: tables 1 and 2 of the standard
    (CR, NonTarget.CR, False, CR),
    (CR, None, False, CR),
    (CR, NonTarget.PRESENT, False, PR),
    (CR, NonTarget.NE, False, PR),
    (PR, NonTarget.PRESENT, False, PR),
    (PR, NonTarget.NE, False, PR),
    (SD, NonTarget.CR, False, SD),
    (SD, NonTarget.NE, False, SD),
    (NE, NonTarget.PRESENT, False, NE),
    (NE, NonTarget.PD, False, PD),
    (PD, NonTarget.CR, False, PD),
    (PR, NonTarget.PD, False, PD),
    (CR, NonTarget.CR, True, PD),
    (None, NonTarget.CR, False, CR),
    (None, NonTarget.PRESENT, False, Response.PRESENT),
    (None, NonTarget.NE, False, NE),
    (None, NonTarget.PD, False, PD),
    (None, None, False, NE),
    (None, None, True, PD),
]


@pytest.mark.parametrize("target,non_target,new,expected", TABLE)
def test_table_of_overall_response(target, non_target, new, expected) -> None:
    assert overall_response(target, non_target, new=new) is expected


# ---- baseline -----------------------------------------------------------------------------------------------------


def candidate(name, long_mm, short_mm=None, *, organ="liver", node=False, slice_mm=None, parts=1, asked=None):
    return Candidate(name, organ, node, long_mm, short_mm, slice_mm, parts, asked)


@pytest.mark.parametrize(
    "one,expected",
    [
        (candidate("a", 10.0), True),
        (candidate("a", 9.99), False),
        (candidate("a", 30, 15, node=True), True),
        (candidate("a", 30, 14.9, node=True), False),
        (candidate("a", 12, slice_mm=5), True),
        (candidate("a", 12, slice_mm=7), False),  # twice the interval is 14
        (candidate("a", 14, slice_mm=7), True),
    ],
)
def test_measurable(one, expected) -> None:
    assert is_measurable(one) is expected


def test_five_targets_two_per_organ_the_largest() -> None:
    listed = [candidate(f"{organ}{n}", 50 - n, organ=organ) for organ in ("liver", "lung", "bone") for n in range(3)]
    assert choose_targets(listed) == {"bone0", "bone1", "liver0", "liver1", "lung0"}
    nodes = [candidate(f"n{n}", 60, 20 + n, organ=f"station {n}", node=True) for n in range(3)]
    assert choose_targets(nodes) == {"n1", "n2"}  # all nodes are one organ
    assert choose_targets(reversed(listed)) == choose_targets(listed)
    assert choose_targets([candidate("m", 40, parts=2), candidate("a", 30)]) == {"m"}  # two lesions that merge later
    assert choose_targets([candidate("big", 40, asked=False), candidate("small", 12)]) == {"small"}
    assert choose_targets([candidate("big", 40), candidate("small", 9.8, asked=True)]) == {"small"}


# ---- best response ------------------------------------------------------------------------------------------------


def test_best_response() -> None:
    days = [30, 60, 90]
    assert best_response([SD, PR, PD], days) is PR
    assert best_response([PD, CR, CR], days) is PD  # what comes after progression does not count
    assert best_response([NE, SD, NE], days) is SD
    assert best_response([], []) is NE
    assert best_response([SD, PD], days[:2], least_stable_days=42) is PD
    assert best_response([SD, NE], days[:2], least_stable_days=42) is NE


def test_confirmed_best_response() -> None:
    best = lambda responses, days, **more: best_response(responses, days, confirm_days=28, **more)  # noqa: E731
    assert best([PR, PR], [40, 68]) is PR
    assert best([PR, PR], [40, 67]) is SD
    assert best([PR, NE, PR], [40, 60, 80]) is PR
    assert best([PR, SD, PR], [40, 60, 80]) is SD
    assert best([CR, PR], [40, 80]) is PR  # seen again, though not as complete
    assert best([CR, CR], [40, 80]) is CR
    assert best([PR, PD], [40, 80]) is SD
    assert best([PR, PD], [40, 80], least_stable_days=42) is PD
    with pytest.raises(ValueError, match="day"):
        best([PR, PR], [40, None])


# ---- what must always hold ----------------------------------------------------------------------------------------

tenths = st.integers(0, 1500).map(lambda n: n / 10)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(tenths.filter(lambda v: v >= 10), tenths, tenths), min_size=1, max_size=5))
def test_the_rules_in_whole_tenths_of_a_millimetre(rows) -> None:
    """The same decisions in integers (tenths of a millimetre), where nothing is rounded."""
    found = course(*[lesion(*row, name=str(n)) for n, row in enumerate(rows)])
    sums = [sum(round(10 * row[exam]) for row in rows) for exam in range(3)]
    complete = False
    for exam in (1, 2):
        nadir, now = min(sums[:exam]), sums[exam]
        if now == 0:
            expected = CR
        elif (5 * (now - nadir) >= nadir and now - nadir >= 50) or complete:
            expected = PD
        else:
            expected = PR if 10 * (sums[0] - now) >= 3 * sums[0] else SD
        assert found[exam - 1].response is expected
        complete = expected is CR


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(tenths.filter(lambda v: v >= 10), tenths), min_size=2, max_size=5),
    st.floats(0.5, 3),
    st.randoms(use_true_random=False),
)
def test_order_and_unit_do_not_matter(rows, factor, random) -> None:
    """The order of lesions never changes the response; larger units keep the relative rules."""
    listed = [lesion(*row, name=str(n)) for n, row in enumerate(rows)]
    mixed = listed.copy()
    random.shuffle(mixed)
    one, two = course(*listed)[-1], course(*mixed)[-1]
    assert (one.response, one.new) == (two.response, two.new)
    assert one.sum_mm == pytest.approx(two.sum_mm)
    share = one.change_share
    scaled = course(*[lesion(*[v * factor for v in row], name=str(n)) for n, row in enumerate(rows)])[-1]
    assert scaled.change_share == pytest.approx(share)
    if one.response is PR:
        assert scaled.response is PR


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="each exam"):
        assess([lesion(1, 2)], [()])


# ---- growth -------------------------------------------------------------------------------------------------------


def test_doubling_time_by_hand() -> None:
    """Schwartz: t ln 2 / ln(V2 / V1). From 1 to 4 ml in 100 days: 50 days; the rate's error is sqrt(2) e / t."""
    found = growth([0, 100], [1, 4], volume_error=0.1)
    assert (found.state, found.doubling_days) == ("growing", pytest.approx(50))
    reach = 1.959964 * math.sqrt(2) * 0.1 / 100
    assert found.high_per_day - found.per_day == pytest.approx(reach, rel=1e-5)
    assert found.low_days == pytest.approx(math.log(2) / (math.log(4) / 100 + reach), rel=1e-5)
    backwards = growth([0, 100], [4, 1], volume_error=0.1)
    assert (backwards.state, backwards.halving_days, backwards.doubling_days) == ("shrinking", pytest.approx(50), None)


def test_growth_within_the_error_and_undefined_cases_are_named() -> None:
    small = growth([0, 30], [1, 1.1], volume_error=0.2)
    assert small.state == "within the error of measurement"
    assert small.high_days is None  # no growth cannot be excluded
    assert small.doubling_days == pytest.approx(30 * math.log(2) / math.log(1.1))
    assert growth([5, 5], [1, 2], volume_error=0.1).state == "no time between exams"
    assert growth([0, 30], [1, 0], volume_error=0.1).state == "fewer than two volumes above zero"
    assert growth([0, 30], [1, math.nan], volume_error=0.1).state == "fewer than two volumes above zero"
    assert growth([0, 30], [2, 2], volume_error=0.1).state == "no change"
    with pytest.raises(ValueError, match="errors"):
        growth([0, 30], [1, 2], volume_error=0)


def test_growth_through_many_exams_is_the_weighted_line() -> None:
    days = [0, 40, 90, 150]
    exact = [2 * math.exp(0.01 * day) for day in days]
    for order in itertools.permutations(range(4)):
        found = growth([days[n] for n in order], [exact[n] for n in order], volume_error=[0.1, 0.2, 0.3, 0.1])
        assert found.per_day == pytest.approx(0.01)
    outlier = growth(days, [*exact[:3], 20 * exact[3]], volume_error=[0.01, 0.01, 0.01, 1e4])
    assert outlier.per_day == pytest.approx(0.01, rel=1e-3)


def test_volume_of_axes() -> None:
    assert axes_volume_ml(20, 20) == pytest.approx(4 / 3 * math.pi)  # a ball of 10 mm radius
