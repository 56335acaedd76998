"""Which training patients choose the weights, and by what: the figures of the challenge itself.

The patients that choose are held out of training; the patients that are scored in the end choose nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.metrics.official.hecktor2025 import SegmentationRules2025
from tumorboard.metrics.overlap import dice_of_counts
from tumorboard.ops.sliding import slide
from tumorboard.tasks.segmentation.cases import Case
from tumorboard.tasks.segmentation.postprocess import labels_of

if TYPE_CHECKING:
    from torch.nn import Module

__all__ = ["challenge_score", "inner_split", "scorer"]

Labels = NDArray[np.uint8]
_HEAD_AND_NECK = ("GTVp", "GTVn")


def inner_split(cases: Sequence[Case], share: float, *, seed: int) -> tuple[list[Case], list[Case]]:
    """(to train on, to choose by): a `share` of the patients, rounded up, with all their exams; none for 0."""
    patients = sorted({case.patient_id for case in cases})
    count = min(int(np.ceil(share * len(patients))), len(patients) - 1)
    chosen = {patients[i] for i in np.random.default_rng(seed).permutation(len(patients))[:count]}
    return [c for c in cases if c.patient_id not in chosen], [c for c in cases if c.patient_id in chosen]


def challenge_score(pairs: Sequence[tuple[Labels, Labels]], structures: Sequence[str], spacing_mm: float) -> float:
    """One number for (truth, answer) label maps of several patients, higher is better.

    GTVp and GTVn: HECKTOR 2025's three figures (mean Dice of GTVp, aggregated Dice and aggregated F1 of GTVn), the two
    of GTVn sharing one vote as in its ranking. Other structures: Dice, mean over patients, then over structures; a
    patient without the structure on both sides says nothing.
    """
    if tuple(structures) == _HEAD_AND_NECK:
        rules = SegmentationRules2025()
        counts: Counter[str] = Counter()
        for number, (truth, answer) in enumerate(pairs):
            counts.update(rules.count(truth, answer, spacing_mm=(spacing_mm,) * 3, where=f"validation {number}"))
        parts = ("gtvp_dice", "gtvp_patients"), ("gtvn_tp2", "gtvn_sum"), ("lesions_tp2", "lesions_sum")
        primary, overlap, lesions = (counts[a] / counts[b] if counts[b] else 1.0 for a, b in parts)
        return float((primary + (overlap + lesions) / 2) / 2)
    means = []
    for value in range(1, len(structures) + 1):
        found = [_dice(truth == value, answer == value) for truth, answer in pairs]
        defined = [dice for dice in found if dice is not None]
        means += [float(np.mean(defined))] if defined else []
    return float(np.mean(means)) if means else 0.0


def scorer(
    arrays: Sequence[NDArray[np.float32]], structures: Sequence[str], *, spacing_mm: float, window: int, inputs: int = 2
) -> Callable[[Module], float]:
    """`challenge_score` of a network on whole cases (inputs + structures, i, j, k), on their working grid, in windows
    of `window` voxels that touch each other."""

    def score(network: Module) -> float:
        pairs = []
        for array in arrays:
            answer = _predictor(network)
            edges = (window,) * 3
            found = slide(answer, np.asarray(array[:inputs]), window=edges, overlap=0, outputs=len(structures) + 1)
            pairs.append((_labels(np.asarray(array[inputs:])), labels_of(found[1:])))
        return challenge_score(pairs, structures, spacing_mm)

    return score


def _predictor(network: Module) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    import torch

    device = next(network.parameters()).device

    def answer(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = network(torch.from_numpy(batch).to(device)).float().softmax(1).cpu().numpy()
        return found

    return answer


def _labels(shares: NDArray[np.float32]) -> Labels:
    """The structure that fills more than half of a voxel."""
    labels = np.zeros(shares.shape[1:], np.uint8)
    for value, share in enumerate(shares, start=1):
        labels[share > 0.5] = value
    return labels


def _dice(truth: NDArray[Any], answer: NDArray[Any]) -> float | None:
    return dice_of_counts(float(truth.sum()), float(answer.sum()), float((truth & answer).sum()))
