"""NIfTI sub-volumes of DeepLesion: which slice is voxel layer k, in each of the public conversions.

frame      ours: array (column, row, slice), slices towards the feet, the series' own origin
official   DL_save_nifti.py: array (row, column, slice), slices towards the feet, origin at the first voxel
reversed   script of the manual 3-D test set: array (column, row, slice), slices towards the head
exclusive  a mirror's script: as official, but the last slice of the named range is not in the file
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.assembly import choice
from tumorboard.datasets.deeplesion import codes
from tumorboard.datasets.deeplesion.names import SubVolumeName, sub_volume_name
from tumorboard.io.nifti import read_nifti_geometry

__all__ = ["CONVENTIONS", "layer_affine", "nifti_part", "official_affine"]

CONVENTIONS = ("auto", "frame", "official", "reversed", "exclusive")

_TOLERANCE_MM = 1e-3


def layer_affine(convention: str, spacing_mm: Sequence[float], *, first: int, last: int) -> NDArray[np.float64]:
    """Affine from a file's voxel to the series' frame (`io.slice_stack.stack_affine`), of a file that holds slices
    `first` to `last`."""
    sx, sy, sz = (float(edge) for edge in spacing_mm)
    if convention in ("official", "exclusive"):
        return np.array([[0, -sx, 0, 0], [-sy, 0, 0, 0], [0, 0, -sz, -first * sz], [0, 0, 0, 1.0]])
    if convention == "reversed":
        return np.array([[-sx, 0, 0, 0], [0, -sy, 0, 0], [0, 0, sz, -last * sz], [0, 0, 0, 1.0]])
    return np.array([[-sx, 0, 0, 0], [0, -sy, 0, 0], [0, 0, -sz, -first * sz], [0, 0, 0, 1.0]])


def official_affine(spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """What the official script writes into the header: as `layer_affine`, with the origin at the first voxel."""
    return layer_affine("official", spacing_mm, first=0, last=0)


def nifti_part(
    path: Path, *, convention: str = "auto"
) -> tuple[tuple[str, int, int, dict[str, Any]] | None, str | None]:
    """(series, first slice, last slice, {"convention": ...}) of a file, and a note where something is odd; None for a
    file of another name. The header tells the conventions apart, else DPL106; `convention` overrides it, and then the
    number of layers must still fit."""
    name = sub_volume_name(path.name)
    if name is None:
        return None, f"{path.name}: not a name of a sub-volume, left out"
    stated = choice("convention", convention, CONVENTIONS)
    geometry = read_nifti_geometry(path)
    layers = geometry.shape[2]
    whole = name.last - name.first + 1
    found = _convention(geometry.affine, layers - whole, name) if stated == "auto" else stated
    expected = whole - 1 if found == "exclusive" else whole
    if found is None or layers != expected:
        raise TumorboardError(
            codes.NIFTI_CONVENTION,
            path,
            found=f"{layers} layers and affine {np.round(geometry.affine, 3).tolist()}",
            expected=f"slices {name.first} to {name.last} in a known order",
        )
    last = name.last - (found == "exclusive")
    note = f"{path.name}: slice {name.last} is not in the file (written without it)" if found == "exclusive" else None
    return (name.series_name, name.first, last, {"convention": found}), note


def _convention(affine: NDArray[np.float64], surplus: int, name: SubVolumeName) -> str | None:
    """The convention that a header speaks of: `surplus` is the number of layers beyond the named range."""
    nonzero = np.abs(affine[:3, :3]) > _TOLERANCE_MM
    swapped = np.array_equal(nonzero, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], bool))
    straight = np.array_equal(nonzero, np.eye(3, dtype=bool))
    signs = np.sign(affine[:3, :3].sum(axis=1))
    at_origin = bool((np.abs(affine[:3, 3]) < _TOLERANCE_MM).all())
    if swapped and at_origin and (signs == -1).all():
        return {0: "official", -1: "exclusive"}.get(surplus)
    if straight and (signs == (-1, -1, 1)).all() and at_origin:
        return "reversed"
    own = np.array([0, 0, name.first * affine[2, 2]])
    if straight and (signs == -1).all() and np.abs(affine[:3, 3] - own).max() < 0.5 * abs(affine[2, 2]):
        return "frame"
    return None
