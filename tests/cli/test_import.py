"""`tumorboard import`, `export`, `info`: exit codes, one JSON object, nothing left behind by a failure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.cli.options import described_options, parse_settings
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import layouts
from tumorboard.io.nifti import write_nifti

RUNNER = CliRunner()


@pytest.fixture()
def source(tmp_path):
    import numpy as np

    from tumorboard.core.units import Unit
    from tumorboard.core.volume import Volume

    volume = Volume(np.zeros((3, 4, 5), "float32"), np.diag([1.0, 2, 3, 1]), Unit.HU)
    for name in ("A/CT.nii.gz", "A/PET.nii.gz", "B/CT.nii.gz"):
        (tmp_path / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        write_nifti(volume, tmp_path / "source" / name)
    return tmp_path / "source"


def run(*words):
    return RUNNER.invoke(build_app(), [str(word) for word in words])


def test_import_info_export(source, tmp_path):
    done = run("import", "pairs", source, tmp_path / "c", "--json", "--set", "pet_unit=Bq/ml", "--set", "name=mine")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["name"], said["tables"]["patients"], said["tables"]["images"]) == ("mine", 2, 3)
    assert {"modality": "PT", "role": "image", "unit": "Bq/ml", "count": 1} in said["images"]
    assert json.loads(run("info", tmp_path / "c", "--json").stdout) == {k: v for k, v in said.items() if k != "cohort"}
    assert "2 patients" in run("info", tmp_path / "c").stdout
    out = json.loads(run("export", "pairs", tmp_path / "c", tmp_path / "out", "--json").stdout)
    assert out["files"] == 3
    assert (tmp_path / "out/A/PET_image.nii.gz").is_file()


def test_a_taken_folder_needs_replace(source, tmp_path):
    assert run("import", "pairs", source, tmp_path / "c").exit_code == 0
    again = run("import", "pairs", source, tmp_path / "c")
    assert isinstance(again.exception, TumorboardError)
    assert again.exception.code.id == "STO105"
    assert run("import", "pairs", source, tmp_path / "c", "--replace").exit_code == 0


def test_a_failed_import_leaves_nothing(source, tmp_path):
    (source / "B" / "scan.nii.gz").write_bytes(b"")
    failed = run("import", "pairs", source, tmp_path / "c")
    assert isinstance(failed.exception, TumorboardError)
    assert not (tmp_path / "c").exists()
    (source / "B" / "scan.nii.gz").rename(source / "B" / "PET.nii.gz")  # a role, but no NIfTI
    failed = run("import", "pairs", source, tmp_path / "c")
    assert isinstance(failed.exception, TumorboardError)
    assert not (tmp_path / "c").exists()


def test_a_table_joins_the_cohort_that_is_there(source, tmp_path):
    cohort, table = tmp_path / "c", tmp_path / "clinical.csv"
    assert run("import", "pairs", source, cohort).exit_code == 0
    table.write_text("id,smoker\nA,1\nB,0\n")
    said = json.loads(run("import", "table", table, cohort, "--set", f"onto={cohort}", "--json").stdout)
    assert (said["tables"]["patients"], said["tables"]["images"]) == (2, 3)
    assert [entry["layout"] for entry in said["provenance"]] == ["pairs", "table"]
    elsewhere = run("import", "table", table, cohort)
    assert isinstance(elsewhere.exception, TumorboardError)  # without `onto` it would replace what is there


@pytest.mark.parametrize(
    "words",
    [
        ("import", "nothing", "a", "b"),
        ("export", "nothing", "a", "b"),
        ("import", "pairs", "a", "b", "--set", "colour=red"),
        ("import", "pairs", "a", "b", "--set", "pet_unit"),
        ("import", "pairs", "a", "b", "--set", "name=x", "--set", "name=y"),
        ("import", "pairs", "a", "b", "--set", "progress=1"),
        ("import", "pairs", "a"),
    ],
)
def test_wrong_words_are_a_usage_error(words):
    assert run(*words).exit_code == 2


def test_lists():
    listed = json.loads(run("info", "layouts", "--json").stdout)["layouts"]
    assert [row["name"] for row in listed] == list(layouts())
    pairs = next(row for row in listed if row["name"] == "pairs")
    assert {"name": "pet_unit", "type": "str", "default": "SUVbw"} in pairs["import_options"]
    for what in ("tasks", "metrics"):
        assert isinstance(json.loads(run("info", what, "--json").stdout)[what], list)
        assert run("info", what).exit_code == 0


def test_settings_are_typed():
    def function(
        source: Path,
        *,
        flag: bool = False,
        count: int = 1,
        share: float | None = None,
        kind: Literal["a", "b"] = "a",
        place: Path | None = None,
        hidden: object = None,
    ) -> None: ...

    words = ["flag=yes", "count=3", "share=0.5", "kind=b", "place=x/y"]
    assert parse_settings(words, function) == {
        "flag": True,
        "count": 3,
        "share": 0.5,
        "kind": "b",
        "place": Path("x/y"),
    }
    assert parse_settings(["share=none", "flag=0"], function) == {"share": None, "flag": False}
    for wrong in ("flag=maybe", "count=1.5", "kind=c", "hidden=1", "source=x", "share=much"):
        with pytest.raises(typer.BadParameter):
            parse_settings([wrong], function)
    assert [option["name"] for option in described_options(function)] == ["flag", "count", "share", "kind", "place"]
