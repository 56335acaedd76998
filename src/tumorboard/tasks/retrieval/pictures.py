"""Pictures of a benchmark: rows of similar lesions, the map of the vectors, the confusion of types, as PNG."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tumorboard.core.lesion import LESION_TYPES
from tumorboard.io.files import atomic_write_bytes
from tumorboard.tasks.result import Picture
from tumorboard.tasks.retrieval.config import RetrievalConfig

if TYPE_CHECKING:
    from tumorboard.tasks.retrieval.benchmark import Fold
    from tumorboard.tasks.retrieval.scoring import Answers

__all__ = ["draw_all"]

_QUERIES, _HITS = 8, 9
_WINDOWS_HU = {"lung": (-1350.0, 150.0), "bone": (-450.0, 1050.0)}
_SOFT_HU = (-175.0, 275.0)
_COLOURS = ("#4477aa", "#228833", "#ee6677", "#ccbb44", "#66ccee", "#aa3377", "#999999", "#000000")
_MOST_POINTS = 2000


def draw_all(
    folder: Path, folds: Sequence[Fold], found: Mapping[str, Answers], *, config: RetrievalConfig
) -> tuple[Picture, ...]:
    """Rows of similar lesions and the map of the vectors of the first fold, and the confusion over all folds."""
    first = folds[0]
    best = "embedding" if "embedding" in first.vectors else "location-size"
    drawn: list[Picture] = []
    if first.crops.has.any():
        drawn.append(_save(folder / "rows.png", lambda: _rows(first, found[best], config), *_said_of_rows(best, found)))
    drawn.append(_save(folder / "map.png", lambda: _map(first, best, config), *_said_of_map(first, best)))
    told = "head" if "head" in first.types else "location-size-forest"
    truth = np.concatenate([fold.lesions.numbers() for fold in folds])
    guess = np.concatenate([fold.types[told].argmax(axis=1) for fold in folds])
    drawn.append(
        _save(folder / "confusion.png", lambda: _confusion(truth, guess, told), *_said_of_types(truth, guess, told))
    )
    return tuple(drawn)


def _said_of_rows(best: str, found: Mapping[str, Answers]) -> tuple[str, str]:
    one, nine = float(found[best].first.mean()), float(found[best].nine.mean())
    alt = (
        f"Rows of a lesion and its nine nearest lesions of other patients by {best}; hits of another type are dashed "
        f"red. Over all queries {one:.0%} of first hits and {nine:.0%} of nine have the type of the query."
    )
    return "Similar lesions of other patients", alt


def _said_of_map(fold: Fold, best: str) -> tuple[str, str]:
    alt = f"Vectors of {len(fold.lesions)} held-out lesions by {best} in the plane (t-SNE), coloured by type."
    return "Map of lesions", alt


def _said_of_types(truth: NDArray[np.int64], guess: NDArray[np.int64], told: str) -> tuple[str, str]:
    alt = (
        f"Counts of true against told types ({told}), out of fold: {int((truth == guess).sum())} of {len(truth)} right."
    )
    return "Types told and true", alt


def _save(path: Path, draw: Callable[[], Any], title: str, alt: str) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw()
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    atomic_write_bytes(path, buffer.getvalue())
    return Picture(path, title, alt)


def _rows(fold: Fold, found: Answers, config: RetrievalConfig) -> Any:
    """Queries of different types, each with its hits; pixels of the near crop, the window by type."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    place = {name: number for number, name in enumerate(fold.lesions.ids)}
    queries = _chosen(fold, found, place)
    figure = Figure(figsize=(1.25 * (_HITS + 1), 1.5 * len(queries)), layout="constrained")
    grid = figure.subplots(len(queries), _HITS + 1, squeeze=False)
    for line, query in zip(grid, queries, strict=True):
        shown = [query, *(place[name] for name in found.hits[query])]
        for column, axes in enumerate(line):
            axes.set_axis_off()
            if column >= len(shown):
                continue
            row = shown[column]
            kind = str(fold.lesions.types[row])
            low, high = _WINDOWS_HU.get(kind, _SOFT_HU)
            axes.imshow(_middle(fold, row, config), cmap="gray", vmin=low, vmax=high)
            right = kind == fold.lesions.types[query]
            style = {"edgecolor": "#1a7f37", "linestyle": "-"} if right else {"edgecolor": "#d00000", "linestyle": "--"}
            style = {"edgecolor": "#222222", "linestyle": "-"} if column == 0 else style
            edge = config.edge_px
            axes.add_patch(Rectangle((0, 0), edge - 1, edge - 1, fill=False, linewidth=2.5, **style))
            far = "" if column == 0 else f" {found.distances[query, column - 1]:.2f}"
            axes.set_title(f"{kind}{far}", fontsize=7)
    return figure


def _chosen(fold: Fold, found: Answers, place: Mapping[str, int]) -> list[int]:
    """One query per type that has any, the one in the middle of the list: neither the best nor the worst."""
    chosen = []
    for kind in LESION_TYPES:
        mine = [i for i in np.flatnonzero(fold.lesions.types == kind).tolist() if fold.crops.has[i]]
        if mine:
            chosen.append(mine[len(mine) // 2])
    return chosen[:_QUERIES]


def _middle(fold: Fold, row: int, config: RetrievalConfig) -> NDArray[Any]:
    margin, edge = config.jitter_px, config.edge_px
    near: NDArray[Any] = fold.crops.near[row, config.slices // 2, margin : margin + edge, margin : margin + edge]
    return near


def _map(fold: Fold, best: str, config: RetrievalConfig) -> Any:
    from matplotlib.figure import Figure
    from sklearn.manifold import TSNE

    vectors = np.asarray(fold.vectors[best][0], float)
    rows = np.arange(len(vectors))
    if len(rows) > _MOST_POINTS:
        rows = np.sort(np.random.default_rng(config.seed).choice(rows, _MOST_POINTS, replace=False))
    near = min(30.0, max(2.0, (len(rows) - 1) / 4))
    flat = TSNE(2, perplexity=near, init="pca", random_state=config.seed).fit_transform(vectors[rows])
    figure = Figure(figsize=(6.2, 5.0), layout="constrained")
    axes = figure.add_subplot()
    for kind, colour in zip(LESION_TYPES, _COLOURS, strict=True):
        mine = fold.lesions.types[rows] == kind
        if mine.any():
            axes.scatter(flat[mine, 0], flat[mine, 1], s=12, color=colour, label=f"{kind} ({int(mine.sum())})")
    axes.set(xticks=[], yticks=[], title=f"held-out lesions by {best}, t-SNE")
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _confusion(truth: NDArray[np.int64], guess: NDArray[np.int64], told: str) -> Any:
    from matplotlib.figure import Figure

    kinds = [k for k in range(len(LESION_TYPES)) if (truth == k).any() or (guess == k).any()]
    counts = np.array([[int(((truth == a) & (guess == b)).sum()) for b in kinds] for a in kinds])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6.0, 5.4), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for a in range(len(kinds)):
        for b in range(len(kinds)):
            if counts[a, b]:
                shade = "white" if shares[a, b] > 0.55 else "black"
                axes.text(b, a, str(counts[a, b]), ha="center", va="center", color=shade, fontsize=8)
    names = [LESION_TYPES[k] for k in kinds]
    axes.set_xticks(range(len(kinds)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(kinds)), names)
    axes.set(xlabel="told", ylabel="truth", title=f"types out of fold, {told}")
    return figure
