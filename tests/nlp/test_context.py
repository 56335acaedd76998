"""Context of given phrases, whatever they are; sentences and answers by hand."""

from __future__ import annotations

import pytest

from tumorboard.core.scenegraph import Polarity, Tense
from tumorboard.nlp import Reader

READER = Reader()


@pytest.mark.parametrize(
    ("sentence", "phrase", "polarity", "tense", "experiencer"),
    [
        ("The patient denies chest pain or syncope.", "syncope", "no", "current", "patient"),
        ("No fever, but the patient has a rash.", "rash", "yes", "current", "patient"),
        ("There was no evidence of gastric varices.", "gastric varices", "no", "current", "patient"),
        ("Gout cannot be excluded.", "Gout", "uncertain", "current", "patient"),
        ("History of adenomatous polyps.", "adenomatous polyps", "yes", "historical", "patient"),
        ("Status post splenectomy.", "splenectomy", "yes", "historical", "patient"),
        ("Mother had colon cancer.", "colon cancer", "yes", "historical", "family"),
        ("Return if swelling gets worse.", "swelling", "yes", "hypothetical", "patient"),
        ("Cirrhosis was not seen.", "Cirrhosis", "no", "current", "patient"),
        ("Right-sided weakness.", "weakness", "yes", "current", "patient"),
    ],
)
def test_context_of(sentence: str, phrase: str, polarity: str, tense: str, experiencer: str) -> None:
    start = sentence.index(phrase)
    context = READER.context_of(sentence, start, start + len(phrase))
    assert context.polarity is Polarity(polarity)
    assert context.tense is Tense(tense)
    assert context.experiencer == experiencer
    assert bool(context.rules) == (polarity != "yes" or tense != "current")


def test_words_inside_the_phrase_are_not_triggers() -> None:
    sentence = "Head is atraumatic without lesion."
    assert READER.context_of(sentence, 0, len(sentence) - 1).polarity is Polarity.YES
