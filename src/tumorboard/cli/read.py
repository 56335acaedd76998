"""`tumorboard read FILE_OR_FOLDER_OR_CSV_OR_COHORT`: report text -> scene graph."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import EXIT_DATA, EXIT_FAILURE, report_error, say
from tumorboard.cli.workers import SCHEDULER, case_pool

if TYPE_CHECKING:
    from tumorboard.core.errors import TumorboardError
    from tumorboard.core.scenegraph import SceneGraph
    from tumorboard.engine.executors import Executor
    from tumorboard.tasks.scenegraph.reading import Report

__all__ = ["command"]

_COLOURS = {"yes": "bold red", "no": "green", "uncertain": "yellow"}
_SHOWN = 20
_EMPTY = "SCG105"
"""Told, but no error: published cohorts have empty reports."""


def command(
    source: Path = typer.Argument(None, help="Text file, folder of .txt, CSV (columns id, text), or cohort."),
    text: str = typer.Option("", "--text", help="A report in place of a file."),
    lexicon: str = typer.Option("chest-xray", "--lexicon", help="Name of a lexicon, or folder of your own."),
    level: str = typer.Option(
        "sentence", "--level", help="sentence: all that is said; report: the last mention decides."
    ),
    closure: bool = typer.Option(
        False, "--closure", help="At report level, add what follows: yes upwards, no downwards."
    ),
    encoding: str = typer.Option("", "--encoding", help="Of the files; default UTF-8, or what a byte order mark says."),
    id_column: str = typer.Option("id", "--id-column", help="Column of a CSV with the name of each report."),
    text_column: list[str] = typer.Option(["text"], "--text-column", help="Column with its text; repeat for sections."),
    labeler: str = typer.Option(
        "", "--labeler", help="Command that labels too (JSON in, JSON out); both answers are kept."
    ),
    save: str = typer.Option("", "--save", help="Name of a run of the cohort to keep the statements in."),
    workers: int = typer.Option(1, "--workers", help="Processes; 0 means one per core."),
    scheduler: str = SCHEDULER,
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """Read reports: findings with place, polarity, change and the sentence that says so.

    Exit code 3: some reports could not be read (each is told, the others are there).
    """
    from tumorboard.core.errors import TumorboardError

    if (source is None) == (not text):
        raise typer.BadParameter("give either SOURCE or --text", param_hint="SOURCE")
    if level not in ("sentence", "report"):
        raise typer.BadParameter(f"{level!r}: expected sentence or report", param_hint="--level")
    if save and not _is_cohort(source):
        raise typer.BadParameter("only statements of a cohort can be kept in it", param_hint="--save")
    problems = _Problems()
    shown = _Shown(lexicon, at_report=closure or level == "report", closure=closure, labeler=labeler, problems=problems)
    kept: list[Any] = []
    failure = None
    printer = _Json() if as_json else _Words()
    try:
        reports = _reports(source, text, encoding, id_column, text_column, problems)
        with case_pool(workers, scheduler) as pool:
            for report, graph in _read(reports, lexicon, pool, kept if save else None):
                printer.add(report, graph, shown)
        printer.flush(shown)
    except TumorboardError as error:
        failure = error
    printer.close(problems, failure)
    if failure is not None:
        report_error(failure, as_json=False)
        raise typer.Exit(EXIT_FAILURE)
    if save:
        _keep(source, save, kept, lexicon)
    for problem in problems.first[:_SHOWN]:
        say(str(problem))
    if problems.count > _SHOWN:
        say(f"and {problems.count - _SHOWN} more")
    if problems.errors:
        raise typer.Exit(EXIT_DATA)


def _is_cohort(source: Path | None) -> bool:
    return source is not None and (source / "cohort.json").is_file()


def _reports(
    source: Path | None,
    text: str,
    encoding: str,
    id_column: str,
    text_columns: list[str],
    problems: _Problems,
) -> Iterator[Report]:
    """The reports that can be read; `problems` collects the others, and tells of empty ones."""
    from tumorboard.tasks.scenegraph.reading import Report, reports_of
    from tumorboard.tasks.scenegraph.sources import empty_report, plain_report, reports_from

    items: Iterable[Report | TumorboardError]
    if source is None:
        items = [plain_report("text", text)]
    elif _is_cohort(source):
        from tumorboard.io.store import open_cohort

        items = _checked(reports_of(open_cohort(source)), source)
    else:
        items = reports_from(source, encoding=encoding, id_column=id_column, text_columns=text_columns)
    for item in items:
        problem = empty_report(item) if isinstance(item, Report) else item
        if problem is not None:
            problems.add(problem)
        if isinstance(item, Report):
            yield item


def _checked(reports: Iterator[Report], source: Path) -> Iterator[Report | TumorboardError]:
    """Reports of a cohort, under the same rules as those of files. SCG102 when there is none."""
    from tumorboard.core.errors import TumorboardError
    from tumorboard.tasks.scenegraph import codes
    from tumorboard.tasks.scenegraph.reading import Report
    from tumorboard.tasks.scenegraph.sources import plain_report

    count = 0
    for report in reports:
        count += 1
        checked = plain_report(report.exam_id, report.text)
        yield report if isinstance(checked, Report) else checked
    if not count:
        raise TumorboardError(codes.NO_TEXTS, source, found="a cohort without texts", expected="texts of exams")


def _read(
    reports: Iterator[Report], lexicon: str, pool: Executor, kept: list[Any] | None
) -> Iterator[tuple[Report, SceneGraph]]:
    from tumorboard.cli.progress import counted_progress
    from tumorboard.tasks.scenegraph.reading import read_reports

    with counted_progress("Reading reports") as progress:
        run: Callable[..., Iterable[Any]] = pool.map
        for pair in read_reports(reports, lexicon=lexicon, map=run, progress=progress):
            if kept is not None:
                kept.append(pair)
            yield pair


def _keep(cohort: Path, run_id: str, read: list[Any], lexicon: str) -> None:
    """The statements and changes as rows of a run of the cohort; a run of that name is replaced."""
    from tumorboard.core.errors import TumorboardError
    from tumorboard.core.tables import EXPERT
    from tumorboard.io.store import open_cohort, update_cohort
    from tumorboard.tasks.scenegraph import codes
    from tumorboard.tasks.scenegraph.reading import graph_rows, previous_exams
    from tumorboard.tasks.scenegraph.rows import run_row

    if run_id == EXPERT:
        raise TumorboardError(codes.RUN_WITHOUT_STATEMENTS, cohort, found=run_id, expected="a name of your own")
    previous = previous_exams(open_cohort(cohort))
    rows = graph_rows(read, run_id=run_id, previous=previous, lexicon=lexicon)
    stamp = next((graph.lexicon for _, graph in read), "")
    run = run_row(run_id, kind="rules", config={"lexicon": lexicon}, inputs={"reports": len(read), "lexicon": stamp})
    update_cohort(cohort, lambda newest: newest.without_run(run_id).with_rows(runs=[run], relations=rows))
    say(f"Run {run_id}: {len(rows)} relations. Next: tumorboard evaluate scenegraph {cohort} --prediction {run_id}")


class _Problems:
    """What is wrong with reports: the first of them in full, and how many there are."""

    kept = 1000

    def __init__(self) -> None:
        self.first: list[TumorboardError] = []
        self.count = self.errors = 0

    def add(self, error: TumorboardError) -> None:
        self.count += 1
        self.errors += error.code.id != _EMPTY
        if len(self.first) < self.kept:
            self.first.append(error)


class _Shown:
    """How reports are shown: level, closure, and the external labeler that is asked too."""

    def __init__(self, lexicon: str, *, at_report: bool, closure: bool, labeler: str, problems: _Problems) -> None:
        self.lexicon, self.at_report, self.closure = lexicon, at_report, closure
        self.labeler, self.problems = labeler, problems

    def plain(self, pairs: list[tuple[Report, SceneGraph]]) -> list[dict[str, Any]]:
        """The reports in the shape of ``--json``."""
        from tumorboard.tasks.scenegraph.ontology import ontology_of
        from tumorboard.tasks.scenegraph.shape import report_json

        ontology = ontology_of(self.lexicon) if self.at_report else None
        listed = [report_json(report, graph, ontology=ontology, closure=self.closure) for report, graph in pairs]
        if self.labeler and pairs:
            self._add_labeler(pairs, listed)
        return listed

    def _add_labeler(self, pairs: list[tuple[Report, SceneGraph]], listed: list[dict[str, Any]]) -> None:
        from tumorboard.tasks.scenegraph.disagreement import disagreements
        from tumorboard.tasks.scenegraph.labeler import ask
        from tumorboard.tasks.scenegraph.ontology import ontology_of
        from tumorboard.tasks.scenegraph.shape import report_json

        graphs, refused = ask(self.labeler, [report for report, _ in pairs])
        for error in refused:
            self.problems.add(error)
        for (report, graph), answer, shown in zip(pairs, graphs, listed, strict=True):
            sources = {"rules": {graph.exam_id: graph.statements}, "labeler": {graph.exam_id: answer.statements}}
            shown["labeler"] = report_json(report, answer)["findings"]
            shown["disagreements"] = [
                {"location": d.location, "attribute": d.attribute, **d.answers}
                for d in disagreements(sources, ontology_of(self.lexicon))
            ]


class _Printer:
    """Collects reports until there are enough to ask a labeler about, then hands them on."""

    batch = 100

    def __init__(self) -> None:
        self.waiting: list[tuple[Report, SceneGraph]] = []
        self.stamp = ""

    def add(self, report: Report, graph: SceneGraph, shown: _Shown) -> None:
        self.waiting.append((report, graph))
        self.stamp = self.stamp or graph.lexicon
        if len(self.waiting) >= (self.batch if shown.labeler else 1):
            self.flush(shown)

    def flush(self, shown: _Shown) -> None:
        pairs, self.waiting = self.waiting, []
        for (report, _), plain in zip(pairs, shown.plain(pairs), strict=True):
            self.show(report, plain)

    def show(self, report: Report, plain: dict[str, Any]) -> None:
        raise TypeError("a printer shows something")

    def close(self, problems: _Problems, failure: TumorboardError | None) -> None:
        """The end of the output; nothing by default."""


class _Json(_Printer):
    """One JSON object, written report by report so that a million of them need no memory."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def show(self, report: Report, plain: dict[str, Any]) -> None:
        sys.stdout.write(",\n  " if self.count else '{\n "reports": [\n  ')
        sys.stdout.write(json.dumps(plain, allow_nan=False))
        self.count += 1

    def close(self, problems: _Problems, failure: TumorboardError | None) -> None:
        sys.stdout.write("\n ]" if self.count else '{\n "reports": []')
        rest: dict[str, Any] = {"lexicon": self.stamp}
        if problems.count:
            rest["problems"] = [_plain_error(problem) for problem in problems.first]
        if problems.count > problems.kept:
            rest["problems_in_all"] = problems.count
        if failure is not None:
            rest["error"] = _plain_error(failure)
        for key, value in rest.items():
            sys.stdout.write(f",\n {json.dumps(key)}: {json.dumps(value)}")
        sys.stdout.write("\n}\n")


class _Words(_Printer):
    """For people: the first reports with their mentions in colour, then how often each finding is there."""

    def __init__(self) -> None:
        from collections import Counter

        super().__init__()
        self.count = 0
        self.tally: Counter[tuple[str, str]] = Counter()

    def show(self, report: Report, plain: dict[str, Any]) -> None:
        self.count += 1
        self.tally.update({(f["attribute"] or "(place itself)", f["polarity"]) for f in plain["findings"]})
        if self.count <= _SHOWN:
            _print_report(report, plain)

    def close(self, problems: _Problems, failure: TumorboardError | None) -> None:
        from rich.console import Console
        from rich.table import Table

        if self.count <= 1:
            return
        table = Table("finding", "yes", "uncertain", "no", title=f"{self.count} reports", title_justify="left")
        for attribute in dict.fromkeys(name for (name, _), _ in self.tally.most_common()):
            table.add_row(attribute, *(str(self.tally[attribute, p] or "") for p in ("yes", "uncertain", "no")))
        Console().print(table)


def _print_report(report: Report, plain: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    text = Text(report.text.rstrip())
    origin = dict(zip(report.text_ids, report.starts, strict=True))
    for finding in [*plain["not_current"], *plain["findings"]]:
        base = origin.get(finding.get("text_id", ""), 0)
        style = "dim italic" if "tense" in finding else _COLOURS[finding["polarity"]]
        text.stylize(style, base + finding["start"], base + finding["end"])
    console.rule(plain["id"], align="left", style="dim")
    console.print(text)
    table = Table("", "finding", "where", "change", "severity", show_edge=False, padding=(0, 1))
    for finding in plain["findings"]:
        polarity = Text(finding["polarity"], _COLOURS[finding["polarity"]])
        words = (finding["attribute"] or "-", ", ".join(finding["locations"]))
        table.add_row(polarity, *words, finding["comparison"] or "", finding["severity"] or "")
    for finding in plain["not_current"]:
        words = (finding["attribute"], ", ".join(finding["locations"]))
        table.add_row(Text(finding["tense"], "dim"), *words, "", "", style="dim")
    for gap in plain.get("disagreements", ()):
        console.print(
            f"[yellow]differs[/] {gap['attribute']}, {gap['location']}: rules {gap['rules']}, labeler {gap['labeler']}"
        )
    if table.row_count:
        console.print(table)
    console.print()


def _plain_error(error: TumorboardError) -> dict[str, str]:
    return {
        "code": error.code.id,
        "where": error.where,
        "found": error.found,
        "expected": error.expected,
        "fix": error.fix,
    }
