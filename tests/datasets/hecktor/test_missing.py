"""Trap 9: what is missing stays missing, and absent is the same as null."""

from __future__ import annotations

import json

import numpy as np
import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.hecktor.reader import read
from tumorboard.datasets.hecktor.writer import write

RECORD = {"CenterID": 5, "Age": 63, "Gender": 1, "Tobacco Consumption": None, "HPV Status": None, "Treatment": 1}


@pytest.fixture()
def case(tmp_path):
    cohort = twins.cohort_of(twins.scan(tmp_path, "MDA-001.0", np.random.default_rng(0), mask=None))
    write(cohort, tmp_path / "cases", edition="case")
    return tmp_path / "cases" / "MDA-001"


def facts(cohort):
    rows = {name: cohort.rows(name) for name in ("patients", "outcomes", "exams")}
    rows["images"] = [{k: v for k, v in row.items() if k != "path"} for row in cohort.rows("images")]
    return rows


def test_a_null_key_an_absent_key_and_no_record(case):
    (case / "inputs.json").unlink()
    results = []
    for record in (RECORD, {key: value for key, value in RECORD.items() if value is not None}):
        (case / "ehr.json").write_text(json.dumps(record))
        results.append(facts(read(case.parent)))
    assert results[0] == results[1]
    nothing = dict.fromkeys(RECORD)
    (case / "ehr.json").write_text(json.dumps(nothing))
    null = facts(read(case.parent))
    (case / "ehr.json").unlink()
    assert facts(read(case.parent)) == null
    assert null["outcomes"] == []


def test_the_record_may_stand_in_the_inputs(case):
    (case / "ehr.json").write_text(json.dumps(RECORD))
    from_file = facts(read(case.parent))
    inputs = [{"interface": {"slug": "electronic-health-record"}, "value": RECORD}]
    (case / "inputs.json").write_text(json.dumps(inputs))
    (case / "ehr.json").unlink()
    assert facts(read(case.parent)) == from_file


def test_a_lone_case_has_the_id_it_is_given(case):
    cohort = read(case)
    file_name = next((case / "images/ct").iterdir()).name.removesuffix(".mha")
    assert cohort.patient_ids == [file_name]
    assert any(file_name in note for note in cohort.provenance[0]["notes"])
    assert read(case, patient_id="MDA-7").patients["centre"].to_pylist() == ["MDA"]


@pytest.mark.parametrize(
    "inputs",
    ["{}", "[1]", '[{"socket": {"slug": "ct-image", "relative_path": "../../etc"}}]', '[{"socket": "ct-image"}]', "["],
)
def test_bad_inputs_are_coded(case, inputs):
    (case / "inputs.json").write_text(inputs)
    with pytest.raises(TumorboardError, match=r"LAY103|FIL103|FIL112"):
        read(case)


def test_sockets_may_lie_elsewhere(case):
    (case / "images/ct").rename(case / "images/scan")
    inputs = [{"socket": {"slug": "ct-image", "relative_path": "images/scan"}}, {"socket": {"slug": "mr-image"}}]
    (case / "inputs.json").write_text(json.dumps(inputs))
    cohort = read(case.parent)
    assert sorted(row["modality"] for row in cohort.rows("images")) == ["CT", "PT"]
    assert any("mr-image" in note for note in cohort.provenance[0]["notes"])


def test_two_images_in_a_socket_are_refused(case):
    path = next((case / "images/ct").iterdir())
    path.with_name("other.mha").write_bytes(path.read_bytes())
    with pytest.raises(TumorboardError, match="LAY102"):
        read(case)


@pytest.mark.parametrize("missing", ["CT", "PT", "mask"])
def test_a_missing_image_leaves_the_rest(missing, tmp_path):
    rng = np.random.default_rng(0)
    images = twins.scan(tmp_path, "MDA-001.0", rng, **{missing: None})
    if missing == "CT":
        images = [{**row, "reference_image_id": None, "problem": None} for row in images]
    cohort = twins.cohort_of(images)
    for edition in ("2022", "2025", "2025-all", "2026"):
        write(cohort, tmp_path / edition, edition=edition)
        again = read(tmp_path / edition)
        assert {row["image_id"] for row in again.rows("images")} == {row["image_id"] for row in images}
        problem = "LAY107" if missing == "CT" else None
        assert [row["problem"] for row in again.rows("images", role="mask")] == [problem] * (missing != "mask")


def test_patients_of_the_table_without_images_and_the_other_way_round(tmp_path):
    rng = np.random.default_rng(0)
    write(twins.cohort_of(twins.scan(tmp_path, "MDA-001.0", rng)), tmp_path / "out", edition="2026")
    table = tmp_path / "out/hecktor2026_training/HECKTOR_2026_Training.csv"
    table.write_text("PatientID,Age,RFS,Relapse\nCHUM-009,50,100,0\n")
    cohort = read(tmp_path / "out")
    assert cohort.patient_ids == ["CHUM-009", "MDA-001"]
    assert cohort.patient("CHUM-009").exams == []
    assert cohort.outcome("RFS").patient_ids == ("CHUM-009",)
    assert "MDA-001: in no table" in cohort.provenance[0]["notes"]
    table.unlink()
    assert len(read(tmp_path / "out")) == 1


def test_bad_ids_and_names_are_coded(tmp_path):
    with pytest.raises(TumorboardError, match="LAY101"):
        read(tmp_path)
    (tmp_path / "hecktor.csv").write_text("PatientID,Age\n../../etc/passwd,5\n")
    with pytest.raises(TumorboardError, match="LAY106"):
        read(tmp_path)
    (tmp_path / "hecktor.csv").write_bytes("PatientID,Größe\nA,5\n".encode("latin-1"))
    with pytest.raises(TumorboardError, match="LAY103"):
        read(tmp_path)
    (tmp_path / "hecktor.csv").unlink()
    (tmp_path / "MDA-001__MR.nii.gz").write_bytes(b"")
    with pytest.raises(TumorboardError, match="LAY102"):
        read(tmp_path)
