"""What the checks say of X-rays: drawn chests, one of them turned, lateral, washed out or framed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.checks import CheckFinding, run_checks
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.radiograph import frontal_affine


def chest() -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:120, 0:120] / 120 - 0.5
    lungs = ((np.abs(x) - 0.22) / 0.14) ** 2 + (y / 0.3) ** 2 < 1
    body = (np.abs(x) < 0.46) & (y > -0.4) | (np.abs(x) < 0.1)
    grey = np.where(lungs, 0.1, np.where(body, np.where((np.abs(x) < 0.07) | (y > 0.3), 0.9, 0.6), 0.0))
    noise = np.random.default_rng(0).normal(0, 0.03, x.shape)
    return (255 * np.clip(grey + noise, 0, 1)).astype(np.uint8)


def findings(picture: np.ndarray[Any, Any], *, affine: Any = None, view: str = "PA") -> list[CheckFinding]:
    volume = Volume(
        np.ascontiguousarray(picture.T)[:, :, None], frontal_affine() if affine is None else affine, Unit.GREY8
    )
    row = {
        "image_id": "P.0.DX", "exam_id": "P.0", "modality": "DX", "role": "image", "unit": "grey8",
        "format": "radiograph",
        "path": "p.png", "shape": list(volume.shape), "affine": volume.affine.ravel().tolist(),
        "options": json.dumps({"projection": {"view": view}}),
    }  # fmt: skip
    cohort = Cohort.build(
        "one",
        patients=[{"patient_id": "P"}],
        exams=[{"exam_id": "P.0", "patient_id": "P", "order": 0}],
        images=[row],
        loader=lambda _row, _root: volume,
        root=Path(),
    )
    return [found for found in run_checks(cohort) if found.code.startswith("XRY")]


def test_an_upright_chest_is_fine() -> None:
    assert findings(chest()) == []


@pytest.mark.parametrize(("turns", "inverted"), [(1, False), (2, False), (3, False), (0, True), (1, True)])
def test_a_turned_chest_is_an_error(turns: int, inverted: bool) -> None:
    shown = np.rot90(255 - chest() if inverted else chest(), turns)
    (found,) = findings(shown)
    assert (found.code, found.severity) == ("XRY201", "error")
    assert ("negative" in found.message) == inverted


def test_a_turn_that_the_header_states_is_none() -> None:
    affine = frontal_affine()
    affine[2, 1] = 1.0  # rows run upwards
    assert findings(np.flipud(np.fliplr(chest())), affine=affine * np.array([-1, 1, 1, 1])[:, None]) == []


def test_lateral_views_and_other_pictures_are_named() -> None:
    (stated,) = findings(chest(), view="LL")
    assert (stated.code, stated.severity) == ("XRY202", "info")
    noise = np.random.default_rng(0).integers(0, 255, (120, 120), dtype=np.uint8)
    assert [(f.code, f.severity) for f in findings(noise)] == [("XRY202", "warning")]


def test_washed_out_and_framed_pictures_are_named() -> None:
    from scipy import ndimage

    large = np.kron(chest().astype(float), np.ones((4, 4)))
    smooth = ndimage.gaussian_filter(large, 20).astype(np.uint8)
    assert "XRY203" in [f.code for f in findings(smooth)]
    framed = np.pad(chest(), 30)
    assert [(f.code, f.severity) for f in findings(framed)] == [("XRY203", "info")]
