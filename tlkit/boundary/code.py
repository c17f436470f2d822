"""``PluginCode``: the one context in which code of a plugin runs, and what becomes of what it raises."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from tlkit.boundary.process_state import ProcessState
from tlkit.errors import PluginError, TlkitError
from tlkit.system.disk import is_disk_full
from tlkit.system.memory import is_exhausted
from tlkit.system.signals import Interrupted, Signals, stopping_signals

_OWN = (str(Path(__file__).parent), str(Path("tlkit", "contracts", "lazy.py")))
"""Parts of the names of the files whose lines a plugin's author does not need."""

_ENDS = (Exception, SystemExit, KeyboardInterrupt, GeneratorExit)
_GENERATED = "__autograph_generated_file"
"""Part of the names of files that TensorFlow's AutoGraph writes."""


class PluginCode:
    """A context in which code of a plugin runs.

    What the code raises becomes a ``PluginError`` that names the plugin, the function and the line: exceptions of any
    class, ``SystemExit`` and the ``KeyboardInterrupt`` that code raises by itself included. Four things pass as they
    are: tlkit's own errors, the exceptions in ``passes``, those that say that the disk or the memory is full, and a
    stop that a signal asked for, which no plugin can swallow either. Code that leaves the state of the process changed
    is an error, too; see ``ProcessState``.

    Code that ends the process (``os._exit``, a crash) can't be caught: it does what SIGKILL does.

    Args:
        plugin: the plugin, for messages.
        what: the function of the plugin, for messages, such as ``tlkit_heads`` or ``Head.build of "pooled"``.
        passes: classes of exceptions that the function may raise; with ``Exception``, those of click pass only if they
            are named, too, and of those that are no ``Exception`` only the ones that end a program don't pass.
        file: the file that the function is in; of the lines in a traceback, the last one in it is named.
        watch: whether to watch the state of the process, which takes 0.2 ms; not where a step of training waits for it.

    Raises:
        PluginError: see above.
    """

    def __init__(
        self,
        plugin: str,
        what: str,
        passes: tuple[type[BaseException], ...] = (),
        *,
        file: str | None = None,
        watch: bool = True,
    ) -> None:
        self._plugin, self._what, self._passes, self._file, self._watch = plugin, what, passes, file, watch
        self._process = os.getpid()

    def __enter__(self) -> None:
        # Signals come to the main thread; and other threads may change the state of the process while one runs.
        in_main = threading.current_thread() is threading.main_thread()
        self._stop = _Stop() if in_main else None
        self._state = ProcessState() if in_main and self._watch else None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._process:
            os._exit(1)  # A fork of the process: two must not go on with one run.
        changed = "" if self._state is None else self._state.restore()
        if self._stop is not None:
            self._stop.raise_if_asked(error)
        if error is None:
            if changed:
                raise PluginError(f"{self._plugin}: {self._what}: {changed}")
            return
        # click's exceptions end a command, perhaps as a success: they pass only by name.
        names_click = type(error).__module__.partition(".")[0] == "click"
        if isinstance(error, tuple(each for each in self._passes if not (names_click and each is Exception))):
            return
        # Where bugs pass with their traceback, so does what is neither a bug nor an end: neither looks like a success.
        if Exception in self._passes and not isinstance(error, _ENDS):
            return
        # An error of a plugin's own with the exit code of success would end tlkit as a success.
        if isinstance(error, TlkitError) and error.exit_code in range(1, 256):
            return
        if isinstance(error, Exception) and _is_out_of_room(error):
            error.add_note(f"Raised in {self._plugin}: {self._what}.")
            return
        raise self._plugin_error(error, trace) from error

    def _plugin_error(self, error: BaseException, trace: TracebackType | None) -> PluginError:
        frames = [
            each
            for each in traceback.extract_tb(trace)
            if not each.filename.startswith("<frozen ") and not any(own in each.filename for own in _OWN)
        ]
        summary = traceback.TracebackException.from_exception(error)
        summary.stack = traceback.StackSummary.from_list(frames)
        details = "".join(summary.format())
        traced = getattr(error, "ag_error_metadata", None)
        if traced is not None:  # AutoGraph ran code that it generated; it knows the lines that it comes from.
            places = [(each.filename, each.lineno) for each in reversed(traced.translated_stack)]
            details = traced.get_message()
        else:
            places = [(each.filename, each.lineno) for each in frames]
            if places and _GENERATED in places[-1][0]:
                places = []
        inside = [place for place in places if place[0] == self._file] or places
        where = f" ({inside[-1][0]}:{inside[-1][1]})" if inside else ""
        hint = ""
        if not isinstance(error, Exception):
            hint = "; a plugin can't end tlkit: raise tlkit.TlkitError, or a subclass of it, for what a user can fix"
        raised = PluginError(f"{self._plugin}: {self._what}: {_text(error)}{where}{hint}")
        raised.details = details
        return raised


def _is_out_of_room(error: Exception) -> bool:
    """Return whether the disk or the memory is full, which is no mistake of the plugin's: tlkit says what to do."""
    try:
        return is_exhausted(error) or (isinstance(error, OSError) and is_disk_full(error))
    except Exception:  # of a plugin's own class, whose text can't be read
        return False


class _Stop:
    """Knows whether a signal that stops tlkit came while code of a plugin ran in the main thread."""

    def __init__(self) -> None:
        self._handler: Any = signal.getsignal(signal.SIGINT)
        handlers = [self._handler, *(signal.getsignal(number) for number in stopping_signals())]
        owners = [getattr(handler, "__self__", None) for handler in handlers]
        self._signals = next((owner for owner in owners if isinstance(owner, Signals)), None)
        self._outer = owners[0] if isinstance(owners[0], _Stop) else None
        self._seen = False
        if self._handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._seen = True
        signal.default_int_handler(number, frame)

    def raise_if_asked(self, error: BaseException | None) -> None:
        """Restore the handler, and raise what the signal asked for, if one came and it does not come already.

        Args:
            error: what the plugin's code raised.
        """
        if self._handler is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handler)
            if self._seen:
                raise KeyboardInterrupt from error
            return
        if self._outer is not None:
            if self._outer._seen:
                raise KeyboardInterrupt from error
        elif self._signals is not None:
            self._signals.stop_unless_deferred(error)
        elif (
            self._handler is not signal.SIG_IGN
            and isinstance(error, KeyboardInterrupt)
            and not isinstance(error, Interrupted)
        ):
            raise error  # The handler of the program that uses tlkit may have raised it.


def _text(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "<its text can't be read>"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
