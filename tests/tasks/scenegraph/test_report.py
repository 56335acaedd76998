"""The last mention decides; sections speak in the order in which they were dictated, not printed."""

from __future__ import annotations

import pytest

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.disagreement import contradictions_of, disagreements
from tumorboard.tasks.scenegraph.ontology import Ontology
from tumorboard.tasks.scenegraph.reading import Report
from tumorboard.tasks.scenegraph.report import report_facts, section_rank
from tumorboard.tasks.scenegraph.shape import at_report_level, report_json

BASE, LUNG = "left lower lung zone", "left lung"


def said(polarity: str, section: str, *places: str, start: int = 0, **more: object) -> Statement:
    defaults: dict[str, object] = {"attribute": "consolidation", "category": "anatomicalfinding"}
    return Statement(
        **{**defaults, **more},  # type: ignore[arg-type]
        locations=places or (BASE,),
        polarity=Polarity(polarity),
        section=section,
        start=start,
        sentence=f"{polarity} in {section}",
    )


def level(ontology: Ontology, *statements: Statement, decides: str = "last") -> dict[tuple[str, str], str]:
    facts, _ = report_facts(statements, ontology, decides=decides)
    return {key: str(f.polarity) for key, f in close(facts, ontology).items()}


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        ("findings", "impression", "second"),
        ("impression", "findings", "first"),
        ("wet read", "findings", "second"),
        ("final report", "WET READ", "first"),
        ("addendum", "impression", "first"),
        ("findings", "findings", "second"),
    ],
)
def test_who_decides(chest: Ontology, first: str, second: str, winner: str) -> None:
    statements = [said("yes", first, start=0), said("no", second, start=50)]
    assert level(chest, *statements)[BASE, "consolidation"] == {"first": "yes", "second": "no"}[winner]


def test_ranks() -> None:
    names = ["Wet Read", "findings", "IMPRESSION", "Addendum 1"]
    assert [section_rank(name) for name in names] == [0, 1, 2, 3]
    assert section_rank("") == section_rank("final report") == 1


def test_a_later_section_denies_the_whole(chest: Ontology) -> None:
    """Possible consolidation at the base; impression: no consolidation of either lung."""
    found = level(chest, said("uncertain", "findings"), said("no", "impression", LUNG, start=40))
    assert found[BASE, "consolidation"] == "no" and found[LUNG, "consolidation"] == "no"


def test_the_same_section_makes_an_exception(chest: Ontology) -> None:
    """Consolidation at the base. No other consolidation of the lung."""
    found = level(chest, said("yes", "findings"), said("no", "findings", LUNG, start=40))
    assert found[BASE, "consolidation"] == "yes" and found[LUNG, "consolidation"] == "yes"


def test_another_attribute_overrules_nothing(chest: Ontology) -> None:
    clear = said("no", "impression", LUNG, start=40, attribute="lung opacity")
    assert level(chest, said("yes", "findings"), clear)[BASE, "consolidation"] == "yes"


def test_any_yes_wins_where_that_is_asked_for(chest: Ontology) -> None:
    statements = [said("yes", "findings"), said("uncertain", "findings", start=5), said("no", "impression", start=40)]
    assert level(chest, *statements, decides="any")[BASE, "consolidation"] == "yes"
    assert level(chest, *statements)[BASE, "consolidation"] == "no"


def test_history_and_conditions_decide_nothing(chest: Ontology) -> None:
    past = said("yes", "findings", tense=Tense.HISTORICAL)
    asked = said("yes", "indication", tense=Tense.HYPOTHETICAL)
    assert level(chest, past, asked) == {}


def test_a_repeated_mention_keeps_change_and_severity(chest: Ontology) -> None:
    facts, conflicts = report_facts(
        [said("yes", "findings", comparison="worsened", severity="mild"), said("yes", "impression", start=9)], chest
    )
    fact = facts[BASE, "consolidation"]
    assert (fact.source, fact.comparison, fact.severity) == (1, "worsened", "mild") and not conflicts


def test_contradictions_name_both_sentences(chest: Ontology) -> None:
    statements = [said("yes", "findings"), said("no", "impression", LUNG, start=40)]
    (found,) = contradictions_of("e1", statements, chest)
    assert (found.location, found.kind) == (BASE, "findings/impression")
    assert (found.overruled, found.decides) == (statements[0], statements[1])
    settled = [said("uncertain", "findings"), said("yes", "impression", start=40)]
    assert contradictions_of("e1", settled, chest) == []


def test_statements_at_report_level(chest: Ontology) -> None:
    """The overruled place goes, the other stays; what follows comes last and is marked."""
    both = said("no", "findings", BASE, "right lower lung zone")
    later = said("yes", "impression", start=40)
    found = at_report_level([both, later], chest, closure=True)
    assert [(s.locations, str(s.polarity)) for s in found[:2]] == [
        (("right lower lung zone",), "no"),
        ((BASE,), "yes"),
    ]
    follow = {(s.locations, s.attribute): s.rules for s in found[2:]}
    assert follow[(LUNG,), "consolidation"] == ("closure:up",)
    assert at_report_level([both, later], chest) == found[:2]


def test_measures_are_shown() -> None:
    statement = said("yes", "findings", measures=(("long_axis_mm", 12.0),))
    plain = report_json(Report("e", "x"), SceneGraph("e", (statement, said("no", "findings"))))
    assert plain["findings"][0]["measures"] == {"long_axis_mm": 12.0} and "measures" not in plain["findings"][1]


def test_disagreements_between_sources(chest: Ontology) -> None:
    rules = {"e1": [said("yes", "findings"), said("yes", "findings", LUNG)], "e2": [said("no", "findings")]}
    labeler = {"e1": [said("uncertain", "findings"), said("yes", "findings", LUNG)], "e2": []}
    found = disagreements({"rules": rules, "labeler": labeler}, chest)
    assert [(d.exam_id, d.location, dict(d.answers)) for d in found] == [
        ("e1", BASE, {"rules": "yes", "labeler": "uncertain"}),
        ("e2", BASE, {"rules": "no", "labeler": "silent"}),
    ]
    assert found[0].sentences == {"rules": "yes in findings", "labeler": "uncertain in findings"}
