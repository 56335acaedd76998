"""Damaged releases: whatever is done to a file's bytes or name, a reader ends in a cohort or in a coded error."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import test_contract as contract
from test_contract import TWINS, write_twin

from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import layouts, resolve
from tumorboard.datasets.hecktor.writer import write as write_hecktor

NAMES = [
    "CT.nii.gz",
    "..",
    "x__y.nii.gz",
    "__CT.nii.gz",
    "a b.csv",
    "\u00fc_CT.nii.gz",
    "x" * 200 + "__CT.nii.gz",
    "ehr.json",
]


def damage(path: Path, rng: np.random.Generator) -> str:
    """Change some bytes, cut, double, empty, rename or remove a file; returns what was done."""
    data = path.read_bytes()
    what = rng.choice(["bytes", "cut", "double", "empty", "rename", "remove", "junk"])
    if what == "bytes" and data:
        changed = bytearray(data)
        for at in rng.integers(0, len(data), rng.integers(1, 6)):
            changed[at] = rng.integers(0, 256)
        path.write_bytes(changed)
    elif what == "cut":
        path.write_bytes(data[: rng.integers(0, len(data) + 1)])
    elif what == "double":
        path.write_bytes(data + data)
    elif what == "rename":
        name = str(rng.choice(NAMES))
        path.rename(path.with_name(name if name != ".." else "...csv"))
    elif what == "remove":
        path.unlink()
    else:
        path.write_bytes(b"" if what == "empty" else rng.bytes(50))
    return f"{what} {path.name}"


def survives(name: str, whole: Path, folder: Path, *, rounds: int, seed: int) -> int:
    rng = np.random.default_rng(seed)
    read = resolve(layouts()[name].read)
    refused = 0
    for _ in range(rounds):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        done = damage(files[rng.integers(len(files))], rng)
        try:
            cohort = read(folder / TWINS[name].source)
            for row in cohort.rows("images"):
                if row["problem"] is None and row["path"] is not None:
                    cohort.image(row["image_id"])
        except TumorboardError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"{name}: {done} ended in {error!r}") from error
    return refused


@pytest.mark.parametrize("name", ["hecktor", "nnunet", "pairs", "deeplesion", "imagenome", "coco", "reports"])
def test_a_few_damaged_files(name, tmp_path):
    write_twin(name, TWINS[name].make(tmp_path), tmp_path / "whole")
    assert 0 < survives(name, tmp_path / "whole", tmp_path / "damaged", rounds=15, seed=1) <= 15


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["hecktor", "nnunet", "pairs", "deeplesion", "table", "imagenome", "coco", "dicom-sr", "reports"]
)
def test_many_damaged_files(name, tmp_path):
    write_twin(name, TWINS[name].make(tmp_path), tmp_path / "whole")
    assert survives(name, tmp_path / "whole", tmp_path / "damaged", rounds=400, seed=2) > 40


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["2022", "2025", "2026", "case"])
def test_many_damaged_editions(edition, tmp_path):
    write_hecktor(contract.hecktor_twin(tmp_path), tmp_path / "whole", edition=edition, lossy=True)
    assert survives("hecktor", tmp_path / "whole", tmp_path / "damaged", rounds=200, seed=3) > 20
