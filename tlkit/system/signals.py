"""Stop a run on SIGINT or SIGTERM after its state is saved; the exit code says which signal it was."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOP_AT_END_OF_INPUT = "TLKIT_STOP_AT_END_OF_INPUT"
"""The environment variable by which a process asks those that it starts to end when it does. They read their standard
input, whose other end is closed by the system when their parent ends, even by SIGKILL."""


def stop_with_parent() -> None:
    """If the parent asked for it, send this process SIGTERM when the parent ends; a run then saves its state."""
    if os.environ.pop(STOP_AT_END_OF_INPUT, None) is None:
        return
    source = sys.stdin.fileno()

    def wait() -> None:
        while os.read(source, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="tlkit-parent", daemon=True).start()


class Interrupted(KeyboardInterrupt):
    """A signal asked the run to stop.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(f"Stopped by {signal.Signals(number).name}.")


class Signals:
    """Turns SIGINT and SIGTERM into ``Interrupted``: at once or, within ``deferred``, when ``stop`` is called.

    A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._deferred = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals within the context; outside the main thread, where Python can't, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, self._handle)
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the context a signal only sets ``asked``; the caller calls ``stop`` when the state is saved."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._received is not None

    def stop(self) -> None:
        """Stop the run if a signal came.

        Raises:
            Interrupted: a signal came.
        """
        if self._received is not None:
            raise Interrupted(self._received)

    def stop_unless_deferred(self, cause: BaseException | None = None) -> None:
        """Stop the run if a signal came, as ``stop`` does, but not within ``deferred``.

        Args:
            cause: an exception that is left behind, perhaps the one that the signal raised and that code swallowed.

        Raises:
            Interrupted: a signal came.
        """
        if self._received is not None and not self._deferred:
            raise Interrupted(self._received) from cause

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(128 + number)
        self._received = number
        if not self._deferred:
            raise Interrupted(number)
