"""Damaged DICOM files end in coded errors or in the same kind of volume, in bounded memory, with nothing written."""

from __future__ import annotations

import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.dicom.reader import read
from tumorboard.io.dicom.dose_write import write_dose
from tumorboard.io.dicom.files import read_header
from tumorboard.io.dicom.image_write import StudyIdentity
from tumorboard.io.dicom.rtdose import read_dose
from tumorboard.io.dicom.rtstruct import read_structures, structure_mask
from tumorboard.io.dicom.rtstruct_write import write_structures
from tumorboard.io.dicom.seg import read_segmentation, segment_mask
from tumorboard.io.dicom.seg_write import write_segmentation
from tumorboard.io.dicom.series import arrange_series, read_series

# As in use: the parser's notices about odd encodings stop nothing.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

MEMORY = 600 * 2**20
"""What reading one damaged file of some kilobytes may add to the process at most."""


def spoil(data: bytes, random: np.random.Generator) -> bytes:
    """One of: cut, bytes changed, a length field blown up, a stretch removed, doubled, or turned to noise."""
    kind = int(random.integers(7))
    at, other = sorted(int(v) for v in random.integers(132, len(data), 2))
    changed = bytearray(data)
    if kind == 0:
        return data[:at]
    if kind in (1, 2):
        # The header is a small part of the file and the interesting one.
        stop = len(data) if kind == 1 else min(len(data), 2500)
        for place in random.integers(132, stop, 1 + int(random.integers(8))):
            changed[int(place)] = int(random.integers(256))
    elif kind == 3:
        place = int(random.integers(132, min(len(data) - 4, 2500)))
        changed[place : place + 4] = b"\xff\xff\xff\x7f"
    elif kind == 4:
        del changed[at:other]
    elif kind == 5:
        changed[at:at] = data[at:other]
    else:
        changed[at : at + 64] = random.bytes(64)
    return bytes(changed)


@pytest.fixture
def readers(
    ct: Callable[..., Dataset],
    pet: Callable[..., Dataset],
    save: Callable[..., Path],
    recompress: Callable[[Path, str], None],
    tmp_path: Path,
) -> dict[str, tuple[bytes, Callable[[Path], Any]]]:
    """Kind of file -> its intact bytes and the function that reads it to the end."""
    stored = np.random.default_rng(0).integers(0, 900, (24, 20)).astype(np.int16)
    plain = ct(stored, (0, 0, 0))
    path = next(save([plain], "plain").iterdir())
    series = arrange_series([read_header(path)], unit=Unit.HU)
    mask = Volume((stored.T[:, :, None] > 400).astype(np.uint8), series.geometry.affine, Unit.LABEL)
    write_segmentation(mask, tmp_path / "seg", source=series, labels={1: "GTVp"})
    write_structures(mask, tmp_path / "rs", source=series, labels={1: "GTVp"})
    dose = Volume(stored.T[:, :, None].repeat(3, axis=2).astype(np.float32), mask.affine, Unit.GY)
    write_dose(dose, tmp_path / "rd", study=StudyIdentity("P", "P.0"), number=1)
    coded = {}
    for name, syntax in (("rle", RLELossless), ("jpegls", JPEGLSLossless)):
        dataset = dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        dataset.save_as(tmp_path / name)
        coded[name] = (tmp_path / name).read_bytes()
    for name, syntax in (("lossless", "JPEGLosslessProcess14_1"), ("jpeg2000", "JPEG2000Lossless")):
        plain.save_as(tmp_path / name)
        recompress(tmp_path / name, syntax)
        coded[name] = (tmp_path / name).read_bytes()
    pet_path = next(save([pet(stored, (0, 0, 0))], "pet").iterdir())

    def read_seg(path: Path) -> None:
        found = read_segmentation(path)
        segment_mask(found, found.segments[0], mask.geometry)

    def read_rs(path: Path) -> None:
        for structure in read_structures(path).structures:
            structure_mask(structure, mask.geometry)

    def read_ct(path: Path) -> None:
        read_series(path, unit=Unit.HU)

    return {
        "ct": (path.read_bytes(), read_ct),
        **{name: (data, read_ct) for name, data in coded.items()},
        "pet": (pet_path.read_bytes(), lambda p: read_series(p, unit=Unit.SUVBW)),
        "seg": ((tmp_path / "seg").read_bytes(), read_seg),
        "rtstruct": ((tmp_path / "rs").read_bytes(), read_rs),
        "rtdose": ((tmp_path / "rd").read_bytes(), read_dose),
    }


def run(readers: dict[str, Any], tmp_path: Path, *, each: int, seed: int) -> dict[str, int]:
    """Number of damaged files by outcome; anything but a coded error or a result fails here."""
    random = np.random.default_rng(seed)
    folder = tmp_path / "damaged"
    folder.mkdir()
    path = folder / "file"
    outcomes = {"read": 0, "refused": 0}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, (data, reader) in readers.items():
        for index in range(each):
            path.write_bytes(spoil(data, random))
            try:
                reader(path)
                outcomes["read"] += 1
            except TumorboardError as error:
                assert error.code.id
                outcomes["refused"] += 1
            except Exception as error:
                (tmp_path / "found").write_bytes(path.read_bytes())
                raise AssertionError(f"{kind} number {index}: {type(error).__name__} {error}") from error
            assert [p.name for p in folder.iterdir()] == ["file"]
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MEMORY, f"{grown:,} bytes"
    return outcomes


def test_some_damaged_files(readers: dict[str, Any], tmp_path: Path) -> None:
    outcomes = run(readers, tmp_path, each=10, seed=1)
    assert outcomes["refused"] > 20


@pytest.mark.slow
def test_a_thousand_damaged_files(readers: dict[str, Any], tmp_path: Path) -> None:
    outcomes = run(readers, tmp_path, each=200, seed=2)
    assert sum(outcomes.values()) == 1800
    assert outcomes["refused"] > 400


@pytest.mark.slow
def test_imports_of_damaged_folders(readers: dict[str, Any], tmp_path: Path) -> None:
    """A folder in which every file may be damaged still imports, or is refused as a whole, with codes."""
    random = np.random.default_rng(3)
    for attempt in range(40):
        folder = tmp_path / f"import{attempt}"
        folder.mkdir()
        for kind, (data, _) in readers.items():
            (folder / kind).write_bytes(spoil(data, random) if random.random() < 0.6 else data)
        try:
            cohort = read(folder)
            assert len(cohort) >= 1
        except TumorboardError as error:
            assert error.code.id


def test_a_stream_that_crashes_the_decoder_costs_one_helper_only() -> None:
    """A helper that dies is an error, not the end; the next frame gets a new one."""
    from tumorboard.io.dicom import apart

    helper = apart._helper()
    helper.kill()
    helper.wait()
    with pytest.raises(apart.DecodingFailed, match="crashed"):
        apart.decode_apart(b"", {"TransferSyntaxUID": "1.2.840.10008.1.2.4.70"})
    with pytest.raises(apart.DecodingFailed):
        apart.decode_apart(b"no stream", {"TransferSyntaxUID": "1.2.840.10008.1.2.4.70"})
    assert apart._helper().poll() is None
