"""Compressed DICOM that becomes far more than it is: refused before the memory is taken."""

from __future__ import annotations

import gzip
import resource
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.series import read_series

MIB = 2**20


@pytest.fixture
def plain(ct: Callable[..., Dataset], save: Callable[..., Path]) -> Path:
    return next(save([ct(np.zeros((8, 8), np.int16), (0, 0, 0))]).iterdir())


def code_of(path: Path) -> str:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TumorboardError) as error:
        read_series(path, unit=Unit.HU)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024
    return error.value.code.id


def test_gzip(plain: Path) -> None:
    """A true header, then zeros without end: 300 MiB in 300 kB, far above 1:200."""
    bomb = plain.with_name("bomb.dcm.gz")
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [press.compress(plain.read_bytes())] + [press.compress(bytes(MIB)) for _ in range(300)]
    bomb.write_bytes(b"".join([*parts, press.flush()]))
    assert code_of(bomb) == "FIL105"


def test_an_honest_gzip_is_read(plain: Path) -> None:
    path = plain.with_name("honest.dcm.gz")
    path.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_series(path, unit=Unit.HU).shape == (8, 8, 1)


def test_deflated(ct: Callable[..., Dataset], tmp_path: Path) -> None:
    dataset = ct(np.zeros((8, 8), np.int16), (0, 0, 0))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    data = (tmp_path / "a").read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = [press.compress(zlib.decompress(data[start:], -zlib.MAX_WBITS))]
    body += [press.compress(bytes(MIB)) for _ in range(300)]
    (tmp_path / "bomb").write_bytes(data[:start] + b"".join([*body, press.flush()]))
    assert code_of(tmp_path / "bomb") == "DCM110"


@pytest.mark.parametrize("rows, code", [(60000, "DCM110"), (8000, "DCM107")])
def test_a_frame_that_is_not_there(ct: Callable[..., Dataset], tmp_path: Path, rows: int, code: str) -> None:
    """Run lengths of a few bytes under a header of 60000 x 60000, and of 8000 x 8000, pixels."""
    dataset = ct(np.zeros((8, 8), np.int16), (0, 0, 0))
    header = np.array([2, 64, 66, *[0] * 13], "<u4").tobytes()
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate([header + b"\x81\x00" * 2])
    dataset["PixelData"].is_undefined_length = True
    dataset.Rows = dataset.Columns = rows
    dataset.save_as(tmp_path / "a", enforce_file_format=True)
    assert code_of(tmp_path / "a") == code


def test_the_bound_does_not_touch_plain_files(plain: Path) -> None:
    """Bytes that are there may be as many as `max_bytes` allows, also where they would compress well."""
    data = plain.read_bytes() + bytes(80 * MIB)
    plain.write_bytes(data)
    assert read_header(plain).text("Modality") == "CT"
