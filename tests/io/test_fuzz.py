"""Mutated files: a coded error or the right voxels, bounded memory, nothing written.

What "the right voxels" can mean depends on the format. Where a checksum covers the voxels (gzip, compressed
MetaImage, zip) they must equal the original bit for bit whenever the file is read and the header says the same
shape, type and scaling. Uncompressed files carry no checksum: there the voxels must be those that an independent
decoder (nibabel, plain bytes) finds in the mutated file.
"""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import nibabel
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.archives import read_zip_member, unpack_zip
from tumorboard.io.itk import inspect_itk, read_itk, write_itk
from tumorboard.io.jsonfile import read_json
from tumorboard.io.nifti import inspect_nifti, read_nifti, read_nifti_geometry, write_nifti

VOXELS = np.random.default_rng(5).integers(-500, 1500, (20, 21, 22)).astype(np.int16)
VOLUME = Volume(VOXELS, np.array([[-1, 0, 0, 9.5], [0, -1, 0, 8], [0, 0, 3, -7], [0, 0, 0, 1.0]]), Unit.HU)
RECORD = {"CenterID": 5, "Age": 61.5, "Gender": None, "notes": ["a,]", {"x": [1, 2, 3]}], "HPV Status": 1}
LIMIT = 64 * 2**20
MEMORY_MIB = 700


def mutated(data: bytes, rng: np.random.Generator, *, header: int) -> bytes:
    """One of the ways in which files go wrong: cut, flipped, overwritten, spliced, grown."""
    raw = bytearray(data)
    at = int(rng.integers(0, header if rng.random() < 0.6 else len(raw)))
    kind = rng.integers(0, 9)
    if kind == 0:
        return bytes(raw[:at])
    if kind == 1:
        raw[at] ^= 1 << int(rng.integers(0, 8))
    elif kind == 2:
        raw[at] = int(rng.integers(0, 256))
    elif kind == 3:
        raw[at : at + 4] = rng.bytes(4)
    elif kind == 4:
        special = [
            b"\xff\xff\xff\x7f",
            b"\0\0\xc0\x7f",
            b"\0\0\x80\x7f",
            b"\0\0\0\x80",
            b"\0\0\0\0",
            b"\xff\x7f\xff\x7f",
        ]
        raw[at : at + 4] = special[int(rng.integers(0, len(special)))]
    elif kind == 5:
        del raw[at : at + int(rng.integers(1, 64))]
    elif kind == 6:
        raw[at:at] = rng.bytes(int(rng.integers(1, 64)))
    elif kind == 7:
        raw += rng.bytes(int(rng.integers(1, 4096)))
    else:
        other = int(rng.integers(0, len(raw)))
        raw[at : at + 16] = raw[other : other + 16]
    return bytes(raw)


# ---- one judge per format: raises AssertionError when what was read is not right --------------------------
def judge_nifti(path: Path) -> None:
    """Plain, or gzip with a right checksum: the numbers that nibabel finds in the same bytes."""
    volume = read_nifti(path, unit=Unit.HU, max_bytes=LIMIT)
    assert read_nifti_geometry(path) == volume.geometry
    data = path.read_bytes()
    other = nibabel.Nifti1Image.from_bytes(gzip.decompress(data) if path.name.endswith(".gz") else data)
    expected = np.asanyarray(other.dataobj)
    expected = expected.reshape((*expected.shape, 1, 1)[:3])
    np.testing.assert_allclose(volume.array, expected, rtol=1e-6)


def judge_sealed_nifti(path: Path) -> None:
    """Mutated outside: the checksum vouches for every voxel."""
    volume = read_nifti(path, unit=Unit.HU, max_bytes=LIMIT)
    np.testing.assert_array_equal(volume.array, VOXELS)
    assert volume.same_grid(VOLUME)


def judge_meta(path: Path) -> None:
    """The bytes that end the file (plain; trailing bytes are refused), or those that the checksum vouches for; a
    changed ElementType or byte order gives other numbers of the same bytes."""
    volume = read_itk(path, unit=Unit.HU, max_bytes=LIMIT)
    raw = path.read_bytes()
    stored = [volume.array.astype(volume.array.dtype.newbyteorder(order)).tobytes("F") for order in "<>"]
    sealed = b"CompressedData = True" in raw[:600]
    assert (VOXELS.tobytes("F") if sealed else raw[-volume.array.nbytes :]) in stored


def judge_zip(path: Path) -> None:
    folder = path.parent / "unpacked"
    try:
        written = unpack_zip(path, folder, max_bytes=LIMIT)
        for file in written:
            assert file.resolve().is_relative_to(folder.resolve())
            assert file.read_bytes() in (b"hello" * 400, VOXELS.tobytes()), "a checksum let other bytes through"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    read_zip_member(path, "case/voxels.raw", max_bytes=LIMIT)


def judge_json(path: Path) -> None:
    value, remarks = read_json(path)
    try:
        assert value == json.loads(path.read_bytes().decode("utf-8-sig"))
    except json.JSONDecodeError:
        assert [r.code.id for r in remarks] == ["FIL113"], "accepted what strict JSON does not, without a remark"


class Subject(NamedTuple):
    """An intact file, how it is mutated, and who judges what is read of it."""

    path: Path
    mutate: Callable[[bytes, np.random.Generator], bytes]
    judge: Callable[[Path], None]
    inspect: Callable[..., object] | None = None


def subjects(folder: Path) -> list[Subject]:
    names = ("a.nii", "b.nii.gz", "c.nii.gz", "d.mha", "e.mha", "f.zip", "g.json")
    plain, sealed, inner, packed, meta, archive, record = (folder / name for name in names)
    for path in (plain, sealed, inner):
        write_nifti(VOLUME, path)
    write_itk(VOLUME, packed)
    meta.write_bytes(uncompressed_meta(packed))
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("case/note.txt", b"hello" * 400)
        file.writestr("case/voxels.raw", VOXELS.tobytes())
    record.write_text(json.dumps(RECORD, indent=1))
    return [
        Subject(plain, partial(mutated, header=352), judge_nifti, inspect_nifti),
        Subject(sealed, partial(mutated, header=400), judge_sealed_nifti, inspect_nifti),
        Subject(inner, repacked, judge_nifti, inspect_nifti),
        Subject(packed, partial(mutated, header=420), judge_meta, inspect_itk),
        Subject(meta, partial(mutated, header=420), judge_meta, inspect_itk),
        Subject(archive, partial(mutated, header=120), judge_zip),
        Subject(record, partial(mutated, header=100), judge_json),
    ]


def uncompressed_meta(path: Path) -> bytes:
    head = path.read_bytes().split(b"ElementDataFile = LOCAL\n")[0]
    lines = [line for line in head.split(b"\n") if b"CompressedDataSize" not in line]
    head = b"\n".join(lines).replace(b"CompressedData = True", b"CompressedData = False")
    return head + b"ElementDataFile = LOCAL\n" + VOXELS.tobytes("F")


def repacked(data: bytes, rng: np.random.Generator) -> bytes:
    """Mutate what is inside the gzip member and close it with a right checksum: only the header checks remain."""
    return gzip.compress(mutated(gzip.decompress(data), rng, header=352), 1, mtime=0)


def run_fuzz(folder: Path, *, each: int, seed: int) -> Counter[tuple[str, str]]:
    """Mutate every subject `each` times; counts by (file, outcome)."""
    rng = np.random.default_rng(seed)
    source, work = folder / "intact", folder / "work"
    source.mkdir()
    work.mkdir()
    outcomes: Counter[tuple[str, str]] = Counter()
    before = peak_mib()
    for subject in subjects(source):
        subject.judge(subject.path)
        intact = subject.path.read_bytes()
        target = work / subject.path.name
        for _ in range(each):
            target.write_bytes(subject.mutate(intact, rng))
            try:
                subject.judge(target)
                outcome = "read"
            except TumorboardError as error:
                outcome = error.code.id
            if subject.inspect is not None:
                subject.inspect(target, voxels=True, max_bytes=LIMIT)
            outcomes[target.name, outcome] += 1
            assert [p.name for p in work.iterdir()] == [target.name], "reading wrote something"
        target.unlink()
    assert peak_mib() - before < MEMORY_MIB
    return outcomes


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def printed(outcomes: Counter[tuple[str, str]]) -> str:
    names = sorted({name for name, _ in outcomes})
    lines = [f"{sum(outcomes.values())} mutated files"]
    for name in names:
        counts = {outcome: n for (other, outcome), n in sorted(outcomes.items()) if other == name}
        lines.append(f"  {name:9}" + "  ".join(f"{outcome} {n}" for outcome, n in counts.items()))
    return "\n".join(lines)


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Duplicate name")
def test_some_mutated_files(tmp_path: Path) -> None:
    outcomes = run_fuzz(tmp_path, each=8, seed=1)
    assert sum(outcomes.values()) == 56


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore:Duplicate name")
def test_thousands_of_mutated_files(tmp_path: Path, capsys) -> None:
    each = int(os.environ.get("TUMORBOARD_FUZZ_EACH", "300"))
    outcomes = run_fuzz(tmp_path, each=each, seed=2)
    with capsys.disabled():
        sys.stdout.write("\n" + printed(outcomes) + "\n")
    assert sum(outcomes.values()) >= 1000
    refused = sum(n for (_, outcome), n in outcomes.items() if outcome != "read")
    assert refused > sum(outcomes.values()) / 4
