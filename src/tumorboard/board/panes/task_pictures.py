"""Figures that benchmarks drew of the cohort: survival curves, calibration, FROC, confusion and what else a task
has."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane
from tumorboard.core.registry import tasks

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane | None:
    mine = [picture for picture in facts.board.pictures if not picture["patient_id"]]
    if not mine:
        return None
    groups: dict[str, list[dict[str, str]]] = {}
    for picture in mine:
        spec = tasks().get(picture["task"])
        groups.setdefault(spec.title if spec else picture["task"], []).append(dict(picture))
    return Pane("task_pictures", "Figures", {"groups": groups})
