"""The board in a real browser: no request leaves this machine, nothing is logged, and what people do works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_server import serving
from browser import CHROMIUM, WHY_NOT, Browser
from cubes import build_cubes, build_followed

from tumorboard.board.build import build_board

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=WHY_NOT)
OPEN = "document.querySelector('[data-pane=viewer]').dataset.open === 'true'"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Browser]:
    """The browser, with nothing noted yet; afterwards nothing may have been logged or asked for outside."""
    browser.messages.clear()
    browser.requests.clear()
    yield browser
    assert browser.messages == []
    assert browser.outside("file:", "http://127.0.0.1:") == []


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cubes' board, drawn once."""
    folder = tmp_path_factory.mktemp("cubes")
    scores = [
        {"run": run, "task": "segmentation", "metric": "dice", "label": "GTVp", "subset": patient, "value": value}
        | {"low": None, "high": None, "n": 1}
        for run, values in {"net": (0.9, 0.5, 0.7), "flat": (0.4, 0.6, 0.5)}.items()
        for patient, value in zip(("A-1", "a-1", "B 2/../<i>"), values, strict=True)
    ]
    return build_board(build_cubes(folder), folder / "board", scores=scores)


def severe(browser: Browser) -> list[str]:
    """Findings of axe-core of serious or critical impact: rule, and the first element."""
    browser.run(AXE.read_text(encoding="utf-8") + ";0")
    found = browser.run(
        "axe.run(document, {resultTypes: ['violations'], preload: false}).then((r) => JSON.stringify(r.violations))"
    )
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:200]} {rule['nodes'][0].get('failureSummary', '')[:300]}"
        for rule in json.loads(found)
        if rule["impact"] in ("serious", "critical")
    ]


def test_an_outside_request_would_be_seen(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        '<img src="http://outside.invalid/x.png"><script>console.error("seen")</script>', encoding="utf-8"
    )
    browser.messages.clear()
    browser.requests.clear()
    browser.open((tmp_path / "page.html").as_uri())
    assert browser.outside("file:") == ["http://outside.invalid/x.png"]
    assert "seen" in browser.messages


@pytest.mark.parametrize("width", [1280, 1920, 820])
def test_pages_fit_the_screen(page: Browser, index: Path, width: int) -> None:
    page.resize(width, 900)
    for name in ("index.html", "patients/p1.html", "reports/p1.html"):
        page.open((index.parent / name).as_uri())
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width} px"
        broken = page.run("[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)")
        assert broken == []
    page.resize(1280, 900)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_serious_stands_in_anybodys_way(page: Browser, index: Path, theme: str) -> None:
    for name in ("index.html", "patients/p1.html"):
        page.open((index.parent / name).as_uri())
        page.run(f"document.documentElement.dataset.theme = '{theme}'")
        assert severe(page) == [], name


def test_the_first_lesion_is_found_and_runs_are_switched(page: Browser, index: Path) -> None:
    page.open((index.parent / "patients" / "p1.html").as_uri())
    shown = "[...document.querySelectorAll('.planes {0}')].filter((e) => getComputedStyle(e).display !== 'none').length"
    before = [page.run(shown.format(what)) for what in (".kind-fused", ".kind-ct", "[data-run=net].outline")]
    page.run("document.querySelector('#exams input[value=ct]').click()")
    page.run("document.querySelector('#exams input[value=net]').click()")
    after = [page.run(shown.format(what)) for what in (".kind-fused", ".kind-ct", "[data-run=net].outline")]
    assert (before, after) == ([3, 0, 3], [0, 3, 0])

    page.click("button.go")
    page.wait(OPEN)
    page.wait("document.querySelector('.where-now').textContent.startsWith('x 18, y 18, z 18 mm')")
    said = page.run("document.querySelector('.where-now').textContent")
    assert "CT 60.0 HU" in said  # the box of 60 HU
    assert "PET 8.00 SUV" in said or "PET 7.99 SUV" in said
    bars = page.run("document.querySelector('.bars').textContent")
    assert "-160" in bars and "240 HU" in bars and "SUV" in bars
    page.choose("select.preset", "lung")
    assert "150 HU" in page.run("document.querySelector('.bars').textContent")


def test_a_report_is_printed_on_paper(index: Path, tmp_path: Path) -> None:
    """As Chromium prints it: a PDF with the patient's name as text, pages and pictures."""
    import subprocess

    pdf = tmp_path / "report.pdf"
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--proxy-server=127.0.0.1:9", "--no-pdf-header-footer"]
    subprocess.run(
        [
            str(CHROMIUM),
            *flags,
            f"--user-data-dir={tmp_path / 'p'}",
            f"--print-to-pdf={pdf}",
            (index.parent / "reports" / "p1.html").as_uri(),
        ],
        capture_output=True,
        timeout=120,
        check=True,
    )
    data = pdf.read_bytes()
    assert data.startswith(b"%PDF-") and data.rstrip().endswith(b"%%EOF")
    assert data.count(b"/Subtype /Image") >= 3
    assert b"/Type /Page\n" in data or b"/Type /Page" in data


def test_the_choice_of_patients_acts_on_everything(page: Browser, index: Path) -> None:
    page.open(index.as_uri())
    rows = "document.querySelectorAll('table.patients tbody tr').length"
    assert page.run(rows) == 3
    page.run(
        "(() => { const f = document.querySelector('.find'); f.value = 'south';"
        " f.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    page.wait(f"{rows} === 1")
    assert page.run("document.querySelector('.chosen').textContent") == "1 of 3 patients."
    assert page.run("document.querySelectorAll('.scatter circle').length") == 1
    assert page.run("document.querySelector('.filtered h3').textContent") == "By centre"
    page.run("document.querySelector('.filters button').click()")
    page.wait(f"{rows} === 3")
    assert "net is better in 2, worse in 1" in page.run(
        "(() => { const s = document.querySelector('select.second'); s.value = 'net';"
        " document.querySelector('select.first').value = 'flat'; s.dispatchEvent(new Event('change'));"
        " return document.querySelector('.verdict-line').textContent; })()"
    )


def test_the_curve_in_the_browser_is_the_drawn_one(page: Browser, index: Path) -> None:
    """Against lifelines, with ties and censored times."""
    import numpy as np
    from lifelines import KaplanMeierFitter

    rng = np.random.default_rng(4)
    days = np.ceil(rng.exponential(400, 60) / 30) * 30
    event = rng.random(60) < 0.6
    fitted = KaplanMeierFitter().fit(days, event)
    band = fitted.confidence_interval_
    page.open(index.as_uri())
    pairs = json.dumps([[float(t), int(e)] for t, e in zip(days, event, strict=True)])
    steps = page.run(f"Statistics.kaplanMeier({pairs})")
    for time_days, alive, low, high in steps[1:-1]:
        assert alive == pytest.approx(fitted.survival_function_.loc[time_days].item(), abs=1e-9)
        assert [low, high] == pytest.approx(band.loc[time_days].tolist(), abs=1e-6)
    assert len(steps) - 2 == len(np.unique(days[event]))


@pytest.fixture
def served(make_cohort: Any, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a running board, and its cohort's folder."""
    from tumorboard.io.store import save_cohort

    with serving(save_cohort(make_cohort(), tmp_path / "cohort"), tmp_path / "pages") as address:
        yield address, tmp_path / "cohort"


def test_a_reader_corrects_draws_and_the_reading_is_a_run(page: Browser, served: tuple[str, Path]) -> None:
    from tumorboard.io.store import open_cohort

    address, folder = served
    page.open(f"{address}/patients/p1.html")
    page.wait("document.querySelector('[data-pane=corrections]').dataset.ready === 'true'")
    page.run(
        "(() => { const a = document.querySelector('.author'); a.value = 'Dr. Rø';"
        " a.dispatchEvent(new Event('change')); })()"
    )
    page.run(
        "[...document.querySelectorAll('tr[data-lesion]')].find((r) => r.dataset.lesion.includes('GTVn'))"
        ".querySelector('.verdict.reject').click()"
    )
    page.wait("document.querySelector('.said-now').textContent === 'Written down: reject.'")
    page.wait("document.querySelectorAll('.journal tbody tr').length === 1")
    page.wait("document.querySelector('.verdict.reject[aria-pressed=true]') !== null")
    page.click(".finish")
    page.wait("document.querySelector('.said-now').textContent.includes('reader Dr. Rø')")
    cohort = open_cohort(folder)
    (mask,) = cohort.rows("images", run_id="reader Dr. Rø")
    expert = cohort.image("0.0.mask").array
    reading = cohort.image(mask["image_id"]).array
    assert (expert == 2).any() and not (reading == 2).any()
    assert ((reading == 1) == (expert == 1)).all()

    # Erase with a filled pen round the whole picture's middle is not tried here: one voxel is set through the viewer.
    page.click(".open-viewer")
    page.wait(OPEN)
    page.click(".begin-drawing")
    page.wait("document.querySelector('.save-drawing') !== null")
    page.click(".save-drawing")
    page.wait("document.querySelector('.said-now').textContent === 'Written down: the mask.'")
    page.click(".finish")
    page.wait("document.querySelector('.said-now').textContent.includes('Runs of the cohort now')")
    again = open_cohort(folder).image(mask["image_id"]).array
    assert ((again == 1) == (expert == 1)).all(), "a mask that went through the viewer lies where it lay"


def test_the_ends_of_an_axis_are_moved(page: Browser, tmp_path: Path) -> None:
    """By keys, half a millimetre each, on the slice that the server draws; the reading measures anew."""
    from tumorboard.io.store import open_cohort, save_cohort

    saved = save_cohort(build_followed(tmp_path), tmp_path / "cohort")
    with serving(saved, tmp_path / "pages") as address:
        page.open(f"{address}/patients/p1.html")
        page.wait("document.querySelector('[data-pane=corrections]').dataset.ready === 'true'")
        page.run(
            "(() => { const a = document.querySelector('.author'); a.value = 'Ada';"
            " a.dispatchEvent(new Event('change')); })()"
        )
        page.click(".move-ends")
        page.wait("document.querySelector('.editing img').naturalWidth === 320")
        assert page.run("document.querySelector('.lengths').textContent") == "20.0 x 10.0 mm"
        page.run(
            "(() => { const dot = document.querySelector('.editing .handle'); for (let i = 0; i < 6; i++)"
            " dot.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'})); })()"
        )  # the first end lies on the patient's left: outwards is to the picture's right
        assert page.run("document.querySelector('.lengths').textContent") == "23.0 x 10.0 mm"
        assert severe(page) == []
        page.click(".keep-ends")
        page.wait("document.querySelector('.said-now').textContent === 'Written down: edit.'")
        page.click(".finish")
        page.wait("document.querySelector('.said-now').textContent.includes('reader Ada')")
    (row,) = open_cohort(tmp_path / "cohort").rows("findings", run_id="reader Ada")
    assert dict(row["measurements"]) == {"long_axis_mm": 23.0, "short_axis_mm": 10.0}
    assert row["points_mm"][:3] == pytest.approx([5.0, 18.0, 18.0], abs=0.02)


def test_a_box_is_moved(page: Browser, tmp_path: Path) -> None:
    from tumorboard.io.store import open_cohort
    from tumorboard.phantom.cohort import make_cohort as make_virtual

    saved = make_virtual(tmp_path / "cohort", patients=1, region="chest-xray", size_px=96)
    with serving(saved, tmp_path / "pages") as address:
        page.open(f"{address}/patients/p1.html")
        page.wait("document.querySelector('[data-pane=corrections]').dataset.ready === 'true'")
        page.run(
            "(() => { const a = document.querySelector('.author'); a.value = 'Ada';"
            " a.dispatchEvent(new Event('change')); })()"
        )
        page.choose(".box-to-edit", "0")
        name = page.run("document.querySelector('.editing-box').dataset.finding")
        (before,) = saved.rows("findings", finding_id=name)
        page.run(
            "document.querySelectorAll('.handle')[1].dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'}))"
        )
        page.click(".keep-box")
        page.wait("document.querySelector('.said-now').textContent === 'Written down: edit.'")
        width = page.run("Number(document.querySelector('.xray-figure svg').getAttribute('viewBox').split(' ')[2])")
        page.click(".finish")
        page.wait("document.querySelector('.said-now').textContent.includes('reader Ada')")
    rows = open_cohort(tmp_path / "cohort").rows("findings", run_id="reader Ada")
    (after,) = [row for row in rows if json.loads(row["attributes"])["correction"]["corrects"] == name]
    x, y, right, bottom = before["box"]
    assert after["box"] == pytest.approx([x, y, right - width / 200, bottom], abs=0.11)
