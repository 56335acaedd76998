"""A reader of your own (a language model, another program) beside the rules: JSON in, JSON out, checked, never needed.

In: ``{"vocabulary": {"locations": [..], "attributes": {category: [..]}, "polarities": [..], "comparisons": [..],
"severities": [..]}, "reports": [{"id", "text"}]}``. Out: ``{"reports": [{"id", "findings": [{"locations": [..],
"attribute", "polarity", "comparison"?, "severity"?, "sentence"?, "tense"?, "confidence"?}]}]}``. A statement outside
the vocabulary is refused and told; the others stay.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tumorboard.core.chest import ATTRIBUTES, CATEGORY_OF, CHANGES, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.io.jsonfile import parse_json
from tumorboard.tasks.scenegraph import codes
from tumorboard.tasks.scenegraph.reading import Report

__all__ = ["ask", "question", "validated"]

SEVERITIES = ("mild", "moderate", "severe")
_LAST_WORDS = 400


def question(reports: Iterable[Report]) -> dict[str, Any]:
    """What the labeler is given."""
    return {
        "vocabulary": {
            "locations": list(REPORT_LOCATIONS),
            "attributes": {category: list(labels) for category, labels in ATTRIBUTES.items()},
            "polarities": [str(polarity) for polarity in Polarity],
            "comparisons": list(CHANGES),
            "severities": list(SEVERITIES),
            "tenses": [str(tense) for tense in Tense],
        },
        "reports": [{"id": report.exam_id, "text": report.text} for report in reports],
    }


def ask(
    command: str | Sequence[str], reports: Sequence[Report], *, timeout_s: float = 600.0
) -> tuple[list[SceneGraph], list[TumorboardError]]:
    """The labeler's graphs of these reports, in their order, and what was refused of its answer.

    `command` is run without a shell. SCG109 when it cannot be started, fails, takes longer than `timeout_s` seconds, or
    answers no JSON of the form above.
    """
    words = shlex.split(command) if isinstance(command, str) else list(command)
    where = words[0] if words else "labeler"
    try:
        done = subprocess.run(
            words,
            input=json.dumps(question(reports), ensure_ascii=False).encode(),
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, IndexError, ValueError) as error:
        raise _failed(where, f"{type(error).__name__}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise _failed(where, f"no answer within {timeout_s:g} s") from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip()[-_LAST_WORDS:]
        raise _failed(where, f"exit code {done.returncode}: {last or 'no message'}")
    answer, _ = parse_json(done.stdout, where)
    return validated(answer, reports, source=where)


def validated(answer: Any, reports: Sequence[Report], *, source: str) -> tuple[list[SceneGraph], list[TumorboardError]]:
    """An answer as graphs. SCG109 when it is not of the form above; the errors listed are SCG110, one for each
    statement refused, each report answered without being asked and each one left unanswered."""
    listed = answer.get("reports") if isinstance(answer, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise _failed(source, "JSON without a list `reports` of objects")
    asked = {report.exam_id: report for report in reports}
    graphs: dict[str, SceneGraph] = {}
    refused: list[TumorboardError] = []
    for one in listed:
        name = one.get("id")
        findings = one.get("findings")
        if name not in asked or name in graphs or not isinstance(findings, list):
            refused.append(_refused(source, f"an answer for {name!r}", "one list of findings for each report asked"))
            continue
        statements = []
        for place, finding in enumerate(findings):
            try:
                statements.append(_statement(finding, asked[name], source))
            except (ValueError, KeyError, TypeError) as error:
                refused.append(_refused(f"{source}, {name}, finding {place}", f"{error}", "names of the vocabulary"))
        graphs[name] = SceneGraph(name, tuple(statements), lexicon=f"labeler {source}")
    for name in asked:
        if name not in graphs:
            refused.append(_refused(source, f"no answer for {name!r}", "one for each report"))
            graphs[name] = SceneGraph(name, (), lexicon=f"labeler {source}")
    return [graphs[report.exam_id] for report in reports], refused


def _statement(finding: Any, report: Report, source: str) -> Statement:
    if not isinstance(finding, Mapping):
        raise TypeError("a finding that is no object")
    attribute = _one_of("attribute", finding["attribute"], CATEGORY_OF)
    locations = finding["locations"]
    if not isinstance(locations, list) or not locations:
        raise ValueError("no list of locations")
    sentence = finding.get("sentence") or ""
    if not isinstance(sentence, str):
        raise TypeError("a sentence that is no text")
    start = report.text.find(sentence) if sentence else -1
    if sentence and start < 0:
        raise ValueError(f"the sentence {sentence[:60]!r}, which the report does not have")
    start = max(start, 0)
    comparison, severity = finding.get("comparison"), finding.get("severity")
    return Statement(
        attribute=attribute,
        category=CATEGORY_OF[attribute],
        locations=tuple(_one_of("location", name, REPORT_LOCATIONS) for name in locations),
        polarity=Polarity(_one_of("polarity", finding["polarity"], [str(p) for p in Polarity])),
        tense=Tense(_one_of("tense", finding.get("tense") or "current", [str(t) for t in Tense])),
        comparison=None if comparison is None else _one_of("comparison", comparison, CHANGES),
        severity=None if severity is None else _one_of("severity", severity, SEVERITIES),
        sentence=sentence,
        sentence_start=start,
        start=start,
        end=start + len(sentence),
        rules=(f"labeler:{source}",),
        confidence=_share(finding.get("confidence", 1.0)),
    )


def _one_of(kind: str, value: Any, known: Any) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"the {kind} {value!r}")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"the confidence {value!r}")
    return float(value)


def _failed(where: str, found: str) -> TumorboardError:
    return TumorboardError(codes.LABELER_FAILED, where, found=found, expected='{"reports": [{"id", "findings": [..]}]}')


def _refused(where: str, found: str, expected: str) -> TumorboardError:
    return TumorboardError(codes.LABELER_ANSWER, where, found=found, expected=expected)
