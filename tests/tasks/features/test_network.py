"""Training of the fusion network: it finds a planted blob, resumes to the same weights, and answers with gaps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.tasks.features.crops import CropSettings
from tumorboard.tasks.features.network import FusionNet, NetworkInputs, NetworkSettings, fit_network

SETTINGS = NetworkSettings(CropSettings(32.0, 4.0), width=4, features=8, batch=16, steps=60, dropout=0.0)


def inputs(n: int = 60) -> tuple[NetworkInputs, np.ndarray]:
    """Half of the patients have a bright blob in the second channel; the table says nothing."""
    random = np.random.default_rng(0)
    crops = random.random((n, 2, 8, 8, 8)).astype(np.float16) * np.float16(0.2)
    label = np.arange(n) % 2
    crops[label == 1, 1, 3:6, 3:6, 3:6] += 1
    has = np.ones((n, 3), np.float32)
    has[:6, 0] = 0
    return NetworkInputs(crops, random.standard_normal((n, 2)).astype(np.float32), has), label


def fit(data: NetworkInputs, label: np.ndarray, settings: NetworkSettings = SETTINGS, **more: Any) -> FusionNet:
    import torch

    truth = torch.from_numpy(label.astype(np.float32))

    def loss(logits: Any, index: Any) -> Any:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], truth[index])

    return fit_network(data, loss, outputs=1, settings=settings, seed=5, **more)


def test_a_planted_blob_is_found_and_only_where_it_may_be_seen() -> None:
    data, label = inputs()
    net = fit(data, label)
    logits = net.logits(data)[0][:, 0]
    assert ((logits > 0) == (label == 1)).mean() > 0.95
    blind = NetworkInputs(data.crops, data.table, data.has * np.array([1, 0, 1], np.float32))
    assert np.ptp(net.logits(blind)[0]) < np.ptp(logits) / 2


def test_a_killed_training_resumes_to_the_same_weights(tmp_path: Path) -> None:
    from tumorboard.core.errors import TumorboardError

    data, label = inputs(24)
    short = replace(SETTINGS, steps=12)
    whole = fit(data, label, short)
    again = fit(data, label, short, folder=tmp_path, identity="a")
    resumed = fit(data, label, short, folder=tmp_path, identity="a")  # finds the finished training
    for first in (again, resumed):
        for name, value in whole.members[0].items():
            np.testing.assert_array_equal(value, first.members[0][name])
    with pytest.raises(TumorboardError, match="ENG104"):
        fit(data, label, short, folder=tmp_path, identity="other data")


def test_patients_with_nothing_are_not_trained_on() -> None:
    data, label = inputs(24)
    has = data.has.copy()
    has[3] = 0
    poisoned = data.crops.copy()
    poisoned[3] = np.nan
    net = fit(NetworkInputs(poisoned, data.table, has), label, replace(SETTINGS, steps=6))
    assert all(np.isfinite(value).all() for value in net.members[0].values())
