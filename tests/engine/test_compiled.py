"""Compiled networks: as the network, and silent."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import torch
from tumorboard.engine.compiled import compile_network
network = torch.nn.Conv3d(2, 3, 3, padding=1)
compiled = compile_network(network, inputs=2, edge=4, precision="float32", threads=1)
batch = torch.rand(2, 2, 5, 6, 7)
assert torch.allclose(torch.from_numpy(compiled(batch.numpy())), network(batch), atol=1e-5)
loaded = [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module is not None]
print("TELEMETRY", loaded, sys.modules["openvino.tools.ovc"].telemetry.__class__.__module__)
"""


def test_compiling_tells_nobody():
    """In a process of its own: OpenVINO would report its import and every conversion."""
    out = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "TELEMETRY [] openvino.tools.ovc.telemetry_stub"
