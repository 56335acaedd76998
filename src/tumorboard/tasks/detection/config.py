"""Settings of detection, with their reasons."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.metrics.detection import DetectionRules

__all__ = ["DetectionConfig"]


class DetectionConfig(BaseModel):
    """Settings of one training, and of the split round it.

    Defaults train a small network on slices in about two minutes of one core, a first look; with the number of steps
    fixed, the result depends on the data and the seed alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    workers: int = Field(0, ge=0, description="Volumes filtered and searched side by side; 0: one per core.")
    test_share: float = Field(0.34, gt=0, lt=1, description="Part of the patients that are held out for the scores.")
    exams_per_patient: int = Field(1, ge=0, description="Of those held out, the first so many exams; 0: all.")

    network: Literal["scale-space", "centre-heatmap", "retinanet"] = Field(
        "scale-space",
        description="Peaks of a heat map from filters of many sizes (volumes) or from a network on slices, or boxes "
        "from anchors.",
    )
    form: Literal["2.5-D", "3-D"] = Field(
        "2.5-D", description="Of the networks on patches: slices with their neighbours, or whole volumes."
    )
    size: Literal["S", "M"] = Field(
        "S", description="Of network retinanet. S: a laptop's CPU; M: ResNet-50, for a GPU."
    )
    spacing_mm: tuple[float, float, float] = Field((2.0, 2.0, 4.0), description="Working voxel edges x, y, z.")
    windows_hu: tuple[tuple[float, float], ...] = Field(
        ((-160.0, 240.0), (-1000.0, 200.0), (-300.0, 1000.0)), description="Each window is one channel (per slice)."
    )
    reach: int = Field(2, ge=0, description="Slices to each side that 2.5-D looks at.")
    patch_voxels: tuple[int, int, int] = Field((64, 64, 32), description="Of a training patch; z for 3-D only.")
    window_voxels: tuple[int, int, int] = Field((160, 160, 64), description="Most that 3-D predicts in one piece.")
    foreground: float = Field(0.6, ge=0, le=1, description="Share of patches placed on a lesion.")
    anchors_mm: tuple[float, ...] = Field((9.0, 13.0), description="Finest boxes to start from; they double per level.")

    cells: int = Field(1_000_000, ge=1000, description="Of scale-space: cells of all volumes to draw from.")
    cells_per_volume: int = Field(8000, ge=100, description="Of them, most of one volume outside its lesions.")
    cell_batch: int = Field(8192, ge=8, description="Cells in a batch.")

    batch: int = Field(16, ge=1)
    steps: int = Field(600, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    ema_decay: float | None = Field(0.99, gt=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    budget_minutes: float | None = Field(None, gt=0, description="Limit of the training.")
    budget_clock: Literal["wall", "cpu"] = "wall"
    checkpoint_every: int = Field(100, ge=0)

    score_floor: float = Field(0.03, gt=0, lt=1, description="Boxes of lower scores are not kept.")
    boxes_per_volume: int = Field(60, ge=1, description="At most so many, the best.")

    iou: float = Field(0.3, gt=0, le=1, description="3-D overlap at which a lesion counts as found in the benchmark.")
    fp_rates: tuple[float, ...] = Field((0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0), description="False boxes per volume.")
    shown: int = Field(6, ge=0, description="Found and missed lesions in the picture.")

    @field_validator("spacing_mm", "patch_voxels", "window_voxels", "anchors_mm", "fp_rates", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`2,2,4` of the command line."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("windows_hu", mode="before")
    @classmethod
    def _split_windows(cls, value: Any) -> Any:
        """`-160:240,-1000:200` of the command line."""
        return [part.split(":") for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("budget_minutes", "ema_decay", mode="before")
    @classmethod
    def _none_word(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.casefold() == "none" else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(edge % 16 for edge in (*self.patch_voxels, *self.window_voxels)):
            raise ValueError("patch_voxels and window_voxels must be multiples of 16")
        if not all(low < high for low, high in self.windows_hu):
            raise ValueError("windows_hu must rise")
        if self.network == "centre-heatmap" and self.form == "3-D":
            raise ValueError("network centre-heatmap is for form 2.5-D; 3-D has network retinanet")
        if min(self.spacing_mm) <= 0:
            raise ValueError("spacing_mm must be above 0")
        return self

    @property
    def inputs(self) -> int:
        """Channels of the network: windows, of every slice looked at in 2.5-D."""
        return len(self.windows_hu) * (2 * self.reach + 1 if self.form == "2.5-D" else 1)

    @property
    def dimensions(self) -> int:
        return 2 if self.form == "2.5-D" else 3

    @property
    def rules(self) -> DetectionRules:
        """Those of the benchmark."""
        return DetectionRules(threshold=self.iou, fp_rates=self.fp_rates)

    def plan(self) -> TrainingPlan:
        return TrainingPlan(
            steps=self.steps,
            seed=self.seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=min(50, self.steps),
            schedule="cosine",
            ema_decay=self.ema_decay,
            precision=self.precision,
            budget_minutes=self.budget_minutes,
            budget_clock=self.budget_clock,
            checkpoint_every=self.checkpoint_every,
        )
