"""What the tests of series share: the code of a refusal, and the voxels that `stack` of conftest writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.series import read_series


def code_of(folder: Path, **options: object) -> str:
    with pytest.raises(TumorboardError) as caught:
        read_series(folder, unit=options.pop("unit", Unit.HU), **options)  # type: ignore[arg-type]
    return caught.value.code.id


def expected_values() -> np.ndarray:
    column, row, k = np.mgrid[:6, :5, :4]
    return 100 * k + 10 * row + column
