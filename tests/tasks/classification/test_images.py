"""The image network as a classifier: found by name, silent without images, calibrated like the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.variables import Kind, Variable
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.tasks.classification.config import ClassificationConfig
from tumorboard.tasks.classification.models import images as networks
from tumorboard.tasks.classification.models.registry import is_known, lacks, names
from tumorboard.tasks.classification.patients import Patients, Training
from tumorboard.tasks.features.crops import CropSettings
from tumorboard.tasks.features.network import NetworkSettings


def cohort_of(folder: Path, n: int = 30) -> tuple[Cohort, np.ndarray]:
    """Every second patient's tumour is hot; age says nothing; the last has no PET."""
    affine = np.diag([5.0, 5.0, 5.0, 1.0])
    random = np.random.default_rng(0)
    y, rows = np.arange(n) % 2, []
    for i in range(n - 1):
        array = random.random((10, 10, 10)).astype(np.float32)
        array[4:7, 4:7, 4:7] = 9 if y[i] else 4.5
        path = folder / f"{i}.nii.gz"
        write_nifti(Volume(array, affine, Unit.SUVBW), path)
        rows.append(
            describe_image(path, image_id=str(i), exam_id=f"e{i}", modality="PT", role="image", unit=Unit.SUVBW)
        )
    cohort = Cohort.build(
        "hot", loader=load_image, images=rows,
        patients=[{"patient_id": f"p{i}", "age_years": float(random.normal(60, 9))} for i in range(n)],
        exams=[{"exam_id": f"e{i}", "patient_id": f"p{i}", "order": 0} for i in range(n)],
    )  # fmt: skip
    return cohort, y


def test_an_image_network_tells_hot_from_warm_and_needs_images(tmp_path: Path) -> None:
    cohort, y = cohort_of(tmp_path)
    variables = (Variable("age_years", Kind.NUMERIC, baseline=True),)
    rows = cohort.rows("patients")
    training = Training.of(
        rows, y, ("negative", "positive"), variables=variables, config=ClassificationConfig(), cohort=cohort
    )
    settings = NetworkSettings(CropSettings(40.0, 5.0), width=4, features=8, batch=16, steps=50, learning_rate=5e-3)
    fitted = networks.fit_class_network(training, table=False, settings=settings)
    p = fitted.probabilities(training.patients)
    assert ((p[:-1, 1] > 0.5) == (y[:-1] == 1)).mean() > 0.9
    assert p[-1].tolist() == [0.5, 0.5]  # nothing to look at: no opinion
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert is_known("fusion-network") and "fusion-network" not in names()
    assert not lacks("image-network", training)
    blind = Training.of(rows, y, ("negative", "positive"), variables=variables, config=ClassificationConfig())
    assert lacks("image-network", blind) == "images"
    with pytest.raises(ValueError, match="no model"):
        ClassificationConfig(models="imagenetwork")
    assert isinstance(training.patients, Patients)
