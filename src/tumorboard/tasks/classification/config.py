"""Settings of the classification task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["ClassificationConfig"]


class ClassificationConfig(BaseModel):
    """What to predict, from what, and how to test it. Everything unsaid is chosen from the cohort and recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: tuple[str, ...] = Field((), description="endpoints to predict; empty: all with classes")
    positive: str = Field("", description="the class that probabilities speak of; empty: by its name, else the rarer")
    covariates: tuple[str, ...] = Field((), description="variables to use; empty: all of the data dictionary")
    keep: tuple[str, ...] = Field((), description="variables to use although they give the label away")
    n_stage: Literal["presence", "as-published", "drop"] = Field(
        "presence", description="in HPV models: N stages that may depend on p16 (TNM 8) as N0 or nodes"
    )
    models: tuple[str, ...] = Field((), description="models to compare; empty: all")
    folds: int = Field(5, ge=2, description="cross-validation folds, stratified on the class")
    inner_folds: int = Field(5, ge=2, description="folds inside the training part, for what is tuned or calibrated")
    seed: int = Field(0, description="of the folds and of every random step")
    rare_below: int = Field(5, ge=1, description="levels of fewer training patients are pooled")
    penalty: float = Field(1.0, gt=0, description="inverse strength C of logistic's ridge on standardised covariates")
    trees: int = Field(200, ge=10, description="of the forest")
    calibration: Literal["platt", "temperature", "isotonic", "none"] = Field(
        "platt", description="fitted on inner folds of the training part"
    )
    prior: Literal["training", "transductive"] = Field(
        "training",
        description="class shares of a left-out centre: as in training, or estimated from its unlabelled patients",
    )
    coverage: float = Field(0.5, gt=0, le=1, description="share of patients to answer where abstention is reported")
    abstain: bool = Field(False, description="predict: give no class to patients beyond `coverage`")
    miss: float = Field(0.1, gt=0, lt=0.5, description="share of each class that conformal sets may miss")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of patients, within their class")
    pictures: bool = Field(True, description="draw ROC, reliability, confusion, abstention and decision curves")

    @field_validator("endpoints", "covariates", "keep", "models", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`HPV,T stage` of the command line."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from tumorboard.tasks.classification.models.registry import is_known, names

        unknown = [name for name in value if not is_known(name)]
        if unknown:
            raise ValueError(f"no model {', '.join(unknown)}; models: {', '.join(names())}")
        return value
