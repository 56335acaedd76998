"""Settings of masks from marks, with their reasons."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.tasks.weakmask.frame import SHAPE

__all__ = ["WeakMaskConfig"]


class WeakMaskConfig(BaseModel):
    """Settings of one training and of the cross-validation round it; defaults take a few minutes of one core."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    folds: int = Field(2, ge=2, description="Of the cross-validation, by patient.")
    most_marks: int = Field(1500, ge=1, description="Marks that a training uses, drawn at random; bounds its memory.")
    agreement: float = Field(
        0.6, ge=0, le=1, description="Least Dice between the walker's first mask and the ellipse of the mark in its "
        "slice; a first mask that leaves its own mark teaches nothing."
    )  # fmt: skip
    blend: float = Field(0.5, ge=0, le=1, description="Weight of the network; the rest is the walker's.")
    channels: tuple[int, ...] = (8, 16, 32)
    batch: int = Field(4, ge=1)
    steps: int = Field(160, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
    ema_decay: float | None = Field(0.97, gt=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    budget_minutes: float | None = Field(None, gt=0, description="Time limit of one training.")

    @field_validator("channels", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`8,16,32` of the command line."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        step = 2 ** (len(self.channels) - 1)
        if any(edge % step for edge in SHAPE):
            raise ValueError(f"{len(self.channels)} levels do not halve a patch of {SHAPE}; 4 at most")
        return self

    def plan(self, *, seed: int) -> TrainingPlan:
        """The training plan."""
        return TrainingPlan(
            steps=self.steps,
            seed=seed,
            learning_rate=self.learning_rate,
            warmup_steps=10,
            ema_decay=self.ema_decay,
            precision=self.precision,
            budget_minutes=self.budget_minutes,
            checkpoint_every=40,
        )
