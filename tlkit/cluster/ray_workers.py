"""Start the workers of a training on the machines of a Ray cluster, by Ray Train, and stop them.

Ray Train places the workers and holds their places; ``Team`` and the supervision are the same as on one machine. Of Ray
Train it is the plain ``DataParallelTrainer``: ``TensorflowTrainer`` would set ``TF_USE_LEGACY_KERAS``.
https://docs.ray.io/en/releases-2.60.0/train/api/doc/ray.train.data_parallel_trainer.DataParallelTrainer.html
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tlkit.cluster.launcher import free_ports, tf_config
from tlkit.cluster.lost import is_stopped
from tlkit.cluster.ray_cluster import Cluster
from tlkit.errors import DataError
from tlkit.system.children import start_python

_EVERY = 0.3
_END = 30.0
"""Seconds to wait for the end of Ray Train."""


class Board:
    """What the workers of a training tell the process that started them, and what it tells them: an actor of Ray.

    Args:
        size: the number of workers.
    """

    def __init__(self, size: int) -> None:
        self._addresses: list[str | None] = [None] * size
        self._codes: list[int | None] = [None] * size
        self._stopped = [False] * size
        self._orders = [""] * size

    def come(self, rank: int, address: str) -> list[str | None]:
        """Take note of the address of a worker, and return those of all; None for one that has not come."""
        self._addresses[rank] = address
        return self._addresses

    def look(self, rank: int, stopped: bool) -> str:
        """Take note of whether the system has stopped a worker, and return what it is to do: ``ask`` or ``kill``."""
        self._stopped[rank] = stopped
        return self._orders[rank]

    def end(self, rank: int, code: int) -> None:
        """Take note of the exit code of a worker."""
        self._codes[rank] = code

    def order(self, ranks: Sequence[int], what: str) -> None:
        """Tell workers what to do."""
        for rank in ranks:
            self._orders[rank] = what

    def state(self) -> tuple[list[int | None], list[bool]]:
        """Return the exit codes of the workers, and whether the system has stopped them."""
        return self._codes, self._stopped


def run_on_node(given: dict[str, Any]) -> None:
    """Run a worker of the training as a process of this machine; Ray Train calls this in a process for each worker."""
    import ray
    import ray.train

    rank, board = ray.train.get_context().get_world_rank(), given["board"]
    address = f"{ray.util.get_node_ip_address()}:{free_ports(1)[0]}"
    addresses = ray.get(board.come.remote(rank, address))
    while None in addresses:
        time.sleep(_EVERY)
        addresses = ray.get(board.come.remote(rank, address))
    variables = {"TF_CONFIG": tf_config(addresses, rank), "TF_NUM_INTRAOP_THREADS": given["threads"]}
    with Path(given["logs"][rank]).open("ab") as log, Path(given["prints"]).open("ab") as prints:
        process = start_python(["-m", given["module"]], log if rank else prints, log, variables)
    assert process.stdin is not None
    done = ""
    try:
        with suppress(BrokenPipeError):  # it has ended at once: its exit code and its log say why
            process.stdin.write(given["tasks"][rank].encode() + b"\n")
            process.stdin.flush()
        while process.poll() is None:
            order = ray.get(board.look.remote(rank, is_stopped(process.pid)))
            if order == "kill":
                process.kill()
            elif order and order != done:
                process.terminate()
            done = order
            time.sleep(_EVERY)
    finally:
        process.kill()
        process.wait()
    ray.get(board.end.remote(rank, process.returncode))


class RayWorkers:
    """Workers that Ray Train has placed on the machines of a cluster, which share the folder of the logs.

    Args:
        cluster: the cluster.
        module: the module that they run.
        tasks: the task of each, a line.
        logs: the file to which each appends what it prints.
        prints: the file to which the first appends what it prints on standard output; this process shows it.

    Raises:
        DataError: there is no room for so many workers.
    """

    def __init__(self, cluster: Cluster, module: str, tasks: Sequence[str], logs: Sequence[Path], prints: Path) -> None:
        import ray

        size, options = len(tasks), cluster.options
        if cluster.room < size:
            raise DataError(
                f"--workers {size}: the cluster {options.address} has room for {cluster.room} with {options.cpus:g} "
                f"processors and {options.gpus:g} GPUs each; ask for fewer, or for less in the recipe's [cluster]"
            )
        self._ray: Any = ray
        self._prints, self._shown = prints, 0
        prints.write_bytes(b"")
        self._codes: list[int | None] = [None] * size
        self._stopped = [False] * size
        self._board = ray.remote(Board).options(num_cpus=0, runtime_env=cluster.resources["runtime_env"]).remote(size)
        given = {
            "board": self._board,
            "module": module,
            "tasks": list(tasks),
            "logs": [str(log.resolve()) for log in logs],
            "prints": str(prints.resolve()),
            "threads": str(max(1, int(options.cpus))),
        }
        self._error: Exception | None = None
        self._train = threading.Thread(target=self._fit, args=(cluster, given), name="tlkit-ray-train", daemon=True)
        self._train.start()

    def _fit(self, cluster: Cluster, given: dict[str, Any]) -> None:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

        options, folder = cluster.options, Path(given["prints"]).parent
        resources = {"CPU": options.cpus, **({"GPU": options.gpus} if options.gpus else {})}
        trainer = DataParallelTrainer(
            run_on_node,
            train_loop_config=given,
            scaling_config=ScalingConfig(
                num_workers=len(given["tasks"]), use_gpu=bool(options.gpus), resources_per_worker=resources
            ),
            run_config=RunConfig(
                name="training",
                storage_path=str(folder / ".ray-train"),
                failure_config=FailureConfig(max_failures=0),
                worker_runtime_env=cluster.resources["runtime_env"],
            ),
        )
        try:
            trainer.fit()
        except Exception as error:
            self._error = error

    def codes(self) -> Sequence[int | None]:
        """Return the exit code of each worker; None while it runs, -9 if its machine was lost.

        Raises:
            DataError: Ray Train could not start the workers.
        """
        self._show()
        ended = not self._train.is_alive()
        with suppress(self._ray.exceptions.RayError):
            self._codes, self._stopped = self._ray.get(self._board.state.remote())
        if ended and None in self._codes:
            if self._error is not None and set(self._codes) == {None} and not self._shown:
                reason = str(self._error).strip().partition("\n")[0]
                raise DataError(f"--cluster: Ray Train could not start the workers: {reason}") from self._error
            self._codes = [-9 if code is None else code for code in self._codes]
        return list(self._codes)

    def is_stopped(self, rank: int) -> bool:
        """Return whether the system says that a worker is stopped, as by SIGSTOP."""
        return self._codes[rank] is None and self._stopped[rank]

    def ask(self, ranks: Sequence[int]) -> None:
        """Ask workers to save their state and end."""
        self._order(ranks, "ask")

    def kill(self, ranks: Sequence[int]) -> None:
        """End workers at once that still run, and wait for it."""
        self._order(ranks, "kill")
        if len(ranks) == len(self._codes):
            self._train.join(_END)
            self._show()
            with suppress(Exception):
                self._ray.kill(self._board)

    def _order(self, ranks: Sequence[int], what: str) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.get(self._board.order.remote(list(ranks), what))

    def _show(self) -> None:
        """Print what the first worker has printed since the last time."""
        with suppress(OSError), self._prints.open("rb") as file:
            file.seek(self._shown)
            whole, end, _ = file.read().rpartition(b"\n")
            if end:
                self._shown += len(whole) + 1
                sys.stdout.write((whole + end).decode(errors="replace"))
                sys.stdout.flush()
