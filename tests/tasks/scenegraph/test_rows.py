"""Statements as rows of a cohort and back."""

from __future__ import annotations

import json

import pytest

from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph.change import Change
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.reading import Report, previous_exams, report_from, reports_of
from tumorboard.tasks.scenegraph.rows import change_row, is_change, is_statement, statement_of, statement_rows
from tumorboard.tasks.scenegraph.scoring import score_rows
from tumorboard.tasks.scenegraph.statements import RunStatements, statements_of_run, terms_of

BODY = "Lungs clear. Small left effusion, unchanged."
STATEMENT = Statement(
    attribute="pleural effusion",
    category="anatomicalfinding",
    locations=("left costophrenic angle",),
    polarity=Polarity.UNCERTAIN,
    tense=Tense.HISTORICAL,
    comparison="no change",
    severity="mild",
    cues=(("severity", "hedge"),),
    section="findings",
    sentence="Small left effusion, unchanged.",
    sentence_start=13,
    start=24,
    end=32,
    rules=("finding:effusion", "default"),
    confidence=0.9,
    measures=(("long_axis_mm", 4.0),),
)


def cohort(**tables: object) -> Cohort:
    return Cohort.build(
        "c",
        patients=[{"patient_id": "p"}],
        exams=[{"exam_id": f"p.{i}", "patient_id": "p", "order": i} for i in (1, 0, 2)],
        texts=[{"text_id": "t1", "exam_id": "p.0", "section": "findings", "body": BODY}],
        **tables,  # type: ignore[arg-type]
    )


def test_a_statement_survives_the_cohort() -> None:
    (row,) = statement_rows(SceneGraph("p.0", (STATEMENT,), "test 1"), run_id="r", locate=lambda at: ("t1", at))
    kept = cohort(runs=[{"run_id": "r"}], relations=[row]).row("relations", run_id="r")
    assert (kept["subject"], kept["predicate"], kept["object"]) == (
        "p.0",
        "uncertain",
        "anatomicalfinding|pleural effusion",
    )
    assert BODY[kept["start"] : kept["end"]] == "effusion"
    assert (
        json.loads(kept["attributes"])["sentence"] == [13, 44] and json.loads(kept["attributes"])["lexicon"] == "test 1"
    )
    assert statement_of(kept, {"t1": BODY}) == STATEMENT
    assert is_statement(kept) and not is_change(kept)


def test_a_change_is_no_statement() -> None:
    row = change_row(Change("svc", "picc", "tubesandlines", "new", "text"), "p.1", "p.0", 0, run_id="r")
    assert (row["subject"], row["predicate"], row["object"]) == ("p.1", "new", "p.0")
    assert is_change(row) and not is_statement(row)


def test_changes_of_others_are_checked() -> None:
    row = change_row(Change("svc", "picc", "tubesandlines", "new", "text"), "p.1", "p.0", 0, run_id="expert")
    with pytest.raises(TumorboardError, match=r"SCG112 relations, p\.1\.expert\.change\.0"):
        statements_of_run(cohort(relations=[row | {"attributes": '{"location": "svc"}'}]), "expert")


@pytest.mark.parametrize(
    "attributes", [None, "", "{", "[]", '{"locations": "svc"}', '{"locations": [1]}', '{"tense": 3}']
)
def test_rows_of_others_are_checked(attributes: str | None) -> None:
    with pytest.raises(TumorboardError, match="SCG112 relations, r1"):
        statement_of({"relation_id": "r1", "predicate": "yes", "object": "disease|goiter", "attributes": attributes})


def test_offsets_lead_to_the_section_they_stand_in() -> None:
    report = report_from(
        "e", [("a", "findings", "No effusion."), ("b", "impression", "Cardiomegaly."), ("c", "", "End.")]
    )
    for word, text_id, body in (
        ("effusion", "a", "No effusion."),
        ("Cardiomegaly", "b", "Cardiomegaly."),
        ("End", "c", "End."),
    ):
        found, place = report.locate(report.text.index(word))
        assert found == text_id and body[place:].startswith(word)
    assert "IMPRESSION:\nCardiomegaly." in report.text
    assert Report("e", "plain").locate(3) == (None, 3)


def test_exams_before_and_reports_of_a_cohort() -> None:
    assert previous_exams(cohort()) == {"p.1": "p.0", "p.2": "p.1"}
    (report,) = reports_of(cohort())
    assert report.exam_id == "p.0" and BODY in report.text
    assert list(reports_of(cohort(), sections=("impression",))) == []


def scores(
    reference: RunStatements, prediction: RunStatements, ontology: Ontology, *, uncertain: str = "auto"
) -> dict[str, float]:
    rows = score_rows(reference, prediction, patients={}, ontology=ontology, uncertain=uncertain, resamples=100)
    return {row["metric"]: row["value"] for row in rows if not row["label"]}


def plain(attribute: str, place: str, polarity: str = "yes", *, sentence: int = 0) -> Statement:
    return Statement(attribute, "anatomicalfinding", (place,), Polarity(polarity), sentence_start=sentence)


def run(
    name: str, *statements: Statement, changes: dict[tuple[str, str, str], set[str]] | None = None
) -> RunStatements:
    return RunStatements(name, {"e": list(statements)}, {"e": ["t"] * len(statements)}, {"e": changes or {}})


def test_scores_by_hand(chest: Ontology) -> None:
    """Expert: consolidation of the left base, effusion denied. Run: it is of the left lung, effusion denied.

    Triples 1 of 2 right on both sides (F1 1/2); attributes both (1); places 1 of 2; closed: the expert holds base and
    lung for consolidation and opacity (4) and the effusion (1), the run lung (2) and the effusion: 3 shared, F1 6/8.
    """
    expert = run(
        "expert",
        plain("consolidation", "left lower lung zone"),
        plain("pleural effusion", "left costophrenic angle", "no"),
        changes={("left lung", "consolidation", "worsened"): {"text"}, ("svc", "picc", "new"): {"text"}},
    )
    said = run(
        "r",
        plain("consolidation", "left lung"),
        plain("pleural effusion", "left costophrenic angle", "no", sentence=40),
        changes={("left lung", "consolidation", "worsened"): {"text"}, ("neck", "goiter", "new"): {"graphs"}},
    )
    found = scores(expert, said, chest)
    assert found["triple_f1"] == found["triple_precision"] == found["triple_recall"] == 0.5
    assert (found["attribute_f1"], found["location_f1"], found["sentence_f1"]) == (1, 0.5, 0)
    assert found["closed_triple_f1"] == pytest.approx(6 / 8)
    assert found["comparison_f1"] == pytest.approx(2 / 3)
    assert found["percent_agreement"] == pytest.approx(1 / 3)


def test_doubt_can_be_scored_as_yes(chest: Ontology) -> None:
    doubt, sure = plain("consolidation", "left lung", "uncertain"), plain("consolidation", "left lung")
    assert scores(run("expert", sure), run("r", doubt), chest, uncertain="keep")["triple_f1"] == 0
    assert scores(run("expert", sure), run("r", doubt), chest)["triple_f1"] == 1  # it has no doubt of its own
    doubting = run("expert", sure, plain("goiter", "neck", "uncertain"))
    assert scores(doubting, run("r", doubt), chest)["triple_f1"] == 0


def test_a_reference_that_denies_nothing_is_silent_about_absence(chest: Ontology) -> None:
    """Tags of findings: what the prediction denies has no answer, and is not counted as false."""
    tags = run("expert", plain("consolidation", "left lung"))
    said = run("r", plain("consolidation", "left lung"), plain("goiter", "neck", "no"))
    assert scores(tags, said, chest)["triple_f1"] == 1 and not terms_of(tags).denies
    denying = run("expert", plain("consolidation", "left lung"), plain("atelectasis", "left lung", "no"))
    assert scores(denying, said, chest)["triple_precision"] == 0.5


def test_a_reference_without_places_in_the_text_has_no_sentences(chest: Ontology) -> None:
    tags = run("expert", plain("consolidation", "left lung"))
    tags.texts["e"] = [""]
    assert "sentence_f1" not in scores(tags, tags, chest)


def test_what_a_closure_added_is_not_scored_twice() -> None:
    graph = SceneGraph("p.0", (STATEMENT,), "test")
    (row,) = statement_rows(graph, run_id="expert", locate=lambda at: ("t1", at))
    added = {**row, "relation_id": "more", "attributes": row["attributes"][:-1] + ', "derived_from": "x"}'}
    found = statements_of_run(cohort(relations=[row, added]), "expert")
    assert len(found.statements["p.0"]) == 1


@pytest.mark.parametrize(
    ("reference", "prediction", "expected"),
    [
        ("worsened", "new", 1.0),
        ("improved", "resolved", 1.0),
        ("improved", "new", 0.0),
        ("new", "new", 1.0),
        ("new", "worsened", 0.0),
        ("resolved", "improved", 0.0),
    ],
)
def test_changes_are_scored_in_the_words_of_the_reference(
    chest: Ontology, reference: str, prediction: str, expected: float
) -> None:
    """A published reference knows three words; one of ours knows six."""
    expert, said = (
        run("r", plain("goiter", "neck"), changes={("neck", "goiter", word): {"text"}})
        for word in (reference, prediction)
    )
    assert scores(expert, said, chest)["comparison_f1"] == expected
