"""Datasets -> files, atomically."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom import dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from tumorboard.io.dicom.identifiers import IMPLEMENTATION_UID
from tumorboard.io.files import atomic_write_bytes

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["save_dataset"]


def save_dataset(dataset: Dataset, path: Path, *, alone: bool = True) -> None:
    """Write a dataset as a Part 10 file, Explicit VR Little Endian. A file that stands `alone` is written atomically;
    one of a thousand slices is not flushed to disk by itself: its folder appears as a whole."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(dataset.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = UID(dataset.SOPInstanceUID)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    meta.ImplementationVersionName = "TUMORBOARD"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    if alone:
        atomic_write_bytes(path, buffer.getvalue())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
