"""Corrections: never lost, never over the original, a whole reading in the truth's shape."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cubes import build_followed

from tumorboard.board.corrections.agreement import compare_readers
from tumorboard.board.corrections.fold import corrected_mask, fold_corrections
from tumorboard.board.corrections.journal import Entry, Journal, last_words
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.store import open_cohort, save_cohort


def entry(number: int, author: str = "Ada", **other: Any) -> Entry:
    made = Entry(f"nonce-{number}", author, "2026-11-21T12:00:00.000Z", "P", "E0", "net", "accept", "relation|r1", {})
    return replace(made, **other)


def test_a_journal_only_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.entries() == []
    assert [journal.add(entry(i)) for i in (1, 2, 1)] == [1, 2, 1]
    assert [found.nonce for found in journal.entries(author="Ada")] == ["nonce-1", "nonce-2"]
    connection = sqlite3.connect(journal.path)
    for statement in ("UPDATE entries SET author = 'x'", "DELETE FROM entries"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            connection.execute(statement)
    connection.close()


def test_what_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "corrections.sqlite").write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(TumorboardError, match="BRD112"):
        Journal(tmp_path).entries()
    with pytest.raises(TumorboardError, match="BRD111"):
        Journal(tmp_path).add(entry(1))


WRITER = """
import sys
from pathlib import Path
from tumorboard.board.corrections.journal import Entry, Journal
journal, name = Journal(Path(sys.argv[1])), sys.argv[2]
for number in range(int(sys.argv[3])):
    when = "2026-11-21T12:00:00.000Z"
    made = Entry(f"{name}-{number:08d}", name, when, "P", "E", "net", "accept", f"relation|{number}", {})
    print(journal.add(made), made.nonce, flush=True)
"""


def writers(folder: Path, names: Sequence[str], count: int) -> list[subprocess.Popen[str]]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    return [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), name, str(count)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name in names
    ]


def test_two_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = writers(tmp_path, ("Ada", "Ben"), 60)
    said = [line.split()[1] for process in processes for line in process.communicate(timeout=120)[0].splitlines()]
    kept = [found.nonce for found in Journal(tmp_path).entries()]
    assert len(said) == 120
    assert sorted(said) == sorted(kept)


def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """Kill -9 at different moments; what was told to be written down is there, and the journal goes on."""
    said: set[str] = set()
    for turn in range(4):
        (process,) = writers(tmp_path, (f"W{turn}",), 100_000)
        assert process.stdout is not None
        for _ in range(5 + 7 * turn):
            said.add(process.stdout.readline().split()[1])
        time.sleep(0.003 * turn)
        process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].splitlines()
        said |= {line.split()[1] for line in rest if len(line.split()) == 2 and len(line.split()[1]) == 11}
    kept = {found.nonce for found in Journal(tmp_path).entries()}
    assert said <= kept
    assert Journal(tmp_path).add(entry(1)) == len(kept) + 1


def test_the_last_word_holds_and_can_be_taken_back() -> None:
    words = last_words(
        [entry(1), entry(2, kind="reject"), entry(3, target="relation|r2"), entry(4, target="relation|r2", kind="undo")]
    )
    assert {key[2]: found.kind for key, found in words.items()} == {"relation|r1": "reject"}


def test_lesions_are_taken_out_and_relabelled_by_their_place() -> None:
    array = np.zeros((20, 20, 20), np.uint8)
    array[2:5, 2:5, 2:5] = 1
    array[10:14, 10:14, 10:14] = 1
    array[2:4, 15:18, 2:4] = 2
    mask = Volume(array, np.diag([2.0, 2.0, 2.0, 1.0]), Unit.LABEL)
    said = [
        entry(1, kind="reject", target="lesion|GTVp|6.0 6.0 6.0"),
        entry(2, kind="edit", target="lesion|GTVp|23 23 23", payload={"label": "GTVn"}),
        entry(3, kind="reject", target="lesion|GTVn|100 100 100"),  # nothing is there
        entry(4, kind="accept", target="lesion|GTVn|5 32 5"),
    ]
    found = corrected_mask(mask, {1: "GTVp", 2: "GTVn"}, said).array
    assert not found[2:5, 2:5, 2:5].any()
    assert (found[10:14, 10:14, 10:14] == 2).all()
    assert (found[2:4, 15:18, 2:4] == 2).all()
    assert int((found > 0).sum()) == 64 + 12


def test_a_reading_is_a_reference_for_evaluation(make_cohort: Any, tmp_path: Path) -> None:
    """Net draws the lesion alone; a reader who rejects the expert's node agrees with it fully."""
    from tumorboard.tasks.segmentation.evaluate import evaluate

    folder = tmp_path / "cohort"
    before = save_cohort(make_cohort(), folder)
    digest = before.row("images", image_id="0.0.mask")["sha256"]
    journal = Journal(folder)
    node = entry(1, patient_id="A-1", exam_id="0.0", run_id="expert", kind="reject", target="lesion|GTVn|-30 -6 -6")
    journal.add(replace(node, payload={"image_id": "0.0.mask"}))
    assert fold_corrections(folder) == ["reader Ada"]
    cohort = open_cohort(folder)
    run = cohort.row("runs", run_id="reader Ada")
    assert run["kind"] == "correction"
    assert json.loads(run["config"])["author"] == "Ada"
    assert run["created"] == "2026-11-21T12:00:00.000Z"
    assert cohort.row("images", image_id="0.0.mask")["sha256"] == digest

    found = evaluate(cohort, "net", reference="reader Ada")
    dice = {row["label"]: (row["value"], row["n"]) for row in found.scores if row["metric"] == "dice"}
    assert dice["GTVp"] == (1.0, 1)
    assert {case["exam_id"] for case in found.cases} == {"0.0"}  # exams without a word are not in the reading

    state = (folder / "cohort.json").read_bytes()
    fold_corrections(folder)
    assert (folder / "cohort.json").read_bytes() == state, "nothing new was said, nothing is written"
    journal.add(replace(node, nonce="nonce-2", kind="undo"))
    fold_corrections(folder)
    assert open_cohort(folder).rows("images", run_id="reader Ada") == []


def graph_cohort(folder: Path) -> Cohort:
    said = [("r1", "pleural effusion", "yes"), ("r2", "pneumothorax", "no"), ("r3", "consolidation", "yes")]
    return save_cohort(
        Cohort.build(
            "graphs",
            patients=[{"patient_id": "P"}],
            exams=[{"exam_id": "E0", "patient_id": "P", "order": 0}],
            images=[{"image_id": "I", "exam_id": "E0", "modality": "DX", "role": "image", "unit": "grey8"}],
            runs=[{"run_id": "net", "kind": "model"}],
            findings=[
                {
                    "finding_id": name,
                    "image_id": "I",
                    "run_id": "net",
                    "kind": "box",
                    "label": name,
                    "box": [1, 2, 3, 4],
                }
                for name in ("f1", "f2")
            ],
            relations=[
                {
                    "relation_id": name,
                    "subject": "E0",
                    "predicate": polarity,
                    "object": f"anatomicalfinding|{what}",
                    "run_id": "net",
                    "attributes": json.dumps({"locations": ["left lung"]}),
                }
                for name, what, polarity in said
            ],
        ),
        folder,
    )


def test_graphs_and_boxes_are_corrected_as_a_whole_reading(tmp_path: Path) -> None:
    graph_cohort(tmp_path)
    journal = Journal(tmp_path)
    journal.add(entry(1, kind="reject"))
    journal.add(entry(2, kind="edit", target="relation|r2", payload={"locations": ["right lung"], "predicate": "yes"}))
    journal.add(entry(3, kind="edit", target="finding|f1", payload={"box": [0.0, 0.0, 9.0, 9.0], "label": "heart"}))
    fold_corrections(tmp_path)
    cohort = open_cohort(tmp_path)
    rows = {row["object"]: row for row in cohort.rows("relations", run_id="reader Ada")}
    assert set(rows) == {"anatomicalfinding|pneumothorax", "anatomicalfinding|consolidation"}
    changed = rows["anatomicalfinding|pneumothorax"]
    facts = json.loads(changed["attributes"])
    assert (changed["predicate"], facts["locations"]) == ("yes", ["right lung"])
    assert facts["correction"] == {
        "corrects": "r2", "said": "edit", "author": "Ada", "made": "2026-11-21T12:00:00.000Z",
    }  # fmt: skip
    assert json.loads(rows["anatomicalfinding|consolidation"]["attributes"])["correction"]["said"] == "not judged"
    boxes = {row["label"]: row["box"] for row in cohort.rows("findings", run_id="reader Ada")}
    assert boxes == {"heart": [0.0, 0.0, 9.0, 9.0], "f2": [1, 2, 3, 4]}
    assert len(cohort.rows("relations", run_id="net")) == 3


def test_moved_ends_of_axes_are_measured_anew(tmp_path: Path) -> None:
    """Two strokes of 30 and 40 mm at right angles, given the short one first."""
    saved = save_cohort(build_followed(tmp_path), tmp_path / "cohort")
    ends = [[0.0, 0.0, 5.0], [0.0, 30.0, 5.0], [-20.0, 15.0, 5.0], [20.0, 15.0, 5.0]]
    journal = Journal(tmp_path / "cohort")
    said = {"patient_id": "F-1", "run_id": "expert", "kind": "edit", "target": "finding|f0"}
    journal.add(entry(1, **said, payload={"points_mm": [place for end in ends for place in end]}))
    assert fold_corrections(tmp_path / "cohort") == ["reader Ada"]
    cohort = open_cohort(tmp_path / "cohort")
    (row,) = cohort.rows("findings", run_id="reader Ada")
    assert dict(row["measurements"]) == {"long_axis_mm": 40.0, "short_axis_mm": 30.0}
    assert row["points_mm"] == [*ends[2], *ends[3], *ends[0], *ends[1]]
    (before,) = cohort.rows("findings", finding_id="f0")
    assert before == saved.rows("findings", finding_id="f0")[0], "the original stays"


def test_two_readers_agreement_by_hand(make_cohort: Any, tmp_path: Path) -> None:
    """Ten judgements: 4 both accept, 3 both reject, 2 + 1 differ: p = 0.7, chance 0.6 x 0.5 + 0.4 x 0.5 = 0.5,
    kappa 0.4."""
    pairs = ["aa"] * 4 + ["rr"] * 3 + ["ar"] * 2 + ["ra"]
    kinds = {"a": "accept", "r": "reject"}
    said = [
        entry(2 * i + j, author, kind=kinds[pair[j]], target=f"relation|{i}", patient_id=f"P{i}")
        for i, pair in enumerate(pairs)
        for j, author in enumerate(("Ada", "Ben"))
    ]
    said.append(entry(99, "Ada", target="relation|alone"))
    found = compare_readers(said, "Ada", "Ben").findings
    assert found is not None
    assert found.n == 10
    assert found.percent.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert compare_readers(said, "Ada", "Cleo").findings is None


def test_dice_of_two_readers_masks(make_cohort: Any, tmp_path: Path) -> None:
    folder = tmp_path / "cohort"
    save_cohort(make_cohort(), folder)
    node = {"patient_id": "A-1", "exam_id": "0.0", "run_id": "expert", "target": "lesion|GTVn|-30 -6 -6"}
    payload = {"payload": {"image_id": "0.0.mask"}}
    Journal(folder).add(entry(1, "Ada", kind="reject", **node, **payload))
    Journal(folder).add(entry(2, "Ben", kind="accept", **node, **payload))
    fold_corrections(folder)
    readers = compare_readers(Journal(folder).entries(), "Ada", "Ben", cohort=open_cohort(folder))
    assert readers.dice == {("0.0", "GTVp"): 1.0, ("0.0", "GTVn"): 0.0}
    assert list(readers.verdicts.values()) == [("reject", "accept")]
