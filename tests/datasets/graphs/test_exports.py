"""COCO, Visual Genome, CSV, RDF and FHIR: right content, forms that other programs accept."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import twins
from hypothesis import given
from hypothesis import strategies as st

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.registry import layouts, resolve
from tumorboard.datasets.coco.reader import read as read_coco
from tumorboard.datasets.spreadsheet import plain_cell, safe_cell
from tumorboard.io.store import save_cohort

ORACLE = os.environ.get("TUMORBOARD_GRAPH_ORACLE", "")
"""Python of an environment with rdflib, fhir.resources and pycocotools."""


def export(name: str, out: Path, cohort: Any = None, **options: Any) -> Path:
    resolve(layouts()[name].write)(cohort or twins.graph_cohort(), out, **options)
    return out


def loaded(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# ---- COCO --------------------------------------------------------------------------------------------
def test_coco_boxes_are_corner_and_size_in_source_pixels(tmp_path: Path) -> None:
    content = loaded(export("coco", tmp_path / "out") / "instances.json")
    names = {c["id"]: c["name"] for c in content["categories"]}
    image = next(i for i in content["images"] if i["tumorboard"]["image_id"] == "P-1.1.DX")
    assert (image["width"], image["height"]) == (2000, 2500)
    boxes = {names[a["category_id"]]: a for a in content["annotations"] if a["image_id"] == image["id"]}
    assert boxes["right lung"]["bbox"] == [300, 400, 600, 1500] and boxes["right lung"]["area"] == 900_000
    said = boxes["right lower lung zone"]["attributes"]["statements"]
    assert said == [{"category": "disease", "label": "pneumonia", "polarity": "uncertain", "comparison": "worsened"}]
    assert "source pixels" in content["info"]["space"]


def test_foreign_coco_boxes_become_a_prediction(tmp_path: Path) -> None:
    """Onto a cohort that has the images, found by file name; scores make it a prediction."""
    save_cohort(twins.graph_cohort(), tmp_path / "cohort")
    content = {
        "images": [{"id": 7, "file_name": "P-1.0.DX"}, {"id": "eight", "file_name": "sub/P-2.0.DX"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5},
            {"image_id": "eight", "category_id": 1, "bbox": [5, 6, 7, 8.5], "score": 1},
        ],
        "categories": [{"id": 1, "name": "carina", "supercategory": "anatomical location"}],
    }
    path = tmp_path / "found.json"
    path.write_text(json.dumps(content))
    cohort = read_coco(path, onto=tmp_path / "cohort", run_id="detector")
    rows = cohort.rows("findings", run_id="detector")
    assert [(r["image_id"], r["box"], r["score"]) for r in rows] == [
        ("P-1.0.DX", [1, 2, 4, 6], 0.5),
        ("P-2.0.DX", [5, 6, 12, 14.5], 1.0),
    ]
    content["images"][0]["file_name"] = "elsewhere.png"  # type: ignore[index]
    path.write_text(json.dumps(content))
    with pytest.raises(TumorboardError, match="COC102"):
        read_coco(path, onto=tmp_path / "cohort")
    assert len(read_coco(path, onto=tmp_path / "cohort", unknown="skip").rows("findings", score=1.0)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"images": None},
        {"annotations": [{"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}]},
        {"annotations": [{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]}]},
        {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1]}]},
        {"annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, True, 1]}]},
        {"categories": [{"name": "x"}]},
    ],
)
def test_broken_coco_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    whole = {
        "images": [{"id": 1, "file_name": "a.png", "width": 5, "height": 5}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}],
        "categories": [{"id": 1, "name": "x"}],
    }
    path = tmp_path / "c.json"
    path.write_text(json.dumps(whole))
    assert read_coco(path).findings["box"].to_pylist() == [[0, 0, 1, 1]]
    path.write_text(json.dumps(whole | change))
    with pytest.raises(TumorboardError, match="COC101"):
        read_coco(path)


# ---- Visual Genome -------------------------------------------------------------------------------------
def test_visual_genome_relates_the_current_object_to_the_previous_one(tmp_path: Path) -> None:
    out = export("visual-genome", tmp_path / "out")
    names = {i["name"]: i["image_id"] for i in loaded(out / "image_data.json")}
    related = {e["image_id"]: e["relationships"] for e in loaded(out / "relationships.json")}
    (relation,) = related[names["P-1.1.DX"]]
    assert relation["predicate"] == "worsened"
    assert relation["subject"]["finding_id"] == "atlas.P-1.1.right lower lung zone"
    assert relation["object"]["finding_id"] == "atlas.P-1.0.right lower lung zone"
    said = {
        e["image_id"]: {o["names"][0]: o["attributes"] for o in e["attributes"]}
        for e in loaded(out / "attributes.json")
    }
    assert said[names["P-2.0.DX"]] == {
        "right lower lung zone": ["possible pneumonia"],
        "cardiac silhouette": ["enlarged cardiac silhouette"],
    }
    box = loaded(out / "objects.json")[0]["objects"][0]
    assert (box["x"], box["y"], box["w"], box["h"]) == (300, 400, 600, 1500)


# ---- tables --------------------------------------------------------------------------------------------
def test_tables_have_empty_code_columns_until_they_are_filled(tmp_path: Path) -> None:
    def read(folder: Path, name: str) -> list[dict[str, str]]:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, delimiter="\t" if name.endswith("tsv") else ","))

    statements = read(export("graph-csv", tmp_path / "out"), "statements.csv")
    assert len(statements) == 3 * 4  # three exams; effusion at two angles
    assert {row["label_cui"] + row["location_snomed"] for row in statements} == {""}
    (tmp_path / "terms.csv").write_text("label,cui,radlex\npneumonia,C0032285,RID5350\n")
    out = export("graph-csv", tmp_path / "tsv", separator="tab", terms=tmp_path / "terms.csv")
    found = [row for row in read(out, "statements.tsv") if row["label"] == "pneumonia"]
    assert {(row["label_cui"], row["label_radlex"], row["label_snomed"]) for row in found} == {
        ("C0032285", "RID5350", "")
    }


def test_a_report_cannot_run_a_formula(tmp_path: Path) -> None:
    cohort = twins.graph_cohort()
    body = '=HYPERLINK("http://x";"y")\n+1+1\n@SUM(A1)'
    texts = [row | {"body": body} for row in cohort.rows("texts")]
    out = export("graph-csv", tmp_path / "out", cohort.replace_tables(texts=texts))
    with (out / "statements.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(cell.startswith("'=HYPER") for cell in cells)
    assert not [cell for cell in cells if cell[:1] in "=+@" and cell]


@given(st.text(alphabet="=+-@\t\r\n'a1. e", max_size=6))
def test_safe_cells_are_safe_and_lead_back(text: str) -> None:
    cell = safe_cell(text)
    number = text.strip("+-").replace(".", "").isdigit() or "e" in text
    assert number or not str(cell).startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert plain_cell(str(cell)) == text


# ---- RDF -------------------------------------------------------------------------------------------
def test_turtle_and_json_ld_say_the_same(tmp_path: Path) -> None:
    """Counted in both: every property of every node; with rdflib in `TUMORBOARD_GRAPH_ORACLE` the graphs are
    compared."""
    out = export("rdf", tmp_path / "out")
    nodes = loaded(out / "graph.jsonld")["@graph"]
    triples = sum(len(values) for node in nodes for key, values in node.items() if key != "@id")
    turtle = (out / "graph.ttl").read_text(encoding="utf-8")
    assert turtle.count(" ;\n    ") + turtle.count(" .\n\n") - 1 == triples
    statement = next(n for n in nodes if n["@id"].endswith("statement:P-1.1.rules.2"))
    assert statement["urn:tumorboard:ns:polarity"] == [{"@value": "uncertain"}]
    assert statement["urn:tumorboard:ns:sentence"] == [{"@value": "Possible pneumonia at the right base, worse."}]
    change = next(n for n in nodes if "urn:tumorboard:ns:word" in n)
    assert change["urn:tumorboard:ns:current"][0]["@id"].endswith(":P-1.1")
    assert change["urn:tumorboard:ns:previous"][0]["@id"].endswith(":P-1.0")


# ---- FHIR ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("version", ["R4", "R5"])
def test_a_bundle_holds_the_report(version: str, tmp_path: Path) -> None:
    out = export("fhir", tmp_path / "out", version=version)
    bundle = loaded(out / "P-1.1.json")
    resources = [entry["resource"] for entry in bundle["entry"]]
    kinds = [r["resourceType"] for r in resources]
    assert kinds[:3] == ["Patient", "ImagingStudy", "DiagnosticReport"] and kinds.count("Observation") == 4
    report, urls = resources[2], {entry["fullUrl"] for entry in bundle["entry"]}
    assert {r["reference"] for r in report["result"]} <= urls
    assert ("imagingStudy" in report) is (version == "R4") and ("study" in report) is (version == "R5")
    found = {(o["code"]["text"], o["bodySite"]["text"]): o for o in resources[3:]}
    effusion = found["pleural effusion", "left costophrenic angle"]
    assert effusion["valueCodeableConcept"]["coding"][0]["code"] == "NEG"
    pneumonia = found["pneumonia", "right lower lung zone"]
    assert pneumonia["valueCodeableConcept"]["coding"][0]["code"] == "IND"
    components = {c["code"]["text"]: c for c in pneumonia["component"]}
    assert components["comparison"]["valueCodeableConcept"]["text"] == "worsened"
    assert components["box in source pixels"]["valueString"].startswith("310 1300 890 1880")
    assert report["status"] == "preliminary"


def test_measured_lesions_are_observations(tmp_path: Path) -> None:
    """Figures of the expert in UCUM units; other runs and findings without figures are left out."""
    cohort = Cohort.build(
        "lesions",
        patients=[{"patient_id": "P", "sex": "female"}],
        exams=[{"exam_id": "E", "patient_id": "P", "order": 0}],
        images=[
            {"image_id": name, "exam_id": "E", "modality": name, "role": "image", "unit": unit}
            for name, unit in (("CT", "HU"), ("PT", "SUVbw"))
        ],
        findings=[
            {"finding_id": "f1", "image_id": "CT", "run_id": "expert", "kind": "RECIST pair", "label": "liver",
             "measurements": {"long_axis_mm": 20.5, "short_axis_mm": 11.0},
             "attributes": json.dumps({"side": "right"})},
            {"finding_id": "f2", "image_id": "PT", "run_id": "expert", "kind": "mask label", "label": "GTVp",
             "measurements": {"volume_ml": 8.0, "suv_max": 12.25}},
            {"finding_id": "f3", "image_id": "PT", "run_id": "net", "kind": "mask label", "label": "GTVp",
             "measurements": {"volume_ml": 9.0}},
            {"finding_id": "f4", "image_id": "CT", "run_id": "expert", "kind": "point", "label": "landmark"},
        ],
        runs=[{"run_id": "net", "kind": "model"}],
    )  # fmt: skip
    for version in ("R4", "R5"):
        bundle = loaded(export("fhir", tmp_path / version, cohort, version=version) / "E.json")
        resources = [entry["resource"] for entry in bundle["entry"]]
        study = resources[1]
        assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 2)
        found = {o["identifier"][0]["value"]: o for o in resources if o["resourceType"] == "Observation"}
        assert set(found) == {"f1", "f2"}
        assert found["f1"]["bodySite"] == {"text": "right"} and found["f1"]["status"] == "final"
        figures = {
            component["code"]["text"]: (component["valueQuantity"]["value"], component["valueQuantity"]["code"])
            for name in ("f1", "f2")
            for component in found[name]["component"]
        }
        assert figures == {
            "long axis": (20.5, "mm"), "short axis": (11.0, "mm"), "volume": (8.0, "mL"), "suv max": (12.25, "g/mL"),
        }  # fmt: skip
        assert resources[2]["status"] == "final" and len(resources[2]["result"]) == 2
        if ORACLE:
            package = {"R4": "fhir.resources.R4B.bundle", "R5": "fhir.resources.bundle"}[version]
            program = f"import sys; from {package} import Bundle; Bundle.model_validate_json(open(sys.argv[1]).read())"
            subprocess.run([ORACLE, "-c", program, str(tmp_path / version / "E.json")], check=True, capture_output=True)


def test_other_programs_accept_what_we_write(tmp_path: Path) -> None:
    if not ORACLE:
        pytest.skip("set TUMORBOARD_GRAPH_ORACLE to a Python with rdflib, fhir.resources and pycocotools")
    for version in ("R4", "R5"):
        export("fhir", tmp_path / version, version=version)
    export("rdf", tmp_path / "rdf")
    export("coco", tmp_path / "coco")
    program = """
import glob, sys
import rdflib
from fhir.resources.R4B.bundle import Bundle as R4
from fhir.resources.bundle import Bundle as R5
from pycocotools.coco import COCO
a = rdflib.Graph().parse('rdf/graph.ttl'); b = rdflib.Graph().parse('rdf/graph.jsonld', format='json-ld')
assert set(a) == set(b) and len(a) > 100
for version, bundle in (('R4', R4), ('R5', R5)):
    for path in glob.glob(version + '/*.json'):
        bundle.model_validate_json(open(path).read())
assert len(COCO('coco/instances.json').getAnnIds()) == 9
print('accepted')
"""
    done = subprocess.run([ORACLE, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.endswith("accepted\n"), done.stderr[-2000:]


# ---- all ---------------------------------------------------------------------------------------------
NAMES = ["coco", "dicom-sr", "fhir", "graph-csv", "imagenome", "imagenome-pairs", "rdf", "visual-genome"]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_cohort_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    first, second = export(name, tmp_path / "a"), export(name, tmp_path / "b")
    files = {p.relative_to(first): p.read_bytes() for p in first.rglob("*") if p.is_file()}
    assert files and files == {p.relative_to(second): p.read_bytes() for p in second.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_cohort_is_told_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    empty = twins.cohort_of([], patients=[{"patient_id": "P"}])
    with pytest.raises(TumorboardError, match="LAY111"):
        export(name, tmp_path / "out", empty)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_which_run_is_asked_for_when_there_are_several(name: str, tmp_path: Path) -> None:
    cohort = twins.graph_cohort()
    row = cohort.rows("relations")[0]
    two = cohort.with_rows(runs=[{"run_id": "other"}]).with_rows(
        relations=[row | {"relation_id": "o", "run_id": "other"}]
    )
    with pytest.raises(TumorboardError, match="LAY113"):
        export(name, tmp_path / "out", two)
    with pytest.raises(TumorboardError, match="LAY113"):
        export(name, tmp_path / "out", two, run="third")
    export(name, tmp_path / "out", two, run="rules")


def test_the_experts_are_meant_when_nobody_is_named(tmp_path: Path) -> None:
    cohort = twins.graph_cohort()
    change = {"relation_id": "x", "run_id": "expert", "object": "disease|goiter"}
    both = cohort.with_rows(relations=[cohort.rows("relations")[0] | change])
    nodes = loaded(export("rdf", tmp_path / "out", both) / "graph.jsonld")["@graph"]
    assert [n["@id"] for n in nodes if n["@id"].startswith("urn:tumorboard:data:statement")] == [
        "urn:tumorboard:data:statement:x"
    ]
