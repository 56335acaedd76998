"""Open-i: XML in folders and archives, the CSV form, codes through the crosswalk; bombs and entities refused."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tumorboard.core.chest import CATEGORY_OF, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.datasets.openi.crosswalk import read_code, split_codes
from tumorboard.datasets.openi.reader import read
from tumorboard.datasets.openi.xml import parse_report

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<eCitation><meta type="rr"/><uId id="CXR{n}"/><ccLicense>none</ccLicense>
<MedlineCitation><Article><Abstract>
<AbstractText Label="COMPARISON">None.</AbstractText><AbstractText Label="INDICATION"/>
<AbstractText Label="FINDINGS">Hazy &amp; dense left base.</AbstractText>
<AbstractText Label="IMPRESSION">Effusion.</AbstractText></Abstract></Article></MedlineCitation>
<MeSH><major>Pleural Effusion/left/small</major><major>Bone Diseases,
Metabolic</major><automatic>effusion</automatic></MeSH> <parentImage id="CXR{n}_IM-0001-1001"><caption>PA
view</caption></parentImage></eCitation>
"""


def folder(tmp_path: Path, *numbers: int) -> Path:
    place = tmp_path / "ecgen-radiology"
    place.mkdir(parents=True)
    for n in numbers:
        (place / f"{n}.xml").write_text(REPORT.format(n=n), encoding="utf-8")
    return place


def packed(source: Path, path: Path) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        archive.add(source, source.name)
    return path


def test_a_report_with_its_sections_codes_and_images(tmp_path: Path) -> None:
    cohort = read(folder(tmp_path, 10, 2))
    assert cohort.patient_ids == ["CXR2", "CXR10"]
    texts = {(r["section"], r["body"]) for r in cohort.rows("texts", exam_id="CXR2.0")}
    assert texts == {("comparison", "None."), ("findings", "Hazy & dense left base."), ("impression", "Effusion.")}
    rows = {
        (r["predicate"], r["object"]): json.loads(r["attributes"]) for r in cohort.rows("relations", subject="CXR2.0")
    }
    assert set(rows) == {
        ("coded", "mesh|Pleural Effusion/left/small"),
        ("coded", "mesh|Bone Diseases, Metabolic"),
        ("coded", "mesh|effusion"),
        ("yes", "anatomicalfinding|pleural effusion"),
    }
    said = rows["yes", "anatomicalfinding|pleural effusion"]
    assert said["locations"] == ["left costophrenic angle"] and said["severity"] == "mild"
    assert rows["coded", "mesh|effusion"] == {"level": "automatic"}
    image = cohort.row("images", exam_id="CXR2.0")
    assert image["image_id"] == "CXR2_IM-0001-1001" and image["path"] is None
    assert "1 codes" not in cohort.provenance[0]["notes"][0] and "2 codes" in cohort.provenance[0]["notes"][0]


def test_archives_say_what_the_folder_says(tmp_path: Path) -> None:
    whole = read(folder(tmp_path, 1, 2, 3))
    for name in ("r.tar.gz", "r.tar"):
        packed_cohort = read(packed(tmp_path / "ecgen-radiology", tmp_path / name))
        assert packed_cohort.relations.equals(whole.relations) and packed_cohort.texts.equals(whole.texts)


def test_the_csv_form(tmp_path: Path) -> None:
    (tmp_path / "openi_projections.csv").write_text("uid,filename,projection\n2,2_IM-0001-1001.dcm.png,Lateral\n")
    line = '2,"Pleural Effusion/left/small;normal",Pleural Effusion,Chest,,None.,Hazy left base.,Effusion.\n'
    path = tmp_path / "openi_reports.csv.gz"
    path.write_bytes(
        gzip.compress(("\ufeffuid,MeSH,Problems,image,indication,comparison,findings,impression\n" + line).encode())
    )
    cohort = read(path)
    assert cohort.patient_ids == ["CXR2"]
    assert {r["object"] for r in cohort.rows("relations")} == {
        "mesh|Pleural Effusion/left/small",
        "anatomicalfinding|pleural effusion",
    }
    assert json.loads(cohort.row("images")["options"])["view"] == "lateral"
    assert len(cohort.rows("texts")) == 3
    path.write_bytes(gzip.compress(b"id,text\n1,x\n"))
    with pytest.raises(TumorboardError, match="LAY103"):
        read(path)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;">]>'
    '<eCitation><uId id="C"/>&b;</eCitation>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><eCitation><uId id="C"/>&a;</eCitation>'
)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (BOMB, "OPI102"),
        (OUTSIDE, "OPI102"),
        ("<!DOCTYPE html><html/>", "OPI102"),
        ("<eCitation>", "OPI101"),
        ("", "OPI101"),
        ("<html/>", "OPI103"),
        ("<eCitation><uId/></eCitation>", "OPI103"),
        ("x" * 2_000_000, "FIL105"),
        ("<a>" * 3000, "OPI101"),
        ('<?xml version="1.0" encoding="martian"?><a/>', "OPI101"),
    ],
)
def test_xml_that_is_no_report_is_refused(text: str, code: str, tmp_path: Path) -> None:
    place = folder(tmp_path, 1)
    (place / "2.xml").write_text(text)
    with pytest.raises(TumorboardError, match=code):
        read(place)
    cohort = read(place, damaged="skip")
    assert cohort.patient_ids == ["CXR1"] and code in "".join(cohort.provenance[0]["notes"])


def test_archives_that_hide_something_are_refused(tmp_path: Path) -> None:
    def archive(name: str, **info: Any) -> Path:
        path = tmp_path / "odd.tar.gz"
        data = REPORT.format(n=1).encode()
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        for key, value in info.items():
            setattr(entry, key, value)
        with tarfile.open(path, "w:gz") as tar:
            tar.addfile(entry, io.BytesIO(data) if entry.isfile() else None)
        return path

    assert read(archive("a/1.xml")).patient_ids == ["CXR1"]
    with pytest.raises(TumorboardError, match="FIL103"):
        read(archive("../1.xml"))
    with pytest.raises(TumorboardError, match="FIL103"):
        read(archive("/1.xml"))
    with pytest.raises(TumorboardError, match="FIL111"):
        read(archive("1.xml", type=tarfile.SYMTYPE, linkname="/etc/passwd", size=0))
    whole = archive("1.xml").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TumorboardError, match="FIL10"):
        read(tmp_path / "cut.tar.gz")


def test_two_reports_of_one_number(tmp_path: Path) -> None:
    place = folder(tmp_path, 1)
    (place / "copy.xml").write_text(REPORT.format(n=1))
    with pytest.raises(TumorboardError, match="OPI104"):
        read(place)


@pytest.mark.parametrize(
    ("code", "label", "locations", "severity"),
    [
        ("Opacity/lung/base/left", "lung opacity", ("left lower lung zone",), None),
        ("Cardiomegaly/mild", "enlarged cardiac silhouette", ("cardiac silhouette",), "mild"),
        ("Diaphragm/right/elevated", "elevated hemidiaphragm", ("right hemidiaphragm",), None),
        ("Nodule/lung/upper lobe/right/multiple", "multiple masses/nodules", ("right upper lung zone",), None),
        ("Density/retrocardiac", "lung opacity", ("left lower lung zone",), None),
        ("Pulmonary Atelectasis/lingula/severe", "atelectasis", ("left mid lung zone",), "severe"),
        (
            "Pleural Effusion/bilateral/large",
            "pleural effusion",
            ("right costophrenic angle", "left costophrenic angle"),
            "severe",
        ),
        ("Atherosclerosis/aorta", "vascular calcification", ("aortic arch",), None),
    ],
)
def test_codes_by_the_published_crosswalk(
    code: str, label: str, locations: tuple[str, ...], severity: str | None
) -> None:
    said = read_code(code)
    assert said is not None
    assert (said.label, said.locations, said.severity) == (label, locations, severity)


def test_codes_without_a_label_have_none() -> None:
    assert read_code("Technical Quality of Image Unsatisfactory") is None
    assert read_code("Catheters, Indwelling/right") is None
    assert read_code("Diaphragm/right") is None
    assert split_codes("normal; Opacity/lung ;No Indexing;") == ["Opacity/lung"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, len(REPORT)), st.text(max_size=4), st.integers(0, 30)), max_size=4))
def test_mangled_xml_is_read_or_refused(edits: list[tuple[int, str, int]]) -> None:
    text = REPORT.format(n=1)
    for at, new, gone in edits:
        text = text[:at] + new + text[at + gone :]
    try:
        report = parse_report(text.encode("utf-8", "surrogatepass"), "x.xml")
    except TumorboardError:
        return
    assert report.uid


def test_the_real_reports(real_data: Path) -> None:
    """2,815 XML reports and 2,711 rows of the CSV form; where both have a report, they are coded alike."""
    xml = read(real_data / "cxr" / "openi_reports" / "openi_reports.tar.gz")
    table = read(real_data / "reports" / "openi_reports.csv.gz")
    assert (len(xml), len(table)) == (2815, 2711)
    common = {f"{p}.0" for p in set(xml.patient_ids) & set(table.patient_ids)}
    assert len(common) == 2711

    def said(cohort: Any) -> set[tuple[Any, ...]]:
        rows = [r for r in cohort.rows("relations", predicate="yes") if r["subject"] in common]
        return {(r["subject"], r["object"], *json.loads(r["attributes"])["locations"]) for r in rows}

    assert said(xml) == said(table)
    places = {place for _, _, *listed in said(xml) for place in listed}
    assert places <= set(REPORT_LOCATIONS)
    assert {obj.partition("|")[2] for _, obj, *_ in said(xml)} <= set(CATEGORY_OF)
    views = [json.loads(o).get("view") for o in table.images["options"].to_pylist()]
    assert len(views) == 5248 and set(views) == {"frontal", "lateral"}
