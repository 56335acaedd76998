"""A folder that appears whole or not at all, and what a killed export leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tumorboard.datasets.export import new_folder


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".writing-*"))


def test_it_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a.txt").read_text() == "a" and hidden(tmp_path) == []
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "other"):
        raise ZeroDivisionError
    assert not (tmp_path / "other").exists() and hidden(tmp_path) == []


def test_what_a_killed_export_left_goes_with_the_next_one(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from tumorboard.datasets.export import new_folder\n"
        "with new_folder(Path(sys.argv[1])) as folder:\n"
        "    (folder / 'half').write_text('half'); print('begun', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "out")], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        (left,) = hidden(tmp_path)
        with new_folder(tmp_path / "out") as folder:
            (folder / "a.txt").write_text("a")
            assert left in hidden(tmp_path), "the other one is under way"
        os.kill(process.pid, signal.SIGKILL)
    assert hidden(tmp_path) == [left]
    (tmp_path / "out" / "a.txt").unlink()
    with new_folder(tmp_path / "out"):
        assert left not in hidden(tmp_path)
    assert hidden(tmp_path) == []


def test_files_and_links_of_such_a_name_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "kept.txt").write_text("kept")
    (tmp_path / ".writing-link-out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".writing-file-out").write_text("a file")
    with new_folder(tmp_path / "out"):
        pass
    assert (tmp_path / "elsewhere" / "kept.txt").is_file() and len(hidden(tmp_path)) == 2
