"""Similar lesions and maps of lesions: what pages say of rows made by hand, and which pictures they show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, WHY_NOT, Browser
from PIL import Image

from tumorboard.board.build import build_board
from tumorboard.board.context import Board
from tumorboard.board.crops import CROP_PX, Crop, crop_picture, draw_crops
from tumorboard.board.lesion_plots import place_map, plane_map
from tumorboard.board.marked import marked_lesions
from tumorboard.board.point_map import TYPE_COLOURS, TYPE_MARKERS, flattened
from tumorboard.board.server.live import LiveSite
from tumorboard.board.similar import lesion_vectors
from tumorboard.core.cohort import Cohort
from tumorboard.core.errors import TumorboardError
from tumorboard.core.lesion import LESION_TYPES
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.codes import FILE_DAMAGED
from tumorboard.io.store import open_cohort, save_cohort, update_cohort
from tumorboard.tasks.retrieval.find import find
from tumorboard.tasks.retrieval.store import write_embeddings

AFFINE = np.diag([-2.0, -2.0, 4.0, 1.0])
AFFINE[:3, 3] = (63.0, 63.0, -30.0)
KINDS = ("liver", "lung", "liver", "lung", "lesion")
"""Of the patients P0, P1 ...; the last one's type is not known. P5 has no lesion."""


def scan(row: Mapping[str, Any], root: Path | None, *, broken: str = "") -> Volume:
    """Water with a bright block at x from 0 to the patient's right, 20 mm wide, 10 mm high, 4 slices thick."""
    if broken and row["image_id"].startswith(broken):
        raise TumorboardError(FILE_DAMAGED, row["image_id"], found="a hole", expected="a scan")
    array = np.zeros((64, 64, 16), np.int16)
    array[22:32, 27:37, 6:10] = 200
    return Volume(array, AFFINE, Unit.HU)


def cohort(*, pixels: bool = True, places: bool = True, broken: str = "") -> Cohort:
    """P0 has two exams with the lesion, the others one. Place and size grow with the patient's number."""
    exams, images, findings = [], [], []
    for number, kind in enumerate(KINDS):
        for time in range(2 if number == 0 else 1):
            exam, image = f"P{number}.{time}", f"P{number}.{time}.CT"
            exams.append({"exam_id": exam, "patient_id": f"P{number}", "order": time, "day": 30.0 * time, "kind": "CT"})
            images.append(
                {"image_id": image, "exam_id": exam, "modality": "CT", "role": "image", "unit": "HU",
                 "path": f"{image}.made" if pixels else None, "shape": [64, 64, 16], "affine": AFFINE.ravel().tolist()}
            )  # fmt: skip
            place = {"relative_location": [0.1 + 0.2 * number, 0.5, 0.2 + 0.1 * number]} if places else {}
            findings.append(
                {"finding_id": f"{image}.1", "image_id": image, "run_id": "expert", "kind": "RECIST pair",
                 "label": kind, "points_mm": [0.0, 0, 0, 20, 0, 0, 10, -5, 0, 10, 5, 0],
                 "box": [0.0, -5, -6, 20, 5, 6], "attributes": json.dumps(place),
                 "measurements": {"long_axis_mm": 10.0 + 2 * number, "short_axis_mm": 8.0 + number}}
            )  # fmt: skip
    return Cohort.build(
        "marked",
        patients=[{"patient_id": f"P{number}"} for number in range(6)],
        exams=exams,
        images=images,
        findings=findings,
        loader=partial(scan, broken=broken) if pixels else None,
    )


def with_run(folder: Path) -> Cohort:
    """The same with a run whose vectors put P0 beside P1, and P2 beside P3."""
    save_cohort(cohort(pixels=False), folder)
    angles = {"P0.0.CT.1": 0, "P0.1.CT.1": 5, "P1.0.CT.1": 10, "P2.0.CT.1": 90, "P3.0.CT.1": 95}
    turn = np.deg2rad(list(angles.values()))
    vectors = np.column_stack([np.cos(turn), np.sin(turn), 0 * turn]).astype(np.float32)
    write_embeddings(folder / "runs" / "near", list(angles), vectors)
    run = {"run_id": "near", "task": "retrieval", "kind": "model"}
    update_cohort(folder, lambda newest: newest.with_rows(runs=[run]))
    return open_cohort(folder)


def section(folder: Path, page: str, name: str) -> str:
    text = (folder / page).read_text(encoding="utf-8")
    found = re.search(rf'<section[^>]*id="{name}".*?</section>', text, flags=re.S)
    return re.sub(r"\s+", " ", found.group(0)) if found else ""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board") / "board"
    build_board(cohort(), folder)
    return folder


@pytest.fixture(scope="module")
def by_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cohort, Path]:
    folder = tmp_path_factory.mktemp("run")
    made = with_run(folder / "cohort")
    build_board(made, folder / "board")
    return made, folder / "board"


@pytest.mark.parametrize("run", ["", "location-size"])
def test_the_pane_lists_what_find_finds(by_run: tuple[Cohort, Path], run: str) -> None:
    made = by_run[0] if not run else cohort()
    found = lesion_vectors(made)
    assert found is not None and found.run == (run or "near")
    for row, hits in enumerate(found.nearest(range(len(found.lesions)), 3)):
        told = find(made, found.lesions.ids[row], k=3, run=run)[1]
        assert [found.lesions.ids[hit.row] for hit in hits] == [hit.finding for hit in told]
        np.testing.assert_allclose([hit.distance for hit in hits], [hit.distance for hit in told])


def test_similar_lesions_by_place_and_size(drawn: Path) -> None:
    text = section(drawn, "patients/p1.html", "similar")
    assert "by relative place in the body and size" in text and "no retrieval run with vectors is stored" in text
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", text)
    assert ["CT 2, day 30" in rows[0], "CT 1, day 0" in rows[1], len(rows)] == [True, True, 2]  # latest first
    first = re.findall(r"<td class=\"(wrong|)\">.*?<a href=\"(p\d).html\">(P\d)</a>", rows[0])
    # nearest by place; the unknown type is neither right nor wrong; never the patient's own
    assert first == [("wrong", "p2", "P1"), ("", "p3", "P2"), ("wrong", "p4", "P3"), ("", "p5", "P4")]
    assert "<td>–</td>" in rows[0]
    for source in re.findall(r'<img src="\.\./([^"]+)"[^>]*loading="lazy"', text):
        with Image.open(drawn / source) as picture:
            assert picture.size == (CROP_PX, CROP_PX)
    assert len(re.findall("<img", text)) == 10
    assert section(drawn, "patients/p6.html", "similar") == ""  # nothing marked


def test_similar_lesions_by_a_run_without_pixels(by_run: tuple[Cohort, Path]) -> None:
    text = section(by_run[1], "patients/p3.html", "similar")
    assert '<a class="run-name" href="#run-' in text and "near</a>" in text and "<img" not in text
    assert re.findall(r'<a href="p\d.html">(P\d)</a>', text) == ["P3", "P1", "P0", "P0"]
    assert "distance 0.00" in text  # 1 - cos 5 degrees
    assert section(by_run[1], "patients/p5.html", "similar") == ""  # no vector
    assert not (by_run[1] / "crops").exists()


def test_vectors_that_do_not_fit_are_told(tmp_path: Path) -> None:
    made = with_run(tmp_path)
    (tmp_path / "runs" / "near" / "findings.parquet").unlink()
    (tmp_path / "runs" / "near" / "findings.txt").write_text("one\n", encoding="utf-8")
    found = lesion_vectors(made)
    assert found is not None and not found.learned and "the run near cannot be used (RET104" in found.why


def test_nothing_is_compared_without_place_and_size_or_with_one_patient() -> None:
    made = cohort(places=False)
    found = lesion_vectors(made)
    assert found is not None and not found.placed  # sizes are known
    assert lesion_vectors(made.subset(["P0", "P5"])) is None


def test_a_crop_shows_the_lesion_in_its_middle() -> None:
    image = {"image_id": "i", "path": "x"}
    volume = scan(image, None)
    crop = Crop(0, image, (10.0, 0.0, 0.0), 20.0, "liver")
    grey = crop_picture(volume, crop)
    # 64 mm on 96 pixels; the block is 20 mm high and wide; -175 to 275 HU is black to white
    assert grey.shape == (96, 96)
    rows, columns = np.nonzero(grey == round(255 * 375 / 450))
    assert abs(columns.mean() - 47.5) < 2 and abs(rows.mean() - 47.5) < 2
    assert 24 <= np.ptp(columns) + 1 <= 32
    assert grey[48, 5] == round(255 * 175 / 450)
    lung = crop_picture(volume, Crop(0, image, (10.0, 0.0, 0.0), 20.0, "lung"))
    assert lung[48, 5] == round(255 * 1350 / 1500)
    far = crop_picture(volume, Crop(0, image, (500.0, 0.0, 0.0), 80.0, ""))
    assert (far == 20).all()  # outside the scan


def test_a_scan_that_cannot_be_read_is_crossed_out(tmp_path: Path) -> None:
    image = {"image_id": "P0.0.CT", "path": "x"}
    crops = [Crop(number, image, (10.0, 0.0, 0.0), 20.0, "liver") for number in (0, 1)]
    draw_crops(crops, load=lambda row: scan(row, None, broken="P0"), folder=tmp_path)
    with Image.open(tmp_path / "1.png") as picture:
        grey = np.asarray(picture)
    assert grey[40, 40] == grey[40, 55] == 120 and grey[40, 47] == 20


def test_the_server_draws_a_crop_when_it_is_asked_for(tmp_path: Path) -> None:
    site = LiveSite(cohort(), tmp_path)
    path = site.crop("p1", 1)
    assert path == tmp_path / "crops" / "p1" / "1.png" and path.is_file()
    assert not (path.parent / "0.png").exists()  # another scan
    assert site.crop("p1", 2) is None and site.crop("p6", 0) is None and site.crop("p99", 0) is None


def test_maps_of_the_cohort(drawn: Path, by_run: tuple[Cohort, Path]) -> None:
    text = section(drawn, "index.html", "lesion_map")
    assert "6 lesions marked in 5 patients. 1 without type or place" in text
    assert '<th scope="row">liver</th><td class="num">3</td><td class="num">0.10</td>' in text
    assert '<th scope="row">10 to 20</th><td class="num">6</td><td class="num">3</td>' in text
    for name in ("lesion-sizes", "lesion-places"):
        for theme in ("light", "dark"):
            assert (drawn / "plots" / f"{name}-{theme}.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert section(drawn, "index.html", "embedding") == ""
    told = section(by_run[1], "index.html", "embedding")
    assert "The 3 numbers" in told and "each of 5 lesions" in told and "100 % of the variance" in told
    assert (by_run[1] / "plots" / "lesion-vectors-dark.svg").is_file()


def test_points_are_where_they_are_drawn() -> None:
    """Places over the page's picture are those of the drawn points."""
    made = cohort()
    points = place_map(marked_lesions(made))
    assert points is not None
    data = points.data(Board(made).names)
    assert data["points"][0] == [100, 200, 0, 0] and data["points"][2] == [300, 300, 1, 1]
    assert data["patients"][:2] == [["P0", "p1"], ["P1", "p2"]] and data["types"] == ["liver", "lung"]
    from tumorboard.board.plots import DARK

    figure = points.draw(DARK)
    figure.canvas.draw()
    axes = figure.axes[0]
    drawn = axes.transData.transform(axes.collections[0].get_offsets())
    wide, high = figure.get_size_inches() * figure.dpi
    left, top, width, height = data["axes"]
    for (x, y), (a, b, _, _) in zip(drawn, data["points"], strict=True):
        assert x / wide == pytest.approx(left + width * a / 1000, abs=1e-3)
        assert 1 - y / high == pytest.approx(top + height * b / 1000, abs=1e-3)


def test_vectors_in_the_plane() -> None:
    """Against scikit-learn's PCA, and few dimensions."""
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(3).normal(size=(40, 6)) * (5, 3, 1, 1, 1, 1)
    places, shares = flattened(vectors)
    fitted = PCA(2).fit(vectors)
    np.testing.assert_allclose(np.abs(places), np.abs(fitted.transform(vectors)), atol=1e-8)
    np.testing.assert_allclose(shares, fitted.explained_variance_ratio_)
    line, shares = flattened(np.arange(4.0)[:, None])
    np.testing.assert_allclose(line, [[-1.5, 0], [-0.5, 0], [0.5, 0], [1.5, 0]])
    np.testing.assert_allclose(shares, [1, 0])
    np.testing.assert_allclose(flattened(np.ones((3, 4)))[0], 0)


def test_types_differ_in_shape_and_stand_out_from_the_page() -> None:
    """Contrast of 3 to 1 at least (WCAG 1.4.11), by the definition of relative luminance."""
    assert len(set(TYPE_MARKERS.values())) == len(TYPE_MARKERS) == len(LESION_TYPES)

    def light(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    for theme, paper in (("light", "#fbfaf7"), ("dark", "#14181d")):
        for label, colour in TYPE_COLOURS[theme].items():
            low, high = sorted((light(colour), light(paper)))
            assert (high + 0.05) / (low + 0.05) >= 3, (theme, label, colour)
    assert plane_map(lesion_vectors(cohort())) is None  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
def test_maps_lead_to_patients_and_follow_the_choice(browser: Browser, drawn: Path) -> None:
    from test_browser import severe

    browser.open((drawn / "index.html").as_uri())
    browser.run("document.querySelector('.find').value = 'P1'")
    browser.run("document.querySelector('.find').dispatchEvent(new Event('input', {bubbles: true}))")
    browser.wait("document.querySelector('#lesion_map .map').dataset.chosen === '1'")
    assert severe(browser) == []
    place = """(() => { const c = document.querySelector('#lesion_map canvas'), r = c.getBoundingClientRect();
      const a = JSON.parse(document.getElementById('lesion_map-data').textContent);
      const at = (low, size) => low + 0.3 * size;
      return [r.left + r.width * at(a.axes[0], a.axes[2]), r.top + r.height * at(a.axes[1], a.axes[3])]; })()"""
    browser.run("document.querySelector('#lesion_map canvas').scrollIntoView({block: 'center'})")
    x, y = browser.run(place)
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    browser.wait("document.querySelector('.map-said').textContent === 'lung, patient P1'")
    for kind, held in (("mousePressed", 1), ("mouseReleased", 0)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=held, clickCount=1)
    browser.wait("location.pathname.endsWith('patients/p2.html') && document.querySelector('#similar') !== null")
    assert severe(browser) == []
    broken = browser.run("[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)")
    assert broken == [] and browser.messages == [] and browser.outside("file:") == []
