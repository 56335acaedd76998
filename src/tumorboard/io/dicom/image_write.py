"""Volume -> CT or PET image series, one file per slice: for virtual cohorts, and for derived series of cohorts that
came without DICOM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, PositronEmissionTomographyImageStorage

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom import codes
from tumorboard.io.dicom.identifiers import made_uid
from tumorboard.io.dicom.save import save_dataset

__all__ = ["Injection", "StudyIdentity", "decimal", "study_attributes", "write_image_series"]


@dataclass(frozen=True)
class StudyIdentity:
    """Whose series it is. Virtual patients and derived series have made-up identifiers and dates."""

    patient_id: str
    exam_id: str
    date: str = ""
    """YYYYMMDD; empty when not known."""
    order: int = 0
    """Which exam of the patient: sets the time of the study, so that exams without dates keep their order."""
    sex: str = ""
    age_years: float | None = None
    weight_kg: float | None = None
    description: str = ""

    @property
    def study_uid(self) -> str:
        return made_uid("study", self.patient_id, self.exam_id)

    @property
    def frame_of_reference_uid(self) -> str:
        return made_uid("frame", self.patient_id, self.exam_id)


@dataclass(frozen=True)
class Injection:
    """The tracer of a PET series: activity at injection and the time to the scan."""

    dose_bq: float = 3.7e8
    uptake_s: float = 3600.0
    half_life_s: float = 6586.2


_STUDY_TIME_S = 6 * 3600.0
_SERIES_TIME_S = 12 * 3600.0


def write_image_series(
    volume: Volume,
    folder: Path,
    *,
    study: StudyIdentity,
    description: str,
    number: int,
    derived: bool,
    injection: Injection | None = None,
) -> list[Path]:
    """Write a volume in HU as CT, in SUVbw as PT (a slope for every slice), and return the files.

    With an `injection` (and the study's weight) the PET is stored in BQML with the tags that lead back to SUV; without
    one it is stored as SUV, in GML of type BW. A volume in Bq/ml needs an injection and is stored as it is.

    CT values are rounded to whole HU. The slices follow the third voxel axis; voxel axes must stand at right angles
    (DCM125) and the first two span the slices. UNT101 for other units; SUV102 for an injection without a weight.
    """
    geometry = volume.geometry
    if not geometry.is_orthogonal:
        raise TumorboardError(codes.SHEARED, str(folder), found=repr(geometry), expected="axes at right angles")
    if np.linalg.det(geometry.affine[:3, :3]) < 0:
        # DICOM's third axis follows from the first two; the mirrored order of slices is the same places.
        volume = volume.flip(2)
    series_uid = made_uid("series", study.patient_id, study.exam_id, description, number)
    paths = []
    for k in range(volume.shape[2]):
        values = volume.array[:, :, k].T
        dataset = _common(volume, k, study, series_uid, description=description, number=number, derived=derived)
        if volume.unit is Unit.HU:
            _ct(dataset, values, derived=derived)
        else:
            if volume.unit is not Unit.BQML or injection is None:
                volume.require(Unit.SUVBW, where=str(folder))
            _pet(dataset, volume, values, k, study, injection)
        path = folder / f"{k:04d}.dcm"
        save_dataset(dataset, path, alone=False)
        paths.append(path)
    return paths


def _common(
    volume: Volume, k: int, study: StudyIdentity, series_uid: str, *, description: str, number: int, derived: bool
) -> Dataset:
    lps = volume.geometry.affine_lps
    dataset = study_attributes(study, description)
    dataset.ImageType = ["DERIVED" if derived else "ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.SOPInstanceUID = made_uid(series_uid, k)
    dataset.SeriesInstanceUID = series_uid
    dataset.SeriesNumber = number
    dataset.AcquisitionNumber = 1
    dataset.InstanceNumber = k + 1
    dataset.Laterality = ""
    spacing = volume.spacing_mm
    dataset.ImagePositionPatient = [decimal(v) for v in (lps @ (0, 0, k, 1))[:3]]
    dataset.ImageOrientationPatient = [decimal(v) for axis in (0, 1) for v in lps[:3, axis] / spacing[axis]]
    dataset.PixelSpacing = [decimal(spacing[1]), decimal(spacing[0])]
    dataset.SliceThickness = decimal(spacing[2])
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = volume.shape[1], volume.shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    return dataset


def study_attributes(study: StudyIdentity, description: str) -> Dataset:
    """Patient, study, equipment and frame of reference, as every object of a made study has them."""
    from tumorboard import __version__

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StudyDate, dataset.StudyTime = study.date, _clock(_STUDY_TIME_S + 60 * study.order)
    dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = study.date or "20000101"
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = _clock(_SERIES_TIME_S)
    dataset.AccessionNumber = ""
    dataset.Manufacturer = "Tumorboard"
    dataset.ManufacturerModelName = "Tumorboard"
    dataset.SoftwareVersions = __version__
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = study.description[:64]
    dataset.SeriesDescription = description[:64]
    dataset.PatientName = f"{study.patient_id}^"[:64]
    dataset.PatientID = study.patient_id[:64]
    dataset.PatientBirthDate = ""
    dataset.PatientSex = {"female": "F", "male": "M"}.get(study.sex or "", "")
    if study.age_years is not None:
        dataset.PatientAge = f"{round(study.age_years):03d}Y"
    if study.weight_kg is not None:
        dataset.PatientWeight = decimal(study.weight_kg)
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "no real identity: made by Tumorboard"
    dataset.StudyInstanceUID = study.study_uid
    dataset.StudyID = made_uid(study.study_uid)[-8:]
    dataset.FrameOfReferenceUID = study.frame_of_reference_uid
    dataset.PositionReferenceIndicator = ""
    return dataset


def _ct(dataset: Dataset, values: NDArray[Any], *, derived: bool) -> None:
    dataset.SOPClassUID = CTImageStorage
    dataset.Modality = "CT"
    dataset.PatientPosition = "HFS"
    dataset.KVP = "" if derived else "120"
    if derived:
        dataset.DerivationDescription = "converted from a file without DICOM header"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    dataset.PixelRepresentation = 1
    limits = np.iinfo(np.int16)
    whole = np.rint(values)
    if whole.min() < limits.min or whole.max() > limits.max or not np.isfinite(whole).all():
        raise TumorboardError(
            codes.UNIT_CASE,
            dataset.SeriesDescription,
            found=f"HU from {whole.min()} to {whole.max()}",
            expected="16 bits",
        )
    dataset.PixelData = np.ascontiguousarray(whole, dtype="<i2").tobytes()


def _pet(
    dataset: Dataset, volume: Volume, values: NDArray[Any], k: int, study: StudyIdentity, injection: Injection | None
) -> None:
    """Bq/ml with everything that leads back to SUV where there is an injection; else SUV itself (GML, type BW)."""
    stored = values.astype(np.float64)
    if injection is not None:
        if study.weight_kg is None:
            raise TumorboardError(
                codes.SUV_WEIGHT, study.patient_id, found="no weight", expected="the weight that SUV was computed with"
            )
        decayed = injection.dose_bq * 2.0 ** (-injection.uptake_s / injection.half_life_s)
        if volume.unit is Unit.SUVBW:
            # As it will be read: the decimals of the header, not the floats in memory.
            stored *= decayed / (float(decimal(study.weight_kg)) * 1000.0)
        dataset.RadiopharmaceuticalInformationSequence = [_drug(injection)]
    else:
        dataset.SUVType = "BW"
        dataset.RadiopharmaceuticalInformationSequence = []
    if stored.min() < 0 or not np.isfinite(stored).all():
        raise TumorboardError(codes.UNIT_CASE, study.patient_id, found="negative or NaN SUV", expected="0 or more")
    slope = float(decimal(max(float(stored.max()), 1e-6) / 32766.0))
    dataset.Units = "GML" if injection is None else "BQML"
    dataset.SOPClassUID = PositronEmissionTomographyImageStorage
    dataset.Modality = "PT"
    dataset.RescaleIntercept, dataset.RescaleSlope = "0", decimal(slope)
    dataset.PixelRepresentation = 1
    dataset.PixelData = np.ascontiguousarray(np.rint(stored / slope), dtype="<i2").tobytes()
    dataset.CountsSource = "EMISSION"
    dataset.SeriesType = ["STATIC", "IMAGE"]
    dataset.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    dataset.DecayCorrection = "START"
    dataset.CollimatorType = "RING"
    dataset.RandomsCorrectionMethod = ""
    dataset.AttenuationCorrectionMethod = "CT"
    dataset.ScatterCorrectionMethod = ""
    dataset.ReconstructionMethod = ""
    dataset.NumberOfSlices = volume.shape[2]
    dataset.ImageIndex = k + 1
    dataset.FrameReferenceTime = "0"
    dataset.ActualFrameDuration = "180000"
    dataset.DecayFactor = "1"
    dataset.PatientOrientationCodeSequence = [_code("102538003", "SCT", "recumbent")]
    dataset.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = [
        _code("40199007", "SCT", "supine")
    ]
    dataset.PatientGantryRelationshipCodeSequence = [_code("102540008", "SCT", "headfirst")]


def _drug(injection: Injection) -> Dataset:
    drug = Dataset()
    drug.RadiopharmaceuticalStartTime = _clock(_SERIES_TIME_S - injection.uptake_s)
    drug.RadionuclideTotalDose = decimal(injection.dose_bq)
    drug.RadionuclideHalfLife = decimal(injection.half_life_s)
    drug.RadionuclidePositronFraction = "0.967"
    drug.Radiopharmaceutical = "FDG"
    drug.RadionuclideCodeSequence = [_code("77004003", "SCT", "^18^Fluorine")]
    drug.RadiopharmaceuticalCodeSequence = [_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    return drug


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def decimal(value: float) -> str:
    """A decimal string of at most 16 characters, as exact as these allow."""
    value = float(value)
    for digits in range(15, 4, -1):
        written = f"{value:.{digits}g}"
        if len(written) <= 16:
            return "0" if float(written) == 0 else written
    return f"{value:.5g}"


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}{whole % 3600 // 60:02d}{whole % 60:02d}"
