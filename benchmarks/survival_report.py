"""The page of `survival_tables.py`: figures -> Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

__all__ = ["BEFORE", "BEST", "MODELS", "page"]

BEST = "best-by-inner-folds"
BEFORE = "before calibration"
MODELS = ("ridge-cox", "elastic-net-cox", "survival-forest", "boosted-hazard", BEST)
Row = dict[str, Any]


def page(rows: Sequence[Row], crossed: Sequence[Row], *, units: Sequence[str], seconds: float, workers: int) -> str:
    """The tables as Markdown."""
    mean = {model: np.mean([row[model]["c"] for row in rows]) for model in MODELS}
    better = [row[BEST]["difference"] for row in rows]
    worse = [row["name"] for row in rows if row[BEST]["difference"][2] < 0]
    lines = [
        "# Survival models on public tables",
        "",
        f"{datetime.now(UTC).date().isoformat()}, {seconds:.0f} s with {workers} processes (finished "
        f"tables are taken over), {sum(row['seconds'] for row in rows):.0f} CPU-seconds for fitting. Written by "
        "`python benchmarks/survival_tables.py`; the recipe stands there and in `survival_tables.toml`.",
        "",
        "## Ridge Cox: published, scikit-survival in this run, ours",
        "",
        "Harrell's C, mean ± SD over five folds. A published figure that its own recipe does not give here is in bold;"
        " the last column is scikit-survival with the column `T` (the T stage) overwritten by the follow-up time, which"
        " does give it: the published script must have kept its times under that name (its forest and Brier scores on"
        " these four tables are of the same data).",
        "",
        "| table | n (dropped) | events | published | scikit-survival | ours | difference | `T` overwritten |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        published, peer, ours = row["page"]["cox"], row["sksurv"], row["ridge-cox"]
        shown = f"{published:.3f} ± {row['page']['cox_sd']:.3f}"
        shown = f"**{shown}**" if abs(published - peer[0]) > 0.0015 else shown
        slip = "" if "overwritten" not in row else f"{row['overwritten'][0]:.3f} ± {row['overwritten'][1]:.3f}"
        own = f"{ours['c']:.4f} ± {ours['sd']:.3f} | {ours['c'] - peer[0]:+.4f}"
        lines.append(
            f"| {row['name']} | {row['n']} ({row['dropped']}) | {row['events']} | {shown} |"
            f" {peer[0]:.4f} ± {peer[1]:.3f} | {own} | {slip} |"
        )
    lines += [
        "",
        "## All models",
        "",
        "Differences from our ridge Cox with 95 % intervals from 1000 resamples of patients within folds, the same for"
        " all models. ICI: mean distance between a patient's predicted risk at the table's horizon and the observed"
        " risk of those like him; calibration is fitted on inner folds. In 150 patients chance alone gives 0.05.",
        "",
        "| table | ridge Cox | elastic net | forest (published) | boosted | best by inner folds | minus ridge Cox |"
        " IBS Kaplan-Meier / Cox / best (published KM / Cox) | ICI Cox / best before / after calibration |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        value, low, high = row[BEST]["difference"]
        cells = [f"{row[m]['c']:.3f}" for m in MODELS]
        cells[2] += f" ({row['page']['rsf']:.3f})"
        brier = f"{row['ridge-cox']['null']:.3f} / {row['ridge-cox']['ibs']:.3f} / {row[BEST]['ibs']:.3f}"
        brier += f" ({row['page']['ibs_km']:.3f} / {row['page']['ibs_cox']:.3f})"
        difference = f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
        ici = " / ".join(f"{row[m]['ici']:.3f}" for m in ("ridge-cox", BEFORE, BEST))
        lines.append(f"| {row['name']} | " + " | ".join(cells) + f" | {difference} | {brier} | {ici} |")
    ici = " / ".join(f"{np.mean([row[m]['ici'] for row in rows]):.4f}" for m in ("ridge-cox", BEFORE, BEST))
    brier = " / ".join(f"{np.mean([row[BEST]['null'] if m == '' else row[m]['ibs'] for row in rows]):.4f}" for m in
                       ("", "ridge-cox", BEST))  # fmt: skip
    cells = " | ".join(f"{mean[m]:.4f}" for m in MODELS)
    lines.append(f"| mean | {cells} | {np.mean([b[0] for b in better]):+.4f} | {brier} | {ici} |")
    beaten = [row["name"] for row in rows if row[BEST]["ibs"] >= row[BEST]["null"]]
    lines += [
        "",
        f"Best by inner folds is worse than ridge Cox beyond its interval on {', '.join(worse) or 'no table'}; its "
        f"Brier score is not below Kaplan-Meier's on {', '.join(beaten) or 'no table'}.",
        "",
        "## Across immunotherapy cohorts (LORIS), trained on Chowell_train",
        "",
        "| endpoint | test cohort | n | events | ridge Cox (published) | forest (published) | best by inner folds |"
        " best minus ridge Cox |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in crossed:
        shown = {
            m: f"{row[m][0]:.3f} [{row[m][1]:.3f}, {row[m][2]:.3f}]" for m in ("ridge-cox", "survival-forest", BEST)
        }
        name = row["test"] + (" (no immunotherapy: control)" if row["page"].get("control") else "")
        cox = f"{shown['ridge-cox']} ({row['page']['cox']:.3f})"
        forest = f"{shown['survival-forest']} ({row['page']['rsf']:.3f})"
        lines.append(
            f"| {row['endpoint']} | {name} | {row['n']} | {row['events']} | {cox} | {forest} | {shown[BEST]} |"
            f" {row['difference'][0]:+.3f} [{row['difference'][1]:+.3f}, {row['difference'][2]:+.3f}] |"
        )
    lines += [
        "",
        "The controls never had immunotherapy and are predicted as well: the variables are prognostic, they do not"
        " predict the benefit of immunotherapy. Vanguri's OS is of the dead alone and biased; its patients are those of"
        " MSK-MIND.",
        "",
        "Units of time, as found by the checks:",
        "",
        *(f"- {line}" for line in units),
    ]
    return "\n".join(lines) + "\n"
