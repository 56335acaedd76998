"""A training killed with SIGKILL goes on to the same weights (trap 10)."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tumorboard
from tumorboard.io.store import save_cohort
from tumorboard.tasks.segmentation.model import MODEL_FILE

SETTINGS = {
    "spacing_mm": "4", "channels": "4,8", "patch_voxels": "16", "window_voxels": "32", "steps": "400",
    "batch": "2", "checkpoint_every": "20",
}  # fmt: skip


def start(cohort: Path, out: Path) -> subprocess.Popen[bytes]:
    words = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "tumorboard", "train", "segmentation", str(cohort), "--out", str(out), *words]
    source = str(Path(tumorboard.__file__).parents[1])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"})


def weights(out: Path) -> bytes:
    data = (out / MODEL_FILE).read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


@pytest.mark.slow
def test_killed_twice_and_resumed_gives_the_weights_of_an_undisturbed_training(spheres, tmp_path):
    save_cohort(spheres, tmp_path / "cohort")
    assert start(tmp_path / "cohort", tmp_path / "whole").wait() == 0
    torn = tmp_path / "torn"
    for lines in (8, 20):
        process = start(tmp_path / "cohort", torn)
        log = torn / "log.jsonl"
        while process.poll() is None and (not log.exists() or len(log.read_bytes().splitlines()) < lines):
            time.sleep(0.01)
        process.kill()
        assert process.wait() != 0, "it ended before it could be killed"
    assert start(tmp_path / "cohort", torn).wait() == 0
    assert weights(tmp_path / "whole") == weights(torn)
    assert b'"resumed"' in (torn / "log.jsonl").read_bytes()
