"""Training cells of filtered volumes: all round the lesions, and many from everywhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.executors import executor
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.filters import FEATURES, Bank, filter_bank
from tumorboard.tasks.detection.prepare import Look

if TYPE_CHECKING:
    from torch import Tensor

    from tumorboard.models.scale_space import ScaleSpace

__all__ = ["CellBatch", "CellSampler"]

_PER_LESION = 150
_ON_LESIONS = 0.2
"""Share of the cells of a batch that lie on lesions."""
_SPARSE = 0.6
"""Cells of a lesion are drawn by their number to this power: large lesions have more, though not in proportion."""


@dataclass(frozen=True)
class CellBatch:
    """`values` (n, FEATURES), `heat` (n,), `boxes` (n, 6) way to the centre and half edges in mm."""

    values: Tensor
    heat: Tensor
    boxes: Tensor


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cells of one volume; `lesion` (n,) number of the lesion they lie in, -1 for none."""

    values: NDArray[np.float16]
    heat: NDArray[np.float32]
    boxes: NDArray[np.float32]
    lesion: NDArray[np.int64]


class CellSampler:
    """Draws batches of cells; the features of all cells that may be drawn are held in memory (half precision)."""

    def __init__(self, looks: Sequence[Look], config: DetectionConfig) -> None:
        most = max(200, min(config.cells_per_volume, config.cells // max(len(looks), 1)))
        with executor(config.workers) as pool:
            volumes = list(pool.map(_cells, [(look, most, config.seed, n) for n, look in enumerate(looks)]))
        first = np.cumsum([0, *(len(look.boxes) for look in looks)])
        lesion = [np.where(one.lesion >= 0, one.lesion + at, -1) for one, at in zip(volumes, first[:-1], strict=True)]
        self._lesion = np.concatenate(lesion)
        self._values = np.concatenate([one.values for one in volumes])
        self._heat = np.concatenate([one.heat for one in volumes])
        self._boxes = np.concatenate([one.boxes for one in volumes])
        self._elsewhere = np.flatnonzero(self._lesion < 0)
        inside = np.flatnonzero(self._lesion >= 0)
        order = inside[np.argsort(self._lesion[inside], kind="stable")]
        numbers, starts = np.unique(self._lesion[order], return_index=True)
        self._of_lesion = np.split(order, starts[1:]) if len(order) else []
        kinds = [kind for look in looks for kind in (look.kinds or ("",) * len(look.boxes))]
        many = Counter(kinds[number] for number in numbers.tolist())
        chance = np.array([many[kinds[n]] ** -0.5 for n in numbers.tolist()])
        chance *= np.array([len(cells) ** (_SPARSE / 2) for cells in self._of_lesion])
        self._chance = chance / chance.sum() if len(chance) else chance
        self._batch = config.cell_batch

    def set_scale(self, network: ScaleSpace) -> None:
        """Tell the network the spread of the features that it will see."""
        import torch

        some = self._values[:: max(1, len(self._values) // 100_000)].astype(np.float64)
        network.set_scale(torch.from_numpy(some.mean(axis=0)), torch.from_numpy(some.std(axis=0)))

    def __call__(self, random: np.random.Generator) -> CellBatch:
        import torch

        wanted = round(_ON_LESIONS * self._batch) if self._of_lesion else 0
        chosen = random.choice(len(self._of_lesion), wanted, p=self._chance) if wanted else np.empty(0, int)
        near = [self._of_lesion[n][random.integers(len(self._of_lesion[n]))] for n in chosen.tolist()]
        rest = self._elsewhere[random.integers(len(self._elsewhere), size=self._batch - wanted)]
        index = np.concatenate([np.array(near, np.int64), rest])
        return CellBatch(
            torch.from_numpy(self._values[index].astype(np.float32)),
            torch.from_numpy(self._heat[index]),
            torch.from_numpy(self._boxes[index]),
        )


def _cells(job: tuple[Look, int, int, int]) -> _Cells:
    """The cells of one volume; job: the volume, most cells outside its lesions, seed, number of the volume."""
    look, most, *seeds = job
    random = np.random.default_rng(seeds)
    bank = filter_bank(look.hu, look.geometry.spacing_mm)
    cells = np.argwhere(bank.body)
    heat, boxes, lesion = _targets(bank, cells, look)
    free = np.flatnonzero(heat == 0)
    kept = [random.choice(free, min(most, len(free)), replace=False)]
    for number in range(len(look.boxes)):
        mine = np.flatnonzero((lesion == number) & (heat > 0))
        kept.append(random.choice(mine, min(_PER_LESION, len(mine)), replace=False))
    index = np.concatenate(kept).astype(np.int64)
    values = bank.at(cells[index])
    assert values.shape[1] == FEATURES
    where = np.where(heat[index] > 0, lesion[index], -1)
    return _Cells(values.astype(np.float16), heat[index], boxes[index], where)


def _targets(
    bank: Bank, cells: NDArray[np.int64], look: Look
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Heat (n,), box (n, 6) and number of the lesion (n,) that warms each cell most."""
    import torch

    from tumorboard.models.scale_space import lesion_heat

    spacing = np.asarray(look.geometry.spacing_mm)
    middle = torch.from_numpy(bank.middles(cells) * spacing)
    heat, lesion = torch.zeros(len(cells), dtype=torch.float64), torch.full((len(cells),), -1)
    boxes = torch.zeros((len(cells), 6), dtype=torch.float64)
    for number, box in enumerate(look.boxes):
        low, high = torch.from_numpy(box[:3] * spacing), torch.from_numpy(box[3:] * spacing)
        centre, half = (low + high) / 2, (high - low) / 2
        mine = lesion_heat((centre - middle)[None], half[None])[0]
        warmer = mine > heat
        heat[warmer], lesion[warmer] = mine[warmer], number
        boxes[warmer] = torch.cat([centre - middle[warmer], half.expand(int(warmer.sum()), 3)], dim=1)
    return heat.float().numpy(), boxes.float().numpy(), lesion.numpy()
