"""Sliding windows: equal to MONAI's, and asked no more often than there is something to see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.inferers.utils import sliding_window_inference

from tumorboard.ops.sliding import slide


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Conv3d(2, 3, 3, padding=1).eval()


@pytest.mark.parametrize("shape", [(20, 24, 30), (16, 16, 16), (9, 40, 17)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5])
def test_the_result_is_monais(shape, overlap):
    network = _network()
    image = torch.rand(1, 2, *shape)
    with torch.no_grad():
        theirs = sliding_window_inference(
            image, (16, 16, 16), 1, network, overlap=overlap, mode="gaussian", padding_mode="constant"
        )[0].numpy()

        def predict(window):
            return network(torch.from_numpy(window)).numpy()

        ours = slide(predict, image[0].numpy(), window=(16, 16, 16), overlap=overlap, outputs=3)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_silent_windows_are_asked_for_once_and_change_nothing():
    network = _network()
    image = np.zeros((2, 48, 16, 16), np.float32)
    image[:, :16] = np.random.default_rng(0).random((2, 16, 16, 16), np.float32)
    asked = []

    def predict(window):
        asked.append(bool(window.any()))
        with torch.no_grad():
            return network(torch.from_numpy(window)).numpy()

    ours = slide(predict, image, window=(16, 16, 16), overlap=0.0, outputs=3)
    assert asked == [True, False]  # the third window is as silent as the second
    whole = [predict(image[None, :, i : i + 16])[0] for i in (0, 16, 32)]
    np.testing.assert_allclose(ours, np.concatenate(whole, axis=1), atol=1e-6)
