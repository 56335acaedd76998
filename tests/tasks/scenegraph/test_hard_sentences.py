"""Every hard sentence is read as a radiologist reads it: one test per line of tests/golden/hard_sentences.tsv."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import hard
import pytest

from tumorboard.core.scenegraph import SceneGraph
from tumorboard.nlp import Reader
from tumorboard.tasks.scenegraph.closure import close
from tumorboard.tasks.scenegraph.ontology import ontology_of
from tumorboard.tasks.scenegraph.report import report_facts

SUITE = hard.load()
TRAPS = {
    1: "lists and the end of a negation",
    2: "pseudo-negation",
    3: "hedges",
    4: "history, question, condition, advice",
    5: "resolution and removal",
    6: "change by side, no new, comparisons inside the exam",
    7: "side and coordination",
    8: "devices: tip, landmark, way in",
    9: "normal statements, synonyms, spelling",
    10: "layout: lists, decimals, marks, capitals, sections",
}


def read(text: str) -> SceneGraph:
    return Reader("chest-xray").read(text, exam_id="e")


@pytest.mark.parametrize("line", SUITE, ids=lambda line: line.id)
def test_line(line: hard.Hard) -> None:
    graph = read(line.text)
    wrong = hard.faults(line, graph.statements)
    if line.report:
        ontology = ontology_of("chest-xray")
        held = close(report_facts(graph.statements, ontology)[0], ontology)
        wrong += hard.report_faults(line.report, [fact.triple for fact in held.values()])
    assert not wrong, f"{TRAPS[line.trap]}: {line.text!r}\n" + "\n".join(wrong)


def test_offsets_are_those_of_the_text() -> None:
    for line in SUITE:
        for s in read(line.text):
            end = s.sentence_start + len(s.sentence)
            assert line.text[s.sentence_start : end] == s.sentence, line.id
            assert 0 <= s.start < s.end <= end, line.id  # "It has cleared": named in the sentence before
            assert s.rules and 0 < s.confidence <= 1, line.id


def test_sentences_that_no_rule_was_written_for() -> None:
    """The last hold-out: mini-reports that were scored once before anybody who writes rules saw them (39 of 48 right;
    lexicon chest-xray 020664cb6d01). It may only get better."""
    unseen = hard.load(hard.GOLDEN / "hard_sentences_unseen.tsv")
    right = [line.id for line in unseen if not hard.faults(line, read(line.text).statements)]
    assert len(unseen) == 48 and len(right) >= 40


def test_the_suite_itself() -> None:
    """More than 300 lines, at least 25 of each trap, no text twice, no name that an engine could not give."""
    counts = Counter(line.trap for line in SUITE)
    assert len(SUITE) >= 320 and set(counts) == set(TRAPS) and min(counts.values()) >= 25
    assert len({line.text for line in SUITE}) == len({line.id for line in SUITE}) == len(SUITE)
    assert [line.id for line in SUITE if hard.names_outside_the_vocabulary(line)] == []


def test_the_judge_sees_every_kind_of_fault() -> None:
    """A reader that says nothing, or everything it can, fails the suite (a judge that forgives would test nothing)."""
    silent = [line.id for line in SUITE if not hard.faults(line, ())]
    asking = [line for line in SUITE if any(not item.optional for item in line.expected)]
    assert len(asking) > 380 and not {line.id for line in asking} & set(silent)
    shouting = read("Right pneumothorax. Left pneumothorax. Cardiomegaly. Mediastinal widening. Right PICC in the svc.")
    assert all(hard.faults(line, shouting.statements) for line in SUITE)


PROGRAM = """
import sys, hashlib
sys.path.insert(0, {tests!r})
import hard
from tumorboard.nlp import Reader
reader = Reader("chest-xray")
print(hashlib.sha256(repr([reader.read(line.text) for line in hard.load()]).encode()).hexdigest())
"""


def test_every_process_reads_the_same() -> None:
    """Neither the seed of Python's hashes nor the order of reading changes a character."""
    tests = Path(__file__).parent
    reader = Reader("chest-xray")
    backwards = [reader.read(line.text) for line in reversed(SUITE)]
    digests = {hashlib.sha256(repr(backwards[::-1]).encode()).hexdigest()}
    for seed in ("0", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(tests.parents[2] / "src")}
        program = PROGRAM.format(tests=str(tests))
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(done.stdout.strip())
    assert len(digests) == 1
