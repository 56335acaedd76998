"""Settings of lesion embeddings, with where they come from."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.schedule import TrainingPlan

__all__ = ["RetrievalConfig"]


class RetrievalConfig(BaseModel):
    """Settings of one training, and of the cross-validation round it.

    "Recalled" marks values that we remember of Yan et al. 2018 and could not read again; "ours" our own choices. The
    defaults train for a minute or two of one core; benchmarks/retrieval.py states those of the official figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    folds: int = Field(3, ge=2, description="Of the cross-validation by patient; each trains one network.")
    network: bool = Field(True, description="Learn an embedding; without it the baselines alone.")
    location: str = Field(
        "stated",
        description="Where relative locations come from: stated (by the data), none, or a body-part run of the cohort.",
    )
    dimensions: int = Field(64, ge=8, le=1024, description="Of the embedding (ours).")
    edge_px: int = Field(64, ge=32, description="Edge of the crops in pixels: 64 or 96 (ours).")
    spacing_mm: float = Field(1.0, gt=0, description="Pixels of the near crop.")
    context: int = Field(3, ge=1, le=4, description="How much wider the far crop is than the near one (ours).")
    slices: int = Field(3, ge=1, description="Slices of a crop, the middle one through the lesion's centre.")
    slice_step_mm: float = Field(2.0, gt=0, description="Between these slices.")
    channels: tuple[int, ...] = Field((16, 32, 48, 64), description="Of the network's stages (ours).")
    steps: int = Field(200, ge=1)
    sequences: int = Field(12, ge=2, description="Sequences A-B-C-D-E in a batch.")
    learning_rate: float = Field(2e-3, gt=0)
    margin_size: float = Field(0.1, ge=0, description="Of B before C (recalled).")
    margin_location: float = Field(0.2, ge=0, description="Of C before D (recalled).")
    margin_type: float = Field(0.4, ge=0, description="Of D before E (recalled).")
    near_location: float = Field(0.08, gt=0, description="Below: similar locations (ours; recalled 0.02).")
    far_location: float = Field(0.15, gt=0, description="Above: different locations (ours; recalled 0.1).")
    near_size: float = Field(0.25, gt=0, description="Largest |ln ratio| of both axes: similar sizes (ours).")
    far_size: float = Field(0.45, gt=0, description="Above: different sizes (ours).")
    type_weight: float = Field(0.5, ge=0, description="Of the type head's cross-entropy beside the sequences (ours).")
    jitter_px: int = Field(4, ge=0, description="Random shift of crops in training (ours).")
    relabel_rounds: int = Field(0, ge=0, description="Rounds in which untyped lesions get their neighbours' type.")
    relabel_agreement: float = Field(0.8, gt=0.5, le=1, description="Share of nine neighbours that must agree.")
    calibration_share: float = Field(
        0.15, ge=0, lt=0.5, description="Of the training patients, kept back to calibrate the types."
    )
    trees: int = Field(300, ge=10, description="Of the forest on place and size, a baseline of types.")
    resamples: int = Field(1000, ge=100, description="Bootstrap resamples of patients.")
    pictures: bool = True

    @field_validator("channels", mode="before")
    @classmethod
    def _split_numbers(cls, value: Any) -> Any:
        """`16,32` of the command line."""
        return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.near_location > self.far_location or self.near_size > self.far_size:
            raise ValueError("similar must end where different begins, or before")
        if self.slices % 2 == 0:
            raise ValueError("slices must be odd: the middle one goes through the lesion")
        return self

    def plan(self, *, seed: int) -> TrainingPlan:
        """The training plan of one round."""
        return TrainingPlan(
            steps=self.steps,
            seed=seed,
            learning_rate=self.learning_rate,
            weight_decay=1e-3,
            warmup_steps=min(20, 1 + self.steps // 5),
            schedule="cosine",
            ema_decay=0.98,
        )
