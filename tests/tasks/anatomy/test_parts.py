"""Atlas, windows, sampling and loss of anatomical boxes, each against a closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.metrics.boxes import box_iou
from tumorboard.ops.lungs import box_of
from tumorboard.tasks.anatomy.atlas import ATLAS_BY_RULE, Atlas, both_lungs
from tumorboard.tasks.anatomy.loss import loss_of
from tumorboard.tasks.anatomy.prepare import Sample, Window, cut, sample_of
from tumorboard.tasks.anatomy.sampling import Batch, BatchSampler

LUNGS = {"right lung": (10.0, 20.0, 40.0, 80.0), "left lung": (60.0, 25.0, 90.0, 85.0)}


def moved(boxes: dict[str, tuple[float, ...]], scale: float, shift: float) -> dict[str, tuple[float, ...]]:
    return {name: tuple(scale * edge + shift for edge in box) for name, box in boxes.items()}


def test_an_atlas_of_chests_that_differ_in_place_and_size_is_exact() -> None:
    one = {**LUNGS, "carina": (45.0, 40.0, 55.0, 48.0), "left hilar structures": (58.0, 45.0, 70.0, 60.0)}
    atlas = Atlas.fit([one, moved(one, 2.0, 5.0), moved(one, 0.5, -3.0)])
    assert set(atlas.places) == {"carina", "left hilar structures"}
    placed = Atlas.from_json(atlas.to_json()).place(moved(LUNGS, 3.0, 1.0))
    expected = moved(one, 3.0, 1.0)
    assert set(placed) == set(expected)
    for name, box in placed.items():
        assert box == pytest.approx(expected[name])


def test_an_atlas_takes_the_frame_that_a_location_follows() -> None:
    """The left lung grows, its hilum with it: no frame but the left lung explains both pictures."""
    small = {**LUNGS, "left hilar structures": (60.0, 45.0, 72.0, 60.0)}
    large = {**LUNGS, "left lung": (60.0, 25.0, 120.0, 145.0), "left hilar structures": (60.0, 65.0, 84.0, 95.0)}
    assert Atlas.fit([small, large]).places["left hilar structures"][0] == "left lung"


def test_the_drawn_atlas_knows_every_location_and_keeps_sides() -> None:
    placed = ATLAS_BY_RULE.place(LUNGS)
    assert set(placed) == set(BOX_LOCATIONS)
    middle = both_lungs(LUNGS)[[0, 2]].mean()  # type: ignore[index]
    for name, (x1, y1, x2, y2) in placed.items():
        assert x2 > x1 and y2 > y1
        if name.startswith(("right ", "left ")):
            assert ((x1 + x2) / 2 < middle) == name.startswith("right "), name
    assert ATLAS_BY_RULE.place({"right lung": LUNGS["right lung"]}) == {}


def test_a_window_reaches_beyond_the_picture_and_back() -> None:
    window = Window(-10, 5, 40)
    boxes = np.array([[0.0, 5.0, 30.0, 45.0]])
    assert window.to_parts(boxes)[0].tolist() == [0.25, 0, 1, 1]
    assert np.allclose(window.to_pixels(window.to_parts(boxes)), boxes)
    seen = cut(np.full((45, 30), 2.0), window, 40, low=0, high=4)
    assert (seen[:, 10:] == 0.5).all()
    assert (seen[:, :10] == 0).all()


def ellipses() -> Sample:
    """Two ellipses, whose boxes stay exact under slant and shear."""
    y, x = np.mgrid[0:160, 0:160] + 0.5
    right = ((x - 50) / 25) ** 2 + ((y - 80) / 45) ** 2 < 1
    left = ((x - 110) / 22) ** 2 + ((y - 82) / 42) ** 2 < 1
    boxes = {"right lung": box_of(right), "left lung": box_of(left)}
    return sample_of(np.where(right | left, 0.1, 0.8), lungs=np.stack([right, left]), boxes=boxes, edge=128)  # type: ignore[arg-type]


def test_boxes_and_masks_move_together() -> None:
    sampler = BatchSampler([ellipses()], [], edge=128, batch=4, share=0.5)
    random = np.random.default_rng(0)
    compared = 0
    for _ in range(6):
        batch = sampler(random)
        for lungs, boxes in zip(batch.lungs.numpy(), batch.boxes.numpy(), strict=True):
            for lung, name in zip(lungs, ("right lung", "left lung"), strict=True):
                box = 128 * boxes[BOX_LOCATIONS.index(name)]
                if np.isfinite(box).all() and box.min() > 0 and box.max() < 128:
                    assert box_iou(box, box_of(lung > 0.5)) > 0.93  # type: ignore[arg-type]
                    compared += 1
    assert compared > 15


def test_mirrored_samples_teach_nothing_but_that() -> None:
    batch = BatchSampler([ellipses()], [], edge=64, batch=40, share=0.5)(np.random.default_rng(1))
    mirrored = batch.mirrored.numpy() > 0
    assert 2 < mirrored.sum() < 20
    assert not batch.has_lungs.numpy()[mirrored].any()
    assert np.isnan(batch.boxes.numpy()[mirrored]).all()


def test_batches_depend_on_the_generator_alone() -> None:
    sampler = BatchSampler([ellipses()], [], edge=64, batch=3, share=0.5)
    one, two = sampler(np.random.default_rng(5)), sampler(np.random.default_rng(5))
    assert torch.equal(one.inputs, two.inputs)
    assert not torch.equal(one.inputs, sampler(np.random.default_rng(6)).inputs)


def test_the_right_answer_has_no_loss() -> None:
    boxes = torch.full((2, 36, 4), torch.nan)
    boxes[:, 3] = torch.tensor([0.2, 0.3, 0.5, 0.6])
    lungs = torch.zeros(2, 2, 16, 16)
    lungs[:, 0, 4:12, 2:7] = lungs[:, 1, 4:12, 9:14] = 1
    batch = Batch(torch.rand(2, 1, 16, 16), lungs, torch.tensor([True, True]), boxes, torch.zeros(2))

    class Right(torch.nn.Module):
        shift = 0.0

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            shares = torch.cat([1 - lungs.sum(1, keepdim=True), lungs], 1)
            return 30 * (shares - 0.5), boxes.nan_to_num() + self.shift, torch.full((2,), -30.0)

    network = Right()
    assert float(loss_of(network, batch)) == pytest.approx(0, abs=1e-4)
    network.shift = 0.03  # corners off by a tenth of the sides: 0.1, and 1 - IoU of squares shifted by a tenth
    overlap = 0.81 / (2 - 0.81)
    hull = 1.21
    giou = overlap - (hull - (2 - 0.81)) / hull
    assert float(loss_of(network, batch)) == pytest.approx(0.1 + 1 - giou, abs=1e-4)
