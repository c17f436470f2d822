"""Join a Ray cluster, or start one of this machine's processors, and leave it as it was."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tlkit.cluster.tasks import in_order
from tlkit.errors import DataError
from tlkit.system.disk import temporary_folder
from tlkit.system.import_path import import_path

Say = Callable[[str], None]
Part = TypeVar("Part")
Result = TypeVar("Result")

LOCAL, AUTO = "local", "auto"
_STORE = 200_000_000
"""Bytes of the object store of a local cluster: images and features are shared as files, not in it."""
_LONGEST = 24
"""Bytes of the path of a temporary folder in which Ray can make its own and its sockets."""
_FOR_WORKERS = ("TLKIT_", "TF_", "KERAS_", "XDG_CACHE_HOME", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""How the names of environment variables begin that workers get from this process."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where the workers run, and what each is given.

    Args:
        address: ``local``, the processors of this machine; ``auto``, the cluster that this machine belongs to; or the
            address of a cluster, ``HOST:PORT`` or ``ray://HOST:PORT``.
        workers: the number of workers at the same time; None for as many as there is room for.
        cpus: processors for a worker.
        gpus: GPUs for a worker.
    """

    address: str
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0


class Cluster:
    """A cluster that this process has joined.

    Args:
        options: what each worker is given.
        room: the number of workers that there is room for at the same time.
        say: called with a line when a worker is lost.
    """

    def __init__(self, options: ClusterOptions, room: int, say: Say) -> None:
        self.options = options
        self.room = room
        self._say = say

    def run(
        self, command: Callable[[Part], Result], parts: Iterable[Part], *, ahead: int | None = None, attempts: int = 3
    ) -> Iterator[Result]:
        """Run a function on each part, in workers that Ray places, and yield the results in the order of the parts.

        Args:
            command: a function of a module that workers can import, or a ``functools.partial`` of one; what it is
                given and returns is pickled.
            parts: what it is called with, one after another; taken only when there is room.
            ahead: the largest number of parts that are begun and whose results were not yielded; None for twice the
                number of workers.
            attempts: how often a part is tried whose worker is lost.

        Raises:
            RunError: a part's worker was lost ``attempts`` times.
            TlkitError: as ``command`` raised it. Any other exception of it keeps its traceback.
        """
        ahead = 2 * self.room if ahead is None else ahead
        return in_order(command, parts, self.resources(), (self.room, ahead, attempts), self._say)

    def resources(self) -> dict[str, Any]:
        """Return what Ray is to give each worker, as options of a task or an actor."""
        environment = {name: text for name, text in os.environ.items() if name.startswith(_FOR_WORKERS)}
        environment |= {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}
        return {
            "num_cpus": self.options.cpus,
            "num_gpus": self.options.gpus,
            "runtime_env": {"env_vars": environment},
        }


def require_ray() -> Any:
    """Return the package Ray.

    Raises:
        DataError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise DataError(
            '--cluster needs the package ray, which is not installed: pip install "tlkit[cluster]"'
        ) from error
    return ray


@contextmanager
def joined(options: ClusterOptions, say: Say = lambda _line: None) -> Iterator[Cluster]:
    """Join a cluster for the context, or start one of this machine's processors.

    If this process has joined a cluster already (``ray.init``), that one is used, and left at the end as it was.

    Args:
        options: which cluster, and what each worker is given.
        say: called with a line about what happens.

    Raises:
        DataError: Ray is not installed, the cluster can't be reached, has no room for a worker, or other versions.
    """
    ray = require_ray()
    with ExitStack() as left:
        if not ray.is_initialized():
            folder = left.enter_context(_short_folder())
            left.callback(ray.shutdown)
            with _handlers_kept(), chdir(folder):  # Ray would put the current folder on the workers' import path.
                _begin(ray, options, folder)
        yield Cluster(options, _room(ray, options), say)


def _begin(ray: Any, options: ClusterOptions, folder: Path) -> None:
    quiet = {"include_dashboard": False} if options.address == LOCAL else {}
    own: dict[str, Any] = {}
    if options.address == LOCAL:
        workers = options.workers or 0
        own = {
            "num_cpus": max(_processors(), round(workers * options.cpus)),
            "object_store_memory": _STORE,
            "_temp_dir": str(folder),
        }
    try:
        ray.init(address=options.address, log_to_driver=False, logging_level="ERROR", **quiet, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise DataError(f"--cluster {options.address}: can't be joined: {error}") from error


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _room(ray: Any, options: ClusterOptions) -> int:
    """Return how many workers there is room for.

    Raises:
        DataError: for none.
    """
    room = 0
    for node in ray.nodes():
        if node["Alive"]:
            there = node["Resources"]
            fits = [int(there.get("CPU", 0.0) / options.cpus)] if options.cpus else []
            fits += [int(there.get("GPU", 0.0) / options.gpus)] if options.gpus else []
            room += min(fits, default=1)
    if room < 1:
        raise DataError(
            f"--cluster {options.address}: no machine of it has {options.cpus:g} processors and {options.gpus:g} GPUs "
            "for a worker; expected smaller cluster.cpus and cluster.gpus, or a larger machine"
        )
    return min(room, options.workers or room)


@contextmanager
def _short_folder() -> Iterator[Path]:
    """Make a temporary folder, with a short path: Ray's sockets are in it, and their paths are limited to 107 bytes."""
    long = len(os.fsencode(tempfile.gettempdir())) > _LONGEST
    with temporary_folder("/tmp" if long and os.name == "posix" else None) as folder:
        yield folder


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray replaces."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if "threading" in sys.modules and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
