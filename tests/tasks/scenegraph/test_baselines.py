"""The two simple readers: what they find, and where they are wrong on purpose."""

from __future__ import annotations

import pytest

from tumorboard.nlp import lexicon_names
from tumorboard.tasks.scenegraph.baselines import WINDOW, Keywords, keyword_graph, keywords_of, window_graph
from tumorboard.tasks.scenegraph.reading import Report

KEYWORDS = Keywords(
    {"effusion": "pleural effusion", "pleural effusion": "pleural effusion", "mass": "goiter"},
    {"pleural effusion": ("left costophrenic angle", "right costophrenic angle"), "goiter": ("neck",)},
    {"pleural effusion": "anatomicalfinding", "goiter": "disease"},
)


def polarities(text: str) -> list[str]:
    return [str(s.polarity) for s in window_graph(Report("e", text), KEYWORDS)]


def test_whole_words_the_longest_first() -> None:
    text = "Massive PLEURAL\nEffusion; mass. İ effusions, effusion"
    found = [(name, text[start:end]) for name, start, end in KEYWORDS.find(text)]
    assert found == [("pleural effusion", "PLEURAL\nEffusion"), ("goiter", "mass"), ("pleural effusion", "effusion")]


def test_keywords_are_all_there() -> None:
    (said,) = keyword_graph(Report("e", "Clear. No effusion on the left."), KEYWORDS)
    assert str(said.polarity) == "yes" and said.locations == ("left costophrenic angle", "right costophrenic angle")
    assert said.sentence == "No effusion on the left."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No mass or effusion.", ["no", "no"]),
        ("No change. Effusion is seen.", ["yes"]),
        ("Heart without change; effusion.", ["yes"]),
        ("No change in the effusion.", ["no"]),  # wrong on purpose: the window knows no pseudo-negation
        ("No " + "x" * WINDOW + " effusion.", ["yes"]),
        ("Effusion: no.", ["yes"]),
    ],
)
def test_the_window(text: str, expected: list[str]) -> None:
    assert polarities(text) == expected


def test_every_lexicon_has_keywords() -> None:
    for name in lexicon_names():
        assert len(keywords_of(name).labels) >= 10, name
    assert Keywords({}, {}, {}).find("No effusion.") == []


def test_the_lexicons_keywords() -> None:
    found = keywords_of("chest-xray")
    assert found.labels["pneumothorax"] == "pneumothorax" and len(found.labels) > 500
    assert set(found.places["pleural effusion"]) == {"left costophrenic angle", "right costophrenic angle"}
    assert set(found.labels.values()) <= set(found.places)
