"""Rows as printed in the data set's own introduction, and a way to write small tables. Not a test file."""

from __future__ import annotations

from pathlib import Path

from tumorboard.datasets.deeplesion.table import COLUMNS

HEADING = ",".join(COLUMNS)
PRINTED = (
    '000001_01_01_109.png,1,1,1,109,"233.537, 95.0204, 234.057, 106.977, 231.169, 101.605, 236.252, 101.143",'
    '"226.169, 90.0204, 241.252, 111.977","11.9677, 5.10387","0.44666, 0.283794, 0.434454",3,0,"103, 115",'
    '"0.488281, 0.488281, 5","512, 512","-175, 275",F,62,3',
    '000001_02_01_014.png,1,2,1,14,"224.826, 289.296, 224.016, 305.294, 222.396, 297.194, 228.978, 297.903",'
    '"217.396, 284.296, 233.978, 310.294","16.019, 6.61971","0.431015, 0.485238, 0.340745",3,0,"8, 23",'
    '"0.314453, 0.314453, 5","512, 512","-175, 275",F,72,3',
    '000001_02_01_017.png,1,2,1,17,"272.323, 320.763, 246.522, 263.371, 234.412, 305.494, 280.221, 288.118",'
    '"229.412, 258.371, 285.221, 325.763","62.9245, 48.9929","0.492691, 0.503106, 0.351754",3,0,"8, 23",'
    '"0.314453, 0.314453, 5","512, 512","-175, 275",F,72,3',
)
"""The first three rows of DL_info.csv, as the slides of the data set show them."""


def row(name: str = "000005_01_01_010.png", **cells: str) -> str:
    """A made row of 64 x 64 pixels at 0.8 mm, 5 mm apart, with some cells changed."""
    patient, study, series, number = (int(part) for part in name.removesuffix(".png").split("_"))
    made = {
        "File_name": name,
        "Patient_index": str(patient),
        "Study_index": str(study),
        "Series_ID": str(series),
        "Key_slice_index": str(number),
        "Measurement_coordinates": "21, 31, 41, 31, 31, 26, 31, 36",
        "Bounding_boxes": "16, 21, 46, 41",
        "Lesion_diameters_Pixel_": "20, 10",
        "Normalized_lesion_location": "0.5, 0.5, 0.5",
        "Coarse_lesion_type": "5",
        "Possibly_noisy": "0",
        "Slice_range": f"{number - 2}, {number + 2}",
        "Spacing_mm_px_": "0.8, 0.8, 5",
        "Image_size": "64, 64",
        "DICOM_windows": "-175, 275",
        "Patient_gender": "M",
        "Patient_age": "60",
        "Train_Val_Test": "2",
    } | cells
    return ",".join(f'"{made[name]}"' if "," in made[name] else made[name] for name in COLUMNS)


def table(path: Path, *rows: str) -> Path:
    """A table of these rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([HEADING, *rows]) + "\n", encoding="utf-8")
    return path
