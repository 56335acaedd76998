"""Ensembles of trees: grown by scikit-learn, kept and walked as plain arrays (no pickle)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.tasks.classification.models.linear import softmax
from tumorboard.tasks.classification.models.registry import State, add_model
from tumorboard.tasks.classification.patients import Patients, Training

__all__ = ["Trees"]

Floats = NDArray[np.float64]
_AT_ONCE = 1_000_000
"""Patients times trees that are walked together."""


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees in one list. `feature` (nodes,): column to look at, -1 in a leaf; `threshold` (nodes,): go to
    `left` when x <= it, else to `right` (node numbers); `value` (nodes, k): what a leaf says; `roots` (trees,).

    `link` ``mean``: leaves hold shares of the classes, averaged over trees; ``sum``: they hold log weights, added to
    `start` (k,).
    """

    feature: Floats
    threshold: Floats
    left: Floats
    right: Floats
    value: Floats
    roots: Floats
    start: Floats
    link: str

    def probabilities(self, patients: Patients) -> Floats:
        return self.of_matrix(patients.x)

    def of_matrix(self, x: Floats) -> Floats:
        """(n, k) from covariates (n, p)."""
        single = x.astype(np.float32).astype(np.float64) if self.link == "mean" else x  # as scikit-learn's forests do
        trees = len(self.roots)
        step = max(1, _AT_ONCE // max(trees, 1))
        parts = [self._leaves(single[i : i + step]) for i in range(0, len(x), step)]
        total = np.concatenate(parts) if parts else np.zeros((0, self.value.shape[1]))
        return total / trees if self.link == "mean" else softmax(total + self.start)

    def _leaves(self, x: Floats) -> Floats:
        """Sum over trees of what their leaves say (n, k): all patients go down all trees side by side."""
        feature, left, right = (part.astype(np.int64) for part in (self.feature, self.left, self.right))
        node = np.tile(self.roots.astype(np.int64), len(x))
        row = np.repeat(np.arange(len(x)), len(self.roots))
        under_way = np.flatnonzero(feature[node] >= 0)
        while len(under_way):
            at = node[under_way]
            low = x[row[under_way], feature[at]] <= self.threshold[at]
            node[under_way] = np.where(low, left[at], right[at])
            under_way = under_way[feature[node[under_way]] >= 0]
        total: Floats = self.value[node].reshape(len(x), len(self.roots), -1).sum(axis=1)
        return total

    def state(self) -> State:
        names = ("feature", "threshold", "left", "right", "value", "roots", "start")
        return {"link": self.link}, {name: getattr(self, name) for name in names}


def _restore(settings: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Trees:
    return Trees(**arrays, link=str(settings["link"]))


def _joined(parts: list[dict[str, Floats]], start: Floats, link: str) -> Trees:
    """Trees with node numbers of their own, as one list."""
    firsts = np.cumsum([0, *(len(part["feature"]) for part in parts[:-1])]).astype(float)
    for part, first in zip(parts, firsts, strict=True):
        part["left"], part["right"] = part["left"] + first, part["right"] + first
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Trees(**columns, roots=firsts, start=start, link=link)


def _fit_forest(training: Training) -> Trees:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        training.config.trees, min_samples_leaf=5, class_weight="balanced", random_state=training.config.seed, n_jobs=1
    ).fit(training.patients.x, training.y)
    k = len(training.classes)
    parts = []
    for tree in (one.tree_ for one in forest.estimators_):
        value = np.zeros((tree.node_count, k))
        value[:, forest.classes_] = tree.value[:, 0, :] / tree.value[:, 0, :].sum(axis=1, keepdims=True)
        feature = np.where(tree.children_left < 0, -1, tree.feature).astype(float)
        left, right = tree.children_left.astype(float), tree.children_right.astype(float)
        parts.append(
            {"feature": feature, "threshold": tree.threshold.copy(), "left": left, "right": right, "value": value}
        )
    return _joined(parts, np.zeros(k), "mean")


def _fit_boosted(training: Training) -> Trees:
    """Few, shallow, strongly shrunk trees: tables of this size do not carry more."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    booster = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.05, max_leaf_nodes=5, min_samples_leaf=10, l2_regularization=5.0,
        class_weight="balanced", early_stopping=False, random_state=training.config.seed,
    ).fit(training.patients.x, training.y)  # fmt: skip
    k, present = len(training.classes), booster.classes_
    outputs = present[1:] if len(present) == 2 else present
    parts = []
    for iteration in booster._predictors:
        for output, predictor in zip(outputs, iteration, strict=True):
            nodes = predictor.nodes
            value = np.zeros((len(nodes), k))
            value[:, output] = np.where(nodes["is_leaf"], nodes["value"], 0.0)
            parts.append(
                {
                    "feature": np.where(nodes["is_leaf"], -1, nodes["feature_idx"]).astype(float),
                    "threshold": nodes["num_threshold"].astype(float),
                    "left": nodes["left"].astype(float),
                    "right": nodes["right"].astype(float),
                    "value": value,
                }
            )
    start = np.full(k, -30.0)
    start[present] = 0.0
    start[outputs] = booster._baseline_prediction.ravel()
    return _joined(parts, start, "sum")


def _needs(training: Training) -> str:
    few = np.bincount(training.y, minlength=2).max() == len(training.y)
    return "two classes" if few else "variables that vary" if not training.patients.x.shape[1] else ""


add_model(
    "forest",
    "random forest, classes weighted equally, leaves of 5 or more (scikit-learn)",
    _fit_forest,
    lacks=_needs,
    restore=_restore,
)
add_model(
    "boosted",
    "gradient-boosted trees of 5 leaves, classes weighted equally (scikit-learn)",
    _fit_boosted,
    lacks=_needs,
    restore=_restore,
)
