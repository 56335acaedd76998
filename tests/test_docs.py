"""The documentation is true: the reference is what the program says, and every command in the pages runs."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs" / "tutorial").glob("*.md")),
    *sorted((ROOT / "docs/how-to").glob("*.md")),
]
# Commands for people that a test must not run: they set up a machine or take minutes, and CI runs them itself.
NOT_HERE = ("make ", "git ")
# A test needs no well-trained network; the pages show the defaults.
QUICKER = {"tumorboard run ": "--set epochs=1", "tumorboard benchmark ": "--set epochs=1", "tumorboard phantom ": ""}


def docs_builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_program_says() -> None:
    """Fix: `make docs`."""
    written = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md")}
    assert written == docs_builder().build()


def commands(page: Path) -> list[str]:
    """Lines of the page's `sh` blocks, continued lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(("#", *NOT_HERE))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    """In the order of the page, in an empty folder, on virtual patients; the program may find data errors (exit 3)
    only where the line says `|| true`."""
    shim = tmp_path / "bin" / "tumorboard"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tumorboard "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    for line in commands(page):
        more = next((extra for start, extra in QUICKER.items() if line.startswith(start)), "")
        done = subprocess.run(
            ["bash", "-c", f"{line} {more}"], cwd=work, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{page.name}: {line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_every_relative_link_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_the_verbs_of_the_pages_exist() -> None:
    """The quick half of the test above: every `tumorboard VERB` in the pages is a verb with these options."""
    import typer

    from tumorboard.cli.main import build_app

    verbs = typer.main.get_command(build_app()).commands  # type: ignore[attr-defined]
    for page in PAGES:
        for line in commands(page):
            words = shlex.split(line)
            if words[0] != "tumorboard" or words[1].startswith("-"):
                continue
            known = {option for p in verbs[words[1]].params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
            used = {word for word in words[2:] if word.startswith("--")}
            assert used <= known, f"{page.name}: {line}"


def test_no_command_is_missed() -> None:
    assert shutil.which("bash"), "the pages' commands are run by bash"
    assert sum(len(commands(page)) for page in PAGES) > 10
