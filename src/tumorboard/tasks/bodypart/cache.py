"""Prepared volumes on disk, as plain arrays that can be memory-mapped, under names that say what is in them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.io.files import atomic_write_bytes
from tumorboard.tasks.bodypart.cases import Case
from tumorboard.tasks.bodypart.config import BodyPartConfig
from tumorboard.tasks.bodypart.slices import VERSION, BodySlices, body_slices

__all__ = ["SliceCache", "read_slices"]

_SHAPING = ("edge", "margin", "pixel_mm", "least_step_mm", "body_mask")
_FILES = ("hu", "z", "box")


class SliceCache:
    """Stacks of small slices below `folder`. A name holds the digest of the image's file, its affine and the
    preparation, so a changed image is never served from the cache."""

    def __init__(self, folder: Path, cohort: Cohort) -> None:
        self._folder, self._cohort = folder, cohort

    def prepare(self, case: Case, config: BodyPartConfig) -> str:
        """Make sure the case is in the cache; its key. Errors: of reading, and of `body_slices`."""
        settings = {name: getattr(config, name) for name in _SHAPING}
        grid = self._cohort.geometry(case.image_id)
        what = [VERSION, case.image_id, case.sha256, grid.affine.tolist(), grid.shape, settings]
        key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:20]
        if not all((self._folder / f"{key}.{name}.npy").exists() for name in _FILES):
            found = body_slices(self._cohort.image(case.image_id), config, where=f"image {case.image_id}")
            for name, array in zip(_FILES, (found.hu, found.z_mm, found.box_mm), strict=True):
                _save(self._folder / f"{key}.{name}.npy", array)
        return key

    def read(self, key: str) -> BodySlices:
        """The slices of a key, memory-mapped."""
        return read_slices(self._folder, key)


def read_slices(folder: Path, key: str) -> BodySlices:
    """What a `SliceCache` of this folder prepared under this key."""
    hu, z_mm, box_mm = (np.load(folder / f"{key}.{name}.npy", mmap_mode="r", allow_pickle=False) for name in _FILES)
    return BodySlices(hu, np.asarray(z_mm), np.asarray(box_mm))


def _save(path: Path, array: NDArray[np.generic]) -> None:
    memory = io.BytesIO()
    np.save(memory, array, allow_pickle=False)
    atomic_write_bytes(path, memory.getvalue())
