"""Edges of sliding windows: no more windows than needed, and no larger ones."""

from __future__ import annotations

import pytest
from monai.data.utils import dense_patch_slices

from tumorboard.ops.sliding import fit_window


@pytest.mark.parametrize(
    ("voxels", "overlap", "edge"),
    [
        # By hand: 192 voxels need 3 windows of 96 at a quarter's overlap (steps of 72); 3 of 80 do it too (60, 60).
        (192, 0.25, 80),
        # 100 voxels at a half: 3 of 64 (steps of 32); 3 of 56 reach 28 + 28 + 56 = 112, 3 of 48 only 96.
        (100, 0.5, 56),
        (64, 0.5, 64),
        (40, 0.5, 40),
        (9, 0.5, 40),
        (41, 0.5, 48),
    ],
)
def test_by_hand(voxels: int, overlap: float, edge: int) -> None:
    largest = 96 if overlap == 0.25 else 64
    assert fit_window(voxels, smallest=40, largest=largest, step=8, overlap=overlap) == edge


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.5, 0.7])
def test_as_few_windows_as_the_largest_edge_needs(overlap: float) -> None:
    for voxels in range(1, 400, 7):
        edge = fit_window(voxels, smallest=32, largest=96, step=16, overlap=overlap)
        assert edge % 16 == 0 and 32 <= edge <= 96
        if voxels > 96:
            counts = [len(dense_patch_slices((voxels,), (e,), (max(int(e * (1 - overlap)), 1),))) for e in (edge, 96)]
            assert counts[0] == counts[1]
        else:
            assert edge >= min(voxels, 96)
