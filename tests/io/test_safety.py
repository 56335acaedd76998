"""Names, archives, JSON and pickles from elsewhere."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.io.archives import list_zip, read_zip_member, unpack_zip
from tumorboard.io.confine import confined, refuse_pickle
from tumorboard.io.jsonfile import parse_json, read_json

OUTWARD = ["../x", "a/../../x", "/etc/passwd", "C:\\x", "C:x", "\\\\host\\x", "a\\..\\x", "", " ", "..", "a\0b", "//x"]


def made_zip(path: Path, *entries: tuple[zipfile.ZipInfo | str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


# ---- names --------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", OUTWARD)
def test_names_that_lead_out_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="FIL103"):
        confined(tmp_path, name)


def test_names_within_are_allowed_and_links_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    for name in ("a.nii", "b/c..d.nii", "./e", "...", "ümlaut ü.nii"):
        assert confined(folder, name).is_relative_to(folder)
    (folder / "back").symlink_to(folder)
    (folder / "away").symlink_to(outside)
    assert confined(folder, "back/x")
    with pytest.raises(TumorboardError, match="FIL103"):
        confined(folder, "away/x")


# ---- archives -----------------------------------------------------------------------------------------
def test_a_plain_archive_is_read_and_unpacked(tmp_path: Path) -> None:
    path = made_zip(tmp_path / "a.zip", ("case/ct.txt", b"ct" * 999), ("case/", b""), ("pet.txt", b"pet"))
    assert list_zip(path) == ["case/ct.txt", "pet.txt"]
    assert read_zip_member(path, "pet.txt") == b"pet"
    written = unpack_zip(path, tmp_path / "out")
    assert [p.relative_to(tmp_path).as_posix() for p in written] == ["out/case/ct.txt", "out/pet.txt"]
    assert (tmp_path / "out/case/ct.txt").read_bytes() == b"ct" * 999
    with pytest.raises(TumorboardError, match="STO105"):
        unpack_zip(path, tmp_path / "out")
    with pytest.raises(TumorboardError, match="FIL101"):
        read_zip_member(path, "mri.txt")


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def lying_size(path: Path) -> Path:
    """An entry that declares 10 bytes and inflates to 1000."""
    made_zip(path, ("a.txt", b"x" * 1000))
    data = path.read_bytes().replace((1000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    return path


def encrypted(path: Path) -> Path:
    made_zip(path, ("a.txt", b"secret"), method=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + at] |= 1
    path.write_bytes(data)
    return path


REFUSED = {
    **{
        f"name {name!r}": (lambda p, name=name: made_zip(p, (zipfile.ZipInfo(name), b"x")), "FIL103")
        for name in ("../x", "a/../../x", "/etc/x", "C:x")
    },
    "link": (lambda p: made_zip(p, (link("etc"), b"/etc")), "FIL111"),
    "twice": (lambda p: made_zip(p, ("A.txt", b"1"), ("a.TXT", b"2")), "FIL111"),
    "file and folder": (lambda p: made_zip(p, ("a", b"1"), ("a/b", b"2")), "FIL111"),
    "bomb": (lambda p: made_zip(p, ("a", bytes(64 * 2**20))), "FIL111"),
    "too much": (lambda p: made_zip(p, ("a", np.random.default_rng(0).bytes(3 * 2**20))), "FIL105"),
    "lying size": (lying_size, "FIL1"),
    "encrypted": (encrypted, "FIL111"),
    "lzma": (lambda p: made_zip(p, ("a", b"x"), method=zipfile.ZIP_LZMA), "FIL111"),
    "no zip": (lambda p: p.write_bytes(b"plain text") and p, "FIL106"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("fault", REFUSED)
def test_odd_archives_are_refused_and_nothing_is_written(fault: str, tmp_path: Path) -> None:
    make, code = REFUSED[fault]
    folder = tmp_path / "work"
    folder.mkdir()
    path = make(folder / "a.zip")
    limit = 2**21 if fault == "too much" else 2**30
    with pytest.raises(TumorboardError, match=code):
        unpack_zip(path, folder / "out", max_bytes=limit)
    assert [p.name for p in folder.iterdir()] == ["a.zip"]
    assert [p.name for p in tmp_path.iterdir()] == ["work"]


def test_a_damaged_entry_is_refused(tmp_path: Path) -> None:
    path = made_zip(tmp_path / "a.zip", ("a.txt", b"hello world"), method=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"hello", b"jello"))
    with pytest.raises(TumorboardError, match="FIL106"):
        read_zip_member(path, "a.txt")
    with pytest.raises(TumorboardError, match="FIL106"):
        unpack_zip(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- JSON ---------------------------------------------------------------------------------------------
def test_the_comma_of_the_official_record_is_forgiven_and_remarked(tmp_path: Path) -> None:
    path = tmp_path / "ehr.json"
    path.write_text('{\n  "CenterID": 5,\n  "Age": 61, "HPV Status": null,\n}\n')
    value, remarks = read_json(path)
    assert value == {"CenterID": 5, "Age": 61, "HPV Status": None}
    assert [(r.code.id, r.severity) for r in remarks] == [("FIL113", "info")]
    assert "line 3" in remarks[0].found


@pytest.mark.parametrize(
    ("text", "value"),
    [("[1, 2,]", [1, 2]), ('{"a": [1,], "b": {"c": 2 , } ,}', {"a": [1], "b": {"c": 2}}), ('[",]", 1,]', [",]", 1])],
)
def test_commas_before_closing_brackets(text: str, value: object) -> None:
    assert parse_json(text.encode(), "x")[0] == value


@pytest.mark.parametrize("text", ['{"a": ",}"}', '["\\",]"]', "3.5", "\ufeff[]", '{"a": {"b": [1, 2]}}'])
def test_proper_json_is_read_without_remark(text: str) -> None:
    assert parse_json(text.encode(), "x") == (json.loads(text.lstrip("\ufeff")), [])


@pytest.mark.parametrize(
    "text",
    [
        *("[,]", "[1,,]", "{,}", '{"a":,}', "[1,2", "[1 2,]", "{'a': 1,}", "[1,] // note", "[1,],", ",", "", "[1,]]"),
        *('{"a": 1, "a": 2}', '{"a": 1, "a": 2,}', "[NaN]", "[Infinity,]", "[" * 100_000, "1" * 5000, '["\x01"]'),
    ],
)
def test_nothing_else_is_forgiven(text: str) -> None:
    with pytest.raises(TumorboardError, match="FIL112"):
        parse_json(text.encode(), "x")


def test_json_has_a_size_and_an_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + "1," * 1000 + "1]")
    with pytest.raises(TumorboardError, match="FIL105"):
        read_json(path, max_bytes=100)
    with pytest.raises(TumorboardError, match="FIL112"):
        parse_json('["ü"]'.encode("latin-1"), "x")
    with pytest.raises(TumorboardError, match="FIL101"):
        read_json(tmp_path / "none.json")


# ---- pickles ------------------------------------------------------------------------------------------
class Boom:
    def __reduce__(self):
        return (Path.touch, (Path("pickle-was-run"),))


def crafted(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def torch_like(path: Path) -> Path:
    return made_zip(path, ("model/data.pkl", pickle.dumps(Boom())), ("model/data/0", b"1234"))


def object_npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([Boom(), None], object), allow_pickle=True)
    return buffer.getvalue()


PICKLES = {
    "pkl": lambda p: crafted(p / "a.pkl", pickle.dumps(Boom())),
    "disguised": lambda p: crafted(p / "a.json", pickle.dumps(Boom())),
    **{f"protocol {n}": lambda p, n=n: crafted(p / "a.bin", pickle.dumps(Boom(), n)) for n in (2, 3, 4, 5)},
    "old torch": lambda p: crafted(p / "a.pt", b"anything"),
    "torch": lambda p: torch_like(p / "a.bin"),
    "checkpoint": lambda p: torch_like(p / "a.ckpt"),
    "npy": lambda p: crafted(p / "a.npy", object_npy()),
    "npz": lambda p: made_zip(p / "a.npz", ("x.npy", object_npy())),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_pickles_are_refused_unread(kind: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TumorboardError, match="FIL110"):
        refuse_pickle(PICKLES[kind](tmp_path))
    assert not (tmp_path / "pickle-was-run").exists()


def test_plain_arrays_and_weights_pass(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5))
    np.savez(tmp_path / "b.npz", x=np.arange(5), y=np.zeros(3, [("O", "f4")]))
    crafted(tmp_path / "c.safetensors", (2).to_bytes(8, "little") + b"{}")
    for path in tmp_path.iterdir():
        refuse_pickle(path)


def test_a_small_file_takes_little_whatever_may_be_read(tmp_path: Path) -> None:
    """Room for the largest file allowed must not be taken for a small one; nor for a length that a PNG claims."""
    import resource
    import struct

    from PIL import Image

    from tumorboard.io.radiograph import read_radiograph

    (tmp_path / "a.json").write_text('{"a": 1}')
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    at = data.index(b"IDAT")
    data[at - 4 : at] = struct.pack(">I", 2**30)
    (tmp_path / "long.png").write_bytes(data)
    before = resource.getrlimit(resource.RLIMIT_AS)
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize"))
    resource.setrlimit(resource.RLIMIT_AS, (int(line.split()[1]) * 1024 + 2**28, before[1]))
    try:
        assert read_json(tmp_path / "a.json", max_bytes=2**33)[0] == {"a": 1}
        with contextlib.suppress(TumorboardError):
            assert read_radiograph(tmp_path / "long.png", unit=Unit.GREY8).array[0, 0, 0] == 7
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
