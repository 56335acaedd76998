"""The compiled network answers as the network does, or is not used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.engine.checkpoints import read_checkpoint, write_checkpoint
from tumorboard.models.segmentation_networks import build_segmentation_network
from tumorboard.tasks.segmentation import inference as module
from tumorboard.tasks.segmentation.config import SegmentationConfig
from tumorboard.tasks.segmentation.inference import busiest, choose_predictor
from tumorboard.tasks.segmentation.model import SegmentationModel
from tumorboard.tasks.segmentation.preprocess import Prepared, Preprocessing


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_segmentation_network("unet", inputs=2, outputs=3, channels=(4, 8)).eval()


@pytest.fixture
def window():
    return np.random.default_rng(0).random((1, 2, 16, 16, 16), np.float32)


def test_compiled_and_torch_agree_on_windows_of_other_shapes(network, window):
    compiled, facts = choose_predictor(network, window, inference="openvino")
    plain, _ = choose_predictor(network, window, inference="torch")
    assert facts["library"] == "openvino" and facts["same_class"] >= 0.998
    other = np.random.default_rng(1).random((1, 2, 24, 16, 32), np.float32)
    np.testing.assert_allclose(compiled(other), plain(other), atol=0.05)
    np.testing.assert_allclose(compiled(other).sum(1), 1.0, atol=0.02)


def test_a_compiled_network_that_disagrees_is_not_used(network, window, monkeypatch):
    plain, _ = choose_predictor(network, window, inference="torch")
    monkeypatch.setattr(module, "compile_network", lambda *_, **__: lambda batch: plain(batch)[:, ::-1])
    chosen, facts = choose_predictor(network, window, inference="auto")
    assert facts["library"] == "torch" and facts["tried"][0]["same_class"] < 0.998
    np.testing.assert_array_equal(chosen(window), plain(window))
    with pytest.raises(TumorboardError, match="SGM106"):
        choose_predictor(network, window, inference="openvino")


def test_without_openvino_torch_answers_and_says_so(network, window, monkeypatch):
    def absent(*_, **__):
        raise ImportError("no module named openvino")

    monkeypatch.setattr(module, "compile_network", absent)
    _, facts = choose_predictor(network, window, inference="auto")
    assert facts == {"library": "torch", "precision": "float32", "reason": "no OpenVINO"}
    with pytest.raises(TumorboardError, match="SGM106"):
        choose_predictor(network, window, inference="openvino")


def test_the_busiest_window_holds_most_uptake():
    image = np.zeros((2, 40, 10, 10), np.float32)
    image[1, 33, 4, 4] = 5
    found = busiest(image, (16, 16, 16))
    assert found.shape == (1, 2, 16, 16, 16) and found[0, 1].sum() == 5


def test_coarser_outputs_count_half_as_much_each_and_learn_the_same_truth():
    from tumorboard.tasks.segmentation.losses import dice_and_cross_entropy, supervised_loss

    generator = torch.Generator().manual_seed(0)
    shares = (torch.rand(2, 1, 8, 8, 8, generator=generator) > 0.6).float()
    logits = [torch.randn(2, 2, 8 // n, 8 // n, 8 // n, generator=generator) for n in (1, 2)]
    coarse = shares.reshape(2, 1, 4, 2, 4, 2, 4, 2).mean((3, 5, 7))
    wanted = (dice_and_cross_entropy(logits[0], shares) + dice_and_cross_entropy(logits[1], coarse) / 2) / 1.5
    assert float(supervised_loss(logits, shares)) == pytest.approx(float(wanted), rel=1e-6)
    assert float(supervised_loss(logits[:1], shares)) == float(dice_and_cross_entropy(logits[0], shares))


@pytest.mark.parametrize(
    ("structures", "mirrored", "axes"),
    [(("GTV",), "auto", (0, 1, 2)), (("GTVp", "GTVn"), "auto", (0,)), (("GTVp", "GTVn"), "all", (0, 1, 2))],
)
def test_predictions_are_averaged_over_the_mirrors_of_training(structures, mirrored, axes):
    """The mean over mirror images is told apart by hand: the network's answers depend on where a voxel lies."""
    settings = {"channels": (4, 8), "patch_voxels": 16, "window_voxels": 16, "inference": "torch"}
    torch.manual_seed(0)
    net = build_segmentation_network("unet", inputs=2, outputs=len(structures) + 1, channels=(4, 8)).eval()
    grid = Geometry((16, 16, 16), np.diag([4.0, 4.0, 4.0, 1.0]))
    image = np.random.default_rng(0).random((2, 16, 16, 16), np.float32)
    config = SegmentationConfig(**settings, mirrored=mirrored)
    model = SegmentationModel((net,), config, Preprocessing(4.0, (-160.0, 240.0), structures), {})
    found = model.probabilities(Prepared(image, None, grid, grid))

    with torch.inference_mode():
        turned = [(), *((axis + 2,) for axis in axes)]
        batch = torch.from_numpy(image)[None]
        answers = [net(batch.flip(dims)).softmax(1).flip(dims)[0, 1:] for dims in turned]
    np.testing.assert_allclose(found, torch.stack(answers).mean(0).numpy(), atol=1e-4)


def test_a_model_of_before_there_was_the_setting_keeps_its_mirrors(tmp_path):
    config = SegmentationConfig(channels=(4, 8))
    net = build_segmentation_network("unet", inputs=2, outputs=3, channels=(4, 8))
    model = SegmentationModel((net,), config, Preprocessing(4.0, (-160.0, 240.0), ("GTVp", "GTVn")), {})
    path = model.save(tmp_path)
    assert SegmentationModel.load(tmp_path).config == config
    kept = read_checkpoint(path)
    old = {name: value for name, value in kept.state["config"].items() if name != "mirrored"}
    write_checkpoint(path, tensors=kept.tensors, state={**kept.state, "config": old})
    assert SegmentationModel.load(tmp_path).config.mirrored_axes(2) == (0, 1, 2)
