"""Settings of response to treatment."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tumorboard.metrics.response import Rules

__all__ = ["ResponseConfig"]


class ResponseConfig(BaseModel):
    """How lesions are measured and which of the standard's choices are made. What is chosen is recorded in the rows."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measure: Literal["marks", "masks"] = Field(
        default="marks", description="axes as marked (and from masks where there is no mark), or all from masks"
    )
    marks: Literal["complete", "partial", ""] = Field(
        default="",
        description="complete: a lesion without a mark is gone, one that turns up later is new; partial: neither is "
        "said; empty: partial for key slices of DeepLesion, else complete",
    )
    outside: Literal["new", "ignored"] = Field(
        default="new",
        description="a lesion first seen where the baseline did not look: new (RECIST's letter), or ignored",
    )
    least_new_mm: float = Field(
        default=5.0,
        ge=0,
        description="smaller ones may have been missed before: equivocal, not new until they reach it",
    )
    field_margin_mm: float = Field(
        default=5.0, ge=0, description="nearer to the edge of the images nothing is said to be gone"
    )
    anchors: str = Field(
        default="", description="run whose named points (landmarks) align the exams beside the lesions"
    )
    thick_slices: bool = Field(
        default=True, description="targets must be twice the slice interval where it is above 5 mm"
    )
    bone_targets: bool = Field(default=True, description="bone lesions may be targets (soft-tissue part measured)")
    non_target_growth: float | None = Field(
        default=None, gt=0, description="growth of the sum of non-targets that is progression; none: a reader says so"
    )
    confirm_days: float | None = Field(
        default=None, gt=0, description="CR and PR count when seen again after so many days"
    )
    least_stable_days: float = Field(default=0.0, ge=0, description="SD counts from this day on")
    immunotherapy: bool = Field(
        default=False, description="also give responses by iRECIST, where progression must be confirmed"
    )
    axis_error_mm: float = Field(
        default=1.0, gt=0, description="standard deviation of a measured axis, for doubling times"
    )

    def rules(self) -> Rules:
        return Rules(
            thick_slices_mm=5.0 if self.thick_slices else float("inf"), non_target_growth=self.non_target_growth
        )
