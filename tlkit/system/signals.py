"""Stop a run on SIGINT or SIGTERM after its state is saved; the exit code says which signal it was."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


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

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(128 + number)
        self._received = number
        if not self._deferred:
            raise Interrupted(number)
