"""Dependencies point one way, and the command line starts without heavy imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import tumorboard

SOURCE = Path(tumorboard.__file__).parent
LEVEL = (
    {"core": 0, "io": 1}
    | dict.fromkeys(["ops", "metrics", "nlp", "models", "checks", "datasets", "phantom"], 2)
    | {"engine": 3, "tasks": 4, "board": 5, "cli": 6}
)
# Rooms of one level that may use a neighbour (DESIGN.md; adr/0002): data rooms use operations, and a
# virtual cohort is written through the layouts' writers.
NEIGHBOURS = {
    ("checks", "ops"),
    ("checks", "metrics"),
    ("datasets", "ops"),
    ("phantom", "ops"),
    ("phantom", "datasets"),
}
HEAVY = {"torch", "monai", "sklearn", "matplotlib", "pandas", "lifelines", "SimpleITK", "highdicom", "numba"}


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return found


def test_dependencies_point_one_way() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        room = path.relative_to(SOURCE).parts[0]
        if room not in LEVEL:
            continue
        for name in imports_of(path):
            parts = name.split(".")
            if parts[0] != "tumorboard" or len(parts) < 2 or parts[1] not in LEVEL or parts[1] == room:
                continue
            if LEVEL[parts[1]] >= LEVEL[room] and (room, parts[1]) not in NEIGHBOURS:
                wrong.append(f"{path.relative_to(SOURCE)} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_core_knows_numpy_and_pyarrow_alone() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "pyarrow", "tumorboard"}
    for path in (SOURCE / "core").glob("*.py"):
        outside = {name.split(".")[0] for name in imports_of(path)} - allowed
        assert not outside, f"{path.name} imports {outside}"


def test_metrics_and_models_do_not_know_the_cohort() -> None:
    for room in ("metrics", "nlp", "models"):
        for path in (SOURCE / room).rglob("*.py"):
            assert not any("cohort" in name for name in imports_of(path)), path


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; sys.argv = ['tumorboard', '--help']\n"
        "from tumorboard.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', sorted({HEAVY!r} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert "HEAVY []" in out
