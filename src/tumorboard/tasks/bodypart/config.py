"""Settings of body-part regression, with their reasons."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.models.slice_regressor import RegressorName

__all__ = ["PRESETS", "BodyPartConfig"]

PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "seed": {
        "network": "vgg16",
        "edge": 128,
        "margin": 0,
        "pixel_mm": 3.5,
        "window_hu": (-175.0, 275.0),
        "volumes": 32,
        "slices": 8,
        "steps": 1500,
        "optimizer": "sgd",
        "learning_rate": 2e-3,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "schedule": "constant",
        "warmup_steps": 0,
        "ema_decay": None,
        "distance": "equidistant",
        "augment": False,
    },
}
"""``cpu``: the defaults. ``seed``: after Yan et al. (2018): VGG-16 on 128 x 128 pixels, 256 slices of 32 volumes,
SGD at 0.002, 1,500 steps (momentum and weight decay of their released code); a day and more on a laptop."""


class BodyPartConfig(BaseModel):
    """Settings of one training, and of the cross-validation round it.

    Defaults train in about two minutes of one core; with the number of steps fixed, the result depends on the data
    and the seed alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Literal["cpu", "seed"] = Field("cpu", description="Values of all settings that are not given.")
    seed: int = 0
    folds: int = Field(2, ge=2, description="Of the cross-validation by patient; fewer when there are fewer patients.")
    workers: int = Field(0, ge=0, description="Folds side by side; 0: one per core.")

    network: RegressorName = "small"
    edge: int = Field(64, ge=32, description="Pixels of the square that the network looks at.")
    margin: int = Field(8, ge=0, description="Pixels round it that random crops may use.")
    pixel_mm: float = Field(7.0, gt=0, description="Edge of a pixel: all bodies are seen at the same scale.")
    least_step_mm: float = Field(2.5, gt=0, description="Slices closer together are thinned out to this distance.")
    window_hu: tuple[float, float] = Field((-400.0, 500.0), description="Seen as 0 to 1; Yan et al.: -175 to 275.")
    body_mask: bool = Field(True, description="Set everything outside the body (couch, clothes) to air.")

    volumes: int = Field(12, ge=1, description="Per batch.")
    slices: int = Field(8, ge=3, description="Of each volume in a batch, equidistant; shorter volumes give all theirs.")
    distance: Literal["equidistant", "mm"] = Field(
        "mm",
        description="equidistant: equal steps of score (Yan et al.); mm: steps of score in proportion to known mm.",
    )
    distance_weight: float = Field(1.0, ge=0)
    order_weight: float = Field(1.0, ge=0)
    order_steepness: float = Field(1.0, gt=0, description="Yan et al.'s formula: 1; their released code: 2.")
    score_mm: float = Field(100.0, gt=0, description="Millimetres per unit of raw score that `mm` aims at.")
    augment: bool = Field(True, description="Random crop, zoom, turn, flip, field of view and intensity.")

    steps: int = Field(400, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1, description="Of sgd.")
    weight_decay: float = Field(1e-3, ge=0)
    warmup_steps: int = Field(30, ge=0)
    schedule: Literal["poly", "cosine", "constant"] = "cosine"
    ema_decay: float | None = Field(0.98, gt=0, lt=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    budget_minutes: float | None = Field(None, gt=0, description="Time limit of one training.")
    budget_clock: Literal["wall", "cpu"] = "wall"
    checkpoint_every: int = Field(100, ge=0)

    smooth_mm: float = Field(10.0, ge=0, description="Standard deviation of the smoothing of scores along z.")
    tolerance: float = Field(
        0.22,
        gt=0,
        description="A volume is flagged when its spacing is off by more than this part (bpreg: 0.28). Half-way, by "
        "ratio, between a right spacing and one that is half as much again.",
    )
    landmark_runs: tuple[str, ...] = Field(
        ("expert", "truth"), description="Runs whose points may teach the boundaries of regions."
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {**PRESETS.get(values.get("preset", "cpu"), {}), **values}

    @field_validator("window_hu", "landmark_runs", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @field_validator("budget_minutes", "ema_decay", mode="before")
    @classmethod
    def _none_word(cls, value: Any) -> Any:
        return None if isinstance(value, str) and value.casefold() == "none" else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window_hu[0] >= self.window_hu[1]:
            raise ValueError("window_hu must rise")
        if self.distance_weight == 0 and self.order_weight == 0:
            raise ValueError("order_weight and distance_weight cannot both be 0")
        return self

    def plan(self, *, seed: int) -> TrainingPlan:
        """The training plan."""
        return TrainingPlan(
            steps=self.steps,
            seed=seed,
            optimizer=self.optimizer,
            momentum=self.momentum,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
            schedule=self.schedule,
            ema_decay=self.ema_decay,
            precision=self.precision,
            budget_minutes=self.budget_minutes,
            budget_clock=self.budget_clock,
            checkpoint_every=self.checkpoint_every,
        )
