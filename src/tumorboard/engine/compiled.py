"""Networks compiled for the CPU by OpenVINO: bfloat16 where the processor has it, checked against the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.engine.subpixel import with_subpixel_convolutions

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["Compiled", "agreement", "compile_network"]

Array = NDArray[np.float32]


class Compiled:
    """A compiled network: (batch, channels, i, j, k) float32 -> the same grid, float32. Batches of any size."""

    def __init__(self, model: Any) -> None:
        self._request = model.create_infer_request()

    def __call__(self, batch: Array) -> Array:
        found: Array = self._request.infer(np.ascontiguousarray(batch, np.float32), share_inputs=True)[0]
        return found


def compile_network(network: Module, *, inputs: int, edge: int, precision: str, threads: int) -> Compiled:
    """Compile `network` (in evaluation mode) for 3-D windows of any shape that it takes.

    `edge` voxels of a cube that it takes (to trace it with); `precision` bfloat16 or float32; `threads` of the
    processor. Raises ImportError without OpenVINO.
    """
    import warnings

    import torch

    openvino = _openvino()
    if precision == "bfloat16":
        network = with_subpixel_convolutions(network)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracer remarks on shape arithmetic inside MONAI's networks
        # Traced here: the converter's own trace runs the network several times more to check itself, which takes three
        # quarters of the time; who asks for a compiled network compares its answers anyway.
        example = torch.zeros(1, inputs, edge, edge, edge)
        model = openvino.convert_model(
            torch.jit.trace(network.eval(), example, check_trace=False),
            example_input=example,
            input=[openvino.PartialShape([-1, inputs, -1, -1, -1])],
        )
    kind = {"bfloat16": "bf16", "float32": "f32"}[precision]
    settings = {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    return Compiled(openvino.Core().compile_model(model, "CPU", settings))


def _openvino() -> Any:
    """The library, without its telemetry: it would report its import and every conversion to a server."""
    import importlib
    import sys

    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # its import fails, OpenVINO's stub serves
    return importlib.import_module("openvino")


def agreement(one: Callable[[Array], Array], other: Callable[[Array], Array], batch: Array) -> tuple[float, float]:
    """How far two ways to the same class probabilities (batch, classes, ...) agree on a batch: the share of voxels with
    the same most probable class, and the largest difference of a probability."""
    first, second = one(batch), other(batch)
    same = float(np.mean(first.argmax(1) == second.argmax(1)))
    return same, float(np.abs(first - second).max())
