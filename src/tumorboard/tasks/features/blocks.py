"""Which modality a variable comes from, and which modalities a patient's record holds.

A record may carry the column `withheld`: modalities that predictions must do without, as if they had never been
acquired; curves of missingness are made with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.variables import Variable
from tumorboard.tasks.clinical.encoding import MISSING, as_level
from tumorboard.tasks.features.modalities import CLINICAL, MODALITIES

__all__ = ["IMAGE_FEATURE", "WITHHELD", "block_of", "known_blocks", "withheld", "without_withheld"]

IMAGE_FEATURE = "image feature"
"""Note of a variable that was measured in an image; its prefix says in which."""
WITHHELD = "withheld"
_PREFIXES = {"pet": "PET", "ct": "CT", "dose": "dose", "mask": "mask"}


def block_of(variable: Variable) -> str:
    """The modality of a variable, one of `MODALITIES`."""
    if variable.note != IMAGE_FEATURE:
        return CLINICAL
    return _PREFIXES.get(variable.name.split("_")[0], "mask")


def withheld(record: Mapping[str, Any]) -> frozenset[str]:
    """Modalities that must not be used of this record."""
    return frozenset(str(record.get(WITHHELD) or "").split())


def without_withheld(rows: Sequence[Mapping[str, Any]], variables: Sequence[Variable]) -> list[Mapping[str, Any]]:
    """The records with every value of a modality that is withheld taken away."""
    found: list[Mapping[str, Any]] = []
    for row in rows:
        gone = withheld(row)
        lost = {v.name: None for v in variables if block_of(v) in gone} if gone else {}
        found.append({**row, **lost} if lost else row)
    return found


def known_blocks(rows: Sequence[Mapping[str, Any]], variables: Sequence[Variable]) -> NDArray[np.bool_]:
    """(n, modalities) whether a record holds at least one value of a modality that is not withheld."""
    by_block: dict[str, list[Variable]] = {name: [] for name in MODALITIES}
    for variable in variables:
        by_block[block_of(variable)].append(variable)
    known = np.zeros((len(rows), len(MODALITIES)), bool)
    for i, row in enumerate(rows):
        gone = withheld(row)
        for j, name in enumerate(MODALITIES):
            known[i, j] = name not in gone and any(_is_known(row.get(v.name), v) for v in by_block[name])
    return known


def _is_known(cell: Any, variable: Variable) -> bool:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return False
    return not isinstance(cell, str) or as_level(cell, variable) != MISSING
