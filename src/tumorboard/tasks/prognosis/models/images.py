"""Networks on crops of PET, CT, dose and masks: hazards of intervals of time, alone or joined with the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role
from tumorboard.tasks.features.blocks import block_of, known_blocks
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES
from tumorboard.tasks.features.network import FusionNet, NetworkInputs, NetworkSettings, fit_network, network_inputs
from tumorboard.tasks.prognosis.models.discrete import curve, interval_edges, intervals_of
from tumorboard.tasks.prognosis.models.fusion import fit_pattern_cox
from tumorboard.tasks.prognosis.models.networks import hazard_loss, hazard_survival
from tumorboard.tasks.prognosis.models.registry import FittedModel, add_model
from tumorboard.tasks.prognosis.patients import Patients, Training

__all__ = ["HazardNetwork", "fit_hazard_network"]

Floats = NDArray[np.float64]
_INTERVALS = 8


@dataclass(frozen=True)
class HazardNetwork:
    """`clinical`: columns of the encoded table that the network reads. NaN where nothing is there: no answer."""

    net: FusionNet
    edges: Floats
    clinical: NDArray[np.int64]
    variables: tuple[Any, ...]
    image: bool

    def _at_edges(self, patients: Patients) -> Floats:
        import torch

        inputs = _inputs(patients, self.clinical, self.variables, self.net.settings, image=self.image)
        curves = [hazard_survival(torch.from_numpy(logits)).numpy() for logits in self.net.logits(inputs)]
        mean = np.asarray(np.mean(curves, axis=0), float)
        mean[~inputs.seen] = np.nan
        return mean

    def risk(self, patients: Patients) -> Floats:
        return np.log(-np.log(np.clip(self._at_edges(patients), 1e-6, 1 - 1e-6)).mean(axis=1))

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        return curve(self._at_edges(patients), self.edges, grid)


def fit_hazard_network(
    training: Training, *, image: bool = True, table: bool = True, settings: NetworkSettings | None = None
) -> HazardNetwork:
    """Train on crops (`image`), clinical variables (`table`) or both; features of images are left to others."""
    import torch

    settings = settings or NetworkSettings()
    event, time = training.event, training.time_days
    edges = interval_edges(event, time, intervals=min(_INTERVALS, max(3, int(event.sum()) // 10)))
    completed, happened = (torch.from_numpy(np.asarray(a)) for a in intervals_of(event, time, edges))
    blocks = {v.name: block_of(v) for v in training.variables}
    clinical = np.flatnonzero([table and blocks[s] == CLINICAL for s in training.patients.sources])
    inputs = _inputs(training.patients, clinical, training.variables, settings, image=image)

    def loss(logits: Any, index: NDArray[np.int64]) -> Any:
        return hazard_loss(logits, completed[index], happened[index])

    net = fit_network(inputs, loss, outputs=len(edges), settings=settings, seed=training.config.seed)
    return HazardNetwork(net, edges, clinical, training.variables, image)


def _inputs(
    patients: Patients, clinical: NDArray[np.int64], variables: Any, settings: NetworkSettings, *, image: bool
) -> NetworkInputs:
    known = known_blocks(patients.rows, variables)[:, MODALITIES.index(CLINICAL)] & bool(len(clinical))
    return network_inputs(
        patients.cohort, patients.rows, patients.x[:, clinical], known, masks=EXPERT, settings=settings, image=image
    )


@dataclass(frozen=True)
class _Mean:
    """Mean of curves; a member without an answer for a patient takes no part in his."""

    members: tuple[FittedModel, ...]
    knots: Floats

    def survival(self, patients: Patients, grid: Floats) -> Floats:
        curves = np.stack([member.survival(patients, grid) for member in self.members])
        answered = np.isfinite(curves)
        total = np.where(answered, curves, 0.0).sum(axis=0)
        return np.where(answered.any(axis=0), total / np.maximum(answered.sum(axis=0), 1), np.nan)

    def risk(self, patients: Patients) -> Floats:
        return np.log(-np.log(np.clip(self.survival(patients, self.knots), 1e-9, 1 - 1e-9)).mean(axis=1))


def _no_images(training: Training) -> str:
    cohort = training.patients.cohort
    has = cohort is not None and any(row["role"] == Role.IMAGE for row in cohort.rows("images"))
    return "" if has else "images"


def _fit_image(training: Training) -> FittedModel:
    return fit_hazard_network(training, table=False)


def _fit_both(training: Training) -> FittedModel:
    return fit_hazard_network(training)


def _fit_ensemble(training: Training) -> FittedModel:
    """Equal weights: to weigh a network by inner folds costs as many trainings again, for little (docs/adr/0118)."""
    knots = np.unique(np.quantile(training.time_days[training.event], np.linspace(0.05, 0.9, 18)))
    return _Mean((fit_pattern_cox(training), fit_hazard_network(training)), knots)


add_model(
    "image-network", "3-D network on crops of PET, CT, dose, mask; hazards of intervals", _fit_image, lacks=_no_images
)
add_model(
    "fusion-network", "the same network joined with the clinical variables; modalities withheld in training", _fit_both,
    lacks=_no_images,
)  # fmt: skip
add_model("fusion-ensemble", "mean curve of fusion-cox and fusion-network", _fit_ensemble, lacks=_no_images)
