"""Bombs: small files that promise, or become, far more than they are; made for the readers of `fuzz_files`."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from fuzz_subject import MIB, Subject

__all__ = ["bombs"]


def bombs(intact: Mapping[str, Subject]) -> list[tuple[str, bytes]]:
    """(reader, bytes) of small files that stand for a lot: to be refused, or read in a little memory."""
    nothing = gzip.compress(bytes(600 * MIB), 1, mtime=0)
    found: list[tuple[str, bytes]] = [
        ("NIfTI, gzip outside", nothing),
        ("NIfTI, gzip outside", intact["NIfTI, gzip outside"].data + nothing),
        ("PNG", _png(30_000, 30_000, 8)), ("PNG", _png(8_000, 8_000, 8, pixels=bytes(64 * MIB))),
        ("PNG, CT slice", _png(30_000, 30_000, 16)),
        ("DICOM CT, plain", nothing), ("DICOM folder", nothing),
        ("DICOM CT, deflated", _deflated_bomb(intact["DICOM CT, deflated"].data)),
        ("tags of DeepLesion", nothing), ("CSV of Open-i", nothing), ("tar.gz", nothing),
        ("zip", _zip({"a": bytes(200 * MIB)})), ("NumPy archive", _zip({"a.npy": bytes(200 * MIB)})),
        ("XML", _entities("lol", 9)), ("XML", b"<a>" * 100_000 + b"</a>" * 100_000),
        ("XML", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'),
    ]  # fmt: skip
    cells = b"<row>" + b"<c><v>1</v></c>" * 2**18 + b"</row>"
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    sheet = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    whole = _unzipped(intact["XLSX, outside"].data)
    place = next(name for name in whole if "worksheets/" in name)
    pages = [sheet + rows + b"</sheetData></worksheet>" for rows in (cells * 100, far * 2000)]
    for page in (*pages, _entities("lol", 9)):
        packed = _zip({**whole, place: page})
        found += [("XLSX, outside", packed), ("XLSX by a schema", packed)]
    for reader in ("JSON", "COCO", "scene graph", "cohort", "nnU-Net dataset.json", "boxes of DeepLesion"):
        found += [(reader, b"[" * 200_000), (reader, b'{"a":' * 100_000 + b"1" + b"}" * 100_000)]
        found += [(reader, b"[" + b"9" * 100_000 + b"]"), (reader, b'{"images": [1e400, -0.0]}')]
    found += [("CSV", b"a,b\n" + b"," * 2**22), ("CSV", b'a,b\n"' + b"x" * 2**22)]
    return [*found, ("TOML schema", b"a=" + b"[" * 10**5)]


def _png(columns: int, rows: int, bits: int, *, pixels: bytes = b"") -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", columns, rows, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(pixels)) + part(b"IEND", b"")


def _deflated_bomb(data: bytes) -> bytes:
    start = 144 + int.from_bytes(data[140:144], "little")
    press = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return data[:start] + press.compress(bytes(600 * MIB)) + press.flush()


def _entities(word: str, depth: int) -> bytes:
    """Each entity stands for ten of the one before."""
    lines = [f'<!ENTITY a0 "{word}">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, depth + 1))]
    return f'<?xml version="1.0"?><!DOCTYPE x [{"".join(lines)}]><x>&a{depth};</x>'.encode()


def _zip(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED, 1)
    return buffer.getvalue()


def _unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {name: file.read(name) for name in file.namelist()}
