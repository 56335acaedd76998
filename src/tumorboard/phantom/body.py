"""The whole patient as solids in painting order."""

from __future__ import annotations

from collections.abc import Sequence

from tumorboard.phantom.abdomen import abdomen
from tumorboard.phantom.build import Build
from tumorboard.phantom.head import head
from tumorboard.phantom.neck import neck
from tumorboard.phantom.skeleton import skeleton
from tumorboard.phantom.solids import Solid
from tumorboard.phantom.thorax import thorax
from tumorboard.phantom.trunk import trunk

__all__ = ["body_solids"]


def body_solids(build: Build, *, lesions: Sequence[Solid] = ()) -> list[Solid]:
    """Every solid of one patient, lesions among them, sorted by layer (stable within one)."""
    parts = [*trunk(build), *thorax(build), *abdomen(build), *head(build), *neck(build), *skeleton(build), *lesions]
    return sorted(parts, key=lambda solid: solid.layer)
