"""ROC, reliability, confusion, abstention and decision curves, out of fold, as PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.io.files import atomic_write_bytes
from tumorboard.metrics.classification import confusion
from tumorboard.metrics.classification.abstention import risk_coverage
from tumorboard.metrics.classification.calibration import reliability
from tumorboard.metrics.classification.decision import decision_curve
from tumorboard.metrics.classification.ranking import auc, roc_points
from tumorboard.tasks.result import Picture

__all__ = ["draw_all"]

Joined = tuple[NDArray[Any], ...]
"""Of all patients out of fold: class numbers (n,), probabilities (n, k), told (n,), order (n,) of answers."""
_BINS = 8
_SHOWS = {
    "confusion": "Known classes against predicted ones",
    "abstention": "Share of right answers against the share of patients answered",
    "roc": "Sensitivity against 1 - specificity",
    "reliability": "Predicted probability against the observed share",
    "decision": "Net benefit against the threshold of treating",
}


def draw_all(
    folder: Path,
    *,
    endpoint: str,
    classes: Sequence[str],
    models: Mapping[str, Joined],
    coverage: float,
) -> list[Picture]:
    """Write the pictures of an endpoint below `folder`; ROC, reliability and decision curves only for two classes."""
    drawn: dict[str, Callable[[Any], None]] = {
        "confusion": lambda axes: _confusion(axes, classes, list(models.items())[-1]),
        "abstention": lambda axes: _abstention(axes, models, coverage),
    }
    if len(classes) == 2:
        drawn |= {
            "roc": lambda axes: _roc(axes, models),
            "reliability": lambda axes: _reliability(axes, classes[1], models),
            "decision": lambda axes: _decision(axes, models),
        }
    stem = re.sub(r"[^A-Za-z0-9]+", "-", endpoint).strip("-").lower() or "endpoint"
    written = []
    for name, draw in drawn.items():
        path = folder / f"{stem}-{name}.png"
        atomic_write_bytes(path, _png(draw, endpoint))
        alt = f"{_SHOWS[name]}, {endpoint}, out of fold, models {', '.join(models)}"
        written.append(Picture(path, f"{endpoint}: {name}", alt))
    return written


def _png(draw: Callable[[Any], None], endpoint: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(f"{endpoint}, out of fold: {axes.get_title()}", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def _roc(axes: Any, models: Mapping[str, Joined]) -> None:
    for name, (y, p, _, _) in models.items():
        points = roc_points(y == 1, p[:, 1])
        x, height = [1 - point.specificity for point in points], [point.sensitivity for point in points]
        axes.plot(x, height, label=f"{name}, AUC {auc(y == 1, p[:, 1]):.3f} (all folds together)")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC curve", aspect="equal")
    axes.legend(fontsize=8, loc="lower right", frameon=False)


def _reliability(axes: Any, positive: str, models: Mapping[str, Joined]) -> None:
    for name, (y, p, _, _) in models.items():
        bins = reliability(y == 1, p[:, 1], bins=_BINS, equal="mass")
        n = np.array([b.n for b in bins])
        share = np.array([b.share_positive for b in bins])
        error = 1.96 * np.sqrt(np.maximum(share * (1 - share), 0.25 / n) / n)
        low, high = np.minimum(error, share), np.minimum(error, 1 - share)
        axes.errorbar([b.mean_probability for b in bins], share, [low, high], marker="o", markersize=3, linewidth=1,
                      elinewidth=0.6, label=name)  # fmt: skip
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axes.set(xlabel=f"probability of {positive}", ylabel=f"share {positive}", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_title(f"reliability in {_BINS} bins of equal size")
    axes.legend(fontsize=8, loc="upper left", frameon=False)


def _confusion(axes: Any, classes: Sequence[str], model: tuple[str, Joined]) -> None:
    name, (y, _, told, _) = model
    counts = confusion(y.tolist(), told.tolist(), classes=range(len(classes)))[:, : len(classes)]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(classes)):
        for column in range(len(classes)):
            text = f"{counts[row, column]}\n{shares[row, column]:.0%}"
            shade = "white" if shares[row, column] > 0.55 else "black"
            axes.text(column, row, text, ha="center", va="center", color=shade)
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="told", ylabel="truth", title=f"confusion, {name}")


def _abstention(axes: Any, models: Mapping[str, Joined], coverage: float) -> None:
    for name, (y, _, told, order) in models.items():
        points = [p for p in risk_coverage(y, told, order) if p.n >= 10]
        (line,) = axes.plot(
            [p.coverage for p in points], [p.balanced_accuracy for p in points], marker="o", markersize=3, label=name
        )
        axes.axhline(points[-1].balanced_accuracy, color=line.get_color(), linewidth=0.5, linestyle=":")
    axes.axvline(coverage, color="0.7", linewidth=0.8)
    axes.set(xlabel="share of the patients answered, surest first", ylabel="balanced accuracy of the answered")
    axes.set(xlim=(0, 1.02), title="abstention (dotted: everybody answered)")
    axes.legend(fontsize=8, frameon=False)


def _decision(axes: Any, models: Mapping[str, Joined]) -> None:
    thresholds = np.linspace(0.02, 0.98, 97)
    first = next(iter(models.values()))
    everybody = [p.everybody for p in decision_curve(first[0] == 1, first[1][:, 1], thresholds=thresholds)]
    top = float(np.mean(first[0] == 1))
    for name, (y, p, _, _) in models.items():
        points = decision_curve(y == 1, p[:, 1], thresholds=thresholds)
        axes.plot(thresholds, [point.model for point in points], label=name)
    axes.plot(thresholds, everybody, color="0.5", linewidth=0.8, label="everybody positive")
    axes.axhline(0, color="0.2", linewidth=0.8, label="nobody positive")
    axes.set(
        xlabel="threshold of the probability", ylabel="net benefit per patient", ylim=(-0.1 * top - 0.02, 1.1 * top)
    )
    axes.set_title("decision curve")
    axes.legend(fontsize=8, frameon=False)
