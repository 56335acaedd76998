"""Where the named regions of a chest X-ray are: read off the projected anatomy of that very patient.

Definitions (what a radiologist would point at; boxes are pixel edges x1, y1, x2, y2):

- lungs: the visible lung field, i.e. rays through lung that meet neither heart, mediastinum nor the space below a dome.
  Disease that hides lung (fluid, opacity, collapse) does not shrink it.
- clavicles: shadow of the whole bone, as far as it is on the film.
- apical zone: lung field above the clavicle's upper edge; upper zone: from there to the top of the hilum; mid zone: at
  the hilum's height; lower zone: below it. Edges are horizontal lines.
- hilar structures: main and lobar bronchi, pulmonary artery and vein and the first vessels, within 36 mm of the hilum
  and at least 12 mm from the carina's midline.
- costophrenic angle: a square, 0.22 of the lung's width, whose centre is the lowest point of the lung field in its
  lateral third. cardiophrenic angle: the same size, about the field's lowest medial point.
- hemidiaphragm: lower border of the lung field, 10 mm above and below it.
- trachea: the tube from the larynx (or the film's edge) to the carina; carina: 24 mm square about the bifurcation.
- spine: vertebral bodies on the film. aortic arch: the arch left of the midline, the knob. descending aorta: from
  there to the diaphragm. svc: superior vena cava below the brachiocephalic veins; right atrium: its ball; cavoatrial
  junction: 24 mm square where they meet.
- cardiac silhouette: the heart with its fat and the roots; left and right: its parts beside the spine's midline.
- mediastinum: heart, great vessels and mediastinal fat from the lungs' top to the lower edge of the heart; upper
  mediastinum: the part above the carina.
- abdomen: the body below the domes, to the film's edge; left and right upper abdomen: its halves.

A region of which less than a quarter is on the film has no box.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.phantom.radiograph_body import SIDES, Chest, add_chords
from tumorboard.phantom.radiograph_view import View
from tumorboard.phantom.solids import Blob, Tube

if TYPE_CHECKING:
    from tumorboard.phantom.radiograph import Cavity

__all__ = ["Shadows", "boxes", "lung_masks", "shadows"]

Box = tuple[float, float, float, float]
LEAST_ON_FILM = 0.25


@dataclass(frozen=True, eq=False)
class Shadows:
    """Silhouettes on the picture (rows, columns) by name, points and tubes on it by name (pixels)."""

    view: View
    masks: Mapping[str, NDArray[np.bool_]]
    points: Mapping[str, tuple[float, float]]
    spans: Mapping[str, Box]
    mm: float
    """Millimetres of the body per pixel, at the middle of the chest."""


def shadows(chest: Chest, view: View, cavity: Cavity) -> Shadows:
    """Project every structure that a region is named after."""
    grid = cavity.grid
    masks = {}
    met = cavity.shadows()
    for name, prefixes in {
        "lung-left": ("lung-left",),
        "lung-right": ("lung-right",),
        "heart": ("heart", "myocardium", "right-atrium"),
        "below": ("abdomen-",),
        "below-left": ("abdomen-left",),
        "below-right": ("abdomen-right",),
        "middle": ("mediastinum", "aorta", "svc"),
    }.items():
        bits = np.uint64(sum(1 << number for number in cavity.numbers(*prefixes)))
        shadow = grid.to_picture(((met & bits) > 0).astype(np.float32), smooth=False)
        masks[name] = shadow > 0.5
    for bone in chest.bones:
        if bone.label == "clavicle" and bone.tissue == "cortical-bone":
            side = "left" if bone.shape.bounds()[0][0] > -bone.shape.bounds()[1][0] else "right"
            film = np.zeros((view.size[1], view.size[0]))
            add_chords(film, bone.shape, view)
            masks[f"clavicle-{side}"] = film > 0
    middle = np.array([[0.0, 0.0, -400.0]])
    scale = float(view.project(middle)[0, 2] * view.scale)
    return Shadows(view, masks, _points(chest, view), _spans(chest, view), 1.0 / scale)


def _points(chest: Chest, view: View) -> dict[str, tuple[float, float]]:
    shift = chest.build.shift_mm
    places = {
        "carina": chest.carina,
        "cavoatrial": np.array([-26.0 + shift, -20.0, -402.0]),
        "midline": np.array([0.0, 20.0, -420.0]),
    }
    found = view.project(np.array(list(places.values())))
    return {name: (float(row[0]), float(row[1])) for name, row in zip(places, found, strict=True)}


def _spans(chest: Chest, view: View) -> dict[str, Box]:
    """Boxes (not yet clipped to the film) of tubes, vertebrae and balls."""
    spans = {"trachea": _span(view, _upper(chest.airways, to_z=-360.0))}
    aorta = chest.solid_labelled("aorta")[0].shape
    cava = chest.solid_labelled("svc")[0].shape
    assert isinstance(aorta, Tube) and isinstance(cava, Tube)
    z = aorta.segments[:, [2, 6]].mean(axis=1)
    thoracic = np.arange(len(z)) < 40
    top = np.argmax(np.where(thoracic, z, -1e9))
    arch = (np.arange(len(z)) >= top) & (z > z[top] - 40) & thoracic
    spans["arch"] = _span(view, aorta.segments[arch])
    spans["descending"] = _span(
        view, aorta.segments[thoracic & (np.arange(len(z)) >= top) & (z < z[top] - 30) & (z > -480)]
    )
    spans["svc"] = _span(view, cava.segments)
    bodies = [
        s.shape for s in chest.bones if s.label and s.label.startswith("vertebra-T") and isinstance(s.shape, Blob)
    ]
    bodies += [s.shape for s in chest.bones if s.label in ("vertebra-C7", "vertebra-L1") and isinstance(s.shape, Blob)]
    spans["spine"] = _union([_ball_span(view, body) for body in bodies])
    atrium = chest.solid_labelled("right-atrium")[0].shape
    assert isinstance(atrium, Blob)
    spans["atrium"] = _ball_span(view, atrium)
    for name, side in SIDES:
        spans[f"hilum-{name}"] = _beside(_span(view, _hilum(chest, name, side)), chest, view, side)
    return spans


def _beside(box: Box, chest: Chest, view: View, side: float) -> Box:
    """The part of a box that is 12 mm or more from the carina, on one side."""
    edge = float(view.project((chest.carina + np.array([12.0 * side, 0, 0]))[None])[0, 0])
    x1, y1, x2, y2 = box
    return (
        (max(x1, edge), y1, x2, y2)
        if side * (1 if view.projection != "LATERAL" else -1) > 0
        else (x1, y1, min(x2, edge), y2)
    )


def _upper(tube: Tube, *, to_z: float) -> NDArray[np.float64]:
    trunk = np.cumsum(tube.segments[:, 6] <= to_z + 2.0) <= 1  # up to the first piece that ends at the carina
    chosen: NDArray[np.float64] = tube.segments[trunk]
    return chosen


def _hilum(chest: Chest, name: str, side: float) -> NDArray[np.float64]:
    """Pieces of bronchi, arteries, veins and first vessels that make the hilar shadow."""
    pieces = [chest.airways.segments, chest.vessels[name].segments]
    pieces += [s.shape.segments for s in chest.solid_labelled("pulmonary-artery") if isinstance(s.shape, Tube)]
    pieces += [s.shape.segments for s in chest.solid_labelled("pulmonary-vein") if isinstance(s.shape, Tube)]
    segments = np.vstack(pieces)
    middle = (segments[:, :3] + segments[:, 4:7]) / 2
    hilum = np.array([38.0 * side + chest.build.shift_mm, 10.0, -376.0 + 4 * side])
    near = np.linalg.norm((middle - hilum) * (1.0, 0.6, 1.0), axis=1) < 36.0
    beside = (middle[:, 0] - chest.carina[0]) * side > 12.0
    wide = np.maximum(segments[:, 3], segments[:, 7]) > 2.6
    chosen: NDArray[np.float64] = segments[near & beside & wide]
    return chosen


def _span(view: View, segments: NDArray[np.float64]) -> Box:
    """Box round the shadows of tube pieces."""
    first, second = view.project(segments[:, :3]), view.project(segments[:, 4:7])
    reach = np.concatenate([segments[:, 3] * first[:, 2], segments[:, 7] * second[:, 2]])
    at = np.vstack([first[:, :2], second[:, :2]])
    low, high = (at - reach[:, None]).min(axis=0) + 0.5, (at + reach[:, None]).max(axis=0) + 0.5
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _ball_span(view: View, body: Blob) -> Box:
    centre = view.project(body.parts[:, :3])
    radii = body.parts[:, 3:6]
    reach = np.column_stack([radii[:, 0], radii[:, 2]]) * centre[:, 2:3]
    low, high = (centre[:, :2] - reach).min(axis=0) + 0.5, (centre[:, :2] + reach).max(axis=0) + 0.5
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _union(spans: list[Box]) -> Box:
    array = np.array(spans)
    low, high = array[:, :2].min(axis=0), array[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def lung_masks(found: Shadows) -> dict[str, NDArray[np.bool_]]:
    """Visible lung fields by side (rows, columns)."""
    from scipy import ndimage

    hidden = found.masks["heart"] | found.masks["middle"] | found.masks["below"]
    masks = {}
    for name, _ in SIDES:
        field = found.masks[f"lung-{name}"] & ~hidden
        field = ndimage.binary_opening(field, iterations=2)
        labels, count = ndimage.label(field)
        if count > 1:
            sizes = np.bincount(labels.ravel())[1:]
            field = labels == 1 + int(np.argmax(sizes))
        masks[name] = ndimage.binary_fill_holes(field)
    return masks


def boxes(found: Shadows) -> dict[str, Box]:
    """Boxes of the regions that are on the film, by name, in the order of `core.chest.BOX_LOCATIONS`."""
    fields = lung_masks(found)
    named: dict[str, Box | None] = {}
    for side in ("right", "left"):
        named |= _lung_regions(found, fields[side], side)
    named |= _middle_regions(found, fields)
    columns, rows = found.view.size
    kept = {}
    for name in BOX_LOCATIONS:
        box = named.get(name)
        if box is not None and (clipped := _clip(box, columns, rows)) is not None:
            kept[name] = clipped
    return kept


def _clip(box: Box, columns: int, rows: int) -> Box | None:
    x1, y1, x2, y2 = max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(columns)), min(box[3], float(rows))
    area = (box[2] - box[0]) * (box[3] - box[1])
    if x2 - x1 < 1 or y2 - y1 < 1 or (x2 - x1) * (y2 - y1) < LEAST_ON_FILM * area:
        return None
    return x1, y1, x2, y2


def _mask_box(mask: NDArray[np.bool_]) -> Box | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _band(field: NDArray[np.bool_], top: float, bottom: float) -> Box | None:
    """Box of the field's part between two heights."""
    low, high = round(max(top, 0)), round(min(bottom, field.shape[0]))
    if high - low < 2:
        return None
    part = np.zeros_like(field)
    part[low:high] = field[low:high]
    return _mask_box(part)


def _lung_regions(found: Shadows, field: NDArray[np.bool_], side: str) -> dict[str, Box | None]:
    whole = _mask_box(field)
    if whole is None:
        return {}
    clavicle = found.masks[f"clavicle-{side}"]
    hilum = found.spans[f"hilum-{side}"]
    over = clavicle & (found.masks[f"lung-{side}"])
    edges = np.argmax(clavicle, axis=0)[over.any(axis=0)]
    bone_top = float(np.median(edges)) if len(edges) else whole[1]
    named: dict[str, Box | None] = {
        f"{side} lung": whole,
        f"{side} clavicle": _mask_box(clavicle),
        f"{side} hilar structures": hilum,
        f"{side} apical zone": _band(field, whole[1], bone_top),
        f"{side} upper lung zone": _band(field, max(bone_top, whole[1]), hilum[1]),
        f"{side} mid lung zone": _band(field, hilum[1], hilum[3]),
        f"{side} lower lung zone": _band(field, hilum[3], whole[3]),
    }
    named |= _base(found, field, whole, side)
    return named


def _base(found: Shadows, field: NDArray[np.bool_], whole: Box, side: str) -> dict[str, Box | None]:
    """Regions along the lower border of the field."""
    width = whole[2] - whole[0]
    columns = np.flatnonzero(field.any(axis=0))
    lowest = field.shape[0] - 1 - np.argmax(field[::-1], axis=0)
    middle = found.points["midline"][0]
    outwards = np.sign((whole[0] + whole[2]) / 2 - middle)
    share = (columns - whole[0]) / width if outwards > 0 else (whole[2] - columns) / width
    lateral, medial = columns[share > 0.67], columns[share < 0.4]
    half = 0.11 * width
    named: dict[str, Box | None] = {}
    if len(lateral):
        at = lateral[np.argmax(lowest[lateral])]
        named[f"{side} costophrenic angle"] = _square(float(at), float(lowest[at]), half)
    if len(medial):
        low = medial[np.argmax(lowest[medial])]
        named[f"{side} cardiophrenic angle"] = _square(float(low), float(lowest[low]), half)
    below = np.minimum(lowest[columns] + 4, field.shape[0] - 1)
    arc = columns[found.masks["below"][below, columns]]
    if len(arc):
        reach = 10.0 / found.mm
        named[f"{side} hemidiaphragm"] = (
            float(arc.min()),
            float(lowest[arc].min() - reach),
            float(arc.max() + 1),
            float(lowest[arc].max() + 1 + reach),
        )
    return named


def _square(x: float, y: float, half: float) -> Box:
    return x - half + 0.5, y - half + 0.5, x + half + 0.5, y + half + 0.5


def _middle_regions(found: Shadows, fields: Mapping[str, NDArray[np.bool_]]) -> dict[str, Box | None]:
    heart = _mask_box(found.masks["heart"])
    both = _mask_box(fields["left"] | fields["right"])
    rows = found.masks["heart"].shape[0]
    half = 12.0 / found.mm
    named: dict[str, Box | None] = {
        "trachea": found.spans["trachea"],
        "spine": found.spans["spine"],
        "aortic arch": found.spans["arch"],
        "descending aorta": found.spans["descending"],
        "svc": found.spans["svc"],
        "right atrium": found.spans["atrium"],
        "carina": _square(*found.points["carina"], half),
        "cavoatrial junction": _square(*found.points["cavoatrial"], half),
        "cardiac silhouette": heart,
    }
    spine = found.spans["spine"]
    named["spine"] = (spine[0], max(spine[1], 0.0), spine[2], min(spine[3], float(rows)))
    middle = found.points["midline"][0]
    if heart is not None:
        named["right cardiac silhouette"] = (heart[0], heart[1], middle, heart[3])
        named["left cardiac silhouette"] = (middle, heart[1], heart[2], heart[3])
    if heart is not None and both is not None:
        top, bottom = both[1], heart[3]
        shadow = found.masks["heart"] | found.masks["middle"]
        named["mediastinum"] = _band(shadow, top, bottom)
        named["upper mediastinum"] = _band(shadow, top, found.points["carina"][1])
    for side in ("left", "right"):
        own = _mask_box(found.masks[f"below-{side}"])
        if own is not None:
            edge = (middle, own[1], max(own[2], middle + 1), float(rows))
            named[f"{side} upper abdomen"] = (
                edge if side == "left" else (min(own[0], middle - 1), own[1], middle, float(rows))
            )
    halves = [box for side in ("left", "right") if (box := named.get(f"{side} upper abdomen")) is not None]
    if halves:
        named["abdomen"] = _union(halves)
    return named
