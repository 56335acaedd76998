"""The board in a real browser: no request leaves the folder, nothing is logged as an error, the controls work."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tumorboard.board.build import build_board

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (Debian: apt-get install chromium)")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--proxy-server=127.0.0.1:9",  # nothing listens there: neither the page nor the browser reaches anybody
    "--enable-logging=stderr",
    "--virtual-time-budget=4000",
    "--dump-dom",
]


def open_page(page: Path, scratch: Path) -> tuple[str, str, list[str]]:
    """The page's final DOM, what the browser logged, and every address that was asked for over the network."""
    net_log = scratch / "net.json"
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={scratch / 'profile'}", f"--log-net-log={net_log}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    events = json.loads(net_log.read_text(encoding="utf-8"))["events"]
    asked = set()
    for event in events:
        request = event.get("params", {})
        # The browser's own housekeeping has no page as its initiator.
        if request.get("initiator", "not an origin") != "not an origin":
            asked.add(request["url"])
    return done.stdout, done.stderr, sorted(url for url in asked if not url.startswith(("file:", "data:")))


def test_an_outside_request_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<img src="http://outside.invalid/x.png"><script>console.error("seen")</script>', encoding="utf-8")
    _, log, asked = open_page(page, tmp_path)
    assert asked == ["http://outside.invalid/x.png"]
    assert "CONSOLE" in log


def test_pages_open_without_outside_requests_or_console_messages(make_cohort: Any, tmp_path: Path) -> None:
    index = build_board(make_cohort(), tmp_path / "board")
    for name in ("index.html", "patients/A-1.html"):
        dom, log, asked = open_page(index.parent / name, tmp_path)
        assert "</footer>" in dom
        assert "CONSOLE" not in log, log
        assert asked == []
        if name == "index.html":
            assert "<button" in dom, "the script did not run"


def test_the_controls_switch_pictures_and_outlines(make_cohort: Any, tmp_path: Path) -> None:
    index = build_board(make_cohort(), tmp_path / "board")
    page = index.parent / "patients" / "A-1.html"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text(encoding="utf-8"))
    script = """<script>addEventListener("load", () => {
      const visible = (e) => getComputedStyle(e).display !== "none";
      const shown = (q) => [...document.querySelectorAll(`.planes ${q}`)].filter(visible).length;
      const state = () => [shown(".kind-fused"), shown(".kind-ct"), shown("[data-run=net]")].join();
      const broken = [...document.images].filter((i) => i.complete && !i.naturalWidth).length;
      const before = state();
      document.querySelector("input[value=ct]").click();
      document.querySelector("input[value=net]").click();
      document.title = [before, state(), broken].join("|");
    });</script>"""
    page.write_text(text.replace("</body>", script + "</body>"), encoding="utf-8")
    dom, _, _ = open_page(page, tmp_path)
    assert re.search("<title>(.*)</title>", dom)[1] == "3,0,3|0,3,0|0"


def test_the_patient_list_sorts_and_filters(make_cohort: Any, tmp_path: Path) -> None:
    index = build_board(make_cohort(), tmp_path / "board")
    text = re.sub(r"<meta http-equiv[^>]*>", "", index.read_text(encoding="utf-8"))
    script = """<script>addEventListener("load", () => {
      const body = document.querySelector("table.patients tbody");
      const first = () => body.rows[0].cells[1].textContent;
      const age = [...document.querySelectorAll("table.patients thead button")].find((b) => b.textContent === "Age");
      age.click(); const up = first(); age.click(); const down = first();
      const field = document.querySelector("input.filter");
      field.value = "south"; field.dispatchEvent(new Event("input"));
      const left = [...body.rows].filter((row) => !row.hidden).length;
      document.title = [up, down.slice(0, 3), left].join("|");
    });</script>"""
    index.write_text(text.replace("</body>", script + "</body>"), encoding="utf-8")
    dom, _, _ = open_page(index, tmp_path)
    assert re.search("<title>(.*)</title>", dom)[1] == "A-1|B 2|1"
