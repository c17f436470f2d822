"""``TensorFlowStart``: start TensorFlow in a thread while the caller does what needs none."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self, TextIO

from tlkit.system.output import Descriptor, descriptor_of
from tlkit.system.tensorflow import finish_start, import_quietly, is_quiet, start_tensorflow

_starting: set[threading.Event] = set()
"""The ends of the imports that were begun; an exception within ``Thread.join`` makes ``is_alive`` False too early."""
_direct: list[TextIO] = []
"""What was ``sys.stderr`` meanwhile; never closed, as the loggers of libraries keep it."""


def is_starting() -> bool:
    """Return whether a thread that nobody waits for still imports TensorFlow: Python's own end would wait for it."""
    return not all(end.is_set() for end in _starting)


class TensorFlowStart:
    """Starts TensorFlow as ``start_tensorflow`` does, from the beginning of a context until ``wait`` returns.

    If the context is left before, by an error or a signal, the import goes on in its thread, and nothing waits for it.
    In a process that has imported TensorFlow or Keras already, all is done when the context is entered.

    Args:
        deterministic: use deterministic operations only, from now on in this process.
        then: called once TensorFlow has started, in its thread; not after the context was left.
    """

    def __init__(self, *, deterministic: bool, then: Callable[[], None]) -> None:
        self._deterministic = deterministic
        self._then = then
        self._error: BaseException | None = None
        self._lock = threading.Lock()
        self._left = False
        self._stderr = _HeldStderr()
        self._end: threading.Event | None = None

    def __enter__(self) -> Self:
        for end in list(_starting):  # one that an earlier call of this process left behind
            end.wait()
            _starting.discard(end)
        if {"tensorflow", "keras"} & set(sys.modules):
            start_tensorflow(deterministic=self._deterministic)
            self._then()
            return self
        if not is_quiet():
            self._stderr.hold()
        self._end = threading.Event()
        _starting.add(self._end)
        threading.Thread(target=self._start, args=(self._end,), name="tlkit-tensorflow").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._left = True
            if self._end is None or self._end.is_set():
                self._stderr.put_back()

    def wait(self) -> None:
        """Wait until TensorFlow has started.

        Raises:
            RunError: Keras was set up by other code for another backend, or another type or layout of tensors.
            Exception: what the import, or ``then``, raised.
        """
        if self._end is None:
            return
        self._end.wait()
        _starting.discard(self._end)
        self._stderr.put_back()
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """Raise what ``wait`` would raise if that is known by now."""
        if self._error is not None:
            self.wait()

    def _start(self, end: threading.Event) -> None:
        try:
            import_quietly(held=True)
            finish_start(deterministic=self._deterministic, is_new=True)
            self._stderr.release()
            with self._lock:
                if not self._left:
                    self._then()
        except BaseException as error:
            self._error = error
            self._stderr.release(show=not self._left)
        with self._lock:
            end.set()
            if self._left:
                self._stderr.put_back()


class _HeldStderr:
    """Holds back what is written to file descriptor 2, also by C++, but not what Python writes to ``sys.stderr``.

    The caller may have to say something while TensorFlow is imported.
    """

    def __init__(self) -> None:
        self._original: int | None = None
        self._descriptor: Descriptor | None = None
        self._before: TextIO | None = None

    def hold(self) -> None:
        """Begin to hold back."""
        self._original = os.dup(2)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by release
        self._descriptor = descriptor_of(sys.stderr)
        if self._descriptor is not None:
            sys.stderr.flush()
            self._descriptor.number = os.dup(2)
            os.dup2(self._file.fileno(), 2)
            return
        with suppress(OSError, ValueError, AttributeError):  # a notebook's has no descriptor
            if sys.stderr.fileno() == 2:
                sys.stderr.flush()
                direct = open(os.dup(2), "w", 1, sys.stderr.encoding, sys.stderr.errors)  # noqa: PTH123, SIM115
                _direct.append(direct)
                self._before, sys.stderr = sys.stderr, direct
        os.dup2(self._file.fileno(), 2)

    def release(self, *, show: bool = False) -> None:
        """End it, and write what was held back if it is to be shown."""
        if self._original is None:
            return
        os.dup2(self._original, 2)
        os.close(self._original)
        self._original = None
        if show:
            self._file.seek(0)
            os.write(2, self._file.read())
        self._file.close()

    def put_back(self) -> None:
        """Put ``sys.stderr`` back; not while a plugin is called, which would be blamed for it."""
        if self._descriptor is not None:
            sys.stderr.flush()
            self._descriptor.number = 2
            self._descriptor = None
        if self._before is not None and sys.stderr in _direct:
            sys.stderr = self._before
        self._before = None
