"""What lies on the table for one exam: CT, PET, the masks of every run, and where to look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.board.lesions import Lesion, bounding_box, measure_lesions
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

__all__ = ["Focus", "MaskLayer", "Scene", "find_focus", "load_scene"]

MARGIN_MM = 45.0
"""Kept round the lesions in the pictures."""
SMALLEST_VIEW_MM = 160.0
LARGEST_VIEW_MM = 420.0


@dataclass(frozen=True)
class MaskLayer:
    """One run's segmentation of an exam. `label_names`: voxel value -> structure."""

    run_id: str
    image_id: str
    mask: Volume
    label_names: Mapping[int, str]
    lesions: list[Lesion]


@dataclass(frozen=True)
class Scene:
    """The images of one exam, read. Problems met on the way are told on the page, in the house's form."""

    ct: Volume | None
    pet: Volume | None
    layers: list[MaskLayer]
    problems: list[str] = field(default_factory=list)
    others: list[tuple[Mapping[str, Any], Volume]] = field(default_factory=list)
    """Doses and maps (such as an anomaly map) with their rows."""
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The rows of the CT and the PET, by ``CT`` and ``PT``."""

    @property
    def pet_in_suv(self) -> bool:
        return self.pet is not None and self.pet.unit == Unit.SUVBW


@dataclass(frozen=True)
class Focus:
    """Where the pictures look: the planes meet at `centre_mm`, the box is shown. `why` says how it was chosen."""

    centre_mm: NDArray[np.float64]
    low_mm: NDArray[np.float64]
    high_mm: NDArray[np.float64]
    extent_mm: tuple[float, float]
    """Lowest and highest z of the lesions."""
    why: str


def load_scene(
    images: Sequence[Mapping[str, Any]], load: Callable[[Mapping[str, Any]], Volume], *, run_ids: Sequence[str]
) -> Scene:
    """Read what the pages need of one exam's rows of `images`: the first CT, the first PET, and of every run in
    `run_ids` one mask, on the CT's grid if there is a choice."""
    problems: list[str] = []

    def read(row: Mapping[str, Any] | None) -> Volume | None:
        if row is None:
            return None
        try:
            return load(row)
        except TumorboardError as error:
            problems.append(str(error))
            return None

    acquired = {modality: _first(images, modality=modality, role="image") for modality in ("CT", "PT")}
    ct, pet = read(acquired["CT"]), read(acquired["PT"])
    if pet is not None and pet.unit != Unit.SUVBW:
        problems.append(f"The PET is in {pet.unit}, not in SUV: no SUV, MTV or TLG is given.")
    layers = []
    for run_id in run_ids:
        row = _mask_of(images, run_id, acquired["CT"])
        mask = read(row)
        if row is None or mask is None:
            continue
        names = dict(row["labels"] or {})
        suv = pet if pet is not None and pet.unit == Unit.SUVBW else None
        lesions = measure_lesions(mask, names, pet=suv)
        layers.append(MaskLayer(run_id, row["image_id"], mask, names, lesions))
    wanted = [row for row in images if row["role"] in ("dose", "map") and len(row["shape"] or ()) == 3]
    others = [(row, volume) for row in wanted if (volume := read(row)) is not None]
    rows = {modality: row for modality, row in acquired.items() if row is not None}
    return Scene(ct, pet, layers, problems, others, rows)


def _first(images: Sequence[Mapping[str, Any]], **equal: str) -> Mapping[str, Any] | None:
    found = [row for row in images if all(row[key] == value for key, value in equal.items())]
    return min(found, key=lambda row: row["image_id"]) if found else None


def _mask_of(
    images: Sequence[Mapping[str, Any]], run_id: str, ct: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    found = [row for row in images if row["role"] == "mask" and row["run_id"] == run_id]
    ct_id = ct["image_id"] if ct else None
    return min(found, key=lambda r: (r["reference_image_id"] != ct_id, r["image_id"])) if found else None


def find_focus(scene: Scene) -> Focus | None:
    """The planes with the largest cross-section of the largest lesion of the first run that has one, and the box
    round that run's lesions; the middle of the scan when nobody drew anything; None without any image."""
    scans = [volume for volume in (scene.ct, scene.pet) if volume is not None]
    grids = [volume.geometry for volume in scans] or [layer.mask.geometry for layer in scene.layers]
    if not grids:
        return None
    bounds = grids[0].bounds_mm()
    for layer in scene.layers:
        if not layer.lesions:
            continue
        low, high = _world_box(layer)
        centre = _best_cuts(layer, max(layer.lesions, key=lambda lesion: lesion.volume_ml))
        view_low, view_high = _view_box(low, high, centre, bounds)
        return Focus(centre, view_low, view_high, (low[2], high[2]), f"through the largest lesion of {layer.run_id}")
    middle = (bounds[0] + bounds[1]) / 2
    low, high = _view_box(bounds[0], bounds[1], middle, bounds)
    return Focus(middle, low, high, (low[2], high[2]), "no lesion drawn, through the middle of the scan")


def _world_box(layer: MaskLayer) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """World box of the voxels with a named label; only what is drawn at all is looked through for names."""
    outer = bounding_box(layer.mask.array != 0)
    assert outer is not None, "a layer with lesions has voxels"
    box = bounding_box(np.isin(layer.mask.array[outer], list(layer.label_names)))
    assert box is not None, "a layer with lesions has labelled voxels"
    pairs = list(zip(outer, box, strict=True))
    start, stop = [o.start + b.start for o, b in pairs], [o.start + b.stop for o, b in pairs]
    return layer.mask.geometry.crop(start, stop).bounds_mm()


def _best_cuts(layer: MaskLayer, lesion: Lesion) -> NDArray[np.float64]:
    """Per voxel axis the index with the largest cross-section of the label, near the lesion's centre, in RAS mm."""
    value = next(v for v, name in layer.label_names.items() if name == lesion.label)
    grid = layer.mask.geometry
    radius_mm = max(10.0, 1.2 * np.cbrt(lesion.volume_ml * 1000))
    index = np.rint(grid.to_index(lesion.centre_mm)).astype(int)
    reach = np.ceil(radius_mm / grid.spacing_mm).astype(int)
    low = np.clip(index - reach, 0, grid.shape)
    high = np.clip(index + reach + 1, 0, grid.shape)
    part = layer.mask.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] == value
    best = [int(np.argmax(part.sum(axis=tuple(a for a in range(3) if a != axis)))) for axis in range(3)]
    return grid.to_world(low + best)


def _view_box(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    centre: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lesions with a margin, neither tiny nor huge, and inside the scan."""
    start, stop = low - MARGIN_MM, high + MARGIN_MM
    short = np.maximum(SMALLEST_VIEW_MM - (stop - start), 0) / 2
    start, stop = start - short, stop + short
    start = np.maximum(np.maximum(start, centre - LARGEST_VIEW_MM / 2), bounds[0])
    stop = np.minimum(np.minimum(stop, centre + LARGEST_VIEW_MM / 2), bounds[1])
    return (start, stop) if (stop > start).all() else bounds
