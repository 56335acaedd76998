"""Lexicons: the packaged ones are clean, planted faults are found, a change of a file changes the stamp."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tumorboard.core.chest import CATEGORY_OF, REPORT_LOCATIONS
from tumorboard.core.errors import TumorboardError
from tumorboard.nlp import Reader, codes, lexicon_names, load_lexicon
from tumorboard.nlp.expand import expand
from tumorboard.nlp.lexicon import FOLDER
from tumorboard.nlp.measures import sizes_mm
from tumorboard.nlp.validate import validate


@pytest.mark.parametrize("name", lexicon_names())
def test_packaged_lexicons_have_no_errors(name: str) -> None:
    remarks = [r for r in validate(load_lexicon(name)) if r.severity == "error"]
    assert not remarks, "\n".join(map(str, remarks))


def test_the_chest_lexicon_speaks_of_every_label_and_only_of_known_places() -> None:
    lexicon = load_lexicon("chest-xray")
    assert not [str(r) for r in validate(lexicon) if r.severity != "info"]
    labels = set(lexicon.ontology.labels)
    wanted = {
        n for n, c in CATEGORY_OF.items() if c not in ("texture", "severity", "temporal", "comparison", "laterality")
    }
    assert labels == wanted
    places = {name for label in lexicon.ontology.labels.values() for name in label.allowed}
    assert places <= set(REPORT_LOCATIONS)


def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER / "chest-xray", tmp_path / "mine"))


def test_an_edited_word_is_read_and_changes_the_stamp(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    with (folder / "findings.tsv").open("a", encoding="utf-8", newline="\r\n") as file:
        file.write("glimmer sign\tconsolidation\tanatomicalfinding\t\t\n")
    reader = Reader(folder)
    assert [s.attribute for s in reader.read("Glimmer sign at the left base.")] == ["consolidation"]
    assert reader.lexicon.stamp != Reader().lexicon.stamp


def test_windows_line_ends_do_not_change_the_stamp(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    before = load_lexicon(folder).stamp
    path = folder / "anatomy.tsv"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_lexicon(folder).stamp == before


def plant(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")


def codes_found(folder: Path) -> set[str]:
    return {r.code.id for r in validate(load_lexicon(folder)) if r.severity != "info"}


def test_planted_faults_are_found(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    with (folder / "findings.tsv").open("a", encoding="utf-8") as file:
        file.write("scoliosis\thernia\tanatomicalfinding\t\t\n")
    plant(folder, "ontology.yaml", 'lung opacity: {default: ["{side} lung"], allowed: lungs}',
          'lung opacity: {default: ["{side} lung"], allowed: lungs, parents: [consolidation]}')  # fmt: skip
    plant(folder, "ontology.yaml", "scoliosis: {default: [spine]", "scoliosis: {default: []")
    assert codes_found(folder) == {"NLP201", "NLP203", "NLP204"}


def test_a_swallowed_term_is_found(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    trigger = "triggers:\n  - id: mine\n    effect: none\n    direction: forward\n    words: [lucky pneumothorax]\n"
    (folder / "context.yaml").write_text(trigger, encoding="utf-8")
    assert codes_found(folder) == {"NLP202"}


@pytest.mark.parametrize(
    ("file", "old", "new", "code"),
    [
        ("findings.tsv", "surface\tlabel", "word\tlabel", codes.LEXICON_UNREADABLE),
        ("findings.tsv", "\nscoliosis", "\n(scoliosis", codes.LEXICON_UNREADABLE),
        ("ontology.yaml", "places:", "places: [", codes.LEXICON_UNREADABLE),
        ("ontology.yaml", "name: chest-xray", "title: chest-xray", codes.LEXICON_UNREADABLE),
    ],
)
def test_broken_files_are_named(tmp_path: Path, file: str, old: str, new: str, code: object) -> None:
    folder = copied(tmp_path)
    if old == "\nscoliosis":
        with (folder / file).open("a", encoding="utf-8") as out:
            out.write("(open bracket\tscoliosis\tanatomicalfinding\t\t\n")
    else:
        plant(folder, file, old, new)
    with pytest.raises(TumorboardError) as caught:
        load_lexicon(folder)
    assert caught.value.code is code


def test_an_unknown_lexicon_is_refused() -> None:
    with pytest.raises(TumorboardError, match="NLP101"):
        load_lexicon("no-such-lexicon")


def test_expansion() -> None:
    assert expand("(a|b (c|)) {x}", {"x": "1|2"}) == ["a 1", "a 2", "b c 1", "b c 2", "b 1", "b 2"]
    for wrong in ("(a", "{y}"):
        with pytest.raises(ValueError):
            expand(wrong, {})


def test_sizes() -> None:
    assert sizes_mm(["1.2", " ", "x", " ", "0,8", " ", "cm"]) == [12.0, 8.0]
    assert sizes_mm(["12", "mm"]) == [12.0]
    assert sizes_mm(["12"]) == []
