"""The standard body: where things lie, in millimetres of a body 1,750 mm tall.

x to the patient's left, y to the back, z up with zero at the vertex. Heights follow the levels of phantom.md, section 1
(depth below the vertex as a share of body height), with vertebral pitches of 17-18 mm (neck), 18-30 (chest) and 31-35
(loin).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = ["SPINE", "STANDARD_HEIGHT_MM", "Vertebra", "level_z", "spine_y"]

STANDARD_HEIGHT_MM = 1750.0


class Vertebra(NamedTuple):
    """Centre of a vertebral body and its size: half width, half depth, half height (mm)."""

    name: str
    z: float
    y: float
    half_width: float
    half_depth: float
    half_height: float


def _spine() -> tuple[Vertebra, ...]:
    rows = []
    names = [f"C{n}" for n in range(1, 8)] + [f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)]
    depth = [160, 179, 197, 215, 232, 250, 267, 285, 303, 322, 343, 365, 388, 411, 435, 460, 486, 514, 544]
    depth += [575, 608, 641, 675, 710]
    back_z = [160, 197, 232, 267, 303, 343, 411, 460, 544, 608, 675, 710, 744]
    back_y = [10, 8, 8, 16, 32, 48, 60, 60, 48, 34, 28, 30, 44]
    for index, (name, below) in enumerate(zip(names, depth, strict=True)):
        share = index / 23
        pitch = (depth[min(index + 1, 23)] - depth[max(index - 1, 0)]) / (2 if 0 < index < 23 else 1)
        rows.append(
            Vertebra(
                name,
                -float(below),
                float(np.interp(below, back_z, back_y)),
                8.5 + 16.5 * share,
                7.5 + 10.5 * share,
                (pitch - (2.5 + 5.0 * share)) / 2,
            )
        )
    return tuple(rows)


SPINE = _spine()
_DEPTHS = np.array([-v.z for v in SPINE] + [744.0])
_BACKS = np.array([v.y for v in SPINE] + [44.0])


def level_z(name: str) -> float:
    """Height of the centre of a vertebra, e.g. ``C3``."""
    return next(v.z for v in SPINE if v.name == name)


def spine_y(z: float) -> float:
    """How far back the vertebral bodies stand at height z."""
    return float(np.interp(-z, _DEPTHS, _BACKS))
