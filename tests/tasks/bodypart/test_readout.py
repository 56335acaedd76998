"""Regions from features, landmarks between them, and CTs that look unlike those of training."""

from __future__ import annotations

import json
from typing import Any

import bodypart_bodies as bodies
import numpy as np
import pytest
import torch

from tumorboard.core.bodypart import REGIONS, REVERSED
from tumorboard.models.slice_regressor import build_slice_regressor, in_two
from tumorboard.tasks.bodypart.anatomy import fit_anatomy
from tumorboard.tasks.bodypart.answer import answer
from tumorboard.tasks.bodypart.curve import DepthCurve
from tumorboard.tasks.bodypart.flags import check_order
from tumorboard.tasks.bodypart.model import BodyPartModel
from tumorboard.tasks.bodypart.predict import predict
from tumorboard.tasks.bodypart.readout import averaged, fit_familiarity, fit_regions
from tumorboard.tasks.bodypart.slices import body_slices

Z = -np.arange(40) * 5.0
CURVE = DepthCurve(Z, np.linspace(0, 1, 40))
ANATOMY = fit_anatomy((0.0, 1.0), [CURVE] * 3, [{"top of lung": -50.0, "carina": -60.0}] * 3)


def volumes(*, regions: tuple[int, ...] = (0, 1, 2, 3), count: int = 6, away: float = 0.0) -> Any:
    """Features whose first four numbers name the region, in noise."""
    random = np.random.default_rng(len(regions))
    truth = [np.repeat(regions, 10) for _ in range(count)]
    return [np.eye(6)[one] * 3 + random.normal(0, 0.5, (len(one), 6)) + away for one in truth], truth


def test_features_are_averaged_along_z() -> None:
    z = np.array([10.0, 0.0])
    weight = np.exp(-0.5)
    found = averaged(z, np.array([[1.0, 5.0], [0.0, 5.0]]), sigma_mm=10.0)
    assert found == pytest.approx(np.array([[1 / (1 + weight), 5], [weight / (1 + weight), 5]]))
    assert np.array_equal(averaged(z, found, sigma_mm=0.0), found)


def test_regions_are_read_from_features() -> None:
    features, truth = volumes()
    readout = fit_regions(features, truth)
    assert readout is not None
    new, expected = volumes(count=2)
    for one, right in zip(new, expected, strict=True):
        chances = readout.probabilities(one)
        assert chances.sum(axis=1) == pytest.approx(1) and (chances.argmax(axis=1) == right).mean() > 0.95


@pytest.mark.parametrize("regions", [(1, 2), (0, 1, 3)])
def test_a_region_that_training_never_showed_is_never_said(regions: tuple[int, ...]) -> None:
    features, truth = volumes(regions=regions)
    truth[0][:5] = -1  # not told: not learnt from
    readout = fit_regions(features, truth)
    assert readout is not None
    chances = readout.probabilities(np.random.default_rng(0).normal(0, 5, (200, 6)))
    absent = [number for number in range(4) if number not in regions]
    assert np.isfinite(chances).all() and (chances[:, absent] == 0).all()
    own = readout.probabilities(features[1]).argmax(axis=1)
    assert (own == truth[1]).mean() > 0.95
    assert fit_regions(features, [np.where(one == 1, 1, -1) for one in truth]) is None


def test_a_landmark_lies_where_half_of_the_probability_is_below_it() -> None:
    below = np.clip((-Z - 72.5) / 50, 0, 1)  # half at z = -97.5
    chances = np.stack([0 * below, 1 - below, below, 0 * below], axis=1)
    found = answer(CURVE, ANATOMY, tolerance=0.2, chances=chances)
    assert found.landmarks["upper liver edge"] == pytest.approx(-97.5)
    assert found.landmarks["carina"] == pytest.approx(-60)  # by its score, as before
    assert "top of lung" not in found.landmarks  # the features see no neck, whatever the score says
    assert found.regions is not None and found.regions[:15] == (REGIONS[1],) * 15 and found.regions[-1] == REGIONS[2]


def test_strangers_are_known_by_their_features() -> None:
    features, _ = volumes(count=10)
    known = fit_familiarity(features)
    assert known is not None
    new, strange = volumes(count=3)[0], volumes(count=3, away=4.0)[0]
    assert all(known.knows(one) for one in new) and not any(known.knows(one) for one in strange)
    assert fit_familiarity(features[:3]) is None


def test_strangers_get_no_flags() -> None:
    turned = DepthCurve(Z, CURVE.score[::-1])
    assert check_order(turned, ANATOMY, tolerance=0.2).flags == (REVERSED,)
    judged = check_order(turned, ANATOMY, tolerance=0.2, familiar=False)
    assert judged.flags == () and judged.spacing_ratio is None and not judged.familiar
    assert judged.order == pytest.approx(-1)


@pytest.mark.parametrize("name", ["small", "vgg16"])
def test_a_network_in_two_is_the_same_network(name: str) -> None:
    network = build_slice_regressor(name, inputs=1).eval()  # type: ignore[arg-type]
    images = torch.rand(3, 1, 32, 32)
    first, last = in_two(network)
    features = first(images)
    assert features.ndim == 2 and torch.equal(last(features), network(images))


def test_what_features_say_is_kept_with_the_model(drawn: Any) -> None:
    cohort, run, model = drawn
    back = BodyPartModel.load(run)
    assert back.readout is not None and back.known is not None
    slices = body_slices(cohort.image("P1.CT"), model.config, where="P1.CT")
    one, two = model.answer(slices), back.answer(slices)
    assert one.regions == two.regions and one.landmarks == two.landmarks and one.check == two.check
    rows = predict(run, cohort, run_id="net").rows["runs"]
    assert json.loads(rows[0]["metrics"])["unfamiliar"] == []
    noise = bodies.body(seed=5, length_mm=300)
    strange = np.where(noise.array > -500, np.random.default_rng(0).uniform(-400, 1500, noise.array.shape), noise.array)
    odd = body_slices(type(noise)(strange.astype(np.float32), noise.affine, noise.unit), model.config, where="odd")
    assert not model.answer(odd).check.familiar
