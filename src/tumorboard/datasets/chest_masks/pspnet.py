"""Masks of the PSPNet in torchxrayvision (Cohen et al. 2022), on the square that it cuts out of the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets import codes as layout_codes
from tumorboard.datasets.assembly import Progress, choice, files_below
from tumorboard.datasets.chest_masks import codes
from tumorboard.datasets.chest_masks.boxes import Box, BoxRows, load_channels
from tumorboard.ops.lungs import box_of

__all__ = ["CHANNELS", "read"]

CHANNELS = (
    "left clavicle",
    "right clavicle",
    None,  # left scapula
    None,  # right scapula
    "left lung",
    "right lung",
    "left hilar structures",
    "right hilar structures",
    "cardiac silhouette",
    None,  # aorta: arch and descending part in one
    None,  # facies diaphragmatica: both domes in one
    "mediastinum",
    "trachea",  # "weasand"
    "spine",
)
"""Location of each channel, in torchxrayvision's order."""
_CUTS = ("centre", "whole")
_VALUES = ("logits", "probabilities", "masks")


def read(
    source: Path,
    *,
    onto: Path | None = None,
    run: str = "pspnet",
    cut: str = "centre",
    values: str = "",
    progress: Progress | None = None,
) -> Cohort:
    """Add the boxes of PSPNet masks to the X-rays of a cohort.

    Parameters
    ----------
    source : folder with ``<image>.npy``, each (14, n, n) or (1, 14, n, n).
    onto : the cohort with the X-rays, matched by file name.
    run : name of the run that the boxes belong to.
    cut : what the network saw: the ``centre`` square (torchxrayvision's XRayCenterCrop) or the ``whole`` picture
    resized. values : logits, probabilities or masks; default: whole numbers are masks, numbers below 0 logits.

    Errors: LAY101 no mask of a known image, LAY113 for options, CXM101 another form or values that could be either.
    """
    rows = BoxRows.onto(onto, run)
    cut = choice("cut", cut, _CUTS)
    values = choice("values", values, _VALUES) if values else ""
    source = Path(source)
    if not source.is_dir():
        raise TumorboardError(
            layout_codes.LAYOUT_NOT_FOUND, source, found="no such folder", expected="<image>.npy files"
        )
    paths = [path for path in files_below(source) if path.suffix.lower() == ".npy"]
    for done, path in enumerate(paths, start=1):
        image = rows.image(path.stem)
        if image is not None:
            masks = _masks(load_channels(path, len(CHANNELS)), values, path)
            rows.add(image, _boxes(masks, image["shape"], cut))
        if progress:
            progress(done, len(paths))
    return rows.finish("pspnet", source, run=run, cut=cut, values=values)


def _masks(array: NDArray[Any], values: str, path: Path) -> NDArray[np.bool_]:
    if not values:
        values = "masks" if array.dtype.kind in "bui" else "logits" if float(np.min(array)) < 0 else ""
    if not values:
        raise TumorboardError(
            codes.MASKS_FORM,
            path,
            found="numbers of 0 and more",
            expected="values=probabilities or values=logits, stated",
        )
    return np.asarray(array > {"masks": 0, "logits": 0.0, "probabilities": 0.5}[values])


def _boxes(masks: NDArray[np.bool_], shape: list[int], cut: str) -> dict[str, Box]:
    """Boxes in source pixels of a picture of `shape` (columns, rows, 1)."""
    columns, rows = shape[:2]
    side = min(columns, rows)
    start = np.array([columns // 2 - side // 2, rows // 2 - side // 2]) if cut == "centre" else np.zeros(2)
    extent = np.array([side, side]) if cut == "centre" else np.array([columns, rows])
    scale = extent / [masks.shape[2], masks.shape[1]]
    found: dict[str, Box] = {}
    for location, mask in zip(CHANNELS, masks, strict=True):
        box = box_of(mask) if location is not None else None
        if box is not None and location is not None:
            x1, y1, x2, y2 = (np.array(box) * np.tile(scale, 2) + np.tile(start, 2)).tolist()
            found[location] = (x1, y1, x2, y2)
    return found
