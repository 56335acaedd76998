"""CT -> the volume that detectors look at: near RAS, working voxels, cut to the body, 16-bit HU; kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.geometry import Geometry
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.files import atomic_write_bytes, atomic_write_text
from tumorboard.ops.crop import foreground_box
from tumorboard.ops.resample import resample_to
from tumorboard.tasks.detection.cases import Case
from tumorboard.tasks.detection.scoring import index_boxes

__all__ = ["VERSION", "Look", "PreparedCache", "prepare"]

VERSION = 1
_BODY_HU = -400.0
_MARGIN_MM = 4.0
_LOWEST_HU, _HIGHEST_HU = -1024, 2000


@dataclass(frozen=True)
class Look:
    """A prepared volume: int16 HU (i, j, k) near RAS with its grid, boxes (n, 6) of its lesions in voxels, and
    their types (as many, or none)."""

    hu: NDArray[np.int16]
    geometry: Geometry
    boxes: NDArray[np.float64]
    kinds: tuple[str, ...] = ()

    def to_mm(self, boxes: NDArray[Any]) -> NDArray[np.float64]:
        """Boxes (n, 6) in voxels -> low and high corners in RAS mm."""
        corners = self.geometry.to_world(np.asarray(boxes, float).reshape(-1, 2, 3))
        return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def prepare(ct: Volume, spacing_mm: Sequence[float], *, where: str = "CT") -> Volume:
    """`ct` near RAS with voxels of `spacing_mm`, cut to what is denser than lung. UNT101 when it is not in HU."""
    upright = ct.require(Unit.HU, where=where).reorient("RAS")
    grid = upright.geometry.with_spacing(spacing_mm)
    small = resample_to(upright, grid, method="linear", anti_alias=True)
    hu = np.clip(np.rint(small.array), _LOWEST_HU, _HIGHEST_HU).astype(np.int16)
    whole = Volume(hu, grid.affine, Unit.HU)
    if not (hu > _BODY_HU).any():
        return whole
    box = foreground_box(whole, above=_BODY_HU, margin_mm=_MARGIN_MM)
    return whole.crop(box.start, box.stop)


class PreparedCache:
    """Prepared volumes below `folder`, named by the digest of image and settings."""

    def __init__(self, folder: Path, cohort: Cohort, spacing_mm: Sequence[float]) -> None:
        self._folder, self._cohort, self._spacing_mm = folder, cohort, tuple(spacing_mm)
        self._digests = {row["image_id"]: row["sha256"] for row in cohort.rows("images")}

    def name(self, case: Case) -> str:
        what = [self._digests.get(case.image_id), case.image_id, self._spacing_mm, VERSION]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:20]

    def look(self, case: Case) -> Look:
        """The prepared volume of a case, its voxels mapped from disk."""
        array, grid = (self._folder / f"{self.name(case)}.{suffix}" for suffix in ("npy", "json"))
        if not grid.is_file():
            made = prepare(self._cohort.image(case.image_id), self._spacing_mm, where=case.image_id)
            memory = io.BytesIO()
            np.save(memory, made.array, allow_pickle=False)
            atomic_write_bytes(array, memory.getvalue())
            atomic_write_text(grid, json.dumps({"affine": made.affine.tolist()}))
        record: Mapping[str, Any] = json.loads(grid.read_text(encoding="utf-8"))
        hu = np.load(array, mmap_mode="r", allow_pickle=False)
        geometry = Geometry(hu.shape, np.array(record["affine"]))
        boxes = index_boxes([lesion.box_mm for lesion in case.lesions], geometry)
        return Look(hu, geometry, boxes, tuple(lesion.kind for lesion in case.lesions))
