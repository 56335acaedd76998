"""Boxes in parts of the lungs' boxes: built from any cohort's boxes, or drawn by rule where there are none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.tasks.anatomy.cases import LUNGS, Box

__all__ = ["ATLAS_BY_RULE", "Atlas", "both_lungs"]

Floats = NDArray[np.float64]
Boxes = Mapping[str, Sequence[float]]

FRAMES = ("both lungs", *LUNGS)


def both_lungs(boxes: Boxes) -> Floats | None:
    """The box round both lungs; None unless both are there."""
    if not all(name in boxes for name in LUNGS):
        return None
    one, two = (np.asarray(boxes[name], float) for name in LUNGS)
    return np.concatenate([np.minimum(one[:2], two[:2]), np.maximum(one[2:], two[2:])])


@dataclass(frozen=True)
class Atlas:
    """Location -> frame (both lungs, right lung, left lung) and box (x1, y1, x2, y2) in parts of that frame's box."""

    places: Mapping[str, tuple[str, Box]]

    @classmethod
    def fit(cls, examples: Sequence[Boxes]) -> Atlas:
        """Medians over pictures that show both lungs, each location in the frame in which it varies least. Locations
        seen in fewer than two pictures are left out; the lungs themselves are the frames."""
        framed = [(boxes, _frames(boxes)) for boxes in examples if both_lungs(boxes) is not None]
        places: dict[str, tuple[str, Box]] = {}
        for name in BOX_LOCATIONS:
            seen = [(np.asarray(boxes[name], float), frames) for boxes, frames in framed if name in boxes]
            if name in LUNGS or len(seen) < 2:
                continue
            spread = {}
            for frame in FRAMES:
                parts = np.stack([_to_parts(box, frames[frame]) for box, frames in seen])
                size = np.median([frames[frame][2:] - frames[frame][:2] for _, frames in seen], axis=0)
                spread[frame] = (
                    float((np.abs(parts - np.median(parts, axis=0)).mean(0) * np.tile(size, 2)).sum()),
                    parts,
                )
            best = min(FRAMES, key=lambda frame: spread[frame][0])
            places[name] = (best, _box(np.median(spread[best][1], axis=0)))
        return cls(places)

    def place(self, lungs: Boxes) -> dict[str, Box]:
        """Boxes for a picture with these lung boxes, the lungs included; nothing unless both are there."""
        if both_lungs(lungs) is None:
            return {}
        frames = _frames(lungs)
        placed = {
            name: _box(_to_pixels(np.asarray(part), frames[frame])) for name, (frame, part) in self.places.items()
        }
        return {**{name: _box(np.asarray(lungs[name], float)) for name in LUNGS}, **placed}

    def to_json(self) -> dict[str, list[object]]:
        return {name: [frame, list(part)] for name, (frame, part) in self.places.items()}

    @classmethod
    def from_json(cls, record: Mapping[str, Sequence[object]]) -> Atlas:
        return cls({name: (str(frame), _box(np.asarray(part, float))) for name, (frame, part) in record.items()})


def _frames(boxes: Boxes) -> dict[str, Floats]:
    both = both_lungs(boxes)
    assert both is not None
    return {"both lungs": both, **{name: np.asarray(boxes[name], float) for name in LUNGS}}


def _to_parts(box: Floats, frame: Floats) -> Floats:
    return (box - np.tile(frame[:2], 2)) / np.tile(frame[2:] - frame[:2], 2)


def _to_pixels(part: Floats, frame: Floats) -> Floats:
    return np.asarray(part * np.tile(frame[2:] - frame[:2], 2) + np.tile(frame[:2], 2))


def _box(values: Floats) -> Box:
    x1, y1, x2, y2 = (float(value) for value in values)
    return x1, y1, x2, y2


def _sided(inner: float, outer: float, top: float, bottom: float) -> dict[str, Box]:
    """A box of a lung, `inner` and `outer` in parts of its width from the middle of the chest outwards."""
    return {"right": (1 - outer, top, 1 - inner, bottom), "left": (inner, top, outer, bottom)}


_ON_EACH_LUNG = {
    "apical zone": _sided(0.10, 0.90, 0.00, 0.17),
    "upper lung zone": _sided(0.00, 0.95, 0.17, 0.42),
    "mid lung zone": _sided(0.00, 1.00, 0.42, 0.65),
    "lower lung zone": _sided(0.00, 1.00, 0.65, 1.00),
    "hilar structures": _sided(0.00, 0.40, 0.36, 0.62),
    "costophrenic angle": _sided(0.70, 1.00, 0.85, 1.00),
    "hemidiaphragm": _sided(0.00, 1.00, 0.82, 1.00),
    "clavicle": _sided(-0.05, 1.00, 0.00, 0.16),
    "cardiophrenic angle": _sided(0.00, 0.30, 0.80, 1.00),
}
_ON_BOTH_LUNGS: dict[str, Box] = {
    "trachea": (0.46, -0.10, 0.56, 0.36),
    "spine": (0.44, -0.10, 0.58, 1.30),
    "aortic arch": (0.50, 0.23, 0.64, 0.38),
    "mediastinum": (0.34, -0.02, 0.72, 0.95),
    "upper mediastinum": (0.38, -0.02, 0.64, 0.38),
    "svc": (0.38, 0.20, 0.48, 0.48),
    "cardiac silhouette": (0.32, 0.48, 0.82, 0.95),
    "cavoatrial junction": (0.37, 0.46, 0.47, 0.56),
    "right atrium": (0.34, 0.50, 0.50, 0.84),
    "carina": (0.45, 0.32, 0.57, 0.42),
    "abdomen": (-0.05, 0.86, 1.05, 1.40),
    "left cardiac silhouette": (0.51, 0.48, 0.82, 0.95),
    "right cardiac silhouette": (0.32, 0.48, 0.51, 0.95),
    "descending aorta": (0.51, 0.34, 0.60, 0.95),
    "left upper abdomen": (0.51, 0.90, 1.05, 1.30),
    "right upper abdomen": (-0.05, 0.86, 0.51, 1.30),
}

ATLAS_BY_RULE = Atlas(
    {
        **{
            f"{side} {name}": (f"{side} lung", box)
            for name, sides in _ON_EACH_LUNG.items()
            for side, box in sides.items()
        },
        **{name: ("both lungs", box) for name, box in _ON_BOTH_LUNGS.items()},
    }
)
"""Drawn by rule, our own: apex above the clavicle, upper zone to the hilum's top, mid zone at its height, lower zone
below, costophrenic angle in the lower outer corner, the middle in parts of the thorax. Nothing in it was fitted."""
