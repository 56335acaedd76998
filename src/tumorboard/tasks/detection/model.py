"""A trained detector together with the preparation it belongs to; on disk one safetensors file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.checkpoints import load_weights, read_model, write_checkpoint
from tumorboard.tasks.detection import codes
from tumorboard.tasks.detection.config import DetectionConfig
from tumorboard.tasks.detection.filters import FEATURES, filter_bank
from tumorboard.tasks.detection.merge import merge_slices, one_per_place
from tumorboard.tasks.detection.peaks import boxes_of_peaks
from tumorboard.tasks.detection.prepare import VERSION, Look
from tumorboard.tasks.detection.sampling import channels_of_slice, channels_of_volume

if TYPE_CHECKING:
    from tumorboard.models.centre_heatmap import CentreHeatmap
    from tumorboard.models.retinanet import LesionRetinaNet
    from tumorboard.models.scale_space import ScaleSpace

    Network = ScaleSpace | CentreHeatmap | LesionRetinaNet

__all__ = ["MODEL_FILE", "DetectionModel", "build_network"]

MODEL_FILE = "model.safetensors"
_KIND = "detection"
_SLICES_AT_ONCE = 4
_CELLS_AT_ONCE = 50_000
Found = tuple[NDArray[np.float64], NDArray[np.float64]]


def build_network(config: DetectionConfig) -> Network:
    """The configured network. Initial weights come from torch's generator (see `engine.loop.seeded`)."""
    if config.network == "scale-space":
        from tumorboard.models.scale_space import ScaleSpace

        return ScaleSpace(FEATURES)
    if config.network == "centre-heatmap":
        from tumorboard.models.centre_heatmap import CentreHeatmap

        return CentreHeatmap(config.inputs)
    from tumorboard.models.retinanet import build_retinanet

    d = config.dimensions
    anchors = [[edge_mm / config.spacing_mm[axis] for axis in range(d)] for edge_mm in config.anchors_mm]
    return build_retinanet(
        config.size, dimensions=d, inputs=config.inputs, anchors=anchors, score_floor=config.score_floor
    )


@dataclass
class DetectionModel:
    """Network, settings, and how it was trained (`facts`: steps, patients ...)."""

    network: Network
    config: DetectionConfig
    facts: Mapping[str, Any]

    def save(self, folder: Path) -> Path:
        """Write `model.safetensors` below `folder`."""
        path = folder / MODEL_FILE
        settings = self.config.model_dump(mode="json")
        state = {"kind": _KIND, "version": VERSION, "config": settings, "facts": dict(self.facts)}
        write_checkpoint(path, tensors=self.network.state_dict(), state=state)
        return path

    @classmethod
    def load(cls, folder: Path) -> DetectionModel:
        """Read `model.safetensors` of a run folder. ENG103 for foreign files, DET102 for other models, ENG104 for
        weights of another network."""
        path = folder / MODEL_FILE
        checkpoint = read_model(path, {"kind": _KIND, "version": VERSION}, unknown=codes.MODEL_UNKNOWN)
        config = DetectionConfig.model_validate(checkpoint.state["config"])
        network = build_network(config)
        load_weights(network, checkpoint.tensors, where=path)
        return cls(network, config, checkpoint.state["facts"])

    def detect(self, look: Look) -> Found:
        """Boxes (n, 6) in voxels of the prepared volume and their scores, best first, one per place."""
        if self.config.network == "scale-space":
            boxes, scores = self._by_cells(look)
        elif self.config.network == "centre-heatmap":
            boxes, scores = self._by_heat(look)
        else:
            boxes, scores = self._by_slices(look) if self.config.form == "2.5-D" else self._by_windows(look)
        kept = one_per_place(boxes, scores, most=self.config.boxes_per_volume)
        return boxes[kept], scores[kept]

    def _by_cells(self, look: Look) -> Found:
        import torch

        from tumorboard.models.scale_space import ScaleSpace

        assert isinstance(self.network, ScaleSpace)
        self.network.eval()
        device = next(self.network.parameters()).device
        spacing = np.array(look.geometry.spacing_mm)
        bank = filter_bank(look.hu, spacing)
        cells = np.argwhere(bank.body)
        heat = np.zeros(bank.body.shape, np.float32)
        boxes = np.zeros((6, *bank.body.shape), np.float32)
        for first in range(0, len(cells), _CELLS_AT_ONCE):
            some = cells[first : first + _CELLS_AT_ONCE]
            answer = self.network.read(torch.from_numpy(bank.at(some)).to(device))
            warm, way, half = (part.cpu().numpy() for part in answer)
            centre, half = bank.middles(some) + way / spacing, half / spacing
            heat[tuple(some.T)] = warm
            boxes[(slice(None), *some.T)] = np.concatenate([centre - half, centre + half], axis=1).T
        return self._peaks(heat.transpose(2, 0, 1), boxes.transpose(3, 0, 1, 2), look)

    def _by_heat(self, look: Look) -> Found:
        import torch

        from tumorboard.models.centre_heatmap import CentreHeatmap

        assert isinstance(self.network, CentreHeatmap)
        self.network.eval()
        device = next(self.network.parameters()).device
        heats, boxes = [], []
        count = look.hu.shape[2]
        for first in range(0, count, _SLICES_AT_ONCE):
            levels = range(first, min(first + _SLICES_AT_ONCE, count))
            images = np.pad(self._slices(look, levels), _padding(look.hu.shape[:2], self.network.divisor))
            heat, box = self.network.read(torch.from_numpy(images).to(device))
            heats.append(heat.cpu().numpy())
            boxes.append(box.cpu().numpy())
            boxes[-1][:, [2, 5]] += np.array(levels, np.float32)[:, None, None, None]
        return self._peaks(np.concatenate(heats), np.concatenate(boxes), look)

    def _peaks(self, heat: NDArray[np.float32], every: NDArray[np.float32], look: Look) -> Found:
        """Boxes of the peaks of `heat` (slices, a, b), cut to the volume; `every` (slices, 6, a, b): each cell's."""
        found, scores = boxes_of_peaks(
            heat,
            every,
            floor=self.config.score_floor,
            most=2 * self.config.boxes_per_volume,
        )
        edge = np.array(look.hu.shape) - 0.5
        found = np.concatenate([np.maximum(found[:, :3], -0.5), np.minimum(found[:, 3:], edge)], axis=1)
        usable = (found[:, 3:] - found[:, :3] > 0.1).all(axis=1)
        return found[usable], scores[usable]

    def _slices(self, look: Look, levels: range) -> NDArray[np.float32]:
        """What the network sees of some slices, (n, channels, i, j)."""
        windows, reach = self.config.windows_hu, self.config.reach
        return np.stack([channels_of_slice(look.hu, k, windows, reach=reach) for k in levels])

    def _by_slices(self, look: Look) -> Found:
        count = look.hu.shape[2]
        boxes, scores, slices = [], [], []
        for first in range(0, count, _SLICES_AT_ONCE):
            levels = range(first, min(first + _SLICES_AT_ONCE, count))
            images = self._slices(look, levels)
            for k, (box, score) in zip(levels, self._answer(images), strict=True):
                boxes.append(box)
                scores.append(score)
                slices.append(np.full(len(score), k))
        return merge_slices(np.concatenate(boxes), np.concatenate(scores), np.concatenate(slices))

    def _by_windows(self, look: Look) -> Found:
        """Windows that overlap by a half; boxes that touch an inner face of a window are left to its neighbour."""
        whole, most = np.array(look.hu.shape), np.array(self.config.window_voxels)
        starts = [_starts(int(n), int(w)) for n, w in zip(whole, most, strict=True)]
        boxes, scores = [np.empty((0, 6))], [np.empty(0)]
        for i in starts[0]:
            for j in starts[1]:
                for k in starts[2]:
                    low = np.array([i, j, k])
                    part = look.hu[i : i + most[0], j : j + most[1], k : k + most[2]]
                    ((box, score),) = self._answer(channels_of_volume(np.asarray(part), self.config.windows_hu)[None])
                    size = np.array(part.shape)
                    cut = (box[:, :3] <= 0.5) & (low > 0) | (box[:, 3:] >= size - 1.5) & (low + size < whole)
                    boxes.append(box[~cut.any(axis=1)] + np.tile(low, 2))
                    scores.append(score[~cut.any(axis=1)])
        return np.concatenate(boxes), np.concatenate(scores)

    def _answer(self, images: NDArray[np.float32]) -> list[Found]:
        """Boxes and scores of each image (n, channels, ...), padded to what the network divides."""
        import torch

        from tumorboard.models.retinanet import LesionRetinaNet

        assert isinstance(self.network, LesionRetinaNet)
        self.network.eval()
        step = int(self.network.network.size_divisible[0])
        shape = images.shape[2:]
        device = next(self.network.parameters()).device
        with torch.inference_mode():
            answers = self.network(torch.from_numpy(np.pad(images, _padding(shape, step))).to(device))
        found = []
        for answer in answers:
            box = answer["boxes"].double().cpu().numpy()
            d = box.shape[1] // 2
            box = np.concatenate([np.clip(box[:, :d], 0, None), np.minimum(box[:, d:], np.array(shape) - 1)], axis=1)
            usable = (box[:, d:] - box[:, :d] > 0.1).all(axis=1)
            score = answer["labels_scores"].double().cpu().numpy().reshape(-1)
            found.append((box[usable], score[usable]))
        return found


def _padding(shape: Sequence[int], step: int) -> list[tuple[int, int]]:
    """For `np.pad` of images (n, channels, ...): up to multiples of `step`."""
    return [(0, 0), (0, 0), *((0, -n % step) for n in shape)]


def _starts(length: int, window: int) -> list[int]:
    """First voxels of windows along an axis, half a window apart, the last one at the end."""
    if length <= window:
        return [0]
    return [*range(0, length - window, window // 2), length - window]
