"""The peers of the sarcoma benchmark: the recipe's way back to the scan's grid, and what the page says of whom."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.tasks.result import Evaluation
from tumorboard.tasks.segmentation.config import SegmentationConfig

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmarks_on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("segmentation_peers_recipe", "segmentation_peers_report", "segmentation_virtual"):
        sys.modules.pop(name, None)


def _scan() -> tuple[Any, Any, np.ndarray[Any, Any]]:
    """A body in air, off the middle, on an anisotropic grid with an origin; a hot ball of 20 mm in it."""
    import SimpleITK as sitk

    z, y, x = np.meshgrid(np.arange(40), np.arange(70), np.arange(80), indexing="ij")
    hu = np.where((abs(x - 50) < 22) & (abs(y - 30) < 24) & (abs(z - 22) < 13), 40.0, -1000.0)
    ball = (2.0 * (x - 48)) ** 2 + (2.0 * (y - 33)) ** 2 + (3.0 * (z - 24)) ** 2 <= 20.0**2
    images = []
    for array in (hu, np.where(ball, 9.0, 1.0)):
        image = sitk.GetImageFromArray(array.astype(np.float32))
        image.SetSpacing((2.0, 2.0, 3.0))
        image.SetOrigin((-31.0, 17.0, 250.0))
        images.append(image)
    return images[0], images[1], ball


def test_the_recipe_brings_a_perfect_answer_back_to_its_place() -> None:
    """The published container leaves its crop in and scores 0.00 here (reference: a perfect network)."""
    import segmentation_peers_recipe as recipe
    import SimpleITK as sitk

    ct, pet, ball = _scan()
    seen = []

    def perfect(inputs: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        seen.append(inputs.shape)
        return (inputs[1] > 0.5 * inputs[1].max()).astype(np.uint8)

    found = recipe.predict_part(perfect, ct, pet, spacing_mm=2.0)
    labels = sitk.GetArrayFromImage(found)
    assert labels.shape == ball.shape
    assert seen[0][1] < 40 * 3 / 2 and seen[0][3] < 80  # it did crop
    assert 2 * (labels.astype(bool) & ball).sum() / (labels.sum() + ball.sum()) > 0.95


def test_the_recipe_scales_as_published() -> None:
    """-250..250 HU to -6..6 and beyond clipped; z-score over the voxels that are not 0, which stay 0."""
    import segmentation_peers_recipe as recipe
    import SimpleITK as sitk

    hu = sitk.GetImageFromArray(np.array([[[-1000.0, -250.0, 0.0, 125.0, 900.0]]], np.float32))
    suv = sitk.GetImageFromArray(np.array([[[0.0, 1.0, 3.0, 1.0, 3.0]]], np.float32))
    scaled = recipe.prepared(hu, suv)
    assert scaled[0].ravel().tolist() == [-6.0, -6.0, 0.0, 3.0, 6.0]
    assert scaled[1].ravel().tolist() == [0.0, -1.0, 1.0, -1.0, 1.0]


def _evaluation(values: dict[str, float]) -> Evaluation:
    mean = float(np.mean(list(values.values())))
    row = {"metric": "dice", "label": "GTV", "value": mean, "low": mean, "high": mean, "n": len(values)}
    cases = [{"patient_id": name, "metric": "dice", "value": value} for name, value in values.items()]
    return Evaluation([row], rules={"name": "all metrics"}, cases=cases)


def test_the_page_puts_the_best_first_and_pairs_by_patient() -> None:
    from segmentation_peers_report import page

    results = {
        "ours": _evaluation({"a": 0.5, "b": 0.7, "c": 0.6}),
        "recipe": _evaluation({"c": 0.7, "a": 0.6, "b": 0.8}),
    }
    arguments = argparse.Namespace(
        date="", machine="", folds=3, minutes=1.0, clock="cpu", workers=1, seed=0, set=[], recipe_spacing_mm=2.0,
        recipe_patch=64, recipe_volumes=1, recipe_samples=2, nnunet_memory_gib=8.0, nnunet_spacing_mm=None,
    )  # fmt: skip
    text = page(results, {}, arguments, SegmentationConfig())
    assert text.index("| official recipe") < text.index("| ours")
    assert "| official recipe (MONAI UNet) | -0.100 (-0.100 to -0.100) |" in text
    assert "0 of 3" in text


def test_the_virtual_table_ranks_by_the_challenge_rules() -> None:
    """HECKTOR 2025: GTVn rank from two figures first, then together with GTVp's; by hand: 1 + 1, 2 + 2, 3 + 3."""
    from segmentation_virtual import EITHER, FIGURES, table

    def scored(*values: float) -> dict[tuple[str, str], dict[str, Any]]:
        figures = zip((*FIGURES, EITHER), (*values, 0.5), strict=True)
        return {figure: {"value": value, "low": None, "high": None} for figure, value in figures}

    spent = {"high": {"channels": [8, 16], "patch": 32, "rate": 5e-3, "folds": [{"steps": 7}, {"steps": 5}]}}
    found = {"low": scored(0.1, 0.1, 0.1), "high": scored(0.9, 0.8, 0.7), "mid": scored(0.5, 0.4, 0.3)}
    lines = table("x", found, spent)
    assert [line.split("|")[1:3] for line in lines[-3:]] == [[" 1 ", " high "], [" 2 ", " mid "], [" 3 ", " low "]]
    assert lines[-3].endswith("| 8 to 16 | 32 | 0.005 | 5 to 7 |")
    assert len({line.count("|") for line in lines[1:]}) == 1
