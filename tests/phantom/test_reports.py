"""Virtual reports: the graph is the plan in the words of the text, every mention is where it says, and pairs agree."""

from __future__ import annotations

import ast
import json
import re
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tumorboard.phantom
from tumorboard.core.chest import ATTRIBUTES, CATEGORY_OF, CHANGES, REPORT_LOCATIONS
from tumorboard.core.scenegraph import Polarity, Tense
from tumorboard.phantom import make_cohort
from tumorboard.phantom.chest import ChestPatient, draw_chest_patient
from tumorboard.phantom.chest_plan import KINDS, Sign
from tumorboard.phantom.chest_truth import ATTRIBUTE_OF, change_of, change_rows, locations_of, sides_of, sign_rows
from tumorboard.phantom.report import Report, ReportOptions, write_report
from tumorboard.phantom.report_frames import CHANGED, DENIED, DOUBTED, PRESENT
from tumorboard.phantom.report_phrases import NEGATIVES, NORMALS, NOUNS, WHOLE

Case = tuple[ChestPatient, int, Report]


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """Every exam of 400 patients."""
    patients = [draw_chest_patient(21, index, exams=4) for index in range(400)]
    return [(p, n, write_report(p, n)) for p in patients for n in range(len(p.exams))]


def statements(report: Report) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(row, attributes) of everything said, changes apart."""
    rows = [(row, json.loads(row["attributes"])) for row in report.relation_rows()]
    return [(row, facts) for row, facts in rows if row["predicate"] in set(Polarity)]


def bodies(report: Report) -> dict[str, str]:
    return {row["text_id"]: row["body"] for row in report.text_rows()}


def test_the_generator_does_not_know_the_reader() -> None:
    for path in Path(tumorboard.phantom.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.startswith(("tumorboard.nlp", "tumorboard.tasks")) for name in names), path.name


def test_rows_speak_the_vocabulary(cases: list[Case]) -> None:
    for _, _, report in cases:
        for row, facts in statements(report):
            category, attribute = row["object"].split("|")
            assert attribute in ATTRIBUTES[category]
            assert set(facts["locations"]) <= set(REPORT_LOCATIONS)
            assert facts["locations"]
            assert facts["tense"] in set(Tense)
            assert facts["comparison"] in (None, *CHANGES)
            assert facts["severity"] in (None, "mild", "moderate", "severe")


def test_mentions_are_words_of_their_sentence(cases: list[Case]) -> None:
    for _, _, report in cases:
        texts = bodies(report)
        for row, facts in statements(report):
            body = texts[row["text_id"]]
            mention, (start, end) = body[row["start"] : row["end"]], facts["sentence"]
            assert mention == mention.strip() != ""
            assert start <= row["start"] < row["end"] <= end <= len(body)
            assert re.match(r"\W?\w", body[start:end])
            assert "[" not in body and "{" not in body and "~" not in body and "  " not in body


def named_sides(text: str) -> set[str]:
    words = set(re.findall(r"[a-z]+", text.lower()))
    return words & {"left", "right"}


def test_sides_and_sizes_are_those_of_the_plan(cases: list[Case]) -> None:
    seen = 0
    for patient, exam, report in cases:
        signs = {sign.name: sign for sign in patient.signs}
        texts = bodies(report)
        for row, facts in statements(report):
            sign = signs.get(facts["sign"])
            if sign is None or facts["tense"] != "current":
                continue
            sentence = texts[row["text_id"]][slice(*facts["sentence"])]
            if sign.side != "both":
                assert named_sides(sentence.lower().replace("right atrium", "")) <= {sign.side}, sentence
            if sign.size_mm and (found := re.search(r"([\d.]+)( x [\d.]+)? (mm|cm)", sentence.lower())):
                seen += 1
                size = float(found[1]) * (10 if found[3] == "cm" else 1)
                assert size == pytest.approx(sign.size_mm[exam])
                assert facts["measures"]["long_axis_mm"] == sign.size_mm[exam]
    assert seen > 20


def test_what_is_said_is_planned_and_what_is_denied_is_not(cases: list[Case]) -> None:
    for patient, exam, report in cases:
        there: dict[str, set[str]] = {}
        for sign in patient.signs:
            if sign.present(exam):
                attributes = {ATTRIBUTE_OF[sign.kind], *(a for _, a in NOUNS.get(sign.kind, ()))}
                attributes |= {a for _, a in WHOLE.get(sign.kind, ())} | (
                    {"pneumonia"} if sign.kind == "consolidation" else set()
                )
                for attribute in attributes:
                    there.setdefault(attribute, set()).update(sides_of(sign))
        for row, facts in statements(report):
            attribute = row["object"].split("|")[1]
            if facts["tense"] != "current" or attribute in ("normal", "abnormal"):
                continue
            if row["predicate"] == "no":
                denied = {side for side in ("left", "right") if any(side in name for name in facts["locations"])}
                if facts["comparison"] is None and not facts["implied"]:
                    assert not denied & there.get(attribute, set()), (attribute, report.text)
            else:
                assert attribute in there, (attribute, report.text)


def test_severity_follows_the_grade(cases: list[Case]) -> None:
    words = {1.0: "mild", 2.0: "moderate", 3.0: "severe"}
    counted = Counter()
    for patient, exam, report in cases:
        signs = {sign.name: sign for sign in patient.signs}
        for _, facts in statements(report):
            if facts["severity"]:
                assert facts["severity"] == words[signs[facts["sign"]].grades[exam]]
                counted[facts["severity"]] += 1
    assert min(counted[word] for word in words.values()) > 20


def test_changes_follow_the_grades(cases: list[Case]) -> None:
    counted = Counter()
    for patient, exam, report in cases:
        signs = {sign.name: sign for sign in patient.signs}
        for row, facts in statements(report):
            change = facts["comparison"]
            if change is None:
                continue
            assert exam > 0 and facts["tense"] == "current"
            assert change == change_of(signs[facts["sign"]], exam)
            assert (row["predicate"] == "no") == (change in ("resolved", "removed"))
            counted[change] += 1
    assert set(counted) == set(CHANGES)
    assert min(counted.values()) > 10


def test_change_of_by_hand() -> None:
    def course(*grades: float, kind: str = "effusion", sizes: tuple[float, ...] = ()) -> list[str | None]:
        sign = Sign("x", kind, "left", "", grades, sizes)
        return [change_of(sign, n) for n in range(len(grades))]

    assert course(0, 1, 2, 2, 1, 0, 0) == [None, "new", "worsened", "no change", "improved", "resolved", None]
    assert course(1, 0, kind="picc") == [None, "removed"]
    assert course(1, 1, 1, kind="nodule", sizes=(10, 14, 10)) == [None, "worsened", "improved"]


def test_text_changes_repeat_in_relations_between_exams(cases: list[Case]) -> None:
    for patient, exam, report in cases:
        between = [row for row in report.relation_rows() if row["predicate"] in CHANGES]
        said = [f for _, f in statements(report) if f["comparison"] and f["tense"] == "current"]
        assert len(between) == sum(len(facts["locations"]) for facts in said)
        for row in between:
            assert row["subject"] == patient.exams[exam].exam_id
            assert row["object"] == patient.exams[exam - 1].exam_id
            assert json.loads(row["attributes"])["source"] == "text"


def test_the_plan_itself_is_in_the_rows() -> None:
    patient = next(p for p in (draw_chest_patient(21, n, exams=3) for n in range(99)) if len(p.exams) > 1 and p.signs)
    for exam in range(len(patient.exams)):
        present = [sign for sign in patient.signs if sign.present(exam)]
        rows = sign_rows(patient, exam, run_id="truth")
        assert [json.loads(row["attributes"])["locations"] for row in rows] == [list(locations_of(s)) for s in present]
        changed = [s for s in patient.signs if change_of(s, exam)]
        assert len(change_rows(patient, exam, run_id="truth")) == sum(len(locations_of(s)) for s in changed)


def test_history_and_questions_are_not_of_this_exam(cases: list[Case]) -> None:
    tenses = Counter()
    for _, _, report in cases:
        sections = {row["text_id"]: row["section"] for row in report.text_rows()}
        for row, facts in statements(report):
            tenses[facts["tense"]] += 1
            if sections[row["text_id"]] == "indication":
                assert facts["tense"] != "current"
            if facts["tense"] == "historical":
                assert sections[row["text_id"]] == "indication"
    assert min(tenses[tense] for tense in Tense) > 20


def test_reports_are_distributed_like_reports(cases: list[Case]) -> None:
    """Shares of phantom.md, section 7 (2,711 Open-I reports): 36 % normal, a third of findings sentences negated, 3-8
    sentences; more change on purpose."""
    findings = [s for _, _, report in cases for s in report.sections if s.name == "findings"]
    normal = sum(not any(sign.present(exam) for sign in p.signs) for p, exam, _ in cases) / len(cases)
    assert 0.33 < normal < 0.55
    words = [re.findall(r"\w+", section.body) for section in findings]
    assert 20 < sum(map(len, words)) / len(words) < 70
    lines = [facts["sentence"] for _, _, r in cases for _, facts in statements(r)]
    assert len(lines) > 2000
    negated = [row["predicate"] == "no" for _, _, r in cases for row, f in statements(r) if not f["implied"]]
    assert 0.2 < sum(negated) / len(negated) < 0.55
    doubtful = [
        r["predicate"] == "uncertain" for _, _, rep in cases for r, f in statements(rep) if f["tense"] == "current"
    ]
    assert 0.01 < sum(doubtful) / len(doubtful) < 0.12


def test_there_are_many_ways_to_say_it(cases: list[Case]) -> None:
    for frames in (PRESENT, DOUBTED, DENIED, *(CHANGED[c] for c in ("new", "worsened", "improved", "no change"))):
        assert len(set(frames)) >= 8
    assert len(NORMALS["lungs"]) >= 8 and len(NORMALS["heart"]) >= 8
    assert {*NOUNS, *(key.split(":")[0] for key in WHOLE)} >= set(KINDS)
    places = {(row["text_id"], *f["sentence"]): bodies(r) for _, _, r in cases for row, f in statements(r)}
    texts = Counter(body[text_id][start:end] for (text_id, start, end), body in places.items())
    assert len(texts) > 0.35 * texts.total()  # 40 % in open reports
    for sign_kind in ("effusion", "consolidation", "linear atelectasis"):
        forms = {
            re.sub(r"\W+", " ", bodies(r)[row["text_id"]][slice(*f["sentence"])].lower())
            for _, _, r in cases
            for row, f in statements(r)
            if f["sign"].startswith(sign_kind)
        }
        assert len(forms) > 40, sign_kind


def test_every_attribute_of_the_words_is_known() -> None:
    for pairs in (*NOUNS.values(), *WHOLE.values()):
        assert all(attribute in CATEGORY_OF for _, attribute in pairs)
    assert all(attribute in CATEGORY_OF for attribute, _, _ in NEGATIVES.values())


def test_masking_hides_words_but_no_mention() -> None:
    hidden = 0
    for index in range(120):
        patient = draw_chest_patient(5, index, exams=2)
        for exam in range(len(patient.exams)):
            plain = write_report(patient, exam)
            masked = write_report(patient, exam, ReportOptions(masked_words=True))
            assert "XXXX" not in plain.text
            hidden += masked.text.upper().count("XXXX")
            assert len(masked.relation_rows()) == len(plain.relation_rows())
            for row, _ in statements(masked):
                assert (
                    row["object"].startswith("nlp")
                    or "XXXX" not in bodies(masked)[row["text_id"]][row["start"] : row["end"]]
                )
    assert hidden > 60


def test_authors_have_styles(cases: list[Case]) -> None:
    bodies_ = [s.body for _, _, r in cases for s in r.sections if s.name == "findings"]
    assert sum(body.isupper() for body in bodies_) > 20
    assert sum(body.startswith("1. ") for body in bodies_) > 20
    assert sum("\n" in body and not body.startswith("1. ") for body in bodies_) > 20
    assert sum("\n" not in body and not body.isupper() for body in bodies_) > 20


def test_a_report_depends_on_its_patient_alone() -> None:
    patient = draw_chest_patient(5, 17, exams=3)
    again = draw_chest_patient(5, 17, exams=3)
    assert patient == again
    assert write_report(patient, 0) == write_report(again, 0)
    assert write_report(draw_chest_patient(6, 17, exams=3), 0).text != write_report(patient, 0).text


def test_omitted_signs_stay_true() -> None:
    patient = replace(draw_chest_patient(5, 0, exams=1), signs=(Sign("effusion 0", "effusion", "left", "", (2.0,)),))
    silent = write_report(patient, 0, ReportOptions(omitted=1.0))
    assert not any(facts["sign"] for _, facts in statements(silent))
    assert len(sign_rows(patient, 0, run_id="truth")) == 1


def test_a_cohort_of_words(tmp_path: Path) -> None:
    start = time.process_time()
    cohort = make_cohort(tmp_path / "words", region="chest-xray", patients=600, seed=3, exams=3, tables_only=True)
    took = time.process_time() - start
    exams = cohort.exams.num_rows
    assert exams / took > 250  # above 2,000 a second for the reports alone on an idle core
    texts = {row["text_id"]: row for row in cohort.rows("texts")}
    for row in cohort.rows("relations", run_id="expert")[:2000]:
        assert texts[row["text_id"]]["exam_id"] == row["subject"]
        assert 0 <= row["start"] < row["end"] <= len(texts[row["text_id"]]["body"])
    one = cohort.subset([cohort.patients["patient_id"][0].as_py()])
    assert 0 < one.texts.num_rows <= 12
