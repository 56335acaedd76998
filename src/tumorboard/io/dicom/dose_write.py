"""Dose volume -> RTDOSE file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import RTDoseStorage

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.identifiers import made_uid
from tumorboard.io.dicom.image_write import StudyIdentity, decimal, study_attributes
from tumorboard.io.dicom.save import save_dataset

__all__ = ["write_dose"]

_DETACHED_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"


def write_dose(dose: Volume, path: Path, *, study: StudyIdentity, number: int) -> None:
    """Write a dose in Gy as one multi-frame RTDOSE of 32 bits, offsets from 0. UNT101 for another unit."""
    dose.require(Unit.GY, where=str(path))
    if np.linalg.det(dose.affine[:3, :3]) < 0:
        dose = dose.flip(2)
    lps, spacing = dose.geometry.affine_lps, dose.spacing_mm
    dataset = study_attributes(study, "dose")
    dataset.SOPClassUID = RTDoseStorage
    dataset.SOPInstanceUID = made_uid("dose", study.study_uid, number)
    dataset.Modality = "RTDOSE"
    dataset.SeriesInstanceUID = made_uid(dataset.SOPInstanceUID, "series")
    dataset.SeriesNumber = number
    dataset.OperatorsName = ""
    dataset.InstanceNumber = 1
    dataset.ImagePositionPatient = [decimal(v) for v in lps[:3, 3]]
    dataset.ImageOrientationPatient = [decimal(v) for axis in (0, 1) for v in lps[:3, axis] / spacing[axis]]
    dataset.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    dataset.SliceThickness = decimal(spacing[2])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.NumberOfFrames = dose.shape[2]
    dataset.FrameIncrementPointer = 0x3004000C
    dataset.GridFrameOffsetVector = [decimal(k * spacing[2]) for k in range(dose.shape[2])]
    dataset.Rows, dataset.Columns = dose.shape[1], dose.shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 32
    dataset.HighBit = 31
    dataset.PixelRepresentation = 0
    dataset.DoseUnits = "GY"
    dataset.DoseType = "PHYSICAL"
    dataset.DoseSummationType = "PLAN"
    scaling = float(decimal(max(float(dose.array.max()), 1e-6) / (2**32 - 2)))
    dataset.DoseGridScaling = decimal(scaling)
    plan = Dataset()
    plan.ReferencedSOPClassUID, plan.ReferencedSOPInstanceUID = _DETACHED_PLAN, made_uid("plan", study.study_uid)
    dataset.ReferencedRTPlanSequence = [plan]
    stored = np.rint(np.clip(dose.array, 0, None).astype(np.float64) / scaling)
    dataset.PixelData = np.ascontiguousarray(stored.transpose(2, 1, 0), dtype="<u4").tobytes()
    save_dataset(dataset, path)
