"""Real reports of others (never in this repository): the figures that issue 8 asks for, on all rows at hand."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tumorboard.nlp import Reader


@cache
def quality() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "report_quality.py"
    spec = importlib.util.spec_from_file_location("report_quality", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["report_quality"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reports(real_data: Path) -> Path:
    if not (real_data / "reports" / "openi_reports.csv.gz").is_file():
        pytest.skip("no Open-I reports in the real data")
    return real_data


def test_fifteen_findings_and_fourteen_labels(reports: Path) -> None:
    q = quality()
    reader = Reader()
    rows = q.usable(q.reports(reports, "all"))
    graphs = [reader.read(q.text_of(row)) for row in rows]
    labels = {name: wanted for name, (_, wanted) in q.FINDINGS.items()}
    counts = q.table(rows, graphs, truth=q.has_tag, labels=labels)
    assert q.scores(counts.sum(axis=(0, 1)))["f1"] >= 0.90
    known = q.labels14(reports)
    pairs = [(row, graph) for row, graph in zip(rows, graphs, strict=True) if row["uid"] in known]
    fourteen = q.table(
        [p[0] for p in pairs], [p[1] for p in pairs],
        truth=lambda row, name: known[row["uid"]][name] == "1", labels=q.LABELS14,
    )  # fmt: skip
    assert q.scores(fourteen.sum(axis=(0, 1)))["f1"] >= 0.86
    for graph, row in zip(graphs, rows, strict=True):
        text = q.text_of(row)
        for s in graph:
            assert text[s.sentence_start :].startswith(s.sentence)
            assert s.sentence_start <= s.start < s.end <= s.sentence_start + len(s.sentence)


def test_negation_of_marked_conditions(reports: Path) -> None:
    q = quality()
    counts = q.negex_counts(reports, "all", Reader())
    assert q.scores(counts["negation"].sum(axis=0))["f1"] >= 0.97
    assert np.all(counts["negation"] >= 0)
