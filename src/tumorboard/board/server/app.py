"""The web application: pages, volumes, corrections, exports. No name from a request reaches the disk unless it was
looked up in the cohort first."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask

from tumorboard.board.corrections.fold import fold_corrections
from tumorboard.board.corrections.journal import Journal
from tumorboard.board.server.guard import Guard, Rules
from tumorboard.board.server.live import LiveSite
from tumorboard.board.server.saying import agreement_json, entry_json, mask_entry, parsed_entry
from tumorboard.core.errors import TumorboardError

__all__ = ["make_app"]

_PAGE = re.compile(r"p[1-9][0-9]{0,6}")
_LIST = re.compile(r"[1-9][0-9]{0,4}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,3}")


def make_app(site: LiveSite, rules: Rules) -> FastAPI:
    """The application for one cohort, behind its guard."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, rules=rules)

    @app.exception_handler(TumorboardError)
    async def refused(request: Request, error: TumorboardError) -> Response:
        # The place may be a path of this machine: it is for the log, not for the answer.
        told = {"code": error.code.id, "title": error.code.title, "found": error.found, "expected": error.expected}
        return JSONResponse(told, status_code=422)

    _add_pages(app, site)
    _add_corrections(app, site, rules)
    app.mount("/", StaticFiles(directory=site.folder, follow_symlink=False))
    return app


def _add_pages(app: FastAPI, site: LiveSite) -> None:
    absent = Response("No such page.", status_code=404, media_type="text/plain")

    @app.get("/")
    @app.get("/index.html")
    def index() -> Response:
        return FileResponse(site.index(), media_type="text/html")

    @app.get("/patients/{name}.html")
    def patient(name: str) -> Response:
        path = site.patient(name) if _PAGE.fullmatch(name) else None
        return absent if path is None else FileResponse(path, media_type="text/html")

    @app.get("/patients-{number}.html")
    def further(number: str) -> Response:
        site.index()
        path = site.folder / f"patients-{number}.html"
        there = _LIST.fullmatch(number) and path.is_file()
        return FileResponse(path, media_type="text/html") if there else absent

    @app.get("/whole/{page}/{exam}/{index}.nii")
    def whole(page: str, exam: str, index: str) -> Response:
        known = _PAGE.fullmatch(page) and _NUMBER.fullmatch(exam) and _NUMBER.fullmatch(index)
        path = site.whole(page, int(exam), int(index)) if known else None
        return absent if path is None else FileResponse(path, media_type="application/octet-stream")

    @app.get("/crops/{page}/{number}.png")
    def crop(page: str, number: str) -> Response:
        known = _PAGE.fullmatch(page) and _NUMBER.fullmatch(number)
        path = site.crop(page, int(number)) if known else None
        return absent if path is None else FileResponse(path, media_type="image/png")

    @app.get("/marks/{page}/{exam}/{number}.png")
    def mark(page: str, exam: str, number: str) -> Response:
        known = _PAGE.fullmatch(page) and _NUMBER.fullmatch(exam) and _NUMBER.fullmatch(number)
        path = site.mark(page, int(exam), int(number)) if known else None
        return absent if path is None else FileResponse(path, media_type="image/png")

    @app.get("/reports/{name}.html")
    def report(name: str) -> Response:
        if not _PAGE.fullmatch(name) or site.patient(name) is None:
            return absent
        # The report brings its own style and its own policy, which allows that style and nothing else.
        text = (site.folder / "reports" / f"{name}.html").read_text(encoding="utf-8")
        policy = text.partition('Content-Security-Policy" content="')[2].partition('"')[0].replace("&#39;", "'")
        return HTMLResponse(text, headers={"content-security-policy": f"{policy}; frame-ancestors 'none'"})

    @app.get("/exports/{name}/{kind}.zip")
    def export(name: str, kind: str) -> Response:
        from tumorboard.board.report import EXPORTS, export_patient

        if not _PAGE.fullmatch(name) or name not in site.board.patient_of_page or kind not in EXPORTS:
            return absent
        scratch = tempfile.TemporaryDirectory(prefix="export-", dir=site.folder)
        archive = export_patient(site.board.cohort, site.board.patient_of_page[name], kind, Path(scratch.name))
        done = BackgroundTask(scratch.cleanup)
        return FileResponse(archive, media_type="application/zip", filename=f"{name}-{kind}.zip", background=done)


def _add_corrections(app: FastAPI, site: LiveSite, rules: Rules) -> None:
    root = site.board.cohort.root
    journal = Journal(root) if root is not None else None

    @app.get("/api/session")
    def session() -> Response:
        """What our own pages need to send something; other sites may neither read nor embed it."""
        return JSONResponse({"secret": rules.secret, "corrections": journal is not None})

    if journal is None or root is None:
        return

    @app.get("/api/corrections/{page}")
    def listed(page: str) -> Response:
        patient_id = site.board.patient_of_page.get(page)
        if patient_id is None:
            return JSONResponse([], status_code=404)
        return JSONResponse([entry_json(entry, site) for entry in journal.entries(patient_id=patient_id)])

    @app.post("/api/corrections")
    async def add(request: Request) -> Response:
        entry = parsed_entry(await request.body(), site)
        number = await run_in_threadpool(journal.add, entry)
        return JSONResponse({"number": number}, status_code=201)

    @app.post("/api/masks/{page}/{exam}/{index}")
    async def mask(request: Request, page: str, exam: str, index: str) -> Response:
        known = _PAGE.fullmatch(page) and _NUMBER.fullmatch(exam) and _NUMBER.fullmatch(index)
        row = site.image_row(page, int(exam), int(index)) if known else None
        said = {name: request.query_params.get(name, "") for name in ("author", "nonce")}
        body = await request.body()
        entry = await run_in_threadpool(mask_entry, body, row, said=said, page=page, site=site, folder=root)
        return JSONResponse({"number": await run_in_threadpool(journal.add, entry)}, status_code=201)

    @app.post("/api/finish")
    async def finish(request: Request) -> Response:
        """Every reading becomes a run of the cohort, to evaluate against."""
        await request.body()
        runs = await run_in_threadpool(fold_corrections, root)
        return JSONResponse({"runs": runs})

    @app.get("/api/agreement")
    def agreed(first: str = "", second: str = "") -> Response:
        return JSONResponse(json.loads(agreement_json(journal.entries(), first, second)))
