"""SIGINT and SIGTERM while a run works: its state is saved first, and the exit code says which it was."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        super().__init__(f"Stopped by {signal.Signals(number).name}.")


class Signals:
    """Turns SIGINT and SIGTERM into ``Interrupted``: at once, or, where that is deferred, when it is asked for.

    A second signal ends the process at once.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._deferred = 0

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals; outside the main thread, where Python can't, nothing is changed."""
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
        """Within it a signal only has ``asked`` be true; the work is to call ``stop`` when its state is saved."""
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
        """End what is running if a signal came.

        Raises:
            Interrupted: one did.
        """
        if self._received is not None:
            raise Interrupted(self._received)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._received is not None:
            os._exit(128 + number)
        self._received = number
        if not self._deferred:
            raise Interrupted(number)
