"""Changes against the exam before: in words, and between the two graphs."""

from __future__ import annotations

import pytest

from tumorboard.core.scenegraph import Polarity, SceneGraph, Statement, Tense
from tumorboard.tasks.scenegraph.change import changes_between, changes_said, changes_seen, contradicting
from tumorboard.tasks.scenegraph.ontology import Ontology

BASE = "left lower lung zone"


def graph(exam: str, *statements: Statement) -> SceneGraph:
    return SceneGraph(exam, statements)


def said(
    polarity: str, attribute: str = "consolidation", place: str = BASE, *, severity: str | None = None, **more: object
) -> Statement:
    category = "tubesandlines" if attribute == "ij line" else "anatomicalfinding"
    return Statement(
        attribute,
        category,
        (place,),
        Polarity(polarity),
        severity=severity,
        **more,  # type: ignore[arg-type]
    )


def words(current: Statement, previous: Statement, ontology: Ontology) -> list[tuple[str, str, str]]:
    seen = changes_seen(graph("2", current), graph("1", previous), ontology)
    return [(change.location, change.attribute, change.word) for change in seen]


@pytest.mark.parametrize(
    ("now", "before", "word"),
    [
        (said("yes"), said("no"), "new"),
        (said("no"), said("yes"), "resolved"),
        (said("no", "ij line", "svc"), said("yes", "ij line", "svc"), "removed"),
        (said("yes", severity="severe"), said("yes", severity="mild"), "worsened"),
        (said("yes", severity="mild"), said("yes", severity="moderate"), "improved"),
        (said("yes", severity="mild"), said("yes", severity="mild"), "no change"),
        (said("yes", measures=(("long_axis_mm", 12.0),)), said("yes", measures=(("long_axis_mm", 10.0),)), "worsened"),
        (said("yes", measures=(("long_axis_mm", 10.0),)), said("yes", measures=(("long_axis_mm", 20.0),)), "improved"),
        (said("yes", measures=(("long_axis_mm", 10.5),)), said("yes", measures=(("long_axis_mm", 10.0),)), "no change"),
    ],
)
def test_what_the_graphs_show(now: Statement, before: Statement, word: str, chest: Ontology) -> None:
    assert words(now, before, chest) == [(now.locations[0], now.attribute, word)]


@pytest.mark.parametrize(
    ("now", "before"),
    [
        (said("yes"), said("uncertain")),
        (said("uncertain"), said("no")),
        (said("no"), said("no")),
        (said("yes"), said("yes")),
        (said("yes"), said("yes", "atelectasis")),
        (said("yes"), said("no", tense=Tense.HISTORICAL)),
        (said("yes"), said("no", place="right lung")),
    ],
)
def test_where_nothing_is_claimed(now: Statement, before: Statement, chest: Ontology) -> None:
    assert words(now, before, chest) == []


def test_a_clear_lung_before_makes_the_finding_new_and_now_resolves_it(chest: Ontology) -> None:
    clear = said("no", "lung opacity", "left lung")
    assert (BASE, "consolidation", "new") in words(said("yes"), clear, chest)
    assert (BASE, "consolidation", "resolved") in words(clear, said("yes"), chest)


def test_the_words_of_the_report(chest: Ontology) -> None:
    current = graph(
        "2",
        said("yes", comparison="worsened"),
        said("yes", "", "cardiac silhouette", comparison="no change"),
        said("yes", "atelectasis", comparison="new", tense=Tense.HISTORICAL),
        said("yes", comparison="improved"),
    )
    assert [(c.location, c.attribute, c.word, c.source) for c in changes_said(current)] == [
        ("cardiac silhouette", "", "no change", "text"),
        (BASE, "consolidation", "improved", "text"),
    ]


def test_text_and_graphs_are_both_kept_and_compared(chest: Ontology) -> None:
    current = graph("2", said("yes", severity="severe", comparison="improved"))
    changes = changes_between(current, graph("1", said("yes", severity="mild")), chest)
    assert [(c.word, c.source) for c in changes] == [("improved", "text"), ("worsened", "graphs")]
    assert [(a.source, b.source) for a, b in contradicting(changes)] == [("text", "graphs")]
    unchanged = changes_between(
        graph("2", said("yes", severity="mild", comparison="no change")),
        graph("1", said("yes", severity="mild")),
        chest,
    )
    assert [c.word for c in unchanged] == ["no change", "no change"] and contradicting(unchanged) == []
