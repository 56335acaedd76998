"""The viewer in a real browser: two exams beside each other, runs and their rims, and what a jump to a lesion costs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import CHROMIUM, WHY_NOT, Browser
from cubes import build_followed
from numpy.typing import NDArray
from PIL import Image

from tumorboard.board.build import build_board

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
OPEN = "document.querySelector('[data-pane=viewer]').dataset.open === 'true'"
WATCHED = """
window.made = [];
for (const name of ["refreshLayers", "drawSceneCore"]) {
  const before = niivue.Niivue.prototype[name];
  niivue.Niivue.prototype[name] = function (...given) { window.made.push(name); return before.apply(this, given); };
}
0
"""
"""Counts how often NiiVue makes a texture anew and how often it draws."""
COLOURS = {"expert": (53, 214, 255), "net": (255, 138, 216), "box": (255, 225, 77)}
"""Of the runs, as `run-0` to `run-2` of board.css have them."""
WATER = 141
"""Grey of 0 HU ... 60 HU in the soft tissue window, to within what is looked for."""


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of a patient with two exams."""
    folder = tmp_path_factory.mktemp("followed")
    return (build_board(build_followed(folder), folder / "board").parent / "patients" / "p1.html").as_uri()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, followed: str) -> Iterator[Browser]:
    """The patient's page with the viewer open, its textures counted."""
    with Browser(tmp_path_factory.mktemp("profile"), height=1000) as opened:
        opened.open(followed)
        opened.run(WATCHED)
        opened.click(".open-viewer")
        opened.wait(OPEN)
        yield opened
        assert opened.messages == []
        assert opened.outside("file:") == []


def made(page: Browser, act: str) -> list[str]:
    """What NiiVue did until the frame after `act`."""
    script = (
        f"(async () => {{ window.made = []; {act}; for (let i = 0; i < 3; i++)"
        " await new Promise((done) => requestAnimationFrame(done)); return window.made; })()"
    )
    found: list[str] = page.run(script)
    return found


def seen(page: Browser, tmp_path: Path) -> NDArray[np.int64]:
    """The canvas as the screen shows it: (rows, columns, 3)."""
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    box = page.run("JSON.stringify(document.querySelector('.canvas-a').getBoundingClientRect())")
    x, y, width, height = (json.loads(box)[name] for name in ("x", "y", "width", "height"))
    top = page.run("scrollY")
    page.picture(tmp_path / "canvas.png", clip={"x": x, "y": y + top, "width": width, "height": height})
    return np.asarray(Image.open(tmp_path / "canvas.png").convert("RGB"), np.int64)


def painted(page: Browser, tmp_path: Path, *, over: float = 1.0) -> dict[str, int]:
    """Pixels of the canvas in each run's colour, laid over grey with this opacity."""
    colours = seen(page, tmp_path)
    wanted = {run: over * np.array(colour) + (1 - over) * WATER for run, colour in COLOURS.items()}
    return {run: int((np.abs(colours - colour) < 30).all(axis=-1).sum()) for run, colour in wanted.items()}


def where(page: Browser) -> str:
    found: str = page.run("document.querySelector('.where-now').textContent")
    return found


def test_a_jump_to_a_lesion_makes_no_texture(page: Browser) -> None:
    done = made(page, "document.querySelectorAll('#exams .go')[0].click()")
    assert "refreshLayers" not in done
    assert done.count("drawSceneCore") >= 1
    assert where(page).startswith("x 18, y 18, z 18 mm. CT 60.0 HU")


def test_a_window_makes_the_background_alone(page: Browser) -> None:
    change = "s.dispatchEvent(new Event('change', {bubbles: true}))"
    act = f"const s = document.querySelector('select.preset'); s.value = 'lung'; {change}; {change}"
    assert made(page, act).count("refreshLayers") == 1
    act = f"const s = document.querySelector('select.preset'); s.value = 'soft tissue'; {change}"
    assert made(page, act).count("refreshLayers") == 1


def test_every_run_has_its_rim_and_can_be_switched(page: Browser, tmp_path: Path) -> None:
    page.run("document.querySelectorAll('#exams .go')[0].click()")
    page.click(".overlay")  # the PET, off
    first = painted(page, tmp_path)
    assert first["expert"] > 100 and first["net"] > 100  # shown at first
    assert first["box"] == 0  # a baseline: off at first

    page.click(".mask[value=net]")
    without = painted(page, tmp_path)
    assert without["net"] == 0 and without["expert"] >= first["expert"]
    page.click(".contours")
    assert painted(page, tmp_path, over=0.45)["expert"] > 2 * first["expert"], "filled, it covers more than its rim"
    page.click(".contours")
    assert painted(page, tmp_path) == without

    page.run("document.querySelector('#exams .go[data-run=net]').click()")  # going to a run's lesion shows the run
    page.run("document.querySelector('#exams .go[data-run=expert]').click()")
    assert painted(page, tmp_path)["net"] == first["net"]
    page.click(".overlay")


def test_a_map_of_a_run_lies_over_the_scan(page: Browser, tmp_path: Path) -> None:
    """Read when it is switched on; its bar is in its own unit; where it is zero, the scan stays as it was."""
    page.run("document.querySelectorAll('#exams .go')[0].click()")
    for box in (".overlay[value=pet]", ".mask[value=net]", ".mask[value=expert]"):
        page.click(box)
    before = seen(page, tmp_path)
    assert page.run("document.querySelector('.bars').textContent").count("HU") == 1
    assert "anomaly" not in page.run("document.querySelector('.bars').textContent")
    page.click(".overlay[value='anomaly (dual)']")
    page.wait("document.querySelector('.bars').textContent.includes('anomaly (dual) 0')")
    assert "6 z-score" in page.run("document.querySelector('.bars').textContent")
    page.run("document.querySelectorAll('#exams .go')[0].click()")
    assert "anomaly (dual) 6.00 z-score" in where(page)
    after = seen(page, tmp_path)
    changed = np.abs(after - before).max(axis=-1) > 20
    yellow = (after[..., 0] > after[..., 2] + 40) & changed  # the upper end of the scale
    assert changed.sum() > 500 and yellow.sum() > 0.5 * changed.sum()
    assert changed.mean() < 0.35, "zero is see-through"
    for box in (".overlay[value='anomaly (dual)']", ".overlay[value=pet]", ".mask[value=net]", ".mask[value=expert]"):
        page.click(box)


def test_two_exams_go_together(page: Browser) -> None:
    """The second exam lies 6 mm further left and its lesion is larger: the middles are 10 mm apart across."""
    page.choose(".exam-b", "1")
    page.wait("document.querySelector('.caption-b').textContent.startsWith('PET/CT 2')")
    page.wait("!document.querySelector('.second').classList.contains('loading')")
    assert page.run("document.querySelector('.linked').textContent").startswith("Linked by the scanner's coordinates")
    both = "[...document.querySelectorAll('.stage canvas')].map((one) => one.dataset.mm.split(' ').map(Math.round))"

    page.run("[...document.querySelectorAll('#exams .go')].find((g) => g.dataset.exam === '0').click()")
    assert page.run(both) == [[18, 18, 18], [18, 18, 18]]
    page.run("document.querySelector('#response .go[data-exam=\"0\"]').click()")  # joined over both exams
    assert page.run(both) == [[18, 18, 18], [28, 22, 22]]
    assert "moved by 10, 4, 4 mm" in page.run("document.querySelector('.linked').textContent")
    page.run("document.querySelector('.canvas-a').focus()")
    for key in ("PageUp", "PageUp", "ArrowLeft"):
        page.run(f"document.querySelector('.canvas-a').dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}))")
    assert page.run(both) == [[20, 18, 22], [30, 22, 26]]  # voxels of 2 mm
    page.run("document.querySelector('#response .go[data-exam=\"1\"]').click()")
    assert page.run(both) == [[18, 18, 18], [28, 22, 22]]
    page.choose(".exam-b", "")
    assert page.run("document.querySelector('.second').hidden") is True


def test_the_lesion_table_compares_the_exams(page: Browser) -> None:
    row = page.run("document.querySelector('#response tbody tr').textContent.replace(/\\s+/g, ' ')")
    assert "20.0" in row and "28.0 +40 %" in row
    assert page.run("document.querySelector('#response').textContent").count("PD") >= 1  # + 8 mm and 40 %
