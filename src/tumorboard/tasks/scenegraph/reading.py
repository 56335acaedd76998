"""Texts of a cohort -> scene graphs -> rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from tumorboard.core.cohort import Cohort
from tumorboard.core.scenegraph import SceneGraph
from tumorboard.tasks.scenegraph.change import changes_between, changes_said
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.ontology import Ontology, ontology_of
from tumorboard.tasks.scenegraph.report import report_facts
from tumorboard.tasks.scenegraph.rows import change_row, derived_row, statement_rows

__all__ = ["Report", "graph_rows", "missing", "previous_exams", "read_batch", "read_reports", "reports_of"]

BATCH = 200
"""Reports that go to a worker at once."""
_WHOLE = {"", "report", "text", "body"}
"""Sections that are a report as a whole and bring their own headings."""


@dataclass(frozen=True)
class Report:
    """One exam's report: its sections one below the other, each under its heading.

    `starts[i]` is the character where the body of `text_ids[i]` begins; without texts of their own both are empty.
    """

    exam_id: str
    text: str
    text_ids: tuple[str, ...] = ()
    starts: tuple[int, ...] = ()

    def locate(self, position: int) -> tuple[str | None, int]:
        """Character of the report -> (text_id, character of its body)."""
        if not self.starts:
            return None, position
        place = max(bisect_right(self.starts, position) - 1, 0)
        return self.text_ids[place], max(position - self.starts[place], 0)


def missing(cohort: Cohort) -> list[str]:
    """In words, what the cohort lacks; empty when its reports can be read."""
    return [] if cohort.texts.num_rows else ["texts of exams"]


def reports_of(cohort: Cohort, *, sections: Sequence[str] = ()) -> Iterator[Report]:
    """The report of every exam that has texts, in the order of the table; `sections` chooses (default all)."""
    chosen = {name.casefold() for name in sections}
    by_exam: dict[str, list[Mapping[str, Any]]] = {}
    for row in cohort.texts.to_pylist():
        if not chosen or (row["section"] or "").casefold() in chosen:
            by_exam.setdefault(row["exam_id"], []).append(row)
    for exam_id, rows in by_exam.items():
        yield report_from(exam_id, [(row["text_id"], row["section"] or "", row["body"] or "") for row in rows])


def report_from(exam_id: str, parts: Iterable[tuple[str, str, str]]) -> Report:
    """A report of (text_id, section, body); a section called report, or nothing, gets no heading."""
    pieces: list[str] = []
    starts, ids, length = [], [], 0
    for text_id, section, body in parts:
        heading = "" if section.casefold() in _WHOLE else f"{section.upper()}:\n"
        starts.append(length + len(heading))
        ids.append(text_id)
        pieces.append(f"{heading}{body}\n\n")
        length += len(pieces[-1])
    return Report(exam_id, "".join(pieces), tuple(ids), tuple(starts))


def read_batch(reports: Sequence[Report], *, lexicon: str) -> list[SceneGraph]:
    """The graphs of some reports, by the rules of a lexicon (a work item of the executors)."""
    from tumorboard.nlp import Reader

    reader = Reader(lexicon)
    return [reader.read(report.text, exam_id=report.exam_id) for report in reports]


def read_reports(
    reports: Iterable[Report],
    *,
    lexicon: str = "chest-xray",
    map: Callable[..., Iterable[Any]] = map,
    progress: Callable[[int, int], None] | None = None,
    total: int = 0,
) -> Iterator[tuple[Report, SceneGraph]]:
    """Every report with its graph, in order, in batches; no more than a few batches are held at a time."""
    done = 0
    waiting: list[list[Report]] = []

    def batches() -> Iterator[list[Report]]:
        for batch in _batched(reports):
            waiting.append(batch)
            yield batch

    for graphs in map(partial(read_batch, lexicon=lexicon), batches()):
        batch = waiting.pop(0)
        yield from zip(batch, graphs, strict=True)
        done += len(batch)
        if progress is not None:
            progress(done, max(total, done))


def _batched(reports: Iterable[Report]) -> Iterator[list[Report]]:
    batch: list[Report] = []
    for report in reports:
        batch.append(report)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def previous_exams(cohort: Cohort) -> dict[str, str]:
    """Exam -> the exam of the same patient just before it, by order (then day); first exams are left out."""
    by_patient: dict[str, list[dict[str, Any]]] = {}
    for exam in cohort.rows("exams"):
        by_patient.setdefault(exam["patient_id"], []).append(exam)
    found = {}
    for exams in by_patient.values():
        exams.sort(key=lambda e: (e["order"] or 0, e["day"] or 0.0, e["exam_id"]))
        found.update({after["exam_id"]: before["exam_id"] for before, after in pairwise(exams)})
    return found


def graph_rows(
    read: Iterable[tuple[Report, SceneGraph]],
    *,
    run_id: str,
    previous: Mapping[str, str] | None = None,
    lexicon: str = "chest-xray",
    closure: bool = False,
) -> list[dict[str, Any]]:
    """Rows of `relations`: statements, with `closure` what follows from them at report level, and the changes against
    the exam before where there is one."""
    ontology = ontology_of(lexicon)
    rows: list[dict[str, Any]] = []
    graphs: dict[str, SceneGraph] = {}
    for report, graph in read:
        said = statement_rows(graph, run_id=run_id, locate=report.locate)
        rows += said
        if closure:
            rows += _following(graph, said, ontology)
        graphs[graph.exam_id] = graph
    for exam_id, graph in graphs.items():
        before = (previous or {}).get(exam_id)
        if before is None:
            continue
        old = graphs.get(before)
        changes = changes_said(graph) if old is None else changes_between(graph, old, ontology)
        rows += [change_row(c, exam_id, before, number, run_id=run_id) for number, c in enumerate(changes)]
    return rows


def _following(graph: SceneGraph, said: Sequence[Mapping[str, Any]], ontology: Ontology) -> list[dict[str, Any]]:
    facts, _ = report_facts(graph.statements, ontology)
    derived = [f for f in close(facts, ontology).values() if f.derived]
    return [derived_row(fact, said[fact.source], number) for number, fact in enumerate(derived)]
