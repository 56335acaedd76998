"""Every row of the fault table in the reliability notes ends in a coded error or a named remark.

Files are made with nibabel and broken byte by byte; the offsets are those of nifti1.h.
"""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.nifti import inspect_nifti, read_nifti, read_nifti_geometry

VOXELS = np.random.default_rng(0).integers(-1000, 1000, (16, 17, 18)).astype(np.int16)
AFFINE = np.array([[-1.5, 0, 0, 40.25], [0, -1.5, 0, 30.5], [0, 0, 3, -100.75], [0, 0, 0, 1]])


def plain(array: np.ndarray = VOXELS, *, qform: bool = True) -> bytearray:
    image = nibabel.Nifti1Image(array, AFFINE)
    image.set_sform(AFFINE, code=1)
    image.set_qform(AFFINE, code=int(qform))
    image.header.set_xyzt_units("mm")
    return bytearray(image.to_bytes())


def patched(*fields: tuple[str, int, object], array: np.ndarray = VOXELS, qform: bool = True) -> bytes:
    data = plain(array, qform=qform)
    for kind, at, value in fields:
        struct.pack_into("<" + kind, data, at, value)
    return bytes(data)


def squeezed(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def flipped(data: bytes, at: float) -> bytes:
    broken = bytearray(data)
    broken[int(len(data) * at)] ^= 0x10
    return bytes(broken)


WHOLE = squeezed(bytes(plain()))
NAN_VOXELS = VOXELS.astype(np.float32)
NAN_VOXELS[3, 4, 5] = np.nan
FAULTS: dict[str, tuple[str, bytes, str]] = {
    # name: (suffix, bytes, code of the refusal)
    "gzip cut at half": (".nii.gz", WHOLE[: len(WHOLE) // 2], "FIL104"),
    "gzip whole, payload short": (".nii.gz", squeezed(bytes(plain())[:6000]), "FIL104"),
    "gzip tail missing": (".nii.gz", WHOLE[:-8], "FIL104"),
    "gzip tail half missing": (".nii.gz", WHOLE[:-3], "FIL104"),
    "wrong checksum": (".nii.gz", WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:], "FIL106"),
    "wrong gzip length": (".nii.gz", WHOLE[:-4] + b"\1\0\0\0", "FIL106"),
    "one bit flipped": (".nii.gz", flipped(WHOLE, 0.6), "FIL106"),
    "rubbish behind the gzip member": (".nii.gz", WHOLE + b"rubbish" * 9, "FIL106"),
    "offset past the end": (".nii", patched(("f", 108, 1e6)), "FIL104"),
    "offset past the end, gzip": (".nii.gz", squeezed(patched(("f", 108, 1e6))), "FIL104"),
    "offset inside the header": (".nii", patched(("f", 108, 100.0)), "FIL107"),
    "offset not a number": (".nii", patched(("f", 108, float("nan"))), "FIL107"),
    "zero header": (".nii", bytes(348) + bytes(plain())[348:], "FIL102"),
    "empty file": (".nii", b"", "FIL104"),
    "analyze without magic": (".nii", patched(("4s", 344, b"\0\0\0\0")), "FIL102"),
    "header of a pair": (".nii", patched(("4s", 344, b"ni1\0")), "FIL102"),
    "unknown datatype": (".nii", patched(("h", 70, 999)), "FIL102"),
    "colours": (".nii", patched(("h", 70, 128)), "FIL102"),
    "nine axes": (".nii", patched(("h", 40, 9)), "FIL107"),
    "no axes": (".nii", patched(("h", 40, 0)), "FIL107"),
    "negative count": (".nii", patched(("h", 44, -17)), "GEO103"),
    "30000^3 in a small file": (".nii", patched(("h", 42, 30000), ("h", 44, 30000), ("h", 46, 30000)), "FIL105"),
    "30000^3 in a small gzip": (
        ".nii.gz",
        squeezed(patched(("h", 42, 30000), ("h", 44, 30000), ("h", 46, 30000))),
        "FIL105",
    ),
    "more slices than bytes": (".nii", patched(("h", 46, 400)), "FIL104"),
    "fewer slices than bytes": (".nii", patched(("h", 46, 9)), "FIL109"),
    "fewer slices than bytes, gzip": (".nii.gz", squeezed(patched(("h", 46, 9))), "FIL109"),
    "nan in the sform": (".nii", patched(("f", 280, float("nan"))), "GEO101"),
    "singular sform": (".nii", patched(("f", 280, 0.0)), "GEO101"),
    "no place at all": (".nii", patched(("h", 252, 0), ("h", 254, 0)), "IMG104"),
    "forms disagree": (".nii", patched(("f", 292, 55.0)), "NIF101"),
    "quaternion too long": (".nii", patched(("h", 254, 0), ("f", 256, 3.0)), "FIL107"),
    "size 0 under a qform": (".nii", patched(("h", 254, 0), ("f", 80, 0.0)), "NIF102"),
    "negative size under a qform": (".nii", patched(("h", 254, 0), ("f", 84, -1.5)), "NIF102"),
    "metres": (".nii", patched(("B", 123, 1)), "NIF104"),
    "infinite slope": (".nii", patched(("f", 112, float("inf"))), "FIL107"),
    "nan intercept": (".nii", patched(("f", 112, 2.0), ("f", 116, float("nan"))), "FIL107"),
    "four frames": (".nii.gz", squeezed(bytes(plain(np.stack([VOXELS] * 4, axis=3)))), "IMG101"),
    "plain under a gzip name": (".nii.gz", bytes(plain()), "FIL108"),
    "gzip under a plain name": (".nii", WHOLE, "FIL108"),
    "unknown name": (".img", bytes(plain()), "FIL102"),
}
REMARKS: dict[str, tuple[bytes, str]] = {
    # read, voxels as the standard says, but named
    "sheared sform": (patched(("f", 284, 0.4), ("f", 84, float(np.hypot(1.5, 0.4))), qform=False), "IMG103"),
    "size 0 under a sform": (patched(("f", 80, 0.0), qform=False), "NIF102"),
    "negative size under a sform": (patched(("f", 88, -3.0), qform=False), "NIF102"),
    "forms disagree a little": (patched(("f", 292, 40.75)), "NIF101"),
    "intercept without slope": (patched(("f", 112, 0.0), ("f", 116, 5.0)), "NIF103"),
    "no unit of length": (patched(("B", 123, 0)), "NIF104"),
    "bits per voxel": (patched(("h", 72, 32)), "FIL107"),
    "nan voxels": (bytes(plain(NAN_VOXELS)), "IMG102"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_with_their_code(fault: str, tmp_path: Path) -> None:
    suffix, data, code = FAULTS[fault]
    path = tmp_path / f"image{suffix}"
    path.write_bytes(data)
    with pytest.raises(TumorboardError) as refusal:
        read_nifti(path, unit=Unit.HU)
    assert refusal.value.code.id == code, refusal.value
    assert str(path) in str(refusal.value)
    named = [remark.code.id for remark in inspect_nifti(path, voxels=True) if remark.severity == "error"]
    assert code in named
    assert [p.name for p in tmp_path.iterdir()] == [path.name], "reading wrote something"


@pytest.mark.parametrize("fault", REMARKS)
@pytest.mark.parametrize("compressed", [False, True])
def test_oddities_are_read_by_the_standard_and_named(fault: str, compressed: bool, tmp_path: Path) -> None:
    data, code = REMARKS[fault]
    path = tmp_path / ("image.nii.gz" if compressed else "image.nii")
    path.write_bytes(squeezed(data) if compressed else data)
    volume = read_nifti(path, unit=Unit.UNKNOWN)
    np.testing.assert_array_equal(volume.array, NAN_VOXELS if fault == "nan voxels" else VOXELS)
    remarks = inspect_nifti(path, voxels=True)
    assert [r.code.id for r in remarks] == [code]
    assert all(r.severity != "error" for r in remarks)


def test_an_intact_file_has_nothing_to_remark(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    path.write_bytes(WHOLE)
    assert inspect_nifti(path, voxels=True) == []
    volume = read_nifti(path, unit=Unit.HU)
    np.testing.assert_array_equal(volume.array, VOXELS)
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-6)


def test_zero_padding_and_several_members_are_legal_gzip(tmp_path: Path) -> None:
    data = bytes(plain())
    path = tmp_path / "image.nii.gz"
    path.write_bytes(squeezed(data[:5000]) + squeezed(data[5000:]) + bytes(512))
    np.testing.assert_array_equal(read_nifti(path, unit=Unit.HU).array, VOXELS)


# ---- explicit options ---------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "options", "expected"),
    [
        ([("h", 252, 0), ("h", 254, 0)], {"affine": "pixdim"}, np.diag([1.5, 1.5, 3, 1])),
        ([("f", 292, 55.0)], {"affine": "qform"}, AFFINE),
        ([("f", 292, 55.0)], {"affine": "sform"}, AFFINE + np.eye(4, k=3) * (55 - 40.25)),
        ([("f", 280, float("nan"))], {"affine": "qform"}, AFFINE),
        ([("B", 123, 1)], {"length_unit": "mm"}, AFFINE),
        ([("B", 123, 3)], {"length_unit": "um"}, np.diag([1e-3, 1e-3, 1e-3, 1]) @ AFFINE),
    ],
)
def test_an_explicit_option_decides_about_the_place(
    fields: list, options: dict, expected: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "image.nii"
    path.write_bytes(patched(*fields))
    volume = read_nifti(path, unit=Unit.HU, **options)
    np.testing.assert_allclose(volume.affine, expected, atol=1e-5)
    np.testing.assert_array_equal(volume.affine, read_nifti_geometry(path, **options).affine)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_frame_of_several(suffix: str, tmp_path: Path) -> None:
    data = bytes(plain(np.stack([VOXELS, VOXELS + 1, VOXELS + 2], axis=3)))
    path = tmp_path / f"image{suffix}"
    path.write_bytes(squeezed(data) if suffix.endswith("gz") else data)
    for frame in range(3):
        np.testing.assert_array_equal(read_nifti(path, unit=Unit.BQML, frame=frame).array, VOXELS + frame)
    for frame in (-1, 3):
        with pytest.raises(TumorboardError, match="IMG101"):
            read_nifti(path, unit=Unit.BQML, frame=frame)


def test_a_fourth_axis_of_one_is_no_axis(tmp_path: Path) -> None:
    path = tmp_path / "image.nii"
    path.write_bytes(bytes(plain(VOXELS[..., None, None])))
    np.testing.assert_array_equal(read_nifti(path, unit=Unit.HU).array, VOXELS)


def test_nan_is_kept_refused_in_labels_or_given_a_meaning(tmp_path: Path) -> None:
    path = tmp_path / "image.nii"
    path.write_bytes(bytes(plain(NAN_VOXELS)))
    assert np.isnan(read_nifti(path, unit=Unit.SUVBW).array[3, 4, 5])
    with pytest.raises(TumorboardError, match="IMG102"):
        read_nifti(path, unit=Unit.LABEL)
    assert read_nifti(path, unit=Unit.LABEL, nan_as=0).array[3, 4, 5] == 0
    assert np.isnan(read_nifti(path, unit=Unit.SUVBW).array[3, 4, 5]), "the file was changed through its map"


def test_trailing_bytes_may_be_tolerated_explicitly(tmp_path: Path) -> None:
    for name, data in (("a.nii", bytes(plain()) + b"x" * 99), ("a.nii.gz", squeezed(bytes(plain()) + b"x" * 99))):
        path = tmp_path / name
        path.write_bytes(data)
        np.testing.assert_array_equal(read_nifti(path, unit=Unit.HU, trailing=True).array, VOXELS)


# ---- memory -------------------------------------------------------------------------------------------
def zeros_gzip(front: bytes, zeros: int) -> bytes:
    """A gzip member of `front` and then so many zero bytes, made without holding them."""
    from isal import isal_zlib

    press = isal_zlib.compressobj(1, isal_zlib.DEFLATED, 31)
    parts, block = [press.compress(front)], bytes(2**20)
    parts += [press.compress(block) for _ in range(zeros // 2**20)]
    return b"".join([*parts, press.flush()])


def bomb() -> bytes:
    front = patched(("h", 42, 1024), ("h", 44, 1024), ("h", 46, 1024))[:352]
    return zeros_gzip(front, 2**31)


def trailing_bomb() -> bytes:
    return zeros_gzip(bytes(plain()), 2**31)


@pytest.mark.parametrize(
    ("make", "options", "outcome"),
    [
        (bomb, "max_bytes=2**30", "FIL105"),
        (trailing_bomb, "", "FIL109"),
        (trailing_bomb, "trailing=True, max_bytes=2**30", "FIL105"),
        (trailing_bomb, "trailing=True", "read"),
    ],
)
def test_a_bomb_stays_small(make: Callable[[], bytes], options: str, outcome: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.nii.gz"
    path.write_bytes(make())
    assert path.stat().st_size < 20e6
    program = f"""
        from pathlib import Path
        from tumorboard.core.errors import TumorboardError
        from tumorboard.core.units import Unit
        from tumorboard.io.nifti import inspect_nifti, read_nifti
        path = Path({str(path)!r})
        try:
            read_nifti(path, unit=Unit.HU, {options})
            print("read")
        except TumorboardError as error:
            print(error.code.id)
        inspect_nifti(path, voxels=True, max_bytes=2**30)
        peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))
        print(int(peak.split()[1]) // 1024)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=120
    )
    said, peak_mib = run.stdout.split()
    assert said == outcome
    assert int(peak_mib) < 200
