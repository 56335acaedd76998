"""What readers share: collecting rows of a cohort, file by file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.core.tables import EXPERT
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.datasets import codes
from tumorboard.datasets.identifiers import natural_key
from tumorboard.io.images import FORMATS, describe_image

__all__ = [
    "Assembly",
    "ImageFile",
    "Map",
    "Progress",
    "choice",
    "files_below",
    "image_suffix",
    "import_entry",
    "parse_labels",
    "picture_grid",
    "row_grid",
]

Progress = Callable[[int, int], None]
"""Called with the number of files done and of files in all."""

Map = Callable[[Callable[..., Any], Iterable[Any]], Iterable[Any]]
"""Runs one job per item, results in order, as an executor's `map` does."""

SYNTHETIC_FILE = "SYNTHETIC.txt"
"""Lies in a layout that was written from virtual patients, so that they stay known as such."""

KINDS = {
    "CT": (Modality.CT, Role.IMAGE, Unit.HU),
    "PT": (Modality.PT, Role.IMAGE, None),  # the reader's option states it
    "mask": (Modality.SEG, Role.MASK, Unit.LABEL),
    "dose": (Modality.RTDOSE, Role.DOSE, Unit.GY),
    "CTplan": (Modality.CT, Role.IMAGE, Unit.HU),
    "MR": (Modality.MR, Role.IMAGE, Unit.UNKNOWN),
}
"""Kind of a file, as its image id ends -> modality, role, unit."""


@dataclass(frozen=True)
class ImageFile:
    """One file of an exam: its kind (a key of `KINDS`) and what its row says beyond that."""

    path: Path
    kind: str
    exam_id: str
    unit: Unit | None = None
    labels: Mapping[int, str] | None = None
    options: Mapping[str, Any] | None = None
    prefer: str | None = None
    """For a mask: the kind of image it names, used when several images share its grid."""


@dataclass
class Assembly:
    """Rows of a cohort while a reader collects them."""

    patients: dict[str, dict[str, Any]] = field(default_factory=dict)
    exams: list[dict[str, Any]] = field(default_factory=list)
    files: list[ImageFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_exam(self, patient_id: str, *, order: int = 0, kind: str | None = None) -> str:
        """A new exam of a patient (who is added when new); returns its id."""
        self.patients.setdefault(patient_id, {"patient_id": patient_id})
        exam_id = f"{patient_id}.{order}"
        self.exams.append({"exam_id": exam_id, "patient_id": patient_id, "order": order, "kind": kind})
        return exam_id

    def image_rows(self, progress: Progress | None = None, map: Map | None = None) -> list[dict[str, Any]]:
        """Rows of `images` for all files: headers and checksums are read, masks find the image whose grid they
        share (LAY107 in `problem` when there is none). `map` runs one job per file, in order, e.g. on a cluster."""
        ids = _image_ids(self.files)
        rows = []
        # Checksums release the interpreter lock, so two threads are as good as two processes here.
        with ThreadPoolExecutor(max_workers=2) as pool:
            for done, row in enumerate((map or pool.map)(_describe, zip(self.files, ids, strict=True)), 1):
                rows.append(row)
                if progress:
                    progress(done, len(self.files))
        attach_masks(rows, dict(zip(ids, self.files, strict=True)))
        return rows


def _image_ids(files: Sequence[ImageFile]) -> list[str]:
    counts: dict[str, int] = {}
    ids = []
    for file in files:
        base = f"{file.exam_id}.{file.kind}"
        counts[base] = counts.get(base, 0) + 1
        ids.append(base if counts[base] == 1 else f"{base}-{counts[base]}")
    return ids


def _describe(job: tuple[ImageFile, str]) -> dict[str, Any]:
    file, image_id = job
    modality, role, unit = KINDS[file.kind]
    return describe_image(
        file.path,
        image_id=image_id,
        exam_id=file.exam_id,
        modality=modality,
        role=role,
        unit=file.unit or unit or Unit.UNKNOWN,
        run_id=EXPERT if role is Role.MASK else None,
        labels=file.labels,
        options=file.options,
    )


def attach_masks(rows: list[dict[str, Any]], files: Mapping[str, ImageFile]) -> None:
    """Point every mask to the image of its exam whose grid it shares; the image it is named for first, then
    CT, then PET."""
    exams: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        exams.setdefault(row["exam_id"], []).append(row)
    for members in exams.values():
        images = [row for row in members if row["role"] == Role.IMAGE]
        for mask in (row for row in members if row["role"] == Role.MASK):
            order = [files[mask["image_id"]].prefer, *KINDS]
            images.sort(key=lambda row: order.index(files[row["image_id"]].kind))
            grid = row_grid(mask)
            shared = next((row for row in images if row_grid(row).same_grid(grid)), None)
            mask["reference_image_id"] = shared["image_id"] if shared else None
            if shared is None:
                mask["problem"] = codes.MASK_WITHOUT_GRID.id


def row_grid(row: Mapping[str, Any]) -> Geometry:
    """Grid of an image row."""
    return Geometry(tuple(row["shape"]), np.asarray(row["affine"], float).reshape(4, 4))


def picture_grid(row: Mapping[str, Any]) -> Geometry:
    """Grid of an image row as axial pictures are looked at: columns to the patient's left, rows to the back, slices
    towards the feet (`Volume.reorient("LPI")` gives the voxels)."""
    grid = row_grid(row)
    order, flips = grid.reorientation("LPI")
    grid = grid.permute(order)
    for axis in flips:
        grid = grid.flip(axis)
    return grid


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder in natural order; links to folders are followed, each real folder is entered once,
    and hidden files and folders are left out."""
    found: list[Path] = []
    entered: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in names if not name.startswith(".")]
    return sorted(found, key=lambda path: natural_key(str(path)))


def image_suffix(path: Path) -> str | None:
    """The image suffix of a file name (``.nii.gz``, ``.mha`` ...), as written; None for other files."""
    name = path.name.lower()
    if name.startswith("."):
        return None
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix) and len(name) > len(suffix):
            return path.name[-len(suffix) :]
    return None


def import_entry(
    layout: str,
    source: Path,
    *,
    notes: Sequence[str] = (),
    identifying: Mapping[str, int] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The line that an import leaves in a cohort's provenance: every option with its value, defaults included.
    `identifying`: DICOM attributes that identify persons -> files of the source in which they are filled in."""
    from tumorboard import __version__

    entry: dict[str, Any] = {
        "step": "import",
        "layout": layout,
        "source": str(source),
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in options.items()},
        "version": __version__,
    }
    for folder in (source, source.parent):
        if (folder / SYNTHETIC_FILE).is_file():
            entry["synthetic"] = (folder / SYNTHETIC_FILE).read_text(encoding="utf-8")[:200].strip()
    if identifying:
        entry["identifying"] = dict(identifying)
    return {**entry, "notes": list(notes)} if notes else entry


def choice(name: str, value: str, choices: Sequence[str]) -> str:
    """`value` if it is one of `choices` (case does not matter); LAY113 otherwise."""
    for known in choices:
        if value.casefold() == known.casefold():
            return known
    raise TumorboardError(codes.OPTION, f"option {name}", found=repr(value), expected=", ".join(choices))


def parse_labels(text: str, *, option: str = "labels") -> dict[int, str]:
    """``1=GTVp,2=GTVn`` -> {1: 'GTVp', 2: 'GTVn'}; LAY113 when it is not of this form."""
    labels: dict[int, str] = {}
    for part in text.split(","):
        value, sign, name = part.partition("=")
        if not sign or not value.strip().isdecimal() or not name.strip() or int(value) in {0, *labels}:
            raise TumorboardError(
                codes.OPTION, f"option {option}", found=repr(text), expected="a list such as 1=GTVp,2=GTVn"
            )
        labels[int(value)] = name.strip()
    return labels
