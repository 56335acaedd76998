"""The experts' tables: to the silver form and back, into a cohort and out again."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.core.tables import EXPERT
from tumorboard.datasets.imagenome.gold import gold_graphs, read_gold
from tumorboard.datasets.imagenome.goldtables import GOLD_FILES, graphs_from_gold, tables_from_graphs
from tumorboard.datasets.imagenome.reader import read
from tumorboard.datasets.imagenome.writer import write

from .made import got, put, some

A, B = "aaaa-1111", "bbbb-2222"
"""Previous and current image of one patient."""


def gold(folder: Path) -> Path:
    """Six tables by hand, in the published columns: two studies of patient 10, ids with .dcm, two rows per sentence."""
    place = folder / "gold_dataset"
    place.mkdir(parents=True)
    head = [
        "patient_id",
        "study_id",
        "image_id",
        "row_id",
        "section",
        "bbox",
        "relation",
        "context",
        "label_name",
        "categoryID",
        "sentence",
        "annot_id",
    ]
    first = [
        (
            10,
            501,
            f"{A}.dcm",
            "501|3",
            "finalreport",
            "left lung",
            1,
            "yes",
            "lung opacity",
            "anatomicalfinding",
            "Hazy left lung.",
            "R1",
        ),
        (
            10,
            501,
            f"{A}.dcm",
            "501|3",
            "finalreport",
            "left lung",
            1,
            "yes",
            "abnormal",
            "nlp",
            "Hazy left lung.",
            "R1",
        ),
        (
            10,
            501,
            f"{A}.dcm",
            "501|3",
            "finalreport",
            "left lung",
            1,
            "yes",
            "mild",
            "severity",
            "Hazy left lung.",
            "R1",
        ),
        (
            10,
            501,
            f"{A}.dcm",
            "501|4",
            "finalreport",
            "right lung",
            0,
            "no",
            "pneumothorax",
            "anatomicalfinding",
            "No pneumothorax.",
            "R2",
        ),
    ]
    second = [
        (
            10,
            502,
            f"{B}.dcm",
            "502|1",
            "finalreport",
            "left lung",
            1,
            "yes",
            "lung opacity",
            "anatomicalfinding",
            "The haze is less.",
            "R1",
        ),
        (
            10,
            502,
            f"{B}.dcm",
            "502|1",
            "finalreport",
            "left lung",
            1,
            "yes",
            "improved",
            "comparison",
            "The haze is less.",
            "R1",
        ),
    ]
    table(place / GOLD_FILES[0], head, first)
    table(place / GOLD_FILES[1], head, second)
    coords = [*head, "coord224", "coord_original"]
    table(place / GOLD_FILES[2], coords, [(*first[0], "[110, 20, 200, 180]", "[1100, 200, 2000, 1800]")])
    columns = [
        "patient_id",
        "relationship_id",
        "subject_id",
        "object_id",
        "bbox",
        "comparison",
        "attribute",
        "sentence",
        "label_name",
        "current_image_id",
        "previous_image_id",
    ]
    ids = (f"{B}_left lung", f"{A}_left lung", "left lung")
    table(
        place / GOLD_FILES[3],
        columns,
        [
            (
                10,
                "rel1",
                *ids,
                "improved",
                "anatomicalfinding|yes|lung opacity",
                "The haze is less.",
                "lung opacity",
                B,
                A,
            ),
            (10, "rel2", *ids, "improved;;worsened", "disease|yes|pneumonia", "Better or worse.", "pneumonia", B, A),
        ],
    )
    corners = [
        "image_id",
        "x1",
        "y1",
        "x2",
        "y2",
        "width",
        "height",
        "bbox_name",
        "annot_id",
        "original_x1",
        "original_y1",
        "original_x2",
        "original_y2",
        "original_width",
        "original_height",
        "annotator",
    ]
    table(
        place / GOLD_FILES[4],
        corners,
        [
            (f"{image}.dcm", 110, 20, 200, 180, 90, 160, "left lung", "1_W", 1100, 200, 2000, 1800, 900, 1600, "W")
            for image in (A, B)
        ],
    )
    scaling = ["image_id", "top", "bottom", "left", "right", "ratio"]
    table(place / GOLD_FILES[5], scaling, [(f"{image}.dcm", 0, 0, 12, 12, 10.0) for image in (A, B)])
    return folder


def table(path: Path, head: list[str], rows: Any) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".txt" else ",")
        writer.writerow(head)
        writer.writerows(rows)


def content(folder: Path) -> dict[str, Counter[tuple[tuple[str, str], ...]]]:
    """Rows of each table as sets of filled cells; the order of rows and columns does not count."""
    found = {}
    for name in GOLD_FILES:
        with (folder / name).open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if name.endswith(".txt") else ","))
        found[name] = Counter(tuple(sorted((k, v) for k, v in row.items() if v)) for row in rows)
    return found


def subset(published: Path, written: Path) -> list[str]:
    """Published rows without a written row that has all their cells."""
    left, missing = content(written), []
    for name, rows in content(published).items():
        for row in rows.elements():
            match = next((r for r, n in left[name].items() if n and set(row) <= set(r)), None)
            if match is None:
                missing.append(f"{name}: {row}")
            else:
                left[name][match] -= 1
    return missing + [f"{n}: more {r}" for n, rows in left.items() for r in rows.elements()]


def test_tables_become_graphs_in_the_silver_form(tmp_path: Path) -> None:
    graphs = {g["image_id"]: g for g in graphs_from_gold(gold(tmp_path) / "gold_dataset")}
    assert set(graphs) == {A, B}  # without .dcm
    entry = next(e for e in graphs[A]["attributes"] if e["bbox_name"] == "left lung")
    assert entry["attributes"] == [["anatomicalfinding|yes|lung opacity", "nlp|yes|abnormal"]]
    assert entry["severity_cues"] == [["severity|yes|mild"]]
    assert entry["phrase_IDs"] == ["501|3"]
    assert (graphs[A]["StudyOrder"], graphs[B]["StudyOrder"]) == (1, 2)
    assert [r["subject_id"] for r in graphs[B]["relationships"]] == [f"{B}_left lung"] * 2
    assert graphs[B]["relationships"][1]["relationship_names"] == ["comparison|yes|improved", "comparison|yes|worsened"]
    assert graphs[A]["objects"][0]["original_x2"] == 2000


def test_tables_come_back_from_graphs(tmp_path: Path) -> None:
    folder = gold(tmp_path) / "gold_dataset"
    (tmp_path / "back").mkdir()
    tables_from_graphs(graphs_from_gold(folder), tmp_path / "back")
    assert not subset(folder, tmp_path / "back")


def test_graphs_come_back_from_tables(tmp_path: Path) -> None:
    first = graphs_from_gold(gold(tmp_path) / "gold_dataset")
    (tmp_path / "back").mkdir()
    tables_from_graphs(first, tmp_path / "back")
    again = graphs_from_gold(tmp_path / "back")

    def plain(graphs: Any) -> list[Any]:
        return [{k: v for k, v in g.items() if k != "gold"} for g in sorted(graphs, key=lambda g: g["image_id"])]

    assert plain(again) == plain(first)


def test_a_cohort_of_the_experts_and_back(tmp_path: Path) -> None:
    cohort = read_gold(gold(tmp_path))
    assert set(cohort.relations["run_id"].to_pylist()) == {EXPERT} == set(cohort.findings["run_id"].to_pylist())
    changes = {(r["subject"], r["predicate"], r["object"]) for r in cohort.rows("relations", predicate="improved")}
    assert changes == {("502", "improved", "501")}
    assert "CIG111" in "\n".join(cohort.provenance[0]["notes"])  # improved and worsened at once
    image = cohort.row("images", image_id=A)
    assert json.loads(image["options"])["scaling"] == [10.0, 12.0, 0.0]
    (tmp_path / "back").mkdir()
    tables_from_graphs(gold_graphs(cohort), tmp_path / "back")
    assert not subset(tmp_path / "gold_dataset", tmp_path / "back")


def test_gold_beside_silver(tmp_path: Path) -> None:
    """The same images: the experts' rows join the silver patients, both come out again."""
    made = some(6)
    for graph, image, study, order in zip(made, (A, B), (501, 502), (1, 2), strict=False):
        text = json.dumps(graph | {"patient_id": 10, "study_id": study, "StudyOrder": order})
        made[made.index(graph)] = json.loads(
            text.replace(graph["image_id"], image).replace(f"{graph['study_id']}|", f"{study}|")
        )
    source = gold(put(tmp_path, made))
    cohort = read(source)
    assert cohort.row("patients", patient_id="10")
    assert {r["run_id"] for r in cohort.rows("relations", subject="501")} == {"silver", EXPERT}
    write(cohort, tmp_path / "out", run="silver", boxes="silver")
    assert got(tmp_path / "out") == {g["image_id"]: g for g in made}
    assert not subset(source / "gold_dataset", tmp_path / "out" / "gold_dataset")
    avoid = (tmp_path / "out" / "silver_dataset" / "splits" / "images_to_avoid.csv").read_text().splitlines()
    assert {line.split(",")[2] for line in avoid[1:]} == {g["image_id"] for g in made if g["patient_id"] == 10}


def test_a_gold_table_without_its_columns(tmp_path: Path) -> None:
    folder = gold(tmp_path) / "gold_dataset"
    (folder / GOLD_FILES[0]).write_text("image_id\tbbox\n")
    with pytest.raises(TumorboardError, match="CIG118"):
        read_gold(tmp_path)
    (folder / GOLD_FILES[0]).write_bytes(b"\xff\xfe")
    with pytest.raises(TumorboardError, match="LAY103"):
        read_gold(tmp_path)
