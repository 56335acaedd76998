"""How detectors are scored on DeepLesion: key slices with one marked lesion or more, and wholly boxed sub-volumes.

The public scorers differ from these rules in three points, which are faults there: they extrapolate beyond the last
box, fail on images without lesions, and give tied scores an order. Boxes of integer pixels include both ends; lesions
marked as noisy, and slices that hold no other, are left out: 4,887 lesions of 4,791 slices (validation), 4,912 of 4,817
(test).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tumorboard.metrics.detection import DetectionRules

__all__ = ["KeySliceRules", "SubVolumeRules"]


@dataclass(frozen=True)
class KeySliceRules(DetectionRules):
    """2-D boxes of key slices, IoU of 0.5 or more, sensitivity at 0.5 to 16 false boxes per slice."""

    dimensions: int = 2
    inclusive: bool = True
    between: str = "linear"
    noisy: str = "leave out"

    name: ClassVar[str] = "deeplesion"


@dataclass(frozen=True)
class SubVolumeRules(DetectionRules):
    """3-D boxes of sub-volumes, intersection over the predicted box of 0.3 or more, sensitivity at 0.125 to 8 false
    boxes per sub-volume. Sub-volumes without a lesion count."""

    overlap: str = "iobb"
    threshold: float = 0.3
    inclusive: bool = True
    fp_rates: tuple[float, ...] = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    between: str = "linear"

    name: ClassVar[str] = "deeplesion-3d"
