"""bfloat16 where the processor has instructions for it and the results agree; float32 everywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tumorboard.core.errors import TumorboardError
from tumorboard.engine import codes

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PRECISIONS", "autocast", "choose_precision", "cpu_has_bfloat16"]

PRECISIONS = ("auto", "float32", "bfloat16")
_AGREEMENT = 0.03
"""Largest relative difference of a value (a loss) between both precisions; bfloat16 has 8 bits of significand."""


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 natively (AVX512-BF16 or AMX); emulation is slower than float32."""
    import torch

    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, lambda: False)()) for probe in probes)


@contextmanager
def autocast(precision: str, device: str = "cpu") -> Iterator[None]:
    """Within it, convolutions run in the precision that `choose_precision` chose."""
    import torch

    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        yield


def choose_precision(wanted: str, value_of: Callable[[], Tensor]) -> tuple[str, dict[str, Any]]:
    """``float32`` or ``bfloat16``, and the facts that decided (for the run log).

    Parameters
    ----------
    wanted : ``auto`` takes bfloat16 when the processor has it and `value_of` agrees; the others are obeyed.
    value_of : computes one number (the loss of a batch) under the current autocast; must not use randomness.
    """
    if wanted not in PRECISIONS:
        raise TumorboardError(codes.SETTING, "precision", found=repr(wanted), expected=", ".join(PRECISIONS))
    if wanted != "auto":
        return wanted, {"reason": "setting"}
    if not cpu_has_bfloat16():
        return "float32", {"reason": "the processor has no bfloat16 instructions"}
    values = {}
    for precision in ("float32", "bfloat16"):
        with autocast(precision):
            values[precision] = float(value_of().detach())
    difference = abs(values["bfloat16"] - values["float32"]) / max(abs(values["float32"]), 1e-6)
    agrees = difference <= _AGREEMENT
    reason = "native and in agreement" if agrees else "bfloat16 disagrees with float32"
    return ("bfloat16" if agrees else "float32"), {"reason": reason, "relative_difference": difference}
