"""Networks on crops of PET, CT, dose and masks for classes, alone or joined with the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Role
from tumorboard.tasks.classification.models.linear import softmax
from tumorboard.tasks.classification.models.registry import Classifier, State, add_model
from tumorboard.tasks.classification.patients import Patients, Training
from tumorboard.tasks.features.blocks import block_of, known_blocks
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES
from tumorboard.tasks.features.network import FusionNet, NetworkInputs, NetworkSettings, fit_network, network_inputs

__all__ = ["ClassNetwork", "fit_class_network"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassNetwork:
    """`clinical`: columns of the encoded table that the network reads. A patient of whom nothing is there gets equal
    weights for all classes, which calibration turns into the class shares."""

    net: FusionNet
    clinical: NDArray[np.int64]
    variables: tuple[Any, ...]
    image: bool

    def probabilities(self, patients: Patients) -> Floats:
        inputs = _inputs(patients, self.clinical, self.variables, self.net.settings, image=self.image)
        mean = np.asarray(np.mean([softmax(logits) for logits in self.net.logits(inputs)], axis=0), float)
        mean[~inputs.seen] = 1 / self.net.outputs
        return mean

    def state(self) -> State | None:
        """Not kept: a network lives with its crops, and is trained again where it is used."""
        return None


def fit_class_network(
    training: Training, *, image: bool = True, table: bool = True, settings: NetworkSettings | None = None
) -> ClassNetwork:
    """Train on crops (`image`), clinical variables (`table`) or both, classes weighted to be equally common."""
    import torch

    settings = settings or NetworkSettings()
    blocks = {v.name: block_of(v) for v in training.variables}
    clinical = np.flatnonzero([table and blocks[s] == CLINICAL for s in training.patients.sources])
    inputs = _inputs(training.patients, clinical, training.variables, settings, image=image)
    truth = torch.from_numpy(training.y)
    weight = torch.from_numpy((1 / (len(training.classes) * training.shares)).astype(np.float32))

    def loss(logits: Any, index: NDArray[np.int64]) -> Any:
        return torch.nn.functional.cross_entropy(logits, truth[index], weight=weight)

    net = fit_network(inputs, loss, outputs=len(training.classes), settings=settings, seed=training.config.seed)
    return ClassNetwork(net, clinical, training.variables, image)


def _inputs(
    patients: Patients, clinical: NDArray[np.int64], variables: Any, settings: NetworkSettings, *, image: bool
) -> NetworkInputs:
    known = known_blocks(patients.rows, variables)[:, MODALITIES.index(CLINICAL)] & bool(len(clinical))
    return network_inputs(
        patients.cohort, patients.rows, patients.x[:, clinical], known, masks=EXPERT, settings=settings, image=image
    )


def _no_images(training: Training) -> str:
    cohort = training.patients.cohort
    has = cohort is not None and any(row["role"] == Role.IMAGE for row in cohort.rows("images"))
    return "" if has else "images"


def _fit_image(training: Training) -> Classifier:
    return fit_class_network(training, table=False)


def _fit_both(training: Training) -> Classifier:
    return fit_class_network(training)


add_model("image-network", "3-D network on crops of PET, CT, dose and mask", _fit_image, lacks=_no_images)
add_model(
    "fusion-network", "the same network joined with the clinical variables, modalities withheld in training",
    _fit_both, lacks=_no_images,
)  # fmt: skip
