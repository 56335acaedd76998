"""Small valid files of every format that is read, each with its reader.

Made by our own writers and by the formats' own libraries, a few kilobytes each, always the same bytes for a seed.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_dicom import dicom_subjects
from fuzz_subject import AFFINE, Subject, voxels

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.itk import write_itk
from tumorboard.io.nifti import write_nifti

__all__ = ["subjects"]


def subjects(folder: Path) -> list[Subject]:
    """All intact files, made below `folder`."""
    return [
        *_volumes(folder),
        *_pictures(folder),
        *dicom_subjects(folder),
        *_tables(folder),
        *_records(folder),
        *_archives(),
    ]


# ---- volumes and pictures ------------------------------------------------------------------------------
def _volumes(folder: Path) -> list[Subject]:
    from tumorboard.io.itk import inspect_itk, read_itk
    from tumorboard.io.nifti import inspect_nifti, read_nifti

    def nifti(path: Path) -> None:
        inspect_nifti(path, voxels=True)
        read_nifti(path, unit=Unit.HU)

    def meta(path: Path) -> None:
        inspect_itk(path, voxels=True)
        read_itk(path, unit=Unit.HU)

    def tiff(path: Path) -> None:
        read_itk(path, unit=Unit.HU, spacing_mm=(1, 1, 1))

    volume = voxels()
    for name in ("v.nii", "v.nii.gz"):
        write_nifti(volume, folder / name)
    write_itk(volume, folder / "v.mha")
    write_itk(Volume((volume.array > 0).astype(np.uint8), AFFINE, Unit.LABEL), folder / "v.tif", drop_place=True)
    packed = (folder / "v.mha").read_bytes()
    head = [line for line in packed.split(b"ElementDataFile")[0].splitlines() if b"CompressedDataSize" not in line]
    head = [line.replace(b"CompressedData = True", b"CompressedData = False") for line in head]
    plain = b"\n".join([*head, b"ElementDataFile = LOCAL\n"]) + volume.array.tobytes("F")
    return [
        Subject("NIfTI", "v.nii", (folder / "v.nii").read_bytes(), "bytes", nifti),
        Subject("NIfTI, gzip outside", "v.nii.gz", (folder / "v.nii.gz").read_bytes(), "bytes", nifti),
        Subject("NIfTI, gzip inside", "v.nii.gz", (folder / "v.nii.gz").read_bytes(), "gzip", nifti),
        Subject("MetaImage, compressed", "v.mha", packed, "bytes", meta),
        Subject("MetaImage, plain", "v.mha", plain, "bytes", meta),
        Subject("TIFF", "v.tif", (folder / "v.tif").read_bytes(), "bytes", tiff),
    ]


def _pictures(folder: Path) -> list[Subject]:
    from PIL import Image

    from tumorboard.io.radiograph import picture_unit, read_radiograph, read_radiograph_geometry
    from tumorboard.io.slice_stack import read_slice, write_slice

    def picture(path: Path) -> None:
        read_radiograph_geometry(path, exif="apply")
        read_radiograph(path, unit=picture_unit(path), exif="apply")

    grey = np.random.default_rng(6).integers(0, 255, (40, 48)).astype(np.uint8)
    for name in ("p.png", "p.jpg"):
        Image.fromarray(grey).save(folder / name, exif=Image.Exif())
    write_slice(voxels().array[:, :, 0], folder / "001.png")
    return [
        Subject("PNG", "p.png", (folder / "p.png").read_bytes(), "bytes", picture),
        Subject("JPEG", "p.jpg", (folder / "p.jpg").read_bytes(), "bytes", picture),
        Subject("PNG, CT slice", "001.png", (folder / "001.png").read_bytes(), "bytes", read_slice),
    ]


# ---- tables, records, archives -------------------------------------------------------------------------
PATIENTS = [
    ["PatientID", "Age", "Sex", "Relapse", "RFS", "note"],
    ["P-1", 61.5, "F", 1, 400, "a, b"],
    ["P-2", 55, "M", 0, 812.5, 'says "none"'],
    ["P-3", None, "F", 0, 90, "-1"],
]
SCHEMA = """
name = "drawn"
id = "PatientID"
[columns.Age]
as = "age_years"
kind = "numeric"
[endpoints.RFS]
time = "RFS"
unit = "days"
event = "Relapse"
events = ["1"]
censored = ["0"]
"""


def _tables(folder: Path) -> list[Subject]:
    from tumorboard.datasets.chest_masks.chexmask import box_of_runs
    from tumorboard.datasets.deeplesion.table import read_lesions
    from tumorboard.datasets.openi.reader import read as read_openi
    from tumorboard.datasets.reports.reader import read as read_reports
    from tumorboard.datasets.table.reader import read as read_schema
    from tumorboard.datasets.tablefile import read_sheet, write_csv, write_xlsx

    def runs(path: Path) -> None:
        box_of_runs(path.read_text(encoding="utf-8", errors="replace"), 50, 40, where="a cell")

    def by_schema(suffix: str) -> Callable[[Path], object]:
        def read(path: Path) -> None:
            schema = path.with_suffix(".toml")
            schema.write_text(f'file = "t{suffix}"' + SCHEMA, encoding="utf-8")
            read_schema(schema)

        return read

    write_csv(folder / "t.csv", PATIENTS[0], PATIENTS[1:])
    write_xlsx(folder / "t.xlsx", {"patients": PATIENTS})
    csv, xlsx = ((folder / name).read_bytes() for name in ("t.csv", "t.xlsx"))
    reports = b'id,text,patient,day\nr1,"No mass, no ""nodule"".",P1,0\nr2,Stable nodule of 5 mm.,P1,30\n'
    openi = b"uid,MeSH,image,findings,impression\n1,normal,Xray,Clear lungs.,Normal.\n2,Opacity/lung,x,Opacity.,Bad.\n"
    return [
        Subject("CSV", "t.csv", csv, "text", read_sheet),
        Subject("XLSX, outside", "t.xlsx", xlsx, "bytes", read_sheet),
        Subject("XLSX, inside", "t.xlsx", xlsx, "zip", read_sheet),
        Subject("CSV by a schema", "t.csv", csv, "text", by_schema(".csv")),
        Subject("XLSX by a schema", "t.xlsx", xlsx, "zip", by_schema(".xlsx")),
        Subject("TOML schema", "t.toml", f'file = "t.csv"{SCHEMA}'.encode(), "text", read_schema, {"t.csv": csv}),
        Subject("CSV of reports", "r.csv", reports, "text", read_reports),
        Subject("CSV of Open-i", "o.csv", openi, "text", read_openi),
        Subject("DL_info.csv", "DL_info.csv", _lesions(), "text", read_lesions),
        Subject("run-length mask", "runs.txt", b"1 5 41 7 201 30 455 12", "text", runs),
    ]


def _lesions() -> bytes:
    columns = (
        "File_name,Patient_index,Study_index,Series_ID,Key_slice_index,Measurement_coordinates,Bounding_boxes,"
        "Lesion_diameters_Pixel_,Normalized_lesion_location,Coarse_lesion_type,Possibly_noisy,Slice_range,"
        "Spacing_mm_px_,Image_size,DICOM_windows,Patient_gender,Patient_age,Train_Val_Test"
    )
    row = (
        '000001_01_01_109.png,1,1,1,109,"233.5, 95.0, 234.4, 106.8, 228.1, 101.2, 240.0, 99.6",'
        '"226.1, 90.2, 241.4, 111.9","12.0, 11.9","0.44, 0.28, 0.37",{type},0,"103, 115","0.49, 0.49, 5","512, 512",'
        '"-175, 275",F,62,{split}'
    )
    rows = [row.format(type=3, split=3), row.format(type=-1, split=1).replace("_109", "_110").replace(",109,", ",110,")]
    return "\n".join([columns, *rows, ""]).encode()


REPORT = (
    b'<?xml version="1.0"?><eCitation><uId id="CXR1"/><MedlineCitation><Article><Abstract>'
    b'<AbstractText Label="FINDINGS">The heart is large &amp; calm.</AbstractText>'
    b'<AbstractText Label="IMPRESSION">Cardiomegaly.</AbstractText></Abstract></Article></MedlineCitation>'
    b'<MeSH><major>Cardiomegaly/mild</major></MeSH><parentImage id="CXR1_1"><caption>x</caption></parentImage>'
    b"</eCitation>"
)


def _records(folder: Path) -> list[Subject]:
    from tumorboard.core.cohort import Cohort
    from tumorboard.datasets.coco.reader import read as read_coco
    from tumorboard.datasets.deeplesion.companions import read_boxes, read_companion, read_tags
    from tumorboard.datasets.imagenome.reader import read as read_graph
    from tumorboard.datasets.nnunet.spec import DatasetSpec
    from tumorboard.datasets.openi.xml import parse_report
    from tumorboard.engine.checkpoints import read_checkpoint, write_checkpoint
    from tumorboard.io.confine import refuse_pickle
    from tumorboard.io.jsonfile import read_json
    from tumorboard.io.store import open_cohort, save_cohort

    def companion(path: Path) -> None:
        known = read_companion(path)
        if known is not None:
            kind, content = known
            read_boxes(content, path) if kind == "boxes" else read_tags(kind, content, path)

    def spec_of(path: Path) -> None:
        DatasetSpec.read(path.parent)

    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 80}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [1.5, 2, 30, 40], "area": 1200}],
        "categories": [{"id": 2, "name": "nodule"}],
    }
    spec = {"channel_names": {"0": "CT", "1": "PT"}, "labels": {"background": 0, "GTVp": 1, "GTVn": 2},
            "numTraining": 2, "file_ending": ".nii.gz"}  # fmt: skip
    write_checkpoint(folder / "w.safetensors", tensors=_weights(), state={"step": 3, "plan": {"width": 2}})
    rows = [{"patient_id": "P", "sex": "female"}]
    save_cohort(Cohort.build("drawn", patients=rows, exams=[{"exam_id": "P.0", "patient_id": "P"}]), folder / "cohort")
    index = (folder / "cohort" / "cohort.json").read_bytes()
    tables = {f"tables/{p.name}": p.read_bytes() for p in (folder / "cohort" / "tables").iterdir()}
    array = io.BytesIO()
    np.savez(array, a=np.arange(5), b=np.eye(2))
    boxes = json.dumps({"000001_01_01_103-115.nii.gz": [[1.5, 2, 104, 40, 50, 106]]}).encode()
    tags = json.dumps({"term_list": ["lung"], "train_lesion_idxs": [1], "train_relevant_labels": [[0]]}).encode()
    return [
        Subject("JSON", "j.json", json.dumps(coco, indent=1).encode(), "text", read_json),
        Subject("COCO", "coco.json", json.dumps(coco, indent=1).encode(), "text", read_coco),
        Subject("nnU-Net dataset.json", "dataset.json", json.dumps(spec).encode(), "text", spec_of),
        Subject("scene graph", "x_SceneGraph.json", _graph(), "text", read_graph),
        Subject("boxes of DeepLesion", "boxes.json", boxes, "text", companion),
        Subject("tags of DeepLesion", "tags.json.gz", gzip.compress(tags, mtime=0), "gzip", companion),
        Subject("cohort", "cohort.json", index, "text", lambda path: open_cohort(path.parent), tables),
        Subject("checkpoint", "w.safetensors", (folder / "w.safetensors").read_bytes(), "bytes", read_checkpoint),
        Subject("NumPy archive", "a.npz", array.getvalue(), "bytes", refuse_pickle),
        Subject("XML", "r.xml", REPORT, "text", lambda path: parse_report(path.read_bytes(), path.name)),
    ]


def _weights() -> dict[str, Any]:
    import torch

    return {"net/weight": torch.arange(6.0).reshape(2, 3), "net/bias": torch.zeros(2)}


def _graph() -> bytes:
    from imagenome_synthetic import graphs

    return json.dumps(next(iter(graphs(1, seed=3)))).encode()


def _archives() -> list[Subject]:
    from tumorboard.datasets.openi.xml import parse_report, report_files
    from tumorboard.io.archives import list_zip, read_zip_member, unpack_zip

    def archive(path: Path) -> None:
        list_zip(path)
        unpack_zip(path, path.parent / "unpacked")
        read_zip_member(path, "case/note.txt")

    def reports(path: Path) -> None:
        for name, data in report_files(path):
            parse_report(data, name)

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in (("case/note.txt", b"hello" * 400), ("case/voxels.raw", voxels().array.tobytes())):
            file.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as file_:
        for number in range(2):
            entry = tarfile.TarInfo(f"ecgen-radiology/{number}.xml")
            entry.size = len(REPORT)
            file_.addfile(entry, io.BytesIO(REPORT))
    return [
        Subject("zip", "a.zip", packed.getvalue(), "bytes", archive),
        Subject("tar", "a.tar", tar.getvalue(), "bytes", reports),
        Subject("tar.gz", "a.tar.gz", gzip.compress(tar.getvalue(), mtime=0), "gzip", reports),
    ]
