"""Where the graphs, splits and tables of a release are: in a folder, or in `scene_graph.zip`."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.datasets.identifiers import natural_key
from tumorboard.datasets.imagenome.tables import read_rows
from tumorboard.io import codes as io_codes
from tumorboard.io.archives import read_zip_entries

__all__ = ["MAX_GRAPH_BYTES", "SPLITS", "SUFFIX", "Release", "find_release"]

SUFFIX = "_SceneGraph.json"
SPLITS = ("train", "valid", "test")
MAX_GRAPH_BYTES = 8 * 2**20
"""A graph has about 60 kB; a hundred times that is something else."""
_MAX_ZIP_BYTES = 64 * 2**30
_MAX_ZIP_ENTRIES = 1_000_000
_HEAD_BYTES = 4096
_PATIENT = re.compile(rb'"patient_id"\s*:\s*("?)([^",}\s]+)\1')


@dataclass(frozen=True)
class Release:
    """One release: names of its graph files, by image, and how to read them.

    `places` are the graph files (below a folder, or entries of `archive`); `splits` image -> split; `avoid` the images
    of images_to_avoid.csv; `owners` image -> patient, as far as the split tables say it.
    """

    root: Path
    places: tuple[str, ...]
    archive: Path | None = None
    folder: Path | None = None
    splits: dict[str, str] = field(default_factory=dict)
    avoid: frozenset[str] = frozenset()
    owners: dict[str, str] = field(default_factory=dict)

    def read(self, places: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """(place, bytes) of these graph files, in their order. Errors as in `io.archives`; FIL105 too large."""
        if self.archive is not None:
            yield from read_zip_entries(self.archive, places, max_entry_bytes=MAX_GRAPH_BYTES)
            return
        assert self.folder is not None
        for place in places:
            with (self.folder / place).open("rb") as file:
                yield place, file.read(MAX_GRAPH_BYTES + 1)

    def by_patient(self, places: Sequence[str]) -> list[list[str]]:
        """The graph files of each patient together: by the split tables, else by the first 4 kB of the file."""
        groups: dict[str, list[str]] = {}
        unknown = []
        for place in places:
            owner = self.owners.get(image_of_place(place))
            if owner is None:
                unknown.append(place)
            else:
                groups.setdefault(owner, []).append(place)
        for place, head in self._heads(unknown):
            match = _PATIENT.search(head)
            groups.setdefault(match[2].decode("utf-8", "replace") if match else f"\0{place}", []).append(place)
        return [groups[owner] for owner in sorted(groups, key=natural_key)]

    def _heads(self, places: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        if self.archive is None:
            for place in places:
                with (self.folder / place).open("rb") as file:  # type: ignore[operator]
                    yield place, file.read(_HEAD_BYTES)
        elif places:
            try:
                with zipfile.ZipFile(self.archive) as archive:
                    for place in places:
                        with archive.open(place) as file:
                            yield place, file.read(_HEAD_BYTES)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
                raise TumorboardError(
                    io_codes.FILE_DAMAGED, self.archive, found=f"{error}", expected="a readable zip archive"
                ) from error


def image_of_place(place: str) -> str:
    """The image that a graph file is named after."""
    return place.rpartition("/")[2].removesuffix(SUFFIX)


def find_release(source: Path, *, split: str = "") -> Release:
    """The release at `source`: its root, its `silver_dataset`, a folder of graphs, one graph or `scene_graph.zip`.

    `split` keeps the images of one split table. LAY101 when there is no graph.
    """
    source = Path(source).resolve()
    root = source.parent if source.is_file() else source
    root = next((p for p in (root, *root.parents[:3]) if (p / "silver_dataset").is_dir()), root)
    tables = next((p for p in (root / "silver_dataset" / "splits", root / "splits", root) if p.is_dir()), root)
    splits, owners = _read_splits(tables)
    avoid_table = tables / "images_to_avoid.csv"
    avoid = (
        frozenset(plain_image(r["dicom_id"]) for r in read_rows(avoid_table, "dicom_id"))
        if avoid_table.is_file()
        else frozenset()
    )
    archive, folder, places = _graphs(source)
    if split:
        places = [place for place in places if splits.get(image_of_place(place)) == split]
    if not places:
        raise TumorboardError(
            codes.LAYOUT_NOT_FOUND, source, found=f"no graph{f' of split {split}' if split else ''}",
            expected=f"files <image_id>{SUFFIX}, or scene_graph.zip",
        )  # fmt: skip
    return Release(root, tuple(places), archive, folder, splits, avoid, owners)


def plain_image(text: str) -> str:
    """An image id without blanks and without the suffix `.dcm` that gold tables carry."""
    return text.strip().removesuffix(".dcm")


def _read_splits(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    splits: dict[str, str] = {}
    owners: dict[str, str] = {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        if path.is_file():
            for row in read_rows(path, "subject_id", "dicom_id"):
                image_id = plain_image(row["dicom_id"])
                splits[image_id] = split
                owners[image_id] = row["subject_id"].strip()
    return splits, owners


def _graphs(source: Path) -> tuple[Path | None, Path | None, list[str]]:
    """(archive, folder, places): an unpacked folder before the archive beside it."""
    if source.is_file() and source.name.endswith(SUFFIX):
        return None, source.parent, [source.name]
    if source.is_dir():
        found = sorted(p.relative_to(source).as_posix() for p in source.rglob(f"*{SUFFIX}") if p.is_file())
        if found:
            return None, source, found
    candidates = [source] if source.is_file() else sorted(source.rglob("scene_graph*.zip"))
    for path in candidates:
        if zipfile.is_zipfile(path):
            names = list_zip_names(path)
            return path, None, names
    return None, None, []


def list_zip_names(path: Path) -> list[str]:
    """The graph files in an archive, every entry checked."""
    from tumorboard.io.archives import list_zip

    names = list_zip(path, max_bytes=_MAX_ZIP_BYTES, max_entries=_MAX_ZIP_ENTRIES)
    return sorted(name for name in names if name.endswith(SUFFIX))
