"""Preprocessed cases on disk, as plain arrays that can be memory-mapped, under names that say what is in them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.io.files import atomic_write_bytes
from tumorboard.tasks.segmentation.cases import Case, load_case
from tumorboard.tasks.segmentation.preprocess import Preprocessing, lesion_volumes_ml

__all__ = ["CaseCache", "Fingerprint", "take_fingerprint"]


@dataclass(frozen=True)
class Fingerprint:
    """What a plan needs to know of a training case."""

    lesions_ml: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    extent_mm: tuple[float, ...] = ()


def take_fingerprint(cohort: Cohort, case: Case) -> Fingerprint:
    """Lesion volumes, voxel edges and size of a labelled case."""
    assert case.mask_id is not None
    mask = cohort.image(case.mask_id)
    grid = mask.geometry
    return Fingerprint(tuple(lesion_volumes_ml(mask)), tuple(grid.spacing_mm.tolist()), tuple(grid.extent_mm.tolist()))


class CaseCache:
    """Arrays of cases below `folder`; a name holds the digests of the images, the preprocessing and the box, so a
    changed image is never served from the cache."""

    def __init__(self, folder: Path, cohort: Cohort) -> None:
        self._folder, self._cohort = folder, cohort
        self._digests = {row["image_id"]: row["sha256"] for row in cohort.rows("images")}

    def training(self, case: Case, preprocessing: Preprocessing) -> Path:
        """The whole exam: float32 array (inputs + structures, i, j, k), inputs then target shares."""
        path = self._path(case, preprocessing, "whole")
        if not path.exists():
            volumes = load_case(self._cohort, case, structures=preprocessing.structures)
            prepared = preprocessing.forward(volumes)
            assert prepared.target is not None
            _save(path, np.concatenate([prepared.inputs, prepared.target]))
        return path

    def evaluation(self, case: Case, preprocessing: Preprocessing) -> Path:
        """The part of the exam that may be seen when it is predicted for a score: float32 inputs (2 or 3, i, j, k)."""
        path = self._path(case, preprocessing, f"part {case.evaluation}")
        if not path.exists():
            volumes = load_case(self._cohort, case).crop(case.evaluation)
            _save(path, preprocessing.forward(volumes).inputs)
        return path

    def _path(self, case: Case, preprocessing: Preprocessing, part: str) -> Path:
        ids = (case.ct_id, case.pet_id, case.mask_id)
        what = [[self._digests.get(i) for i in ids], ids, dict(case.labels), preprocessing.to_json(), part]
        if case.prior_id:
            what.append([self._digests[case.prior_id], case.prior_id])
        digest = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:20]
        return self._folder / f"{digest}.npy"


def _save(path: Path, array: NDArray[np.float32]) -> None:
    memory = io.BytesIO()
    np.save(memory, array.astype(np.float32), allow_pickle=False)
    atomic_write_bytes(path, memory.getvalue())
