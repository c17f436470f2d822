"""The processes of folds and trials on a cluster: each is started by a worker that Ray places."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tlkit.cluster.ray_cluster import Cluster
from tlkit.cluster.tasks import EVERY, PATIENCE, Call, WorkerLostError
from tlkit.errors import DataError
from tlkit.jobs.folds.processes import STOPPED, FoldProcesses, NewLines, pass_on
from tlkit.system.import_path import import_path

_LOST = -1
"""The exit code of a process whose worker was lost."""
_THREADS = ("OMP_NUM_THREADS",)
"""Variables that Ray sets in a worker, and that would change the bits of a result."""


@dataclass(frozen=True)
class _Process:
    """A process that a worker is to start.

    Args:
        command: the arguments of the interpreter.
        log: the file to append its output to.
        folder: the current folder.
        environment: variables that it gets besides those of the worker.
    """

    command: Sequence[str]
    log: Path
    folder: Path
    environment: Mapping[str, str | None]


class PlacedProcesses(FoldProcesses):
    """The processes that run on a cluster. Their folders must be shared by its machines.

    Args:
        cluster: the cluster.
    """

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster
        self._calls: list[Call] = []
        self.restarts = cluster.options.restarts

    def run(
        self,
        command: Sequence[str],
        log: Path,
        said: Callable[[str], None] = lambda _line: None,
        environment: Mapping[str, str | None] | None = None,
    ) -> int:
        """Run a process as ``FoldProcesses.run`` does, on a machine of the cluster.

        Raises:
            DataError: the machine does not have the folder of the log.
        """
        variables = {name: os.environ.get(name) for name in _THREADS}
        variables |= {**(environment or {}), "PYTHONPATH": os.pathsep.join(import_path())}
        process = _Process(tuple(command), log.absolute(), Path.cwd(), variables)
        with self._lock:
            if self.stopped:
                return STOPPED
            log.touch()
            written = NewLines(log)
            call = self._cluster.begin(_run, process)
            self._calls.append(call)
        pass_on(written, said, lambda: call.ended(EVERY))
        try:
            code: int = call.result()
        except WorkerLostError:
            return _LOST
        except Exception:
            if call.cancelled:
                return STOPPED
            raise
        return code

    def stop(self) -> None:
        """Have each process save its state and end, and wait for it."""
        with self._lock:
            self.stopped = True
            running = [call for call in self._calls if not call.ended(0)]
            for call in running:
                call.cancel()
        for call in running:
            call.ended(PATIENCE)


def _run(process: _Process) -> int:
    """Run a process in a worker, to its end.

    Raises:
        DataError: this machine does not have its folders.
    """
    for folder in (process.folder, process.log.parent):
        if not folder.is_dir():
            raise DataError(
                f"{folder}: is not on the machine {socket.gethostname()}; expected a folder that all machines of the "
                "cluster share"
            )
    processes = FoldProcesses()
    try:
        with chdir(process.folder):
            return processes.run(process.command, process.log, environment=process.environment)
    except BaseException:
        processes.stop()
        raise


def makes_processes(cluster: Cluster | None) -> Callable[[], FoldProcesses]:
    """Return what makes the processes: of this machine, or of a cluster."""
    return FoldProcesses if cluster is None else partial(PlacedProcesses, cluster)
