"""Settings of the prognosis task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["MODELS", "ON_IMAGES", "PrognosisConfig"]

MODELS = (
    "kaplan-meier",
    "volume",
    "sign-sum",
    "ridge-cox",
    "tuned-ridge-cox",
    "elastic-net-cox",
    "weibull",
    "survival-forest",
    "boosted-hazard",
    "logistic-hazard",
    "mtlr",
    "best-by-inner-folds",
)
"""In the order of the tables: the null model first, then from simple to complex."""
ON_IMAGES = ("radiomics-cox", "fusion-cox")
"""Models of image features, tried where a cohort has them. Networks on images (image-network, fusion-network,
fusion-ensemble, masked-crossmodal and its transductive form) train for minutes and are asked for by name."""


class PrognosisConfig(BaseModel):
    """What to predict, from what, and how to test it. Everything unsaid is chosen from the cohort and recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: tuple[str, ...] = Field((), description="endpoints to predict; empty: all with times and events")
    covariates: tuple[str, ...] = Field((), description="variables to use; empty: all of the data dictionary")
    models: tuple[str, ...] = Field((*MODELS, *ON_IMAGES), description="models to compare")
    folds: int = Field(5, ge=2, description="cross-validation folds, stratified on the event")
    inner_folds: int = Field(5, ge=2, description="folds inside the training part, for what is tuned")
    seed: int = Field(0, description="of the folds and of every random step")
    ridge: float = Field(1.0, gt=0, description="penalty of ridge-cox on standardised covariates")
    trees: int = Field(300, ge=1, description="trees of the survival forest")
    volume: str = Field("", description="variable with the tumour's volume; empty: found by unit and name")
    rare_below: int = Field(5, ge=1, description="levels of fewer training patients are pooled")
    horizons_days: tuple[float, ...] = Field((365.25, 730.5, 1826.25), description="for AUC and calibration")
    across_centres: tuple[str, ...] = Field(
        ("kaplan-meier", "ridge-cox", "survival-forest", "best-by-inner-folds"),
        description="models also tested with one centre left out at a time",
    )
    leaks: Literal["leave out", "keep"] = Field(
        "leave out", description="variables that tell the outcome (checks OUT211): left out and said so, or kept"
    )
    bound_of: str = Field(
        "ridge-cox", description="model that gets calibrated bounds on the event-free time; empty: none"
    )
    pictures: bool = Field(True, description="whether to draw the figures")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of patients")
    masked_crop: Literal["lesion", "lung", "whole"] = Field(
        "lesion", description="what masked-crossmodal sees of a CT: a box round the lesion, the lungs, or all of it"
    )
    masked_likelihood: Literal["hazard", "cox"] = Field("hazard", description="how masked-crossmodal learns times")
    masked_pretraining: int = Field(150, ge=0, description="steps of masked completion before masked-crossmodal learns")
    masked_steps: int = Field(160, ge=1, description="steps in which masked-crossmodal learns the outcomes")

    @field_validator("endpoints", "covariates", "models", "across_centres", "horizons_days", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`OS,RFS` of the command line."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("models")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from tumorboard.tasks.prognosis.models.registry import is_known

        unknown = [name for name in value if not is_known(name)]
        if unknown or not value:
            raise ValueError(f"no model {', '.join(unknown) or 'named'}; models: {', '.join(MODELS)}")
        return value
