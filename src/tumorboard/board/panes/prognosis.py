"""What models foretell of the patient's time to an event: curve, rank among all patients, risk group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.tables import EXPERT

__all__ = ["pane"]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 460.0, 230.0, 40.0, 26.0, 10.0, 12.0
DAYS_PER_YEAR = 365.25
GROUPS = ("low", "middle", "high")
_LINES = 8


def pane(patient: PatientFacts) -> Pane | None:
    """Left out when no run foretells a curve or a risk of an endpoint with times."""
    rows = [row for row in patient.outcomes if row["run_id"] != EXPERT and row["curve_days"]]
    if not rows:
        return None
    stated = {row["endpoint"]: row["survival"] for row in patient.outcomes if row["run_id"] == EXPERT}
    endpoints = []
    for endpoint in sorted({row["endpoint"] for row in rows}):
        mine = sorted((row for row in rows if row["endpoint"] == endpoint), key=lambda row: row["run_id"])
        endpoints.append(_endpoint(endpoint, mine, stated.get(endpoint), patient.board.risks_of))
    return Pane("prognosis", "Prognosis", {"endpoints": endpoints, "width": WIDTH, "height": HEIGHT})


def _endpoint(
    endpoint: str,
    rows: Sequence[Mapping[str, Any]],
    stated: Mapping[str, Any] | None,
    everybody: Mapping[tuple[str, str], Sequence[float]],
) -> dict[str, Any]:
    last = max(max(row["curve_days"]) for row in rows)

    def x(day: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * day / max(last, 1e-9)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    curves = []
    for number, row in enumerate(rows):
        days, shares = [0.0, *row["curve_days"]], [1.0, *row["curve_survival"]]
        path = f"M{x(0):.1f} {y(1):.1f}" + "".join(
            f"H{x(day):.1f}V{y(share):.1f}" for day, share in zip(days[1:], shares[1:], strict=True)
        )
        scores = everybody.get((endpoint, row["run_id"]), [])
        rank = _rank(scores, row["score"])
        curves.append(
            {
                "run": row["run_id"],
                "number": number % _LINES,
                "path": path,
                "n": len(scores),
                "rank": rank,
                "group": None if rank is None else GROUPS[min(int(3 * rank), 2)],
                "at": [_share_at(days, shares, year * DAYS_PER_YEAR) for year in (1, 2, 5)],
            }
        )
    years = [year for year in (0, 1, 2, 3, 5, 10, 15, 20) if year * DAYS_PER_YEAR <= last]
    return {
        "name": endpoint,
        "curves": curves,
        "ticks": [(x(year * DAYS_PER_YEAR), year) for year in years],
        "shares": [(y(share), f"{share:g}") for share in (0, 0.5, 1)],
        "seen": None if stated is None else {"x": min(x(stated["time_days"]), WIDTH - RIGHT), **stated},
        "floor": y(0),
        "roof": y(1),
        "left": LEFT,
        "right": WIDTH - RIGHT,
    }


def _rank(scores: Sequence[float], mine: float | None) -> float | None:
    """Share of the patients with a lower risk, ties half; None with fewer than three patients."""
    if mine is None or len(scores) < 3:
        return None
    low, high = np.searchsorted(scores, mine, "left"), np.searchsorted(scores, mine, "right")
    return float(low + high) / 2 / len(scores)


def _share_at(days: Sequence[float], shares: Sequence[float], day: float) -> float | None:
    if day > days[-1]:
        return None
    return float(shares[int(np.searchsorted(days, day, "right")) - 1])
