"""The plan of a training as a file that a person can read, change, and give back with ``--set plan=FILE``.

It says what was measured of the training patients (the fingerprint), and what follows from it: grid, intensity rules by
unit, region of interest, patch and batch with the memory they take.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tumorboard.core.errors import TumorboardError
from tumorboard.io.files import atomic_write_text
from tumorboard.io.jsonfile import read_json
from tumorboard.models.segmentation_networks import NetworkName, Size
from tumorboard.tasks.segmentation import codes

if TYPE_CHECKING:
    from tumorboard.tasks.segmentation.cache import Fingerprint
    from tumorboard.tasks.segmentation.config import SegmentationConfig
    from tumorboard.tasks.segmentation.model import SegmentationModel

__all__ = ["PLAN_FILE", "Plan", "fit_to_memory", "read_plan", "training_gib", "write_plan"]

PLAN_FILE = "plan.json"
VERSION = 1
_FIXED_GIB = 0.6
"""What a training takes before the first patch: libraries, sampler, allocator."""
_TENSORS = {"unet": 4.6, "headed-unet": 4.6, "segresnet": 12.4, "residual-encoder": 17.5, "swin-unetr": 51.2}
"""Tensors of its width that a level keeps for the way back, counted by autograd's hooks at 32 and 48 voxels (S, M)."""
_WEIGHTS = {"unet": 60, "headed-unet": 60, "segresnet": 340, "residual-encoder": 280, "swin-unetr": 580}
"""Weights per product of neighbouring widths, counted in the same networks; the larger of S and M."""
_WAY_BACK = 1.5
"""What the way back itself needs, beside what was kept for it."""
_LARGEST_PATCH = 192


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CtRule(_Part):
    """HU -> 0 to 1 over a window, clipped."""

    unit: Literal["HU"] = "HU"
    window_hu: tuple[float, float]

    @model_validator(mode="after")
    def _rises(self) -> CtRule:
        if self.window_hu[0] >= self.window_hu[1]:
            raise ValueError("window_hu must rise")
        return self


class PetRule(_Part):
    """SUV stays SUV, on the scale log(1 + SUV); nothing is measured in the field of view."""

    unit: Literal["SUVbw"] = "SUVbw"
    scale: Literal["log(1 + SUV)"] = "log(1 + SUV)"


class Intensities(_Part):
    CT: CtRule
    PT: PetRule = PetRule()


class Grid(_Part):
    spacing_mm: float = Field(gt=0.2, lt=20)
    orientation: Literal["RAS"] = "RAS"


class Memory(_Part):
    """`budget_gib` None: patch and batch were not chosen by memory. `needed_gib` is our estimate for one network."""

    device: Literal["cpu", "cuda"] = "cpu"
    budget_gib: float | None = Field(None, gt=0)
    needed_gib: float = Field(0.0, ge=0)


class Plan(_Part):
    """See the module; SGM108 for a file that is none."""

    version: Literal[1] = VERSION
    structures: tuple[str, ...] = ()
    fingerprint: dict[str, Any] = {}
    grid: Grid
    intensities: Intensities
    region: Literal["auto", "head-neck", "body", "whole"] = "auto"
    region_facts: dict[str, Any] = {}
    network: NetworkName
    size: Size
    channels: tuple[int, ...] | None = None
    patch_voxels: int = Field(ge=8)
    batch: int = Field(ge=1)
    memory: Memory = Memory()

    def settings(self) -> dict[str, Any]:
        """The settings of a training that follow from the plan."""
        found: dict[str, Any] = {
            "spacing_mm": self.grid.spacing_mm,
            "ct_window_hu": self.intensities.CT.window_hu,
            "region": self.region,
            "network": self.network,
            "size": self.size,
            "channels": self.channels,
            "patch_voxels": self.patch_voxels,
            "batch": self.batch,
        }
        if self.memory.budget_gib is not None and self.memory.needed_gib > self.memory.budget_gib:
            found["memory_gib"] = self.memory.budget_gib  # the patch was not made for this budget: choose again
        return found


def read_plan(path: str | Path) -> dict[str, Any]:
    """The settings that the plan in `path` stands for. FIL101, FIL112 for what is no JSON file, SGM108 for a plan with
    unknown or impossible values."""
    record, _ = read_json(Path(path))
    try:
        return Plan.model_validate(record).settings()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise TumorboardError(
            codes.PLAN, f"{path}, {where}", found=repr(first.get("input"))[:80], expected=str(first["msg"])
        ) from None


def write_plan(
    folder: Path,
    model: SegmentationModel,
    fingerprints: Sequence[Fingerprint],
    *,
    cases: Sequence[str] = (),
    device: Literal["cpu", "cuda"] = "cpu",
) -> Path:
    """Write `plan.json` of a trained model below `folder`: what it was trained by, and what was measured before.

    `cases`: names of the cases that `settle` was given, in its order, for the region's coverage of each.
    """
    from tumorboard.tasks.segmentation.settle import Answering

    config, answering = model.config, Answering.of(model)
    plan = Plan(
        structures=model.preprocessing.structures,
        fingerprint=_in_words(fingerprints),
        grid=Grid(spacing_mm=model.preprocessing.spacing_mm),
        intensities=Intensities(CT=CtRule(window_hu=config.ct_window_hu)),
        region=answering.region,
        region_facts=_named(answering.region_facts, cases),
        network=config.network,
        size=config.size,
        channels=config.channels,
        patch_voxels=config.patch_voxels,
        batch=config.batch,
        memory=Memory(device=device, budget_gib=config.memory_gib, needed_gib=round(training_gib(config), 2)),
    )
    atomic_write_text(folder / PLAN_FILE, json.dumps(plan.model_dump(mode="json"), indent=1) + "\n")
    return folder / PLAN_FILE


def _named(facts: Mapping[str, Any], cases: Sequence[str]) -> dict[str, Any]:
    """Facts of a region with the cases' names instead of their numbers."""
    names = {str(number): name for number, name in enumerate(cases)}
    named = dict(facts)
    for key in ("coverage", "remarks"):
        named[key] = {names.get(case, case): value for case, value in facts.get(key, {}).items()}
    named["tried"] = {region: _named(tried, cases) for region, tried in facts.get("tried", {}).items()}
    return named if named["tried"] else {key: value for key, value in named.items() if key != "tried"}


def _in_words(fingerprints: Sequence[Fingerprint]) -> dict[str, Any]:
    lesions = [ml for case in fingerprints for ml in case.lesions_ml]
    quartiles = np.quantile(lesions, [0, 0.25, 0.5, 0.75, 1]).round(3).tolist() if lesions else []
    edges = np.median([case.spacing_mm for case in fingerprints], axis=0).round(4).tolist() if fingerprints else []
    return {
        "cases": len(fingerprints),
        "lesions": len(lesions),
        "lesion_ml_quartiles": quartiles,
        "median_spacing_mm": edges,
    }


def training_gib(config: SegmentationConfig) -> float:
    """Memory that one network of `config` takes to train (GiB): what every level keeps for the way back, for each
    sample of the batch, and five times the weights (themselves, gradient, two moments, their mean)."""
    voxels = float(config.patch_voxels) ** 3
    per_sample = sum(width * voxels / 8**level for level, width in enumerate(config.widths))
    activations = config.batch * per_sample * _TENSORS[config.network] * _WAY_BACK
    widths = config.widths
    weights = sum(a * b for a, b in zip(widths, (*widths[1:], widths[-1]), strict=True)) * _WEIGHTS[config.network]
    return _FIXED_GIB + 4 * (activations + 5 * weights) / 2**30


def fit_to_memory(
    config: SegmentationConfig, fingerprints: Sequence[Fingerprint], spacing_mm: float
) -> SegmentationConfig:
    """`config` with the largest patch, then the largest batch, that its `memory_gib` holds; unchanged without one.

    A patch is at most as large as the median training image is along its shortest side, and 192 voxels; the batch is 2
    to 8. SGM105 when the
    smallest patch does not fit.
    """
    if config.memory_gib is None:
        return config
    step = config.edge_step
    spans = [np.asarray(case.extent_mm).min() / spacing_mm for case in fingerprints if case.extent_mm]
    most = min(_LARGEST_PATCH, float(np.median(spans)) if spans else _LARGEST_PATCH)
    edges = [edge for edge in range(step, int(most) + step, step) if edge >= max(16, 2 * step)] or [2 * step]
    fitting = [edge for edge in edges if training_gib(_with(config, edge, 2)) <= config.memory_gib]
    if not fitting:
        needed = training_gib(_with(config, edges[0], 2))
        raise TumorboardError(
            codes.SETTING,
            "memory_gib",
            found=f"{config.memory_gib:g} GiB",
            expected=f"at least {needed:.1f} for {config.network} of size {config.size}",
        )
    patch = fitting[-1]
    batches = [n for n in range(2, 9) if training_gib(_with(config, patch, n)) <= config.memory_gib]
    return _with(config, patch, batches[-1])


def _with(config: SegmentationConfig, patch: int, batch: int) -> SegmentationConfig:
    step = config.edge_step
    window = max(-(-config.window_voxels // step) * step, patch)
    return config.model_copy(update={"patch_voxels": patch, "batch": batch, "window_voxels": window})
