"""`tumorboard evaluate`: the shape of its JSON, its options and its mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tumorboard.cli.main import build_app
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import save_cohort


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Two patients with expert masks, saved; a folder `guess` with a mask of each, and one of a stranger."""
    rows = []
    for number in (1, 2):
        mask = np.zeros((12, 12, 12), np.uint8)
        mask[2:8, 2:8, 2:8] = 1
        write_nifti(Volume(mask, np.eye(4), Unit.LABEL), tmp_path / f"truth-{number}.nii.gz")
        (tmp_path / "guess").mkdir(exist_ok=True)
        write_nifti(Volume(np.roll(mask, number, 0), np.eye(4), Unit.LABEL), tmp_path / "guess" / f"P-{number}.nii.gz")
        rows.append(
            describe_image(
                tmp_path / f"truth-{number}.nii.gz",
                image_id=f"P-{number}.0.mask",
                exam_id=f"P-{number}.0",
                modality=Modality.SEG,
                role=Role.MASK,
                unit=Unit.LABEL,
                run_id="expert",
                labels={1: "GTVp"},
            )
        )
    write_nifti(Volume(mask, np.eye(4), Unit.LABEL), tmp_path / "guess" / "STRANGER.nii.gz")
    made = Cohort.build(
        "two",
        patients=[{"patient_id": "P-1"}, {"patient_id": "P-2"}],
        exams=[{"exam_id": f"P-{n}.0", "patient_id": f"P-{n}", "order": 0} for n in (1, 2)],
        images=rows,
    )
    save_cohort(made, tmp_path / "cohort")
    return tmp_path / "cohort"


def run(*words: object):
    return CliRunner().invoke(build_app(), ["evaluate", *map(str, words)], catch_exceptions=False)


def test_json_has_the_agreed_shape(cohort: Path) -> None:
    result = run("segmentation", cohort, "--prediction", cohort.parent / "guess", "--json")
    assert result.exit_code == 0
    printed = json.loads(result.stdout)
    dice = next(row for row in printed["scores"] if row["metric"] == "dice")
    assert set(dice) == {"run", "task", "metric", "label", "subset", "value", "low", "high", "n"}
    assert dice["value"] == pytest.approx((5 / 6 + 4 / 6) / 2)
    assert (dice["run"], dice["label"], dice["n"]) == ("guess", "GTVp", 2)
    assert printed["unused"] == ["STRANGER.nii.gz"]
    assert printed["missing"] == []
    assert printed["rules"]["definition"] == "voxel borders"


def test_rules_and_their_options(cohort: Path) -> None:
    words = ("segmentation", cohort, "--prediction", cohort.parent / "guess", "--rules", "hecktor2025")
    printed = json.loads(run(*words, "--set", "both_empty=skip", "--set", "lesions.iou=0.5", "--json").stdout)
    assert printed["rules"]["both_empty"] == "skip"
    assert printed["rules"]["lesions"]["iou"] == 0.5
    assert [row["metric"] for row in printed["scores"]] == ["dice", "aggregated_dice", "aggregated_lesion_f1"]
    assert printed["scores"][1]["value"] is None  # nobody has a GTVn: undefined, not 0 and not 1
    words = run(*words)
    assert words.exit_code == 0
    assert "hecktor2025" in words.stdout
    assert "both_empty one" in words.stdout
    assert "undefined" in words.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        ("--rules", "hecktor1999"),
        ("--rules", "hecktor2025-rfs"),
        ("--set", "colour=red"),
        ("--set", "lesions.iou=much"),
        ("--set", "lesions.strict=perhaps"),
        ("--set", "lesions=26"),
        ("--set", "tolerance_mm"),
        ("--set", "missing=drop"),
    ],
)
def test_mistakes_are_usage_errors(cohort: Path, wrong: tuple[str, str]) -> None:
    assert run("segmentation", cohort, "--prediction", cohort.parent / "guess", *wrong).exit_code == 2


def test_an_unknown_task_is_a_usage_error(cohort: Path) -> None:
    assert run("divination", cohort, "--prediction", "x").exit_code == 2


def test_info_lists_metrics_and_rules() -> None:
    printed = json.loads(CliRunner().invoke(build_app(), ["info", "metrics", "--json"]).stdout)
    assert {"dice", "c_index"} <= {row["name"] for row in printed["metrics"]}
    assert {"hecktor2022", "autopet"} <= {row["name"] for row in printed["rules"]}
    words = CliRunner().invoke(build_app(), ["info", "metrics"]).stdout
    assert "hecktor2026-tn" in words
