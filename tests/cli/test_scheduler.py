"""`--scheduler`: the cases of a verb on a cluster give what they give here, and a lost worker costs nothing."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.engine.executors import executor
from tumorboard.io.nifti import write_nifti

distributed = pytest.importorskip("distributed")
RUNNER = CliRunner()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """One worker process on this machine, with its nanny."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # distributed warns about ports and sockets of the machine it runs on
        with distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
        ) as made:
            yield made


def said(*words: object) -> Any:
    done = RUNNER.invoke(build_app(), [str(word) for word in words])
    assert done.exit_code in (0, 3), done.output
    return json.loads(done.stdout)


@pytest.mark.filterwarnings("ignore")
def test_import_check_and_read_give_the_same_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    address = cluster.scheduler_address
    random = np.random.default_rng(0)
    for name, unit in ((f"{p}/{kind}", unit) for p in "AB" for kind, unit in (("CT", Unit.HU), ("PET", Unit.SUVBW))):
        path = tmp_path / "p" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_nifti(Volume(random.normal(0, 1, (8, 9, 10)).astype("float32"), np.diag([2.0, 2, 3, 1]), unit), path)
    here = said("import", "pairs", tmp_path / "p", tmp_path / "here", "--json")
    there = said("import", "pairs", tmp_path / "p", tmp_path / "there", "--json", "--scheduler", address)
    assert {**here, "cohort": ""} == {**there, "cohort": ""}
    tables = [json.loads((tmp_path / name / "cohort.json").read_text())["tables"] for name in ("here", "there")]
    assert tables[0] == tables[1], "the same bytes"
    assert said("check", tmp_path / "here", "--json", "--workers", "1") == said(
        "check", tmp_path / "there", "--json", "--scheduler", address
    )
    (tmp_path / "r.csv").write_text("id,text\na,Cardiomegaly.\nb,No effusion.\n", encoding="utf-8")
    assert said("read", tmp_path / "r.csv", "--json") == said(
        "read", tmp_path / "r.csv", "--json", "--scheduler", address
    )


SMALL = ("spacing_mm=3", "channels=4,8", "patch_voxels=16", "window_voxels=32", "steps=1", "batch=1", "members=1",
         "mirror=false", "inference=torch", "workers=1")  # fmt: skip


@pytest.mark.filterwarnings("ignore")
def test_predict_gives_the_same_on_a_cluster(cluster: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in "AB":
        place = tmp_path / "p" / name
        place.mkdir(parents=True)
        lesion = np.zeros((24, 24, 16), np.uint8)
        lesion[9:15, 9:15, 5:11] = 1
        pet = (random.gamma(2, 0.5, lesion.shape) + 8 * lesion).astype(np.float32)
        ct = random.normal(0, 20, lesion.shape).astype(np.int16)
        for kind, values, unit in (("CT", ct, Unit.HU), ("PET", pet, Unit.SUVBW), ("mask", lesion, Unit.LABEL)):
            write_nifti(Volume(values, np.diag([3.0, 3, 4, 1]), unit), place / f"{kind}.nii.gz")
    for name in ("here", "there"):
        said("import", "pairs", tmp_path / "p", tmp_path / name, "--json")
    settings = [word for setting in SMALL for word in ("--set", setting)]
    said("train", "segmentation", tmp_path / "here", "--out", tmp_path / "run", "--json", *settings)
    said("predict", tmp_path / "run", tmp_path / "here", "--name", "net", "--json", "--workers", "1")
    said(
        "predict",
        tmp_path / "run",
        tmp_path / "there",
        "--name",
        "net",
        "--json",
        "--scheduler",
        cluster.scheduler_address,
    )
    masks = [sorted((tmp_path / name).glob("**/net/**/*.nii.gz")) for name in ("here", "there")]
    assert len(masks[0]) == 2 and [path.name for path in masks[0]] == [path.name for path in masks[1]]
    for one, other in zip(*masks, strict=True):
        assert one.read_bytes() == other.read_bytes()
    tables = [json.loads((tmp_path / name / "cohort.json").read_text())["tables"] for name in ("here", "there")]
    assert tables[0]["findings"] == tables[1]["findings"]


def end_once(mark: str) -> str:
    """Ends its process the first time."""
    path = Path(mark)
    if not path.exists():
        path.write_text("been here", encoding="utf-8")
        os._exit(1)
    return "done"


def slowly(number: int) -> int:
    time.sleep(0.01)
    return number


@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_is_replaced_and_its_case_done_again(cluster: Any, tmp_path: Path) -> None:
    with executor(kind="dask", address=cluster.scheduler_address) as pool:
        attempts = list(pool.attempt(end_once, [str(tmp_path / "mark")]))
        assert [attempt.value for attempt in attempts] == ["done"]
        assert list(pool.map(slowly, range(20))) == list(range(20))


@pytest.mark.filterwarnings("ignore")
def test_an_address_where_nobody_listens_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tumorboard.engine.executors._PATIENCE_S", 0.5)
    with pytest.raises(TumorboardError, match="ENG107"):
        executor(kind="dask", address="tcp://127.0.0.1:9")


def test_a_layout_read_in_one_piece_has_no_use_for_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("patient_id,age\na,50\n", encoding="utf-8")
    words = ["import", "table", str(tmp_path / "t.csv"), str(tmp_path / "c"), "--scheduler", "tcp://127.0.0.1:9"]
    done = RUNNER.invoke(build_app(), words)
    assert isinstance(done.exception, TumorboardError) and "LAY113" in str(done.exception)
    assert not (tmp_path / "c").exists()
