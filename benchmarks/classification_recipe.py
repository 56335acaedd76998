"""The reference's own recipe for HPV status, with scikit-learn alone and nothing of this package.

Rows in file order with a known label; numbers by conversion, median and standardisation; words one-hot, missing a level
of its own, levels of fewer than 5 training rows pooled, unseen ones ignored; StratifiedKFold(5, shuffle, seed 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Recipe", "repeat"]

_MISSING = ["", "NA", "N/A", "Not Collected", "Not collected", "Unknown", "unknown", "Not Recorded In Database"]


@dataclass(frozen=True)
class Recipe:
    """Columns of a published table, and the cells of its label. `headings`: rows of heading."""

    numeric: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    label: str = ""
    positive: str = ""
    negative: str = ""
    headings: int = 1


def repeat(
    folder: Path, files: Sequence[str], recipe: Recipe, *, only: tuple[str, str] | None
) -> dict[str, tuple[float, float, float, float]]:
    """Model -> mean and SD over folds of AUC, mean and SD of balanced accuracy at 0.5."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    x, y = _table(folder, files, recipe, only)
    models = {
        "logistic": LogisticRegression(C=1, class_weight="balanced", max_iter=5000),
        "forest": RandomForestClassifier(500, min_samples_leaf=5, class_weight="balanced", random_state=0),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in models}
    for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(x, y):
        for name, model in models.items():
            numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
            levels = OneHotEncoder(min_frequency=5, handle_unknown="ignore", sparse_output=False)
            parts = [("numeric", numbers, list(recipe.numeric)), ("words", levels, list(recipe.words))]
            fitted = make_pipeline(ColumnTransformer(parts), model).fit(x.iloc[train], y[train])
            p = fitted.predict_proba(x.iloc[test])[:, 1]
            found[name].append((roc_auc_score(y[test], p), balanced_accuracy_score(y[test], p > 0.5)))
    out: dict[str, tuple[float, float, float, float]] = {}
    for name, pairs in found.items():
        mean, spread = np.mean(pairs, axis=0), np.std(pairs, axis=0, ddof=1)
        out[name] = (float(mean[0]), float(spread[0]), float(mean[1]), float(spread[1]))
    return out


def _table(folder: Path, files: Sequence[str], recipe: Recipe, only: tuple[str, str] | None) -> Any:
    import pandas as pd

    parts = []
    for file in files:
        heading = list(range(recipe.headings)) if recipe.headings > 1 else 0
        part = pd.read_csv(folder / file, header=heading, dtype=str, keep_default_na=False)
        if recipe.headings > 1:
            mine = [column for column in part.columns if column[0] in ("patient", "tumor")]
            part = part[mine].set_axis([column[-1] for column in mine], axis=1)
            part["sub3"] = part["subsite"].str[:3]
            part = part.apply(lambda column: column.str.lower() if set(column.str.lower()) <= _BOOLEAN else column)
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True).fillna("")
    if (folder / "hancock_pathological.csv").is_file() and "hancock" in files[0]:
        more = pd.read_csv(folder / "hancock_pathological.csv", dtype=str, keep_default_na=False)
        frame = frame.merge(more, on="patient_id")
    if only is not None:
        frame = frame[frame[only[0]] == only[1]]
    frame = frame[frame[recipe.label].isin([recipe.positive, recipe.negative])].reset_index(drop=True)
    x = pd.DataFrame(index=frame.index)
    for name in recipe.numeric:
        x[name] = pd.to_numeric(frame[name], errors="coerce")
    for name in recipe.words:
        x[name] = frame[name].where(~frame[name].isin(_MISSING), "missing")
    return x, (frame[recipe.label] == recipe.positive).to_numpy(int)


_BOOLEAN = {"true", "false", ""}
