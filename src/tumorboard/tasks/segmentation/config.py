"""Settings of segmentation, with their reasons."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.executors import cores
from tumorboard.engine.schedule import TrainingPlan
from tumorboard.models.segmentation_networks import CHANNELS, NetworkName, Size, halvings
from tumorboard.tasks.segmentation.losses import LossName
from tumorboard.tasks.segmentation.prior import FROM_MAPS, PriorName

__all__ = ["SegmentationConfig"]

_STEPS = 1600
_LONG_MINUTES = 10.0
"""A budget from which a network does better in half of it, beside another one."""


class SegmentationConfig(BaseModel):
    """Settings of one training, and of the cross-validation round it.

    Defaults train a small network in about four minutes of one core, the same for cohorts of every size: with the
    number of steps fixed, the result depends on the data and the seed alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    protocol: Literal["kfold", "leave-one-centre-out"] = Field(
        "kfold", description="Of the benchmark: patients drawn at random, or each centre predicted from all others."
    )
    folds: int = Field(5, ge=2, description="Of kfold; fewer when there are fewer patients.")
    workers: int = Field(0, ge=0, description="Folds trained side by side, one thread each; 0: one per core.")

    spacing_mm: float | None = Field(
        None, gt=0, description="Working voxel edge; default: from the lesions of the training patients."
    )
    ct_window_hu: tuple[float, float] = (-160.0, 240.0)
    patch_voxels: int = Field(40, ge=8)
    random_cut_mm: float = Field(
        45.0, ge=0, description="Most that is cut off each side of a training image, so that its border tells nothing."
    )
    foreground: float = Field(0.67, ge=0, le=1, description="Share of patches placed on a lesion.")
    physiological: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Share of the other patches placed by uptake, where healthy tissue looks like a tumour; the rest "
        "anywhere.",
    )

    mirrored: Literal["auto", "all", "left-right"] = Field(
        "auto",
        description="Axes along which training images are mirrored by chance, and `mirror` averages; auto: all with "
        "one structure, left and right where structures are told apart by where they lie.",
    )
    misalignment_mm: float = Field(3.0, ge=0, description="Standard deviation of a shift of PET against CT.")
    modality_dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of patches without CT or without PET, so that either can be missing later."
    )

    prior: PriorName = Field(
        "none", description="A third channel: a map of abnormal uptake (anomaly), or a control that it has to beat."
    )
    prior_run: str | None = Field(
        None, description="Run of the cohort that has the maps; a benchmark without one makes them itself, out of fold."
    )
    prior_steps: int = Field(200, ge=1, description="Updates of each network that makes maps for a benchmark.")
    prior_dropout: float = Field(
        0.25,
        ge=0,
        lt=1,
        description="Share of patches without the prior, so that exams without it can be predicted.",
    )

    network: NetworkName = "unet"
    size: Size = Field("S", description="S: a laptop, M: a workstation, L: a large GPU.")
    channels: tuple[int, ...] | None = Field(None, description="Per level of the network; default: by size.")
    residual_units: int = Field(2, ge=0, description="Per level of the unet.")
    deep_supervision: bool = Field(True, description="Also learn from coarser outputs (residual-encoder).")

    loss: LossName = Field("dice-ce", description="dice-focal: voxels that are wrong count more.")
    batch: int = Field(4, ge=1)
    accumulate: int = Field(1, ge=1, description="Batches per update, where memory holds only a small one.")
    members: int = Field(
        0,
        ge=0,
        description="Networks trained from other seeds and averaged; 0: one, or one or two per core within a budget.",
    )
    steps: int | None = Field(None, ge=1, description="Updates; default: 1600, or as many as fit into budget_minutes.")
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(1e-2, ge=0)
    warmup_steps: int = Field(30, ge=0)
    schedule: Literal["poly", "cosine", "constant"] = "poly"
    ema_decay: float | None = Field(0.99, gt=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    budget_minutes: float | None = Field(
        None,
        gt=0,
        description="Time for preparing and all trainings of a verb; the folds and members of a benchmark share it.",
    )
    budget_clock: Literal["wall", "cpu"] = "wall"
    checkpoint_every: int = Field(100, ge=0)

    validation: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the training patients that choose the best weights instead of training.",
    )
    score_every: int = Field(100, ge=1, description="Updates between two scorings of the validation patients.")
    patience: int = Field(0, ge=0, description="Scorings without a better one that end a training; 0: no early stop.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="To train on; auto: a GPU where there is one.")

    overlap: float = Field(0.5, ge=0, lt=1, description="Of neighbouring windows at prediction.")
    window_voxels: int = Field(64, ge=8, description="Largest edge predicted in one piece.")
    inference: Literal["auto", "openvino", "torch"] = Field(
        "auto", description="auto: OpenVINO where it is installed and agrees with the network."
    )
    mirror: bool = Field(True, description="Average predictions over mirrored inputs.")

    plan: str | None = Field(None, description="File `plan.json`: what it says stands where nothing else is set.")
    memory_gib: float | None = Field(
        None, gt=0, description="Memory that training may use: patch_voxels and batch follow from it."
    )
    region: Literal["auto", "head-neck", "body", "whole"] = Field(
        "auto", description="Where the network is asked; auto: the narrowest that holds every lesion drawn in training."
    )
    postprocess: Literal["auto", "none"] = Field(
        "auto", description="Smallest volume and SUVpeak of a predicted lesion, chosen on training patients."
    )
    uncertainty: bool = Field(False, description="Also write a map of how undecided each voxel is, 0 to 1.")

    @field_validator("channels", "ct_window_hu", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`16,32,64` of the command line."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) and "," in value else value

    @field_validator("spacing_mm", "steps", "budget_minutes", "ema_decay", "channels", "prior_run", mode="before")
    @classmethod
    def _none_word(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.casefold() == "none" else value

    @model_validator(mode="before")
    @classmethod
    def _follow_the_plan(cls, values: Any) -> Any:
        """What the file `plan` says, under what is set besides; the file is not asked for again. SGM108."""
        if not isinstance(values, dict) or not values.get("plan"):
            return values
        from tumorboard.tasks.segmentation.plan import read_plan

        return {**read_plan(values["plan"]), **{key: value for key, value in values.items() if key != "plan"}}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.patch_voxels % self.edge_step or self.window_voxels % self.edge_step:
            raise ValueError(f"patch_voxels and window_voxels must be multiples of {self.edge_step} for {self.network}")
        if self.patience and not self.validation:
            raise ValueError("patience needs validation patients: set validation, for example to 0.15")
        if self.ct_window_hu[0] >= self.ct_window_hu[1]:
            raise ValueError("ct_window_hu must rise")
        if self.prior_run is not None and self.prior not in FROM_MAPS:
            raise ValueError(f"prior_run is for prior={' or '.join(FROM_MAPS)}")
        return self

    def mirrored_axes(self, structures: int) -> tuple[int, ...]:
        """Axes of an image in RAS along which its mirror image is as good as itself. A body is alike left and right
        alone: what is a node and what a tumour is told by front and back, top and bottom (docs/adr/0188)."""
        alike = self.mirrored == "all" or (self.mirrored == "auto" and structures == 1)
        return (0, 1, 2) if alike else (0,)

    @property
    def inputs(self) -> int:
        """Channels that the network is given: CT, PET and, if wanted, the prior."""
        return 2 + (self.prior != "none")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels per level."""
        return self.channels or CHANNELS[self.size]

    @property
    def edge_step(self) -> int:
        """Edges of what the network is given are multiples of this many voxels."""
        return 2 ** halvings(self.network, self.widths)

    @property
    def member_count(self) -> int:
        """Networks of the ensemble. Two of one thread each get more done in a time than one of two threads, and their
        mean is the better answer (docs/adr/0144); in a longer time it is that of twice as many (docs/adr/0181)."""
        if self.members or self.budget_minutes is None:
            return self.members or 1
        return cores() * (2 if self.budget_minutes >= _LONG_MINUTES else 1)

    @property
    def length(self) -> int | None:
        """Updates of one training; None where the budget alone ends it."""
        return self.steps or (_STEPS if self.budget_minutes is None else None)

    def training_plan(self, *, seed: int, share: float = 1.0) -> TrainingPlan:
        """The training plan; `share` is the part of the time budget that this training may use."""
        return TrainingPlan(
            steps=self.length,
            seed=seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
            ema_decay=self.ema_decay,
            precision=self.precision,
            budget_minutes=None if self.budget_minutes is None else self.budget_minutes * share,
            budget_clock=self.budget_clock,
            checkpoint_every=self.checkpoint_every,
            accumulate=self.accumulate,
            score_every=self.score_every if self.validation else 0,
            patience=self.patience if self.validation else 0,
        )
