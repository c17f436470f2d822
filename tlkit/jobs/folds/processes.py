"""The processes of a cross-validation: one ``tlkit run`` or ``tlkit resume`` per fold."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from tlkit.jobs.folds.commands import FoldCommand
from tlkit.jobs.folds.display import BUSY, KILLED
from tlkit.runs.folder import RunFolder
from tlkit.runs.folds import FoldsFolder
from tlkit.runs.lock import LOCK, BusyError, wait_until_free
from tlkit.system.children import start_python
from tlkit.system.from_parent import STOP_AT_END_OF_INPUT

STOPPED = 128 + signal.SIGTERM
"""The exit code of a process that was stopped, or not started for that reason."""
PATIENCE = 120.0
"""Seconds to wait for another process that works in a fold, such as one whose parent was killed and that saves."""
EVERY = 0.3
"""Seconds between two looks at what a process has printed."""


class NewLines:
    """Reads the lines that are appended to a file from now on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = file.stat().st_size

    def read(self) -> list[str]:
        """Return the lines that have been completed since the last call."""
        with self._file.open("rb") as content:
            content.seek(self._place)
            whole, end, _ = content.read().rpartition(b"\n")
        self._place += len(whole) + len(end)
        return whole.decode("utf-8", "replace").splitlines()


def pass_on(lines: NewLines, said: Callable[[str], None], has_ended: Callable[[], bool]) -> None:
    """Pass on the lines that a process writes, until it has ended.

    Args:
        lines: the file that it writes.
        said: called with each line.
        has_ended: waits for the end for a moment; returns whether it has come.
    """
    ended = False
    while not ended:
        ended = has_ended()
        for line in lines.read():
            said(line)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(EVERY)
    return process.returncode is not None


class FoldProcesses:
    """The processes of the folds that are running.

    Attributes:
        stopped: whether ``stop`` was called.
        restarts: how often a process that was killed is started again.
    """

    restarts = 0

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self.stopped = False
        self._lock = Lock()

    def run(
        self,
        command: Sequence[str],
        log: Path,
        said: Callable[[str], None] = lambda _line: None,
        environment: Mapping[str, str | None] | None = None,
    ) -> int:
        """Run a process of Python to its end; after ``stop``, start none.

        Args:
            command: the arguments of the interpreter.
            log: the file to append its output to.
            said: called with each line of its output.
            environment: variables that it gets besides those of this process, as ``start_python`` takes them.

        Returns:
            the exit code; less than 0 if the process was killed.
        """
        with self._lock, log.open("ab") as output:
            if self.stopped:
                return STOPPED
            written = NewLines(log)
            # From the terminal, Ctrl-C does not reach it: this process passes it on.
            variables = {**(environment or {}), STOP_AT_END_OF_INPUT: "1"}
            process = start_python(command, output, subprocess.STDOUT, variables)
            self._running.append(process)
        pass_on(written, said, lambda: _has_ended(process))
        if process.stdin is not None:
            process.stdin.close()
        return process.wait()

    def stop(self) -> None:
        """Have each process save its state and end, and wait for it."""
        with self._lock:
            self.stopped = True
            for process in self._running:
                if process.poll() is None:
                    process.terminate()
        for process in self._running:
            process.wait()


def run_fold(
    folder: FoldsFolder,
    number: int,
    command: FoldCommand,
    processes: FoldProcesses,
    said: Callable[[str], None] = lambda _line: None,
) -> int:
    """Run a fold, resume it if it was interrupted, or do nothing if it is finished.

    The process of a cross-validation that was killed may still save the state of the fold: that is waited for.

    Args:
        folder: the folder of the cross-validation.
        number: the number of the fold, from 1.
        command: how its process is started.
        processes: the processes of all folds.
        said: called with each line that the process prints, and with ``BUSY`` if the fold is waited for.

    Returns:
        the exit code of the fold's process; 0 if the fold is finished.
    """
    return run_to_its_end(
        folder.fold(number),
        folder.log(number),
        lambda: command.of_fold(folder, number),
        processes,
        said,
        command.environment,
    )


def run_to_its_end(
    run: RunFolder,
    log: Path,
    command: Callable[[], Sequence[str]],
    processes: FoldProcesses,
    said: Callable[[str], None] = lambda _line: None,
    environment: Mapping[str, str | None] | None = None,
) -> int:
    """Run a process that trains in a run folder, unless the run is finished; wait for another that works there.

    Args:
        run: the run folder.
        log: the file to append the output to.
        command: returns the arguments of the interpreter, once no other process works in the folder.
        processes: the processes that are running.
        said: called with each line that the process prints, with ``BUSY`` if another is waited for, and with ``KILLED``
            if a process that was killed is started again.
        environment: variables that the process gets besides those of this process.

    Returns:
        the exit code of the process; 0 if the run is finished.
    """
    end = time.monotonic() + PATIENCE
    restarts = processes.restarts
    while True:
        if (run.path / LOCK).is_file() and not wait_until_free(run.path, 0):
            said(BUSY)
            if not wait_until_free(run.path, max(0.0, end - time.monotonic()), lambda: processes.stopped):
                return STOPPED if processes.stopped else BusyError.exit_code
        if run.report.is_file() and run.metrics.is_file():
            return 0
        code = processes.run(command(), log, said, environment)
        if code < 0 and restarts > 0 and not processes.stopped:
            restarts -= 1
            said(KILLED)
            end = time.monotonic() + PATIENCE
            continue
        if code != BusyError.exit_code or time.monotonic() >= end:
            return code
