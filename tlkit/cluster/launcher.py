"""Start the workers of a training as processes of this machine, and stop them."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tlkit.cluster.lost import is_stopped
from tlkit.errors import RunError
from tlkit.system.children import start_python
from tlkit.system.gpus import visible_gpus
from tlkit.system.parallel import usable_processors

_PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections, which could take one before the worker listens on it."""


class Workers(Protocol):
    """The processes of the workers, wherever they run, in the order of their ranks."""

    def codes(self) -> Sequence[int | None]:
        """Return the exit code of each worker; None while it runs, negative if a signal ended it."""

    def is_stopped(self, rank: int) -> bool:
        """Return whether the system says that a worker is stopped."""

    def ask(self, ranks: Sequence[int]) -> None:
        """Ask workers to save their state and end."""

    def kill(self, ranks: Sequence[int]) -> None:
        """End workers at once that still run."""


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 on which nothing listens.

    Raises:
        RunError: there are too few.
    """
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise RunError(f"--workers {count}: too few free ports on 127.0.0.1 from {_PORTS.start} to {_PORTS.stop - 1}")


def tf_config(addresses: Sequence[str], rank: int) -> str:
    """Return the ``TF_CONFIG`` of a worker.

    Args:
        addresses: ``HOST:PORT`` of each worker.
        rank: the number of the worker, from 0.
    """
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": rank}})


def shares(workers: int) -> list[dict[str, str | None]]:
    """Return the environment variables by which the workers share the processors and the GPUs of this machine.

    Args:
        workers: how many there are.

    Raises:
        RunError: there are GPUs, but fewer than workers.
    """
    gpus = visible_gpus()
    if gpus and len(gpus) < workers:
        raise RunError(
            f"--workers {workers}: this machine has {len(gpus)} GPU{'s' if len(gpus) > 1 else ''}; expected one for "
            "each worker. Ask for fewer, or set CUDA_VISIBLE_DEVICES=-1 to train on the processors"
        )
    threads = max(1, usable_processors() // workers)
    variables: dict[str, str | None] = {"TF_NUM_INTRAOP_THREADS": str(threads)}
    if "TF_NUM_INTRAOP_THREADS" in os.environ:  # the user has chosen
        variables = {}
    return [variables | ({"CUDA_VISIBLE_DEVICES": gpus[rank]} if gpus else {}) for rank in range(workers)]


class LocalWorkers:
    """Workers that are processes of this machine.

    The first line on the standard input of each is its task; the end of the input tells it that this process has ended.

    Args:
        module: the module that they run.
        tasks: the task of each, a line.
        logs: the file to which each appends what it prints.
        first_prints: whether what the first prints on standard output goes to that of this process instead.
    """

    def __init__(self, module: str, tasks: Sequence[str], logs: Sequence[Path], *, first_prints: bool) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        addresses = [f"127.0.0.1:{port}" for port in free_ports(len(tasks))]
        try:
            for rank, (task, log, share) in enumerate(zip(tasks, logs, shares(len(tasks)), strict=True)):
                with log.open("ab") as output:
                    prints = 1 if first_prints and not rank else output
                    variables = share | {"TF_CONFIG": tf_config(addresses, rank)}
                    process = start_python(["-m", module], prints, output, variables)
                self._processes.append(process)
                assert process.stdin is not None
                with suppress(BrokenPipeError):  # it has ended at once: its exit code and its log say why
                    process.stdin.write(task.encode() + b"\n")
                    process.stdin.flush()
        except BaseException:
            self.kill(range(len(self._processes)))
            raise

    def codes(self) -> Sequence[int | None]:
        """Return the exit code of each worker; None while it runs, negative if a signal ended it."""
        return [process.poll() for process in self._processes]

    def is_stopped(self, rank: int) -> bool:
        """Return whether the system says that a worker is stopped, as by SIGSTOP."""
        process = self._processes[rank]
        return process.poll() is None and is_stopped(process.pid)

    def ask(self, ranks: Sequence[int]) -> None:
        """Ask workers to save their state and end."""
        for rank in ranks:
            if self._processes[rank].poll() is None:
                self._processes[rank].terminate()

    def kill(self, ranks: Sequence[int]) -> None:
        """End workers at once that still run, and wait for it."""
        for process in (self._processes[rank] for rank in ranks):
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
