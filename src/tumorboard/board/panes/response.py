"""Lesions over time: sum of diameters and its thresholds, each lesion's axis, volume and uptake, RECIST response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tumorboard.board.context import PatientFacts
from tumorboard.board.panes import Pane
from tumorboard.core.cohort import Cohort
from tumorboard.core.lesion import SAME_LESION
from tumorboard.core.tables import EXPERT
from tumorboard.tasks.response.assess import related_tracks, respond

__all__ = ["pane"]

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720.0, 260.0, 46.0, 14.0, 22.0, 26.0
_SHORT = {"non-CR/non-PD": "present"}


def pane(patient: PatientFacts) -> Pane | None:
    """Left out when no lesion is joined over two exams. The joins of the expert, else of the first run that has any."""
    joined = [row for row in patient.relations if row["predicate"] == SAME_LESION]
    runs = sorted({row["run_id"] for row in joined}, key=lambda run: (run != EXPERT, run))
    if not runs or len(patient.exams) < 2:
        return None
    alone = _alone(patient, joined)
    tracks = related_tracks(alone, run_id=runs[0])
    (result,) = respond(alone, tracks)
    if not result["exams"]:
        return Pane("response", "Lesions over time", {"problem": result["problem"], "run": runs[0]})
    numbers = {exam.exam_id: exam.number for exam in patient.exams}
    titles = {exam.exam_id: exam.title for exam in patient.exams}
    exams = [{**exam, "title": titles[exam["exam"]], "number": numbers[exam["exam"]]} for exam in result["exams"]]
    shown = {exam.exam_id for exam in patient.exams if exam.page.layers}
    by_id = {row["finding_id"]: row for row in patient.findings}
    values = {
        "problem": result["problem"],
        "run": runs[0],
        "best": result["best"],
        "marks": result["marks"],
        "rules": result["rules"],
        "exams": exams,
        "lesions": [_lesion(one, by_id, numbers, shown) for one in result["lesions"]],
        "chart": _chart(exams, result["lesions"]),
    }
    return Pane("response", "Lesions over time", values)


def _alone(patient: PatientFacts, relations: Sequence[Mapping[str, Any]]) -> Cohort:
    """The patient's rows as a cohort, so that a page costs what its patient has."""
    whole = patient.cohort
    return Cohort.build(
        whole.name,
        root=whole.root,
        loader=whole.loader,
        patients=[{"patient_id": patient.patient_id}],
        exams=[dict(exam.row) for exam in patient.exams],
        images=[dict(image) for exam in patient.exams for image in exam.images],
        findings=[dict(row) for row in patient.findings],
        relations=[{**row, "text_id": None} for row in relations],
        runs=whole.runs,
    )


def _lesion(
    one: Mapping[str, Any], by_id: Mapping[str, Mapping[str, Any]], numbers: Mapping[str, int], shown: set[str]
) -> dict[str, Any]:
    """One row: a cell per exam, and volume, uptake and change at the last exam that shows it."""
    first = next((value["diameter_mm"] for value in one["values"] if value["diameter_mm"]), None)
    cells = []
    for value in one["values"]:
        finding = by_id.get(value["findings"][0]) if value["findings"] else None
        change = None
        if first and value["diameter_mm"] is not None and cells and one["role"] in ("target", "non-target"):
            change = 100 * (value["diameter_mm"] - first) / first
        goes = finding is not None and value["exam"] in shown
        cells.append(
            {
                "exam": numbers[value["exam"]],
                "status": value["status"],
                "mm": value["diameter_mm"] if value["findings"] or value["status"] == "absent" else None,
                "long_mm": value["long_axis_mm"],
                "short_mm": value["short_axis_mm"],
                "change": change,
                "middle": _middle(finding) if goes else None,
                "run": finding["run_id"] if finding else "",
            }
        )
    last = next((value for value in reversed(one["values"]) if value["findings"]), None)
    seen = [by_id[name] for name in last["findings"] if name in by_id] if last else []
    uptake = [(row["measurements"] or {}).get("suv_max") for row in seen]
    sides = {side for row in seen if (side := _side(row))}
    return {
        "name": one["track"].rsplit(".", 1)[-1],
        "organ": one["organ"],
        "label": one["label"],
        "node": one["node"],
        "role": one["role"],
        "side": sides.pop() if len(sides) == 1 else "",
        "cells": cells,
        "volume_ml": last["volume_ml"] if last else None,
        "suv_max": max((value for value in uptake if value is not None), default=None),
        "growth": _growth(one["growth_last"]),
    }


def _growth(growth: Mapping[str, Any]) -> str:
    """In words, with the 95 % interval; how it is undefined otherwise."""
    days = growth.get("doubling_days") or growth.get("halving_days")
    if growth["state"] not in ("growing", "shrinking") or days is None:
        return str(growth["state"])
    high = growth["high_days"]
    span = f"{growth['low_days']:.0f} to {'any' if high is None else f'{high:.0f}'}"
    return f"{'doubles' if growth['state'] == 'growing' else 'halves'} in {days:.0f} days ({span})"


def _side(row: Mapping[str, Any]) -> str:
    return str(json.loads(row["attributes"] or "{}").get("side") or "")


def _middle(finding: Mapping[str, Any] | None) -> list[float] | None:
    if finding is None:
        return None
    points, box = finding["points_mm"] or [], finding["box"] or []
    if points and len(points) % 3 == 0:
        return [sum(points[axis::3]) / (len(points) // 3) for axis in range(3)]
    return [(box[axis] + box[axis + 3]) / 2 for axis in range(3)] if len(box) == 6 else None


# ---- the drawing --------------------------------------------------------------------------------------------------


def _chart(exams: Sequence[Mapping[str, Any]], lesions: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Coordinates of the drawing: days to the right (places where a day is not known), millimetres upwards."""
    days = [exam["day"] for exam in exams]
    placed = all(day is not None for day in days) and days[-1] > days[0]
    at = [float(day) for day in days] if placed else [float(n) for n in range(len(days))]
    sums = [exam["sum_mm"] for exam in exams]
    axes = [value["diameter_mm"] or 0 for one in lesions for value in one["values"]]
    baseline = exams[0]["sum_mm"]
    top = 1.15 * max([*(s for s in sums if s is not None), *axes, 10.0])

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place - at[0]) / max(at[-1] - at[0], 1e-9)

    def y(mm: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * mm / top

    edges = [x(at[0]), *[(x(a) + x(b)) / 2 for a, b in pairwise(at)], WIDTH - RIGHT]
    bands = [
        {"x": left, "width": right - left, "word": exam["response"], "short": _SHORT.get(word, word)}
        for left, right, exam in zip(edges[:-1], edges[1:], exams, strict=True)
        if (word := exam["response"])
    ]
    step = next(size for size in (5, 10, 20, 25, 50, 100, 200, 500, 1000) if top / size <= 6 or size == 1000)
    nadir = [(x(at[n]), exam["nadir_mm"]) for n, exam in enumerate(exams) if exam["nadir_mm"] is not None]
    limits = [(place, max(1.2 * low, low + 5)) for place, low in nadir]
    return {
        "bands": bands,
        "sum": _line([(x(a), y(s)) for a, s in zip(at, sums, strict=True) if s is not None]),
        "dots": [(x(a), y(s), s) for a, s in zip(at, sums, strict=True) if s is not None],
        "lesions": [
            {
                "number": n % 8,
                "target": one["role"] == "target",
                "path": _line([(x(a), y(mm)) for a, mm in _seen(one, at)]),
                "dots": [(x(a), y(mm)) for a, mm in _seen(one, at)],
            }
            for n, one in enumerate(lesions)
        ],
        "response_y": y(0.7 * baseline) if baseline else None,
        "nadir": [(place, y(mm)) for place, mm in nadir],
        "limits": [(place, y(mm)) for place, mm in limits if mm <= top],
        "ticks": [(y(mm), mm) for mm in range(0, int(top) + 1, step)],
        "days": [(x(a), f"{a:g}" if placed else f"exam {n + 1}") for n, a in enumerate(at)],
        "placed": placed,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "bottom": HEIGHT - BOTTOM,
        "top": TOP,
        "right": WIDTH - RIGHT,
    }


def _seen(one: Mapping[str, Any], at: Sequence[float]) -> list[tuple[float, float]]:
    known = one["role"] in ("target", "non-target")
    return [
        (place, value["diameter_mm"])
        for place, value in zip(at, one["values"], strict=True)
        if value["diameter_mm"] is not None and (known or value["findings"])
    ]


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points) if len(points) > 1 else ""
