"""Dose in Gray, frames placed by either convention of the offset vector."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.dose_write import write_dose
from tumorboard.io.dicom.image_write import StudyIdentity
from tumorboard.io.dicom.rtdose import read_dose


@pytest.fixture
def dose(ct: Callable[..., Dataset], save: Callable[..., Path]) -> Callable[..., Path]:
    """Three frames of 4 x 5 pixels, stored values 1000 k + 10 row + column, 0.002 Gy each, first frame at z = 40."""

    def build(offsets: list[float], order: tuple[int, ...] = (0, 1, 2), **attributes: Any) -> Path:
        rows, columns = np.mgrid[:4, :5]
        stored = np.stack([1000 * k + 10 * rows + columns for k in order]).astype(np.uint32)
        dataset = ct(stored[0], (-4, -6, 40), spacing=(2.5, 2), bits=32)
        dataset.PixelData = stored.astype("<u4").tobytes()
        dataset.NumberOfFrames = 3
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.2"
        dataset.Modality, dataset.DoseUnits, dataset.DoseType = "RTDOSE", "GY", "PHYSICAL"
        dataset.DoseGridScaling = "0.002"
        dataset.GridFrameOffsetVector = offsets
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        return next(save([dataset], "dose").iterdir())

    return build


def expected() -> np.ndarray:
    column, row, k = np.mgrid[:5, :4, :3]
    return 0.002 * (1000 * k + 10 * row + column)


@pytest.mark.parametrize(
    ("offsets", "order"),
    [([0, 3, 6], (0, 1, 2)), ([40, 43, 46], (0, 1, 2)), ([0, 6, 3], (0, 2, 1))],
)
def test_both_conventions_and_any_order(dose: Callable[..., Path], offsets: list[float], order: Any) -> None:
    volume = read_dose(dose(offsets, order))
    assert volume.unit is Unit.GY
    np.testing.assert_allclose(volume.array, expected(), rtol=1e-6)
    np.testing.assert_allclose(volume.affine, [[-2, 0, 0, 4], [0, -2.5, 0, 6], [0, 0, 3, 40], [0, 0, 0, 1]])


def test_frames_that_run_downwards(dose: Callable[..., Path]) -> None:
    volume = read_dose(dose([0, -3, -6]))
    np.testing.assert_allclose(volume.array, expected()[:, :, ::-1], rtol=1e-6)
    np.testing.assert_allclose(volume.affine[:3, 3], [4, 6, 34])


@pytest.mark.parametrize(
    ("offsets", "attributes", "code"),
    [
        ([0, 3, 6], {"DoseUnits": "RELATIVE"}, "RTD101"),
        ([0, 3, 6], {"DoseType": "ERROR"}, "RTD101"),
        ([7, 10, 13], {}, "RTD101"),
        ([40, 43, 46], {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "RTD101"),
        ([0, 3, 7], {}, "DCM123"),
        ([0, 3, 3], {}, "DCM123"),
        ([0, 3], {}, "DCM104"),
        ([0, 3, 6], {"DoseGridScaling": "0"}, "DCM104"),
        ([0, 3, 6], {"Modality": "CT"}, "DCM104"),
    ],
)
def test_what_is_no_placed_dose(dose: Callable[..., Path], offsets: list[float], attributes: Any, code: str) -> None:
    with pytest.raises(TumorboardError) as caught:
        read_dose(dose(offsets, **attributes))
    assert caught.value.code.id == code


def test_a_written_dose_comes_back(tmp_path: Path) -> None:
    array = np.random.default_rng(0).uniform(0, 70, (6, 5, 4)).astype(np.float32)
    affine = np.array([[-2, 0, 0, 9], [0, -2, 0, 8], [0, 0, 3, -7], [0, 0, 0, 1]], float)
    write_dose(Volume(array, affine, Unit.GY), tmp_path / "rd.dcm", study=StudyIdentity("P", "P.0"), number=1)
    back = read_dose(tmp_path / "rd.dcm")
    np.testing.assert_allclose(back.array, array, atol=1e-6)
    np.testing.assert_allclose(back.affine, affine)
