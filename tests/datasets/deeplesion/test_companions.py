"""Companion sets: labels by row, pairs over time, 3-D boxes in both number bases."""

from __future__ import annotations

import gzip
import json
import pickle

import dl_rows
import numpy as np
import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.deeplesion.companions import read_boxes, read_companion, read_pairs, read_tags
from tumorboard.datasets.deeplesion.reader import read

TERMS = ["chest", "lung", "nodule", "cyst"]


def labels(**lists):
    """LesaNet's file with a few lesions."""
    content = {"term_list": TERMS}
    for word in ("train", "val", "test"):
        content[f"{word}_lesion_idxs"] = []
        content[f"{word}_relevant_labels"] = []
        content[f"{word}_uncertain_labels"] = []
    return content | lists


def end(side, name, ends, *, first, last):
    """One end of a pair, from 0-based ends on a slice `PPPPPP_SS_RR/NNN.png`."""
    ends = np.asarray(ends, float)
    folder, number = name.split("/")
    layer = int(number.removesuffix(".png")) - first
    centre = [*ends.mean(axis=0).round(1).tolist(), float(layer)]
    return {
        side: f"{folder}_{first:03d}-{last:03d}.nii.gz",
        f"{side} box": [0, 0, 0, 1, 1, 1],
        f"{side} center": centre,
        f"{side} spacing": [0.8, 0.8, 5.0],
        f"{side} recist slice": name,
        f"{side} recist coordinate": ends.round(1).ravel().tolist(),
        f"{side} recist diameter": [20.0, 10.0],
        f"{side} recist box": [15, 20, 30, 20],
        f"{side} recist center": centre,
    }


ENDS = [[20, 30], [40, 30], [30, 25], [30, 35]]


def two_studies(folder):
    dl_rows.table(folder / "DL_info.csv", dl_rows.row(), dl_rows.row("000005_02_01_010.png"))
    (folder / "index.csv").write_text("row_index,File_name\n7,000005_01_01_010.png\n8,000005_02_01_010.png\n")


def test_labels_are_joined_by_row_and_said_once(tmp_path):
    two_studies(tmp_path)
    content = labels(val_lesion_idxs=[8, 5], val_relevant_labels=[[1, 0, 1, 0], [2]], val_uncertain_labels=[[2, 2], []])
    (tmp_path / "labels.json").write_text(json.dumps(content))
    by_hand = [{"text": "a cyst", "lesion_idx": 7, "expanded_terms": ["cyst", "cyst", "chest"]}]
    (tmp_path / "hand.json.gz").write_bytes(gzip.compress(json.dumps(by_hand).encode()))
    cohort = read(tmp_path)
    first, second = (json.loads(row["attributes"]) for row in cohort.rows("findings"))
    assert (second["tags"], second["tags_uncertain"]) == (["lung", "chest"], ["nodule"])
    assert first["tags_by_hand"] == ["cyst", "chest"]
    assert "tags" not in first
    assert any("labels of 1 lesions joined by row number, 1 not here" in n for n in cohort.provenance[0]["notes"])


def test_labels_of_another_split_mean_that_row_numbers_are_off(tmp_path):
    two_studies(tmp_path)
    content = labels(test_lesion_idxs=[7], test_relevant_labels=[[1]], test_uncertain_labels=[[]])
    (tmp_path / "labels.json").write_text(json.dumps(content))
    with pytest.raises(TumorboardError, match="DPL104"):
        read(tmp_path)
    assert len(read(tmp_path, companions=False)) == 1
    assert len(read(tmp_path, index="none")) == 1


@pytest.mark.parametrize(
    "lists",
    [
        {"val_lesion_idxs": [8], "val_relevant_labels": [], "val_uncertain_labels": [[]]},
        {"val_lesion_idxs": [8], "val_relevant_labels": [[4]], "val_uncertain_labels": [[]]},
        {"val_lesion_idxs": [8, 8], "val_relevant_labels": [[1], [1]], "val_uncertain_labels": [[], []]},
    ],
)
def test_labels_that_lead_nowhere_are_refused(lists, tmp_path):
    with pytest.raises(TumorboardError, match="DPL107"):
        read_tags("tags", labels(**lists), tmp_path)


def test_pairs_become_relations_once_with_the_earlier_study_first(tmp_path):
    two_studies(tmp_path)
    a = ("000005_01_01/010.png", ENDS)
    b = ("000005_02_01/010.png", ENDS)
    pair = end("source", *b, first=8, last=12) | end("target", *a, first=8, last=12)
    back = end("source", *a, first=8, last=12) | end("target", *b, first=8, last=12)
    shifted = np.asarray(ENDS) + 3
    lost = end("source", *a, first=8, last=12) | end("target", b[0], shifted, first=8, last=12)
    (tmp_path / "dls_valid.json").write_text(json.dumps({"0001": pair, "0002": back, "0003": lost}))
    cohort = read(tmp_path)
    (relation,) = cohort.rows("relations")
    assert (relation["subject"], relation["object"]) == ("000005_01_01_010.1", "000005_02_01_010.1")
    assert (relation["predicate"], relation["run_id"]) == ("same lesion", "expert")
    assert any("1 pairs with a lesion that is not in the table" in note for note in cohort.provenance[0]["notes"])


def test_the_earlier_study_of_a_pair_follows_the_order_of_the_exams(tmp_path):
    two_studies(tmp_path)
    rows = [dl_rows.row(Patient_age="61"), dl_rows.row("000005_02_01_010.png", Patient_age="60")]
    dl_rows.table(tmp_path / "DL_info.csv", *rows)
    a, b = ("000005_01_01/010.png", ENDS), ("000005_02_01/010.png", ENDS)
    pair = end("source", *a, first=8, last=12) | end("target", *b, first=8, last=12)
    (tmp_path / "dls.json").write_text(json.dumps({"0001": pair}))
    for order, first in (("study", "000005_01_01_010.1"), ("age", "000005_02_01_010.1")):
        (relation,) = read(tmp_path, order=order).rows("relations")
        assert relation["subject"] == first


def test_the_centre_of_a_pair_is_the_mean_of_the_ends_and_diameters_are_pixels():
    ends = [[20, 30], [40, 30], [25, 25], [25, 35]]
    record = end("source", "000005_01_01/010.png", ends, first=8, last=12)
    record |= end("target", "000005_02_01/010.png", ends, first=8, last=12)
    (pair,) = read_pairs({"0001": record}, "x")
    assert pair.source.centre.tolist() == [27.5, 30.0, 2.0]  # the box has its centre at 30
    assert pair.source.radius_mm == 20 / 2 * 0.8
    assert pair.predicted_centre is None
    del record["target spacing"]
    with pytest.raises(TumorboardError, match="DPL107"):
        read_pairs({"0001": record}, "x")


def test_boxes_have_pixels_from_0_and_slices_from_1(tmp_path):
    two_studies(tmp_path)
    content = {
        "000005_01_01_008-012": [[20, 30, 9, 24, 35, 10]],
        "000005_02_01_008-012": [],
        "000009_01_01_001-002": [],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    cohort = read(tmp_path)
    (box,) = cohort.rows("findings", run_id="manual-3d")
    # outer edges: pixel 20 to 24 is 19.5 to 24.5; slices 9 and 10 are 8.5 to 10.5
    expected = [-24.5 * 0.8, -35.5 * 0.8, -10.5 * 5, -19.5 * 0.8, -29.5 * 0.8, -8.5 * 5]
    np.testing.assert_allclose(box["box"], expected)
    index = cohort.geometry(box["image_id"]).to_index(np.reshape(box["box"], (2, 3)))
    np.testing.assert_allclose(np.sort(index, axis=0), [[19.5, 29.5, 0.5], [24.5, 35.5, 2.5]], atol=1e-9)
    assert any("1 sub-volumes that are not in the table" in note for note in cohort.provenance[0]["notes"])


@pytest.mark.parametrize("box", [[20, 30, 7, 24, 35, 10], [20, 30, 9, 24, 35, 13], [24, 30, 9, 20, 35, 10]])
def test_a_box_beyond_its_slices_is_refused(box, tmp_path):
    with pytest.raises(TumorboardError, match="DPL107"):
        read_boxes({"000005_01_01_008-012": [box]}, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"term_list": TERMS, "val_lesion_idxs": 5},
        {"term_list": TERMS, "val_lesion_idxs": ["a"], "val_relevant_labels": [[1]], "val_uncertain_labels": [[]]},
        {"term_list": TERMS, "val_lesion_idxs": [8], "val_relevant_labels": [["x"]], "val_uncertain_labels": [[]]},
        [{"lesion_idx": 7, "expanded_terms": None}],
        [{"lesion_idx": 7, "expanded_terms": []}, 5],
        {"0001": {"source": 1, "target": 2}},
        {"0001": {"source": "x", "target": "y"}, "0002": None},
        {"000005_01_01_008-012": 5},
        {"000005_01_01_008-012": [5]},
        {"000005_01_01_008-012": [["a", 1, 2, 3, 4, 5]]},
    ],
)
def test_other_shapes_than_published_are_refused(content, tmp_path):
    two_studies(tmp_path)
    (tmp_path / "odd.json").write_text(json.dumps(content))
    with pytest.raises(TumorboardError, match="DPL107"):
        read(tmp_path)


def test_a_pickle_is_refused_and_other_json_is_left_out(tmp_path):
    (tmp_path / "boxes.json").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(TumorboardError, match="FIL110"):
        read_companion(tmp_path / "boxes.json")
    (tmp_path / "other.json").write_text('{"a": 1}')
    assert read_companion(tmp_path / "other.json") is None
