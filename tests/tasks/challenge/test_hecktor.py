"""HECKTOR's containers on synthetic cases in exactly the challenge's layouts: files in, files out, errors by code."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.datasets.hecktor.reader import read
from tumorboard.datasets.hecktor.submission import write_hpv, write_mask, write_predictions, write_rfs, write_stage
from tumorboard.datasets.hecktor.writer import write
from tumorboard.io.itk import write_itk
from tumorboard.phantom import make_cohort
from tumorboard.tasks.challenge import hecktor
from tumorboard.tasks.challenge.hecktor import answer
from tumorboard.tasks.prognosis.config import PrognosisConfig
from tumorboard.tasks.prognosis.train import train

EHR = {
    "CenterID": 5, "Age": 64, "Gender": 1, "Tobacco Consumption": 1, "Alcohol Consumption": None,
    "Performance Status": 1, "Treatment": 1, "M-stage": "M0",
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recurrence model of a virtual release: tables only."""
    folder = tmp_path_factory.mktemp("models")
    virtual = make_cohort(folder / "virtual", patients=90, seed=4, tables_only=True, exams=1, followed=0.0)
    write(virtual, folder / "release", edition="2025-all", lossy=True)
    config = PrognosisConfig(inner_folds=2, covariates="age_years,sex,tobacco,performance_status,treatment")
    train(read(folder / "release"), folder / "models" / "rfs", config=config)
    return folder / "models"


def scan(unit: Unit, value: float) -> Volume:
    affine = np.diag([-4.0, -4.0, 4.0, 1.0])
    return Volume(np.full((16, 16, 16), value, np.float32), affine, unit)


def case(folder: Path, ehr: object = EHR, *, images: bool = True) -> Path:
    """`/input` of a Grand Challenge container."""
    folder.mkdir(parents=True)
    if images:
        for kind, unit in (("ct", Unit.HU), ("pet", Unit.SUVBW)):
            (folder / "images" / kind).mkdir(parents=True)
            write_itk(scan(unit, 1.0), folder / "images" / kind / "0a1b.mha")
    text = ehr if isinstance(ehr, str) else json.dumps(ehr)
    (folder / "ehr.json").write_text(text, encoding="utf-8")
    return folder


def rfs(source: Path, out: Path, models: Path, edition: str = "hecktor2025", **more: str) -> float:
    answer(edition, "rfs", source, out, model=models, **more)
    value = json.loads((out / "rfs.json").read_text(encoding="utf-8"))
    assert isinstance(value, float) and sorted(p.name for p in out.rglob("*")) == ["rfs.json"]
    return value


def test_a_case_in_gives_one_bare_float_out(tmp_path: Path, models: Path) -> None:
    value = rfs(case(tmp_path / "in"), tmp_path / "out", models)
    assert math.isfinite(value)
    assert value == rfs(tmp_path / "in", tmp_path / "again", models)  # same input, same bytes


def test_trap_the_sign_risk_in_2025_days_in_2026_or_as_stated(tmp_path: Path, models: Path) -> None:
    """Reference b: 2026's README asks for days, its template for a risk."""
    fit = case(tmp_path / "fit", EHR | {"Age": 45, "Performance Status": 0})
    frail = case(tmp_path / "frail", EHR | {"Age": 82, "Performance Status": 3})
    risk = [rfs(c, tmp_path / f"r{n}", models) for n, c in enumerate((fit, frail))]
    days = [rfs(c, tmp_path / f"d{n}", models, "hecktor2026") for n, c in enumerate((fit, frail))]
    stated = [rfs(c, tmp_path / f"s{n}", models, "hecktor2026", rfs_means="risk") for n, c in enumerate((fit, frail))]
    assert risk[0] < risk[1] and days[0] > days[1] and stated == risk
    assert all(0 < value <= 1826.25 for value in days)
    with pytest.raises(TumorboardError, match="CHG102"):
        rfs(fit, tmp_path / "x", models, rfs_means="months")


def test_trap_null_missing_key_and_strings_are_one_record(tmp_path: Path, models: Path) -> None:
    """Reference, traps 7 and 9: JSON 1, 1.0, "1"; null or no key; the organisers' trailing comma."""
    forms = [
        EHR,
        {key: value for key, value in EHR.items() if value is not None},
        {key: None if value is None else str(value) for key, value in EHR.items()},
        {key: float(value) if isinstance(value, int) else value for key, value in EHR.items()},
        json.dumps(EHR)[:-1] + ",}",
    ]
    values = {rfs(case(tmp_path / f"in{n}", ehr), tmp_path / f"out{n}", models) for n, ehr in enumerate(forms)}
    assert len(values) == 1


def test_a_case_without_images_is_answered_from_its_record(tmp_path: Path, models: Path) -> None:
    with_images = rfs(case(tmp_path / "a"), tmp_path / "out-a", models)
    case(tmp_path / "b" / "in", images=False)
    (tmp_path / "b" / "in" / "images" / "ct").mkdir(parents=True)
    write_itk(scan(Unit.HU, 1.0), tmp_path / "b" / "in" / "images" / "ct" / "x.mha")  # PET and dose are absent
    assert rfs(tmp_path / "b" / "in", tmp_path / "out-b", models) == with_images


def test_broken_inputs_end_with_a_code_and_no_file(tmp_path: Path, models: Path) -> None:
    cases = {
        "CHG103": EHR | dict.fromkeys(k for k in EHR if k not in ("CenterID", "M-stage")),  # nothing known
        "LAY104": EHR | {"Gender": 7},
    }
    for code, ehr in cases.items():
        with pytest.raises(TumorboardError, match=code):
            rfs(case(tmp_path / code, ehr), tmp_path / f"out{code}", models)
        assert not list((tmp_path / f"out{code}").rglob("*.json"))
    broken = case(tmp_path / "broken", "{]")
    with pytest.raises(TumorboardError):
        rfs(broken, tmp_path / "out-broken", models)
    torn = case(tmp_path / "torn")
    (torn / "images" / "ct" / "0a1b.mha").write_bytes(b"ObjectType = Image\n")
    with pytest.raises(TumorboardError, match="FIL102"):
        rfs(torn, tmp_path / "out-torn", models)


def test_tasks_and_models_that_are_not_there_are_said(tmp_path: Path, models: Path) -> None:
    source = case(tmp_path / "in")
    for edition, task, code in (
        ("hecktor2022", "hpv", "CHG102"),
        ("hecktor2024", "rfs", "CHG102"),
        ("hecktor2025", "stage", "CHG102"),
        ("hecktor2025", "hpv", "CHG101"),
        ("hecktor2025", "segmentation", "CHG101"),
        ("hecktor2026", "all", "CHG101"),
    ):
        with pytest.raises(TumorboardError, match=code):
            answer(edition, task, source, tmp_path / "out", model=models)


def test_a_release_of_2022_gives_its_csv(tmp_path: Path, models: Path) -> None:
    virtual = make_cohort(tmp_path / "virtual", patients=6, seed=8, tables_only=True, exams=1, followed=0.0)
    write(virtual, tmp_path / "release", edition="2022", lossy=True)
    answer("hecktor2022", "rfs", tmp_path / "release", tmp_path / "out", model=models)
    with (tmp_path / "out" / "rfs.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["PatientID", "Prediction"] and len(rows) == 7
    assert len({row[0] for row in rows}) == 7 and all(math.isfinite(float(row[1])) for row in rows[1:])


def test_stages_and_masks_of_2026_from_a_predicted_mask(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segmentation network is played by a mask: a primary of 26 mm and two nodes."""
    labels = np.zeros((16, 16, 16), np.uint8)
    labels[4:10, 6:9, 6:9] = 1
    labels[2:4, 2:4, 2:4] = 2
    labels[12:14, 12:14, 2:4] = 2
    mask = scan(Unit.LABEL, 0).with_array(labels)

    def played(job: hecktor._Job, *, required: bool) -> dict[str, Volume]:
        return dict.fromkeys(job.cohort.patient_ids, mask)

    monkeypatch.setattr(hecktor, "_masks", played)
    found = answer("hecktor2026", "all", case(tmp_path / "in"), tmp_path / "out", model=models)
    names = sorted(str(p.relative_to(tmp_path / "out")) for p in found.files)
    assert names == [
        "images/head-neck-tumor-segmentation/output.mha", "n-stage.json", "rfs.json", "t-stage.json",
    ]  # fmt: skip
    assert (tmp_path / "out" / "t-stage.json").read_text() == '"T2"'
    assert (tmp_path / "out" / "n-stage.json").read_text() == '"N2"'


def test_formats_refuse_what_they_cannot_hold(tmp_path: Path) -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(TumorboardError, match="LAY121"):
            write_rfs(tmp_path, value)
        with pytest.raises(TumorboardError, match="LAY121"):
            write_predictions(tmp_path, {"MDA-001": 0.5, "MDA-002": value})
    for value in (1, "true", None):
        with pytest.raises(TumorboardError, match="LAY121"):
            write_hpv(tmp_path, value)
    for stage in ("T0", "T5", "N4", "n1", ""):
        with pytest.raises(TumorboardError, match="LAY121"):
            write_stage(tmp_path, stage)
    assert not list(tmp_path.iterdir())
    assert write_hpv(tmp_path, True).read_text() == "true"
    assert write_stage(tmp_path, "N0").name == "n-stage.json"
    path = write_mask(tmp_path, scan(Unit.LABEL, 0).astype(np.uint8), edition="2025")
    assert path.parent == tmp_path / "images" / "tumor-lymph-node-segmentation"


def test_predictions_of_2022_are_scored_with_the_official_sign(tmp_path: Path) -> None:
    """Reference, trap 6: our risk is what the evaluator flips; a tie counts one half."""
    from tumorboard.metrics.concordance import concordance

    path = write_predictions(tmp_path, {"A-1": 3.0, "A-2": 1.0, "A-3": 1.0})
    with path.open(encoding="utf-8", newline="") as file:
        risk = [float(row["Prediction"]) for row in csv.DictReader(file)]
    event, days = np.array([True, True, True]), np.array([100.0, 200.0, 300.0])
    assert concordance(event, days, risk).value == pytest.approx((1 + 1 + 0.5) / 3)


def test_the_verb_answers_and_fails_by_code(tmp_path: Path, models: Path) -> None:
    from tumorboard.cli.main import build_app

    source = case(tmp_path / "in")
    words = ["challenge", "hecktor2025", "--input", str(source), "--model", str(models), "--json"]
    run = CliRunner().invoke(build_app(), [*words, "--task", "rfs", "--output", str(tmp_path / "out")])
    assert run.exit_code == 0 and json.loads(run.stdout)["files"] == [str(tmp_path / "out" / "rfs.json")]
    bad = CliRunner().invoke(build_app(), [*words, "--task", "hpv", "--output", str(tmp_path / "out2")])
    assert isinstance(bad.exception, TumorboardError) and bad.exception.code.id == "CHG101"
    shutil.rmtree(tmp_path / "out")
