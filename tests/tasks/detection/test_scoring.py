"""Marks and boxes as arrays, boxes of other programs, and what `evaluate` says of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.geometry import Geometry
from tumorboard.io.store import save_cohort
from tumorboard.metrics.detection import DetectionRules
from tumorboard.metrics.official import load_rules
from tumorboard.tasks.detection.cases import Case, Lesion, find_cases, missing
from tumorboard.tasks.detection.evaluate import evaluate
from tumorboard.tasks.detection.imports import read_predictions
from tumorboard.tasks.detection.scoring import arrange, index_boxes

PIXELS = Geometry((512, 512, 40), np.array([[-0.5, 0, 0, 0], [0, -0.5, 0, 0], [0, 0, -5.0, -500], [0, 0, 0, 1]], float))


def key_slice_case(*, noisy: bool = False) -> Case:
    """A lesion on slice 9 of the volume, box 100, 120 to 140, 180 in pixels, as DeepLesion's frame has it."""
    box = (-70.0, -90.0, -547.5, -50.0, -60.0, -542.5)
    lesion = Lesion("f", box, -545.0, "000001_01_01_109", noisy)
    return Case("000001_01_01_100-139", "000001_01", "000001", PIXELS, False, (lesion,))


def table_cohort() -> Cohort:
    """One lesion on a CT without pixels, and a CT without any lesion."""
    lesion = key_slice_case().lesions[0]
    image = {"modality": "CT", "role": "image", "unit": "HU", "shape": [512, 512, 40], "affine": PIXELS.affine.ravel()}
    return Cohort.build(
        "table",
        patients=[{"patient_id": "000001"}, {"patient_id": "000002"}],
        exams=[{"exam_id": "000001_01", "patient_id": "000001"}, {"exam_id": "000002_01", "patient_id": "000002"}],
        images=[
            {"image_id": "000001_01_01_100-139", "exam_id": "000001_01", **image},
            {"image_id": "000002_01_01_001-040", "exam_id": "000002_01", **image},
        ],
        findings=[
            {
                "finding_id": lesion.finding_id,
                "image_id": "000001_01_01_100-139",
                "run_id": "expert",
                "kind": "RECIST pair",
                "label": "lung",
                "box": list(lesion.box_mm),
                "points_mm": [-60, -75, -545] * 4,
                "attributes": json.dumps({"series": 1, "key_slice": 109, "noisy": False}),
            }
        ],
    )


def write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_millimetres_become_the_pixels_they_came_from() -> None:
    case = key_slice_case()
    assert index_boxes([case.lesions[0].box_mm], case.geometry).tolist() == [[100, 120, 8.5, 140, 180, 9.5]]
    assert index_boxes([case.lesions[0].box_mm], None).tolist() == [list(case.lesions[0].box_mm)]


def test_pixels_go_there_and_back_through_a_csv(tmp_path: Path) -> None:
    case = key_slice_case()
    file = write_csv(
        tmp_path / "p.csv", [{"image": "000001_01_01_109.png", "x1": 101, "y1": 121, "x2": 141, "y2": 181, "score": 1}]
    )
    (row,), strange = read_predictions(file, [case], run_id="r", pixel_base=1)
    assert row["box"] == pytest.approx(list(case.lesions[0].box_mm)) and not strange
    assert (row["image_id"], row["kind"], row["score"]) == (case.image_id, "box", 1.0)


def test_coco_results_by_name_and_by_number(tmp_path: Path) -> None:
    case = key_slice_case()
    box = {"bbox": [100, 120, 40, 60], "score": 0.5, "category_id": 1}
    named = tmp_path / "named.json"
    named.write_text(json.dumps([{"image_id": "000001_01_01_109", **box}]))
    whole = tmp_path / "whole.json"
    image = {"id": 7, "file_name": "Key_slices/000001_01_01_109.png"}
    whole.write_text(json.dumps({"images": [image], "annotations": [{"image_id": 7, **box}]}))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "predictions.json").write_text(json.dumps([{"image_id": 7, **box}]))
    (folder / "instances.json").write_text(json.dumps({"images": [image]}))
    for source in (named, whole, folder):
        (row,), _ = read_predictions(source, [case], run_id="r")
        assert row["box"] == pytest.approx(list(case.lesions[0].box_mm))
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps([{"image_id": 7, **box}]))
    with pytest.raises(TumorboardError, match="DET103"):
        read_predictions(bare, [case], run_id="r")


def test_three_dimensional_boxes_in_pixels_and_mm(tmp_path: Path) -> None:
    case = key_slice_case()
    name = {"image": case.image_id, "score": 0.5}
    pixels = write_csv(tmp_path / "a.csv", [name | {"x1": 100, "y1": 120, "z1": 8.5, "x2": 140, "y2": 180, "z2": 9.5}])
    keys = ("x1_mm", "y1_mm", "z1_mm", "x2_mm", "y2_mm", "z2_mm")
    mm = write_csv(tmp_path / "b.csv", [name | dict(zip(keys, case.lesions[0].box_mm, strict=True))])
    for source in (pixels, mm):
        (row,), _ = read_predictions(source, [case], run_id="r")
        assert row["box"] == pytest.approx(list(case.lesions[0].box_mm))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("image,x1,y1,x2,y2\na,1,2,3,4\n", "DET103"),  # no score
        ("image,x1,y1,x2,y2,score\n000001_01_01_109,1,2,3,x,1\n", "DET103"),
        ("image,x1,y1,x2,y2,score\n000001_01_01_109,1,2,3,4,nan\n", "DET103"),
        ("image,x1,y1,x2,y2,score\n000001_01_01_100-139,1,2,3,4,1\n", "DET103"),  # which slice of the volume?
        ("image,x1,y1,x2,y2,score\n000009_01_01_109,1,2,3,4,1\n", "DET104"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(TumorboardError, match=code):
        read_predictions(tmp_path / "p.csv", [key_slice_case()], run_id="r")
    with pytest.raises(TumorboardError, match="DET105"):
        good = write_csv(
            tmp_path / "g.csv", [{"image": "000001_01_01_109", "x1": 1, "y1": 2, "x2": 3, "y2": 4, "score": 1}]
        )
        read_predictions(good, [replace(key_slice_case(), geometry=None)], run_id="r")


def test_boxes_count_on_the_slices_they_reach() -> None:
    case = key_slice_case()
    x, y, _, x2, y2, _ = case.lesions[0].box_mm
    rules = load_rules("deeplesion", task="detection")
    for z1, z2, reaches in ((-547.5, -542.5, True), (-560, -530, True), (-552.5, -547.5, False), (-545, -545, True)):
        row = {"image_id": case.image_id, "box": [x, y, z1, x2, y2, z2], "score": 1.0}
        arranged = arrange([case], [row], rules=rules)
        assert arranged.units == ("000001_01_01_100-139 slice 9",)
        assert len(arranged.rows) == reaches
        assert bool(np.isfinite(arranged.match(rules).found_at[0])) == reaches


def test_noisy_marks_and_their_slices_are_left_out() -> None:
    rules = load_rules("deeplesion", task="detection")
    other = replace(key_slice_case(), image_id="000002_01_01_100-139", patient_id="000002")
    arranged = arrange([key_slice_case(noisy=True), other], [], rules=rules)
    assert len(arranged.lesions) == 1 and len(arranged.units) == 1
    assert len(arrange([key_slice_case(noisy=True), other], [], rules=replace(rules, noisy="keep")).units) == 2


def test_volumes_without_lesions_count_unless_the_rules_say_otherwise() -> None:
    cases = find_cases(table_cohort())
    assert len(arrange(cases, [], rules=DetectionRules()).units) == 2
    assert len(arrange(cases, [], rules=DetectionRules(unmarked="leave out")).units) == 1


def test_a_file_against_a_table_without_pixels(tmp_path: Path) -> None:
    cohort = table_cohort()
    boxes = [
        {"image": "000001_01_01_109.png", "x1": 100, "y1": 120, "x2": 140, "y2": 180, "score": 0.9},
        {"image": "000001_01_01_109.png", "x1": 300, "y1": 300, "x2": 320, "y2": 320, "score": 0.95},
        {"image": "000777_01_01_001.png", "x1": 300, "y1": 300, "x2": 320, "y2": 320, "score": 0.95},
    ]
    found = evaluate(cohort, write_csv(tmp_path / "mine.csv", boxes), rules=load_rules("deeplesion", task="detection"))
    values = {row["label"]: row["value"] for row in found.scores}
    assert values["0.5 FP/slice"] == 0.0 and values["1 FP/slice"] == 1.0
    assert found.unused == ("000777_01_01_001.png",) and not found.missing
    assert found.rules["lesions"] == 1 and found.rules["units"] == 1 and found.scores[0]["run"] == "mine"
    assert [row["value"] for row in found.cases if row["metric"] == "found_at"] == [0.9]
    assert [row["value"] for row in found.cases if row["metric"] == "false_boxes"] == [1]


def test_a_file_of_other_images_alone_is_refused(tmp_path: Path) -> None:
    file = write_csv(
        tmp_path / "p.csv", [{"image": "000777_01_01_001.png", "x1": 1, "y1": 1, "x2": 9, "y2": 9, "score": 0.5}]
    )
    with pytest.raises(TumorboardError, match="DET104"):
        evaluate(table_cohort(), file)


def test_a_run_and_a_cohort_are_predictions_too(tmp_path: Path) -> None:
    cohort = table_cohort()
    row = {"finding_id": "m", "image_id": "000001_01_01_100-139", "run_id": "model", "kind": "box", "score": 0.5}
    box = {"box": list(key_slice_case().lesions[0].box_mm)}
    more = cohort.with_rows(runs=[{"run_id": "model", "task": "detection"}], findings=[row | box])
    save_cohort(more, tmp_path / "other")
    for prediction in ("model", tmp_path / "other"):
        found = evaluate(more, prediction)
        assert found.scores[0]["metric"] == "froc_mean_sensitivity" and found.scores[0]["value"] == 1.0
        assert found.missing == ("000002_01_01_001-040",)
    with pytest.raises(TumorboardError, match="MET109"):
        evaluate(cohort, "nobody")
    with pytest.raises(TumorboardError, match="MET109"):
        evaluate(more, "model", reference="nobody")


def test_what_a_cohort_lacks(cohort: Cohort) -> None:
    assert missing(table_cohort()) == ["CT volumes"]
    assert missing(cohort) == []
    assert missing(cohort.subset(["P0", "P1"])) == ["lesions marked with boxes on the CT of four or more patients"]


def test_command_line_scores_a_file_by_named_rules(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from tumorboard.cli.main import build_app

    save_cohort(table_cohort(), tmp_path / "cohort")
    row = {"image": "000001_01_01_109.png", "x1": 100, "y1": 120, "x2": 140, "y2": 180, "score": 0.9}
    file = write_csv(tmp_path / "mine.csv", [row])
    words = ["evaluate", "detection", str(tmp_path / "cohort"), "--prediction", str(file), "--rules", "deeplesion"]
    done = CliRunner().invoke(build_app(), [*words, "--set", "fp_rates=1,2", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["label"] for row in found["scores"]] == ["2-D IoU >= 0.5", "1 FP/slice", "2 FP/slice"]
    assert found["rules"]["name"] == "deeplesion" and found["rules"]["fp_rates"] == [1.0, 2.0]
    assert CliRunner().invoke(build_app(), [*words, "--set", "fp_rates=1,x"]).exit_code == 2


def test_deeplesion_denominators(real_data: Path) -> None:
    """4,887 of 4,889 and 4,912 of 4,927 lesions, 4,791 of 4,793 and 4,817 of 4,831 slices: counts of public logs."""
    reader = pytest.importorskip("tumorboard.datasets.deeplesion.reader")
    rules = load_rules("deeplesion", task="detection")
    for table, kept, whole in (
        ("DL_info_val.csv.gz", (4887, 4791), (4889, 4793)),
        ("DL_info_test.csv.gz", (4912, 4817), (4927, 4831)),
    ):
        cases = find_cases(reader.read(real_data / "deeplesion", tables=table, companions=False))
        for noisy, expected in (("leave out", kept), ("keep", whole)):
            arranged = arrange(cases, [], rules=replace(rules, noisy=noisy))
            assert (len(arranged.lesions), len(arranged.units)) == expected
