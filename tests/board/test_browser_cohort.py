"""The choice of patients acts on curves, calibration and scores: figures of the page against other programs' figures of
the same patients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, WHY_NOT, Browser
from numpy.typing import NDArray

from tumorboard.board.build import build_board
from tumorboard.core.cohort import Cohort

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
N = 90


@pytest.fixture(scope="module")
def drawn() -> dict[str, NDArray[Any]]:
    """90 patients of two centres: times with ties, a risk with ties that tells something, HPV and its probability."""
    rng = np.random.default_rng(11)
    risk = rng.normal(size=N).round(1)
    days = np.ceil(rng.exponential(900 * np.exp(-risk)) / 30) * 30
    hpv = rng.random(N) < 0.5
    return {
        "centre": rng.choice(["North", "South", "West"], N),
        "days": days,
        "event": rng.random(N) < 0.6,
        "risk": risk,
        "hpv": hpv,
        "share": np.clip(0.5 + 0.2 * (hpv - 0.5) + 0.2 * rng.normal(size=N), 0, 1).round(2),
        "dice": rng.random(N).round(4),
    }


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, NDArray[Any]]) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("cohort")
    names = [f"P{i:02d}" for i in range(N)]
    curve = {"curve_days": [365.25, 730.5, 1826.25]}
    outcomes: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        seen = {"event": bool(drawn["event"][i]), "time_days": float(drawn["days"][i])}
        left = float(np.exp(-0.3 * np.exp(drawn["risk"][i])))
        told = {"score": float(drawn["risk"][i]), "curve_survival": [left, left**2, left**5], **curve}
        share = float(drawn["share"][i])
        outcomes += [
            {"patient_id": name, "endpoint": "OS", "run_id": "expert", "survival": seen},
            {"patient_id": name, "endpoint": "OS", "run_id": "cox", **told},
            {
                "patient_id": name, "endpoint": "HPV", "run_id": "expert",
                "class_value": "positive" if drawn["hpv"][i] else "negative",
            },
            {
                "patient_id": name, "endpoint": "HPV", "run_id": "forest", "score": share,
                "class_value": "positive" if share >= 0.5 else "negative",
                "probabilities": {"negative": 1 - share, "positive": share},
            },
        ]  # fmt: skip
    cohort = Cohort.build(
        "choose",
        patients=[{"patient_id": name, "centre": str(drawn["centre"][i])} for i, name in enumerate(names)],
        outcomes=outcomes,
        runs=[{"run_id": "cox", "task": "prognosis"}, {"run_id": "forest", "task": "classification"}],
    )
    scores = [
        {"run": "net", "task": "segmentation", "metric": "dice", "label": "", "subset": name, "n": 1}
        | {"value": float(drawn["dice"][i]), "low": None, "high": None}
        for i, name in enumerate(names)
    ]
    index = build_board(cohort, folder / "board", scores=scores)
    with Browser(folder / "profile") as opened:
        opened.open(index.as_uri())
        yield opened
        assert opened.messages == []


def test_the_log_rank_test_is_that_of_lifelines(page: Browser, drawn: dict[str, NDArray[Any]]) -> None:
    from lifelines.statistics import multivariate_logrank_test

    for names in (["North", "South"], ["North", "South", "West"]):
        kept = np.isin(drawn["centre"], names)
        theirs = multivariate_logrank_test(drawn["days"][kept], drawn["centre"][kept], drawn["event"][kept])
        groups = [
            [[float(drawn["days"][i]), int(drawn["event"][i])] for i in np.flatnonzero(drawn["centre"] == name)]
            for name in names
        ]
        ours = page.run(f"Statistics.logRank({json.dumps(groups)})")
        assert [ours["value"], ours["p"]] == pytest.approx([theirs.test_statistic, theirs.p_value], rel=1e-8)


def test_tails_and_intervals_are_those_of_scipy(page: Browser) -> None:
    from scipy import stats

    for value, degrees in ((0.01, 1), (3.84, 1), (9.0, 1), (40.0, 1), (2.0, 2), (7.8, 3), (30.0, 4), (5.0, 7)):
        ours = page.run(f"Statistics.chiSquareTail({value}, {degrees})")
        assert ours == pytest.approx(stats.chi2.sf(value, degrees), rel=1e-9)
    values = [0.3, 0.8, 0.5, 0.9, 0.4, 0.7, 0.65, 0.2]
    ours = page.run(f"Statistics.mean({values})")
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert [ours["middle"], ours["low"], ours["high"]] == pytest.approx([np.mean(values), low, high], abs=2e-4)


@pytest.mark.parametrize("chosen", ["", "North", "South"])
def test_scores_follow_the_choice(page: Browser, drawn: dict[str, NDArray[Any]], chosen: str) -> None:
    """C-index, AUC and means of the chosen patients, against lifelines and scikit-learn."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import concordance_index
    from sklearn.metrics import roc_auc_score

    level = page.run(
        "(() => { const s = document.querySelector('select[name=centre]'); const o = [...s.options].find((o) => "
        f"o.textContent.startsWith('{chosen or 'all'}')); s.value = o.value;"
        " s.dispatchEvent(new Event('input', {bubbles: true})); return s.value; })()"
    )
    assert (level == "") == (chosen == "")
    kept = np.ones(N, bool) if not chosen else drawn["centre"] == chosen
    page.wait(f"document.querySelector('#filters').dataset.n === '{kept.sum()}'")
    days, event, risk = (drawn[name][kept] for name in ("days", "event", "risk"))

    row = page.run("[...document.querySelector('.models tbody tr').cells].map((cell) => cell.textContent)")
    horizon = page.run("Tumorboard.data('models').risks.OS.days")
    assert horizon == max(d for d in (182.625, 365.25, 730.5, 1095.75) if d <= np.quantile(drawn["days"], 0.8))
    power = 5 if horizon >= 1826.25 else 2 if horizon >= 730.5 else 1 if horizon >= 365.25 else 0
    foretold = np.exp(-0.3 * np.exp(risk)) ** power
    fitted = KaplanMeierFitter().fit(days, event).predict(horizon)
    assert row[0] == "cox" and row[4] == f"{event.sum()} / {kept.sum()}"
    assert float(row[1]) == pytest.approx(concordance_index(days, -risk, event), abs=5e-4)
    assert [float(row[2]), float(row[3])] == pytest.approx([foretold.mean(), fitted], abs=0.011)

    tables = page.run("[...document.querySelectorAll('.models table')].map((t) => t.textContent)")
    area = roc_auc_score(drawn["hpv"][kept], drawn["share"][kept])
    assert f"{area:.3f}" in next(text for text in tables if "AUC" in text)
    assert f"{drawn['dice'][kept].mean():.3f}" in next(text for text in tables if "dice" in text)
    captions = page.run("[...document.querySelectorAll('.curves figcaption')].map((c) => c.textContent)")
    assert captions == [f"OS: events in {event.sum()} of {kept.sum()} patients"]
    told = page.run("getComputedStyle(document.querySelector('#who .of-all')).display")
    assert told == ("block" if chosen else "none"), "what does not follow says so"


def test_curves_by_groups(page: Browser, drawn: dict[str, NDArray[Any]]) -> None:
    page.run("document.querySelector('.filters button').click()")
    page.choose("#outcomes select.by", "centre")
    text = page.run("document.querySelector('.curves').textContent")
    for name in ("North", "South", "West"):
        mine = drawn["centre"] == name
        assert f"{name} ({drawn['event'][mine].sum()} of {mine.sum()})" in text
    assert "Log-rank p" in text
    page.choose("#outcomes select.by", "")
