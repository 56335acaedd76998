"""The cohort folder: round trip, atomicity, refusal of what is damaged, foreign or newer."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest

import tumorboard as tb
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Modality, Role, Unit
from tumorboard.core.variables import Kind, Variable
from tumorboard.core.volume import Volume
from tumorboard.io.images import describe_image, load_image
from tumorboard.io.nifti import write_nifti
from tumorboard.io.store import open_cohort, save_cohort, update_cohort


def tables_only(patients: int = 3) -> Cohort:
    ids = [f"P{number:03d}" for number in range(patients)]
    return Cohort.build(
        "tables",
        dictionary=[Variable("stage", Kind.ORDINAL, levels={"1": "I", "2": "II"})],
        provenance=[{"source": "made by hand"}],
        patients=[{"patient_id": patient, "centre": "A", "stage": "1"} for patient in ids],
        outcomes=[
            {
                "patient_id": patient,
                "endpoint": "OS",
                "run_id": "expert",
                "survival": {"event": number % 2 == 0, "time_days": 10.5 + number},
            }
            for number, patient in enumerate(ids)
        ],
    )


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    cohort = tables_only()
    again = tb.save(cohort, tmp_path / "c")
    assert again.name == cohort.name and again.provenance == cohort.provenance
    assert dict(again.dictionary) == dict(cohort.dictionary)
    for name, table in cohort.tables.items():
        assert again.tables[name].equals(table), name


def test_same_cohort_same_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        save_cohort(tables_only(), tmp_path / folder)
    files = [sorted(p.relative_to(tmp_path / f) for p in (tmp_path / f).rglob("*.*")) for f in ("a", "b")]
    assert files[0] == files[1]
    assert (tmp_path / "a/cohort.json").read_bytes() == (tmp_path / "b/cohort.json").read_bytes()


def test_images_stay_where_they_are(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    for place in ("inside/c/images/ct.nii.gz", "outside/ct.nii.gz"):
        write_nifti(Volume(array, np.diag([1.0, 2.0, 3.0, 1.0]), Unit.HU), tmp_path / place)
        row = describe_image(
            tmp_path / place, image_id="i", exam_id="e", modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU
        )
        cohort = Cohort.build(
            "c",
            loader=load_image,
            patients=[{"patient_id": "p"}],
            exams=[{"exam_id": "e", "patient_id": "p"}],
            images=[row],
        )
        saved = save_cohort(cohort, tmp_path / "inside" / "c", replace=True)
        path = saved.row("images", image_id="i")["path"]
        assert Path(path).is_absolute() == place.startswith("outside")
        assert np.array_equal(saved.image("i").array, array)
    (tmp_path / "outside/ct.nii.gz").unlink()
    with pytest.raises(TumorboardError, match="FIL101"):
        saved.image("i")


def test_a_cohort_folder_can_move_with_its_images(tmp_path: Path) -> None:
    path = tmp_path / "c" / "images" / "ct.nii.gz"
    write_nifti(Volume(np.zeros((2, 2, 2), np.int16), np.eye(4), Unit.HU), path)
    row = describe_image(path, image_id="i", exam_id="e", modality=Modality.CT, role=Role.IMAGE, unit=Unit.HU)
    cohort = Cohort.build(
        "c", patients=[{"patient_id": "p"}], exams=[{"exam_id": "e", "patient_id": "p"}], images=[row]
    )
    save_cohort(cohort, tmp_path / "c")
    (tmp_path / "c").rename(tmp_path / "moved")
    assert open_cohort(tmp_path / "moved").image("i").shape == (2, 2, 2)


def test_another_program_can_query_the_tables(tmp_path: Path) -> None:
    save_cohort(tables_only(), tmp_path / "c")
    query = f"select count(*), avg(survival.time_days) from '{tmp_path}/c/tables/outcomes-*.parquet'"
    assert duckdb.sql(query).fetchall() == [(3, 11.5)]


def test_two_writers_do_not_undo_each_other(tmp_path: Path) -> None:
    first = save_cohort(tables_only(), tmp_path / "c")
    second = open_cohort(tmp_path / "c")
    save_cohort(first.with_rows(runs=[{"run_id": "one"}]), tmp_path / "c")
    with pytest.raises(TumorboardError, match="STO104"):
        save_cohort(second.with_rows(runs=[{"run_id": "two"}]), tmp_path / "c")
    update_cohort(tmp_path / "c", lambda cohort: cohort.with_rows(runs=[{"run_id": "two"}]))
    assert open_cohort(tmp_path / "c").runs["run_id"].to_pylist() == ["expert", "one", "two"]


def test_another_cohort_is_not_overwritten(tmp_path: Path) -> None:
    save_cohort(tables_only(), tmp_path / "c")
    with pytest.raises(TumorboardError, match="STO105"):
        save_cohort(tables_only(2), tmp_path / "c")
    assert len(save_cohort(tables_only(2), tmp_path / "c", replace=True)) == 2


def test_what_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TumorboardError, match="STO101"):
        open_cohort(tmp_path)
    folder = tmp_path / "c"
    save_cohort(tables_only(), folder)
    index = folder / "cohort.json"
    good = index.read_text()
    for bad, code in (
        ("{", "STO102"),
        ("[]", "STO102"),
        (json.dumps({"schema_version": 1}), "STO102"),
        (good.replace('"schema_version": 1', '"schema_version": 99'), "STO103"),
        (good.replace("tables/patients-", "../../patients-"), "FIL103"),
    ):
        index.write_text(bad)
        with pytest.raises(TumorboardError, match=code):
            open_cohort(folder)
    index.write_text(good)
    table = next((folder / "tables").glob("outcomes-*.parquet"))
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(TumorboardError, match="STO102"):
        open_cohort(folder)


def _save_for_ever(folder: str) -> None:
    for number in itertools.count(1):
        before = f"run-{number - 1}"
        run = {"run_id": f"run-{number}", "config": "x" * 20_000}
        update_cohort(folder, lambda cohort, old=before, new=run: cohort.without_run(old).with_rows(runs=[new]))


def test_a_writer_killed_at_any_moment_leaves_a_whole_cohort(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    save_cohort(tables_only(), folder)
    context = multiprocessing.get_context("fork")
    for round_ in range(12):
        update_cohort(folder, lambda cohort: cohort.replace_tables(runs=[{"run_id": "expert"}]))
        writer = context.Process(target=_save_for_ever, args=(str(folder),))
        writer.start()
        time.sleep(0.01 + 0.013 * round_)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        assert len(open_cohort(folder)) == 3
    save_cohort(open_cohort(folder), folder)
    assert len(list((folder / "tables").iterdir())) == 8


def test_a_thousand_patients_round_trip(tmp_path: Path) -> None:
    save_cohort(tables_only(1000), tmp_path / "c")
    opened = open_cohort(tmp_path / "c")
    assert len(opened) == 1000 and len(opened.subset(opened.patient_ids[:10])) == 10
