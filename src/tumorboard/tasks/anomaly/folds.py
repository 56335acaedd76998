"""One fold: what is fitted on its training patients, and the maps it makes of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.anomaly import choose_threshold
from tumorboard.tasks.anomaly.config import AnomalyConfig
from tumorboard.tasks.anomaly.exam import Exam
from tumorboard.tasks.anomaly.maps import BINARY, FreeMaps, network_maps
from tumorboard.tasks.anomaly.model import AnomalyModel
from tumorboard.tasks.anomaly.train import Training

__all__ = ["Fold", "fit_limits"]

Floats = NDArray[np.float32]
_NORMAL_SHARE = 0.95


@dataclass(frozen=True, eq=False)
class Fold:
    """Statistics and networks of the training patients. `masks`: threshold of each run's mask; `normal`: the height
    that 95 % of normal slices stay below."""

    free: FreeMaps
    models: Mapping[str, AnomalyModel]
    masks: Mapping[str, float | None]
    normal: Mapping[str, float]

    def maps(self, exam: Exam) -> dict[str, Floats]:
        """Every run's map of an exam."""
        return all_maps(self.free, self.models, exam)


def all_maps(free: FreeMaps, models: Mapping[str, AnomalyModel], exam: Exam) -> dict[str, Floats]:
    maps = free(exam)
    for model in models.values():
        maps |= network_maps(model, exam)
    return maps


def fit_limits(
    free: FreeMaps,
    models: Mapping[str, AnomalyModel],
    training: Sequence[Training],
    config: AnomalyConfig,
    *,
    seed: int,
) -> tuple[dict[str, float | None], dict[str, float]]:
    """Thresholds of masks (highest mean Dice) and the height of normal slices, from a few training patients."""
    with_tumour = [one for one in training if one[0].lesion is not None and one[0].lesion.any()]
    order = np.random.default_rng([seed, 17]).permutation(len(with_tumour))[: config.threshold_patients]
    pairs: dict[str, list[Any]] = {}
    heights: dict[str, list[float]] = {}
    for exam, numbers in (with_tumour[i] for i in order.tolist()):
        assert exam.lesion is not None
        for run, score in all_maps(free, models, exam).items():
            pairs.setdefault(run, []).append((exam.lesion[exam.body], score[exam.body]))
            tops = np.where(exam.body, score, -np.inf)[:, :, numbers].max(axis=(0, 1)) if len(numbers) else []
            heights.setdefault(run, []).extend(np.asarray(tops).tolist())
    masks = {run: 0.5 if run in BINARY else choose_threshold(mine) for run, mine in pairs.items()}
    normal = {run: float(np.quantile(mine, _NORMAL_SHARE)) for run, mine in heights.items() if mine}
    return masks, normal
