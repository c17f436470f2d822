"""Join a Ray cluster, or start one of this machine's processors, and leave it as it was."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, chdir, contextmanager, nullcontext
from functools import partial
from typing import Any, TypeVar

from tlkit.cluster.options import LOCAL
from tlkit.cluster.options import ClusterOptions as ClusterOptions
from tlkit.cluster.options import cluster_options as cluster_options
from tlkit.cluster.starting import begin, check_reached, for_workers, handlers_kept, inherited, leave, short_folder
from tlkit.cluster.tasks import Call, command_on_part, in_order
from tlkit.errors import DataError
from tlkit.system.text import counted

Say = Callable[[str], None]
Part = TypeVar("Part")
Result = TypeVar("Result")


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
        started = options.address == LOCAL and not ray.is_initialized()
        if not ray.is_initialized():
            folder = left.enter_context(short_folder())
            left.callback(leave, ray)
            # Ray would put the current folder on the workers' import path.
            with handlers_kept(), inherited(options), chdir(folder):
                begin(ray, options, folder, any_versions=any_versions)
        room = _room(ray, options)
        if not options.gpus and ray.cluster_resources().get("GPU"):
            say("  note: the cluster has GPUs, and its workers use none; gpus = 1 in [cluster] gives each worker one")
        yield Cluster(options, room, say, None if started else for_workers())


def reachable(options: ClusterOptions | None) -> ClusterOptions | None:
    """Return options, after checking within seconds that Ray is installed, and that the cluster answers and has room.

    Raises:
        DataError: it is not, it doesn't, or none of its machines has what a worker is to be given.
    """
    if options is None:
        return None
    ray = require_ray()
    if ray.is_initialized():
        _room(ray, options)
    else:
        check_reached(options)
        if options.address != LOCAL and (options.cpus > 1 or options.gpus):
            with joined(options, any_versions=True):
                pass  # which has room: the data, which may take hours to read, is not read in vain
    return options


def perhaps_joined(options: ClusterOptions | None, say: Say) -> AbstractContextManager[Cluster | None]:
    """Return the context of ``announced``; without options, one of no cluster."""
    return nullcontext() if options is None else announced(options, say)


@contextmanager
def announced(options: ClusterOptions, say: Say) -> Iterator[Cluster]:
    """Join a cluster as ``joined`` does, and say so.

    Args:
        options, say: as for ``joined``.

    Raises:
        DataError: as for ``joined``.
    """
    with joined(options, say) as cluster:
        room = f"{cluster.room} worker{'s' * (cluster.room != 1)}"
        gpus = f" and {options.gpus:g} GPUs" if options.gpus else ""
        say(f"Cluster {options.address}: {room} with {counted(options.cpus, 'processor')}{gpus} each")
        yield cluster


def _room(ray: Any, options: ClusterOptions) -> int:
    """Return how many workers there is room for.

    Raises:
        DataError: for none.
    """
    room, machines = 0, [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for there in machines:
        fits = [int(there.get("CPU", 0.0) / options.cpus)] if options.cpus else []
        fits += [int(there.get("GPU", 0.0) / options.gpus)] if options.gpus else []
        room += min(fits, default=1)
    if room < 1:
        most = [max((each.get(kind, 0.0) for each in machines), default=0.0) for kind in ("CPU", "GPU")]
        wanted = f"{counted(options.cpus, 'processor')} and {counted(options.gpus, 'GPU')}"
        raise DataError(
            f"--cluster {options.address}: no machine of it has {wanted} for a worker; they have up to "
            f"{counted(most[0], 'processor')} and {counted(most[1], 'GPU')}. Expected smaller cluster.cpus and "
            "cluster.gpus, or a larger machine"
        )
    return min(room, options.workers or room)
