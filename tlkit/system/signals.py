"""Stop a process on SIGINT, SIGTERM or SIGHUP after its state is saved; the exit code says which signal it was."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from tlkit.system.from_parent import STOP_AT_END_OF_INPUT

_AGAIN = 1.0
"""Seconds after a signal within which another is part of the same request: ``timeout`` sends two, and so do a terminal
that is closed and its shell."""
_SOON = 0.02
_IMPORTS = "<frozen importlib._bootstrap>"
"""The file name of the code that holds Python's locks of imports."""
_LOCKING = {
    "threading": {"__enter__", "__exit__", "_acquire_restore", "_release_save"},
    "logging": {"acquire", "release", "_acquireLock", "_releaseLock"},
}
"""Module → functions that take a lock and return with it; an exception in one would leave the lock held for ever."""
_sent_again = False


def stopping_signals() -> list[signal.Signals]:
    """Return the signals that ask a process to stop, without those that it was started to ignore, as by ``nohup``."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def stop_with_parent() -> None:
    """If the parent asked for it, send this process SIGTERM when the parent ends; a run then saves its state."""
    if os.environ.pop(STOP_AT_END_OF_INPUT, None) is None:
        return
    source = sys.stdin.fileno()

    def wait() -> None:
        with suppress(OSError):
            while os.read(source, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="tlkit-parent", daemon=True).start()


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to stop.

    Attributes:
        exit_code: 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP.
    """

    def __init__(self, number: int) -> None:
        self.exit_code = 128 + number
        what = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"Stopped by {what}.")


class Signals:
    """Turns SIGINT, SIGTERM and SIGHUP into ``Interrupted``: at once or, within ``deferred``, when ``stop`` is called.

    A second signal, more than a second after the first, ends the process at once. Where an exception would leave a lock
    of Python's own held, as that of an import, and with it the threads that wait for it, it is raised a little later.

    Attributes:
        exit_code: the exit code of a process whose work is done; None before.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._at = 0.0
        self._deferred = 0
        self.exit_code: int | None = None

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle the signals within the context; outside the main thread, where Python can't, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}
        hook = sys.unraisablehook
        try:
            for number in stopping_signals():
                before[number] = signal.signal(number, self._handle)
            yield
        finally:
            sys.unraisablehook = hook
            for each, handler in before.items():
                outer = getattr(handler, "__self__", None)
                if isinstance(outer, Signals) and self._received is not None:
                    outer._received, outer._at = self._received, self._at
                signal.signal(each, handler)

    def done(self, code: int) -> None:
        """Have a signal from now on end the process at once with this exit code: its work is done."""
        self.exit_code = code

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within the context a signal only sets ``asked``; the caller calls ``stop`` when the state is saved."""
        self._deferred += 1
        try:
            yield
        finally:
            self._deferred -= 1

    @contextmanager
    def not_lost(self) -> Iterator[None]:
        """Raise ``Interrupted`` at the end of the context if it was lost there.

        The import of a large library may catch the exception, or turn it into one of its own.

        Raises:
            Interrupted: a signal came.
        """
        try:
            yield
        except Interrupted:
            raise
        except BaseException:
            self.stop()
            raise
        self.stop()

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return self._received is not None

    def stop(self) -> None:
        """Stop if a signal came.

        Raises:
            Interrupted: a signal came.
        """
        if self._received is not None:
            raise Interrupted(self._received) from None

    def stop_unless_deferred(self, cause: BaseException | None = None) -> None:
        """Stop the run if a signal came, as ``stop`` does, but not within ``deferred``.

        Args:
            cause: an exception that is left behind, perhaps the one that the signal raised and that code swallowed;
                an ``Interrupted`` is raised again as it is.

        Raises:
            Interrupted: a signal came.
        """
        if self._received is not None and not self._deferred:
            if isinstance(cause, Interrupted):
                raise cause  # Its message may name the command that continues.
            raise Interrupted(self._received) from cause

    def _handle(self, number: int, frame: FrameType | None) -> None:
        global _sent_again
        if self.exit_code is not None:
            os._exit(self.exit_code)
        now = time.monotonic()
        if number == getattr(signal, "SIGHUP", None):
            _leave_terminal()
        again, _sent_again = _sent_again, False
        if self._received is not None and not again:
            if now - self._at > _AGAIN:
                os._exit(128 + number)
            return
        if self._received is None:
            self._received, self._at = number, now
            # An exception in a destructor or a callback is printed and lost; the process ends anyway.
            sys.unraisablehook = lambda _unraisable: None
        if self._deferred:
            return
        if frame is not None and _takes_lock(frame) and threading.active_count() > 1:
            threading.Thread(target=_send_again, args=(number,), name="tlkit-signal", daemon=True).start()
            return
        raise Interrupted(self._received)


def _takes_lock(frame: FrameType) -> bool:
    code, module = frame.f_code, frame.f_globals.get("__name__", "")
    return code.co_filename == _IMPORTS or code.co_name in _LOCKING.get(module, ())


def _send_again(number: int) -> None:
    """Send the main thread a signal again a little later."""
    global _sent_again
    time.sleep(_SOON)
    _sent_again = True
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def _leave_terminal() -> None:
    """Write nothing more to a terminal: it was closed, and an error about that would end the process unsaved."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        for each in (1, 2):
            if stat.S_ISCHR(os.fstat(each).st_mode):
                os.dup2(nowhere, each)
        os.close(nowhere)


process_signals = Signals()
"""Those of the whole process where the command line runs in it, from its start; ``Signals`` of a run take over."""


@contextmanager
def interruptible(advice: str) -> Iterator[None]:
    """Handle signals, and add to the message about one how the work continues.

    Args:
        advice: a sentence.

    Raises:
        Interrupted: by SIGINT, SIGTERM or SIGHUP.
    """
    with Signals().handled():
        try:
            yield
        except Interrupted as stopped:
            stopped.args = (f"{stopped} {advice}",)
            raise
