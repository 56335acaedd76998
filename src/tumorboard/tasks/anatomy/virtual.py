"""Virtual X-rays to learn from: every box is known on them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tumorboard.tasks.anatomy.prepare import MARGIN, Sample, sample_of

__all__ = ["virtual_samples"]

_FIRST_SEED = 7_000_000_000
"""Patients of a training are not those of a virtual cohort, whose seeds are small numbers."""


def virtual_samples(
    count: int, *, seed: int, edge: int, progress: Callable[[float], None] | None = None
) -> list[Sample]:
    """`count` virtual patients, healthy and ill, one X-ray each, for a network of input `edge`; the same seed, the same
    patients."""
    from tumorboard.phantom.chest import draw_chest_patient, take

    samples = []
    for number in range(count):
        patient = draw_chest_patient(_FIRST_SEED + seed, number, exams=1)
        drawn = take(patient, 0, size=round(edge * MARGIN))
        lungs = np.stack([drawn.lungs[side] for side in ("right", "left")])
        samples.append(
            sample_of(drawn.image, lungs=lungs, boxes=drawn.boxes, edge=edge, patient_id=f"virtual-{number}")
        )
        if progress is not None:
            progress((number + 1) / count)
    return samples
