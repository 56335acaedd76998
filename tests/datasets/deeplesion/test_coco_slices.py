"""Lesions as COCO boxes of slices, out and back, and predictions of others onto the scans."""

from __future__ import annotations

import json

import dl_rows
import numpy as np
import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.coco.reader import read as read_coco
from tumorboard.datasets.coco.writer import write as write_coco
from tumorboard.datasets.deeplesion.reader import read
from tumorboard.io.store import save_cohort


def written(cohort, out, **options):
    write_coco(cohort, out, slices=True, **options)
    return json.loads((out / "instances.json").read_text())


def test_the_printed_rows_as_coco_are_the_published_boxes_less_one(tmp_path):
    cohort = read(dl_rows.table(tmp_path / "DL_info.csv", *dl_rows.PRINTED))
    content = written(cohort, tmp_path / "coco")
    assert [image["file_name"] for image in content["images"]] == [
        "000001_01_01/109.png", "000001_02_01/014.png", "000001_02_01/017.png",
    ]  # fmt: skip
    first = content["annotations"][0]
    np.testing.assert_allclose(first["bbox"], [225.169, 89.0204, 241.252 - 226.169, 111.977 - 90.0204], atol=1e-6)
    assert content["categories"] == [{"id": 1, "name": "mediastinum", "supercategory": "RECIST pair"}]
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (512, 512)


def test_lesions_come_back_onto_the_scans(tmp_path):
    cohort = twins.lesion_cohort(tmp_path)
    written(cohort, tmp_path / "coco")
    bare = save_cohort(cohort.replace_tables(findings=[], relations=[]), tmp_path / "bare")
    again = read_coco(tmp_path / "coco", onto=tmp_path / "bare")
    assert bare.findings.num_rows == 0
    mine, theirs = cohort.rows("findings"), again.rows("findings")
    for a, b in zip(mine, theirs, strict=True):
        assert [a[k] for k in ("finding_id", "image_id", "label", "kind", "run_id")] == [
            b[k] for k in ("finding_id", "image_id", "label", "kind", "run_id")
        ]
        np.testing.assert_allclose(a["points_mm"], b["points_mm"], atol=1e-6)
        np.testing.assert_allclose(a["box"], b["box"], atol=1e-6)
        assert a["measurements"] == pytest.approx(b["measurements"])
        assert json.loads(a["attributes"]) == json.loads(b["attributes"])
    with pytest.raises(TumorboardError, match="COC102"):
        read_coco(tmp_path / "coco")


def test_predictions_of_others_are_found_by_the_names_of_the_slices(tmp_path):
    save_cohort(read(dl_rows.table(tmp_path / "t.csv", dl_rows.row())), tmp_path / "cohort")
    content = {
        "images": [
            {"id": 1, "file_name": "Images_png/000005_01_01/010.png"},
            {"id": 2, "file_name": "000005_01_01_012.png"},
            {"id": 3, "file_name": "000005_01_01_013.png"},
        ],
        "categories": [{"id": 1, "name": "lesion"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [15, 20, 30, 20], "score": 0.9},
            {"id": 2, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.2},
            {"id": 3, "image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.1},
        ],
    }
    (tmp_path / "predictions.json").write_text(json.dumps(content))
    with pytest.raises(TumorboardError, match="COC102"):
        read_coco(tmp_path / "predictions.json", onto=tmp_path / "cohort", run_id="theirs")
    cohort = read_coco(tmp_path / "predictions.json", onto=tmp_path / "cohort", run_id="theirs", unknown="skip")
    found = cohort.rows("findings", run_id="theirs")
    truth = cohort.rows("findings", run_id="expert")[0]
    np.testing.assert_allclose(found[0]["box"], truth["box"], atol=1e-9)
    assert [(row["kind"], row["score"]) for row in found] == [("box", 0.9), ("box", 0.2)]


def test_a_box_in_three_dimensions_is_on_every_slice_it_holds(tmp_path):
    dl_rows.table(tmp_path / "DL_info.csv", dl_rows.row())
    (tmp_path / "boxes.json").write_text(json.dumps({"000005_01_01_008-012": [[20, 30, 9, 24, 35, 11]]}))
    content = written(read(tmp_path), tmp_path / "coco", boxes="manual-3d")
    assert [image["file_name"][-7:] for image in content["images"]] == ["009.png", "010.png", "011.png"]
    assert content["annotations"][0]["bbox"] == pytest.approx([19.5, 29.5, 5, 6])
