"""A made-up cohort with a known law of HPV status, and its parts."""

from __future__ import annotations

from typing import Any

import numpy as np

from tumorboard.core.cohort import Cohort
from tumorboard.core.tables import EXPERT
from tumorboard.core.variables import Kind, Variable

VARIABLES = (
    Variable("packs", Kind.NUMERIC, baseline=True),
    Variable("subsite", Kind.CATEGORICAL, baseline=True),
    Variable("alcohol", Kind.BOOLEAN, baseline=True),
    Variable("later", Kind.NUMERIC),
)


def build(n: int = 160, *, seed: int = 1, centres: int = 1, more: dict[str, list[Any]] | None = None,
          variables: tuple[Variable, ...] = (), endpoint: str = "HPV", permute: bool = False) -> Cohort:  # fmt: skip
    """Smoking and subsite tell the status with an AUC of about 0.85; `later` follows it without being a baseline."""
    rng = np.random.default_rng(seed)
    packs = rng.gamma(1.0, 25.0, n)
    subsite = rng.choice(["tonsil", "base of tongue", "wall"], n, p=[0.5, 0.3, 0.2])
    alcohol = rng.random(n) < 0.4
    logit = 1.6 - 0.05 * packs + np.where(subsite == "wall", -2.0, 0.6) - 0.6 * alcohol
    positive = rng.random(n) < 1 / (1 + np.exp(-logit))
    if permute:
        positive = rng.permutation(positive)
    columns: dict[str, list[Any]] = {
        "patient_id": [f"P{i:04d}" for i in rng.permutation(n)],
        "centre": [f"C{i % centres}" for i in range(n)],
        "age_years": np.round(rng.normal(60, 9, n), 1).tolist(),
        "packs": [None if rng.random() < 0.1 else round(float(v), 1) for v in packs],
        "subsite": subsite.tolist(),
        "alcohol": [bool(a) for a in alcohol],
        "later": (positive * 2.0 + rng.normal(0, 0.2, n)).tolist(),
        **{name: values for name, values in (more or {}).items()},
    }
    if more and "leaky" in more:
        columns["leaky"] = [("HPV+" if p else "G2") for p in positive]
    if more and "future" in more:
        columns["future"] = (positive * 3.0 + rng.normal(0, 0.5, n)).tolist()
    outcomes = [
        {"patient_id": p, "endpoint": endpoint, "run_id": EXPERT, "class_value": "positive" if y else "negative"}
        for p, y in zip(columns["patient_id"], positive, strict=True)
    ]
    return Cohort.build("made up", patients=columns, outcomes=outcomes, dictionary=[*VARIABLES, *variables])

