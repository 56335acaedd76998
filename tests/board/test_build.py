"""The board as files: complete, safe, honest about what it shows, and replaced as a whole."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tumorboard.board.build import build_board
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError

FINDING = {"code": "SUV201", "severity": "error", "where": "A-1", "message": "found <b>x</b>", "fix": "mend"}


class Page(HTMLParser):
    """What a page refers to, and what its pictures are called."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path, self.references, self.unnamed, self.loose = path, set(), [], 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.loose += tag == "script" and not given.get("src") and given.get("type") != "application/json"
        for name in ("src", "href", "srcset"):
            if given.get(name):
                self.references.add(str(given[name]))
        if tag == "img" and "alt" not in given:
            self.unnamed.append(given)


def pages(folder: Path) -> list[Page]:
    return [Page(path) for path in folder.rglob("*.html")]


@pytest.mark.parametrize(
    ("ct", "pet", "masks"),
    [
        (True, True, True),
        (True, False, True),
        (False, True, True),
        (False, False, True),
        (True, True, False),
        (False,) * 3,
    ],
)
def test_every_page_is_there_whatever_images_there_are(
    make_cohort: Any, tmp_path: Path, ct: bool, pet: bool, masks: bool
) -> None:
    index = build_board(make_cohort(ct=ct, pet=pet, masks=masks), tmp_path / "board")
    assert index == tmp_path / "board" / "index.html"
    found = pages(index.parent)
    assert len(found) == 7  # the cohort, three patients, three reports
    for page in found:
        for reference in page.references:
            assert not re.match(r"(?i)[a-z]+:|//", reference) or reference.startswith(("data:,", "data:image/")), (
                reference[:80]
            )
            target = page.path.parent / reference.split("#")[0]
            assert reference.startswith(("#", "data:")) or target.is_file(), f"{page.path}: {reference}"
        assert page.unnamed == []
        text = page.path.read_text(encoding="utf-8")
        assert "SYNTHETIC" in text
        assert "style=" not in text
        assert "Not for clinical use" in text
        assert page.loose == 0, "text of the data became markup, or a script stands in the page"
    assert bool(list(index.parent.rglob("axial-fused.png"))) == (ct and pet)
    assert len(list(index.parent.rglob("mip-*.png"))) == (6 if pet else 0)


def test_the_patient_page_gives_the_lesions_of_every_run(make_cohort: Any, tmp_path: Path) -> None:
    build_board(make_cohort(), tmp_path / "board", findings=[FINDING])
    text = (tmp_path / "board" / "patients" / "p1.html").read_text(encoding="utf-8")
    assert re.search(
        r"GTVp 1</button></td><td class=\"num\">8.00</td>\s*<td class=\"num\">8.00</td>", text
    )  # 8 ml at SUV 8
    assert ">64.0<" in text  # TLG
    assert re.search(r"GTVn 1</button></td><td class=\"num\">1.73</td>\s*<td class=\"num\">5.00</td>", text)
    assert "18, 18, 18" in text
    assert 'class="outline run-0"' in text
    assert 'class="outline run-1"' in text
    assert "no event at 1096 days" in text
    assert "found &lt;b&gt;x&lt;/b&gt;" in text


def test_a_real_cohort_is_not_called_synthetic(make_cohort: Any, tmp_path: Path) -> None:
    virtual = make_cohort(ct=False, pet=False, masks=False)
    real = Cohort.build("real", patients=virtual.patients)
    build_board(real, tmp_path / "board")
    assert "SYNTHETIC" not in (tmp_path / "board" / "index.html").read_text(encoding="utf-8")


def test_a_broken_image_is_told_on_the_page_and_stops_nothing_else(make_cohort: Any, tmp_path: Path) -> None:
    cohort = make_cohort()
    (tmp_path / "images" / "PT.nii.gz").unlink()
    build_board(cohort, tmp_path / "board")
    text = (tmp_path / "board" / "patients" / "p1.html").read_text(encoding="utf-8")
    assert "FIL101" in text
    assert "axial-ct.png" in text


def test_a_pet_in_bq_ml_gives_a_picture_but_no_suv(make_cohort: Any, tmp_path: Path) -> None:
    cohort = make_cohort()
    rows = cohort.rows("images")
    for row in rows:
        row["unit"] = "Bq/ml" if row["modality"] == "PT" else row["unit"]
    build_board(cohort.replace_tables(images=rows), tmp_path / "board")
    text = (tmp_path / "board" / "patients" / "p1.html").read_text(encoding="utf-8")
    assert "The PET is in Bq/ml, not in SUV" in text
    assert " SUV</span>" not in text


def test_a_board_is_replaced_whole_and_other_folders_are_refused(make_cohort: Any, tmp_path: Path) -> None:
    cohort = make_cohort(ct=False, pet=False, masks=False)
    out = tmp_path / "board"
    build_board(cohort, out)
    build_board(cohort.subset(["A-1"]), out)
    assert sorted(p.name for p in (out / "patients").iterdir()) == ["p1.html"]

    def failing(function: Any, jobs: Any) -> Any:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        build_board(cohort, out, map=failing)
    assert sorted(p.name for p in (out / "patients").iterdir()) == ["p1.html"]
    assert not list(tmp_path.glob(".board-*"))
    with pytest.raises(TumorboardError, match="BRD101"):
        build_board(cohort, tmp_path / "images")


def test_a_long_patient_list_is_paged(tmp_path: Path) -> None:
    ids = [f"P{i:04d}" for i in range(230)]
    cohort = Cohort.build("many", patients={"patient_id": ids, "centre": ["c"] * 230})
    seen: list[tuple[int, int]] = []
    build_board(cohort, tmp_path / "board", progress=lambda *step: seen.append(step))
    assert seen[-1] == (230, 230)
    assert len(list((tmp_path / "board").glob("patients-*.html"))) == 2
    third = (tmp_path / "board" / "patients-3.html").read_text(encoding="utf-8")
    assert "P0229" in third
    assert "P0199" not in third
