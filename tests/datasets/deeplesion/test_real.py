"""Counts and joins of the published tables (validation and test whole, eight rows of train), where they are at hand."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter

import numpy as np
import pytest

from tumorboard.datasets.deeplesion.companions import read_companion, read_pairs
from tumorboard.datasets.deeplesion.reader import read, read_table
from tumorboard.io.slice_stack import read_slice


@pytest.fixture(scope="module")
def folder(real_data):
    return real_data / "deeplesion"


@pytest.fixture(scope="module")
def cohort(folder):
    return read(folder)


@pytest.fixture(scope="module")
def lesions(folder):
    return read_table(folder)[0]


def published(folder, name):
    with gzip.open(folder / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_split_sizes_noisy_rows_and_denominators(lesions):
    counts = Counter(lesions.split.tolist())
    assert (counts[2], counts[3]) == (4889, 4927)
    noisy = Counter(lesions.split[lesions.noisy].tolist())
    assert (noisy[2], noisy[3]) == (2, 15)  # 18 more in train, of which eight rows are here
    kept = lesions.take(~lesions.noisy)
    assert [(kept.split == split).sum() for split in (2, 3)] == [4887, 4912]
    key_slices = [len(set(lesions.file_name[lesions.split == split])) for split in (2, 3)]
    assert key_slices == [4793, 4831]
    clean = [len(set(kept.file_name[kept.split == split])) for split in (2, 3)]
    assert clean == [4791, 4817]


def test_the_objects_of_all_splits_agree_in_number(folder):
    objects = Counter(row["split"] for row in published(folder, "DL_all_objects_sizes.csv.gz"))
    # two lesions of train are missing in that source
    assert objects == {"train": 22_919 - 2, "val": 4889, "test": 4927}


def test_every_row_as_an_independent_parse_gives_it(folder, lesions):
    rows = published(folder, "DL_info_test.csv.gz")
    mine = lesions.take(lesions.split == 3)
    assert [row["File_name"] for row in rows] == mine.file_name.tolist()
    ends = np.array([[float(v) for v in row["Measurement_coordinates"].split(",")] for row in rows]) - 1
    np.testing.assert_allclose(mine.ends_px.reshape(-1, 8), ends, atol=1e-9)
    lengths = np.array([[float(v) for v in row["Lesion_diameters_Pixel_"].split(",")] for row in rows])
    x = np.array([float(row["Spacing_mm_px_"].split(",")[0]) for row in rows])
    np.testing.assert_allclose(mine.diameters_mm, lengths * x[:, None], rtol=1e-12)
    assert Counter(mine.type_number.tolist()) == Counter(int(row["Coarse_lesion_type"]) for row in rows)


def test_boxes_and_diameters_follow_from_the_ends(lesions):
    low, high = lesions.ends_px.min(axis=1) - 5, lesions.ends_px.max(axis=1) + 5
    edges = np.hstack([lesions.image_size_px] * 2) - 0.5
    np.testing.assert_allclose(lesions.box_px, np.clip(np.hstack([low, high]), -0.5, edges), atol=2e-3)
    lengths = np.linalg.norm(lesions.ends_px[:, 0::2] - lesions.ends_px[:, 1::2], axis=2)
    np.testing.assert_allclose(lesions.diameters_px, lengths, atol=2e-3)
    assert (lesions.diameters_px[:, 0] >= lesions.diameters_px[:, 1]).all()


def test_row_numbers_are_the_companions(folder, lesions):
    rows = {row["row_index"]: row for row in published(folder, "DL_info_val_test_row_index.csv.gz")}
    known = lesions.take(lesions.lesion_index >= 0)
    assert len(known) == len(rows) == 9816
    for at in range(0, len(known), 97):
        row = rows[str(known.lesion_index[at])]
        assert (row["File_name"], int(row["Coarse_lesion_type"])) == (known.file_name[at], known.type_number[at])


def test_labels_fall_on_rows_of_their_split_and_are_said_once(folder, cohort):
    with gzip.open(folder / "lesanet_text_mined_labels_171_and_split.json.gz", "rt", encoding="utf-8") as file:
        published_labels = json.load(file)
    told = [json.loads(row["attributes"]) for row in cohort.rows("findings", run_id="expert")]
    by_index = {one["lesion_index"]: one for one in told if "lesion_index" in one}
    for word, split, count in (("val", "validation", 1976), ("test", "test", 1879)):
        indices = published_labels[f"{word}_lesion_idxs"]
        assert len(indices) == count
        assert {by_index[index]["split"] for index in indices} == {split}
        terms = published_labels["term_list"]
        for index, numbers in zip(indices, published_labels[f"{word}_relevant_labels"], strict=True):
            assert set(by_index[index]["tags"]) == {terms[number] for number in numbers}
            assert len(by_index[index]["tags"]) == len(set(numbers))
    lists = [labels for name, labels in published_labels.items() if name.endswith("_labels")]
    assert len(published_labels["term_list"]) == 171
    assert any(len(set(one)) < len(one) for labels in lists for one in labels)  # repeats do occur
    assert sum("tags_by_hand" in one for one in told) == 500


def test_pairs_of_the_longitudinal_study(folder, cohort):
    kind, content = read_companion(folder / "dls_valid.json.gz")
    pairs = read_pairs(content, folder)
    assert (kind, len(pairs)) == ("pairs", 906)
    relations = cohort.rows("relations")
    ends = {row["subject"] for row in relations} | {row["object"] for row in relations}
    assert (len(relations), len(ends), len({name[:6] for name in ends})) == (453, 711, 105)
    for pair in pairs:  # centres: mean of the ends, layer = slice - first, pixels from 0
        for one in (pair.source, pair.target):
            np.testing.assert_allclose(one.centre[:2], one.ends_px.mean(axis=0), atol=0.11)
            assert one.centre[2] == one.slice.number - one.volume.first


def test_pairs_are_zero_based_where_the_table_is_one_based(folder, lesions):
    _, content = read_companion(folder / "dls_valid.json.gz")
    by_slice = {}
    for name, ends in zip(lesions.file_name, lesions.ends_px, strict=True):
        by_slice.setdefault(name, []).append(ends)
    worst = 0.0
    for pair in read_pairs(content, folder):
        there = by_slice[pair.source.slice.file_name]
        worst = max(worst, min(float(np.abs(ends - pair.source.ends_px).max()) for ends in there))
    assert worst <= 0.0501  # rounded to a tenth


def test_manual_boxes(cohort):
    boxes = cohort.rows("findings", run_id="manual-3d")
    assert len(boxes) == 1292
    # a box lies on the slices of its own sub-volume, in the frame of the series
    for box in boxes[::50]:
        geometry = cohort.geometry(box["image_id"])
        index = geometry.to_index(np.reshape(box["box"], (2, 3)))
        assert index.min() >= -0.5 - 1e-6
        assert (index.max(axis=0) <= np.array(geometry.shape) - 0.5 + 1e-6).all()


def test_one_series_has_two_intervals_and_is_told(cohort):
    intervals = {cohort.geometry(row["image_id"]).spacing_mm[2] for row in cohort.rows("images", exam_id="003247_02")}
    assert intervals == {1.0, 5.0}
    assert any("003247_02_01" in note for note in cohort.provenance[0]["notes"])


def test_a_derived_slice_has_plausible_hu(folder):
    for path in sorted((folder / "slices_16bit_derived").glob("*.png")):
        hu = read_slice(path)
        assert hu.dtype == np.int16
        assert -1100 <= hu.min() <= -900
        assert -120 < np.median(hu[hu > -300]) < 120  # fat and soft tissue, on both sides of water
