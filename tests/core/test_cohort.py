"""The one structure: what may be built, what is refused, and how views and derivations behave."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.outcome import ClassOutcome, Survival
from tumorboard.core.tables import TABLES
from tumorboard.core.variables import Kind, Variable

GRID = {"shape": [4, 5, 6], "affine": np.diag([1.0, 1.0, 3.0, 1.0]).ravel().tolist()}


def small_tables() -> dict[str, list[dict[str, Any]]]:
    """Two patients: one with PET/CT, mask, report, relation and outcomes; one with an outcome alone."""
    return {
        "patients": [
            {"patient_id": "MDA-001", "centre": "MDA", "sex": "male", "age_years": 61.0, "smoker": True},
            {"patient_id": "CHUS-002", "centre": "CHUS", "sex": None, "age_years": None, "smoker": None},
        ],
        "exams": [{"exam_id": "MDA-001.0", "patient_id": "MDA-001", "order": 0, "kind": "PET/CT"}],
        "images": [
            {
                "image_id": "MDA-001.0.CT",
                "exam_id": "MDA-001.0",
                "modality": "CT",
                "role": "image",
                "unit": "HU",
                **GRID,
            },
            {
                "image_id": "MDA-001.0.mask",
                "exam_id": "MDA-001.0",
                "modality": "SEG",
                "role": "mask",
                "unit": "label",
                "run_id": "expert",
                "reference_image_id": "MDA-001.0.CT",
                "labels": {1: "GTVp", 2: "GTVn"},
                **GRID,
            },
        ],
        "findings": [
            {
                "finding_id": "f1",
                "image_id": "MDA-001.0.mask",
                "run_id": "expert",
                "kind": "mask label",
                "label": "GTVp",
                "measurements": {"volume_ml": 12.5},
            }
        ],
        "outcomes": [
            {
                "patient_id": "MDA-001",
                "endpoint": "RFS",
                "run_id": "expert",
                "survival": {"event": True, "time_days": 400.0},
            },
            {
                "patient_id": "CHUS-002",
                "endpoint": "RFS",
                "run_id": "expert",
                "survival": {"event": False, "time_days": 900.0},
            },
            {"patient_id": "MDA-001", "endpoint": "HPV", "run_id": "expert", "class_value": "positive"},
        ],
        "texts": [{"text_id": "t1", "exam_id": "MDA-001.0", "section": "findings", "body": "A node."}],
        "relations": [
            {"relation_id": "r1", "subject": "f1", "predicate": "same lesion", "object": "f1", "run_id": "expert"}
        ],
    }


def build(**changes: Any) -> Cohort:
    return Cohort.build("small", **{**small_tables(), **changes})


def refused(code: str, **changes: Any) -> TumorboardError:
    with pytest.raises(TumorboardError) as raised:
        build(**changes)
    assert raised.value.code.id == code
    return raised.value


def changed(table: str, row: int, **cells: Any) -> dict[str, list[dict[str, Any]]]:
    rows = small_tables()[table]
    rows[row] = {**rows[row], **cells}
    return {table: rows}


def test_eight_tables_and_the_expert_run() -> None:
    cohort = build()
    assert set(cohort.tables) == set(TABLES) and len(TABLES) == 8
    assert cohort.runs["run_id"].to_pylist() == ["expert"]
    assert cohort.patients.schema.field("smoker").type == pa.bool_()


def test_views_give_patients_outcomes_and_maps_as_dictionaries() -> None:
    cohort = build()
    patient = cohort.patient("MDA-001")
    assert patient.record["centre"] == "MDA"
    assert [image["image_id"] for image in patient.images(role="mask")] == ["MDA-001.0.mask"]
    assert patient.images(role="mask")[0]["labels"] == {1: "GTVp", 2: "GTVn"}
    assert cohort.rows("findings")[0]["measurements"] == {"volume_ml": 12.5}
    survival = cohort.outcome("RFS")
    assert isinstance(survival, Survival)
    assert survival.patient_ids == ("MDA-001", "CHUS-002")
    assert survival.event.tolist() == [True, False] and survival.time_days.tolist() == [400.0, 900.0]
    classes = cohort.outcome("HPV")
    assert isinstance(classes, ClassOutcome) and classes.values == ("positive",)
    assert set(cohort.endpoints()) == {"RFS", "HPV"}


def test_a_subset_by_patient_subsets_every_table() -> None:
    alone = build().subset(["CHUS-002"])
    counts = {name: table.num_rows for name, table in alone.tables.items()}
    assert counts == dict.fromkeys(TABLES, 0) | {"patients": 1, "outcomes": 1, "runs": 1}
    whole = build().subset(["MDA-001"])
    assert whole.relations.num_rows == whole.texts.num_rows == whole.findings.num_rows == 1


def test_a_cohort_goes_to_another_process_as_it_is() -> None:
    cohort = build()
    there = pickle.loads(pickle.dumps(cohort))
    assert (there.name, there.root, there.stamp) == (cohort.name, cohort.root, cohort.stamp)
    assert dict(there.dictionary) == dict(cohort.dictionary) and there.provenance == cohort.provenance
    assert all(there.tables[name].equals(table) for name, table in cohort.tables.items())
    with pytest.raises(TypeError):
        there.tables["patients"] = None


def test_derivation_leaves_the_original_as_it_was() -> None:
    cohort = build()
    run = {"run_id": "unet", "task": "segmentation", "kind": "model"}
    finding = {"finding_id": "p1", "image_id": "MDA-001.0.mask", "run_id": "unet", "kind": "mask label"}
    more = cohort.with_rows(runs=[run], findings=[finding])
    assert more.findings.num_rows == 2 and cohort.findings.num_rows == 1
    assert more.tables["patients"] is cohort.tables["patients"]
    less = more.without_run("unet")
    assert less.findings.num_rows == 1 and less.runs["run_id"].to_pylist() == ["expert"]
    with pytest.raises(TypeError):
        cohort.tables["patients"] = None  # type: ignore[index]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("COH101", {"patients": [{"patient_id": "A"}, {"patient_id": "A"}]}),
        ("COH101", {"patients": [{"patient_id": None}]}),
        ("COH101", {"outcomes": small_tables()["outcomes"] + small_tables()["outcomes"][:1]}),
        ("COH102", changed("exams", 0, patient_id="nobody")),
        ("COH102", changed("outcomes", 0, run_id="no such run")),
        ("COH102", changed("images", 1, reference_image_id="no such image")),
        ("COH103", changed("exams", 0, order="first")),
        ("COH103", changed("exams", 0, colour="red")),
        ("COH104", changed("outcomes", 0, survival={"event": True, "time_days": 0.0})),
        ("COH104", changed("outcomes", 0, survival={"event": True, "time_days": float("nan")})),
        ("COH104", changed("outcomes", 0, survival={"event": None, "time_days": 5.0})),
        ("COH104", changed("outcomes", 0, survival={"event": True, "time_days": None})),
        ("COH105", changed("images", 0, unit=None)),
        ("COH105", changed("images", 0, unit="Hounsfield")),
        ("COH106", changed("images", 1, shape=[4, 5, 7])),
        ("COH106", changed("images", 1, affine=np.diag([1.0, 1.0, 3.01, 1.0]).ravel().tolist())),
        ("COH106", changed("images", 1, affine=None)),
    ],
)
def test_a_broken_invariant_is_refused(code: str, changes: dict[str, Any]) -> None:
    error = refused(code, **changes)
    assert str(error).startswith(f"{code} ") and ": found " in str(error) and ". Fix: " in str(error)


def test_a_patient_may_be_added_of_whom_a_variable_is_not_known() -> None:
    more = build().with_rows(patients=[{"patient_id": "new", "smoker": None}])
    assert more.patients["smoker"].to_pylist() == [True, None, None]


def test_invariants_hold_for_derived_cohorts_too() -> None:
    cohort = build()
    with pytest.raises(TumorboardError, match="COH102"):
        cohort.with_rows(findings=[{"finding_id": "x", "image_id": "elsewhere", "run_id": "expert"}])
    with pytest.raises(TumorboardError, match="COH102"):
        cohort.replace_tables(patients=[{"patient_id": "MDA-001"}])


def test_a_time_of_zero_may_be_kept_as_published() -> None:
    rows = changed("outcomes", 0, survival=None, raw='{"RFS": 0}', problem="TIM101")
    survival = build(**rows).outcome("RFS")
    assert survival.patient_ids == ("CHUS-002",)


def test_names_that_do_not_exist_are_told() -> None:
    cohort = build()
    for look in (
        lambda: cohort.patient("MDA_001"),
        lambda: cohort.outcome("OS"),
        lambda: cohort.image("nothing"),
        lambda: cohort.image("MDA-001.0.CT"),  # no loader: built by hand
    ):
        with pytest.raises(TumorboardError, match="COH107"):
            look()


def test_the_dictionary_survives_its_json_form() -> None:
    variable = Variable("hpv", Kind.CATEGORICAL, levels={"0": "negative", "1": "positive"}, missing=("", "NA"))
    assert Variable.from_json(variable.to_json()) == variable


def test_a_coded_error_crosses_processes() -> None:
    error = refused("COH101", patients=[{"patient_id": "A"}, {"patient_id": "A"}])
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == str(error) and twin.code == error.code


def test_a_row_is_found_by_its_key_as_by_looking_at_all() -> None:
    """Also with maps in it, after a change of the table, and not where there is none."""
    patients = [{"patient_id": f"P{n}"} for n in range(50)]
    exams = [{"exam_id": f"P{n}.0", "patient_id": f"P{n}", "order": 0} for n in range(50)]
    images = [{"image_id": f"P{n}.0.mask", "exam_id": f"P{n}.0", "modality": "SEG", "role": "image", "unit": "label",
               "labels": {1: f"L{n}"}} for n in range(50)]  # fmt: skip
    cohort = Cohort.build("c", patients=patients, exams=exams, images=images)
    for n in (0, 31, 49):
        (expected,) = cohort.rows("images", image_id=f"P{n}.0.mask")
        assert cohort.row("images", image_id=f"P{n}.0.mask") == expected
        assert expected["labels"] == {1: f"L{n}"}
    smaller = cohort.subset(["P49", "P31"])
    assert smaller.row("exams", exam_id="P31.0")["patient_id"] == "P31"
    for wrong in ("P0.0", None):
        with pytest.raises(TumorboardError, match="COH107"):
            smaller.row("exams", exam_id=wrong)
