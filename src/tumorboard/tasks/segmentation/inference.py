"""How a trained network answers for one window: compiled where that is right, by torch where it is not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.errors import TumorboardError
from tumorboard.engine.compiled import agreement, compile_network
from tumorboard.engine.precision import cpu_has_bfloat16
from tumorboard.tasks.segmentation import codes

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Predictor", "busiest", "choose_predictor"]

Predictor = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(1, inputs, *window) -> class probabilities (1, 1 + structures, *window)."""

_SAME_CLASS = 0.998
_LARGEST_DIFFERENCE = 0.15
"""A compiled network is used when so many voxels of the busiest window have the same class, and no probability differs
by more: bfloat16 has 8 bits, and where two classes are level, either may win."""


def choose_predictor(
    network: Module, example: NDArray[np.float32], *, inference: str
) -> tuple[Predictor, dict[str, Any]]:
    """The way to predict windows, and the facts that decided.

    `inference` ``torch``: float32 by torch. ``openvino``: compiled, bfloat16 where the processor has it, float32 where
    bfloat16 disagrees on `example` (1, inputs, *window); SGM106 when that disagrees too. ``auto``: as openvino where it
    is installed and agrees, else torch.
    """
    import torch

    answering = _with_softmax(network)

    def by_torch(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            found: NDArray[np.float32] = answering(torch.from_numpy(batch)).numpy()
        return found

    if inference == "torch":
        return by_torch, {"library": "torch", "precision": "float32", "reason": "setting"}
    tried: list[dict[str, Any]] = []
    for precision in ("bfloat16", "float32") if cpu_has_bfloat16() else ("float32",):
        try:
            compiled = compile_network(
                answering,
                inputs=example.shape[1],
                edge=min(example.shape[2:]),
                precision=precision,
                threads=torch.get_num_threads(),
            )
        except ImportError as error:
            if inference == "openvino":
                raise TumorboardError(
                    codes.INFERENCE, "inference", found="no OpenVINO", expected="the package openvino"
                ) from error
            return by_torch, {"library": "torch", "precision": "float32", "reason": "no OpenVINO"}
        same, difference = agreement(by_torch, compiled, example)
        facts = {
            "library": "openvino",
            "precision": precision,
            "same_class": same,
            "largest_difference": difference,
        }
        if same >= _SAME_CLASS and difference <= _LARGEST_DIFFERENCE:
            return compiled, facts
        tried.append(facts)
    if inference == "openvino":
        raise TumorboardError(
            codes.INFERENCE,
            "inference",
            found=f"{tried[-1]['same_class']:.4f} of the voxels with the class that the network itself gives",
            expected=f"at least {_SAME_CLASS}",
        )
    return by_torch, {"library": "torch", "precision": "float32", "reason": "compiled disagrees", "tried": tried}


def busiest(image: NDArray[np.float32], window: tuple[int, ...]) -> NDArray[np.float32]:
    """The window of `image` (inputs, i, j, k) with most uptake among those side by side, (1, inputs, *window)."""
    wanted = tuple(max(n, w) for n, w in zip(image.shape[1:], window, strict=True))
    padded = np.pad(image, [(0, 0), *((0, big - n) for big, n in zip(wanted, image.shape[1:], strict=True))])
    starts = [sorted({*range(0, n - w + 1, w), n - w}) for n, w in zip(wanted, window, strict=True)]
    places = [
        tuple(slice(a, a + w) for a, w in zip(corner, window, strict=True)) for corner in itertools.product(*starts)
    ]
    best = max(places, key=lambda place: float(padded[(1, *place)].sum()))
    return np.ascontiguousarray(padded[(slice(None), *best)])[None]


def _with_softmax(network: Module) -> Module:
    from torch import Tensor, nn

    class Answering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, window: Tensor) -> Tensor:
            answer: Tensor = self.network(window).float().softmax(dim=1)
            return answer

    return Answering().eval()
