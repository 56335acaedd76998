"""What a reader noticed, counted by code: a release of 242,072 graphs has too many oddities for one line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from tumorboard.core.errors import Code

__all__ = ["Problems"]

_SEVERITY = ("CIG101", "CIG108", "CIG117", "CIG112", "CIG114", "CIG106", "CIG105", "CIG107")
"""The codes that name an image's problem before all others, worst first."""


@dataclass
class Problems:
    """Counts and the first place of each code, in all and for the image under way."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    image: dict[str, int] = field(default_factory=dict)

    def add(self, code: Code, where: str, words: str) -> None:
        """Note one finding of `code`."""
        self.counts[code.id] = self.counts.get(code.id, 0) + 1
        self.image[code.id] = self.image.get(code.id, 0) + 1
        if code.id not in self.first:
            self.first[code.id] = f"{where}: {words}"[:200]
            self.titles[code.id] = code.title

    def next_image(self) -> dict[str, int]:
        """Counts of the image that ends here; those of the next one begin."""
        found, self.image = self.image, {}
        return found

    def notes(self) -> list[str]:
        """One line per code for a cohort's provenance."""
        return [
            f"{code} {self.titles[code]}: {count} times, first {self.first[code]}"
            for code, count in sorted(self.counts.items())
        ]

    @staticmethod
    def worst(found: Iterable[str]) -> str | None:
        """The code that an image's row names."""
        listed = sorted(found, key=lambda code: (_SEVERITY.index(code) if code in _SEVERITY else 99, code))
        return listed[0] if listed else None
