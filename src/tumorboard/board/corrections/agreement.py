"""How far two readers agree: on what both judged, and on the masks of exams that both corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tumorboard.board.corrections.journal import Entry, last_words, run_of
from tumorboard.core.cohort import Cohort
from tumorboard.metrics.graph import Agreement, agreement
from tumorboard.metrics.overlap import dice_of_counts

__all__ = ["Readers", "compare_readers"]


@dataclass(frozen=True)
class Readers:
    """`findings`: share of equal verdicts and Cohen's kappa over what both judged (None: nothing in common);
    `verdicts`: target -> what each said; `dice`: exam and label -> Dice of their masks."""

    findings: Agreement | None
    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    dice: dict[tuple[str, str], float | None] = field(default_factory=dict)


def compare_readers(entries: Sequence[Entry], first: str, second: str, *, cohort: Cohort | None = None) -> Readers:
    """Two authors' last words compared; with `cohort` (where their runs are), their masks too."""
    words = [last_words([entry for entry in entries if entry.author == author]) for author in (first, second)]
    common = [key for key in words[0] if key in words[1] and key[2] != "mask"]
    said = [[reader[key].kind for key in common] for reader in words]
    patients = [words[0][key].patient_id for key in common]
    found = agreement(said[0], said[1], groups=patients) if common else None
    verdicts = {" ".join(key): (a, b) for key, a, b in zip(common, said[0], said[1], strict=True)}
    return Readers(found, verdicts, {} if cohort is None else _dice(cohort, run_of(first), run_of(second)))


def _dice(cohort: Cohort, first: str, second: str) -> dict[tuple[str, str], float | None]:
    theirs = {row["exam_id"]: row for row in cohort.rows("images", run_id=second, role="mask")}
    scores: dict[tuple[str, str], float | None] = {}
    for row in cohort.rows("images", run_id=first, role="mask"):
        other = theirs.get(row["exam_id"])
        if other is None:
            continue
        a, b = cohort.image(row["image_id"]), cohort.image(other["image_id"])
        a.require_same_grid(b, where=f"exam {row['exam_id']}")
        for value, name in (row["labels"] or {}).items():
            mine, yours = a.array == value, b.array == value
            counts = (float(mine.sum()), float(yours.sum()), float(np.logical_and(mine, yours).sum()))
            scores[row["exam_id"], name] = dice_of_counts(*counts)
    return scores
