"""The page of `classification_tables.py`: figures -> Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["report"]

_SHOWN = ("majority", "logistic", "forest", "boosted", "ensemble", "best-by-inner-folds")
_HALF = "balanced_accuracy at coverage 0.5"
_BETWEEN = {
    ("USZ", "CLB"): ((0.815, 0.649), (0.833, 0.737)),
    ("CLB", "USZ"): ((0.810, 0.741), (0.782, 0.738)),
    ("USZ+CLB", "ISB"): ((0.797, 0.760), (0.745, 0.753)),
}


def report(tables: Sequence[dict[str, Any]], transfers: Sequence[dict[str, Any]], *, head: str) -> str:
    """The whole page."""
    lines = [
        "# HPV status from clinical tables",
        "",
        head,
        "",
        "Columns and folds of the reference (StratifiedKFold(5), seed 0). Figures of rank and class: mean over the five "
        "folds, with a 95 % bootstrap interval of patients within class and fold; figures of calibration: all patients "
        "together. The class told is the one most probable relative to its share in training. \"Reached\": the ensemble "
        "is at least the better of the reference's two models, less that model's SD over folds.",
        "",
        "## The reference's recipe repeated with scikit-learn",
        "",
        "| table | model | AUC here | page | balanced accuracy here | page |",
        "|---|---|---|---|---|---|",
    ]
    for one in tables:
        for name in ("logistic", "forest"):
            here, page = one["repeated"][name], getattr(one["table"], name)
            lines.append(
                f"| {one['table'].name} | {name} | {here[0]:.3f} ± {here[1]:.3f} | {page[0]:.3f} ± {page[1]:.3f} "
                f"| {here[2]:.3f} ± {here[3]:.3f} | {page[2]:.3f} ± {page[3]:.3f} |"
            )
    lines += ["", "## Ours, out of fold", ""]
    for one in tables:
        lines += _table(one)
    lines += ["## Between centres (lyDATA)", "", "Everything is fitted on the first centre; no patient of the second "
              "is looked at, with or without a class. ISB is doubtful: more than half of its oral cavity cancers are "
              "coded HPV-positive, so its figures say little.", ""]  # fmt: skip
    for one in transfers:
        lines += _transfer(one)
    lines.append("Again: `python benchmarks/classification_tables.py DATA/clinical --out OUT --write`")
    return "\n".join(lines) + "\n"


def _table(one: dict[str, Any]) -> list[str]:
    table, scores = one["table"], one["scores"]
    n = next(row["n"] for row in scores if row["subset"] == "all")
    lines = [f"### {table.name}", "", f"n = {n}. {table.note.capitalize() + '.' if table.note else ''}".strip(), ""]
    for subset in dict.fromkeys(row["subset"] for row in scores):
        if subset != "all":
            lines += [f"{subset.capitalize()}, n = {next(r['n'] for r in scores if r['subset'] == subset)}:", ""]
        lines += _models(scores, subset)
    lines.append(_reached(table, scores))
    low, high = one["permuted"]
    lines.append(f"Classes dealt out at random five times, logistic: AUC {low:.3f} to {high:.3f}.")
    return lines + [f"- {note}" for note in one["notes"]] + [""]


def _models(scores: Sequence[dict[str, Any]], subset: str) -> list[str]:
    lines = [
        "| model | AUC | balanced accuracy | Brier | ECE | slope | at coverage 0.5 | gain | answered by rule | "
        "of the answered | least covered by sets |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    names = ("auc", "balanced_accuracy", "brier", "ece", "calibration_slope", _HALF, f"gain of {_HALF}", "answered",
             "balanced_accuracy of the answered", "conformal coverage (stated 0.9)")  # fmt: skip
    for model in _SHOWN:
        cells = [_cell(scores, model, subset, name, wide=name in ("auc", "balanced_accuracy", _HALF, f"gain of {_HALF}"))
                 for name in names]  # fmt: skip
        if cells[0]:
            lines.append(f"| {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(scores: Sequence[dict[str, Any]], model: str, subset: str, metric: str, *, wide: bool) -> str:
    row = _find(scores, model, subset, metric)
    if row is None:
        return ""
    if row["value"] is None:
        return "undefined"
    if not wide or row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _find(scores: Sequence[dict[str, Any]], model: str, subset: str, metric: str) -> dict[str, Any] | None:
    return next((r for r in scores if (r["run"], r["subset"], r["metric"]) == (model, subset, metric)), None)


def _reached(table: Any, scores: Sequence[dict[str, Any]]) -> str:
    said = []
    for metric, place in (("auc", 0), ("balanced_accuracy", 2)):
        best = max((table.logistic, table.forest), key=lambda page: page[place])
        row = _find(scores, "ensemble", "all", metric)
        assert row is not None
        bar = best[place] - best[place + 1]
        word = "reached" if row["value"] >= bar else "NOT reached"
        above = " and not below it" if row["value"] >= best[place] else f", {best[place] - row['value']:.3f} below it"
        said.append(f"{metric} {row['value']:.3f} against {best[place]:.3f} ± {best[place + 1]:.3f}: {word}{above}")
    return "; ".join(said) + "."


def _transfer(one: dict[str, Any]) -> list[str]:
    train, test, how = one["job"]
    page = _BETWEEN[train, test]
    lines = [
        f"### {train} to {test}, N stage {how}",
        "",
        f"n = {one['n']}, {one['positive']} positive. Page (N as published): logistic {page[0][0]:.3f} / "
        f"{page[0][1]:.3f}, forest {page[1][0]:.3f} / {page[1][1]:.3f} (AUC / balanced accuracy at 0.5).",
        "",
    ]
    lines += _models(one["scores"], f"{train} to {test}")
    gains = [(m, _find(one["scores"], m, f"{train} to {test}", f"gain of {_HALF}")) for m in ("logistic", "ensemble")]
    for model, row in gains:
        if row is not None and row["value"] is not None:
            word = "at least" if row["value"] >= 0.05 else "LESS than"
            lines.append(f"- {model}: the answered half gains {row['value']:.3f}, {word} 0.05")
    return lines + [f"- {note}" for note in one["notes"]] + [""]
