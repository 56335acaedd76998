"""`tumorboard info [COHORT | tasks | layouts | metrics]`."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tumorboard.cli.output import print_json

if TYPE_CHECKING:
    from tumorboard.core.cohort import Cohort

__all__ = ["command", "describe_cohort", "print_description"]


_CODE = re.compile(r"[A-Z]{3}\d{3}")


def command(
    what: str = typer.Argument("layouts", help="A cohort's folder, or: tasks, layouts, metrics."),
    sql: str = typer.Option("", "--sql", metavar="SELECT", help="Ask the cohort's tables, without loading them."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """What a cohort holds, or which tasks, layouts and metrics there are."""
    if sql:
        _answer(Path(what), sql, as_json=as_json)
        return
    lists = {"tasks": _tasks, "layouts": _layouts, "metrics": _metrics}
    if what in lists:
        rows = lists[what]()
        rules = _rules() if what == "metrics" else []
        if as_json:
            print_json({what: rows} | ({"rules": rules} if rules else {}))
            return
        _print_rows(rows)
        if rules:
            typer.echo("\nRules of challenges (tumorboard evaluate --rules NAME):")
            _print_rows(rules)
        return
    from tumorboard.io.store import open_cohort

    description = describe_cohort(open_cohort(Path(what)))
    if as_json:
        print_json(description)
    else:
        print_description(description)


def _answer(cohort: Path, sql: str, *, as_json: bool) -> None:
    from tumorboard.io.catalogue import query

    columns, rows = query(cohort, sql)
    if as_json:
        print_json({"columns": columns, "rows": [[_plain(cell) for cell in row] for row in rows]})
        return
    for line in (columns, *rows):
        typer.echo("\t".join("" if cell is None else str(cell) for cell in line))


def _plain(cell: Any) -> Any:
    """A cell as JSON can hold it; what is no finite number is null."""
    if isinstance(cell, dict):
        return {str(key): _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def describe_cohort(cohort: Cohort) -> dict[str, Any]:
    """Counts of a cohort by table, centre, image kind, endpoint and problem code, and its variables."""
    from tumorboard.core.tables import EXPERT

    images = cohort.images.select(["modality", "role", "unit", "problem"]).to_pylist()
    by_kind = Counter((i["modality"], i["role"], i["unit"]) for i in images)
    outcomes = cohort.rows("outcomes", run_id=EXPERT)
    problems = Counter(_kind_of(row["problem"]) for row in [*images, *outcomes] if row["problem"])
    return {
        "name": cohort.name,
        "tables": {name: table.num_rows for name, table in cohort.tables.items()},
        "centres": dict(sorted(Counter(c or "" for c in cohort.patients["centre"].to_pylist()).items())),
        "images": [
            {"modality": m, "role": r, "unit": u, "count": n} for (m, r, u), n in sorted(by_kind.items(), key=str)
        ],
        "endpoints": [_endpoint(name, outcomes) for name in dict.fromkeys(row["endpoint"] for row in outcomes)],
        "variables": [
            {"name": v.name, "kind": str(v.kind), "known": _known(cohort, v.name)} for v in cohort.dictionary.values()
        ],
        "problems": dict(sorted(problems.items())),
        "provenance": [dict(entry) for entry in cohort.provenance],
    }


def _endpoint(name: str, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    mine = [row for row in outcomes if row["endpoint"] == name]
    timed = [row["survival"] for row in mine if row["survival"]]
    classes = Counter(row["class_value"] for row in mine if row["class_value"] is not None)
    return {
        "endpoint": name,
        "patients": len(mine),
        "timed": len(timed),
        "events": sum(1 for survival in timed if survival["event"]),
        "classes": dict(sorted(classes.items())),
    }


def _known(cohort: Cohort, column: str) -> int | None:
    if column not in cohort.patients.column_names:
        return None
    cells = cohort.patients[column]
    return int(len(cells) - cells.null_count)


def print_description(description: dict[str, Any]) -> None:
    """The counts as words for people."""
    sizes = ", ".join(f"{count} {name}" for name, count in description["tables"].items() if count)
    typer.echo(f"{description['name']}: {sizes}")
    for image in description["images"]:
        typer.echo(f"  {image['count']:>6}  {image['modality']} {image['role']}, {image['unit']}")
    centres = {centre or "not stated": count for centre, count in description["centres"].items()}
    typer.echo("  centres: " + ", ".join(f"{centre} {count}" for centre, count in centres.items()))
    for row in description["endpoints"]:
        classes = ", ".join(f"{value} {count}" for value, count in row["classes"].items())
        timed = f"{row['timed']} with a time, {row['events']} events" if row["timed"] else ""
        typer.echo(f"  {row['endpoint']}: " + "; ".join(part for part in (timed, classes) if part))
    known = [f"{v['name']} {v['known']}" for v in description["variables"] if v["known"]]
    if known:
        typer.echo("  known values: " + ", ".join(known))
    for code, count in description["problems"].items():
        page = f" (tumorboard explain {code})" if _CODE.fullmatch(code) else ""
        typer.echo(f"  {code}: {count} rows with this problem{page}")


def _layouts() -> list[dict[str, Any]]:
    from tumorboard.cli.options import described_options
    from tumorboard.core.registry import layouts, resolve

    return [
        {
            "name": layout.name,
            "title": layout.title,
            "summary": layout.summary,
            "reads": layout.read is not None,
            "writes": layout.write is not None,
            "import_options": described_options(resolve(layout.read)) if layout.read else [],
            "export_options": described_options(resolve(layout.write)) if layout.write else [],
        }
        for layout in layouts().values()
    ]


def _tasks() -> list[dict[str, Any]]:
    from tumorboard.core.registry import tasks

    return [
        {
            "name": task.name,
            "title": task.title,
            "summary": task.summary,
            "needs": list(task.needs),
            "adds": list(task.adds),
            "metrics": list(task.metrics),
            "baselines": list(task.baselines),
        }
        for task in tasks().values()
    ]


def _metrics() -> list[dict[str, Any]]:
    """Every metric, with the tasks that report it."""
    from tumorboard.core.registry import tasks
    from tumorboard.metrics.registry import METRICS

    used: dict[str, list[str]] = {name: [] for name in METRICS}
    for task in tasks().values():
        for metric in task.metrics:
            used.setdefault(metric, []).append(task.name)
    listed = []
    for name, names in used.items():
        row: dict[str, Any] = {"name": name, "tasks": names}
        if name in METRICS:
            metric = METRICS[name]
            row |= {"title": metric.title, "unit": metric.unit, "better": metric.better, "empty": metric.empty}
            row["summary"] = metric.meaning
        listed.append(row)
    return listed


def _rules() -> list[dict[str, Any]]:
    """Every challenge's rules, for `tumorboard evaluate --rules`."""
    from tumorboard.metrics.official import RULE_SETS

    return [
        {"name": r.name, "title": r.title, "task": r.task, "metrics": list(r.metrics), "source": r.source}
        for r in RULE_SETS.values()
    ]


def _print_rows(rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo("none")
    for row in rows:
        typer.echo(f"{row['name']}: {row.get('title') or ', '.join(row['tasks'])}")
        if row.get("summary"):
            typer.echo(f"    {row['summary']}")
        for direction in ("import", "export"):
            options = row.get(f"{direction}_options") or []
            words = [f"{o['name']}={o['default'] or ''}" for o in options]
            if words:
                typer.echo(f"    {direction} --set {', '.join(words)}")
        if row.get("needs"):
            typer.echo(f"    needs: {', '.join(row['needs'])}")


def _kind_of(problem: str) -> str:
    """A code as it is; a reader's words without the number that differs from row to row."""
    return problem if _CODE.fullmatch(problem) else re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "n", problem, count=1)
