"""Settings of tracking, with their reasons."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Alignment", "TrackingConfig"]

REGISTERED_MM, UNREGISTERED_MM = 25.0, 40.0
"""Distances up to which lesions are joined: places after a registration are off by a few mm, others by centimetres."""

Alignment = Literal["auto", "registration", "landmarks", "body part", "relative location", "none"]


class TrackingConfig(BaseModel):
    """How exams are aligned, what makes two lesions alike, and when they are joined.

    Distances are millimetres after alignment; differences of size and type are added as millimetres, so that one
    threshold decides. The defaults are rounded values found on DeepLesion's published validation pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    marks: str = Field("expert", description="Run that marked the lesions: expert, or a detector's.")
    alignment: Alignment = Field(
        "auto",
        description="auto: by pixels where there are any, else relative locations, else landmarks, else none.",
    )
    bodypart_run: str = Field("", description="Run of body-part scores that gives lesions and scans their level.")
    method: Literal["assignment", "graph"] = Field(
        "assignment", description="At most one lesion per exam and sequence, or the graph with a threshold alone."
    )
    threshold_mm: float | None = Field(
        None, gt=0, description="Lesions farther apart are not joined. None: 40, after a registration 25."
    )
    size_mm: float = Field(
        10.0, ge=0, description="Added per unit of the mean absolute log ratio of the axes (ratio 2: 0.7 units)."
    )
    type_mm: float = Field(20.0, ge=0, description="Added where types are known and differ; the graph never joins.")
    parts: bool = Field(True, description="Look for lesions that split in two or grew together, where boxes are 3-D.")
    embedding: str = Field("", description="Folder with embeddings of the lesions; then edges are their distances.")
    embedding_threshold: float = Field(0.5, gt=0, description="Embeddings farther apart are not joined.")
    grid_mm: float = Field(4.0, gt=0, description="Voxels of the registration.")
    least_overlap_mm: float = Field(40.0, gt=0, description="Less of the body in common is told as no overlap.")
    folds: int = Field(5, ge=2, description="Of the benchmark, by patient: thresholds come from the other folds.")
    seed: int = 0
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples of patients.")
    pictures: int = Field(4, ge=0, description="Patients whose graph and sequences the benchmark draws.")

    def threshold(self, *, registered: bool) -> float:
        """The threshold that holds: of embeddings where they are the edges, else in mm by how exams were aligned."""
        if self.embedding:
            return self.embedding_threshold
        return self.threshold_mm or (REGISTERED_MM if registered else UNREGISTERED_MM)
