"""Reading own sentences: every expectation here was written by hand before the reader saw it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import cache

import pytest

from tumorboard.core.scenegraph import Polarity, Statement, Tense
from tumorboard.nlp import Reader
from tumorboard.nlp.draft import statement


@cache
def reader() -> Reader:
    return Reader()


def triples(text: str) -> set[tuple[str, str, str]]:
    """(location, attribute, polarity) of this exam, without nlp."""
    found = reader().read(text).current
    return {(place, s.attribute, str(s.polarity)) for s in found if s.category != "nlp" for place in s.locations}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Patchy left basilar opacity.", {("left lower lung zone", "lung opacity", "yes")}),
        (
            "No pneumothorax or effusion; small nodule at the right apex.",
            {
                ("right lung", "pneumothorax", "no"),
                ("left lung", "pneumothorax", "no"),
                ("right costophrenic angle", "pleural effusion", "no"),
                ("left costophrenic angle", "pleural effusion", "no"),
                ("right apical zone", "mass/nodule (not otherwise specified)", "yes"),
            },
        ),
        ("The cardiac silhouette is not enlarged.", {("cardiac silhouette", "enlarged cardiac silhouette", "no")}),
        ("Right upper and left mid zone scarring.", {
            ("right upper lung zone", "pleural/parenchymal scarring", "yes"),
            ("left mid lung zone", "pleural/parenchymal scarring", "yes"),
        }),
        ("Possible lingular consolidation.", {("left mid lung zone", "consolidation", "uncertain")}),
        ("ETT tip 3 cm above the carina.", {("trachea", "endotracheal tube", "yes")}),
        ("Right PICC, tip in the right atrium.", {("right atrium", "picc", "yes")}),
    ],
)  # fmt: skip
def test_triples(text: str, expected: set[tuple[str, str, str]]) -> None:
    assert triples(text) == expected


def test_offsets_are_those_of_the_mention_and_its_sentence() -> None:
    text = "FINDINGS:  Heart size is normal.\n\nThere is a SMALL Left pleural effusion. No change since 1.2.2020."
    graph = reader().read(text, exam_id="e1")
    effusion = next(s for s in graph if s.attribute == "pleural effusion")
    assert text[effusion.start : effusion.end] == "pleural effusion"
    assert effusion.sentence == "There is a SMALL Left pleural effusion."
    assert text[effusion.sentence_start :].startswith(effusion.sentence)
    assert effusion.section == "findings" and effusion.severity == "mild"
    assert graph.exam_id == "e1" and graph.lexicon == reader().lexicon.stamp
    assert effusion.rules


def test_letters_that_grow_in_small_letters_do_not_shift_offsets() -> None:
    text = "İİİ Left pleural effusion."
    effusion = next(s for s in reader().read(text) if s.attribute == "pleural effusion")
    assert text[effusion.start : effusion.end] == "pleural effusion"


def test_history_and_questions_are_kept_apart() -> None:
    graph = reader().read("INDICATION: r/o pneumonia.\nFINDINGS: History of pneumothorax. Lungs clear.")
    tenses = {s.attribute: s.tense for s in graph}
    assert tenses["pneumonia"] is Tense.HYPOTHETICAL
    assert tenses["pneumothorax"] is Tense.HISTORICAL
    assert {s.attribute for s in graph.current} == {"lung opacity", "normal"}


def test_sizes_and_pairs() -> None:
    (nodule,) = reader().read("Right upper lobe nodule measures 1.2 x 0.8 cm, previously 9 mm.").current
    assert dict(nodule.measures) == {"long_axis_mm": 12.0, "short_axis_mm": 8.0, "prior_long_axis_mm": 9.0}
    assert nodule.comparison == "worsened"
    (tube,) = reader().read("Endotracheal tube terminates 4.5 cm above the carina.").current
    assert dict(tube.measures) == {"tip_to_landmark_mm": 45.0}


def test_change_of_a_place_alone() -> None:
    (change,) = reader().read("The mediastinum is unchanged.").current
    assert (change.attribute, change.locations, change.comparison) == ("", ("mediastinum",), "no change")


def test_doubt_is_hedged_and_less_sure() -> None:
    (likely,) = reader().read("Probable right apical scarring.").current
    (maybe,) = reader().read("Right apical scarring cannot be excluded.").current
    assert likely.polarity is Polarity.UNCERTAIN and ("severity", "hedge") in likely.cues
    assert 1 > likely.confidence > maybe.confidence > 0


def test_sections_and_sentences() -> None:
    text = "EXAM: chest. HISTORY: cough\nFINDINGS:\n1. Dr. Smith saw a 2.5 cm mass.\n2. No PTX.\nIMPRESSION: Mass"
    names = [(s.name, text[s.start : s.end].strip()) for s in reader().sections(text)]
    assert [name for name, _ in names] == ["technique", "history", "findings", "impression"]
    cut = [text[s.start : s.end] for s in reader().sentences(text)]
    assert cut[-3:] == ["Dr. Smith saw a 2.5 cm mass.", "No PTX.", "Mass"]


def test_empty_and_odd_texts() -> None:
    for text in ("", " ", "\n\n", ":::", "....", "(((", "\ufeff", "___", "XXXX XXXX.", "no", "but", "?", "\x00"):
        assert reader().read(text).statements == ()


def test_a_statement_made_fast_is_a_statement() -> None:
    values = ("a", "b", ("c",), Polarity.NO, Tense.CURRENT, None, "mild", (("severity", "hedge"),), "findings", "S", 1)
    rest = (2, 3, ("r",), 0.5, (("long_axis_mm", 2.0),))
    fast, usual = statement(*values, *rest), Statement(*values, *rest)
    assert fast == usual and hash(fast) == hash(usual) and repr(fast) == repr(usual) and type(fast) is Statement
    with pytest.raises(AttributeError):
        fast.attribute = "x"  # type: ignore[misc]


PROGRAM = """
import hashlib
from tumorboard.nlp import Reader
texts = ["Left lower and both upper zones are consolidated. Bibasilar atelectasis versus pneumonia, stable.",
         "ETT 2 cm above carina; right IJ line with tip in the SVC. No effusion, but the heart is enlarged."]
print(hashlib.sha256(repr([Reader().read(t) for t in texts]).encode()).hexdigest())
"""


@pytest.mark.slow
def test_same_in_every_process() -> None:
    digests = set()
    for seed in ("0", "1", "2024"):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        digests.add(run.stdout)
    assert len(digests) == 1


def test_same_twice() -> None:
    text = "Right effusion has increased, left has decreased. Possible left apical nodule."
    assert repr(reader().read(text)) == repr(Reader().read(text))


HOSTILE = [
    "left lower lobe opacity and effusion ",
    "no ",
    "effusion, ",
    "effusion or ",
    "right lower lobe and ",
    "findings:",
    "12 mm nodule, ",
    "effusion. it increased. ",
    "opacity due to ",
    "effusion on that side, ",
    "left effusion. effusion. ",
    "1. ",
    "(",
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_cost_is_linear(unit: str) -> None:
    def seconds(times: int) -> float:
        text = "no " + unit * times
        start = time.process_time()
        reader().read(text)
        return time.process_time() - start

    reader().read(unit)
    small, large = min(seconds(400) for _ in range(3)), min(seconds(3200) for _ in range(2))
    assert large < 8 * small * 4 + 0.05  # eight times the text; a square would be sixty-four times


@pytest.mark.slow
def test_a_megabyte_without_a_full_stop() -> None:
    text = "left lower lobe opacity and effusion " * 30_000
    start = time.process_time()
    assert len(reader().read(text)) == 60_000
    assert time.process_time() - start < 60
