"""Closure: yes and doubt upwards, no downwards, and who wins."""

from __future__ import annotations

import pytest

from tumorboard.core.chest import PART_OF, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.core.scenegraph import Polarity
from tumorboard.tasks.scenegraph.closure import DOWN, UP, Fact, close
from tumorboard.tasks.scenegraph.ontology import Ontology, ontology_of


def fact(location: str, attribute: str, polarity: str, **more: str) -> Fact:
    return Fact(location, attribute, "anatomicalfinding", Polarity(polarity), 0, **more)


def closed(ontology: Ontology, *facts: Fact) -> dict[tuple[str, str], str]:
    return {key: str(f.polarity) for key, f in close({f.key: f for f in facts}, ontology).items()}


def test_yes_rises_to_wholes_and_broader_labels(chest: Ontology) -> None:
    assert closed(chest, fact("left lower lung zone", "consolidation", "yes")) == {
        ("left lower lung zone", "consolidation"): "yes",
        ("left lower lung zone", "lung opacity"): "yes",
        ("left lung", "consolidation"): "yes",
        ("left lung", "lung opacity"): "yes",
    }


def test_doubt_rises_as_doubt(chest: Ontology) -> None:
    assert closed(chest, fact("left lung", "atelectasis", "uncertain"))["left lung", "lung opacity"] == "uncertain"


def test_no_sinks_to_parts_and_narrower_labels_and_never_rises(chest: Ontology) -> None:
    found = closed(chest, fact("right lung", "lung opacity", "no"))
    assert found["right lower lung zone", "consolidation"] == "no"
    assert found["right apical zone", "lung opacity"] == "no"
    assert not any(place.startswith("left") for place, _ in found)
    assert closed(chest, fact("right lower lung zone", "consolidation", "no")) == {
        ("right lower lung zone", "consolidation"): "no"
    }


def test_yes_of_a_part_outweighs_no_of_the_whole(chest: Ontology) -> None:
    """Clear but for the base: the lung has an opacity, its other parts have none."""
    found = closed(chest, fact("left lung", "lung opacity", "no"), fact("left lower lung zone", "consolidation", "yes"))
    assert found["left lung", "lung opacity"] == "yes"
    assert found["left lower lung zone", "consolidation"] == "yes"
    assert found["left apical zone", "consolidation"] == "no"
    assert found["left lower lung zone", "atelectasis"] == "no"


def test_nothing_is_said_where_it_cannot_be(chest: Ontology) -> None:
    found = closed(chest, fact("cardiac silhouette", "enlarged cardiac silhouette", "yes"))
    assert found == {("cardiac silhouette", "enlarged cardiac silhouette"): "yes"}  # not of the mediastinum


def test_what_follows_is_marked_and_carries_no_change(chest: Ontology) -> None:
    said = fact("left lower lung zone", "consolidation", "yes", comparison="worsened", severity="severe")
    held = close({said.key: said}, chest)
    assert held[said.key] is said
    above = held["left lung", "consolidation"]
    assert (above.derived, above.comparison, above.severity) == (UP, None, None)
    no = fact("left lung", "lung opacity", "no")
    assert close({no.key: no}, chest)["left apical zone", "atelectasis"].derived == DOWN


def test_closure_of_a_closure_is_itself(chest: Ontology) -> None:
    once = close(
        {f.key: f for f in (fact("left lung", "lung opacity", "no"), fact("left apical zone", "atelectasis", "yes"))},
        chest,
    )
    twice = close(once, chest)
    assert {k: f.polarity for k, f in twice.items()} == {k: f.polarity for k, f in once.items()}


def test_circles_are_refused() -> None:
    with pytest.raises(TumorboardError, match=r"SCG101.*a -> b -> a"):
        Ontology(parents={"a": ("b",), "b": ("a",)}, wholes={})


def test_parts_of_the_chest_are_known_places() -> None:
    wholes = {whole for above in PART_OF.values() for whole in above}
    assert wholes <= set(REPORT_LOCATIONS)
    ontology = Ontology(parents={}, wholes=PART_OF)
    assert ontology.above("left apical zone") == ("left upper lung zone", "left lung")
    assert set(ontology.below("mediastinum")) >= {"svc", "aortic arch", "upper mediastinum"}


def test_the_lexicons_ontology_closes() -> None:
    """The published example: consolidation of the left lower zone is a lung opacity of the left lung."""
    chest_xray = ontology_of("chest-xray")
    found = closed(chest_xray, fact("left lower lung zone", "consolidation", "yes"))
    assert found["left lung", "lung opacity"] == "yes"
    clear = closed(chest_xray, fact("left lung", "lung opacity", "no"))
    assert clear["left lower lung zone", "consolidation"] == "no"
