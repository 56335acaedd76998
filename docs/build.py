"""Writes `docs/reference/` from the registry, the tables, the codes, the metrics and the command line.

Nothing in the reference is typed by hand: `make docs` writes it, and a test compares it with what this file would
write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parent / "reference"
HEAD = "<!-- Written by docs/build.py (make docs). Do not edit. -->\n"


def build() -> dict[str, str]:
    """File name -> text of every page of the reference."""
    pages = {
        "tables.md": _tables(),
        "layouts.md": _layouts(),
        "tasks.md": _tasks(),
        "metrics.md": _metrics(),
        "codes.md": _codes(),
        "command-line.md": _command_line(),
        "python.md": _python(),
    }
    titles = {name: text.splitlines()[0].removeprefix("# ") for name, text in pages.items()}
    index = "\n".join(f"- [{title}]({name})" for name, title in titles.items())
    pages["README.md"] = f"# Reference\n\n{index}\n"
    return {name: HEAD + text.rstrip() + "\n" for name, text in pages.items()}


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        return " ".join(str(value).split()).replace("|", "\\|")

    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _doc(thing: Any) -> str:
    """A docstring as it is laid out in the source."""
    return f"```text\n{inspect.getdoc(thing)}\n```"


def _signature(function: Any) -> str:
    """Parameters with their types, without the quotes of postponed annotations."""
    text = str(inspect.signature(function))
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", text).replace("(self, ", "(").replace("(self)", "()")


def _tables() -> str:
    from tumorboard.core.tables import TABLES

    parts = ["# The eight tables of a Cohort\n"]
    for spec in TABLES.values():
        parts.append(f"## {spec.name}\n")
        more = " Further columns (clinical variables) may be added." if spec.open else ""
        parts.append(f"One row per {' x '.join(f'`{key}`' for key in spec.key)}.{more}\n")
        rows = [
            (f"`{f.name}`", f"`{f.type}`", f"a row of `{spec.references[f.name]}`" if f.name in spec.references else "")
            for f in spec.schema
        ]
        parts.append(_table(("Column", "Type", "Names"), rows))
    return "\n".join(parts)


def _layouts() -> str:
    from tumorboard.cli.options import described_options
    from tumorboard.core.registry import layouts, resolve

    parts = ["# Layouts that can be imported and exported\n"]
    for layout in layouts().values():
        parts.append(f"## {layout.name}\n\n{layout.title}. {layout.summary}\n")
        for verb, reference in (("import", layout.read), ("export", layout.write)):
            if reference is None:
                continue
            function = resolve(reference)
            place = f"`tumorboard {verb} {layout.name} ...`"
            parts.append(f"{place}\n\n{_doc(function)}\n")
            options = described_options(function)
            if options:
                rows = [(f"`{o['name']}`", o["type"], "" if o["default"] is None else o["default"]) for o in options]
                parts.append(_table(("`--set`", "Value", "Default"), rows))
    return "\n".join(parts)


def _tasks() -> str:
    from tumorboard.core.registry import resolve, tasks

    parts = ["# Tasks\n"]
    for spec in tasks().values():
        parts.append(f"## {spec.name}\n\n{spec.title}. {spec.summary}\n")
        facts = (("Needs", spec.needs), ("Adds", spec.adds), ("Metrics", spec.metrics), ("Baselines", spec.baselines))
        parts.append("\n".join(f"- {name}: {', '.join(values) or 'none'}" for name, values in facts) + "\n")
        config: Any = resolve(spec.config)
        rows = [
            (
                f"`{name}`",
                _type_words(field.annotation),
                f"`{field.get_default(call_default_factory=True)!r}`",
                field.description or "",
            )
            for name, field in config.model_fields.items()
        ]
        parts.append(_table(("`--set`", "Type", "Default", "Meaning"), rows))
    return "\n".join(parts)


def _type_words(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")


def _metrics() -> str:
    from tumorboard.core.registry import resolve
    from tumorboard.metrics.official import RULE_SETS
    from tumorboard.metrics.registry import METRICS

    rows = [(f"`{m.name}`", m.title, m.unit, m.better, m.meaning, m.empty) for m in METRICS.values()]
    text = "A surface metric names its definition of a surface in every table, e.g. `hd95_mm (voxel borders)`.\n"
    head = ("Name", "Title", "Unit", "Better", "Meaning", "When empty")
    parts = [f"# Metrics\n\n{text}\n{_table(head, rows)}", "## Rules of challenges\n"]
    parts.append("`tumorboard evaluate TASK COHORT --prediction ... --rules NAME`; their options with `--set`.\n")
    parts += [
        f"### {rules.name}\n\n{rules.title}. Source: {rules.source}.\n\n{_doc(resolve(rules.rules))}\n"
        for rules in RULE_SETS.values()
    ]
    return "\n".join(parts)


def _codes() -> str:
    from tumorboard.cli.explain import load_all_codes
    from tumorboard.core.errors import all_codes

    examples = load_all_codes()
    parts = ["# Codes of messages and findings\n", "`tumorboard explain CODE` prints one of these.\n"]
    for code in all_codes():
        example = f"\n\nFor example: {examples[code.id]}" if code.id in examples else ""
        parts.append(f"## {code.id}: {code.title}\n\n{code.why}{example}\n\nFix: {code.fix}.\n")
    return "\n".join(parts)


def _command_line() -> str:
    import typer

    from tumorboard.cli.main import build_app

    program: Any = typer.main.get_command(build_app())
    parts = ["# Command line\n", "Exit codes: 0 fine, 1 failure, 2 usage, 3 the data have errors.\n"]
    for name, verb in sorted(program.commands.items()):
        words = [p.metavar or p.name.upper() for p in verb.params if p.param_type_name == "argument"]
        parts.append(f"## tumorboard {' '.join([name, *words])}\n\n{inspect.cleandoc(verb.help or '')}\n")
        rows = []
        for p in verb.params:
            if p.param_type_name == "argument":
                rows.append((f"`{p.metavar or p.name.upper()}`", getattr(p, "help", "") or "", ""))
            elif p.name != "help":
                shown = "" if p.default in (None, False, [], ()) or p.required else f"`{p.default}`"
                required = "required" if p.required else shown
                rows.append((f"`{', '.join(p.opts)}`", p.help or "", required))
        parts.append(_table(("Argument or option", "Meaning", "Default"), rows))
    return "\n".join(parts)


def _python() -> str:
    import tumorboard

    parts = ["# Python\n", "```python\nimport tumorboard as tb\n```\n"]
    for name in tumorboard.__all__:
        if name.startswith("__"):
            continue
        thing = getattr(tumorboard, name)
        head = "" if inspect.isclass(thing) else _signature(thing)
        parts.append(f"## tb.{name}{head}\n\n{_doc(thing)}\n")
        if inspect.isclass(thing):
            for method, function in inspect.getmembers(thing, inspect.isfunction):
                text = inspect.getdoc(function)
                if not method.startswith("_") and text and function.__qualname__.startswith(thing.__name__ + "."):
                    parts.append(f"- `.{method}{_signature(function)}`: {text.split(chr(10) * 2)[0]}")
            parts.append("")
    return "\n".join(parts)


def main() -> None:
    for name, text in build().items():
        REFERENCE.joinpath(name).write_text(text, encoding="utf-8")
    for path in REFERENCE.glob("*.md"):
        if path.name not in build():
            path.unlink()


if __name__ == "__main__":
    main()
