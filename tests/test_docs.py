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
LIGHT = ("steps=2", "folds=2", "mirror=false", "overlap=0", "patch_voxels=16")
QUICKER = (
    " ".join(f"--set segmentation.{setting}" for setting in LIGHT) + " --set bodypart.steps=2 --set anomaly.steps=2"
)


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


def blocks(page: Path) -> list[str]:
    """The page's `sh` blocks, without what a test must not run, in order."""
    found = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    kept = ("\n".join(line for line in block.splitlines() if not line.startswith(NOT_HERE)) for block in found)
    return [block for block in kept if block.strip()]


def commands(page: Path) -> list[list[str]]:
    """The words of every `tumorboard ...` line of the page."""
    lines = [line for block in blocks(page) for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("tumorboard ")]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    """In the order of the page, in an empty folder, on virtual patients; a program that ends with another exit code
    than 0 is a failure."""
    shim = tmp_path / "bin" / "tumorboard"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tumorboard "$@"\n', encoding="utf-8")
    shim.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = os.environ | {"PATH": f"{shim.parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    for block in blocks(page):
        script = re.sub(r"^(tumorboard run [^#\n]*)", rf"\1 {QUICKER} ", block, flags=re.M)
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=work, env=environment, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, f"{page.name}:\n{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


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
        for words in commands(page):
            if words[1].startswith("-"):
                continue
            assert words[1] in verbs, f"{page.name}: {' '.join(words)}"
            known = {option for p in verbs[words[1]].params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
            used = {word for word in words[2:] if word.startswith("--")}
            assert used <= known, f"{page.name}: {' '.join(words)}"


def test_no_command_is_missed() -> None:
    assert shutil.which("bash"), "the pages' commands are run by bash"
    assert sum(len(commands(page)) for page in PAGES) > 10
