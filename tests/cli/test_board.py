"""The verb `board`: files on request, or this machine's browser alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from tumorboard.cli.board import site
from tumorboard.cli.main import build_app

Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """ask(path, method="GET") -> the site's answer, without a network."""
    folder = tmp_path / "board"
    (folder / "patients").mkdir(parents=True)
    (folder / "index.html").write_text("<p>cohort", encoding="utf-8")
    (folder / "patients" / "P1.html").write_text("<p>patient", encoding="utf-8")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    app = site(folder)

    def answer(path: str, method: str = "GET") -> httpx.Response:
        async def request() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://board") as client:
                return await client.request(method, path)

        return asyncio.run(request())

    return answer


def test_pages_are_served_with_careful_headers(ask: Ask) -> None:
    answer = ask("/")
    assert (answer.status_code, answer.text) == (200, "<p>cohort")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert ask("/patients/P1.html").text == "<p>patient"


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/patients/..%2f..%2fsecret.txt", "/link.txt"]
)
def test_nothing_outside_the_folder_is_served(ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_other_methods_are_refused(ask: Ask) -> None:
    assert ask("/", "POST").status_code == 405


def test_the_verb_wants_to_know_what_to_do(tmp_path: Path) -> None:
    from tumorboard.core.cohort import Cohort
    from tumorboard.io.store import save_cohort

    save_cohort(Cohort.build("one", patients=[{"patient_id": "P1"}]), tmp_path / "cohort")
    assert CliRunner().invoke(build_app(), ["board", str(tmp_path / "cohort")]).exit_code == 2
