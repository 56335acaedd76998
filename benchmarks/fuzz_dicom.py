"""Small valid DICOM files of every kind that is read, each with its reader; see `fuzz_files`."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_subject import AFFINE, STUDY, Subject, voxels
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.dose_write import write_dose
from tumorboard.io.dicom.image_write import Injection, write_image_series
from tumorboard.io.dicom.rtstruct_write import write_structures
from tumorboard.io.dicom.seg_write import write_segmentation
from tumorboard.io.dicom.series import arrange_series, load_headers
from tumorboard.io.dicom.sr_write import SrGroup, made_evidence, write_report

__all__ = ["dicom_subjects"]


def dicom_subjects(folder: Path) -> list[Subject]:
    from tumorboard.datasets.dicom.reader import read as read_tree
    from tumorboard.io.dicom.radiograph import radiograph_facts, read_dicom_radiograph
    from tumorboard.io.dicom.rtdose import read_dose
    from tumorboard.io.dicom.rtstruct import read_structures, structure_mask
    from tumorboard.io.dicom.scan import scan_folder
    from tumorboard.io.dicom.seg import read_segmentation, segment_mask
    from tumorboard.io.dicom.series import read_series
    from tumorboard.io.dicom.sr_read import read_report

    made = _dicom_files(folder)
    grid = made["grid"]

    def segmentation(path: Path) -> None:
        found = read_segmentation(path)
        for segment in found.segments:
            segment_mask(found, segment, grid)

    def structures(path: Path) -> None:
        for structure in read_structures(path).structures:
            structure_mask(structure, grid)

    def radiograph(path: Path) -> None:
        read_dicom_radiograph(path, unit=radiograph_facts(path).unit)

    def tree(path: Path) -> None:
        cohort = read_tree(path.parent)
        for row in cohort.rows("images"):
            if row["problem"] is None:
                cohort.image(row["image_id"])

    def series(unit: Unit) -> Callable[[Path], object]:
        return lambda path: read_series(path, unit=unit)

    kinds: list[tuple[str, str, Callable[[Path], object]]] = [
        *((f"DICOM CT, {key}", key, series(Unit.HU)) for key in ("plain", "RLE", "JPEG-LS", "deflated")),
        ("DICOM PET", "PT", series(Unit.SUVBW)),
        ("DICOM folder", "plain", tree),
        ("DICOM SEG", "SEG", segmentation),
        ("DICOM RTSTRUCT", "RTSTRUCT", structures),
        ("DICOM RTDOSE", "RTDOSE", read_dose),
        ("DICOM SR", "SR", read_report),
        ("DICOM X-ray", "DX", radiograph),
        ("DICOMDIR", "DIR", lambda path: scan_folder(path.parent)),
    ]
    return [Subject(reader, "a.dcm", made[key], "bytes", read) for reader, key, read in kinds]


def _dicom_files(folder: Path) -> dict[str, Any]:
    """Bytes by kind, and the grid of the CT that they lie on."""
    volume = Volume(voxels().array[:, :, :1], AFFINE, Unit.HU)
    files = write_image_series(volume, folder / "ct", study=STUDY, description="CT", number=1, derived=False)
    source = arrange_series(load_headers(files), unit=Unit.HU)
    mask = Volume((volume.array > 700).astype(np.uint8), source.geometry.affine, Unit.LABEL)
    write_segmentation(mask, folder / "seg", source=source, labels={1: "GTVp"})
    write_structures(mask, folder / "rs", source=source, labels={1: "GTVp"})
    uptake = Volume(np.abs(voxels().array[:, :, :1]).astype(np.float32) / 100, AFFINE, Unit.SUVBW)
    pet = write_image_series(
        uptake, folder / "pt", study=STUDY, description="PT", number=2, derived=False, injection=Injection()
    )
    write_dose(Volume(uptake.array.repeat(3, axis=2), AFFINE, Unit.GY), folder / "rd", study=STUDY, number=1)
    image = made_evidence("P.0.DX", STUDY)
    said = ("lung opacity", "anatomicalfinding", "uncertain", "worsened", "moderate", (("texture", "interstitial"),))
    group = SrGroup("s", ("right lung",), image, (300.0, 400.0, 900.0, 1900.5), *said)
    write_report([group], folder / "sr", evidence=[image], by_people=False, algorithm="rules", description="P.0")
    found: dict[str, Any] = {"grid": source.geometry, "plain": files[0].read_bytes(), "PT": pet[0].read_bytes()}
    for name, path in (("SEG", "seg"), ("RTSTRUCT", "rs"), ("RTDOSE", "rd"), ("SR", "sr")):
        found[name] = (folder / path).read_bytes()
    for name, syntax in (("RLE", RLELossless), ("JPEG-LS", JPEGLSLossless)):
        dataset = dcmread(files[0])
        dataset.compress(syntax, generate_instance_uid=False)
        found[name] = _saved(dataset)
    deflated = dcmread(files[0])
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    found["deflated"] = _saved(deflated)
    found["DX"] = _saved(_radiograph(files[0]))
    found["DIR"] = _saved(_directory(files[0]))
    return found


def _saved(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def _radiograph(ct: Path) -> Dataset:
    dataset = dcmread(ct)
    dataset.Modality, dataset.PatientOrientation, dataset.ViewPosition = "DX", ["L", "F"], "PA"
    dataset.ImagerPixelSpacing, dataset.PixelRepresentation = [0.2, 0.2], 0
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept"):
        del dataset[keyword]
    del dataset["RescaleSlope"]
    return dataset


def _directory(ct: Path) -> Dataset:
    dataset = dcmread(ct, stop_before_pixels=True)
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
    record = Dataset()
    record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", ["..", "..", "etc", "passwd"]
    dataset.DirectoryRecordSequence = [record]
    return dataset
