"""The figures themselves: results of `respond` in, matplotlib figures out. Nothing is written here.

Colours are told apart by the colour-blind, and every state has a word or a mark of its own beside its colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["STATES", "best_change", "confusion", "spider", "swimmers", "timeline", "waterfall"]

INK, FAINT = "#1d2733", "#c9cfd6"
STATES = {
    "CR": "#0b6e8f",
    "PR": "#56a3c4",
    "SD": "#a9adb3",
    "PD": "#b3541e",
    "NE": "#e6e2d8",
    "non-CR/non-PD": "#a9adb3",
}
LINES = ("#0b6e8f", "#b3541e", "#5a7d2a", "#7b4fa3", "#a08a00", "#3f4a56", "#c2477f", "#2f8f7f")
MARKS = "osD^vP*X"
_PR, _PD = -30.0, 20.0
_SHORT = {"non-CR/non-PD": "present"}


def timeline(result: Mapping[str, Any]) -> Figure:
    """One patient: sum of diameters with the smallest sum so far and the two thresholds, the response of each exam as a
    band above, every lesion's axis below (targets filled, others open, new ones from where they turn up)."""
    figure, (above, below) = _two_canvases()
    exams = result["exams"]
    days = _days(exams)
    sums = [exam["sum_mm"] for exam in exams]
    _bands(above, days, exams)
    shown = [(day, value) for day, value in zip(days, sums, strict=True) if value is not None]
    if shown:
        above.plot(
            *zip(*shown, strict=True), "o-", color=INK, linewidth=2, markersize=5, label="sum of targets", zorder=4
        )
        _thresholds(above, days, exams)
        highest = max(value for _, value in shown)
        above.set_ylim(0, 1.3 * max(highest, exams[0]["sum_mm"] or 0, 1))
        above.legend(frameon=False, fontsize=8, loc="upper left", ncols=4, bbox_to_anchor=(0, 1.2), borderaxespad=0)
    else:
        above.text(0.5, 0.5, "no targets", transform=above.transAxes, ha="center", color=INK)
        above.set_yticks([])
    above.set_ylabel("sum of diameters, mm")
    for number, lesion in enumerate(result["lesions"]):
        _lesion(below, days, lesion, number)
    below.set_ylim(0, None)
    below.set_ylabel("axis, mm")
    below.set_xlabel("days since baseline" if exams and exams[-1]["day"] is not None else "exam")
    below.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)
    best = f", best {result['best']}" if result["best"] else ""
    figure.suptitle(f"{result['patient']}: {result['rules']}{best}", x=0.1, ha="left", fontsize=11, color=INK)
    return figure


def _bands(axes: Axes, days: Sequence[float], exams: Sequence[Mapping[str, Any]]) -> None:
    """From half-way before to half-way after each exam: its response as colour and word."""
    edges = [days[0], *[(a + b) / 2 for a, b in pairwise(days)], days[-1] + max(days[-1] * 0.04, 1)]
    for left, right, exam in zip(edges[:-1], edges[1:], exams, strict=True):
        word = exam["response"]
        if word is None:
            continue
        axes.axvspan(left, right, color=STATES[word], alpha=0.25, linewidth=0, zorder=0)
        axes.text(
            (left + right) / 2, 0.95, word, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=9,
            color=INK, weight="bold",
        )  # fmt: skip
        if exam["new_lesions"]:
            axes.text(
                (left + right) / 2, 0.83, "new lesion", transform=axes.get_xaxis_transform(), ha="center", va="top",
                fontsize=7, color=INK,
            )  # fmt: skip


def _thresholds(axes: Axes, days: Sequence[float], exams: Sequence[Mapping[str, Any]]) -> None:
    baseline = exams[0]["sum_mm"]
    if baseline:
        axes.axhline(
            0.7 * baseline, color=STATES["CR"], linestyle=(0, (5, 2)), linewidth=1.2, label="-30 % of baseline"
        )
    nadir = [(day, exam["nadir_mm"]) for day, exam in zip(days, exams, strict=True) if exam["nadir_mm"] is not None]
    if nadir:
        at, low = (np.array(column, float) for column in zip(*nadir, strict=True))
        at = np.concatenate([[days[0]], at])
        low = np.concatenate([low, low[-1:]])
        axes.step(at, low, where="post", color=INK, linewidth=1, linestyle=":", label="smallest sum so far")
        limit = np.maximum(1.2 * low, low + 5)
        label = "+20 % and 5 mm of it"
        axes.step(at, limit, where="post", color=STATES["PD"], linewidth=1.2, linestyle=(0, (1, 1)), label=label)


def _lesion(axes: Axes, days: Sequence[float], lesion: Mapping[str, Any], number: int) -> None:
    points = [
        (day, value["diameter_mm"])
        for day, value in zip(days, lesion["values"], strict=True)
        if value["diameter_mm"] is not None and (lesion["role"] in ("target", "non-target") or value["findings"])
    ]
    if not points:
        return
    colour, mark = LINES[number % len(LINES)], MARKS[number % len(MARKS)]
    line = {"target": "-", "non-target": "--"}.get(lesion["role"], ":")
    what = " short" if lesion["node"] else ""
    axes.plot(
        *zip(*points, strict=True), line, color=colour, marker=mark, markersize=5, linewidth=1.5,
        markerfacecolor=colour if lesion["role"] == "target" else "white",
        label=f"{lesion['track'].rsplit('.', 1)[-1]} {lesion['organ']}{what}, {lesion['role']}",
    )  # fmt: skip


def best_change(result: Mapping[str, Any]) -> float | None:
    """Greatest fall (or least rise) of the sum, % of baseline, until the first progression; None without a sum."""
    changes = []
    for exam in result["exams"][1:]:
        if exam["change_from_baseline"] is not None:
            changes.append(100 * exam["change_from_baseline"])
        if exam["response"] == "PD":
            break
    return min(changes) if changes else None


def waterfall(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Best change of the sum of every patient, the greatest rise first; colour and letter are the best response."""
    known = [(change, one) for one in results if (change := best_change(one)) is not None]
    known.sort(key=lambda pair: (-pair[0], pair[1]["patient"]))
    figure, axes = _canvas(width=max(6.4, 0.16 * len(known) + 1.5))
    for place, (change, one) in enumerate(known):
        height = min(change, 100.0)
        axes.bar(place, height, color=STATES[one["best"]], edgecolor=INK, linewidth=0.4, width=0.82)
        tall = "*" if any(exam["new_lesions"] for exam in one["exams"]) else ""
        if tall:
            axes.text(place, height + (2 if height >= 0 else -2), tall, ha="center", fontsize=9, color=INK,
                      va="bottom" if height >= 0 else "top")  # fmt: skip
    for level in (_PD, _PR):
        axes.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks([])
    axes.set_ylim(-108, min(max([20.0, *[change for change, _ in known]]) * 1.15 + 5, 112))
    axes.set(
        ylabel="best change of the sum, %", xlabel=f"{len(known)} of {len(results)} patients with targets; * new lesion"
    )
    _state_legend(axes, {one["best"] for _, one in known})
    return figure


def spider(results: Sequence[Mapping[str, Any]]) -> Figure:
    """Change of the sum of every patient over time, coloured by best response; a cross marks a new lesion."""
    figure, axes = _canvas(width=7.2)
    for one in results:
        days = _days(one["exams"])
        points = [(days[0], 0.0)] if one["exams"] else []
        fresh = []
        for day, exam in zip(days[1:], one["exams"][1:], strict=True):
            if exam["change_from_baseline"] is None:
                continue
            points.append((day, 100 * exam["change_from_baseline"]))
            if exam["new_lesions"]:
                fresh.append(points[-1])
        if len(points) > 1:
            axes.plot(*zip(*points, strict=True), "-", color=STATES[one["best"]], linewidth=1.3, alpha=0.9)
            axes.plot(*points[-1], "o", color=STATES[one["best"]], markersize=3.5)
        if fresh:
            axes.plot(*zip(*fresh, strict=True), "x", color=INK, markersize=6, markeredgewidth=1.4)
    for level in (_PD, _PR):
        axes.axhline(level, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(
        ylabel="change of the sum, % of baseline",
        xlabel="days since baseline (exams where no day is known); x new lesion",
    )
    _state_legend(axes, {one["best"] for one in results if best_change(one) is not None})
    return figure


def swimmers(results: Sequence[Mapping[str, Any]], *, most: int = 60) -> Figure:
    """One bar per patient from the first to the last exam, coloured by the response of each exam; longest on top."""
    from matplotlib.patches import Rectangle

    listed = [one for one in results if len(one["exams"]) > 1]
    listed = sorted(listed, key=lambda one: (_days(one["exams"])[-1], one["patient"]))[-most:]
    height = 1.2 + 0.17 * max(len(listed), 4)
    figure, axes = _canvas(width=7.2, height=height, bottom=0.65 / height, left=0.14)
    for place, one in enumerate(listed):
        days = _days(one["exams"])
        for left, right, exam in zip(days[:-1], days[1:], one["exams"][1:], strict=True):
            axes.add_patch(
                Rectangle(
                    (left, place - 0.38), right - left, 0.76, facecolor=STATES[exam["response"]], edgecolor="white"
                )
            )
            word = _SHORT.get(exam["response"], exam["response"])
            axes.text(right, place, f"{word} ", ha="right", va="center", fontsize=6,
                      color="white" if exam["response"] in ("CR", "PD") else INK)  # fmt: skip
    axes.set_yticks(range(len(listed)), [one["patient"] for one in listed], fontsize=6)
    axes.set(
        ylim=(-0.8, len(listed) - 0.2), xlim=(0, max([_days(one["exams"])[-1] for one in listed], default=1) * 1.02)
    )
    axes.set_xlabel("days since baseline; each stretch has the response found at its end", fontsize=9)
    return figure


def confusion(counts: Mapping[tuple[str, str], int], *, rows: str, columns: str) -> Figure:
    """How often each response of one source (rows) met each of another (columns)."""
    words = [word for word in ("CR", "PR", "SD", "PD", "non-CR/non-PD", "NE") if any(word in pair for pair in counts)]
    figure, axes = _canvas(width=4.6, height=4.4, left=0.24, bottom=0.16)
    table = np.array([[counts.get((a, b), 0) for b in words] for a in words], float)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1.2)
    for i, j in np.ndindex(*table.shape):
        axes.text(j, i, f"{int(table[i, j])}", ha="center", va="center", color=INK if shares[i, j] < 0.7 else "white")
    axes.set_xticks(range(len(words)), words, fontsize=8)
    axes.set_yticks(range(len(words)), words, fontsize=8)
    axes.set(xlabel=columns, ylabel=rows)
    return figure


def _days(exams: Sequence[Mapping[str, Any]]) -> list[float]:
    """Days since baseline; numbers of exams where one day is not known."""
    days = [exam["day"] for exam in exams]
    return [float(n) for n in range(len(days))] if any(day is None for day in days) else [float(day) for day in days]


def _state_legend(axes: Axes, present: set[Any]) -> None:
    from matplotlib.patches import Patch

    order = [word for word in STATES if word in present]
    handles = [Patch(facecolor=STATES[word], edgecolor=INK, linewidth=0.4, label=word) for word in order]
    axes.legend(handles=handles, frameon=False, fontsize=9, title="best response", title_fontsize=9)


def _two_canvases() -> tuple[Figure, tuple[Axes, Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.2, 5.6))
    above = figure.add_axes((0.1, 0.53, 0.62, 0.33))
    below = figure.add_axes((0.1, 0.1, 0.62, 0.36), sharex=above)
    for axes in (above, below):
        _plain(axes)
    above.tick_params(labelbottom=False)
    return figure, (above, below)


def _canvas(
    *, width: float = 6.4, height: float = 4.2, left: float = 0.12, bottom: float = 0.14
) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left, bottom, 0.97 - left, 0.95 - bottom))
    _plain(axes)
    return figure, axes


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, which="both", labelsize=9)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
