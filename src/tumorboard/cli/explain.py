"""`tumorboard explain CODE`: the page of a code."""

from __future__ import annotations

import typer

from tumorboard.cli.output import EXIT_USAGE, print_json, say

__all__ = ["command", "load_all_codes"]


def command(
    code: str = typer.Argument(
        "", help="A code such as OUT204, or the beginning of some; without one, all are listed."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object on standard output."),
) -> None:
    """What a code means, why it matters, an example, and what to do."""
    from tumorboard.core.errors import all_codes

    examples = load_all_codes()
    known = all_codes()
    wanted = [one for one in known if one.id.startswith(code.upper())]
    exact = [one for one in wanted if one.id == code.upper()]
    if not wanted:
        say(f"No code {code!r}. Codes: {', '.join(one.id for one in known)}")
        raise typer.Exit(EXIT_USAGE)
    pages = [
        {"code": c.id, "title": c.title, "why": c.why, "example": examples.get(c.id, ""), "fix": c.fix}
        for c in exact or wanted
    ]
    if as_json:
        print_json({"codes": pages})
        return
    for page in pages:
        typer.echo(f"{page['code']}  {page['title']}")
        if len(pages) > 1 and not exact:
            continue
        typer.echo(f"\nWhy it matters: {page['why']}")
        if page["example"]:
            typer.echo(f"For example:    {page['example']}")
        typer.echo(f"What to do:     {page['fix']}")


def load_all_codes() -> dict[str, str]:
    """Import every `codes.py` and every check rule, so that all codes are known; code -> example of its rule."""
    import importlib
    import pkgutil

    import tumorboard
    from tumorboard.checks.finding import rules

    for module in pkgutil.walk_packages(tumorboard.__path__, "tumorboard."):
        if module.name.rsplit(".", 1)[-1] == "codes":
            importlib.import_module(module.name)
    return {rule.code.id: rule.example for rule in rules()}
