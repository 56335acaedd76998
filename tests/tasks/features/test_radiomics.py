"""Radiomics of scans: IBSI's patient, grids, units and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti
from tumorboard.tasks.features.radiomics import CT, Extraction, radiomics

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "ibsi1.json").read_text(encoding="utf-8"))


def test_the_patient_of_ibsi_has_the_consensus_values_of_configuration_c(real_data: Path) -> None:
    ct = read_nifti(real_data / "ct" / "ibsi1_phantom.nii.gz", unit=Unit.HU)
    mask = read_nifti(real_data / "ct" / "ibsi1_mask.nii.gz", unit=Unit.LABEL)
    found = radiomics(
        ct, mask, extraction=Extraction(2.0, bin_width=25.0, lowest=-1000.0, keep=(-1000.0, 400.0), whole=True)
    )
    reference = GOLDEN["configuration C"]
    assert len(reference) == 100
    wrong = {
        name: (found[name], value)
        for name, (value, tolerance) in reference.items()
        if abs(found[name] - value) > tolerance + 5e-3 * abs(value)  # stated to three digits
    }
    assert not wrong


def ball(spacing_mm: float, *, unit: Unit, flip: bool = False) -> tuple[Volume, Volume]:
    """A warm ball of 15 mm radius with a gradient, at the same place whatever the grid."""
    count = int(60 / spacing_mm)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = -30 + spacing_mm / 2
    axes = affine[0, 3] + spacing_mm * np.arange(count)
    x, y, z = np.meshgrid(axes, axes, axes, indexing="ij")
    mask = Volume((x**2 + y**2 + z**2 <= 15**2).astype(np.uint8), affine, Unit.LABEL)
    image = Volume((10 + 0.2 * x + 0.1 * z).astype(np.float32), affine, unit)
    return (image.flip(0), mask.flip(2)) if flip else (image, mask)


def test_features_do_not_depend_on_the_stored_grid() -> None:
    fine, coarse = (radiomics(*ball(s, unit=Unit.SUVBW), texture=False) for s in (1.0, 1.5))
    for name in ("shape_mesh_volume_ml", "intensity_mean", "intensity_global_peak", "shape_longest_diameter_mm"):
        assert coarse[name] == pytest.approx(fine[name], rel=0.04)
    assert fine["shape_mesh_volume_ml"] == pytest.approx(4 / 3 * np.pi * 15**3 / 1000, rel=0.05)
    turned = radiomics(*ball(1.5, unit=Unit.SUVBW, flip=True), texture=False)
    assert turned == pytest.approx(coarse, rel=1e-6)


def test_a_mask_on_another_grid_is_taken_by_place_not_by_index() -> None:
    image, _ = ball(1.0, unit=Unit.SUVBW)
    _, mask = ball(2.0, unit=Unit.SUVBW)
    found = radiomics(image, mask, texture=False)
    assert found["intensity_mean"] == pytest.approx(10.0, abs=0.1)
    assert found["shape_mesh_volume_ml"] == pytest.approx(14.1, rel=0.08)


def test_an_unknown_unit_an_empty_mask_and_a_mask_elsewhere_are_refused() -> None:
    image, mask = ball(2.0, unit=Unit.BQML)
    with pytest.raises(TumorboardError, match="UNT101"):
        radiomics(image, mask)
    image, mask = ball(2.0, unit=Unit.SUVBW)
    with pytest.raises(TumorboardError, match="FEA102"):
        radiomics(image, mask.with_array(np.zeros_like(mask.array)))
    with pytest.raises(TumorboardError, match="FEA102"):
        radiomics(image, mask, value=7)
    far = mask.affine.copy()
    far[:3, 3] += 500
    with pytest.raises(TumorboardError, match="FEA102"):
        radiomics(image, Volume(mask.array, far, Unit.LABEL))


def test_a_contour_of_metal_alone_has_a_shape_and_no_texture() -> None:
    image, mask = ball(2.0, unit=Unit.HU)
    found = radiomics(image.with_array(np.full_like(image.array, 3000.0)), mask, extraction=CT)
    assert found["shape_mesh_volume_ml"] > 10
    assert not [name for name in found if not name.startswith("shape_")]
