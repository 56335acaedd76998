"""Every metric's name, unit and meaning, said once: for the command line, the docs and the tables."""

from __future__ import annotations

from tumorboard.metrics.listed.anomaly import MAPS
from tumorboard.metrics.listed.lesions import LESIONS
from tumorboard.metrics.listed.masks import MASKS
from tumorboard.metrics.listed.metric import Metric
from tumorboard.metrics.listed.outcomes import OUTCOMES
from tumorboard.metrics.listed.reports import REPORTS

__all__ = ["METRICS", "Metric", "metric_id"]

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*MASKS, *MAPS, *OUTCOMES, *LESIONS, *REPORTS)}


def metric_id(name: str, *, definition: str = "", tolerance_mm: float | None = None) -> str:
    """Identifier in tables: the name, for surface Dice with its tolerance, for surfaces with its definition,
    e.g. ``nsd_2mm (voxel borders)``. KeyError for an unknown name."""
    metric = METRICS[name]
    full = name if tolerance_mm is None else f"{name}_{tolerance_mm:g}mm"
    return f"{full} ({definition})" if metric.surface else full
