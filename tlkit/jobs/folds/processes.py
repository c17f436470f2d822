"""The processes of a cross-validation: one ``tlkit run`` or ``tlkit resume`` per fold."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from tlkit.runs.folds import FoldsFolder
from tlkit.system.signals import STOP_AT_END_OF_INPUT

_EVERY = 0.3
"""Seconds between two looks at what a process has printed."""


class _NewLines:
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


class FoldProcesses:
    """The processes of the folds that are running."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = False
        self._lock = Lock()

    def run(self, command: Sequence[str], log: Path, said: Callable[[str], None] = lambda _line: None) -> int:
        """Run a command to its end; after ``stop``, start none.

        Args:
            command: the program and its arguments.
            log: the file to append its output to.
            said: called with each line of its output.

        Returns:
            the exit code.
        """
        with self._lock, log.open("ab") as output:
            if self._stopped:
                return 128 + signal.SIGTERM
            written = _NewLines(log)
            # In a process group of its own: this process passes Ctrl-C on; from the terminal it would arrive twice,
            # and the second signal ends a run at once.
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # held open until this process ends, however it ends
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, STOP_AT_END_OF_INPUT: "1"},
                process_group=0,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
            )
            self._running.append(process)
        code = None
        while code is None:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(_EVERY)
            for line in written.read():
                said(line)
        if process.stdin is not None:
            process.stdin.close()
        return code

    def stop(self) -> None:
        """Have each process save its state and end, and wait for it."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                if process.poll() is None:
                    process.terminate()
        for process in self._running:
            process.wait()


def run_fold(
    folder: FoldsFolder,
    number: int,
    plugins: Sequence[str],
    processes: FoldProcesses,
    said: Callable[[str], None] = lambda _line: None,
) -> int:
    """Run a fold, resume it if it was interrupted, or do nothing if it is finished.

    Args:
        folder: the folder of the cross-validation.
        number: the number of the fold, from 1.
        plugins: the plugin files to load.
        processes: the processes of all folds.
        said: called with each line that the process prints.

    Returns:
        the exit code of the fold's process; 0 if the fold is finished.
    """
    run = folder.fold(number)
    if run.report.is_file() and run.metrics.is_file():
        return 0
    command = [sys.executable, "-m", "tlkit"]
    for plugin in plugins:
        command += ["--plugin", str(Path(plugin).resolve())]
    if run.recipe.is_file():
        command += ["resume", str(run.path)]
    else:
        samples = json.dumps(folder.splits(number).resolve().as_posix(), ensure_ascii=False)
        command += ["run", str(folder.recipe), "--out", str(run.path), "--set", f"input.samples={samples}"]
    return processes.run(command, folder.log(number), said)
