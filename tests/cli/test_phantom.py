"""`tumorboard phantom`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.registry import layouts
from tumorboard.io.store import open_cohort
from tumorboard.phantom.ct_faults import CT_FAULTS
from tumorboard.phantom.faults import FAULTS
from tumorboard.phantom.radiograph_faults import XRAY_FAULTS

GRAPHS = ("coco", "dicom-sr", "imagenome", "reports")
"""Layouts of X-rays, their reports and graphs."""


def test_makes_a_cohort_and_says_what_as_json(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        build_app(), ["phantom", str(tmp_path / "c"), "--patients", "5", "--tables-only", "--json"]
    )
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["rows"]["patients"] == 5
    assert "SYNTHETIC" in said["provenance"][0]["source"]
    assert len(open_cohort(tmp_path / "c")) == 5


def test_lists_the_faults(tmp_path: Path) -> None:
    result = CliRunner().invoke(build_app(), ["phantom", str(tmp_path / "c"), "--fault", "list", "--json"])
    assert {fault["name"] for fault in json.loads(result.stdout)["faults"]} == {*FAULTS, *CT_FAULTS, *XRAY_FAULTS}
    assert not (tmp_path / "c").exists()


def test_writes_a_published_layout(tmp_path: Path) -> None:
    words = ["phantom", str(tmp_path / "p"), "--patients", "1", "--exams", "1", "--spacing", "9", "--layout", "pairs"]
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["p"]
    assert sorted(path.name for path in (tmp_path / "p").rglob("*.nii.gz")) == [
        "CT_image.nii.gz",
        "CT_mask.nii.gz",
        "PET_image.nii.gz",
    ]


@pytest.mark.parametrize("layout", [name for name, layout in layouts().items() if layout.write and layout.read])
def test_every_layout_that_can_be_read_has_its_synthetic_twin(layout: str, tmp_path: Path) -> None:
    words = ["phantom", str(tmp_path / "p"), "--patients", "1", "--exams", "1", "--spacing", "9", "--layout", layout]
    if layout in GRAPHS:
        words += ["--region", "chest-xray", "--size", "96"]
    if layout == "ici-nsclc":
        words += ["--region", "lung-ici"]
    if layout == "deeplesion":
        words += ["--region", "body-ct", "--tables-only"]  # with pixels: the how-to page
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, result.output
    source = next((tmp_path / "p").glob("*.toml")) if layout == "table" else tmp_path / "p"
    source = source / "reports.csv" if layout == "reports" else source
    result = CliRunner().invoke(build_app(), ["import", layout, str(source), str(tmp_path / "c"), "--json"])
    assert result.exit_code == 0, result.output
    assert len(open_cohort(tmp_path / "c")) == 1


def test_makes_chest_xrays_with_reports(tmp_path: Path) -> None:
    words = [
        "phantom",
        str(tmp_path / "x"),
        "--region",
        "chest-xray",
        "--patients",
        "2",
        "--exams",
        "1",
        "--size",
        "96",
    ]
    result = CliRunner().invoke(build_app(), [*words, "--bits", "16", "--masked-words", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["rows"]["images"] == 4
    assert said["rows"]["texts"] >= 6
    cohort = open_cohort(tmp_path / "x")
    assert {row["unit"] for row in cohort.rows("images", modality="DX")} == {"grey16"}
