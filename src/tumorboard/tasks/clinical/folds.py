"""Who trains and who tests: folds of patients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["centre_folds", "stratified_folds"]

Indices = NDArray[np.int64]


def stratified_folds(label: ArrayLike, *, folds: int, seed: int) -> list[Indices]:
    """Test indices of each fold; every fold has its share of each label (scikit-learn's StratifiedKFold, shuffled).
    The same labels and seed give the same folds."""
    from sklearn.model_selection import StratifiedKFold

    label = np.asarray(label)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [test for _, test in splitter.split(np.zeros(len(label)), label)]


def centre_folds(centres: Sequence[Any]) -> dict[str, Indices]:
    """Centre -> test indices, for leave-one-centre-out; patients without a centre form one of their own."""
    named = np.array([centre or "(none)" for centre in centres])
    return {str(name): np.flatnonzero(named == name) for name in np.unique(named)}
