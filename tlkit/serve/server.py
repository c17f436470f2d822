"""Listen at an address, and answer until the process is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tlkit.errors import DataError
from tlkit.serve.problems import RefusedError

_SWITCH_SECONDS = 0.0005
"""How long a thread may hold Python's lock while another wants it: a thread that has predicted an image would wait ten
times as long, by default, while a request is read."""
_CONNECTIONS = 1000
"""Connections, with requests or without; each one more is told to come back."""
_IDLE_SECONDS = 75
"""How long a connection is kept without a request: longer than proxies keep theirs, 60 s by default, because a request
that is sent while the server closes is lost."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        DataError: there is no such address, or the port is taken.
    """
    try:
        [family, kind, number, _, address] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, number)
    except (OSError, UnicodeError) as error:  # the latter of a name that the DNS can't have
        why = error.strerror if isinstance(error, OSError) else "no computer can have this name"
        raise DataError(f"--host {host}: no address of this machine: {why}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(256)
    except OSError as error:
        listening.close()
        raise DataError(
            f"{host}:{port}: can't listen there: {error.strerror}; expected a free port of this machine, such as "
            f"--port {port + 1}, or --port 0 for any"
        ) from error
    return listening


def url_of(listening: socket.socket) -> str:
    """Return the URL at which a socket listens."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def answer(app: ASGIApp, listening: socket.socket, seconds: float) -> None:
    """Answer requests until SIGINT or SIGTERM.

    Args:
        app: answers them.
        listening: where they come from.
        seconds: how long a client may take to send the headers of a request.
    """
    server = make_server(app, seconds)
    sys.setswitchinterval(_SWITCH_SECONDS)
    asyncio.run(server.serve([listening]))


def make_server(app: ASGIApp, seconds: float, idle: int = _IDLE_SECONDS) -> uvicorn.Server:
    """Return the server of ``answer``, which ends when its ``should_exit`` is set.

    Args:
        app: as for ``answer``.
        seconds: as for ``answer``.
        idle: the seconds after which a connection is closed whose requests have all been answered.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # what a client does wrong is told to the client
    config = uvicorn.Config(
        app,
        http=type("Protocol", (_Protocol,), {"seconds": seconds}),
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=idle,
        timeout_graceful_shutdown=5,
        limit_concurrency=_CONNECTIONS,
    )
    return _Server(config)


class _Server(uvicorn.Server):
    """Ends at a signal without raising it again: a server that was stopped has done its work."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the signals within the context; outside the main thread, where Python can't, do nothing."""
        before: dict[signal.Signals, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self.handle_exit)
        except ValueError:  # another thread
            pass
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Protocol(H11Protocol):
    """Closes connections on which no request, or a part of one, comes."""

    seconds = 30.0
    lingering = 10.0
    """Seconds for which the rest of a request that was refused is read and forgotten: a client that is still sending
    would otherwise lose the answer."""
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_longer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_no_longer()
        elif self._waiting is None and not self.transport.is_closing():
            self._wait()

    def on_response_complete(self) -> None:
        """Wait for the rest of a request: of this one if it was refused, or of the next.

        If none has begun, uvicorn waits for it.
        """
        super().on_response_complete()
        if not self.transport.is_closing() and (self._is_refused() or self.conn.trailing_data[0]):
            self._wait()

    def _wait(self) -> None:
        self._wait_no_longer()
        seconds = min(self.seconds, self.lingering) if self._is_refused() else self.seconds
        self._waiting = self.loop.call_later(seconds, self._end)

    def _is_refused(self) -> bool:
        """Return whether a request is answered that has not ended."""
        return self.conn.our_state is h11.DONE

    def _wait_no_longer(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _end(self) -> None:
        """Say that the request is not complete, if a part of it has come, and close the connection."""
        self._waiting = None
        if self.cycle is not None and not self.cycle.response_complete:
            return
        if self.conn.trailing_data[0] and self.conn.our_state is h11.IDLE:
            answer = RefusedError(408, f"the request was not complete after {self.seconds:g} s").answer()
            headers = [*answer.raw_headers, (b"connection", b"close")]
            for event in (h11.Response(status_code=408, headers=headers), h11.Data(data=bytes(answer.body))):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
