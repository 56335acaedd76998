"""Clinical variables as numbers: fitted on training patients alone, the same for a row from any source.

A cell means the same whether it came as ``1``, ``1.0``, ``"1"`` or ``" 1 "``, as a code or in the words of the data
dictionary; missing is a state of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical import codes

__all__ = ["MISSING", "RARE", "ClinicalEncoder", "as_level", "as_number"]

Floats = NDArray[np.float64]
RARE = "(rare)"
MISSING = "(missing)"
_NOT_ASSESSED = re.compile(r"[cpy]*[TNM]X", re.IGNORECASE)
"""TX, pNX ...: a stage that could not be assessed, which is no step of the scale."""
_SEXES = {"f": "female", "female": "female", "woman": "female", "m": "male", "male": "male", "man": "male"}


def as_number(cell: Any, variable: Variable, *, where: str = "patients") -> float:
    """The cell as a float, NaN when it is missing; of a scale with stated levels, the place on the scale (0, 1,
    2 ...; TX and its like are missing). VAR101 when it is no finite number, VAR103 when it is no step of the scale."""
    if _is_missing(cell, variable):
        return math.nan
    if _is_scale(variable):
        level, steps = as_level(cell, variable), list(dict.fromkeys(variable.levels.values()))
        if _NOT_ASSESSED.fullmatch(level):
            return math.nan
        steps = [step for step in steps if not _NOT_ASSESSED.fullmatch(step)]
        if level in steps:
            return float(steps.index(level))
        raise TumorboardError(
            codes.CODE_UNSTATED, f"{where}, {variable.name}", found=repr(cell), expected=f"one of {', '.join(steps)}"
        )
    try:
        value = float(cell)
    except (TypeError, ValueError):
        value = math.inf
    if math.isfinite(value):
        return value
    raise TumorboardError(
        codes.COVARIATE_NOT_NUMERIC, f"{where}, {variable.name}", found=repr(cell), expected="a number"
    )


def as_level(cell: Any, variable: Variable, *, where: str = "patients") -> str:
    """The cell as the name of a level: the meaning that the dictionary gives to its code, else the code itself, whole
    numbers without their ``.0``, booleans as 0 and 1, no outer blanks. VAR103 for a sex that is not stated."""
    if _is_missing(cell, variable):
        return MISSING
    text = _code(cell)
    meanings = {meaning.casefold(): meaning for meaning in variable.levels.values()}
    stated = {_code(code).casefold(): meaning for code, meaning in variable.levels.items()}
    level = stated.get(text.casefold()) or meanings.get(text.casefold())
    if variable.name == "sex":
        level = _SEXES.get((level or text).casefold())
        if level is None:
            raise TumorboardError(
                codes.CODE_UNSTATED, f"{where}, sex", found=repr(cell), expected="female, male, or a stated code"
            )
    return level or text


def _code(cell: Any) -> str:
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


def _is_scale(variable: Variable) -> bool:
    return variable.kind is Kind.ORDINAL and bool(variable.levels)


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
        values = np.array([as_number(cell, self.variable) for cell in cells], float)
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

    Numeric variables, and scales (ordinal variables with stated levels, as steps 0, 1, 2 ...): missing becomes the
    training median, then mean 0 and standard deviation 1 over the training patients. Others: one column per level seen
    in training, missing a level of its own, levels of fewer than `rare_below` training patients pooled; a level never
    seen is in no column. Constant columns are left out.
    """

    parts: tuple[_Numeric | _Levels, ...]
    unused: tuple[str, ...]
    """Variables without information among the training patients (empty or constant)."""

    @property
    def names(self) -> list[str]:
        """What each column stands for."""
        return [name for part in self.parts for name in part.names]

    @property
    def sources(self) -> list[str]:
        """The variable of each column."""
        return [part.variable.name for part in self.parts for _ in part.names]

    @classmethod
    def fit(
        cls, rows: Sequence[Mapping[str, Any]], variables: Sequence[Variable], *, rare_below: int = 5
    ) -> ClinicalEncoder:
        """Learn medians, scales and levels from the training `rows` (records of the `patients` table)."""
        parts: list[_Numeric | _Levels] = []
        unused = []
        for variable in variables:
            cells = [row.get(variable.name) for row in rows]
            numeric = variable.kind is Kind.NUMERIC or _is_scale(variable)
            part = _numeric(variable, cells) if numeric else _levels(variable, cells, rare_below)
            if part is None:
                unused.append(variable.name)
            else:
                parts.append(part)
        return cls(tuple(parts), tuple(unused))

    def transform(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """(n, columns). VAR101 for text in a numeric variable, VAR103 for a code without a meaning."""
        blocks = [part.columns([row.get(part.variable.name) for row in rows]) for part in self.parts]
        return np.hstack(blocks) if blocks else np.zeros((len(rows), 0))

    def to_json(self) -> dict[str, Any]:
        """Plain types, to be kept with a trained model."""
        parts: list[dict[str, Any]] = []
        for part in self.parts:
            record: dict[str, Any] = {"variable": part.variable.to_json()}
            if isinstance(part, _Numeric):
                record |= {"median": part.median, "mean": part.mean, "scale": part.scale}
            else:
                record |= {"levels": list(part.levels), "rare": sorted(part.rare)}
            parts.append(record)
        return {"parts": parts, "unused": list(self.unused)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> ClinicalEncoder:
        """What `to_json` gave. VAR104 when it is something else."""
        parts: list[_Numeric | _Levels] = []
        try:
            for part in record["parts"]:
                variable = Variable.from_json(part["variable"])
                if "median" in part:
                    parts.append(_Numeric(variable, *(float(part[key]) for key in ("median", "mean", "scale"))))
                else:
                    parts.append(_Levels(variable, tuple(part["levels"]), frozenset(part["rare"])))
            return cls(tuple(parts), tuple(record["unused"]))
        except (KeyError, TypeError, ValueError) as error:
            raise TumorboardError(
                codes.ENCODER_FILE, "encoder", found=f"{type(error).__name__}: {error}", expected="medians and levels"
            ) from error


def _numeric(variable: Variable, cells: Sequence[Any]) -> _Numeric | None:
    values = np.array([as_number(cell, variable) for cell in cells], float)
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
