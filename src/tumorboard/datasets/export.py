"""What writers share: a new folder that appears whole or not at all, and images as files in it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes
from tumorboard.io.images import image_path
from tumorboard.io.nifti import write_nifti

__all__ = ["export_nifti", "new_folder"]


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its name on success and disappears on error. LAY112 when `out` exists
    and is not empty."""
    out = Path(out).absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise TumorboardError(codes.TARGET_OCCUPIED, out, found="files in it", expected="a new or empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", suffix=f"-{out.name}", dir=out.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.replace(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def export_nifti(cohort: Cohort, row: Mapping[str, Any], target: Path) -> None:
    """One image as `.nii.gz`: the same bytes where they already are one, else its voxels and affine."""
    target.parent.mkdir(parents=True, exist_ok=True)
    reading = json.loads(row["options"] or "{}").get("read")
    if row["format"] == "nifti" and row["path"].lower().endswith(".nii.gz") and not reading:
        shutil.copyfile(image_path(row, cohort.root), target)
    else:
        write_nifti(cohort.image(row["image_id"]), target)
