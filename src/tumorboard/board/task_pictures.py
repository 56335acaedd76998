"""Figures that benchmarks drew, from their folders to the board's."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.io.confine import confined

__all__ = ["placed_pictures", "stored_pictures"]

_SUFFIXES = (".png", ".svg")


def placed_pictures(pictures: Sequence[Mapping[str, str]], folder: Path) -> list[dict[str, str]]:
    """Copy each figure to `folder` under a name made of its bytes; the same rows with ``file``, as pages name it.

    A file that is gone or of another kind than PNG or SVG is left out (its benchmark's folder may be deleted).
    """
    placed = []
    for picture in pictures:
        path = Path(picture["path"])
        if path.suffix.lower() not in _SUFFIXES or not path.is_file():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}{path.suffix.lower()}"
        shutil.copyfile(path, folder / name)
        placed.append({**picture, "file": f"{folder.name}/{name}"})
    return placed


def stored_pictures(cohort: Cohort) -> list[dict[str, str]]:
    """Figures that runs in the cohort carry among their metrics, with paths made whole; one outside the cohort's folder
    is left out."""
    found: list[dict[str, str]] = []
    if cohort.root is None:
        return found
    for run in cohort.rows("runs"):
        for picture in json.loads(run["metrics"] or "{}").get("pictures", []):
            with suppress(TumorboardError):
                found.append({**picture, "path": str(confined(cohort.root, picture["path"]))})
    return found
