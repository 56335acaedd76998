"""One Open-i report in XML: identifier, sections, codes, images. Entities and document types are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.openi import codes
from tumorboard.io import codes as io_codes
from tumorboard.io.confine import confined
from tumorboard.io.inflate import is_gzip, open_gzip

__all__ = ["MAX_REPORT_BYTES", "Report", "parse_report", "report_files"]

MAX_REPORT_BYTES = 2**20
"""Published reports have 5 to 20 kB."""
_MAX_ARCHIVE_BYTES = 2 * 2**30
_MAX_REPORTS = 1_000_000


@dataclass
class Report:
    """One report: `sections` (name, words) in order, `major` and `automatic` codes, `images` (id, caption)."""

    uid: str
    sections: list[tuple[str, str]] = field(default_factory=list)
    major: list[str] = field(default_factory=list)
    automatic: list[str] = field(default_factory=list)
    images: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


def report_files(source: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every `.xml` in a folder, a `.tar` or `.tar.gz`, or of one XML file, in natural order of names.

    Archives are read in one pass; nothing is unpacked. Errors: FIL105 too large, FIL106 a damaged archive, FIL103 and
    FIL111 entries that are no plain files below the target.
    """
    from tumorboard.datasets.assembly import files_below

    if source.is_dir():
        for path in files_below(source):
            if path.suffix.lower() == ".xml":
                with path.open("rb") as file:
                    yield path.relative_to(source).as_posix(), file.read(MAX_REPORT_BYTES + 1)
    elif source.suffix.lower() == ".xml":
        with source.open("rb") as file:
            yield source.name, file.read(MAX_REPORT_BYTES + 1)
    else:
        yield from _archived(source)


def _archived(source: Path) -> Iterator[tuple[str, bytes]]:
    import tarfile

    try:
        if is_gzip(source):
            with open_gzip(source, max_bytes=_MAX_ARCHIVE_BYTES) as stream, _tar(stream) as archive:
                yield from _entries(archive, source)
        else:
            with source.open("rb") as file, _tar(file) as archive:
                yield from _entries(archive, source)
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
        raise TumorboardError(
            io_codes.FILE_DAMAGED, source, found=f"{type(error).__name__}: {error}", expected="a readable tar archive"
        ) from error


def _tar(stream: Any) -> Any:
    import tarfile

    return tarfile.open(fileobj=stream, mode="r|")


def _entries(archive: Any, source: Path) -> Iterator[tuple[str, bytes]]:
    for count, entry in enumerate(archive):
        if count >= _MAX_REPORTS:
            raise TumorboardError(
                io_codes.FILE_TOO_LARGE, source, found=f"more than {_MAX_REPORTS:,} entries", expected="fewer"
            )
        confined(Path("/archive"), entry.name, where=source)
        if entry.isdir() or not PurePosixPath(entry.name).name.lower().endswith(".xml"):
            continue
        if not entry.isfile():
            raise TumorboardError(
                io_codes.ARCHIVE_REFUSED, source, found=f"{entry.name!r}, a link or device", expected="plain files"
            )
        if entry.size > MAX_REPORT_BYTES:
            raise TumorboardError(
                io_codes.FILE_TOO_LARGE,
                source,
                found=f"{entry.name!r} of {entry.size:,} bytes",
                expected=f"at most {MAX_REPORT_BYTES:,}",
            )
        yield entry.name, archive.extractfile(entry).read()


def parse_report(data: bytes, where: str) -> Report:
    """One report. Errors: FIL105 too large, OPI101 not well-formed, OPI102 a document type or an entity, OPI103
    none."""
    from xml.etree.ElementTree import ParseError

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(data) > MAX_REPORT_BYTES:
        raise TumorboardError(
            io_codes.FILE_TOO_LARGE, where, found=f"more than {MAX_REPORT_BYTES:,} bytes", expected="a report"
        )
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise TumorboardError(
            codes.XML_REFUSED, where, found=f"{type(error).__name__}", expected="plain XML"
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise TumorboardError(codes.XML_INVALID, where, found=f"{error}"[:120], expected="well-formed XML") from error
    uid = root.find("uId")
    identifier = (uid.get("id") or "").strip() if uid is not None else ""
    if not identifier:
        raise TumorboardError(
            codes.NO_REPORT, where, found=f"<{root.tag}> without uId"[:80], expected="an Open-i report"
        )
    report = Report(identifier)
    for element in root.iter("AbstractText"):
        words = "".join(element.itertext()).strip()
        if words:
            report.sections.append(((element.get("Label") or "").strip().casefold(), words))
    for name, listed in (("major", report.major), ("automatic", report.automatic)):
        listed += [text for element in root.iter(name) if (text := " ".join("".join(element.itertext()).split()))]
    for element in root.iter("parentImage"):
        if element.get("id"):
            caption = (element.findtext("caption") or "").strip()
            report.images.append((str(element.get("id")), {"caption": caption} if caption else {}))
    for key in ("specialty", "ccLicense"):
        if (root.findtext(key) or "").strip():
            report.facts[key] = (root.findtext(key) or "").strip()
    return report
