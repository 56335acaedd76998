"""Tubes, lines, pacemakers and wires in the standard body, as tubes with their excess attenuation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tumorboard.phantom.chest_plan import Sign
from tumorboard.phantom.frame import spine_y
from tumorboard.phantom.radiograph_body import SIDES, Chest
from tumorboard.phantom.solids import Blob, Tube, ball, blob, tube

__all__ = ["device_tubes", "lead_wires"]

Piece = tuple[Blob | Tube, float]
Points = Sequence[Sequence[float]]
_SIGN = dict(SIDES)
_CATHETER, _STRIPE, _PLASTIC, _WIRE, _METAL = 0.22, 0.30, 0.02, 0.6, 0.35
"""Excess attenuation (1/mm) of barium-filled catheters, their stripes, plastic, leads and cans."""


def device_tubes(chest: Chest, sign: Sign) -> list[Piece]:
    """The pieces of one device, ending where the plan says."""
    makers = {
        "endotracheal tube": _endotracheal,
        "enteric tube": _enteric,
        "picc": _line,
        "ij line": _line,
        "chest port": _line,
        "chest tube": _drain,
        "pacer": _pacer,
        "sternotomy wires": _wires,
    }
    return makers[sign.kind](chest, sign)


def _run(points: Points, radius: float) -> Tube:
    return tube([(*p, radius) for p in _floats(points)], smooth=5)


def _floats(path: Sequence[Sequence[float]]) -> list[tuple[float, float, float]]:
    return [(float(x), float(y), float(z)) for x, y, z in path]


def _endotracheal(chest: Chest, sign: Sign) -> list[Piece]:
    tip = chest.carina + np.array([0, -4, 30 + 35 * sign.place[0]])
    path = [(0, -20, -150), (0, -20, -240), (0, -16, -280), tuple(tip)]
    points = _floats(path)
    return [(_run(points, 4.6), _PLASTIC), (_run([(x + 3.5, y, z) for x, y, z in points], 0.9), _STRIPE)]


def _enteric(chest: Chest, sign: Sign) -> list[Piece]:
    lift = chest.build.lift_mm[0]
    back = [
        (2.0, spine_y(z) - float(np.interp(-z, [250, 330, 420, 500], [14, 19, 26, 32])), float(z))
        for z in range(-150, -471, -20)
    ]
    if sign.tip == "oesophagus":
        points = back[: 12 + int(3 * sign.place[0])]
    else:
        points = [*back, (14.0, 6.0, -492 + lift / 2), (40.0, 0.0, -515 + lift / 2)]
        points.append((58.0 - 30 * sign.place[1], -6.0, -545 - 20 * sign.place[0]))
    return [(_run(points, 2.4), _PLASTIC), (_run(points, 0.8), _STRIPE)]


def _line(chest: Chest, sign: Sign) -> list[Piece]:
    """A venous line by its entry: arm, neck, or a reservoir under the skin; tip in the cava or atrium."""
    side, wall = _SIGN[sign.side], 104.0 * chest.build.girth
    s = chest.build.shift_mm
    entry: dict[str, Points] = {
        "picc": [(208 * side, 40, -430), (190 * side, 30, -350), (150 * side, -4, -312), (95 * side, -32, -304)],
        "ij line": [(34 * side, -22, -225), (30 * side, -20, -262), (29 * side, -22, -295)],
        "chest port": [(78 * side, -wall, -350), (80 * side, -wall, -322), (62 * side, -50, -300)],
    }
    inner: Points = [(54 * side, -23, -297)] if sign.kind != "ij line" else []
    across: Points = [(28, -26, -305), (4 + s, -42, -318)] if side > 0 else []
    down: list[Sequence[float]] = [(-24 + s, -30, -328), (-26 + s, -24, -360)]
    ends = {"svc": -378.0, "cavoatrial junction": -402.0, "right atrium": -428.0}
    down.append((-26 + s, -20, ends[sign.tip] + 6 * (sign.place[0] - 0.5)))
    points = [*entry[sign.kind], *inner, *across, *down]
    pieces: list[Piece] = [(_run(_floats(points), 1.05), _CATHETER)]
    if sign.kind == "chest port":
        rim = [(78 * side + 12 * np.cos(a), -wall, -356 + 12 * np.sin(a), 1.8) for a in np.linspace(0, 2 * np.pi, 17)]
        pieces += [(tube(rim), 0.3), (blob(ball((78 * side, -wall, -356), (9, 4, 9))), 0.1)]
    return pieces


def _drain(chest: Chest, sign: Sign) -> list[Piece]:
    side, g = _SIGN[sign.side], chest.build.girth
    up = sign.place[0] < 0.65
    inside = [(128 * side * g, 0, -415), (118 * side * g, 10, -370)]
    inside += (
        [(86 * side, 8, -310), (58 * side, 4, -288)] if up else [(110 * side * g, 40, -430), (70 * side, 60, -450)]
    )
    points = [(190.0 * side * g, -20.0, -455.0), (150.0 * side * g, -10.0, -440.0), *inside]
    points = _floats(points)
    return [(_run(points, 3.6), _PLASTIC), (_run(points, 0.9), _STRIPE)]


def _pacer(chest: Chest, sign: Sign) -> list[Piece]:
    side, wall, s = _SIGN[sign.side], 100.0 * chest.build.girth, chest.build.shift_mm
    can = blob(ball((88 * side, -wall, -345), (23, 4, 21), exponent=3), ball((88 * side, -wall, -327), (16, 3, 8)))
    vein: Points = [(88 * side, -wall, -328), (95 * side, -60, -305), (54 * side, -23, -297)]
    across: Points = [(28, -26, -305), (4 + s, -42, -318)] if side > 0 else []
    down: Points = [(-24 + s, -30, -328), (-26 + s, -22, -395)]
    ventricle: Points = [(-18 + s, -30, -440), (12 + s, -58, -462), (46 + s, -66, -466)]
    leads = [_run([*vein, *across, *down, *ventricle], 0.9)]
    if sign.place[0] < 0.6:
        leads.append(_run([*vein, *across, *down, (-34 + s, -32, -425), (-40 + s, -44, -408)], 0.8))
    return [(can, _METAL), *((lead, _WIRE) for lead in leads)]


def _wires(chest: Chest, sign: Sign) -> list[Piece]:
    pieces: list[Piece] = []
    for n in range(6):
        z = -326.0 - 23.0 * n + 4 * np.sin(n * 7.0 * sign.place[0])
        y = float(np.interp(-z, [305, 335, 400, 455, 520], [-56, -74, -92, -98, -96]))
        wide = 11 + 2 * np.sin(3.0 * n + 6 * sign.place[1])
        ring = [(wide * np.cos(a), y, z + 5.5 * np.sin(a), 0.55) for a in np.linspace(0, 2 * np.pi, 13)]
        pieces += [(tube(ring), 1.3), (tube([(3, y, z - 5, 0.6), (-4, y, z + 4, 0.6)]), 1.3)]
    return pieces


def lead_wires(chest: Chest, rng: np.random.Generator) -> list[Piece]:
    """Monitoring leads on the skin of a patient in bed: no finding, just in the way."""
    pieces: list[Piece] = []
    y = -118.0 * chest.build.girth
    for _ in range(int(rng.integers(1, 4))):
        start = np.array([rng.choice([-1, 1]) * rng.uniform(70, 110), y, rng.uniform(-330, -300)])
        end = np.array([rng.uniform(-130, 130), y, -620.0])
        bend = (start + end) / 2 + (rng.normal(0, 35), 0, rng.normal(0, 20))
        points = _floats(np.stack([start, bend, end]).tolist())
        pieces += [(_run(points, 0.9), 0.15), (blob(ball(start, (5, 2, 5))), 0.12)]
    return pieces
