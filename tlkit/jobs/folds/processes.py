"""The processes of a cross-validation: one ``tlkit run`` or ``tlkit resume`` per fold."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import IO


class FoldProcesses:
    """The processes of the folds that are running."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopped = False
        self._lock = Lock()

    def run(self, command: Sequence[str], log: IO[bytes]) -> int:
        """Run a command to its end; after ``stop``, start none.

        Args:
            command: the program and its arguments.
            log: the file that takes its output.

        Returns:
            the exit code.
        """
        with self._lock:
            if self._stopped:
                return 128 + signal.SIGTERM
            # In a process group of its own: this process passes Ctrl-C on; from the terminal it would arrive twice,
            # and the second signal ends a run at once.
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # on Windows
            )
            self._running.append(process)
        return process.wait()

    def stop(self) -> None:
        """Have each process save its state and end, and wait for it."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                if process.poll() is None:
                    process.terminate()
        for process in self._running:
            process.wait()


def run_fold(folder: Path, number: int, plugins: Sequence[str], processes: FoldProcesses) -> int:
    """Run a fold, resume it if it was interrupted, or do nothing if it is finished.

    Args:
        folder: the folder of the cross-validation.
        number: the number of the fold, from 1.
        plugins: the plugin files to load.
        processes: the processes of all folds.

    Returns:
        the exit code of the fold's process; 0 if the fold is finished.
    """
    run = folder / f"fold-{number}"
    if (run / "report.html").is_file() and (run / "metrics.json").is_file():
        return 0
    command = [sys.executable, "-m", "tlkit"]
    for plugin in plugins:
        command += ["--plugin", str(Path(plugin).resolve())]
    if (run / "recipe.toml").is_file():
        command += ["resume", str(run)]
    else:
        samples = json.dumps((folder / f"fold-{number}.csv").resolve().as_posix(), ensure_ascii=False)
        command += ["run", str(folder / "folds.toml"), "--out", str(run), "--set", f"input.samples={samples}"]
    with (folder / f"fold-{number}.log").open("ab") as log:
        return processes.run(command, log)
