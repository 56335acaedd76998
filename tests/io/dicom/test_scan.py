"""A folder is scanned whatever it holds: series found, the rest named, nothing outside touched."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from tumorboard.core.errors import TumorboardError
from tumorboard.io.dicom.scan import dicom_files, scan_folder


@pytest.fixture
def tree(ct: Callable[..., Dataset], pet: Callable[..., Dataset], tmp_path: Path) -> Path:
    """Two series in three folders, files without suffix, a gzipped one."""
    root = tmp_path / "root"
    for index, place in enumerate(("a", "a", "b/c")):
        (root / place).mkdir(parents=True, exist_ok=True)
        ct(np.zeros((2, 2), np.int16), (0, 0, index)).save_as(root / place / f"IM{index}", enforce_file_format=True)
    pet(np.zeros((2, 2), np.int16), (0, 0, 0)).save_as(root / "pet", enforce_file_format=True)
    (root / "pet.dcm.gz").write_bytes(gzip.compress((root / "pet").read_bytes()))
    (root / "pet").unlink()
    return root


def test_series_are_found_by_their_headers(tree: Path) -> None:
    found = scan_folder(tree)
    assert [(e.modality, len(e.files), e.patient_id) for e in found.series] == [("CT", 3, "P1"), ("PT", 1, "P1")]
    assert found.skipped == ()


def test_other_files_are_named_not_stumbled_over(tree: Path) -> None:
    (tree / "notes.txt").write_text("hello")
    (tree / "empty").write_bytes(b"")
    (tree / "cut.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x10")
    (tree / "table.csv.gz").write_bytes(gzip.compress(b"a,b"))
    found = scan_folder(tree)
    assert len(found.series) == 2
    assert {Path(r.where).name: (r.code.id, r.severity) for r in found.skipped} == {
        "notes.txt": ("DCM101", "info"),
        "empty": ("DCM101", "info"),
        "cut.dcm": ("DCM102", "error"),
        "table.csv.gz": ("DCM101", "info"),
    }


def test_links_out_of_the_folder_are_not_followed(tree: Path, tmp_path: Path, ct: Callable[..., Dataset]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    ct(np.zeros((2, 2), np.int16), (0, 0, 9)).save_as(outside / "secret", enforce_file_format=True)
    (tree / "file").symlink_to(outside / "secret")
    (tree / "folder").symlink_to(outside)
    (tree / "inside").symlink_to(tree / "a" / "IM0")
    (tree / "loop").symlink_to(tree)
    (tree / "dangling").symlink_to(tree / "nothing")
    found = scan_folder(tree)
    assert sum(len(entry.files) for entry in found.series) == 4
    assert {Path(r.where).name for r in found.skipped if r.code.id == "DCM111"} == {"file", "folder"}


def dicomdir(root: Path, *entries: list[str]) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4.5"
    dataset.FileSetID = "X"
    dataset.DirectoryRecordSequence = []
    for entry in entries:
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        record.ReferencedFileID = entry
        dataset.DirectoryRecordSequence.append(record)
    dataset.save_as(root / "DICOMDIR", enforce_file_format=True)


def test_a_dicomdir_cannot_name_files_elsewhere(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    dicomdir(tree, ["a", "IM0"], ["..", "secret"], ["/etc/passwd"], ["a", "GONE"])
    found = scan_folder(tree)
    assert sum(len(entry.files) for entry in found.series) == 4
    assert sorted(r.code.id for r in found.skipped) == ["DCM111", "DCM111", "FIL101"]


def test_one_series_of_two_patients_is_none(tree: Path, ct: Callable[..., Dataset]) -> None:
    other = ct(np.zeros((2, 2), np.int16), (0, 0, 9))
    other.PatientID = "P2"
    other.save_as(tree / "other", enforce_file_format=True)
    found = scan_folder(tree)
    assert [entry.modality for entry in found.series] == ["PT"]
    assert [r.code.id for r in found.skipped] == ["DCM106"]


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="FIL101"):
        dicom_files(tmp_path / "nothing")
