"""A trained model of anatomical boxes: network, atlas and settings in one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.chest import BOX_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.engine.checkpoints import load_weights, read_model, write_checkpoint
from tumorboard.models.lung_field import build_lung_field
from tumorboard.ops.lungs import largest_part
from tumorboard.ops.radiograph import Hanging, hanging_of, look_at, resized
from tumorboard.tasks.anatomy import codes
from tumorboard.tasks.anatomy.atlas import Atlas, both_lungs
from tumorboard.tasks.anatomy.cases import LUNGS, Box
from tumorboard.tasks.anatomy.config import AnatomyConfig
from tumorboard.tasks.anatomy.loss import standardised
from tumorboard.tasks.anatomy.prepare import Window, cut, grey_range, whole_window

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["MODEL_FILE", "AnatomyModel", "Prediction", "build_network", "require_upright"]

MODEL_FILE = "model.safetensors"
VERSION = 1
_KIND = "anatomy"
LEAST_FIT, CLEARLY_TURNED = 0.45, 0.05
"""As in the checks XRY202 and XRY201."""
_LATERAL = ("LL", "RL", "LAT", "LATERAL", "L", "LLD", "RLD", "LEFT LATERAL", "RIGHT LATERAL")
_FIRST_ZOOMS = (1.0, 1.2, 0.85)
"""Sides of the first look's windows, in parts of the picture's: the next is tried where one shows no two lungs."""
_ZOOMS = (1.2, 1.4)
"""Sides of the second look's windows, in parts of the longer side of the box round both lungs."""
_LEAST_LUNG = 0.01
"""Of the window: a smaller lung was not found."""
_SURE = 4.0
"""Difference of the logits of exchanged sides, of picture and mirror image, above which it is told."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """Boxes in source pixels by location, lung masks (2, rows, columns) on the source picture, how the picture was
    turned beyond what its header says, and remarks in words."""

    boxes: Mapping[str, Box]
    lungs: NDArray[np.bool_]
    turned: Hanging
    remarks: tuple[str, ...] = ()


def build_network(config: AnatomyConfig) -> Module:
    """The configured network; initial weights come from torch's generator (see `engine.loop.seeded`)."""
    return build_lung_field(boxes=len(BOX_LOCATIONS), channels=config.channels)


def require_upright(picture: NDArray[Any], affine: Floats, view: str, *, where: str) -> tuple[Hanging, Hanging]:
    """How the header says the picture is to be hung, and how it is to be turned beyond that. ANA102 for a view from the
    side or a picture that is no frontal chest."""
    stated = hanging_of(affine)
    if stated is None or view.strip().upper() in _LATERAL:
        raise TumorboardError(
            codes.NOT_FRONTAL,
            where,
            found=f"a view from the side ({view or 'by its orientation'})",
            expected="PA or AP",
        )
    look = look_at(stated.apply(picture))
    if look.is_lateral:
        found = f"a fit of {look.lateral:.2f} from the side, {look.score:.2f} from the front"
        raise TumorboardError(codes.NOT_FRONTAL, where, found=found, expected="a frontal chest")
    if look.score < LEAST_FIT:
        raise TumorboardError(
            codes.NOT_FRONTAL, where, found=f"a best fit of {look.score:.2f}", expected=f"{LEAST_FIT} or more"
        )
    return stated, look.best if look.margin >= CLEARLY_TURNED else Hanging()


@dataclass
class AnatomyModel:
    """Network, atlas, settings, and how it was trained (`facts`). `learnt`: locations that the network had truth
    for."""

    network: Module
    config: AnatomyConfig
    atlas: Atlas
    learnt: tuple[str, ...]
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        state = {
            "kind": _KIND,
            "version": VERSION,
            "config": self.config.model_dump(mode="json"),
            "atlas": self.atlas.to_json(),
            "learnt": list(self.learnt),
            "facts": dict(self.facts),
        }
        write_checkpoint(path, tensors=self.network.state_dict(), state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> AnatomyModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, ANA104 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": VERSION}, unknown=codes.MODEL_UNKNOWN)
        state = checkpoint.state
        config = AnatomyConfig.model_validate(state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        return cls(network, config, Atlas.from_json(state["atlas"]), tuple(state["learnt"]), state["facts"])

    def predict(self, picture: NDArray[Any], affine: Floats, *, view: str = "", where: str = "picture") -> Prediction:
        """Boxes on a stored picture (rows, columns). ANA102, ANA103 (when turned pictures are refused), ANA105."""
        stated, turned = require_upright(picture, affine, view, where=where)
        if turned != Hanging() and self.config.turned == "refuse":
            raise TumorboardError(codes.TURNED, where, found=turned.words(), expected="as it is hung")
        first = stated.apply(picture)
        hung = turned.apply(first)
        boxes, lungs, side = self._locate(hung, where)
        back = {}
        for name, box in boxes.items():
            placed = stated.to_source(turned.to_source(np.asarray(box), first.shape), picture.shape)
            back[name] = _clipped(placed, picture.shape)
        masks = np.stack([stated.undo(turned.undo(mask)) for mask in lungs])
        remarks = [f"corrected: {turned.words()}"] if turned != Hanging() else []
        remarks += ["left and right seem exchanged (or the heart lies on the right)"] if side > _SURE else []
        return Prediction({name: box for name, box in back.items() if box is not None}, masks, turned, tuple(remarks))

    def _locate(self, hung: NDArray[Any], where: str) -> tuple[dict[str, Box], NDArray[np.bool_], float]:
        """Boxes and lung masks on the hung picture: a look at the whole, then closer ones round the lungs."""
        low, high = grey_range(hung)
        thorax = self._thorax(hung, low, high)
        if thorax is None:
            raise TumorboardError(codes.NO_LUNGS, where, found="no two lungs", expected="both lungs in the picture")
        windows = [_round(thorax, zoom) for zoom in _ZOOMS]
        looks = [cut(hung, window, self.config.edge, low=low, high=high) for window in windows]
        shares, corners, sides = self._run(looks)
        found = [_lung_boxes(one, window) for one, window in zip(shares, windows, strict=True)]
        lungs = {
            side: _mean([boxes[side] for boxes in found if side in boxes])
            for side in LUNGS
            if any(side in b for b in found)
        }
        placed = self.atlas.place(lungs)
        if not placed:
            raise TumorboardError(codes.NO_LUNGS, where, found="one lung or none", expected="both lungs in the picture")
        if self.config.model == "network":
            pixels = np.mean([w.to_pixels(c) for w, c in zip(windows, corners, strict=True)], axis=0)
            learnt = {n: tuple(pixels[BOX_LOCATIONS.index(n)].tolist()) for n in self.learnt if n not in LUNGS}
            placed |= learnt
        masks = _pasted(shares, windows, hung.shape)
        return placed, masks, float(np.mean(sides))

    def _thorax(self, hung: NDArray[Any], low: float, high: float) -> Floats | None:
        """The box round both lungs: a look at the whole picture, and where that fails from further off and closer."""
        whole = whole_window(hung)
        x, y = whole.x + whole.side / 2, whole.y + whole.side / 2
        for zoom in _FIRST_ZOOMS:
            side = zoom * whole.side
            window = Window(x - side / 2, y - side / 2, side)
            shares, _, _ = self._run([cut(hung, window, self.config.edge, low=low, high=high)])
            thorax = both_lungs(_lung_boxes(shares[0], window))
            if thorax is not None:
                return thorax
        return None

    def _run(self, looks: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float32], Floats, Floats]:
        """Shares of both lungs (n, 2, e, e), corners (n, 36, 4), and how much rather sides are exchanged (n,)."""
        import torch

        self.network.eval()
        inputs = torch.from_numpy(np.stack(looks)[:, None])
        with torch.no_grad():
            logits, corners, side = self.network(standardised(inputs))
            _, _, flipped = self.network(standardised(inputs.flip(3)))
        shares = torch.softmax(logits, 1)[:, 1:].numpy()
        return shares, corners.numpy().astype(float), (side - flipped).numpy().astype(float)


def _lung_boxes(shares: NDArray[np.float32], window: Window) -> dict[str, Box]:
    """Boxes of both lungs in pixels of the picture, edges between pixels of the window by linear interpolation."""
    found: dict[str, Box] = {}
    edge = shares.shape[1]
    for side, share in zip(LUNGS, shares, strict=True):
        part = largest_part(share > 0.5)
        if part.sum() < _LEAST_LUNG * edge * edge:
            continue
        near = np.where(_grown(part), share, 0.0)
        x1, x2 = _crossings(near.max(axis=0))
        y1, y2 = _crossings(near.max(axis=1))
        placed = window.to_pixels(np.array([x1, y1, x2, y2]) / edge)
        found[side] = (placed[0], placed[1], placed[2], placed[3])
    return found


def _grown(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(part, np.ones((3, 3)), iterations=2))


def _crossings(profile: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """Where a profile (n,) first rises above and last falls below one half, in pixel edges (0 to n)."""
    above = np.flatnonzero(profile > 0.5)
    ends = []
    for inside, step in ((int(above[0]), -1), (int(above[-1]), 1)):
        outside = inside + step
        if not 0 <= outside < len(profile):
            ends.append(0.0 if step < 0 else float(len(profile)))
            continue
        high, low = float(profile[inside]), float(profile[outside])
        ends.append(inside + 0.5 + step * (high - 0.5) / max(high - low, 1e-6))
    return ends[0], ends[1]


def _round(box: Floats, zoom: float) -> Window:
    side = zoom * float(max(box[2] - box[0], box[3] - box[1]))
    return Window(float(box[0] + box[2] - side) / 2, float(box[1] + box[3] - side) / 2, side)


def _mean(boxes: Sequence[Box]) -> Box:
    x1, y1, x2, y2 = np.mean(boxes, axis=0).tolist()
    return x1, y1, x2, y2


def _pasted(shares: NDArray[np.float32], windows: Sequence[Window], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mean share of all windows on the picture (2, rows, columns), above one half."""
    total = np.zeros((2, *shape), np.float32)
    count = np.zeros(shape, np.float32)
    for one, window in zip(shares, windows, strict=True):
        x1, y1 = max(0, int(np.ceil(window.x))), max(0, int(np.ceil(window.y)))
        x2, y2 = (min(size, int(start + window.side)) for size, start in ((shape[1], window.x), (shape[0], window.y)))
        box = np.array([x1 - window.x, y1 - window.y, x2 - window.x, y2 - window.y]) / window.side * one.shape[1]
        count[y1:y2, x1:x2] += 1
        for lung, share in zip(total, one, strict=True):
            lung[y1:y2, x1:x2] += resized(share, (y2 - y1, x2 - x1), box=np.clip(box, 0, one.shape[1]))
    return np.stack([largest_part(lung > 0.5 * np.maximum(count, 1)) for lung in total])


def _clipped(box: Floats, shape: tuple[int, ...]) -> Box | None:
    """The box inside the picture; None when nothing is left of it."""
    x1, y1, x2, y2 = np.clip(box, 0, [shape[1], shape[0], shape[1], shape[0]]).tolist()
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None
