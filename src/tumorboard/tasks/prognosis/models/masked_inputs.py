"""What goes into masked cross-modality learning: cells of the table with their states, and slabs of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.variables import Kind, Variable
from tumorboard.tasks.clinical.encoding import MISSING as NO_LEVEL
from tumorboard.tasks.clinical.encoding import RARE, as_level, as_number
from tumorboard.tasks.features.blocks import block_of, withheld
from tumorboard.tasks.features.modalities import CLINICAL
from tumorboard.tasks.features.slab import SLAB_CHANNELS, SlabSettings, slabs_of

if TYPE_CHECKING:
    from tumorboard.models.clinical_graph import Node

__all__ = ["Cells", "Inputs", "Scaling", "inputs_of"]

Floats = NDArray[np.float64]
Row = Mapping[str, Any]
KNOWN, MISSING = 0, 1
"""As in `models.clinical_graph`."""
_FARTHEST = 4.0
"""Standardised numbers are cut here: one cell must not outweigh the rest."""


@dataclass(frozen=True)
class _Cell:
    """One variable: a number with mean and spread of the training values that are known, or its levels."""

    variable: Variable
    kind: Literal["numeric", "ordinal", "categorical"]
    mean: float = 0.0
    scale: float = 1.0
    levels: tuple[str, ...] = ()

    def read(self, cell: Any) -> float:
        """Standardised number or number of the level; NaN where it is missing. A level that training never saw is the
        rare one, or missing where there is none."""
        if self.kind == "numeric":
            return float(np.clip((as_number(cell, self.variable) - self.mean) / self.scale, -_FARTHEST, _FARTHEST))
        level = as_level(cell, self.variable)
        if level in self.levels:
            return float(self.levels.index(level))
        if level == NO_LEVEL or RARE not in self.levels:
            return float("nan")
        return float(self.levels.index(RARE))


@dataclass(frozen=True)
class Cells:
    """How the cells of a table are read; fitted on the rows that are learned from, missing cells left aside."""

    cells: tuple[_Cell, ...]

    @classmethod
    def fit(cls, rows: Sequence[Row], variables: Sequence[Variable], *, rare_below: int) -> Cells:
        """Clinical variables with something to learn from; those measured in images are left to the images."""
        found = [_fit_cell(v, [row.get(v.name) for row in rows], rare_below) for v in _clinical(variables)]
        return cls(tuple(cell for cell in found if cell is not None))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(cell.variable.name for cell in self.cells)

    def nodes(self) -> list[Node]:
        from tumorboard.models.clinical_graph import Node

        return [Node(cell.variable.name, cell.kind, len(cell.levels)) for cell in self.cells]

    def read(self, rows: Sequence[Row]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Values and states (n, m), 0 and `MISSING` where nobody knows. VAR101, VAR103 as the encoder."""
        values = np.array([[c.read(row.get(c.variable.name)) for c in self.cells] for row in rows], float)
        values = values.reshape(len(rows), len(self.cells))
        states = np.where(np.isnan(values), MISSING, KNOWN)
        return np.nan_to_num(values, nan=0.0).astype(np.float32), states.astype(np.int64)

    def to_json(self) -> list[dict[str, Any]]:
        return [
            {
                "variable": c.variable.to_json(),
                "kind": c.kind,
                "mean": c.mean,
                "scale": c.scale,
                "levels": list(c.levels),
            }
            for c in self.cells
        ]

    @classmethod
    def from_json(cls, record: Sequence[Mapping[str, Any]]) -> Cells:
        cells = [
            _Cell(Variable.from_json(c["variable"]), c["kind"], c["mean"], c["scale"], tuple(c["levels"]))
            for c in record
        ]
        return cls(tuple(cells))


def _clinical(variables: Sequence[Variable]) -> list[Variable]:
    return [v for v in variables if block_of(v) == CLINICAL]


def _fit_cell(variable: Variable, cells: Sequence[Any], rare_below: int) -> _Cell | None:
    if variable.kind is Kind.NUMERIC:
        values = np.array([as_number(cell, variable) for cell in cells], float)
        values = values[np.isfinite(values)]
        spread = float(values.std()) if len(values) else 0.0
        return _Cell(variable, "numeric", float(values.mean()), spread) if spread > 0 else None
    given = [level for cell in cells if (level := as_level(cell, variable)) != NO_LEVEL]
    counts = {level: given.count(level) for level in sorted(set(given))}
    ordered = list(dict.fromkeys(variable.levels.values())) if variable.kind is Kind.ORDINAL else []
    if ordered and set(counts) <= set(ordered):
        seen = [level for level in ordered if level in counts]
        return _Cell(variable, "ordinal", levels=tuple(seen)) if len(seen) > 1 else None
    kept = [level for level, count in counts.items() if count >= rare_below]
    levels = (*kept, *([RARE] if len(kept) < len(counts) else []))
    return _Cell(variable, "categorical", levels=levels) if len(levels) > 1 else None


@dataclass(frozen=True)
class Scaling:
    """Mean and spread of each channel over the training patients' images; and which channels any of them has."""

    channels: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, values: NDArray[np.float16], has: NDArray[np.bool_]) -> Scaling:
        """From slabs (n, channels, ...) and which there are (n, channels)."""
        chosen = [c for c in range(values.shape[1]) if has[:, c].any()]
        parts = [values[has[:, c], c, :, ::3, ::3].astype(np.float32) for c in chosen]
        return cls(tuple(chosen), tuple(float(p.mean()) for p in parts), tuple(float(p.std()) or 1.0 for p in parts))

    def apply(self, values: NDArray[np.float16], has: NDArray[np.bool_]) -> NDArray[np.float16]:
        """Standardised channels (n, chosen, ...), 0 where a channel is missing."""
        shown = np.zeros((len(values), len(self.channels), *values.shape[2:]), np.float16)
        for place, channel in enumerate(self.channels):
            mine = has[:, channel]
            shown[mine, place] = (values[mine, channel].astype(np.float32) - self.mean[place]) / self.scale[place]
        return shown


@dataclass(frozen=True)
class Inputs:
    """n patients: standardised slabs cut into patches, float16 (n, s, p, voxels) or None, `inside` (n, s) which slices
    of patches are no padding, `channels` (n, channels); cells' `values` and `states` (n, m); `has` (n, 2): image,
    table."""

    patches: NDArray[np.float16] | None
    inside: NDArray[np.bool_]
    channels: NDArray[np.float32]
    values: NDArray[np.float32]
    states: NDArray[np.int64]
    has: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.has)

    def part(self, index: NDArray[np.int64]) -> Inputs:
        patches = None if self.patches is None else self.patches[index]
        return Inputs(
            patches,
            self.inside[index],
            self.channels[index],
            self.values[index],
            self.states[index],
            self.has[index],
        )

    def mirrored(self, random: np.random.Generator, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> Inputs:
        """Each image as it is or mirrored along any of its axes, by chance; `grid` of patches, voxels of a `patch`."""
        if self.patches is None:
            return self
        n, channels = len(self), self.channels.shape[1]
        whole = self.patches.reshape(n, *grid, channels, *patch)
        patches, inside = np.empty_like(whole), self.inside.copy()
        for i, chosen in enumerate(random.random((n, 3)) < 0.5):
            axes = [axis + k for axis in np.flatnonzero(chosen) for k in (0, 4)]
            patches[i] = np.flip(whole[i], axes)
            if chosen[0]:
                inside[i] = inside[i, ::-1]
        return replace(self, patches=patches.reshape(self.patches.shape), inside=inside)


def inputs_of(
    rows: Sequence[Row],
    cohort: Cohort | None,
    *,
    cells: Cells,
    slab: SlabSettings | None,
    patch: tuple[int, int, int] = (2, 16, 16),
    scaling: Scaling | None = None,
) -> tuple[Inputs, Scaling | None]:
    """Inputs of the patients of `rows`; modalities that a record withholds are left out. Without `scaling` it is fitted
    on these patients. No `slab`: no images."""
    values, states = cells.read(rows)
    gone = [withheld(row) for row in rows]
    table = (states == KNOWN).any(axis=1) & np.array([CLINICAL not in names for names in gone], bool)
    n, depth = len(rows), slab.shape[0] // patch[0] if slab else 0
    patches, inside, channels = None, np.zeros((n, depth), bool), np.zeros((n, 0), np.float32)
    if slab is not None and cohort is not None and (scaling is None or scaling.channels):
        slabs = _slabs(cohort, rows, slab)
        if slabs is not None:
            kept = ~np.array([[name in names for name in SLAB_CHANNELS] for names in gone], bool)
            has = slabs[1] & kept
            scaling = scaling or Scaling.fit(slabs[0], has)
            chosen = list(scaling.channels)
            if chosen:
                patches = _patches(scaling.apply(slabs[0], has), patch)
                inside = slabs[2].reshape(n, depth, -1).any(axis=2)
                channels = has[:, chosen].astype(np.float32)
    seen = channels.any(axis=1) if channels.shape[1] else np.zeros(n, bool)
    both = np.column_stack([seen, table]).astype(np.float32)
    return Inputs(patches, inside, channels, values, states, both), scaling


def _patches(volumes: NDArray[np.float16], patch: tuple[int, int, int]) -> NDArray[np.float16]:
    """As `SliceDepthEncoder.patches`, of arrays."""
    n, channels, slices, rows, columns = volumes.shape
    deep, high, wide = patch
    x = volumes.reshape(n, channels, slices // deep, deep, rows // high, high, columns // wide, wide)
    return x.transpose(0, 2, 4, 6, 1, 3, 5, 7).reshape(n, slices // deep, -1, channels * deep * high * wide)


def _slabs(cohort: Cohort, rows: Sequence[Row], slab: SlabSettings) -> tuple[Any, ...] | None:
    """Values, which channels, which slices; patients who are not in the cohort have none."""
    known = set(cohort.patient_ids)
    ids = [str(row["patient_id"]) for row in rows]
    if not cohort.images.num_rows:
        return None
    absent = [patient for patient in ids if patient not in known]
    found = slabs_of(cohort, [patient for patient in ids if patient in known], slab)
    if not absent:
        return found.values, found.has, found.inside
    place = np.array([patient in known for patient in ids])
    values = np.zeros((len(ids), *found.values.shape[1:]), np.float16)
    has, inside = np.zeros((len(ids), len(SLAB_CHANNELS)), bool), np.zeros((len(ids), slab.shape[0]), bool)
    values[place], has[place], inside[place] = found.values, found.has, found.inside
    return values, has, inside
