"""Settings of anatomical boxes, with their reasons."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tumorboard.engine.schedule import TrainingPlan

__all__ = ["AnatomyConfig"]


class AnatomyConfig(BaseModel):
    """Settings of one training, and of the cross-validation round it.

    Defaults train in about nine minutes of one core; with the number of steps fixed, the result depends on the data and
    the seed alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    folds: int = Field(5, ge=2, description="Of the cross-validation by patient; fewer when there are fewer patients.")
    model: Literal["network", "atlas"] = Field(
        "network", description="A network, or an atlas of boxes in parts of the lungs' box placed on its lung fields."
    )
    virtual_patients: int = Field(
        240, ge=0, description="Virtual X-rays that the network learns from first; 0: the cohort alone."
    )
    virtual_steps: int = Field(1500, ge=0)
    steps: int = Field(200, ge=1, description="On the cohort, mixed with virtual X-rays.")
    edge: int = Field(128, ge=32, description="Pixels of the square that the network looks at.")
    channels: tuple[int, int, int, int] = (16, 24, 48, 64)
    batch: int = Field(8, ge=2)
    learning_rate: float = Field(3e-3, gt=0)
    virtual_share: float = Field(
        0.5, ge=0, le=1, description="Of virtual X-rays in a batch while the cohort is learnt."
    )
    turned: Literal["correct", "refuse"] = Field("correct", description="What prediction does with a turned X-ray.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.edge % 16:
            raise ValueError("edge must be a multiple of 16")
        return self

    def plan(self, steps: int, *, seed: int, calmer: float = 1.0) -> TrainingPlan:
        """The training plan of one stage; `calmer` is the part of the learning rate that it uses."""
        return TrainingPlan(
            steps=steps,
            seed=seed,
            learning_rate=self.learning_rate * calmer,
            weight_decay=1e-3,
            warmup_steps=min(30, steps),
            schedule="cosine",
            ema_decay=0.98,
        )
