"""What we write about somebody's images says nothing about the person, unless it is asked to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from tumorboard.core.cohort import Cohort
from tumorboard.datasets.dicom.export import write_segmentations, write_structure_sets
from tumorboard.datasets.dicom.reader import read
from tumorboard.datasets.dicom_sr.writer import write as write_reports
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.identity import DIRECT, without_identity
from tumorboard.io.images import load_image

SECRET = "MUSTER"
DATE = "19590403"


def marked(dataset: Dataset) -> Dataset:
    """Every attribute of the list, and some hiding places, filled with the secret."""
    for keyword in DIRECT:
        if keyword.endswith("Date"):
            value: Any = DATE
        elif keyword.endswith("Time"):
            value = "010203"
        elif keyword.endswith("Sequence"):
            item = Dataset()
            item.PatientID = SECRET
            item.AccessionNumber = SECRET
            value = [item]
        else:
            value = SECRET
        setattr(dataset, keyword, value)
    for keyword in (
        "StudyDescription",
        "SeriesDescription",
        "ImageComments",
        "StudyID",
        "ProtocolName",
        "FrameComments",
    ):
        setattr(dataset, keyword, SECRET)
    dataset.PatientAge, dataset.PatientSize = "061Y", 1.83
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = DATE
    dataset.StudyTime = "112233"
    dataset.private_block(0x0021, SECRET, create=True).add_new(1, "LO", SECRET)
    dataset.ClinicalTrialSubjectID = SECRET
    return dataset


def silent_file(folder: Path) -> Dataset:
    """The one DICOM file below `folder`, none of whose bytes tell the secrets of `marked`."""
    (path,) = folder.rglob("*.dcm")
    data = path.read_bytes()
    for secret in (SECRET, DATE, "112233", "061Y", "1.83"):
        assert secret.encode() not in data, secret
    return dcmread(path)


@pytest.fixture
def cohort(ct: Callable[..., Dataset], save: Callable[..., Path], tmp_path: Path) -> Cohort:
    """One patient of a hospital, read from DICOM, with a mask as from a model."""
    from tumorboard.core.units import Unit
    from tumorboard.core.volume import Volume
    from tumorboard.io.images import describe_image
    from tumorboard.io.nifti import write_nifti

    slices = [marked(ct(np.full((6, 5), k, np.int16), (0, 0, 2.0 * k), number=k + 1)) for k in range(4)]
    source = read(save(slices))
    grid = source.image("P1.0.CT").geometry
    mask = np.zeros(grid.shape, np.uint8)
    mask[1:4, 2:5, 1:3] = 1
    write_nifti(Volume(mask, grid.affine, Unit.LABEL), tmp_path / "mask.nii.gz")
    row = describe_image(
        tmp_path / "mask.nii.gz", image_id="P1.0.mask", exam_id="P1.0", modality="SEG", role="mask", unit=Unit.LABEL,
        run_id="expert", reference_image_id="P1.0.CT", labels={1: "GTVp"},
    )  # fmt: skip
    tables = {name: source.rows(name) for name in ("patients", "exams", "images")}
    tables["images"].append(row)
    return Cohort.build("hospital", loader=load_image, provenance=list(source.provenance), **tables)


@pytest.mark.parametrize("write", [write_segmentations, write_structure_sets])
def test_no_identity_passes_into_masks(write: Callable[..., None], cohort: Cohort, tmp_path: Path) -> None:
    write(cohort, tmp_path / "out")
    written = silent_file(tmp_path / "out")
    assert (written.PatientID, written.PatientIdentityRemoved) == ("P1", "YES")
    assert "PS3.15" in written.DeidentificationMethod and len(written.DeidentificationMethod) <= 64
    assert written.StudyInstanceUID == "1.2.3.1", "it still belongs to its study"
    write(cohort, tmp_path / "kept", identity="keep")
    (path,) = (tmp_path / "kept").rglob("*.dcm")
    assert dcmread(path).PatientName == SECRET, "an archive that is to file the mask needs its patient"


def test_no_identity_passes_into_reports(ct: Callable[..., Dataset], save: Callable[..., Path], tmp_path: Path) -> None:
    """A structured report of a hospital's radiograph: tied to its image and study by their UIDs alone."""
    source = marked(ct(np.zeros((6, 5), np.int16), (0, 0, 0)))
    (file,) = save([source]).iterdir()
    image = {"image_id": "P1.0.DX", "exam_id": "P1.0", "modality": "DX", "role": "image", "unit": "unknown"}
    cohort = Cohort.build(
        "hospital",
        patients=[{"patient_id": "P1"}],
        exams=[{"exam_id": "P1.0", "patient_id": "P1", "order": 0}],
        images=[image | {"format": "dicom-radiograph", "path": str(file)}],
        findings=[
            {"finding_id": "f", "image_id": "P1.0.DX", "run_id": "expert", "kind": "box", "label": "left lung",
             "box": [1.0, 1.0, 4.0, 5.0]},
        ],
    )  # fmt: skip
    write_reports(cohort, tmp_path / "out")
    written = silent_file(tmp_path / "out")
    assert (written.PatientID, written.StudyInstanceUID) == ("P1", source.StudyInstanceUID)
    assert str(source.SOPInstanceUID) in str(written)
    write_reports(cohort, tmp_path / "kept", identity="keep")
    (path,) = (tmp_path / "kept").rglob("*.dcm")
    assert dcmread(path).PatientName == SECRET


def test_nothing_but_numbers_codes_and_uids_stays(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    """At every depth, private elements and unknown ones as well."""
    dataset = marked(ct(np.zeros((2, 2), np.int16), (0, 0, 0)))
    inner = Dataset()
    inner.FrameComments, inner.FrameAcquisitionDateTime, inner.FrameAcquisitionNumber = SECRET, DATE + "101112", 7
    outer = Dataset()
    outer.FrameContentSequence = [inner]
    dataset.PerFrameFunctionalGroupsSequence = [outer]
    kept = without_identity(read_header(next(save([dataset]).iterdir())), patient_id="R-17").dataset
    assert SECRET not in str(kept) and DATE not in str(kept)
    assert kept.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0].FrameAcquisitionNumber == 7
    assert (kept.PatientID, str(kept.PatientName)) == ("R-17", "R-17^")
    assert kept.ImagePositionPatient == [0, 0, 0]


def test_the_check_counts_fields_and_tells_no_value(cohort: Cohort) -> None:
    from tumorboard.checks.run import run_checks

    (said,) = [finding for finding in run_checks(cohort) if finding.code == "PHI201"]
    assert "PatientBirthDate in 4" in said.message and "RequestAttributesSequence in 4" in said.message
    assert SECRET not in str(said) + str(cohort.provenance) and DATE not in str(said) + str(cohort.provenance)


def test_a_source_without_identity_is_not_blamed(ct: Callable[..., Dataset], save: Callable[..., Path]) -> None:
    dataset = ct(np.zeros((2, 2), np.int16), (0, 0, 0))
    dataset.PatientName = "P1^"
    assert "identifying" not in read(save([dataset])).provenance[0]
