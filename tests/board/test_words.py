"""Names, rankings, summaries and plots: what the pages say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tumorboard.board import plots, summary
from tumorboard.board.names import safe_names
from tumorboard.board.pages import show_number
from tumorboard.board.scoreboard import metric_of, rank_scores
from tumorboard.core.outcome import Survival
from tumorboard.metrics.registry import METRICS, metric_id


def test_names_are_safe_and_unique_even_without_case() -> None:
    ids = ["MDA-001", "mda-001", "../../etc/passwd", "", "a b", "a/b", "ü", "x" * 300, "CON.."]
    names = safe_names(ids)
    assert names["MDA-001"] == "MDA-001"
    assert len({name.lower() for name in names.values()}) == len(ids)
    assert all(name.replace("-", "").replace("_", "").isascii() and "/" not in name for name in names.values())
    assert all(name and "." not in name and len(name) <= 90 for name in names.values())


def score(run: str, value: float | None, **other: Any) -> dict[str, Any]:
    row = {"run": run, "task": "segmentation", "metric": "dice", "label": "GTVp", "subset": "all"}
    return row | {"value": value, "low": None, "high": None, "n": 5} | other


def test_rankings_are_sorted_and_a_defeat_is_said_in_words() -> None:
    rows = [
        score("flat", 0.5),
        score("net", 0.4),
        score("good", 0.7, low=0.6, high=0.8),
        score("close", 0.55, low=0.45, high=0.65),
        score("same", 0.5),
        score("none", None),
    ]
    (ranking,) = rank_scores(rows, baselines={"segmentation": {"flat"}})
    assert [s.run for s in ranking.standings] == ["good", "close", "flat", "same", "net", "none"]
    verdicts = {s.run: (s.verdict, s.beaten) for s in ranking.standings}
    assert verdicts["net"] == ("worse than the baseline flat (0.5); no interval given", True)
    assert verdicts["same"] == ("no better than the baseline flat", True)
    assert verdicts["good"] == ("ahead of the best baseline flat (0.5)", False)
    assert verdicts["close"][0].endswith("its interval includes the baseline's value")
    assert verdicts["none"] == ("undefined", False)
    assert verdicts["flat"] == ("", False)


def test_distances_rank_the_other_way_round() -> None:
    name = metric_id("hd95_mm", definition="voxel borders")
    rows = [score("far", 9.0, metric=name), score("near", 2.0, metric=name, low=1, high=3)]
    (ranking,) = rank_scores(rows, baselines={"segmentation": {"far"}})
    assert [s.run for s in ranking.standings] == ["near", "far"]
    assert ranking.standings[0].verdict == "ahead of the best baseline far (9)"
    assert ranking.title.endswith("(voxel borders)")


def test_a_paired_difference_stands_in_the_verdict() -> None:
    rows = [
        score("flat", 0.5),
        score("net", 0.6, low=0.4, high=0.8),
        score("net", 0.1, metric="dice minus flat", low=0.02, high=0.18),
        score("late", 0.4, low=0.3, high=0.5),
        score("late", -0.1, metric="dice minus flat", low=-0.3, high=0.1),
    ]
    (ranking,) = rank_scores(rows, baselines={"segmentation": {"flat"}})
    verdicts = {s.run: (s.verdict, s.beaten) for s in ranking.standings}
    assert verdicts["net"] == (
        "ahead of the best baseline flat (0.5): paired difference +0.100 (+0.020 to +0.180)",
        False,
    )
    assert verdicts["late"] == (
        "worse than the baseline flat (0.5): paired difference -0.100 (-0.300 to +0.100, which includes 0)",
        True,
    )


def test_errors_with_a_sign_rank_by_their_size() -> None:
    signed = next(metric.name for metric in METRICS.values() if metric.better == "zero")
    rows = [score("under", -0.5, metric=signed), score("flat", 0.3, metric=signed), score("net", 0.1, metric=signed)]
    (ranking,) = rank_scores(rows, baselines={"segmentation": {"flat"}})
    assert [s.run for s in ranking.standings] == ["net", "flat", "under"]


def test_a_metric_nobody_described_is_shown_and_not_ranked() -> None:
    rows = [score("b", 1.0, metric="mystery"), score("a", 2.0, metric="mystery")]
    (ranking,) = rank_scores(rows, baselines={"segmentation": {"a"}})
    assert ([s.run for s in ranking.standings], ranking.better) == (["b", "a"], "none")
    assert ranking.standings[0].verdict == ""


def test_every_registered_metric_is_found_by_its_identifier() -> None:
    for metric in METRICS.values():
        assert metric_of(metric_id(metric.name, definition="surface elements", tolerance_mm=2)) is metric


def test_summaries_count_by_centre(make_cohort: Any) -> None:
    cohort = make_cohort(pet=False)
    north, south, everyone = summary.centre_rows(cohort)
    assert (north.centre, north.patients, north.female, north.age) == ("North", 2, 2, (60.5, 60.0, 61.0))
    assert (south.events, everyone.events) == ({"OS": (1, 1)}, {"OS": (2, 3)})
    known = {k.name: k.counts for k in summary.known_by_centre(cohort)}
    assert known["CT image"] == {"North": (2, 2), "South": (1, 1)}
    assert known["OS"] == {"North": (2, 2), "South": (1, 1)}
    assert "PT image" not in known
    assert summary.is_synthetic(cohort)


def test_findings_reach_the_patients_they_name(make_cohort: Any) -> None:
    cohort = make_cohort()
    where = ["A-1", "images, A-1.0.PT", "patient B 2/../<i>", "A-10", "outcomes, a-1, OS", "the whole cohort"]
    findings = [{"code": "X", "severity": "error", "where": w, "message": "", "fix": ""} for w in where]
    named = summary.findings_by_patient(cohort, findings)
    assert {patient: [f["where"] for f in rows] for patient, rows in named.items()} == {
        "A-1": where[:2],
        "B 2/../<i>": [where[2]],
        "a-1": [where[4]],
    }


def test_the_survival_curve_and_the_numbers_at_risk() -> None:
    """By hand: 6 patients, event at 1 y (6 at risk), censored at 1.5 y, events at 2 y (4 at risk, 2 die)."""
    years = np.array([1.0, 1.5, 2.0, 2.0, 3.0, 4.0])
    event = np.array([True, False, True, True, False, False])
    survival = Survival("OS", tuple("abcdef"), event, years * 365.25)
    figure = plots.kaplan_meier(survival)
    axes = figure.axes[0]
    curve = axes.lines[0]
    levels = dict(zip(np.round(curve.get_xdata(), 6), curve.get_ydata(), strict=True))
    assert levels[1.0] == pytest.approx(5 / 6)
    assert levels[2.0] == pytest.approx(5 / 6 * 2 / 4)
    words = [text.get_text() for text in axes.texts]
    ticks = [t for t in axes.get_xticks() if 0 <= t <= axes.get_xlim()[1]]
    assert words[words.index("at risk") + 1 :][: len(ticks)] == [str(int((years >= t).sum())) for t in ticks]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0.00"), (0.12345, "0.12"), (3.14159, "3.14"), (23.456, "23.5"), (1234.5, "1234")],
)
def test_numbers_are_shown_without_false_precision(value: float | None, text: str) -> None:
    assert show_number(value) == text
