"""Identifying attributes are found, placeholders are not, and no value is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.identity import identifying_attributes


@pytest.fixture
def found(ct: Callable[..., Dataset], save: Callable[..., Path]) -> Callable[..., dict[str, bool]]:
    def build(**attributes: object) -> dict[str, bool]:
        dataset = ct(np.zeros((2, 2), np.int16), (0, 0, 0))
        dataset.PatientName = "P1^"
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        header = read_header(next(save([dataset]).iterdir()))
        told = list(identifying_attributes(header))
        assert "Muster" not in repr(told)
        return {one.keyword: one.same_as_id for one in told}

    return build


def test_filled_attributes_are_named(found: Callable[..., dict[str, bool]]) -> None:
    assert found(PatientName="Muster^Erika", PatientBirthDate="19590403", InstitutionName="St. Muster") == {
        "PatientName": False,
        "PatientBirthDate": False,
        "InstitutionName": False,
    }


def test_placeholders_and_research_ids(found: Callable[..., dict[str, bool]]) -> None:
    assert found() == {"PatientName": True}
    assert found(PatientName="ANONYMOUS^", AccessionNumber="") == {"PatientName": False}
    assert found(PatientName="Anonymized", OperatorsName="^^", InstitutionName="unknown") == {}


def test_the_real_sets_hold_research_ids(real_data: Path) -> None:
    path = next((real_data / "sts_dicom" / "STS_019" / "CT" / "image").iterdir())
    told = {one.keyword: one.same_as_id for one in identifying_attributes(read_header(path))}
    assert told.pop("PatientName") is True
    assert "PatientBirthDate" not in told
