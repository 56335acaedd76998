"""A board on a free port of this machine, for a browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from tumorboard.board.server.app import make_app
from tumorboard.board.server.guard import Rules
from tumorboard.board.server.live import LiveSite
from tumorboard.core.cohort import Cohort

__all__ = ["serving"]


@contextmanager
def serving(cohort: Cohort, folder: Path, **more: Any) -> Iterator[str]:
    """Address of the board of `cohort`; its pages are drawn in the new `folder`. `more`: of `LiveSite`."""
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = make_app(LiveSite(cohort, folder, **more), Rules(frozenset({f"127.0.0.1:{port}"})))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
