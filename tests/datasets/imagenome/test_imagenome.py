"""The published layout: nothing is lost either way, nothing crashes, oddities are named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.imagenome.reader import read, stream
from tumorboard.datasets.imagenome.writer import compose_graphs, write

from .made import Graph, canonical, got, put, some


def back(tmp_path: Path, made: list[Graph], **options: Any) -> dict[str, Graph]:
    """Write graphs, read them into a cohort, save nothing, write them again."""
    cohort = read(put(tmp_path / "in", made), gold=False)
    write(cohort, tmp_path / "out", tables=False, **options)
    return got(tmp_path / "out")


def notes(tmp_path: Path, made: list[Graph]) -> str:
    return "\n".join(read(put(tmp_path / "noted", made), gold=False).provenance[0].get("notes", []))


def test_graphs_come_back_equal_in_content(tmp_path: Path) -> None:
    made = some(30)
    written = back(tmp_path, made)
    assert {k: canonical(v) for k, v in written.items()} == {g["image_id"]: canonical(g) for g in made}


def test_regular_graphs_need_nothing_kept(tmp_path: Path) -> None:
    """The rows say it all: what is kept as published is for oddities."""
    cohort = read(put(tmp_path, some(20)))
    assert not [row for row in cohort.rows("images") if "kept" in json.loads(row["options"])["imagenome"]]


# ---- faults: each changes a graph; the code that must be told -----------------------------------------
def _unequal(g: Graph) -> None:
    g["attributes"][0]["attributes"].append(["anatomicalfinding|yes|lung opacity"])


def _short_cues(g: Graph) -> None:
    g["attributes"][1]["severity_cues"] = []


def _missing_list(g: Graph) -> None:
    del g["attributes"][2]["texture_cues"]


def _missing_box(g: Graph) -> None:
    del g["objects"][3]


def _double_box(g: Graph) -> None:
    g["objects"].append(dict(g["objects"][0], x1=1))


def _negative(g: Graph) -> None:
    g["objects"][0] |= {"x1": -4, "original_x1": -40}


def _outside(g: Graph) -> None:
    g["objects"][0] |= {"x2": 230, "original_x2": 9000}


def _empty(g: Graph) -> None:
    o = g["objects"][0]
    o |= {"x2": o["x1"], "original_x2": o["original_x1"], "width": 0, "original_width": 0}


def _mixed_spaces(g: Graph) -> None:
    o = g["objects"][0]
    o |= {f"original_{k}": o[k] * (3 if k[0] == "x" else 30) for k in ("x1", "y1", "x2", "y2")}
    o |= {"original_width": o["original_x2"] - o["original_x1"], "original_height": o["original_y2"] - o["original_y1"]}


def _inverted(g: Graph) -> None:
    r = _relationship(g)
    r["subject_id"], r["object_id"] = r["object_id"], r["subject_id"]


def _two_cues(g: Graph) -> None:
    _relationship(g)["relationship_names"] = ["comparison|yes|improved;;comparison|yes|worsened"]


def _lateral(g: Graph) -> None:
    g["viewpoint"] = "LATERAL"


def _unknown_word(g: Graph) -> None:
    g["attributes"][0]["attributes"][0].append("anatomicalfinding|yes|purple spot")


def _not_a_triple(g: Graph) -> None:
    g["attributes"][0]["attributes"][0].append("lung opacity")


def _unknown_place(g: Graph) -> None:
    g["attributes"][0]["bbox_name"] = "left pinky"


def _text_box(g: Graph) -> None:
    g["objects"][0]["x1"] = "12"


def _no_objects(g: Graph) -> None:
    g["objects"] = None


def _odd_entries(g: Graph) -> None:
    g["attributes"].append("nothing")
    g["objects"].append({"object_id": "x"})
    g["relationships"].append(None)


def _relationship(g: Graph) -> Graph:
    if not g["relationships"]:
        place, image = "left lung", g["image_id"]
        g["relationships"].append(
            {
                "relationship_id": "r1",
                "predicate": "['Improved']",
                "synsets": [],
                "relationship_names": ["comparison|yes|improved"],
                "relationship_contexts": [1.0],
                "phrase": "Better.",
                "attributes": ["disease|yes|pneumonia"],
                "bbox_name": place,
                "subject_id": f"{image}_{place}",
                "object_id": f"0000-0000_{place}",
            }
        )
    return g["relationships"][0]


FAULTS: list[tuple[Callable[[Graph], None], str]] = [
    (_unequal, "CIG102"),
    (_short_cues, "CIG102"),
    (_missing_list, "CIG102"),
    (_missing_box, "CIG103"),
    (_double_box, "CIG104"),
    (_negative, "CIG105"),
    (_outside, "CIG105"),
    (_empty, "CIG106"),
    (_mixed_spaces, "CIG107"),
    (_text_box, "CIG107"),
    (_inverted, "CIG108"),
    (_lateral, "CIG109"),
    (_unknown_word, "CIG110"),
    (_not_a_triple, "CIG110"),
    (_unknown_place, "CIG110"),
    (_two_cues, "CIG111"),
    (_no_objects, "CIG101"),
    (_odd_entries, "CIG101"),
]


@pytest.mark.parametrize(("change", "code"), FAULTS, ids=[f"{code}-{f.__name__[1:]}" for f, code in FAULTS])
def test_an_odd_graph_is_told_and_comes_back_as_it_was(change: Any, code: str, tmp_path: Path) -> None:
    made = some(6)
    assert code not in notes(tmp_path / "whole", made)
    for graph in made:
        change(graph)
    written = back(tmp_path, made)
    for graph in made:
        assert canonical(written[graph["image_id"]]) == canonical(graph)
    assert code in notes(tmp_path, made)
    row = read(tmp_path / "in").rows("images", image_id=made[0]["image_id"])[0]
    assert row["problem"] and code in json.loads(row["options"])["problems"]


def test_alternatives_of_a_code_stay_one_code(tmp_path: Path) -> None:
    graph = some(1)[0]
    graph["attributes"][0]["attributes_ids"][0][0] = "C0000001;;C0000002"
    cohort = read(put(tmp_path, [graph]))
    cuis = [json.loads(row["attributes"]).get("cui") for row in cohort.rows("relations")]
    assert "C0000001;;C0000002" in cuis


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    made = some(3)
    plain, marked = read(put(tmp_path / "a", made)), read(put(tmp_path / "b", made, prefix=b"\xef\xbb\xbf"))
    assert plain.relations.equals(marked.relations)


def test_the_subject_is_the_current_exam(tmp_path: Path) -> None:
    """Improved means that the CURRENT exam is better: exchanged, it would say the reverse."""
    made = some(40)
    cohort = read(put(tmp_path, made))
    order = {row["exam_id"]: row["order"] for row in cohort.rows("exams")}
    known = {str(g["study_id"]) for g in made}
    changes = [r for r in cohort.rows("relations") if r["predicate"] in ("improved", "worsened", "no change")]
    pairs = [(row["subject"], row["object"]) for row in changes if row["object"] in known]
    assert len(pairs) > 20
    assert all(order[current] == order[previous] + 1 for current, previous in pairs)


def test_a_location_that_the_sentence_does_not_name_is_a_default_one(tmp_path: Path) -> None:
    made = some(1)
    flags = {e["bbox_name"]: e[e["bbox_name"]] for e in made[0]["attributes"]}
    assert set(flags.values()) == {True, False}
    cohort = read(put(tmp_path, made))
    rows = [
        json.loads(r["attributes"]) for r in cohort.rows("relations") if r["predicate"] in ("yes", "no", "uncertain")
    ]
    unnamed = {place for a in rows for place in a.get("default", ())}
    assert unnamed == {place for place, flag in flags.items() if flag is False}


def test_a_hedge_is_doubt_inside_and_a_cue_outside(tmp_path: Path) -> None:
    graph = some(1)[0]
    entry = graph["attributes"][0]
    entry["attributes"][0] = ["anatomicalfinding|yes|lung opacity", "nlp|yes|abnormal"]
    entry["attributes_ids"][0] = ["", ""]
    entry["severity_cues"][0] = ["severity|yes|hedge"]
    source = put(tmp_path, [graph])
    phrase = f"{entry['phrase_IDs'][0]}".partition("|")[2]
    for hedge, expected in (("uncertain", "uncertain"), ("cue", "yes")):
        said = {
            row["object"]: row["predicate"]
            for row in read(source, hedge=hedge).rows("relations")
            if json.loads(row["attributes"]).get("phrase") == phrase
            and json.loads(row["attributes"])["locations"] == [entry["bbox_name"]]
        }
        assert said["anatomicalfinding|lung opacity"] == expected
        assert said["nlp|abnormal"] == "yes"
        assert canonical(next(compose_graphs(read(source, hedge=hedge)))) == canonical(graph)


# ---- studies, patients, splits ------------------------------------------------------------------------
def test_two_frontals_of_a_study_share_their_statements(tmp_path: Path) -> None:
    first = some(1)[0]
    second = json.loads(json.dumps(first).replace(first["image_id"], "11111111-2222"))
    alone, both = read(put(tmp_path / "a", [first])), read(put(tmp_path / "b", [first, second]))
    assert both.exams.num_rows == 1 and both.images.num_rows == 2
    assert [r["object"] for r in both.rows("relations")] == [r["object"] for r in alone.rows("relations")]
    assert both.findings.num_rows == 2 * alone.findings.num_rows


def test_what_only_the_second_frontal_says_is_kept_with_it(tmp_path: Path) -> None:
    first = some(1)[0]
    second = json.loads(json.dumps(first).replace(first["image_id"], "zz-2222"))
    second["attributes"][0]["attributes"][0].append("disease|yes|goiter")
    second["attributes"][0]["attributes_ids"][0].append("C1")
    written = back(tmp_path, [first, second])
    assert canonical(written[first["image_id"]]) == canonical(first)
    assert canonical(written["zz-2222"]) == canonical(second)
    rows = read(tmp_path / "in").rows("relations", object="disease|goiter", predicate="yes")
    assert any(json.loads(row["attributes"]).get("image") for row in rows)
    assert "CIG113" in notes(tmp_path, [first, second])


def test_the_order_of_studies_counts_on_one_day(tmp_path: Path) -> None:
    made = some(2)
    for order, graph in enumerate(made, 1):
        graph |= {
            "patient_id": 77,
            "study_id": 900 - order,
            "StudyOrder": order,
            "StudyDateTime": "2150-01-01 00:00:00",
        }
    cohort = read(put(tmp_path, made))
    exams = {row["exam_id"]: (row["order"], row["day"]) for row in cohort.rows("exams")}
    assert exams == {"899": (0, 0.0), "898": (1, 0.0)}
    made[1]["StudyOrder"] = 1
    assert "CIG115" in notes(tmp_path / "again", made)


def split_tables(folder: Path, rows: dict[str, list[tuple[Any, Any, str]]]) -> None:
    place = folder / "silver_dataset" / "splits"
    place.mkdir(parents=True, exist_ok=True)
    for name, members in rows.items():
        lines = [f"{n},{p},{s},{i},files/x/{i}.dcm,PA" for n, (p, s, i) in enumerate(members)]
        head = ",subject_id,study_id,dicom_id,path,ViewPosition"
        (place / f"{name}.csv").write_text("\ufeff" + "\n".join([head, *lines]) + "\n", encoding="utf-8")


def test_splits_are_read_by_patient_and_gold_patients_in_training_are_told(tmp_path: Path) -> None:
    made = some(20)
    patients = sorted({g["patient_id"] for g in made})
    part = {p: ("train", "valid", "test")[n % 3] for n, p in enumerate(patients)}
    rows = {
        split: [(g["patient_id"], g["study_id"], g["image_id"]) for g in made if part[g["patient_id"]] == split]
        for split in ("train", "valid", "test")
    }
    split_tables(put(tmp_path, made), rows | {"images_to_avoid": rows["train"][:1]})
    cohort = read(tmp_path)
    assert {row["patient_id"]: row["split"] for row in cohort.rows("patients")} == {str(p): s for p, s in part.items()}
    assert "CIG112" in "\n".join(cohort.provenance[0]["notes"])
    only = read(tmp_path, split="valid")
    assert {row["image_id"] for row in only.rows("images")} == {i for _, _, i in rows["valid"]}
    split_tables(tmp_path, {"test": rows["test"] + rows["train"][-1:]})  # a patient on both sides
    assert "CIG114" not in "\n".join(read(tmp_path).provenance[0]["notes"])  # same image: the last table counts
    write(cohort, tmp_path / "out")
    again = read(tmp_path / "out", gold=False)
    assert [r["split"] for r in again.rows("patients")] == [r["split"] for r in cohort.rows("patients")]


def test_a_patient_in_two_splits_is_told(tmp_path: Path) -> None:
    made = some(20)
    first, second = next((a, b) for a, b in pairwise(made) if a["patient_id"] == b["patient_id"])
    rows = {
        split: [(g["patient_id"], g["study_id"], g["image_id"])] for split, g in (("train", first), ("test", second))
    }
    split_tables(put(tmp_path, made), rows)
    cohort = read(tmp_path)
    assert "CIG114" in "\n".join(cohort.provenance[0]["notes"])
    assert cohort.row("patients", patient_id=str(first["patient_id"]))["split"] is None


def test_the_archive_says_what_the_folder_says(tmp_path: Path) -> None:
    made = some(8)
    folder = read(put(tmp_path / "a", made))
    with zipfile.ZipFile(tmp_path / "scene_graph.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for graph in made:
            archive.writestr(f"scene_graph/{graph['image_id']}_SceneGraph.json", json.dumps(graph))
    zipped = read(tmp_path / "scene_graph.zip")
    assert zipped.relations.equals(folder.relations) and zipped.findings.equals(folder.findings)
    write(zipped, tmp_path / "out", zipped=True)
    assert read(tmp_path / "out", gold=False).relations.equals(folder.relations)


def test_a_name_that_leads_out_of_the_archive_refuses_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scene_graph.zip", "w") as archive:
        archive.writestr("../../x_SceneGraph.json", json.dumps(some(1)[0]))
    with pytest.raises(TumorboardError, match="FIL103"):
        read(tmp_path / "scene_graph.zip")


def test_streaming_says_what_reading_says(tmp_path: Path) -> None:
    made = some(40)
    source = put(tmp_path, made)
    whole, parts = read(source), list(stream(source, graphs=5))
    assert len(parts) > 3 and max(part.images.num_rows for part in parts) < 20
    assert sum(part.relations.num_rows for part in parts) == whole.relations.num_rows
    assert [r for part in parts for r in part.relations["relation_id"].to_pylist()] == whole.relations[
        "relation_id"
    ].to_pylist()


def test_damaged_and_doubled_files(tmp_path: Path) -> None:
    made = some(3)
    folder = put(tmp_path, made) / "silver_dataset" / "scene_graph"
    (folder / "bad_SceneGraph.json").write_text("{")
    (folder / "list_SceneGraph.json").write_text("[]")
    (folder / "path_SceneGraph.json").write_text(json.dumps(made[0] | {"image_id": "../../etc"}))
    (folder / "copy_SceneGraph.json").write_text(json.dumps(made[0]))
    with pytest.raises(TumorboardError):
        read(tmp_path)
    cohort = read(tmp_path, damaged="skip")
    left_out = "\n".join(cohort.provenance[0]["notes"])
    assert all(code in left_out for code in ("FIL112", "CIG101", "LAY106", "CIG117"))
    assert cohort.images.num_rows == 3


def test_a_corrected_row_wins_over_what_was_published(tmp_path: Path) -> None:
    """A graph with kept parts: correcting a statement must change the file, and the file's other parts must not."""
    graph = some(1)[0]
    _short_cues(graph)
    cohort = read(put(tmp_path, [graph]))
    place = graph["attributes"][1]["bbox_name"]
    rows = cohort.rows("relations")
    at = next(
        n
        for n, row in enumerate(rows)
        if json.loads(row["attributes"])["locations"] == [place] or place in json.loads(row["attributes"])["locations"]
    )
    rows[at]["object"] = "disease|goiter"
    corrected = cohort.replace_tables(relations=rows)
    written = next(compose_graphs(corrected))
    entry = next(e for e in written["attributes"] if e["bbox_name"] == place)
    assert any("goiter" in text for slot in entry["attributes"] for text in slot)


def test_an_archive_with_damaged_entries_is_refused_with_a_code(tmp_path: Path) -> None:
    """The directory is whole, the compressed bytes are not: found when the patients are looked up."""
    path = tmp_path / "scene_graph.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for graph in some(2):
            archive.writestr(f"{graph['image_id']}_SceneGraph.json", json.dumps(graph))
    data = bytearray(path.read_bytes())
    data[100:160] = bytes(60)
    path.write_bytes(data)
    with pytest.raises(TumorboardError, match="FIL106"):
        read(path)
