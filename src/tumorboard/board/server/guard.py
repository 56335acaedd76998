"""What every request passes first: is it meant for us, from our own pages, and small enough? What every answer says."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tumorboard.board import codes
from tumorboard.board.pages import POLICY

__all__ = ["MASK_BYTES", "REQUEST_BYTES", "Guard", "Rules"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

REQUEST_BYTES = 64 * 1024
"""Largest body of a correction."""
MASK_BYTES = 32 * 1024 * 1024
"""Largest body of a drawn mask (gzipped)."""
COOKIE = "tumorboard"

HEADERS = {
    "content-security-policy": POLICY.replace(" file:", "").replace(
        "'none'; img-src", "'none'; frame-ancestors 'none'; img-src", 1
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True)
class Rules:
    """`hosts`: what may stand in the Host header (with port). `access`: a word that opens the board, or empty.
    `secret`: given to our own pages, asked back with everything that is sent."""

    hosts: frozenset[str]
    access: str = ""
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)


class Guard:
    """ASGI middleware around the board."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], *, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        sender = _with_headers(send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(sender, *refusal)
            return
        if self._rules.access and not self._admitted(headers):
            await self._admit(scope, sender)
            return
        most = MASK_BYTES if scope["path"].startswith("/api/masks/") else REQUEST_BYTES
        await self._app(scope, _limited(receive, most), sender)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason of a request that is not answered."""
        method, host = scope["method"], headers.get("host", "")
        if host.lower() not in self._rules.hosts:
            return 421, "another host"
        if method not in ("GET", "HEAD", "POST"):
            return 405, f"method {method[:12]}"
        site, mode = headers.get("sec-fetch-site", "same-origin"), headers.get("sec-fetch-mode", "")
        if site not in ("same-origin", "none") and (method != "GET" or mode != "navigate"):
            return 403, "another site's request"
        if "range" in headers and (len(headers["range"]) > 100 or "," in headers["range"]):
            return 416, "more than one range"
        if method != "POST":
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() not in self._rules.hosts:
            return 403, "another origin"
        if not hmac.compare_digest(headers.get("x-tumorboard", "").encode(), self._rules.secret.encode()):
            return 403, "no token of this page"
        most = MASK_BYTES if scope["path"].startswith("/api/masks/") else REQUEST_BYTES
        length = headers.get("content-length", "")
        if not length.isdigit() or len(length) > 12 or int(length) > most:
            return 413, f"a body of {length[:12] or 'unknown'} bytes"
        return None

    def _admitted(self, headers: dict[str, str]) -> bool:
        """Whether the request carries the word that opens the board: in its cookie, or as a bearer token."""
        given = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        said = cookie.value if cookie is not None else given
        return hmac.compare_digest(said.encode(), self._rules.access.encode())

    async def _admit(self, scope: Scope, send: Send) -> None:
        """The first visit, `/?token=WORD`: remember it in a cookie that no script reads, and take it out of the
        address."""
        said = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not hmac.compare_digest(said.encode(), self._rules.access.encode()):
            await _refuse(send, 401, "no access token")
            return
        cookie = f"{COOKIE}={self._rules.access}; HttpOnly; SameSite=Strict; Path=/"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode("latin-1")), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", [])}
            extra = [(n.encode(), v.encode()) for n, v in HEADERS.items() if n.encode() not in given]
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return sender


def _limited(receive: Receive, most: int) -> Receive:
    """Whatever the length that was announced, no more than this comes in."""
    got = 0

    async def receiver() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        return {"type": "http.disconnect"} if got > most else message

    return receiver


async def _refuse(send: Send, status: int, found: str) -> None:
    body = json.dumps({"code": codes.BOARD_REQUEST.id, "found": found, "fix": codes.BOARD_REQUEST.fix}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
