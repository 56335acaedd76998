"""HECKTOR: every published layout written from one cohort comes back as that cohort."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import twins

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.hecktor.names import canonical_id, centre_of
from tumorboard.datasets.hecktor.reader import read
from tumorboard.datasets.hecktor.writer import write
from tumorboard.io.nifti import write_nifti

ADMINISTRATIVE = {"tasks", "split", "published"}
CLINICAL = {
    "CHUM-001": {"sex": "female", "age_years": 61.0, "tobacco": "yes", "hpv": "positive", "performance_status": "1"},
    "MDA-002": {
        "sex": "male",
        "age_years": 55.5,
        "treatment": "chemoradiation",
        "centre_code": "5",
        "alcohol": "no",
    },
    "MDA-010": {"sex": "male", "hpv": "negative", "treatment": "radiotherapy", "age_years": 70.0},
}
EDITION_CLINICAL = {
    "2022": {"CHUM-001": {"weight_kg": 70.5, "surgery": "no", "chemotherapy": "yes"}},
    "2025": {"MDA-010": {"m_stage": "M1"}},
    "2025-announced": {"MDA-010": {"m_stage": "M0"}},
    "2025-all": {"MDA-010": {"m_stage": "M0"}, "CHUM-001": {"t_stage": "T4", "n_stage": "N2"}},
    "2026": {"CHUM-001": {"t_stage": "T0", "n_stage": "N0"}},
    "case": {"MDA-010": {"m_stage": "M0"}},
}
EDITIONS = list(EDITION_CLINICAL)


def build(folder: Path, edition: str) -> Cohort:
    """Three patients with what the edition can say; MDA-010 has no mask and no PET."""
    rng = np.random.default_rng(7)
    images = []
    for patient, without in (("CHUM-001", {}), ("MDA-002", {}), ("MDA-010", {"PT": None, "mask": None})):
        exam = f"{patient}.0"
        more = {"mask": None} if edition == "case" else {}
        images += twins.scan(folder, exam, rng, **{**without, **more})
    if edition in ("2025", "2025-announced", "2025-all", "case"):
        dose = rng.gamma(2.0, 10.0, twins.PET_GRID.shape).astype("float32")
        images.append(twins.put(folder, "MDA-002.0", "dose", dose, twins.PET_GRID))
    if edition in ("2025", "2025-announced", "case"):
        plan = rng.integers(-900, 900, twins.CT_GRID.shape).astype("int16")
        images.append(twins.put(folder, "MDA-002.0", "CTplan", plan, twins.PET_GRID.crop((0, 0, 0), plan.shape)))
    clinical = {p: {**CLINICAL[p], **EDITION_CLINICAL[edition].get(p, {})} for p in CLINICAL}
    if edition == "2022":
        for values in clinical.values():
            values.pop("treatment", None)
    patients = [{"patient_id": p, "centre": p.split("-")[0], **values} for p, values in clinical.items()]
    return twins.cohort_of(images, patients=patients, outcomes=outcomes(patients, rfs=edition != "case"))


def outcomes(patients, *, rfs: bool):
    rows = [
        {
            "patient_id": "CHUM-001",
            "endpoint": "RFS",
            "run_id": EXPERT,
            "survival": {"event": True, "time_days": 412.0},
        },
        {"patient_id": "MDA-002", "endpoint": "RFS", "run_id": EXPERT, "survival": {"event": False, "time_days": 0.5}},
        {
            "patient_id": "MDA-010",
            "endpoint": "RFS",
            "run_id": EXPERT,
            "survival": None,
            "raw": json.dumps({"relapse": "1", "rfs": "-3"}),
            "problem": "LAY109",
        },
    ]
    classes = [
        {"patient_id": p["patient_id"], "endpoint": endpoint, "run_id": EXPERT, "class_value": p[column]}
        for p in patients
        for column, endpoint in (("hpv", "HPV"), ("t_stage", "T stage"), ("n_stage", "N stage"))
        if p.get(column)
    ]
    return (rows if rfs else []) + classes


def known_clinical(cohort: Cohort):
    return {
        patient: {k: v for k, v in values.items() if k not in ADMINISTRATIVE}
        for patient, values in twins.clinical(cohort).items()
    }


def known_outcomes(cohort: Cohort):
    return {
        (row["patient_id"], row["endpoint"]): (row["survival"], row["class_value"], row["problem"])
        for row in cohort.rows("outcomes")
    }


def assert_equal(cohort: Cohort, again: Cohort) -> None:
    twins.assert_same_images(cohort, again)
    assert known_clinical(again) == known_clinical(cohort)
    assert known_outcomes(again) == known_outcomes(cohort)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_edition_comes_back(edition, tmp_path):
    cohort = build(tmp_path, edition)
    write(cohort, tmp_path / "out", edition=edition)
    assert_equal(cohort, read(tmp_path / "out"))


def test_names_of_the_2022_release(tmp_path):
    cohort = build(tmp_path, "2022")
    patients = [
        {**row, "split": "testing" if row["patient_id"] == "MDA-010" else None} for row in cohort.rows("patients")
    ]
    outcomes_ = [row for row in cohort.rows("outcomes") if (row["patient_id"], row["endpoint"]) != ("MDA-010", "RFS")]
    cohort = cohort.replace_tables(patients=patients, outcomes=outcomes_)
    write(cohort, tmp_path / "out", edition="2022")
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files == {
        "hecktor2022_training/imagesTr/CHUM-001__CT.nii.gz",
        "hecktor2022_training/imagesTr/CHUM-001__PT.nii.gz",
        "hecktor2022_training/labelsTr/CHUM-001.nii.gz",
        "hecktor2022_training/imagesTr/MDA-002__CT.nii.gz",
        "hecktor2022_training/imagesTr/MDA-002__PT.nii.gz",
        "hecktor2022_training/labelsTr/MDA-002.nii.gz",
        "hecktor2022_training/hecktor2022_clinical_info_training.csv",
        "hecktor2022_training/hecktor2022_endpoint_training.csv",
        "hecktor2022_testing/imagesTs/MDA-010__CT.nii.gz",
        "hecktor2022_testing/hecktor2022_clinical_info_testing.csv",
    }
    with (tmp_path / "out/hecktor2022_training/hecktor2022_clinical_info_training.csv").open() as file:
        first = next(csv.DictReader(file))
    assert (first["Gender"], first["HPV status (0=-, 1=+)"], first["Weight"]) == ("F", "1", "70.5")
    again = read(tmp_path / "out")
    assert [row["split"] for row in again.rows("patients")] == [None, None, "testing"]
    assert_equal(cohort, again)


@pytest.mark.parametrize("names", ["Task {n}", "Task_{n}", "task{n}/Training_Images", "Task-{n}"])
def test_task_folders_are_one_patient_each(names, tmp_path):
    """Trap 8: a patient in three task folders, ids with - and _, is one patient."""
    cohort = build(tmp_path, "2025")
    write(cohort, tmp_path / "out", edition="2025")
    for n in "123":
        target = tmp_path / "new" / names.format(n=n)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(tmp_path / "out" / f"Task {n}", target)
    second = tmp_path / "new" / names.format(n=2)
    for path in [*second.rglob("CHUM-001*")][::-1]:
        path.rename(path.with_name(path.name.replace("CHUM-001", "CHUM_001")))
    table = next(second.glob("*.csv"))
    table.write_text(table.read_text().replace("CHUM-001", "CHUM_001"))
    again = read(tmp_path / "new")
    assert_equal(cohort, again)
    assert again.row("patients", patient_id="CHUM-001")["tasks"] == "1 2 3"
    assert again.row("patients", patient_id="MDA-010")["tasks"] == "2 3"
    assert any("CHUM_001 read as CHUM-001" in note for note in again.provenance[0]["notes"])


def test_links_are_followed_once(tmp_path):
    cohort = build(tmp_path, "2025-all")
    write(cohort, tmp_path / "out", edition="2025-all")
    base = next(path for path in (tmp_path / "out").iterdir() if path.is_dir())
    shutil.move(base / "MDA-002", tmp_path / "elsewhere")
    (base / "MDA-002").symlink_to(tmp_path / "elsewhere")
    (base / "MDA-010" / "loop").symlink_to(base)
    assert_equal(cohort, read(tmp_path / "out"))


def test_copies_that_disagree_are_coded(tmp_path):
    cohort = build(tmp_path, "2025")
    write(cohort, tmp_path / "out", edition="2025")
    table = tmp_path / "out/Task 2/HECKTOR_2025_Training_Task_2.csv"
    table.write_text(table.read_text().replace("61.0", "62.0"))
    with pytest.raises(TumorboardError, match=r"LAY105 CHUM-001.*age_years 61.0 and 62.0"):
        read(tmp_path / "out")
    first = read(tmp_path / "out", conflicts="first")
    assert first.row("patients", patient_id="CHUM-001")["age_years"] == 61.0
    assert any("age_years 61.0 and 62.0" in note for note in first.provenance[0]["notes"])


def test_images_of_copies_are_compared_by_voxels(tmp_path):
    cohort = build(tmp_path, "2025")
    write(cohort, tmp_path / "out", edition="2025")
    copy = tmp_path / "out/Task 2/CHUM-001/CHUM-001__CT.nii.gz"
    volume = cohort.image("CHUM-001.0.CT")
    copy.unlink()
    write_nifti(volume.astype("float64"), copy)  # other bytes, same values
    assert_equal(cohort, read(tmp_path / "out"))
    copy.unlink()
    write_nifti(volume.with_array(volume.array + 1), copy)
    with pytest.raises(TumorboardError, match=r"LAY105 CHUM-001.*CT images"):
        read(tmp_path / "out")


def test_workbook_with_trailing_blanks_in_its_headings(tmp_path):
    cohort = build(tmp_path, "2025-all")
    write(cohort, tmp_path / "out", edition="2025-all")
    path = next((tmp_path / "out").glob("*.xlsx"))
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Data", "Data Dictionary"]
    for cell in book["Data"][1]:
        cell.value = f"{cell.value}  "
    book.save(path)
    other = openpyxl.Workbook()
    other.create_sheet("Second")
    other.save(tmp_path / "out" / "protocol.xlsx")
    again = read(tmp_path / "out")
    assert_equal(cohort, again)
    assert again.row("patients", patient_id="CHUM-001")["tasks"] == "1 2 3"
    assert any("protocol.xlsx" in note for note in again.provenance[0]["notes"])
    (tmp_path / "out" / "broken.xlsx").write_bytes(b"PK")
    with pytest.raises(TumorboardError, match="LAY103"):
        read(tmp_path / "out")


@pytest.mark.parametrize("table", ["HECKTOR_2026_Training_Task.csv", "HECKTOR_2026_training_data.csv", "x.csv"])
def test_tables_are_found_by_columns(table, tmp_path):
    cohort = build(tmp_path, "2026")
    write(cohort, tmp_path / "out", edition="2026")
    base = tmp_path / "out/hecktor2026_training"
    text = (base / "HECKTOR_2026_Training.csv").read_text().replace("T-stage", "T_stage")
    (base / "HECKTOR_2026_Training.csv").unlink()
    (tmp_path / "out" / table).write_text("\ufeff" + text.replace(",", ";"))
    (base / "scores.csv").write_text("a,b\n1,2\n")
    again = read(tmp_path / "out")
    assert_equal(cohort, again)
    assert any("scores.csv: no column PatientID" in note for note in again.provenance[0]["notes"])


def test_centre_comes_from_the_id(tmp_path):
    assert canonical_id(" mda_007 ", "x") == "MDA-007"
    assert (centre_of("MDA-007"), centre_of("P003"), centre_of("a-b-1")) == ("MDA", None, None)
    cohort = build(tmp_path, "2026")
    ids = {"CHUM-001": "p_1", "MDA-002": "x__y", "MDA-010": "MDA-010"}
    images = [
        {
            **row,
            "image_id": row["image_id"].replace(p, ids[p]),
            "exam_id": row["exam_id"].replace(p, ids[p]),
            "reference_image_id": row["reference_image_id"] and row["reference_image_id"].replace(p, ids[p]),
        }
        for row in cohort.rows("images")
        for p in [row["exam_id"].rpartition(".")[0]]
    ]
    patients = [
        {"patient_id": ids[p], "centre": c} for p, c in (("CHUM-001", "A 1"), ("MDA-002", None), ("MDA-010", "Z"))
    ]
    renamed = twins.cohort_of(images, patients=patients)
    for edition in ("2026", "2025"):
        write(renamed, tmp_path / edition, edition=edition)
        assert_equal(renamed, read(tmp_path / edition))


def test_suv_factors_are_applied_on_request_only(tmp_path):
    cohort = build(tmp_path, "2026")
    write(cohort, tmp_path / "out", edition="2026")
    table = tmp_path / "factors.csv"
    table.write_text("PatientID,weight_g,dose_Bq,factor\nMDA_002,70000,3.5e8,0.0002\nMDA-999,1,1,1\n")
    again = read(tmp_path / "out", suv_factors=table)
    assert {row["unit"] for row in again.rows("images", modality="PT")} == {"SUVbw"}
    raw, converted = cohort.image("MDA-002.0.PT").array, again.image("MDA-002.0.PT").array
    np.testing.assert_allclose(converted, raw * 0.0002, rtol=1e-6)
    np.testing.assert_array_equal(again.image("CHUM-001.0.PT").array, cohort.image("CHUM-001.0.PT").array)
    assert any("MDA-999" in note for note in again.provenance[0]["notes"])
    write(again, tmp_path / "converted", edition="2026")
    np.testing.assert_array_equal(read(tmp_path / "converted").image("MDA-002.0.PT").array, converted)
    table.write_text("PatientID,factor\nMDA-002,0\n")
    with pytest.raises(TumorboardError, match="LAY104"):
        read(tmp_path / "out", suv_factors=table)


def test_what_an_edition_cannot_say_is_refused(tmp_path):
    cohort = build(tmp_path, "2025-all")
    for edition, word in (("2026", "dose"), ("case", "RFS"), ("2022", "t_stage")):
        with pytest.raises(TumorboardError, match=f"LAY111.*{word}"):
            write(cohort, tmp_path / edition, edition=edition)
        assert not (tmp_path / edition).exists()
        write(cohort, tmp_path / edition, edition=edition, lossy=True)
        assert read(tmp_path / edition).patient_ids == cohort.patient_ids
    with pytest.raises(TumorboardError, match="LAY112"):
        write(cohort, tmp_path / "2026", edition="2026", lossy=True)
    with pytest.raises(TumorboardError, match="LAY113"):
        write(cohort, tmp_path / "x", edition="2024")


def test_same_cohort_same_bytes(tmp_path):
    cohort = build(tmp_path, "2025-all")
    for place in ("a", "b"):
        write(cohort, tmp_path / place, edition="2025-all")
    for path in (tmp_path / "a").rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes(), path
