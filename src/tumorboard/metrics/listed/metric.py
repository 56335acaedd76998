"""What the program says of a metric."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Metric"]


@dataclass(frozen=True)
class Metric:
    """A figure: stable name, unit, which way is better (``higher``, ``lower``, ``zero`` or ``none``), meaning,
    and its result when reference, prediction or both are empty."""

    name: str
    title: str
    unit: str
    better: str
    meaning: str
    empty: str = ""
    surface: bool = False
    """Whether its values depend on the definition of a surface, which then stands in its identifier."""
