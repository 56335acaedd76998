"""What is fuzzed: a reader with an intact file, and the voxels that the files hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.dicom.image_write import StudyIdentity

__all__ = ["AFFINE", "MIB", "STUDY", "Form", "Subject", "voxels"]

Form = Literal["bytes", "text", "gzip", "zip"]
"""How a file is changed: its bytes, its words, or what is inside its gzip stream or zip entries."""
STUDY = StudyIdentity("P", "P.0", "20000301", 0, "female", 61.0, 70.0)
AFFINE = np.array([[-1, 0, 0, 9.5], [0, -1, 0, 8], [0, 0, 3, -7], [0, 0, 0, 1.0]])
MIB = 2**20


@dataclass(frozen=True)
class Subject:
    """One reader, one intact file: `name` with its suffix, what it holds, how it is changed, who reads it whole."""

    reader: str
    name: str
    data: bytes
    form: Form
    read: Callable[[Path], object]
    beside: Mapping[str, bytes] = field(default_factory=dict)
    """Other files of the folder, which stay as they are."""


def voxels() -> Volume:
    grid = np.random.default_rng(5).integers(-500, 1500, (10, 11, 6)).astype(np.int16)
    return Volume(grid, AFFINE, Unit.HU)
