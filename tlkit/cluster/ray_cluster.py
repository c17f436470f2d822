"""Join a Ray cluster, or start one of this machine's processors, and leave it as it was."""

from __future__ import annotations

import gc
import math
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tlkit.cluster.reaching import check_address, token_hint
from tlkit.cluster.tasks import Call, command_on_part, in_order
from tlkit.cluster.versions import check_versions
from tlkit.errors import DataError
from tlkit.recipe.cluster_table import ClusterTable
from tlkit.system.disk import temporary_folder
from tlkit.system.import_path import import_path
from tlkit.system.parallel import usable_processors

Say = Callable[[str], None]
Part = TypeVar("Part")
Result = TypeVar("Result")

LOCAL, AUTO = "local", "auto"
_STORE = 200_000_000
"""Bytes of the object store of a local cluster: images and features are shared as files, not in it."""
_STARTS = 3
"""How often a local cluster is tried to be started."""
_LONGEST = 24
"""Bytes of the path of a temporary folder in which Ray can make its own and its sockets."""
_FOR_WORKERS = (
    *("TLKIT_CACHE", "TLKIT_CONFIG", "TLKIT_PLUGINS", "KERAS_HOME", "XDG_CACHE_HOME", "TF_CPP_MIN_LOG_LEVEL"),
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS"),
)
"""The environment variables that workers on other machines get from this process."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where the workers run, and what each is given.

    Args:
        address: ``local``, the processors of this machine; ``auto``, the cluster that this machine belongs to; or the
            address of a cluster, ``HOST:PORT`` or ``ray://HOST:PORT``.
        workers: the number of workers at the same time; None for as many as there is room for.
        cpus: processors for a worker.
        gpus: GPUs for a worker.
        restarts: how often the work of a lost worker is begun again.
    """

    address: str
    workers: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    restarts: int = 2


def cluster_options(address: str | None, table: ClusterTable | None = None) -> ClusterOptions | None:
    """Return where the work is done; None for this process alone.

    Args:
        address: as the command line names it, which wins; None if it does not.
        table: the recipe's table ``[cluster]``, if there is a recipe.
    """
    table = table or ClusterTable()
    chosen = address or table.address
    if chosen is None:
        return None
    return ClusterOptions(chosen, table.workers, table.cpus, table.gpus, table.restarts)


class Cluster:
    """A cluster that this process has joined.

    Args:
        options: what each worker is given.
        room: the number of workers that there is room for at the same time.
        say: called with a line when a worker is lost.
        environment: variables for the workers; None if they have inherited them.
    """

    def __init__(
        self, options: ClusterOptions, room: int, say: Say, environment: Mapping[str, str] | None = None
    ) -> None:
        self.options = options
        self.room = room
        self.say = say
        self._environment = None if environment is None else {"env_vars": dict(environment)}

    @property
    def resources(self) -> dict[str, Any]:
        """What Ray gives each worker, as options of a task or an actor."""
        placed = {"num_cpus": self.options.cpus, "num_gpus": self.options.gpus}
        return {**placed, "runtime_env": self._environment}

    def begin(self, command: Callable[[Part], Any], part: Part) -> Call:
        """Run a function on a part, in a worker that Ray places; wait for nothing.

        Args:
            command: a function of a module that workers can import, or a ``functools.partial`` of one; what it is
                given and returns is pickled.
            part: what it is called with.
        """
        import ray

        # Ray's own retries would not say that a worker was lost.
        task = ray.remote(command_on_part).options(max_retries=0, **self.resources)
        return Call(task.remote(command, part))

    def run(
        self,
        command: Callable[[Part], Result],
        parts: Iterable[Part],
        *,
        ahead: int | None = None,
        attempts: int | None = None,
    ) -> Iterator[Result]:
        """Run a function on each part, in workers that Ray places, and yield the results in the order of the parts.

        Args:
            command: as for ``begin``.
            parts: what it is called with, one after another; taken only when there is room.
            ahead: the largest number of parts that are begun and whose results were not yielded; None for twice the
                number of workers.
            attempts: how often a part is tried whose worker is lost; None for once more than ``options.restarts``.

        Raises:
            RunError: a part's worker was lost ``attempts`` times.
            TlkitError: as ``command`` raised it. Any other exception of it keeps its traceback.
        """
        ahead = 2 * self.room if ahead is None else ahead
        attempts = self.options.restarts + 1 if attempts is None else attempts
        return in_order(partial(self.begin, command), parts, (self.room, ahead, attempts), self.say)


def require_ray() -> Any:
    """Return the package Ray.

    Raises:
        DataError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray prints that a worker died to standard output, which may be a result: what matters of it is said here.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".*")
    try:
        import ray
    except ImportError as error:
        raise DataError(
            '--cluster needs the package ray, which is not installed: pip install "tlkit[cluster]"'
        ) from error
    return ray


def _for_workers() -> dict[str, str]:
    """Return the environment variables that workers get, so that they import what this process imports."""
    given = {name: os.environ[name] for name in _FOR_WORKERS if name in os.environ}
    # Ray would set it to the processors of a task, and the bits of a result may depend on it.
    given.setdefault("OMP_NUM_THREADS", str(usable_processors()))
    return given | {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}


@contextmanager
def joined(options: ClusterOptions, say: Say = lambda _line: None, *, any_versions: bool = False) -> Iterator[Cluster]:
    """Join a cluster for the context, or start one of this machine's processors.

    If this process has joined a cluster already (``ray.init``), that one is used, and left at the end as it was.

    Args:
        options: which cluster, and what each worker is given.
        say: called with a line about what happens.
        any_versions: whether machines may have other versions than this one.

    Raises:
        DataError: Ray is not installed, the cluster can't be reached, has no room for a worker, or other versions.
    """
    ray = require_ray()
    with ExitStack() as left:
        inherited = options.address == LOCAL and not ray.is_initialized()
        if not ray.is_initialized():
            folder = left.enter_context(_short_folder())
            left.callback(_leave, ray)
            # Ray would put the current folder on the workers' import path.
            with _handlers_kept(), _inherited(options), chdir(folder):
                _begin(ray, options, folder, any_versions)
        yield Cluster(options, _room(ray, options), say, None if inherited else _for_workers())


def refuse_unreachable(options: ClusterOptions | None) -> None:
    """Check, before any work and within seconds, that Ray is installed and that the cluster answers.

    Raises:
        DataError: it is not, or it doesn't.
    """
    if options is not None:
        require_ray()
        _check_reached(options)


def _check_reached(options: ClusterOptions) -> None:
    if options.address == AUTO and "RAY_ADDRESS" in os.environ:
        check_address(os.environ["RAY_ADDRESS"])
    elif options.address not in (AUTO, LOCAL):
        check_address(options.address)


def _leave(ray: Any) -> None:
    """Leave the cluster, and end one that was started."""
    ray.shutdown()
    with warnings.catch_warnings():
        # Ray ends its processes and forgets them, which Python warns of.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def perhaps_joined(options: ClusterOptions | None, say: Say) -> Iterator[Cluster | None]:
    """Join a cluster as ``joined`` does, and say so; without options, do nothing.

    Args:
        options: as for ``joined``; None for no cluster.
        say: called with a line about what happens.

    Raises:
        DataError: as for ``joined``.
    """
    if options is None:
        yield None
        return
    with joined(options, say) as cluster:
        room = f"{cluster.room} worker{'s' * (cluster.room != 1)}"
        gpus = f" and {options.gpus:g} GPUs" if options.gpus else ""
        say(f"Cluster {options.address}: {room} with {options.cpus:g} processors{gpus} each")
        yield cluster


def _begin(ray: Any, options: ClusterOptions, folder: Path, any_versions: bool) -> None:
    """Join the cluster, or start one.

    Raises:
        DataError: it can't be reached, or has other versions.
    """
    own: dict[str, Any] = {}
    if options.address == LOCAL:
        own = {
            "num_cpus": max(usable_processors(), math.ceil((options.workers or 0) * options.cpus)),
            "object_store_memory": _STORE,
            "include_dashboard": False,
            "_temp_dir": str(folder),
        }
    _check_reached(options)
    for attempt in range(_STARTS):
        try:
            ray.init(address=options.address, log_to_driver=False, logging_level="ERROR", **own)
            break
        except Exception as error:  # of many classes; a start that takes 30 s on a busy machine is a bare Exception
            if attempt == _STARTS - 1 or options.address != LOCAL:
                what = "started" if options.address == LOCAL else "joined"
                raise DataError(f"--cluster {options.address}: can't be {what}: {error}{token_hint(error)}") from error
    if options.address != LOCAL and not any_versions:
        check_versions(ray, options.address, _for_workers())


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
def _inherited(options: ClusterOptions) -> Iterator[None]:
    """Have a cluster that is started within the context inherit what its workers need."""
    before = dict(os.environ)
    try:
        if options.address == LOCAL:
            os.environ.update(_for_workers())
        yield
    finally:
        for name in _for_workers():
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Keep this process's handlers of signals, which Ray replaces."""
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
