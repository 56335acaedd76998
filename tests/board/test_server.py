"""The server under friendly and hostile hands: what is refused, what stays bounded, what never gets lost."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tumorboard.board.corrections.journal import Journal
from tumorboard.board.server.app import make_app
from tumorboard.board.server.guard import MASK_BYTES, REQUEST_BYTES, Rules
from tumorboard.board.server.live import LiveSite
from tumorboard.core.cohort import Cohort
from tumorboard.core.units import Unit
from tumorboard.core.volume import Volume
from tumorboard.io.nifti import read_nifti, write_nifti
from tumorboard.io.store import save_cohort

HOST = "127.0.0.1:8750"
SECRET = "the-pages-own-secret"
Ask = Callable[..., httpx.Response]


class Served:
    """A board without a network: `served(path, ...)` -> the answer."""

    def __init__(self, site: LiveSite, rules: Rules) -> None:
        self.site, self.rules, self.app = site, rules, make_app(site, rules)

    async def ask(self, client: httpx.AsyncClient, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        headers = {"host": HOST, **more.pop("headers", {})}
        if method == "POST":
            headers = {"x-tumorboard": self.rules.secret, **headers}
        return await client.request(method, path, headers=headers, **more)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=f"http://{HOST}")

    def __call__(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            async with self.client() as client:
                return await self.ask(client, path, method, **more)

        return asyncio.run(once())


@pytest.fixture
def served(make_cohort: Any, tmp_path: Path) -> Served:
    saved = save_cohort(make_cohort(), tmp_path / "cohort")
    (tmp_path / "pages").mkdir()
    return Served(LiveSite(saved, tmp_path / "pages"), Rules(frozenset({HOST}), secret=SECRET))


@pytest.fixture
def tables_only(tmp_path: Path) -> Served:
    """A cohort without images: answers at once."""
    cohort = Cohort.build(
        "tables",
        patients=[{"patient_id": f"P{i}", "centre": "C"} for i in range(3)],
        exams=[{"exam_id": f"E{i}", "patient_id": f"P{i}", "order": 0} for i in range(3)],
        texts=[{"text_id": "t", "exam_id": "E0", "section": "findings", "body": "Left effusion."}],
        relations=[
            {
                "relation_id": "r1",
                "subject": "E0",
                "predicate": "yes",
                "object": "anatomicalfinding|pleural effusion",
                "run_id": "expert",
                "text_id": "t",
                "start": 5,
                "end": 13,
                "confidence": 1.0,
                "attributes": json.dumps({"locations": ["left lung"]}),
            }
        ],
    )
    (tmp_path / "pages").mkdir()
    saved = save_cohort(cohort, tmp_path / "cohort")
    return Served(LiveSite(saved, tmp_path / "pages"), Rules(frozenset({HOST}), secret=SECRET))


def correction(number: int = 0, **other: Any) -> dict[str, Any]:
    entry = {"author": "Ada", "nonce": f"nonce-{number:06d}", "page": "p1", "exam": 0, "run": "expert"}
    return entry | {"kind": "reject", "target": "relation|r1", "payload": {}} | other


def test_pages_are_drawn_when_they_are_opened(served: Served) -> None:
    assert not list((served.site.folder / "pictures").glob("*"))
    page = served("/patients/p1.html")
    assert page.status_code == 200
    assert "A-1" in page.text
    assert (served.site.folder / "pictures" / "p1").is_dir()
    assert not (served.site.folder / "pictures" / "p2").exists()
    assert served("/pictures/p1/0/axial-ct.png").headers["content-type"] == "image/png"
    assert "64.0" in served("/reports/p1.html").text  # TLG of the lesion
    home = served("/")
    assert "p3.html" in home.text
    for header in ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"):
        assert header in home.headers
    assert "unsafe-inline" not in home.headers["content-security-policy"]


def test_no_name_of_a_patient_stands_in_an_address(served: Served) -> None:
    import re

    served("/patients/p1.html")
    texts = [path.read_text(encoding="utf-8") for path in served.site.folder.rglob("*.html")]
    addresses = {found for text in texts for found in re.findall(r'(?:href|src)="([^"]+)"', text)}
    names = [str(path.relative_to(served.site.folder)) for path in served.site.folder.rglob("*")]
    assert not [one for one in [*addresses, *names] if "A-1" in one or "a-1" in one]


def test_a_whole_volume_is_sent_in_parts(served: Served) -> None:
    whole = served("/whole/p1/0/0.nii")
    assert whole.status_code == 200
    part = served("/whole/p1/0/0.nii", headers={"range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    path = served.site.folder / "whole" / "p1-0-0.nii"
    volume = read_nifti(path, unit=Unit.HU)
    assert (np.asarray(volume.array) == served.site.board.cohort.image("0.0.CT").array).all()
    for asked in ("bytes=0-1,3-4", "bytes=" + "0-1," * 5000, "bytes=999999999999-", "bytes=a-b", "bytes=-0"):
        assert served("/whole/p1/0/0.nii", headers={"range": asked}).status_code in (400, 416)
    assert len(served("/whole/p1/0/0.nii", headers={"range": "bytes=0-99999999999999"}).content) == len(whole.content)


def test_unpacked_volumes_are_bounded(make_cohort: Any, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    site = LiveSite(make_cohort(), tmp_path / "pages", cache_bytes=1_000_000)
    for index in range(4):
        assert site.whole("p1", 0, index) is not None
    kept = list((tmp_path / "pages" / "whole").iterdir())
    assert sum(path.stat().st_size for path in kept) <= 1_000_000 or len(kept) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/../cohort/cohort.json",
        "/%2e%2e/cohort/cohort.json",
        "/..%2f..%2fcohort%2fcohort.json",
        "/patients/..%2f..%2f..%2fcohort%2fcohort.json",
        "/patients/p1.html%00.png",
        "/patients/p99.html",
        "/patients/p01.html",
        "/patients/A-1.html",
        "/patients/p" + "9" * 400 + ".html",
        "/whole/p1/0/-1.nii",
        "/whole/p1/0/99.nii",
        "/whole/p1/99999/0.nii",
        "/whole/p1/٣/0.nii",
        "/whole/..%2fp1/0/0.nii",
        "/reports/../cohort.html",
        "/exports/p1/..%2f..zip",
        "/exports/p1/table.zip",
        "/api/corrections/p99",
        "/patients-0.html",
        "/patients-..%2findex.html",
        "//etc/passwd",
        "/pictures/%252e%252e/%252e%252e/cohort/cohort.json",
    ],
)
def test_no_odd_name_leads_anywhere(tables_only: Served, path: str) -> None:
    answer = tables_only(path)
    assert answer.status_code in (404, 405, 422)
    assert "schema_version" not in answer.text


def test_links_out_of_the_folder_are_not_followed(tables_only: Served, tmp_path: Path) -> None:
    (tables_only.site.folder / "link.json").symlink_to(tmp_path / "cohort" / "cohort.json")
    assert tables_only("/link.json").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:9999"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"x-tumorboard": ""}, 403),
        ({"x-tumorboard": "guess"}, 403),
        ({"content-length": str(REQUEST_BYTES + 1)}, 413),
        ({"content-length": "-5"}, 413),
        ({"content-length": "9" * 40}, 413),
    ],
)
def test_strangers_cannot_write(tables_only: Served, headers: dict[str, str], status: int) -> None:
    answer = tables_only("/api/corrections", "POST", content=json.dumps(correction()), headers=headers)
    assert answer.status_code == status
    assert Journal(tables_only.site.board.cohort.root or Path()).entries() == []


def test_another_site_can_neither_embed_nor_read(tables_only: Served) -> None:
    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert tables_only("/api/session", headers=embedded).status_code == 403
    assert tables_only("/board.js", headers=embedded).status_code == 403
    assert tables_only("/", headers={"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}).status_code == 200
    assert tables_only("/").headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in tables_only("/api/session").headers
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert tables_only("/", method).status_code == 405


def test_a_token_is_asked_for_once(tables_only: Served) -> None:
    closed = Served(tables_only.site, Rules(frozenset({HOST}), access="open-sesame", secret=SECRET))
    assert closed("/").status_code == 401
    assert closed("/patients/p1.html?token=wrong").status_code == 401
    first = closed("/?token=open-sesame")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert closed("/", headers={"cookie": cookie.split(";")[0]}).status_code == 200
    assert closed("/", headers={"cookie": "tumorboard=guess"}).status_code == 401
    assert closed("/", headers={"cookie": 'tumorboard="\x80'.encode("latin-1")}).status_code == 401  # type: ignore[dict-item]
    assert closed("/", headers={"authorization": "Bearer open-sesame"}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b"[" * 60_000,
        b"\xff\xfe",
        json.dumps(correction(author="")).encode(),
        json.dumps(correction(author="<script>")).encode(),
        json.dumps(correction(author="a" * 100)).encode(),
        json.dumps(correction(page="p9")).encode(),
        json.dumps(correction(exam=7)).encode(),
        json.dumps(correction(exam=True)).encode(),
        json.dumps(correction(exam=-1)).encode(),
        json.dumps(correction(kind="delete")).encode(),
        json.dumps(correction(kind="mask")).encode(),
        json.dumps(correction(target="relation|r2")).encode(),
        json.dumps(correction(target="lesion|GTVp|1 2 3")).encode(),
        json.dumps(correction(target="lesion|GTVp|1 2 nan")).encode(),
        json.dumps(correction(run="net")).encode(),
        json.dumps(correction(nonce="../../x")).encode(),
        json.dumps(correction(kind="edit")).encode(),
        json.dumps(correction(kind="edit", payload={"box": [1, 2, 3]})).encode(),
        json.dumps(correction(kind="edit", payload={"box": [1, 2, 3, float("nan")]})).encode(),
        json.dumps(correction(kind="edit", payload={"points_mm": [1.0] * 11})).encode(),
        json.dumps(correction(kind="edit", payload={"points_mm": [float("inf")] * 12})).encode(),
        json.dumps(correction(kind="edit", payload={"run_id": "expert"})).encode(),
        json.dumps(correction(kind="edit", payload={"label": "x" * 301})).encode(),
    ],
)
def test_malformed_corrections_are_refused_with_a_code(tables_only: Served, body: bytes) -> None:
    answer = tables_only("/api/corrections", "POST", content=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "BRD113"
    assert str(tables_only.site.folder) not in answer.text


def test_saying_it_twice_is_saying_it_once(tables_only: Served) -> None:
    answers = [tables_only("/api/corrections", "POST", content=json.dumps(correction())) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    (entry,) = tables_only("/api/corrections/p1").json()
    assert (entry["author"], entry["kind"], entry["target"]) == ("Ada", "reject", "relation|r1")


@pytest.mark.parametrize("rounds", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_ten_thousand_requests_leave_no_trace_but_the_corrections(tables_only: Served, rounds: int) -> None:
    """A hundred requests a round: pages, refusals, corrections, ranges. Memory stays, every acknowledged correction is
    there, once."""

    async def storm() -> list[int]:
        acknowledged = []
        odd = ["/", "/patients/p1.html", "/nothing", "/whole/p1/0/0.nii", "/%2e%2e/x", "/api/session", "/board.css"]
        async with tables_only.client() as client:
            for turn in range(rounds):
                asked = [tables_only.ask(client, odd[(turn + i) % len(odd)]) for i in range(98)]
                said = [correction(2 * turn + i, kind=("accept", "reject")[i]) for i in range(2)]
                asked += [
                    tables_only.ask(client, "/api/corrections", "POST", content=json.dumps(entry)) for entry in said
                ]
                answers = await asyncio.gather(*asked)
                assert not [answer for answer in answers if answer.status_code >= 500]
                acknowledged += [answer.json()["number"] for answer in answers[98:]]
                if turn == rounds // 5:
                    storm.before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # type: ignore[attr-defined]
        return acknowledged

    numbers = asyncio.run(storm())
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - storm.before) / 1024  # type: ignore[attr-defined]
    kept = Journal(tables_only.site.board.cohort.root or Path()).entries()
    assert len(numbers) == len(set(numbers)) == len(kept) == 2 * rounds
    assert grown_mb < 60


def mask_body(volume: Volume, path: Path) -> bytes:
    write_nifti(volume, path)
    return path.read_bytes()


def test_a_drawn_mask_is_kept_whole_or_refused(served: Served, tmp_path: Path) -> None:
    row = served.site.image_row("p1", 0, 2)
    assert row is not None and row["image_id"] == "0.0.mask"
    mask = served.site.board.cohort.image("0.0.mask")
    array = np.asarray(mask.array).copy()
    array[0, 0, 0] = 1
    address = "/api/masks/p1/0/2?author=Ada&nonce=mask-00001"
    drawn = Volume(array.astype(np.uint8), mask.affine, Unit.LABEL)
    good = mask_body(drawn.reorient("RAS"), tmp_path / "m.nii.gz")  # as a browser sends it

    def send(body: bytes, where: str = address) -> httpx.Response:
        return served(where, "POST", content=body)

    strange = array.copy()
    strange[0, 0, 0] = 9
    bad = {
        "value": mask_body(Volume(strange.astype(np.uint8), mask.affine, Unit.LABEL), tmp_path / "v.nii.gz"),
        "grid": mask_body(drawn.crop((0, 0, 0), (10, 10, 10)), tmp_path / "g.nii.gz"),
        "cut": good[: len(good) // 2],
        "bomb": gzip.compress(good_header(good) + bytes(50_000_000)),
        "nothing": b"",
    }
    for name, body in bad.items():
        assert send(body).status_code == 422, name
    assert served("/api/masks/p1/0/0?author=Ada&nonce=mask-00002", "POST", content=good).status_code == 422  # a CT
    assert send(good, "/api/masks/p1/0/2?author=&nonce=mask-00003").status_code == 422
    large = {"content-length": str(MASK_BYTES + 1)}
    assert served(address, "POST", content=b"x", headers=large).status_code == 413
    assert not list((tmp_path / "cohort").glob("corrections/*"))

    assert send(good).status_code == 201
    (kept,) = (tmp_path / "cohort" / "corrections").iterdir()
    assert (np.asarray(read_nifti(kept, unit=Unit.LABEL).array) == array).all()


def good_header(body: bytes) -> bytes:
    return gzip.decompress(body)[:352]
