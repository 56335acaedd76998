"""Figures that benchmarks drew, from their folders to the board's."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["placed_pictures"]

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
