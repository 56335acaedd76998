"""Head-neck CT and PET/CT with the second lexicon; sentences and answers by hand."""

from __future__ import annotations

from tumorboard.core.scenegraph import Statement
from tumorboard.nlp import Reader

READER = Reader("head-neck-ct")


def only(text: str) -> Statement:
    (statement,) = READER.read(text).current
    return statement


def test_a_node_with_level_size_and_change() -> None:
    node = only("Enlarged left level II lymph node measuring 24 mm, previously 18 mm.")
    assert (node.attribute, node.locations, node.comparison) == (
        "pathologic lymph node",
        ("left level II",),
        "worsened",
    )
    assert dict(node.measures) == {"long_axis_mm": 24.0, "prior_long_axis_mm": 18.0}


def test_uptake_with_suv() -> None:
    uptake = only("Intense FDG uptake in the base of tongue, SUVmax 14.2.")
    assert (uptake.attribute, uptake.locations) == ("increased uptake", ("base of tongue",))
    assert dict(uptake.measures) == {"suv_max": 14.2}


def test_denial_and_comparison() -> None:
    assert str(only("No distant metastases.").polarity) == "no"
    nodes = only("Bilateral level III adenopathy has decreased in size.")
    assert (nodes.locations, nodes.comparison) == (("right level III", "left level III"), "improved")
