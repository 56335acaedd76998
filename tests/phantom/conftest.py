"""One small virtual cohort for all tests of the phantom."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.phantom import make_cohort
from tumorboard.phantom.chest import render
from tumorboard.phantom.cohort import draw_patients
from tumorboard.phantom.patient import VirtualPatient
from tumorboard.phantom.radiograph_picture import Radiograph

ALL_CENTRES = ("VA", "VB", "VC", "VD", "VE", "VF", "VG", "VH")


@pytest.fixture(scope="session")
def crowd() -> list[VirtualPatient]:
    """Patients of all centres, without images."""
    return draw_patients(1200, seed=11, centres=ALL_CENTRES)


@pytest.fixture(scope="session")
def virtual(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Five patients of four centres, some followed, with organ maps."""
    folder: Path = tmp_path_factory.mktemp("virtual") / "cohort"
    return make_cohort(folder, patients=5, seed=3, organs=True, spacing_mm=4.0, exams=2, followed=0.5)


@pytest.fixture(scope="session")
def films() -> list[Radiograph]:
    """X-rays of eleven patients."""
    return [render(seed, 224) for seed in range(11)]
