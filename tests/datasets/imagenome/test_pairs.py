"""Tables: the TAB separated ones of the release, and pairs for change detection."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import twins

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.imagenome.pairs import split_of, write
from tumorboard.datasets.imagenome.reader import read
from tumorboard.datasets.imagenome.semantics import read_semantics
from tumorboard.datasets.imagenome.writer import write as write_release

from .made import got, put, some


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix in (".txt", ".tsv") else ","))


def pairs(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {split: rows(folder / f"{split}.csv") for split in ("train", "valid", "test")}


def test_the_tables_of_a_release(tmp_path: Path) -> None:
    made = some(10)
    write_release(read(put(tmp_path, made)), tmp_path / "out")
    folder = tmp_path / "out" / "silver_dataset" / "scene_tabular"
    said = rows(folder / "attribute_relations_tabular.txt")
    expected = sum(len(s) + sum(len(e[f"{c}_cues"][n]) for c in ("comparison", "temporal", "severity", "texture"))
                   for g in made for e in g["attributes"] for n, s in enumerate(e["attributes"]))  # fmt: skip
    assert len(said) == expected
    assert {(r["relation"], r["context"]) for r in said} == {("1", "yes"), ("0", "no")}
    boxes = rows(folder / "bbox_objects_tabular.txt")
    assert len(boxes) == sum(len(g["objects"]) for g in made)
    compared = rows(folder / "comparison_relations_tabular.txt")
    assert len(compared) == sum(len(r["attributes"]) for g in made for r in g["relationships"])
    with_both = [r for r in compared if r["bbox_coord_224_subject"] and r["bbox_coord_original_object"]]
    first = with_both[0]
    objects = {o["object_id"]: o for g in made for o in g["objects"]}
    o = objects[first["subject_id"]]
    assert json.loads(first["bbox_coord_224_subject"]) == [o["x1"], o["y1"], o["x2"], o["y2"]]
    o = objects[first["object_id"]]
    assert json.loads(first["bbox_coord_original_object"]) == [o[f"original_{k}"] for k in ("x1", "y1", "x2", "y2")]
    assert read_semantics(tmp_path / "out" / "semantics")["lists"]["comparison_relations_v1.txt"] == [
        "comparison|yes|improved", "comparison|yes|worsened", "comparison|yes|no change",
    ]  # fmt: skip


def test_pairs_of_graphs(tmp_path: Path) -> None:
    made = some(60)
    cohort = read(put(tmp_path, made))
    write(cohort, tmp_path / "pairs", contradictory="keep")
    listed = pairs(tmp_path / "pairs")
    whole = [row for split in listed.values() for row in split]
    images = {g["image_id"]: g for g in made}
    expected = {
        (r["subject_id"].rpartition("_")[0], r["object_id"].rpartition("_")[0], r["bbox_name"], text.rpartition("|")[2])
        for g in made for r in g["relationships"] for text in r["attributes"]
    }  # fmt: skip
    assert {(r["current_image_id"], r["previous_image_id"], r["location"], r["label"]) for r in whole} == expected
    for split, members in listed.items():
        assert all(split_of(row["patient_id"]) == split for row in members)
    one = next(row for row in whole if row["previous_x1_source_px"] and row["current_x1_source_px"])
    box = next(o for o in images[one["current_image_id"]]["objects"] if o["bbox_name"] == one["location"])
    assert float(one["current_x1_source_px"]) == box["original_x1"]
    patients = [{row["patient_id"] for row in members} for members in listed.values()]
    assert not patients[0] & patients[1] and not patients[0] & patients[2] and not patients[1] & patients[2]


def test_contradictions_are_dropped_or_kept_and_counted(tmp_path: Path) -> None:
    cohort = twins.graph_cohort()
    change = cohort.row("relations", predicate="worsened")
    other = change | {"relation_id": "other", "predicate": "improved"}
    odd = cohort.with_rows(relations=[other])
    with pytest.raises(TumorboardError, match="LAY111"):
        write(odd, tmp_path / "none")
    write(odd, tmp_path / "kept", contradictory="keep")
    kept = [row for split in pairs(tmp_path / "kept").values() for row in split]
    assert [(row["comparison"], row["contradictory"]) for row in kept] == [("worsened;;improved", "1")]
    assert json.loads((tmp_path / "kept" / "counts.json").read_text())["counts"]["contradictory"] == 1
    write(cohort, tmp_path / "plain")
    assert sum(len(split) for split in pairs(tmp_path / "plain").values()) == 1


def test_words_of_our_own(tmp_path: Path) -> None:
    """new is published as worsened, resolved as improved, removed not at all."""
    base = twins.graph_cohort()
    change = base.row("relations", predicate="worsened")
    labels = {"new": "lung opacity", "resolved": "pneumothorax", "removed": "picc"}
    added = [
        change | {"relation_id": word, "predicate": word,
                  "attributes": json.dumps(json.loads(change["attributes"]) | {"attribute": label})}
        for word, label in labels.items()
    ]  # fmt: skip
    cohort = base.with_rows(relations=added)

    def said(folder: Path) -> dict[str, str]:
        return {row["label"]: row["comparison"] for split in pairs(folder).values() for row in split}

    write(cohort, tmp_path / "published")
    expected = {"pneumonia": "worsened", "lung opacity": "worsened", "pneumothorax": "improved"}
    assert said(tmp_path / "published") == expected
    write(cohort, tmp_path / "all", words="all")
    assert said(tmp_path / "all") == {"pneumonia": "worsened"} | {label: word for word, label in labels.items()}


def test_ours_in_the_published_form(tmp_path: Path) -> None:
    """Doubt is yes with a hedge; the change is between the two images, in both spaces; counts are in mapping.json."""
    write_release(twins.graph_cohort(), tmp_path / "out")
    graphs = got(tmp_path / "out")
    graph: Any = graphs["P-1.1.DX"]
    entry = next(e for e in graph["attributes"] if e["bbox_name"] == "right lower lung zone")
    assert entry["attributes"] == [["disease|yes|pneumonia", "nlp|yes|abnormal"]]
    assert entry["severity_cues"] == [["severity|yes|hedge"]] and entry["comparison_cues"] == [
        ["comparison|yes|worsened"]
    ]
    assert entry["phrases"] == ["Possible pneumonia at the right base, worse."]
    angle = next(e for e in graph["attributes"] if e["bbox_name"] == "left costophrenic angle")
    assert angle["attributes"] == [["anatomicalfinding|no|pleural effusion", "nlp|yes|normal"]]
    relation = graph["relationships"][0]
    assert relation["subject_id"].startswith("P-1.1.DX_") and relation["object_id"].startswith("P-1.0.DX_")
    # 2000 x 2500 is padded by 250 left; 2500 / 224 = 11.16 source pixels: (300 + 250) / 11.16 = 49.3
    lung = next(o for o in graph["objects"] if o["bbox_name"] == "right lung")
    assert (lung["x1"], lung["original_x1"]) == (49, 300)
    assert json.loads((tmp_path / "out" / "mapping.json").read_text())["mapped"] == {
        "uncertain: yes with severity|yes|hedge": 3
    }


def test_default_locations_are_marked_as_not_named(tmp_path: Path) -> None:
    cohort = twins.graph_cohort()
    rows = cohort.rows("relations")
    for row in rows:
        if row["object"].endswith("effusion"):
            rules = {"rules": ["context no", "ontology default"]}
            row["attributes"] = json.dumps(json.loads(row["attributes"]) | rules)
    write_release(cohort.replace_tables(relations=rows), tmp_path / "out", tables=False)
    flags = {e["bbox_name"]: e[e["bbox_name"]] for e in got(tmp_path / "out")["P-1.0.DX"]["attributes"]}
    assert flags["left costophrenic angle"] is False and flags["cardiac silhouette"] is True


def test_boxes_are_clipped_on_request(tmp_path: Path) -> None:
    made = some(2)
    made[0]["objects"][0] |= {"x1": -4, "original_x1": -40}
    cohort = read(put(tmp_path, made))
    write_release(cohort, tmp_path / "out", clip=True, tables=False)
    box = next(o for o in got(tmp_path / "out")[made[0]["image_id"]]["objects"] if o["bbox_name"] == "right lung")
    assert box["x1"] == 0 and box["original_x1"] == 0


def test_codes_come_from_the_users_table(tmp_path: Path) -> None:
    (tmp_path / "terms.csv").write_text("label,cui,radlex,snomed\nright lung,C123,RID1,\n")
    write_release(twins.graph_cohort(), tmp_path / "out", terms=tmp_path / "terms.csv")
    names = {o["bbox_name"]: o["synsets"] for o in got(tmp_path / "out")["P-1.0.DX"]["objects"]}
    assert names == {"right lung": ["C123"], "right lower lung zone": [], "cardiac silhouette": []}
