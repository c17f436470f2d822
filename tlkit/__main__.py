"""Run the command line as ``python -m tlkit``; also the entry point of the command ``tlkit``."""

from __future__ import annotations

import atexit
import os
import sys
import time
from contextlib import suppress
from typing import NoReturn

from tlkit.system import memory_limit, stages
from tlkit.system.import_path import leave_out_current_folder
from tlkit.system.signals import Interrupted, process_signals, stop_with_parent

# Kept to the end of the process: what comes after the command is no place for a traceback either.
_handling = process_signals.handled()


def main() -> None:
    """Run the command line. A signal ends it with a line and its exit code at any time, also during an import."""
    leave_out_current_folder()
    # Pydantic would read the metadata of every installed distribution to find plugins of its own.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    atexit.register(_end_without_finalization)
    memory_limit.is_command = True
    stages.command_began = time.monotonic()
    try:
        _handling.__enter__()
        stop_with_parent()
        with process_signals.not_lost():
            from tlkit.cli import main as command_line
        command_line()
    except KeyboardInterrupt as stopped:
        sys.stderr.write(f"\n{stopped if isinstance(stopped, Interrupted) else 'Stopped by Ctrl-C.'}\n")
        _end_at_once(getattr(stopped, "exit_code", 130))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
        if process_signals.asked or _imports_in_a_thread():
            _end_at_once(code)
        process_signals.done(code)
        raise


def _end_without_finalization() -> None:
    """End a process that has done its work, as its last exit function: those of libraries have run, threads have ended.

    What Python does after them, object by object, takes up to a second once TensorFlow is imported. A debugger, a
    profiler or coverage may still want to do something.
    """
    watched = sys.gettrace() or sys.getprofile() or "coverage" in sys.modules
    if process_signals.exit_code is not None and not watched:
        _end_at_once(process_signals.exit_code)


def _imports_in_a_thread() -> bool:
    start = sys.modules.get("tlkit.system.tensorflow_start")
    return start is not None and start.is_starting()


def _end_at_once(code: int) -> NoReturn:
    """End a stopped process without Python's own end, which waits for threads and fails in half-imported libraries."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
