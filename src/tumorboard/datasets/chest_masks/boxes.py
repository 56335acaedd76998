"""What the importers share: finding the X-ray that a mask belongs to, and boxes as findings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import import_entry
from tumorboard.datasets.chest_masks import codes
from tumorboard.io import codes as io_codes
from tumorboard.io.store import open_cohort

__all__ = ["BoxRows", "load_channels"]

MAX_BYTES = 2**31
Box = tuple[float, float, float, float]


@dataclass
class BoxRows:
    """Findings of one run on the X-rays of a cohort, while an importer collects them."""

    cohort: Cohort
    run_id: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: int = 0
    _by_stem: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def onto(cls, folder: Path | None, run_id: str) -> BoxRows:
        """LAY113 without a cohort to add to."""
        if folder is None:
            raise TumorboardError(
                layout_codes.OPTION, "option onto", found="none", expected="the cohort with the X-rays, onto=COHORT"
            )
        rows = cls(open_cohort(folder), run_id)
        for row in rows.cohort.rows("images", modality="DX", role="image"):
            if row["shape"] is not None:
                rows._by_stem.setdefault(PurePosixPath(row["path"]).stem, []).append(row)
        return rows

    def image(self, name: str) -> dict[str, Any] | None:
        """The X-ray whose file is called so (folder and suffix aside); None, and counted, where there is none or
        several."""
        found = self._by_stem.get(PurePosixPath(name.replace("\\", "/")).stem, [])
        if len(found) != 1:
            self.unknown += 1
            return None
        return found[0]

    def add(self, image: Mapping[str, Any], boxes: Mapping[str, Box], *, score: float | None = None) -> None:
        """Boxes of one X-ray; CXM103 is noted, and nothing added, where the lungs have changed sides."""
        if "right lung" in boxes and "left lung" in boxes:
            right, left = (sum(boxes[f"{side} lung"][::2]) for side in ("right", "left"))
            if right >= left:
                error = TumorboardError(
                    codes.SIDES_EXCHANGED, image["image_id"], found="right lung on the right", expected="on the left"
                )
                self.notes.append(str(error))
                return
        for name, box in boxes.items():
            self.findings.append(
                {
                    "finding_id": f"{image['image_id']}.{self.run_id}.{name}",
                    "image_id": image["image_id"],
                    "run_id": self.run_id,
                    "kind": "anatomical location",
                    "label": name,
                    "box": list(box),
                    "score": score,
                }
            )

    def require_size(self, image: Mapping[str, Any], rows: int, columns: int, where: str) -> None:
        """CXM102 unless the masks have the X-ray's size."""
        if [columns, rows] != list(image["shape"][:2]):
            raise TumorboardError(
                codes.MASKS_SIZE,
                where,
                found=f"{columns} x {rows} pixels",
                expected=f"{image['shape'][0]} x {image['shape'][1]} of {image['image_id']}",
            )

    def finish(self, layout: str, source: Path, **options: Any) -> Cohort:
        """The cohort with these boxes in place of an earlier import's. LAY101 when no mask has an X-ray."""
        if not self.findings:
            expected = "masks named like the cohort's X-ray files"
            raise TumorboardError(
                layout_codes.LAYOUT_NOT_FOUND,
                source,
                found=f"no usable mask ({self.unknown} of unknown images)",
                expected=expected,
            )
        if self.unknown:
            self.notes.append(f"{self.unknown} masks of images that the cohort does not have")
        run = {"run_id": self.run_id, "task": "anatomy", "kind": "import"}
        cohort = self.cohort.without_run(self.run_id).with_rows(runs=[run], findings=self.findings)
        return cohort.with_provenance(import_entry(layout, source, notes=self.notes, **options))


def load_channels(path: Path, *counts: int) -> NDArray[Any]:
    """A mapped array (channels, rows, columns) from a plain `.npy`; a leading axis of 1 is dropped. FIL110 for arrays
    with objects, FIL105 beyond 2 GiB, CXM101 for another number of channels."""
    if path.stat().st_size > MAX_BYTES:
        raise TumorboardError(
            io_codes.FILE_TOO_LARGE, path, found=f"{path.stat().st_size:,} bytes", expected=f"at most {MAX_BYTES:,}"
        )
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        objects = "pickle" in str(error).lower() or "Python objects" in str(error)
        code = io_codes.FILE_PICKLE if objects else io_codes.FILE_FORMAT
        raise TumorboardError(code, path, found=str(error)[:120], expected="a plain .npy array") from error
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim != 3 or len(array) not in counts:
        found = f"an array of shape {array.shape}"
        raise TumorboardError(codes.MASKS_FORM, path, found=found, expected=f"({counts[0]}, rows, columns)")
    return array
