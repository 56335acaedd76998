"""Settings of anomaly detection, with their reasons."""

from __future__ import annotations

from typing import Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tumorboard.engine.schedule import TrainingPlan
from tumorboard.models.dual_autoencoder import halvings

__all__ = ["NETWORKS", "AnomalyConfig", "NetworkName"]

NetworkName = Literal["masked dual", "autoencoder", "denoising", "CT only"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
"""``masked dual``: CT, and the PET outside the suspicious region. ``autoencoder``: CT and the whole PET. ``denoising``:
the same, learnt from PET with coarse noise. ``CT only``: no PET."""


class AnomalyConfig(BaseModel):
    """Settings of one training, and of the cross-validation round it.

    Defaults train one network in about twenty seconds of one core; with the number of steps fixed, the result depends
    on the data and the seed alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    folds: int = Field(3, ge=2, description="Of the cross-validation by patient; fewer when there are fewer patients.")
    network: NetworkName = Field("masked dual", description="What `train` trains.")
    compare: tuple[NetworkName, ...] = Field(
        ("masked dual",), description="What the benchmark trains; all: masked dual,autoencoder,denoising,CT only."
    )

    grid_mm: float = Field(4.0, gt=0, description="A PET with finer voxels is worked on at this spacing.")
    guard_mm: float = Field(10.0, ge=0, description="Slices this near to a tumour are not normal.")
    ct_window_hu: tuple[float, float] = (-160.0, 240.0)

    mask_rule: Literal["suv", "percentile", "liver"] = Field(
        "suv",
        description="What is hidden from the network: uptake above `mask_suv`, above `mask_percentile` of normal soft "
        "tissue of the training patients, or above 1.5 x mean + 2 SD of the liver (as PERCIST).",
    )
    mask_suv: float = Field(2.5, gt=0)
    mask_percentile: float = Field(99.0, gt=50, lt=100)
    dilate_mm: float = Field(7.0, ge=0, description="The hidden region grows by about the PET's resolution.")
    most_masked: float = Field(
        0.6, gt=0, le=1, description="A slice whose body is hidden beyond this part is judged from CT alone."
    )

    widths: tuple[int, ...] = Field((8, 16, 32, 48), description="Channels per level, each half as fine.")
    patch_voxels: int = Field(48, ge=16)
    batch: int = Field(16, ge=1)
    most_exams: int = Field(60, ge=2, description="A training takes so many at random: they are held in memory.")
    steps: int = Field(200, ge=1)
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    warmup_steps: int = Field(20, ge=0)
    ema_decay: float | None = Field(0.98, gt=0, lt=1)
    scale_spread: float = Field(0.1, ge=0, description="SD of the log of a random factor on SUV in training.")
    shift_mm: float = Field(6.0, ge=0, description="Most that CT is moved against PET in training, each axis.")
    checkpoint_every: int = Field(100, ge=0)

    smooth_mm: float = Field(3.0, ge=0, description="SD of the Gaussian over every map, smoothed SUV among them.")
    slice_mm2: float = Field(300.0, gt=0, description="A slice's score is the mean over its highest area of this size.")
    calibration_patients: int = Field(
        4, ge=1, description="Training patients (at most a third) that the network does not see, for the probability."
    )
    threshold_patients: int = Field(8, ge=1, description="Training patients on whom the threshold of masks is chosen.")
    candidate_ml: float = Field(0.2, ge=0, description="Smaller pieces are no candidates.")
    insertions: bool = Field(True, description="Benchmark: sensitivity to lesions inserted into normal tissue.")
    stress: bool = Field(False, description="Benchmark: also with CT moved by 6 mm and with SUV 0.8 and 1.2 times.")

    @field_validator("ct_window_hu", "widths", "compare", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`8,16,32` of the command line."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.patch_voxels % self.edge_step:
            raise ValueError(f"patch_voxels must be a multiple of {self.edge_step}")
        if self.ct_window_hu[0] >= self.ct_window_hu[1]:
            raise ValueError("ct_window_hu must rise")
        return self

    @property
    def edge_step(self) -> int:
        """Edges of what the network is given are multiples of this many voxels."""
        return int(2 ** halvings(self.widths))

    def plan(self, *, seed: int) -> TrainingPlan:
        return TrainingPlan(
            steps=self.steps,
            seed=seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            warmup_steps=self.warmup_steps,
            schedule="cosine",
            ema_decay=self.ema_decay,
            precision="float32",
            checkpoint_every=self.checkpoint_every,
        )
