"""Clinical variables as numbers: fitted on training patients alone, the same for a row from any source.

A cell means the same whether it came as ``1``, ``1.0``, ``"1"`` or ``" 1 "``; missing is a state of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.prognosis import codes

__all__ = ["ClinicalEncoder", "as_level", "as_number"]

Floats = NDArray[np.float64]
_NUMERIC = {Kind.NUMERIC}
RARE = "(rare)"
MISSING = "(missing)"


def as_number(cell: Any, variable: Variable, *, where: str = "patients") -> float:
    """The cell as a float, NaN when it is missing. PRG101 when it is no number."""
    if _is_missing(cell, variable):
        return math.nan
    try:
        return float(cell)
    except (TypeError, ValueError):
        raise TumorboardError(
            codes.COVARIATE_NOT_NUMERIC, f"{where}, {variable.name}", found=repr(cell), expected="a number"
        ) from None


def as_level(cell: Any, variable: Variable) -> str:
    """The cell as the name of a level: whole numbers without their ``.0``, booleans as 0 and 1, no outer blanks."""
    if _is_missing(cell, variable):
        return MISSING
    if isinstance(cell, (bool, np.bool_)):
        return str(int(cell))
    if isinstance(cell, (int, float, np.number)):
        return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
    text = str(cell).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if math.isfinite(number) and number.is_integer() else text


def _is_missing(cell: Any, variable: Variable) -> bool:
    if cell is None or (isinstance(cell, (float, np.floating)) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and (not cell.strip() or cell.strip() in variable.missing)


@dataclass(frozen=True)
class _Numeric:
    variable: Variable
    median: float
    mean: float
    scale: float

    @property
    def names(self) -> list[str]:
        return [self.variable.name]

    def columns(self, cells: Sequence[Any]) -> Floats:
        values = np.array([as_number(cell, self.variable) for cell in cells])
        values[np.isnan(values)] = self.median
        return ((values - self.mean) / self.scale)[:, None]


@dataclass(frozen=True)
class _Levels:
    variable: Variable
    levels: tuple[str, ...]
    rare: frozenset[str]

    @property
    def names(self) -> list[str]:
        return [f"{self.variable.name} = {level}" for level in self.levels]

    def columns(self, cells: Sequence[Any]) -> Floats:
        given = [as_level(cell, self.variable) for cell in cells]
        named = [RARE if level in self.rare else level for level in given]
        return np.array([[level == column for column in self.levels] for level in named], float).reshape(
            len(given), len(self.levels)
        )


@dataclass(frozen=True)
class ClinicalEncoder:
    """Design matrix of clinical rows.

    Numeric variables: missing becomes the training median, then mean 0 and standard deviation 1 over the training
    patients. Others: one column per level seen in training, missing a level of its own, levels of fewer than
    `rare_below` training patients pooled; a level never seen is in no column. Constant columns are left out.
    """

    parts: tuple[_Numeric | _Levels, ...]
    unused: tuple[str, ...]
    """Variables without information among the training patients (empty or constant)."""

    @property
    def names(self) -> list[str]:
        """What each column stands for."""
        return [name for part in self.parts for name in part.names]

    @classmethod
    def fit(
        cls, rows: Sequence[Mapping[str, Any]], variables: Sequence[Variable], *, rare_below: int = 5
    ) -> ClinicalEncoder:
        """Learn medians, scales and levels from the training `rows` (records of the `patients` table)."""
        parts: list[_Numeric | _Levels] = []
        unused = []
        for variable in variables:
            cells = [row.get(variable.name) for row in rows]
            part = _numeric(variable, cells) if variable.kind in _NUMERIC else _levels(variable, cells, rare_below)
            if part is None:
                unused.append(variable.name)
            else:
                parts.append(part)
        return cls(tuple(parts), tuple(unused))

    def transform(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """(n, columns). PRG101 for text in a numeric variable."""
        blocks = [part.columns([row.get(part.variable.name) for row in rows]) for part in self.parts]
        return np.hstack(blocks) if blocks else np.zeros((len(rows), 0))


def _numeric(variable: Variable, cells: Sequence[Any]) -> _Numeric | None:
    values = np.array([as_number(cell, variable) for cell in cells])
    if np.isnan(values).all():
        return None
    median = float(np.nanmedian(values))
    filled = np.where(np.isnan(values), median, values)
    scale = float(filled.std())
    return _Numeric(variable, median, float(filled.mean()), scale) if scale > 0 else None


def _levels(variable: Variable, cells: Sequence[Any], rare_below: int) -> _Levels | None:
    given = [as_level(cell, variable) for cell in cells]
    names, counts = np.unique(given, return_counts=True)
    rare = frozenset(str(name) for name in names[counts < rare_below])
    kept = [str(name) for name in names if name not in rare]
    levels = tuple(kept + ([RARE] if rare else []))
    return _Levels(variable, levels, rare) if len(levels) > 1 else None
