"""Makes `hard` importable, and brings a small ontology of the chest."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tumorboard.core.chest import PART_OF
from tumorboard.tasks.scenegraph.ontology import Ontology

sys.path.insert(0, str(Path(__file__).parent))

LUNG = frozenset(f"{side} {part}" for side in ("right", "left") for part in ("lung", "lower lung zone", "apical zone"))


@pytest.fixture(scope="session")
def chest() -> Ontology:
    """Consolidation and atelectasis are lung opacities; a line belongs to the svc or the right atrium."""
    return Ontology(
        parents={"consolidation": ("lung opacity",), "atelectasis": ("lung opacity",)},
        wholes=PART_OF,
        allowed={"enlarged cardiac silhouette": frozenset({"cardiac silhouette"}), "lung opacity": LUNG},
        name="test",
    )
