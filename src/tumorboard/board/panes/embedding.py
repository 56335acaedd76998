"""The vectors of the newest retrieval run in the plane, coloured by type."""

from __future__ import annotations

from tumorboard.board.cohort_facts import CohortFacts
from tumorboard.board.panes import Pane

__all__ = ["pane"]


def pane(facts: CohortFacts) -> Pane | None:
    board = facts.board
    points = board.plane_map
    if points is None or board.similar is None or points.shares is None:
        return None
    values = {
        "run": board.similar.run,
        "points": len(points.labels),
        "left_out": points.left_out,
        "dimensions": board.similar.vectors.shape[1],
        "shares": points.shares.tolist(),
    }
    return Pane("embedding", "Map of the vectors", values, points.data(board.names))
