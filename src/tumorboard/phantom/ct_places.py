"""Where lesions can stand: voxels of the patient's own organs with room enough, on a coarse map of the standard body.

Heights are also told as DeepLesion tells them: 0 at the head, growing towards the feet, through landmarks whose
values are choices near the medians of its types (phantom.md 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.geometry import Geometry
from tumorboard.phantom.body import body_solids
from tumorboard.phantom.build import Build
from tumorboard.phantom.render import Pose, render
from tumorboard.phantom.tissue import draw_tissues
from tumorboard.phantom.trunk import trunk_skin

__all__ = ["BodyMap", "Place", "body_part_z", "relative_location"]

_STEP_MM = 5.0
_LOW, _HIGH = np.array([-185.0, -150.0, -935.0]), np.array([185.0, 175.0, -165.0])
_KNOTS = (
    (0.0, 0.0),
    (240.0, 0.20),  # thoracic inlet
    (360.0, 0.40),  # carina
    (430.0, 0.46),  # middle of the heart
    (540.0, 0.60),  # liver
    (592.0, 0.66),  # L1-L2
    (790.0, 0.80),  # S2-S3
    (900.0, 0.88),  # below the hip joints
    (1750.0, 1.0),
)


def body_part_z(z_mm: float) -> float:
    """Height in the standard body (0 at the vertex, negative downwards) as a share that grows towards the feet."""
    return float(np.interp(-z_mm, *zip(*_KNOTS, strict=True)))


def relative_location(build: Build, point: NDArray[np.float64]) -> tuple[float, float, float]:
    """x (right to left) and y (front to back) in the box round the trunk at that height, z by body part; 0 to 1."""
    cx, cy, a, b, _ = trunk_skin(build).section(float(point[2]))
    x, y = (point[0] - (cx - a)) / (2 * a), (point[1] - (cy - b)) / (2 * b)
    return float(np.clip(x, 0, 1)), float(np.clip(y, 0, 1)), body_part_z(float(point[2]))


@dataclass(frozen=True)
class Place:
    """Voxels of organs whose label begins with one of `labels`, between two heights, with a share of the lesion's
    radius free on all sides; `near` (x, y) and `within_mm` hold it to a column (nodes along the great vessels)."""

    labels: tuple[str, ...]
    weight: float
    top: float = -170.0
    bottom: float = -930.0
    room: float = 0.6
    near: tuple[float, float] = (0.0, 0.0)
    within_mm: float = 1000.0


PLACES: dict[str, tuple[Place, ...]] = {
    "bone": (
        Place(("vertebra-T", "vertebra-L"), 0.45, top=-300, room=0.35),
        Place(("hip-bone", "sacrum"), 0.33, room=0.3),
        Place(("rib", "sternum"), 0.14, room=0.1),
        Place(("femur",), 0.08, room=0.4),
    ),
    "abdomen": (
        Place(("abdomen",), 0.45, top=-560, bottom=-715, near=(0.0, 20.0), within_mm=48.0, room=0.45),
        Place(("abdomen",), 0.30, top=-560, bottom=-715, room=0.5),
        Place(("pancreas",), 0.15, room=0.4),
        Place(("spleen",), 0.10, room=0.7),
    ),
    "mediastinum": (
        Place(("mediastinum",), 0.85, top=-300, bottom=-440, room=0.35),
        Place(("mediastinum",), 0.15, top=-400, bottom=-480, room=0.35),
    ),
    "liver": (Place(("liver",), 1.0, room=0.8),),
    "lung": (Place(("lung",), 1.0, room=0.85),),
    "kidney": (Place(("kidney",), 1.0, room=0.35),),
    "soft tissue": (
        Place(("body", "muscle"), 0.45, top=-185, bottom=-420, room=0.8),
        Place(("body", "muscle", "psoas"), 0.30, top=-420, bottom=-760, room=0.8),
        Place(("body", "gluteus", "muscle"), 0.25, top=-760, bottom=-900, room=0.8),
    ),
    "pelvis": (
        Place(("abdomen",), 0.65, top=-760, bottom=-890, room=0.5),
        Place(("uterus", "prostate"), 0.2, room=0.4),
        Place(("body",), 0.15, top=-800, bottom=-880, near=(0.0, -20.0), within_mm=75.0, room=0.6),
    ),
}


class BodyMap:
    """Organ labels of the standard body of one patient, every 5 mm."""

    def __init__(self, build: Build) -> None:
        shape = np.round((_HIGH - _LOW) / _STEP_MM).astype(int)
        grid = Geometry.from_lps([int(n) for n in shape], spacing_mm=[_STEP_MM] * 3, origin_mm=_LOW)
        pose = Pose((0.0, 0.0, 0.0), 1750.0, np.zeros((3, 5)))
        tissues = draw_tissues(np.random.default_rng(0), age_years=60.0, bmi=25.0, contrast=0.0)
        drawn = render(body_solids(build), grid, pose, tissues=tissues, what="hu", with_labels=True)
        self.labels, self.names = drawn.labels, drawn.names
        self._rooms: dict[tuple[str, ...], tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]] = {}

    @cached_property
    def organs(self) -> tuple[str, ...]:
        return tuple(self.names.values())

    def candidates(
        self, place: Place, radius_mm: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
        """Points (n, 3) with room for a lesion of this radius (standard mm), how much room each has, and the label
        there; where nothing has so much room, the roomiest tenth."""
        points, room, label = self._room(place.labels)
        fits = (points[:, 2] < place.top) & (points[:, 2] > place.bottom)
        fits &= np.hypot(points[:, 0] - place.near[0], points[:, 1] - place.near[1]) < place.within_mm
        points, room, label = points[fits], room[fits], label[fits]
        if not len(points):
            return points, room, label
        enough = room >= place.room * radius_mm
        if enough.sum() < 5:
            enough = room >= np.quantile(room, 0.9)
        return points[enough], room[enough], label[enough]

    def _room(self, labels: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
        if labels not in self._rooms:
            self._rooms[labels] = self._measure(labels)
        return self._rooms[labels]

    def _measure(self, labels: tuple[str, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
        from scipy import ndimage

        wanted = [number for number, name in self.names.items() if name.startswith(labels)]
        inside = np.isin(self.labels, wanted)
        box = ndimage.find_objects(inside.astype(np.uint8))
        if not box:
            return np.zeros((0, 3)), np.zeros(0), np.zeros(0, np.uint8)
        part = np.pad(inside[box[0]], 1)
        room = ndimage.distance_transform_edt(part, sampling=_STEP_MM)[1:-1, 1:-1, 1:-1]
        index = np.argwhere(inside[box[0]])
        start = np.array([s.start for s in box[0]])
        at = tuple(index.T)
        points = _LOW + (index + start) * _STEP_MM
        return points, room[at] - 0.5 * _STEP_MM, self.labels[box[0]][at]

    def name(self, label: int) -> str:
        return self.names[int(label)]


def pick_place(rng: np.random.Generator, places: Sequence[Place]) -> list[Place]:
    """The places of a type, in a random order in which the likelier come first more often."""
    weights = np.array([place.weight for place in places])
    order = rng.choice(len(places), len(places), replace=False, p=weights / weights.sum())
    return [places[int(i)] for i in order]
