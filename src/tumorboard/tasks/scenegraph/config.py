"""Settings of the scene graph task."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

__all__ = ["SceneGraphConfig"]


class SceneGraphConfig(BaseModel):
    """Which lexicon reads, what becomes rows, and how sources are compared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lexicon: str = Field("chest-xray", description="lexicon of the reader")
    sections: tuple[str, ...] = Field((), description="sections to read; empty: all")
    closure: bool = Field(False, description="add rows for what follows: yes upwards, no downwards")
    report: Literal["last", "any"] = Field(
        "last", description="at report level the last mention decides, or any yes wins"
    )
    uncertain: Literal["auto", "keep", "yes", "no"] = Field(
        "auto", description="how doubt is scored; auto: as yes where the reference has no doubt of its own"
    )
    labeler: str = Field("", description="command of an external labeler (JSON in, JSON out)")
    labeler_seconds: float = Field(600.0, gt=0, description="time that the labeler has")
    seed: int = Field(0, description="of the bootstrap intervals")
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of patients")

    @field_validator("sections", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        """`findings,impression` of the command line."""
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
