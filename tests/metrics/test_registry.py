from __future__ import annotations

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import resolve
from tumorboard.metrics.official import RULE_SETS, load_rules
from tumorboard.metrics.overlap import aggregated_dice
from tumorboard.metrics.registry import METRICS, metric_id


def test_names_carry_their_unit() -> None:
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.better in {"higher", "lower", "zero", "none"}
        assert (metric.unit in ("mm", "ml", "px")) == name.endswith(f"_{metric.unit}")
        assert metric.meaning
        assert metric.empty


def test_identifiers() -> None:
    assert metric_id("dice") == "dice"
    assert metric_id("hd95_mm", definition="voxel borders") == "hd95_mm (voxel borders)"
    assert metric_id("nsd", definition="surface elements", tolerance_mm=1.5) == "nsd_1.5mm (surface elements)"
    with pytest.raises(KeyError):
        metric_id("accuracy")


def test_every_set_of_rules_loads_and_names_registered_metrics() -> None:
    for name, listed in RULE_SETS.items():
        rules = load_rules(name)
        assert rules.name == name
        assert isinstance(rules, resolve(listed.rules))
        assert set(listed.metrics) <= set(METRICS)
        for figure in getattr(rules, "figures", ()):
            assert figure.metric in listed.metrics


def test_unknown_rules_tasks_and_options_are_refused() -> None:
    for call in (
        lambda: load_rules("hecktor1999"),
        lambda: load_rules("hecktor2025-rfs", task="segmentation"),
        lambda: load_rules("autopet", colour="red"),
        lambda: load_rules("autopet", connectivity=8),
    ):
        with pytest.raises(TumorboardError) as error:
            call()
        assert error.value.code.id == "MET107"


def test_aggregated_dice_is_not_the_mean() -> None:
    """Trap 5: a large patient of Dice 1 and a small one of Dice 0."""
    reference, prediction, both = [100, 10], [100, 10], [100, 0]
    assert aggregated_dice(reference, prediction, both) == pytest.approx(200 / 220)
    assert np.mean([1.0, 0.0]) == 0.5
    assert aggregated_dice([0, 0], [0, 0], [0, 0]) is None
    assert aggregated_dice([0, 10], [10, 10], [0, 10]) == pytest.approx(20 / 30)  # false positive in an empty case
    with pytest.raises(TumorboardError) as error:
        aggregated_dice([1], [1, 2], [1, 1])
    assert error.value.code.id == "MET106"
