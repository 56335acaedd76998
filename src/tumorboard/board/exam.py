"""One exam as pictures and figures: what a worker makes of the images, in plain values for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tumorboard.board import pictures
from tumorboard.board.lesions import Lesion, bounding_box
from tumorboard.board.planes import AXIS, VIEWS, Plane, plane_through, sample
from tumorboard.board.scene import Focus, Scene, find_focus, load_scene
from tumorboard.board.volumes import Layer, write_layer
from tumorboard.board.xrays import XRay, draw_xrays, is_flat
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume

__all__ = ["ExamPage", "Outline", "Picture", "draw_exam", "save_picture"]

Region = tuple[str, str, Volume]
"""run_id, label, and the label's voxels as 0 and 1."""

SLICES = 8
"""Axial slices shown from the top of the lesions to their bottom."""


@dataclass(frozen=True)
class Outline:
    """One label of one run: an SVG path in millimetres from the picture's top left corner, and its rightmost point."""

    run_id: str
    label: str
    path: str
    anchor_mm: tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """One view: raster files by kind (fused, ct, pet), and outlines in millimetres from the top left corner."""

    view: str
    title: str
    files: Mapping[str, str]
    width_mm: float
    height_mm: float
    marks: str
    outlines: list[Outline]
    crosshair_mm: tuple[float, float] | None = None


@dataclass(frozen=True)
class ExamPage:
    """Everything the patient page says about one exam."""

    exam_id: str
    planes: list[Picture] = field(default_factory=list)
    slices: list[Picture] = field(default_factory=list)
    projections: list[Picture] = field(default_factory=list)
    lesions: dict[str, list[Lesion]] = field(default_factory=dict)
    """run_id -> lesions; a run with a mask and no lesion has an empty list."""
    kinds: list[str] = field(default_factory=list)
    """Kinds of raster there are, the one to show first in front."""
    top: float | None = None
    unit: str = ""
    why: str = ""
    thumbnail: str | None = None
    problems: list[str] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    """Volumes to scroll through, the CT (else the PET) first."""
    centre_mm: tuple[float, float, float] | None = None
    """Where the planes meet."""
    xrays: list[XRay] = field(default_factory=list)


def draw_exam(
    exam_id: str,
    images: Sequence[Mapping[str, Any]],
    *,
    load: Callable[[Mapping[str, Any]], Volume],
    run_ids: Sequence[str],
    folder: Path,
) -> ExamPage:
    """Read one exam's images, write its pictures to `folder`, and return what the page says about it."""
    there = [row for row in images if row["path"]]
    scene = load_scene([row for row in there if not is_flat(row)], load, run_ids=run_ids)
    xrays, problems = draw_xrays(there, load, folder=folder)
    focus = find_focus(scene)
    lesions = {layer.run_id: layer.lesions for layer in scene.layers}
    if focus is None:
        thumbnail = xrays[0].file if xrays else None
        return ExamPage(
            exam_id, lesions=lesions, problems=[*scene.problems, *problems], xrays=xrays, thumbnail=thumbnail
        )
    top = _top(scene)
    kinds = [kind for kind, there in _kinds(scene).items() if there]
    folder.mkdir(parents=True, exist_ok=True)

    regions = _regions(scene)

    def picture(plane: Plane, name: str, title: str, wanted: Sequence[str]) -> Picture:
        files = _write(_rasters(scene, plane, top, wanted), folder, name)
        outlines = _outlines(regions, plane)
        return Picture(plane.view, title, files, *plane.size_mm, plane.marks, outlines)

    planes = [_plane(view, focus) for view in VIEWS]
    drawn = [picture(plane, plane.view, _title(plane), kinds) for plane in planes]
    return ExamPage(
        exam_id,
        planes=[_with_crosshair(p, plane, focus) for p, plane in zip(drawn, planes, strict=True)],
        slices=[
            picture(plane, f"slice-{i}", f"{_side(plane)}", kinds[:1])
            for i, plane in enumerate(_through(focus) if scene.layers and kinds else [])
        ],
        projections=_projections(scene, regions, top, folder) if scene.pet is not None else [],
        lesions=lesions,
        kinds=kinds,
        top=top,
        unit=str(scene.pet.unit) if scene.pet is not None else "",
        why=focus.why,
        thumbnail=drawn[0].files.get(kinds[0]) if kinds else None,
        problems=[*scene.problems, *problems],
        xrays=xrays,
        layers=_layers(scene, images, top, folder),
        centre_mm=(float(focus.centre_mm[0]), float(focus.centre_mm[1]), float(focus.centre_mm[2])),
    )


def _layers(scene: Scene, images: Sequence[Mapping[str, Any]], top: float | None, folder: Path) -> list[Layer]:
    """Every volume of the scene as a script beside the pictures."""
    places = {row["image_id"]: place for place, row in enumerate(images)}
    rows = {row["image_id"]: row for row in images}
    jobs: list[tuple[Volume, Mapping[str, Any], str, float]] = []
    if scene.ct is not None:
        jobs.append((scene.ct, scene.rows["CT"], "CT", pictures.CT_WINDOW_HU[1]))
    if scene.pet is not None:
        jobs.append((scene.pet, scene.rows["PT"], "PET", top or 1.0))
    for row, volume in scene.others:
        jobs.append((volume, row, _overlay_name(row), _overlay_top(volume)))
    jobs += [(layer.mask, rows[layer.image_id], layer.run_id, 1.0) for layer in scene.layers]
    made = [
        write_layer(volume, folder, row=row, index=places[row["image_id"]], title=title, high=high)
        for volume, row, title, high in jobs
    ]
    return [layer for layer in made if layer is not None]


_MAPS = {Unit.ZSCORE: "anomaly", Unit.PROBABILITY: "probability", Unit.FRACTION: "fraction", Unit.MM: "distance"}
"""What a map of a run tells, by its unit."""


def _overlay_name(row: Mapping[str, Any]) -> str:
    if row["role"] == "dose":
        return "Dose"
    word = _MAPS.get(row["unit"], "map")
    return f"{word} ({row['run_id']})" if row["run_id"] else word


def _overlay_top(volume: Volume) -> float:
    """Upper end of the scale: 1 of shares, the maximum of a dose; of other maps what one voxel in a thousand exceeds,
    since single voxels go far beyond."""
    if volume.unit in (Unit.PROBABILITY, Unit.FRACTION):
        return 1.0
    share = 100.0 if volume.unit == Unit.GY else 99.9
    return float(np.nanpercentile(volume.array, share)) or float(np.nanmax(volume.array, initial=0.0)) or 1.0


def _kinds(scene: Scene) -> dict[str, bool]:
    ct, pet = scene.ct is not None, scene.pet is not None
    return {"fused": ct and pet, "ct": ct, "pet": pet}


def _top(scene: Scene) -> float | None:
    """Upper end of the PET scale: by the hottest lesion of the first run in SUV, by the scan's 99.5th percentile in
    another unit."""
    if scene.pet is None:
        return None
    if not scene.pet_in_suv:
        return float(np.nanpercentile(scene.pet.array, 99.5)) or 1.0
    hottest = [lesion.suv_max for layer in scene.layers[:1] for lesion in layer.lesions if lesion.suv_max is not None]
    return pictures.suv_top(max(hottest, default=None))


def _plane(view: str, focus: Focus, level_mm: float | None = None) -> Plane:
    centre = focus.centre_mm.copy()
    if level_mm is not None:
        centre[AXIS[view]] = level_mm
    return plane_through(view, centre, low_mm=focus.low_mm, high_mm=focus.high_mm)


def _through(focus: Focus) -> list[Plane]:
    low, high = focus.extent_mm
    levels = np.linspace(high, low, SLICES + 2)[1:-1]
    cropped = [
        plane_through("axial", (0, 0, z), low_mm=focus.low_mm, high_mm=focus.high_mm, pixels=220) for z in levels
    ]
    return cropped


def _title(plane: Plane) -> str:
    return f"{plane.view.capitalize()} at {_side(plane)}"


def _side(plane: Plane) -> str:
    return f"{'xyz'[AXIS[plane.view]]} = {plane.level_mm:.0f} mm"


def _with_crosshair(picture: Picture, plane: Plane, focus: Focus) -> Picture:
    x, y = plane.to_picture(focus.centre_mm)
    return Picture(**{**picture.__dict__, "crosshair_mm": (float(x), float(y))})


def _rasters(scene: Scene, plane: Plane, top: float | None, wanted: Sequence[str]) -> dict[str, pictures.Rgb]:
    points = plane.points_mm()
    hu = sample(scene.ct, points) if scene.ct is not None else None
    suv = sample(scene.pet, points) if scene.pet is not None else None
    made: dict[str, pictures.Rgb] = {}
    if "fused" in wanted and hu is not None and suv is not None and top is not None:
        made["fused"] = pictures.fused_picture(hu, suv, top_suv=top)
    if "ct" in wanted and hu is not None:
        made["ct"] = pictures.ct_picture(hu)
    if "pet" in wanted and suv is not None and top is not None:
        made["pet"] = pictures.pet_picture(suv, top_suv=top)
    return made


def _regions(scene: Scene) -> list[Region]:
    """Every label of every mask that has a voxel."""
    found = []
    for layer in scene.layers:
        for value, label in layer.label_names.items():
            region = pictures.region_of(layer.mask, value)
            if region is not None:
                found.append((layer.run_id, label, region))
    return found


def _outlines(regions: Sequence[Region], plane: Plane) -> list[Outline]:
    found = []
    for run, label, region in regions:
        path = pictures.outline(pictures.region_on(region, plane), plane)
        if path:
            corners = [pair.split() for pair in path.replace("Z", "").replace("M", "L").split("L") if pair]
            x, y = max((float(a), float(b)) for a, b in corners)
            found.append(Outline(run, label, path, (x, y)))
    return found


def _projections(scene: Scene, regions: Sequence[Region], top: float | None, folder: Path) -> list[Picture]:
    """Maximum intensity projections of the whole PET, with the projected outlines."""
    assert scene.pet is not None and top is not None
    low, high = _body_box(scene.pet, top)
    made = []
    for view in ("coronal", "sagittal"):
        plane = plane_through(view, (low + high) / 2, low_mm=low, high_mm=high, pixels=420)
        suv = sample(pictures.flattened(scene.pet, view), plane.points_mm())
        files = _write({"pet": pictures.pet_picture(suv, top_suv=top)}, folder, f"mip-{view}")
        flat = [(run, label, pictures.flattened(region, view)) for run, label, region in regions]
        title = f"{view.capitalize()} maximum of the PET"
        made.append(Picture(view, title, files, *plane.size_mm, plane.marks, _outlines(flat, plane)))
    return made


def _body_box(pet: Volume, top: float) -> tuple[np.ndarray, np.ndarray]:
    """World box of what is darker than nearly white in the projections; the whole scan where nothing is."""
    box = bounding_box(pet.array > 0.03 * top)
    if box is None:
        return pet.geometry.bounds_mm()
    return pet.geometry.crop([s.start for s in box], [s.stop for s in box]).bounds_mm()


def _write(rasters: Mapping[str, pictures.Rgb], folder: Path, name: str) -> dict[str, str]:
    for kind, rgb in rasters.items():
        save_picture(folder / f"{name}-{kind}.png", rgb)
    return {kind: f"{name}-{kind}.png" for kind in rasters}


def save_picture(path: Path, rgb: pictures.Rgb) -> None:
    """Write a PNG file."""
    from matplotlib.image import imsave

    imsave(path, rgb, pil_kwargs={"compress_level": 3})
