"""What every request passes before it is answered: who may ask, how many at once, and the headers of each answer."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from tlkit.serve.bodies import BUSY_SECONDS
from tlkit.serve.bounds import Bounds
from tlkit.serve.measures import Measures
from tlkit.serve.problems import RefusedError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere and runs no script but its own files."""
_HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
]
_OPEN = frozenset({"/", "/health", "/openapi.json"})
"""What is answered without the token, besides the files of the page: nothing in it is about the model."""
WORKING = frozenset({"/predict", "/explain"})
"""What takes time to answer."""


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Args:
        token: what a client must send as ``Authorization: Bearer …``; empty: nothing.
        local: whether only requests to a name of this machine are answered, so that no website whose name leads to it
            can ask.
    """

    token: str = ""
    local: bool = True

    def check(self, path: str, method: str, headers: Headers) -> None:
        """Check a request.

        Raises:
            RefusedError: it may not ask.
        """
        if self.local and not _is_this_machine(headers.get("host", "")):
            raise RefusedError(
                403, "only requests to localhost or 127.0.0.1 are answered; tlkit serve --host answers others"
            )
        if method == "POST" and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            raise RefusedError(403, "requests from other websites are not answered")
        if not self.token or path in _OPEN or path.startswith("/page/"):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        sent = given.strip().encode("latin-1")  # as Starlette decoded it
        if scheme.lower() != "bearer" or not secrets.compare_digest(sent, self.token.encode()):
            raise RefusedError(401, "expected the server's token, as in: Authorization: Bearer TOKEN")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address, or a host's name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@lru_cache(maxsize=64)
def _is_this_machine(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return is_loopback(name)


class Guard:
    """An ASGI application around another.

    Args:
        app: the other.
        access: who may ask.
        bounds: how many requests are answered at once.
        measures: where requests are counted.
    """

    def __init__(self, app: ASGIApp, access: Access, bounds: Bounds, measures: Measures) -> None:
        self._app = app
        self._access = access
        self._bounds = bounds
        self._measures = measures
        self._working = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        started = time.monotonic()
        answer = _Answer(send)
        works = path in WORKING and scope["method"] == "POST"
        try:
            self._access.check(path, scope["method"], Headers(scope=scope))
            if works and self._working >= self._bounds.requests:
                raise RefusedError(429, f"{self._working} requests are being answered; ask again", wait=BUSY_SECONDS)
            self._working += works
            try:
                await self._app(scope, receive, answer)
            finally:
                self._working -= works
        except RefusedError as refused:
            if not answer.started:
                await refused.answer()(scope, receive, answer)
        except asyncio.CancelledError:  # the server was asked to stop, and has waited long enough
            if not answer.started:
                await RefusedError(503, "the server stops", wait=60).answer()(scope, receive, answer)
        finally:
            self._measures.request(path, answer.status, time.monotonic() - started)


class _Answer:
    """Sends an answer with the headers of all."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = _with(message["headers"])
        await self._send(message)


def _with(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in headers}
    return [*headers, *(each for each in _HEADERS if each[0] not in names)]
